//! PDF: set with the fonts of the service, drawn page by page.
//!
//! The text is shaped and broken into lines by `parley` and written by `krilla`;
//! what is between (blocks, tables, pages) is here, so that it can be stopped at any
//! time, and is not laid out at all beyond the last page there may be.

mod draw;
mod flow;
mod fonts;
mod gif;
mod page;
mod table;
mod text;

use std::collections::BTreeSet;
use std::rc::Rc;

use parley::layout::Alignment;

use self::draw::Drawing;
use self::flow::{Flow, Span};
pub(crate) use self::fonts::Fonts;
use self::page::{Anchors, Frame, Mark, Pages, Sheets};
use self::text::{Look, Setter, Shade};
use crate::markdown::IsLate;
use crate::markdown::tree::{Document, Entry};
use crate::options::{INCH_MM, Options};

/// Points of a millimetre.
const POINTS_PER_MM: f32 = 72.0 / INCH_MM;
/// Room that a header or footer takes at least, in points.
const RUNNING: f32 = 30.0;
/// Deepest heading in the table of contents.
const DEEPEST: u8 = 3;

/// A document that was written.
pub(crate) struct Pdf {
    pub(crate) bytes: Vec<u8>,
    pub(crate) pages: usize,
    /// Characters that no font has, which show as boxes.
    pub(crate) missing: BTreeSet<char>,
}

/// Why a document is not written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum WriteError {
    /// It goes beyond a bound, or an image in it is none.
    #[error("{0}")]
    Refused(String),
    /// The time was up.
    #[error("Timeout")]
    Late,
    /// Something that should not happen.
    #[error("{0}")]
    Failed(String),
}

/// What is the same for all parts of a document.
#[derive(Clone, Copy)]
struct Job<'a> {
    document: &'a Document,
    options: &'a Options,
    fonts: &'a Fonts,
    frame: Frame,
    most_pages: usize,
    is_late: IsLate<'a>,
}

/// Writes a document of at most so many pages.
///
/// # Errors
/// [`WriteError`].
pub(crate) fn write(
    document: &Document,
    options: &Options,
    fonts: &Fonts,
    most_pages: usize,
    is_late: IsLate<'_>,
) -> Result<Pdf, WriteError> {
    let frame = frame(options)?;
    let job = Job { document, options, fonts, frame, most_pages, is_late };
    let (body, anchors) = job.body()?;
    let mut pages = if options.toc { job.contents(&anchors)? } else { Vec::new() };
    let before = pages.len();
    pages.extend(body);
    if pages.len() > most_pages {
        let sentence = format!("The document has more than {most_pages} pages");
        return Err(WriteError::Refused(sentence));
    }
    job.running(&mut pages)?;
    let count = pages.len();
    let drawing = Drawing { document, options, pages, anchors, before, is_late };
    let (bytes, missing) = drawing.finish()?;
    Ok(Pdf { bytes, pages: count, missing })
}

/// The anchor of a footnote; that of a heading has no colon.
fn note_anchor(number: usize) -> String {
    format!("fn:{number}")
}

fn frame(options: &Options) -> Result<Frame, WriteError> {
    let (width, height) = options.page();
    let margins = options.margins_mm;
    let least = |text: &str| if text.is_empty() { 0.0 } else { RUNNING };
    let frame = Frame {
        left: margins.left * POINTS_PER_MM,
        top: (margins.top * POINTS_PER_MM).max(least(&options.header)),
        right: width - margins.right * POINTS_PER_MM,
        bottom: height - (margins.bottom * POINTS_PER_MM).max(least(&options.footer)),
    };
    if frame.right - frame.left < 60.0 || frame.bottom - frame.top < 60.0 {
        return Err(WriteError::Refused("The margins leave no room for text".to_owned()));
    }
    Ok(frame)
}

