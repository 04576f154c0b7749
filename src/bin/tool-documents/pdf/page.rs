//! Pages: what is on each, and where.

use std::collections::BTreeMap;
use std::ops::Range;
use std::rc::Rc;

use super::WriteError;
use super::text::{Para, Shade};
use crate::markdown::IsLate;

/// Something on a page, in points from its upper left corner.
pub(super) enum Mark {
    /// Lines of a paragraph whose first line would begin at `y`, were they all
    /// there.
    Lines { para: Rc<Para>, lines: Range<usize>, x: f32, y: f32 },
    /// A rectangle.
    Fill { x: f32, y: f32, width: f32, height: f32, shade: Shade },
    /// A rectangle that leads to an anchor.
    Jump { x: f32, y: f32, width: f32, height: f32, anchor: String },
}

/// What is on each page.
pub(super) type Sheets = Vec<Vec<Mark>>;

/// Where headings and footnotes are.
pub(super) type Anchors = BTreeMap<String, Place>;

/// The part of each page that text may take.
#[derive(Clone, Copy, Debug)]
pub(super) struct Frame {
    pub(super) left: f32,
    pub(super) top: f32,
    pub(super) right: f32,
    pub(super) bottom: f32,
}

/// A place in the document.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Place {
    /// From 0.
    pub(super) page: usize,
    pub(super) y: f32,
}

/// A line at the side of something that may go over pages.
struct Bar {
    x: f32,
    since: f32,
}

/// Pages, while they are filled.
pub(super) struct Pages<'a> {
    pub(super) frame: Frame,
    filled: Sheets,
    /// Where the next thing may begin.
    pub(super) y: f32,
    bars: Vec<Bar>,
    /// What stands beside the next line.
    marker: Option<(Rc<Para>, f32)>,
    pub(super) anchors: Anchors,
    most: usize,
    is_late: IsLate<'a>,
}

/// The ground that lines stand on, and how far it goes beyond them.
#[derive(Clone, Copy)]
pub(super) struct Ground {
    pub(super) shade: Shade,
    pub(super) padding: f32,
    pub(super) width: f32,
}

impl<'a> Pages<'a> {
    pub(super) fn new(frame: Frame, most: usize, is_late: IsLate<'a>) -> Self {
        Self {
            frame,
            filled: vec![Vec::new()],
            y: frame.top,
            bars: Vec::new(),
            marker: None,
            anchors: BTreeMap::new(),
            most,
            is_late,
        }
    }

    pub(super) fn finish(self) -> (Sheets, Anchors) {
        (self.filled, self.anchors)
    }

    /// Where the next thing begins.
    pub(super) fn place(&self) -> Place {
        Place { page: self.filled.len() - 1, y: self.y }
    }

    fn is_fresh(&self) -> bool {
        self.y <= self.frame.top
    }

    /// Goes on with a new page.
    pub(super) fn turn(&mut self) -> Result<(), WriteError> {
        self.check()?;
        if self.filled.len() >= self.most {
            let most = self.most;
            return Err(WriteError::Refused(format!("The document has more than {most} pages")));
        }
        let (y, top) = (self.y, self.frame.top);
        let bars: Vec<(f32, f32)> = self.bars.iter().map(|bar| (bar.x, bar.since)).collect();
        for (x, since) in bars {
            self.draw_bar(x, since, y);
        }
        self.bars.iter_mut().for_each(|bar| bar.since = top);
        self.filled.push(Vec::new());
        self.y = top;
        Ok(())
    }

    pub(super) fn check(&self) -> Result<(), WriteError> {
        if (self.is_late)() { Err(WriteError::Late) } else { Ok(()) }
    }

    /// Leaves space above the next thing, except at the top of a page.
    pub(super) fn gap(&mut self, height: f32) {
        if !self.is_fresh() {
            self.y += height;
        }
    }

    /// Takes back some of the space that was left.
    pub(super) fn closer(&mut self, height: f32) {
        self.y = (self.y - height).max(self.frame.top);
    }

    /// Sees to it that so much fits on this page, where it fits on any.
    pub(super) fn need(&mut self, height: f32) -> Result<(), WriteError> {
        if self.y + height > self.frame.bottom && !self.is_fresh() {
            self.turn()?;
        }
        Ok(())
    }

    pub(super) fn mark(&mut self, mark: Mark) {
        if let Some(page) = self.filled.last_mut() {
            page.push(mark);
        }
    }

    pub(super) fn fill(&mut self, x: f32, y: f32, width: f32, height: f32, shade: Shade) {
        self.mark(Mark::Fill { x, y, width, height, shade });
    }

    /// Stands beside the line that comes next.
    pub(super) fn beside(&mut self, marker: Rc<Para>, x: f32) {
        self.marker = Some((marker, x));
    }

    /// Draws a marker that no line came for.
    pub(super) fn settle_marker(&mut self) -> Result<(), WriteError> {
        if let Some((para, x)) = self.marker.take() {
            let lines = 0..para.lines();
            let height = para.height(lines.clone());
            self.need(height)?;
            let y = self.y;
            self.mark(Mark::Lines { para, lines, x, y });
            self.y += height;
        }
        Ok(())
    }

    /// Places a paragraph, over as many pages as it takes.
    pub(super) fn lines(
        &mut self,
        para: &Rc<Para>,
        x: f32,
        ground: Option<Ground>,
    ) -> Result<(), WriteError> {
        let padding = ground.map_or(0.0, |ground| ground.padding);
        let mut next = 0;
        while next < para.lines() {
            self.check()?;
            // No line stands alone at the end of a page, or at the start of one.
            let few = (para.lines() - next).min(2);
            self.need(para.height(next..next + few) + 2.0 * padding)?;
            let room = self.frame.bottom - self.y - 2.0 * padding;
            let mut end = para.fitting(next, room).max(next + 1);
            if para.lines() - end == 1 && end - next > 2 {
                end -= 1;
            }
            let height = para.height(next..end);
            if let Some(ground) = ground {
                let y = self.y;
                self.fill(x - padding, y, ground.width, height + 2.0 * padding, ground.shade);
            }
            self.y += padding;
            let y = self.y - para.span(next).0;
            self.draw_marker(para, next, y);
            self.mark(Mark::Lines { para: Rc::clone(para), lines: next..end, x, y });
            self.y += height + padding;
            next = end;
            if next < para.lines() {
                self.turn()?;
            }
        }
        Ok(())
    }

    /// On the same base line as the line beside it.
    fn draw_marker(&mut self, para: &Para, line: usize, y: f32) {
        let Some((marker, x)) = self.marker.take() else { return };
        let baseline = |para: &Para, line: usize| {
            para.layout.get(line).map_or(0.0, |line| line.metrics().baseline)
        };
        let y = y + baseline(para, line) - baseline(&marker, 0);
        let lines = 0..marker.lines();
        self.mark(Mark::Lines { para: marker, lines, x, y });
    }

    /// Begins a line at the side.
    pub(super) fn begin_bar(&mut self, x: f32) {
        self.bars.push(Bar { x, since: self.y });
    }

    /// Ends the innermost line at the side.
    pub(super) fn end_bar(&mut self) {
        if let Some(bar) = self.bars.pop() {
            let y = self.y;
            self.draw_bar(bar.x, bar.since, y);
        }
    }

    fn draw_bar(&mut self, x: f32, since: f32, until: f32) {
        if until > since {
            self.fill(x, since, 2.5, until - since, Shade::Line);
        }
    }
}
