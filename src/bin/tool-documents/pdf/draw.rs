//! From marks to the bytes of a PDF.

use std::collections::{BTreeSet, HashMap};
use std::ops::Range;

use krilla::action::LinkAction;
use krilla::annotation::{LinkAnnotation, Target};
use krilla::color::rgb;
use krilla::destination::XyzDestination;
use krilla::error::KrillaError;
use krilla::geom::{PathBuilder, Point, Rect, Size, Transform};
use krilla::image::Image;
use krilla::metadata::{Metadata, TextDirection};
use krilla::num::NormalizedF32;
use krilla::outline::{Outline, OutlineNode};
use krilla::page::PageSettings;
use krilla::paint::Fill;
use krilla::surface::Surface;
use krilla::text::{Font, GlyphId, KrillaGlyph};
use krilla::{Document as Output, SerializeSettings};
use parley::{GlyphRun, PositionedLayoutItem};

use super::WriteError;
use super::gif;
use super::page::{Anchors, Mark, Place, Sheets};
use super::text::{Ink, Leads, Para, Shade};
use crate::markdown::tree::{Document, Entry, Image as Picture, ImageKind};
use crate::markdown::{IsLate, Target as Aim};
use crate::options::{Direction, Options};

/// What is drawn: pages, and where in them things are.
pub(super) struct Drawing<'a> {
    pub(super) document: &'a Document,
    pub(super) options: &'a Options,
    /// All pages, those of the contents first.
    pub(super) pages: Sheets,
    /// Where headings and footnotes are.
    pub(super) anchors: Anchors,
    /// How many pages stand before those that anchors count.
    pub(super) before: usize,
    pub(super) is_late: IsLate<'a>,
}

/// Something that can be clicked.
struct Spot {
    rect: Rect,
    target: Target,
}

/// What is used again and again.
#[derive(Default)]
struct Stock {
    fonts: HashMap<(u64, u32), Option<Font>>,
    images: HashMap<usize, Image>,
    /// Characters that no font has.
    missing: BTreeSet<char>,
}

