//! Setting text: lines of glyphs of a given width.

use std::borrow::Cow;
use std::ops::Range;

use parley::layout::Alignment;
use parley::style::{FontStyle, LineHeight, OverflowWrap};
use parley::{
    AlignmentOptions, BaseDirection, FontContext, FontFamily, FontFamilyName, FontWeight,
    InlineBox, InlineBoxKind, Layout, LayoutContext, StyleProperty, VerticalAlign,
};

use super::fonts::Fonts;
use crate::markdown::tree::{Image, Piece, Style, What};
use crate::options::{Direction, Options};

/// Sub- and superscript, compared with the text around.
const SMALL: f32 = 0.72;
/// Points of a pixel, at 96 pixels an inch.
const POINTS_PER_PIXEL: f32 = 0.75;

/// How a piece of text is drawn.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Ink {
    pub(super) shade: Shade,
    pub(super) behind: Option<Shade>,
    pub(super) underline: bool,
    pub(super) strike: bool,
    pub(super) leads: Option<Leads>,
}

/// Where a click leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Leads {
    /// To the target at this place.
    Target(usize),
    /// To the footnote of this number.
    Note(usize),
}

/// The colours there are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Shade {
    #[default]
    Text,
    Link,
    Quiet,
    Line,
    CodeGround,
    HeadGround,
    Marker,
}

/// How a paragraph looks.
#[derive(Clone, Copy, Debug)]
pub(super) struct Look {
    /// Of the letters, in points.
    pub(super) size: f32,
    pub(super) bold: bool,
    pub(super) mono: bool,
    pub(super) shade: Shade,
    pub(super) alignment: Alignment,
}

impl Look {
    pub(super) const TEXT: Self = Self {
        size: 10.5,
        bold: false,
        mono: false,
        shade: Shade::Text,
        alignment: Alignment::Start,
    };
}

/// A paragraph: its lines, and the text they are of.
pub(super) struct Para {
    pub(super) layout: Layout<Ink>,
    pub(super) text: String,
}

impl Para {
    pub(super) fn lines(&self) -> usize {
        self.layout.len()
    }

    /// Top and bottom of a line.
    pub(super) fn span(&self, line: usize) -> (f32, f32) {
        self.layout.get(line).map_or((0.0, 0.0), |line| {
            let metrics = line.metrics();
            (metrics.block_min_coord, metrics.block_max_coord)
        })
    }

    /// The height of some lines.
    pub(super) fn height(&self, lines: Range<usize>) -> f32 {
        if lines.is_empty() {
            return 0.0;
        }
        self.span(lines.end - 1).1 - self.span(lines.start).0
    }

    /// The end of the lines that fit into so much.
    pub(super) fn fitting(&self, from: usize, room: f32) -> usize {
        let top = self.span(from).0;
        let fits = |line: &usize| self.span(*line).1 - top <= room;
        (from..self.lines()).take_while(fits).last().map_or(from, |last| last + 1)
    }

    /// Sets the same text anew.
    pub(super) fn set_width(&mut self, width: f32, alignment: Alignment) {
        self.layout.break_all_lines(Some(width));
        self.layout.align(alignment, AlignmentOptions::default());
    }
}

/// Sets text, with all it needs for that.
pub(super) struct Setter<'a> {
    fonts: &'a Fonts,
    context: FontContext,
    layouts: LayoutContext<Ink>,
    direction: BaseDirection,
    language: Option<parley::style::Language>,
    images: &'a [Image],
    /// Most that an image may take, in points.
    pub(super) largest: (f32, f32),
}

impl<'a> Setter<'a> {
    pub(super) fn new(
        fonts: &'a Fonts,
        images: &'a [Image],
        options: &Options,
        largest: (f32, f32),
    ) -> Self {
        let direction = match options.direction {
            Direction::Auto => BaseDirection::Auto,
            Direction::Ltr => BaseDirection::Ltr,
            Direction::Rtl => BaseDirection::Rtl,
        };
        Self {
            fonts,
            context: fonts.context(),
            layouts: LayoutContext::new(),
            direction,
            language: options.language.parse().ok(),
            images,
            largest,
        }
    }

    /// Sets a plain text.
    pub(super) fn plain(&mut self, text: &str, look: Look, width: Option<f32>) -> Para {
        let piece =
            Piece { what: What::Text(text.to_owned()), style: Style::default(), link: None };
        self.set(&[piece], look, width)
    }

