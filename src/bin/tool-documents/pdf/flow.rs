//! Blocks on pages, one below the other.

use std::rc::Rc;

use super::WriteError;
use super::page::{Ground, Pages};
use super::table;
use super::text::{Look, Para, Setter, Shade};
use crate::markdown::direction;
use crate::markdown::tree::{Block, Item, Piece};
use crate::options::Direction;

/// Space below a block.
const GAP: f32 = 7.0;
/// Space between items of a list.
const CLOSE: f32 = 2.0;
/// How far the items of a list stand in.
const INDENT: f32 = 20.0;
/// How far a quote stands in.
const QUOTE: f32 = 12.0;
/// Space around code.
const PADDING: f32 = 6.0;
/// Columns between two tab stops.
const TAB: usize = 4;

/// Sizes of headings, in points.
const HEADINGS: [f32; 6] = [19.0, 15.5, 13.0, 11.5, 10.5, 10.5];

/// Where blocks go.
pub(super) struct Flow<'a> {
    pub(super) pages: Pages<'a>,
    pub(super) setter: Setter<'a>,
    pub(super) direction: Direction,
    /// Lists around the block that is placed.
    pub(super) lists: usize,
}

/// From where to where lines go.
#[derive(Clone, Copy)]
pub(super) struct Span {
    pub(super) left: f32,
    pub(super) right: f32,
}

impl Span {
    pub(super) fn width(self) -> f32 {
        // Whatever the nesting, some letters fit.
        (self.right - self.left).max(24.0)
    }

    /// What is left beside something at the side where text begins.
    fn indented(self, by: f32, rtl: bool) -> Self {
        // Deep down, there is no more room to go in.
        let by = if self.right - self.left > by + 60.0 { by } else { 0.0 };
        if rtl {
            Self { right: self.right - by, ..self }
        } else {
            Self { left: self.left + by, ..self }
        }
    }
}