impl Drawing<'_> {
    /// Gives the bytes, and the characters that could not be drawn.
    pub(super) fn finish(self) -> Result<(Vec<u8>, BTreeSet<char>), WriteError> {
        let settings = SerializeSettings { enable_tagging: false, ..SerializeSettings::default() };
        let mut output = Output::new_with(settings);
        let mut stock = Stock::default();
        let (width, height) = self.options.page();
        for marks in &self.pages {
            if (self.is_late)() {
                return Err(WriteError::Late);
            }
            let settings = PageSettings::from_wh(width, height)
                .ok_or_else(|| WriteError::Failed("the page has no size".to_owned()))?;
            let mut page = output.start_page_with(settings);
            let mut surface = page.surface();
            let mut spots = Vec::new();
            for mark in marks {
                self.mark(&mut surface, mark, &mut stock, &mut spots)?;
            }
            surface.finish();
            for spot in spots {
                page.add_annotation(LinkAnnotation::new(spot.rect, spot.target).into());
            }
            page.finish();
        }
        output.set_outline(self.outline());
        output.set_metadata(self.metadata());
        let bytes = output.finish().map_err(|error| {
            if matches!(error, KrillaError::Image(..)) {
                WriteError::Refused("An image cannot be decoded".to_owned())
            } else {
                WriteError::Failed(format!("{error:?}").chars().take(200).collect())
            }
        })?;
        Ok((bytes, stock.missing))
    }

    fn mark(
        &self,
        surface: &mut Surface<'_>,
        mark: &Mark,
        stock: &mut Stock,
        spots: &mut Vec<Spot>,
    ) -> Result<(), WriteError> {
        match mark {
            Mark::Fill { x, y, width, height, shade } => {
                fill(surface, [*x, *y, *width, *height], *shade);
            }
            Mark::Jump { x, y, width, height, anchor } => {
                let rect = Rect::from_xywh(*x, *y, *width, *height);
                let target = self.place(anchor).map(Target::Destination);
                spots.extend(rect.zip(target).map(|(rect, target)| Spot { rect, target }));
            }
            Mark::Lines { para, lines, x, y } => {
                for line in lines.clone() {
                    let at = Point::from_xy(*x, *y);
                    self.line(surface, para, line, at, (stock, spots))?;
                }
            }
        }
        Ok(())
    }

    fn line(
        &self,
        surface: &mut Surface<'_>,
        para: &Para,
        line: usize,
        at: Point,
        (stock, spots): (&mut Stock, &mut Vec<Spot>),
    ) -> Result<(), WriteError> {
        let Some(line) = para.layout.get(line) else { return Ok(()) };
        let metrics = *line.metrics();
        // The glyphs of each run with the text they stand for; a run may be
        // drawn in several pieces.
        let mut runs: HashMap<usize, std::vec::IntoIter<Shaped>> = HashMap::new();
        for item in line.items() {
            match item {
                PositionedLayoutItem::GlyphRun(run) => {
                    let shaped =
                        runs.entry(run.run().index()).or_insert_with(|| shaped(&run).into_iter());
                    let glyphs: Vec<Shaped> = shaped.take(run.glyphs().count()).collect();
                    let ink = run.style().brush;
                    let (top, bottom) =
                        (metrics.content_block_min_coord, metrics.content_block_max_coord);
                    let area = [at.x + run.offset(), at.y + top, run.advance(), bottom - top];
                    if let Some(behind) = ink.behind {
                        fill(surface, area, behind);
                    }
                    draw(surface, &run, &glyphs, &para.text, at, stock);
                    strokes(surface, &run, ink, at);
                    let rect = Rect::from_xywh(area[0], area[1], area[2], area[3]);
                    let target = ink.leads.and_then(|leads| self.leads_to(leads));
                    spots.extend(rect.zip(target).map(|(rect, target)| Spot { rect, target }));
                }
                PositionedLayoutItem::InlineBox(one) => {
                    let place = usize::try_from(one.id).unwrap_or(usize::MAX);
                    let Some(picture) = self.document.images.get(place) else { continue };
                    let image = match stock.images.get(&place) {
                        Some(image) => image.clone(),
                        None => read(picture, place)?,
                    };
                    stock.images.insert(place, image.clone());
                    if let Some(size) = Size::from_wh(one.width, one.height) {
                        let to = Transform::from_translate(at.x + one.x, at.y + one.y);
                        surface.push_transform(&to);
                        surface.draw_image(image, size);
                        surface.pop();
                    }
                }
            }
        }
        Ok(())
    }

    fn leads_to(&self, leads: Leads) -> Option<Target> {
        match leads {
            Leads::Note(number) => self.place(&super::note_anchor(number)).map(Target::Destination),
            Leads::Target(place) => match self.document.targets.get(place)? {
                Aim::Anchor(anchor) => self.place(anchor).map(Target::Destination),
                Aim::Address(address) => {
                    Some(Target::Action(LinkAction::new(address.clone()).into()))
                }
            },
        }
    }

    fn place(&self, anchor: &str) -> Option<krilla::destination::Destination> {
        self.anchors.get(anchor).map(|place| self.destination(*place).into())
    }

    fn destination(&self, place: Place) -> XyzDestination {
        XyzDestination::new(self.before + place.page, Point::from_xy(0.0, place.y))
    }

    /// The headings, each below the last one that is above it in rank.
    fn outline(&self) -> Outline {
        let mut outline = Outline::new();
        let mut open: Vec<(u8, OutlineNode)> = Vec::new();
        let close = |open: &mut Vec<(u8, OutlineNode)>, outline: &mut Outline| {
            let Some((_, node)) = open.pop() else { return };
            match open.last_mut() {
                Some((_, parent)) => parent.push_child(node),
                None => outline.push_child(node),
            }
        };
        for Entry { level, anchor, text } in self.document.entries() {
            let Some(place) = self.anchors.get(&anchor) else { continue };
            while open.last().is_some_and(|(above, _)| *above >= level) {
                close(&mut open, &mut outline);
            }
            open.push((level, OutlineNode::new(text, self.destination(*place))));
        }
        while !open.is_empty() {
            close(&mut open, &mut outline);
        }
        outline
    }

    fn metadata(&self) -> Metadata {
        let metadata = Metadata::new()
            .creator("Scopegate".to_owned())
            .language(self.options.language.clone())
            .text_direction(match self.options.direction {
                Direction::Rtl => TextDirection::RightToLeft,
                Direction::Auto | Direction::Ltr => TextDirection::LeftToRight,
            });
        if self.options.title.is_empty() {
            metadata
        } else {
            metadata.title(self.options.title.clone())
        }
    }
}

/// A glyph, and the text it stands for.
#[derive(Clone)]
struct Shaped {
    glyph: parley::layout::Glyph,
    text: Range<usize>,
}