    /// Sets pieces, in lines of `width` points or, without it, in one.
    pub(super) fn set(&mut self, pieces: &[Piece], look: Look, width: Option<f32>) -> Para {
        let mut text = String::new();
        let mut styled: Vec<(Range<usize>, &Piece)> = Vec::with_capacity(pieces.len());
        let mut boxes = Vec::new();
        for piece in pieces {
            let from = text.len();
            match &piece.what {
                What::Text(part) => text.push_str(part),
                What::Break => text.push('\n'),
                What::Note(number) => text.push_str(&number.to_string()),
                What::Image(place, _) => {
                    boxes.extend(self.image(*place, width, from));
                    continue;
                }
            }
            styled.push((from..text.len(), piece));
        }
        let mut builder = self.layouts.ranged_builder(&mut self.context, &text, 1.0, false);
        builder.set_base_direction(self.direction);
        let families = if look.mono { self.fonts.mono() } else { self.fonts.text() };
        builder.push_default(StyleProperty::FontFamily(list(families)));
        builder.push_default(StyleProperty::FontSize(look.size));
        builder.push_default(StyleProperty::LineHeight(LineHeight::FontSizeRelative(1.4)));
        builder.push_default(StyleProperty::OverflowWrap(OverflowWrap::BreakWord));
        builder.push_default(StyleProperty::Locale(self.language));
        builder.push_default(StyleProperty::Brush(Ink { shade: look.shade, ..Ink::default() }));
        if look.bold {
            builder.push_default(StyleProperty::FontWeight(FontWeight::BOLD));
        }
        for (range, piece) in styled {
            let Style { bold, italic, code, raised, lowered, .. } = piece.style;
            let is_note = matches!(piece.what, What::Note(_));
            builder.push(StyleProperty::Brush(ink(piece, look)), range.clone());
            if bold {
                builder.push(StyleProperty::FontWeight(FontWeight::BOLD), range.clone());
            }
            if italic {
                builder.push(StyleProperty::FontStyle(FontStyle::Italic), range.clone());
            }
            if code {
                let families = list(self.fonts.mono());
                builder.push(StyleProperty::FontFamily(families), range.clone());
                builder.push(StyleProperty::FontSize(look.size * 0.92), range.clone());
            }
            if raised || lowered || is_note {
                let align = if lowered { VerticalAlign::SUB } else { VerticalAlign::SUPER };
                builder.push(StyleProperty::FontSize(look.size * SMALL), range.clone());
                builder.push(StyleProperty::VerticalAlign(align), range);
            }
        }
        for one in boxes {
            builder.push_inline_box(one);
        }
        let mut layout = builder.build(&text);
        layout.break_all_lines(width);
        layout.align(look.alignment, AlignmentOptions::default());
        Para { layout, text }
    }

    fn image(&self, place: usize, width: Option<f32>, index: usize) -> Option<InlineBox> {
        let image = self.images.get(place)?;
        let widest = width.unwrap_or(self.largest.0).min(self.largest.0);
        let (natural_width, natural_height) = (points(image.width), points(image.height));
        let scale = (widest / natural_width).min(self.largest.1 / natural_height).min(1.0);
        Some(InlineBox {
            id: place as u64,
            kind: InlineBoxKind::InFlow,
            index,
            width: natural_width * scale,
            height: natural_height * scale,
            baseline: None,
            vertical_align: VerticalAlign::BASELINE,
        })
    }
}

fn list<'a>(families: &'a [FontFamilyName<'static>]) -> FontFamily<'a> {
    FontFamily::List(Cow::Borrowed(families))
}

fn ink(piece: &Piece, look: Look) -> Ink {
    let leads = match piece.what {
        What::Note(number) => Some(Leads::Note(number)),
        What::Text(_) | What::Break | What::Image(..) => piece.link.map(Leads::Target),
    };
    let style = piece.style;
    Ink {
        shade: if leads.is_some() { Shade::Link } else { look.shade },
        behind: match (style.mark, style.code) {
            (true, _) => Some(Shade::Marker),
            (false, true) => Some(Shade::CodeGround),
            (false, false) => None,
        },
        underline: style.underline || matches!(leads, Some(Leads::Target(_))),
        strike: style.strike,
        leads,
    }
}

/// The size of so many pixels.
#[expect(clippy::cast_precision_loss, reason = "at most 10,000")]
fn points(pixels: u32) -> f32 {
    pixels as f32 * POINTS_PER_PIXEL
}