impl Flow<'_> {
    pub(super) fn whole(&self) -> Span {
        let frame = self.pages.frame;
        Span { left: frame.left, right: frame.right }
    }

    pub(super) fn blocks(
        &mut self,
        blocks: &[Block],
        span: Span,
        look: Look,
    ) -> Result<(), WriteError> {
        for (place, block) in blocks.iter().enumerate() {
            self.block(block, span, look)?;
            // What a list hangs below stands close to it.
            let next = blocks.get(place + 1);
            let is_below = matches!(block, Block::Paragraph(_))
                && matches!(next, Some(Block::List { .. }))
                && self.lists > 0;
            if is_below {
                self.pages.closer(GAP - CLOSE);
            }
        }
        Ok(())
    }

    fn block(&mut self, block: &Block, span: Span, look: Look) -> Result<(), WriteError> {
        self.pages.check()?;
        match block {
            Block::Heading { level, anchor, content } => {
                self.heading(*level, anchor, content, span)
            }
            Block::Paragraph(pieces) => {
                let para = Rc::new(self.setter.set(pieces, look, Some(span.width())));
                self.pages.lines(&para, span.left, None)?;
                self.pages.gap(GAP);
                Ok(())
            }
            Block::Code(text) => self.code(text, span, look),
            Block::Quote(blocks) => {
                let rtl = self.is_rtl(blocks);
                let inner = span.indented(QUOTE, rtl);
                let x = if rtl { span.right - 2.5 } else { span.left };
                self.pages.begin_bar(x);
                let done = self.blocks(blocks, inner, Look { shade: Shade::Quiet, ..look });
                // The gap below the last paragraph is not part of it.
                self.pages.closer(GAP);
                self.pages.end_bar();
                self.pages.gap(GAP);
                done
            }
            Block::List { start, items } => self.list(*start, items, span, look),
            Block::Table(table) => {
                table::place(self, table, span, look)?;
                self.pages.gap(GAP + 3.0);
                Ok(())
            }
            Block::Rule => {
                self.pages.need(GAP * 2.0)?;
                self.pages.gap(3.0);
                let y = self.pages.y;
                self.pages.fill(span.left, y, span.width(), 0.75, Shade::Line);
                self.pages.y += GAP + 3.0;
                Ok(())
            }
        }
    }

    fn heading(
        &mut self,
        level: u8,
        anchor: &str,
        content: &[Piece],
        span: Span,
    ) -> Result<(), WriteError> {
        let size = HEADINGS.get(usize::from(level.saturating_sub(1))).copied().unwrap_or(10.5);
        let look = Look { size, bold: true, ..Look::TEXT };
        let para = Rc::new(self.setter.set(content, look, Some(span.width())));
        self.pages.gap(size * 0.55);
        // It stays with what it is the heading of.
        self.pages.need(para.height(0..para.lines()) + 3.0 * Look::TEXT.size * 1.4)?;
        self.pages.anchors.insert(anchor.to_owned(), self.pages.place());
        self.pages.lines(&para, span.left, None)?;
        self.pages.gap(5.0);
        Ok(())
    }

    fn code(&mut self, text: &str, span: Span, look: Look) -> Result<(), WriteError> {
        let look = Look { mono: true, size: look.size * 0.88, shade: Shade::Text, ..look };
        let width = span.width();
        let text = expand_tabs(text.trim_end_matches('\n'));
        let para = Rc::new(self.setter.plain(&text, look, Some(width - 2.0 * PADDING)));
        let ground = Ground { shade: Shade::CodeGround, padding: PADDING, width };
        self.pages.lines(&para, span.left + PADDING, Some(ground))?;
        self.pages.gap(GAP + 1.0);
        Ok(())
    }

    fn list(
        &mut self,
        start: Option<u64>,
        items: &[Item],
        span: Span,
        look: Look,
    ) -> Result<(), WriteError> {
        let rtl = items.first().is_some_and(|item| self.is_rtl(&item.blocks));
        let last = start.unwrap_or_default().saturating_add(items.len() as u64);
        // Wide enough for the longest number.
        let widest = start.map_or(0.0, |_| self.marker(&format!("{last}."), look).layout.width());
        let inner = span.indented(INDENT.max(widest + 6.0), rtl);
        let mut number = start;
        for item in items {
            self.pages.check()?;
            let text = match (item.task, number) {
                (Some(true), _) => "☑".to_owned(),
                (Some(false), _) => "☐".to_owned(),
                (None, Some(number)) => format!("{number}."),
                (None, None) => "•".to_owned(),
            };
            let marker = self.marker(&text, look);
            let width = marker.layout.width();
            let x = if rtl { inner.right + 6.0 } else { inner.left - 6.0 - width };
            self.pages.beside(Rc::new(marker), x);
            self.lists += 1;
            self.blocks(&item.blocks, inner, look)?;
            self.lists -= 1;
            self.pages.settle_marker()?;
            if matches!(item.blocks.last(), Some(Block::Paragraph(_))) {
                self.pages.closer(GAP - CLOSE);
            }
            number = number.map(|number| number.saturating_add(1));
        }
        if self.lists == 0 {
            self.pages.gap(GAP - CLOSE);
        }
        Ok(())
    }

    fn marker(&mut self, text: &str, look: Look) -> Para {
        self.setter.plain(text, look, None)
    }

    /// Whether something begins at the right.
    pub(super) fn is_rtl(&self, blocks: &[Block]) -> bool {
        match self.direction {
            Direction::Rtl => true,
            Direction::Ltr => false,
            Direction::Auto => blocks.iter().find_map(direction::of_block).unwrap_or(false),
        }
    }
}

fn expand_tabs(text: &str) -> String {
    let mut expanded = String::with_capacity(text.len());
    let mut column = 0;
    for character in text.chars() {
        match character {
            '\t' => {
                let spaces = TAB - column % TAB;
                expanded.extend(std::iter::repeat_n(' ', spaces));
                column += spaces;
            }
            '\n' => {
                expanded.push('\n');
                column = 0;
            }
            other => {
                expanded.push(other);
                column += 1;
            }
        }
    }
    expanded
}
