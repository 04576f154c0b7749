//! Tables: columns as wide as their text asks for, rows that stay together where
//! they can, and the head again on each page.

use std::ops::Range;
use std::rc::Rc;

use parley::layout::Alignment;

use super::WriteError;
use super::flow::{Flow, Span};
use super::page::Mark;
use super::text::{Look, Para, Shade};
use crate::markdown::tree::{Align, Cell, Table};
use crate::options::Direction;

/// Space around the text of a cell.
const PADDING: f32 = 4.0;
/// How thick lines are.
const LINE: f32 = 0.6;
/// A table's text, compared with that around it.
const SIZE: f32 = 0.92;

/// Columns from left to right.
struct Columns {
    widths: Vec<f32>,
    alignments: Vec<Alignment>,
    left: f32,
}

/// A row: the text of each cell, from left to right.
struct Row {
    cells: Vec<Rc<Para>>,
    is_head: bool,
}

/// Places a table.
pub(super) fn place(
    flow: &mut Flow<'_>,
    table: &Table,
    span: Span,
    look: Look,
) -> Result<(), WriteError> {
    let look = Look { size: look.size * SIZE, ..look };
    // The first column is where text begins.
    let reversed = flow.direction == Direction::Rtl;
    let mut set = |cells: &[Cell], bold: bool| -> Result<Vec<Para>, WriteError> {
        flow.pages.check()?;
        let look = Look { bold, ..look };
        let mut row: Vec<Para> =
            cells.iter().map(|cell| flow.setter.set(cell, look, None)).collect();
        if reversed {
            row.reverse();
        }
        Ok(row)
    };
    let head = set(&table.head, true)?;
    let rows = table.rows.iter().map(|row| set(row, false)).collect::<Result<Vec<_>, _>>()?;
    let mut alignments: Vec<Alignment> = table.columns.iter().map(|align| of(*align)).collect();
    if reversed {
        alignments.reverse();
    }
    let widths = widths(std::iter::once(&head).chain(&rows), alignments.len(), span.width());
    let taken: f32 = widths.iter().sum();
    let left = if reversed { span.right - taken } else { span.left };
    let columns = Columns { widths, alignments, left };

    let head = columns.set(head, true);
    let rows: Vec<Row> = rows.into_iter().map(|row| columns.set(row, false)).collect();
    // The head does not stand alone at the end of a page.
    let first = rows.first().map_or(0.0, |row| row.height(&vec![0; row.cells.len()]).min(72.0));
    flow.pages.need(head.height(&vec![0; head.cells.len()]) + first)?;
    head.place(flow, &columns, None)?;
    rows.iter().try_for_each(|row| row.place(flow, &columns, Some(&head)))
}

fn of(align: Align) -> Alignment {
    match align {
        Align::Start => Alignment::Start,
        Align::Left => Alignment::Left,
        Align::Center => Alignment::Center,
        Align::Right => Alignment::Right,
    }
}

/// How wide each column is, its padding included: as wide as its longest text
/// where that fits, else something between its longest word and that.
fn widths<'a>(rows: impl Iterator<Item = &'a Vec<Para>>, columns: usize, room: f32) -> Vec<f32> {
    let mut least = vec![0.0_f32; columns];
    let mut most = vec![0.0_f32; columns];
    for row in rows {
        for (place, cell) in row.iter().enumerate().take(columns) {
            let content = cell.layout.calculate_content_widths();
            least[place] = least[place].max(content.min);
            most[place] = most[place].max(content.max);
        }
    }
    // A little more, for rounding must not break a line.
    let pad = |width: &f32| width + 2.0 * PADDING + 0.5;
    let least: Vec<f32> = least.iter().map(pad).collect();
    let most: Vec<f32> = most.iter().map(pad).collect();
    let (all_least, all_most): (f32, f32) = (least.iter().sum(), most.iter().sum());
    if all_most <= room {
        return most;
    }
    if all_least >= room {
        return least.iter().map(|width| width * room / all_least).collect();
    }
    let share = (room - all_least) / (all_most - all_least);
    least.iter().zip(&most).map(|(least, most)| least + (most - least) * share).collect()
}

