//! The text itself.

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::escape::escape;
use crate::markdown::Target;
use crate::markdown::tree::{Align, Block, Document, Item, Piece, Style, Table, What};

/// Writes all blocks, and the footnotes below them.
pub(super) fn write(page: &mut String, document: &Document) {
    let mut writer = Writer { page, document };
    writer.blocks(&document.blocks);
    writer.notes();
}

struct Writer<'a> {
    page: &'a mut String,
    document: &'a Document,
}

impl Writer<'_> {
    fn blocks(&mut self, blocks: &[Block]) {
        for block in blocks {
            self.block(block);
        }
    }

    fn block(&mut self, block: &Block) {
        match block {
            Block::Heading { level, anchor, content } => {
                let _ = write!(self.page, "<h{level} id=\"{}\" dir=\"auto\">", escape(anchor));
                self.pieces(content);
                let _ = writeln!(self.page, "</h{level}>");
            }
            Block::Paragraph(pieces) => {
                self.page.push_str("<p dir=\"auto\">");
                self.pieces(pieces);
                self.page.push_str("</p>\n");
            }
            Block::Code(text) => {
                let _ = writeln!(self.page, "<pre><code>{}</code></pre>", escape(text));
            }
            Block::Quote(blocks) => {
                self.page.push_str("<blockquote dir=\"auto\">\n");
                self.blocks(blocks);
                self.page.push_str("</blockquote>\n");
            }
            Block::List { start, items } => self.list(*start, items),
            Block::Table(table) => self.table(table),
            Block::Rule => self.page.push_str("<hr>\n"),
        }
    }

    fn list(&mut self, start: Option<u64>, items: &[Item]) {
        let element = if start.is_some() { "ol" } else { "ul" };
        match start {
            Some(first) if first != 1 => {
                let _ = writeln!(self.page, "<ol dir=\"auto\" start=\"{first}\">");
            }
            _ => {
                let _ = writeln!(self.page, "<{element} dir=\"auto\">");
            }
        }
        for item in items {
            match item.task {
                None => self.page.push_str("<li>"),
                Some(ticked) => {
                    let checked = if ticked { " checked" } else { "" };
                    let _ = write!(
                        self.page,
                        "<li class=\"task\"><input type=\"checkbox\" disabled{checked}> "
                    );
                }
            }
            match item.blocks.as_slice() {
                // A short item needs no paragraph.
                [Block::Paragraph(pieces), rest @ ..]
                    if rest.iter().all(|block| matches!(block, Block::List { .. })) =>
                {
                    self.pieces(pieces);
                    self.blocks(rest);
                }
                blocks => self.blocks(blocks),
            }
            self.page.push_str("</li>\n");
        }
        let _ = writeln!(self.page, "</{element}>");
    }

    fn table(&mut self, table: &Table) {
        self.page.push_str("<table>\n<thead>\n");
        self.row(&table.head, &table.columns, "th");
        self.page.push_str("</thead>\n<tbody>\n");
        for row in &table.rows {
            self.row(row, &table.columns, "td");
        }
        self.page.push_str("</tbody>\n</table>\n");
    }

    fn row(&mut self, cells: &[Vec<Piece>], columns: &[Align], element: &str) {
        self.page.push_str("<tr>");
        for (place, cell) in cells.iter().enumerate() {
            let class = match columns.get(place).copied().unwrap_or_default() {
                Align::Start => "",
                Align::Left => " class=\"left\"",
                Align::Center => " class=\"center\"",
                Align::Right => " class=\"right\"",
            };
            let _ = write!(self.page, "<{element}{class} dir=\"auto\">");
            self.pieces(cell);
            let _ = write!(self.page, "</{element}>");
        }
        self.page.push_str("</tr>\n");
    }

    fn pieces(&mut self, pieces: &[Piece]) {
        for linked in pieces.chunk_by(|one, next| one.link == next.link) {
            let is_open = linked[0].link.is_some_and(|place| self.open_link(place));
            for piece in linked {
                let tags = tags(piece.style);
                for tag in &tags {
                    let _ = write!(self.page, "<{tag}>");
                }
                self.piece(&piece.what);
                for tag in tags.iter().rev() {
                    let _ = write!(self.page, "</{tag}>");
                }
            }
            if is_open {
                self.page.push_str("</a>");
            }
        }
    }

    fn piece(&mut self, what: &What) {
        match what {
            What::Text(text) => self.page.push_str(&escape(text)),
            What::Break => self.page.push_str("<br>\n"),
            What::Image(place, shows) => {
                let Some(image) = self.document.images.get(*place) else { return };
                let media = image.kind.extension();
                let _ = write!(
                    self.page,
                    "<img src=\"data:image/{media};base64,{}\" alt=\"{}\" width=\"{}\" height=\"{}\">",
                    STANDARD.encode(&*image.bytes),
                    escape(shows),
                    image.width,
                    image.height,
                );
            }
            What::Note(number) => {
                let _ = write!(
                    self.page,
                    "<sup class=\"note\"><a href=\"#fn:{number}\">{number}</a></sup>"
                );
            }
        }
    }

    /// Whether there is one.
    fn open_link(&mut self, place: usize) -> bool {
        match self.document.targets.get(place) {
            None => return false,
            Some(Target::Address(address)) => {
                let _ = write!(
                    self.page,
                    "<a href=\"{}\" rel=\"noopener noreferrer\">",
                    escape(address)
                );
            }
            Some(Target::Anchor(anchor)) => {
                let _ = write!(self.page, "<a href=\"#{}\">", escape(anchor));
            }
        }
        true
    }

    fn notes(&mut self) {
        if self.document.notes.is_empty() {
            return;
        }
        self.page.push_str("<section class=\"notes\">\n<ol>\n");
        let document = self.document;
        for (place, blocks) in document.notes.iter().enumerate() {
            let _ = writeln!(self.page, "<li id=\"fn:{}\" dir=\"auto\">", place + 1);
            self.blocks(blocks);
            self.page.push_str("</li>\n");
        }
        self.page.push_str("</ol>\n</section>\n");
    }
}

/// From the outside in.
fn tags(style: Style) -> Vec<&'static str> {
    [
        (style.bold, "strong"),
        (style.italic, "em"),
        (style.strike, "del"),
        (style.underline, "u"),
        (style.mark, "mark"),
        (style.raised, "sup"),
        (style.lowered, "sub"),
        (style.code, "code"),
    ]
    .into_iter()
    .filter_map(|(wanted, tag)| wanted.then_some(tag))
    .collect()
}