/// All glyphs of a run, in the order they are drawn.
fn shaped(run: &GlyphRun<'_, Ink>) -> Vec<Shaped> {
    let mut all: Vec<Shaped> = Vec::new();
    for cluster in run.run().visual_clusters() {
        // The rest of a ligature has no glyph of its own.
        if cluster.is_ligature_continuation()
            && let Some(last) = all.last_mut()
        {
            let more = cluster.text_range();
            last.text.start = last.text.start.min(more.start);
            last.text.end = last.text.end.max(more.end);
            continue;
        }
        let text = cluster.text_range();
        all.extend(cluster.glyphs().map(|glyph| Shaped { glyph, text: text.clone() }));
    }
    all
}

fn draw(
    surface: &mut Surface<'_>,
    run: &GlyphRun<'_, Ink>,
    glyphs: &[Shaped],
    text: &str,
    at: Point,
    stock: &mut Stock,
) {
    let (font, size) = (run.run().font(), run.run().font_size());
    let known = stock.fonts.entry((font.data.id(), font.index)).or_insert_with(|| {
        let (data, _) = font.data.clone().into_raw_parts();
        Font::new(data.into(), font.index)
    });
    let Some(font) = known.clone() else { return };
    let drawn: Vec<KrillaGlyph> = glyphs
        .iter()
        .map(|Shaped { glyph, text: range }| {
            if glyph.id == 0 {
                let seen = |one: &char| !one.is_whitespace() && !one.is_control();
                stock
                    .missing
                    .extend(text.get(range.clone()).unwrap_or_default().chars().filter(seen));
            }
            KrillaGlyph::new(
                GlyphId::new(glyph.id),
                glyph.advance / size,
                glyph.x / size,
                glyph.y / size,
                0.0,
                range.clone(),
                None,
            )
        })
        .collect();
    surface.set_fill(Some(paint(run.style().brush.shade)));
    let from = Point::from_xy(at.x + run.offset(), at.y + run.baseline());
    surface.draw_glyphs(from, &drawn, font, text, size, false);
}

/// Lines under and through text.
fn strokes(surface: &mut Surface<'_>, run: &GlyphRun<'_, Ink>, ink: Ink, at: Point) {
    let metrics = run.run().font_metrics();
    let (x, y) = (at.x + run.offset(), at.y + run.baseline());
    let mut stroke = |offset: f32, thick: f32| {
        fill(surface, [x, y - offset, run.advance(), thick.max(0.4)], ink.shade);
    };
    if ink.underline {
        stroke(metrics.underline_offset, metrics.underline_size.min(0.8));
    }
    if ink.strike {
        stroke(metrics.strikethrough_offset, metrics.strikethrough_size.min(0.8));
    }
}

fn read(picture: &Picture, place: usize) -> Result<Image, WriteError> {
    let data: krilla::Data = std::sync::Arc::clone(&picture.bytes).into();
    let image = match picture.kind {
        ImageKind::Png => Image::from_png(data, true).ok(),
        ImageKind::Jpeg => Image::from_jpeg(data, true).ok(),
        ImageKind::Gif => gif::read(picture),
        ImageKind::Webp => Image::from_webp(data, true).ok(),
    };
    image.ok_or_else(|| WriteError::Refused(format!("Image {} cannot be decoded", place + 1)))
}

fn fill(surface: &mut Surface<'_>, [x, y, width, height]: [f32; 4], shade: Shade) {
    let Some(rect) = Rect::from_xywh(x, y, width, height) else { return };
    let mut path = PathBuilder::new();
    path.push_rect(rect);
    if let Some(path) = path.finish() {
        surface.set_fill(Some(paint(shade)));
        surface.draw_path(&path);
    }
}

fn paint(shade: Shade) -> Fill {
    let (red, green, blue) = match shade {
        Shade::Text => (0x1A, 0x1A, 0x1A),
        Shade::Link => (0x0B, 0x57, 0xA4),
        Shade::Quiet => (0x55, 0x55, 0x55),
        Shade::Line => (0xC9, 0xCE, 0xD6),
        Shade::CodeGround | Shade::HeadGround => (0xF2, 0xF3, 0xF5),
        Shade::Marker => (0xFF, 0xF1, 0xA8),
    };
    Fill {
        paint: rgb::Color::new(red, green, blue).into(),
        opacity: NormalizedF32::ONE,
        rule: krilla::paint::FillRule::default(),
    }
}