impl<'a> Job<'a> {
    fn flow(&self) -> Flow<'a> {
        let frame = self.frame;
        let largest = (frame.right - frame.left, (frame.bottom - frame.top) * 0.9);
        Flow {
            pages: Pages::new(frame, self.most_pages, self.is_late),
            setter: Setter::new(self.fonts, &self.document.images, self.options, largest),
            direction: self.options.direction,
            lists: 0,
        }
    }

    /// Title, text and footnotes.
    fn body(&self) -> Result<(Sheets, Anchors), WriteError> {
        let mut flow = self.flow();
        let whole = flow.whole();
        if !self.options.toc {
            self.title(&mut flow)?;
        }
        flow.blocks(&self.document.blocks, whole, Look::TEXT)?;
        self.notes(&mut flow, whole)?;
        Ok(flow.pages.finish())
    }

    /// Above the contents, where there are any, else above the text.
    fn title(&self, flow: &mut Flow<'a>) -> Result<(), WriteError> {
        if self.options.title.is_empty() {
            return Ok(());
        }
        let whole = flow.whole();
        let look = Look { size: 24.0, bold: true, ..Look::TEXT };
        let title = flow.setter.plain(&self.options.title, look, Some(whole.width()));
        flow.pages.lines(&Rc::new(title), whole.left, None)?;
        flow.pages.gap(14.0);
        Ok(())
    }

    fn notes(&self, flow: &mut Flow<'a>, whole: Span) -> Result<(), WriteError> {
        if self.document.notes.is_empty() {
            return Ok(());
        }
        let look = Look { size: 9.0, ..Look::TEXT };
        flow.pages.gap(12.0);
        flow.pages.need(30.0)?;
        let y = flow.pages.y;
        flow.pages.fill(whole.left, y, whole.width() / 3.0, 0.75, Shade::Line);
        flow.pages.y += 8.0;
        for (place, blocks) in self.document.notes.iter().enumerate() {
            let number = place + 1;
            let rtl = flow.is_rtl(blocks);
            let marker = flow.setter.plain(&format!("{number}."), look, None);
            let indent = marker.layout.width().max(14.0) + 6.0;
            let inner = if rtl {
                Span { right: whole.right - indent, ..whole }
            } else {
                Span { left: whole.left + indent, ..whole }
            };
            let x = if rtl { inner.right + 6.0 } else { whole.left };
            flow.pages.need(look.size * 1.4)?;
            flow.pages.anchors.insert(note_anchor(number), flow.pages.place());
            flow.pages.beside(Rc::new(marker), x);
            flow.blocks(blocks, inner, look)?;
            flow.pages.settle_marker()?;
        }
        Ok(())
    }

    /// The table of contents, on pages of its own. What stands on it depends on
    /// how many pages it takes, so it is set twice.
    fn contents(&self, anchors: &Anchors) -> Result<Sheets, WriteError> {
        let entries = self.document.entries();
        let entries: Vec<&Entry> = entries.iter().filter(|entry| entry.level <= DEEPEST).collect();
        if entries.is_empty() && self.options.title.is_empty() {
            return Ok(Vec::new());
        }
        let before = self.contents_before(&entries, anchors, 0)?.len();
        self.contents_before(&entries, anchors, before)
    }

    fn contents_before(
        &self,
        entries: &[&Entry],
        anchors: &Anchors,
        before: usize,
    ) -> Result<Sheets, WriteError> {
        const NUMBER: f32 = 34.0;
        const STEP: f32 = 16.0;
        let mut flow = self.flow();
        let whole = flow.whole();
        self.title(&mut flow)?;
        for entry in entries {
            let Some(place) = anchors.get(&entry.anchor) else { continue };
            let bold = entry.level == 1;
            let look = Look { bold, ..Look::TEXT };
            let indent = STEP * f32::from(entry.level.saturating_sub(1));
            let width = (whole.width() - NUMBER - indent).max(24.0);
            let text = Rc::new(flow.setter.plain(&entry.text, look, Some(width)));
            let height = text.height(0..text.lines());
            flow.pages.gap(if bold { 5.0 } else { 1.0 });
            flow.pages.need(height)?;
            let rtl = text.layout.is_rtl();
            let side = Alignment::Right;
            let number = (before + place.page + 1).to_string();
            let look = Look { alignment: if rtl { Alignment::Left } else { side }, ..look };
            let number = Rc::new(flow.setter.plain(&number, look, Some(NUMBER)));
            let x = if rtl { whole.left } else { whole.right - NUMBER };
            flow.pages.beside(number, x);
            let y = flow.pages.y;
            let left = if rtl { whole.left + NUMBER } else { whole.left + indent };
            flow.pages.lines(&text, left, None)?;
            flow.pages.mark(Mark::Jump {
                x: whole.left,
                y,
                width: whole.width(),
                height: height.min(flow.pages.frame.bottom - y),
                anchor: entry.anchor.clone(),
            });
        }
        Ok(flow.pages.finish().0)
    }

    /// Headers and footers.
    fn running(&self, pages: &mut [Vec<Mark>]) -> Result<(), WriteError> {
        let mut setter = self.flow().setter;
        let (frame, height) = (self.frame, self.options.page().1);
        let width = frame.right - frame.left;
        let look =
            Look { size: 8.5, shade: Shade::Quiet, alignment: Alignment::Center, ..Look::TEXT };
        let count = pages.len().to_string();
        for (place, page) in pages.iter_mut().enumerate() {
            if (self.is_late)() {
                return Err(WriteError::Late);
            }
            let number = (place + 1).to_string();
            for (template, from, to) in [
                (&self.options.header, 0.0, frame.top),
                (&self.options.footer, frame.bottom, height),
            ] {
                let text = self.options.running(template, &number, &count);
                if text.is_empty() {
                    continue;
                }
                let para = Rc::new(setter.plain(&text, look, Some(width)));
                // One line of it.
                let lines = 0..para.lines().min(1);
                let y = from + (to - from - para.height(lines.clone())) / 2.0;
                page.push(Mark::Lines { para, lines, x: frame.left, y });
            }
        }
        Ok(())
    }
}