impl Columns {
    /// Breaks the lines of cells.
    fn set(&self, cells: Vec<Para>, is_head: bool) -> Row {
        let sizes = self.widths.iter().zip(&self.alignments);
        let cells = cells.into_iter().zip(sizes).map(|(mut cell, (width, alignment))| {
            cell.set_width((width - 2.0 * PADDING).max(4.0), *alignment);
            Rc::new(cell)
        });
        Row { cells: cells.collect(), is_head }
    }

    fn width(&self) -> f32 {
        self.widths.iter().sum()
    }
}

impl Row {
    fn height(&self, from: &[usize]) -> f32 {
        let heights =
            self.cells.iter().zip(from).map(|(cell, from)| cell.height(*from..cell.lines()));
        heights.fold(0.0, f32::max) + 2.0 * PADDING
    }

    /// Places the row, over as many pages as it takes.
    fn place(
        &self,
        flow: &mut Flow<'_>,
        columns: &Columns,
        head: Option<&Self>,
    ) -> Result<(), WriteError> {
        let mut from = vec![0; self.cells.len()];
        let head_height = head.map_or(0.0, |head| head.height(&vec![0; head.cells.len()]));
        let full = flow.pages.frame.bottom - flow.pages.frame.top - head_height;
        loop {
            flow.pages.check()?;
            let room = flow.pages.frame.bottom - flow.pages.y;
            let rest = self.height(&from);
            let fresh = room >= full - 0.01;
            // What fits on a page of its own is not taken apart.
            if rest > room && !fresh && (rest <= full || room < full * 0.25) {
                Self::turn(flow, columns, head)?;
                continue;
            }
            let taken: Vec<Range<usize>> = self
                .cells
                .iter()
                .zip(&from)
                .map(|(cell, from)| {
                    let mut end = cell.fitting(*from, room - 2.0 * PADDING + 0.01);
                    // Something must go on, even if it is higher than the page.
                    if end == *from && fresh && *from < cell.lines() {
                        end += 1;
                    }
                    *from..end
                })
                .collect();
            self.draw(flow, columns, &taken);
            let done = taken.iter().zip(&self.cells).all(|(lines, cell)| lines.end >= cell.lines());
            if done {
                return Ok(());
            }
            from = taken.iter().map(|lines| lines.end).collect();
            Self::turn(flow, columns, head)?;
        }
    }

    /// Goes on with a new page, with the head on top.
    fn turn(flow: &mut Flow<'_>, columns: &Columns, head: Option<&Self>) -> Result<(), WriteError> {
        flow.pages.turn()?;
        if let Some(head) = head {
            let all: Vec<_> = head.cells.iter().map(|cell| 0..cell.lines()).collect();
            head.draw(flow, columns, &all);
        }
        Ok(())
    }

    fn draw(&self, flow: &mut Flow<'_>, columns: &Columns, lines: &[Range<usize>]) {
        let heights = self.cells.iter().zip(lines).map(|(cell, lines)| cell.height(lines.clone()));
        let height = heights.fold(0.0, f32::max) + 2.0 * PADDING;
        let pages = &mut flow.pages;
        let (top, width) = (pages.y, columns.width());
        if self.is_head {
            pages.fill(columns.left, top, width, height, Shade::HeadGround);
        }
        let mut x = columns.left;
        pages.fill(x, top, LINE, height, Shade::Line);
        for ((cell, lines), width) in self.cells.iter().zip(lines).zip(&columns.widths) {
            if !lines.is_empty() {
                let y = top + PADDING - cell.span(lines.start).0;
                let (para, lines) = (Rc::clone(cell), lines.clone());
                pages.mark(Mark::Lines { para, lines, x: x + PADDING, y });
            }
            x += width;
            pages.fill(x - LINE, top, LINE, height, Shade::Line);
        }
        pages.fill(columns.left, top, width, LINE, Shade::Line);
        pages.fill(columns.left, top + height - LINE, width, LINE, Shade::Line);
        pages.y += height - LINE;
    }
}
