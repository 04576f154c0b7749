//! The text itself.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use super::media::{self, Room};
use super::numbering::{BULLETS, INDENT, LEVELS, Numbering};
use super::package::image_name;
use super::paragraph::{Stand, properties, run_properties};
use super::parts::Relations;
use super::twips;
use crate::escape::escape;
use crate::markdown::Target;
use crate::markdown::direction;
use crate::markdown::tree::{Align, Block, Document, Item, Piece, Style, Table, What};
use crate::options::{Direction, INCH_MM, Options};

/// How far a quote stands in, in twentieths of a point.
const QUOTE: i32 = 240;

/// A part of the package that holds text, while it is written.
pub(super) struct Body<'a> {
    document: &'a Document,
    options: &'a Options,
    /// Names of what can be jumped to, by anchor.
    bookmarks: &'a BTreeMap<String, String>,
    numbering: &'a mut Numbering,
    room: Room,
    text: String,
    relations: Relations,
    /// Footnotes that were referred to.
    noted: BTreeSet<usize>,
    in_notes: bool,
    drawings: usize,
}

/// Where a block stands.
#[derive(Clone, Copy, Default)]
struct Around {
    indent: i32,
    /// Lists around it.
    lists: usize,
    /// The style of its paragraphs, where that is not the usual one.
    style: Option<&'static str>,
}

impl<'a> Body<'a> {
    pub(super) fn new(
        document: &'a Document,
        options: &'a Options,
        bookmarks: &'a BTreeMap<String, String>,
        numbering: &'a mut Numbering,
        room: Room,
    ) -> Self {
        Self {
            document,
            options,
            bookmarks,
            numbering,
            room,
            text: String::new(),
            relations: Relations::default(),
            noted: BTreeSet::new(),
            in_notes: false,
            drawings: 0,
        }
    }

    /// Gives the text, and what it refers to.
    pub(super) fn finish(self, relations: &mut Relations) -> String {
        *relations = self.relations;
        self.text
    }

    pub(super) fn title(&mut self) {
        if !self.options.title.is_empty() {
            let stand = Stand { style: Some("Title"), ..Stand::default() };
            self.plain(&self.options.title.clone(), stand);
        }
    }

    /// The field that makes programs write a table of contents, with the headings
    /// as they are now.
    pub(super) fn contents(&mut self) {
        let entries = self.document.entries();
        let entries: Vec<_> = entries.iter().filter(|entry| entry.level <= 3).collect();
        let field = |kind: &str| format!("<w:r><w:fldChar w:fldCharType=\"{kind}\"/></w:r>");
        let begin = format!(
            "{}<w:r><w:instrText xml:space=\"preserve\"> TOC \\o &quot;1-3&quot; \\h \\z \\u </w:instrText></w:r>{}",
            field("begin"),
            field("separate"),
        );
        for (place, entry) in entries.iter().enumerate() {
            let rtl = self.rtl(direction::of_text(&entry.text));
            let style = format!("TOC{}", entry.level);
            let stand = Stand { style: Some(&style), rtl, ..Stand::default() };
            self.text.push_str("<w:p>");
            self.text.push_str(&properties(stand));
            if place == 0 {
                self.text.push_str(&begin);
            }
            let name = self.bookmarks.get(&entry.anchor).cloned().unwrap_or_default();
            // Writing to a string cannot fail.
            let _ = write!(self.text, "<w:hyperlink w:anchor=\"{name}\" w:history=\"1\">");
            self.words(&entry.text, Style::default(), false);
            self.text.push_str("</w:hyperlink>");
            if place + 1 == entries.len() {
                self.text.push_str(&field("end"));
            }
            self.text.push_str("</w:p>");
        }
        if !entries.is_empty() {
            self.text.push_str("<w:p><w:r><w:br w:type=\"page\"/></w:r></w:p>");
        }
    }

    pub(super) fn blocks(&mut self, blocks: &[Block]) {
        self.all(blocks, Around::default());
    }

    /// Footnotes that only other footnotes refer to, which programs do not allow.
    pub(super) fn stray_notes(&mut self) {
        let stray: Vec<usize> =
            (1..=self.document.notes.len()).filter(|note| !self.noted.contains(note)).collect();
        if stray.is_empty() {
            return;
        }
        self.text.push_str("<w:p>");
        for note in stray {
            self.note(note);
        }
        self.text.push_str("</w:p>");
    }

    /// All footnotes.
    pub(super) fn notes(&mut self) {
        self.in_notes = true;
        let document = self.document;
        for (place, blocks) in document.notes.iter().enumerate() {
            let _ = write!(self.text, "<w:footnote w:id=\"{}\">", place + 1);
            let mark = "<w:r><w:rPr><w:rStyle w:val=\"FootnoteReference\"/></w:rPr><w:footnoteRef/></w:r>\
                        <w:r><w:t xml:space=\"preserve\"> </w:t></w:r>";
            let rest = match blocks.as_slice() {
                [Block::Paragraph(pieces), rest @ ..] => {
                    let stand = self.note_stand(direction::of_block(&blocks[0]));
                    self.open(stand);
                    self.text.push_str(mark);
                    self.pieces(pieces);
                    self.text.push_str("</w:p>");
                    rest
                }
                rest => {
                    let stand = self.note_stand(None);
                    self.open(stand);
                    self.text.push_str(mark);
                    self.text.push_str("</w:p>");
                    rest
                }
            };
            self.all(rest, Around { style: Some("FootnoteText"), ..Around::default() });
            self.text.push_str("</w:footnote>");
        }
    }

    fn note_stand(&self, rtl: Option<bool>) -> Stand<'static> {
        Stand { style: Some("FootnoteText"), rtl: self.rtl(rtl), ..Stand::default() }
    }

    fn rtl(&self, by_letters: Option<bool>) -> bool {
        match self.options.direction {
            Direction::Auto => by_letters.unwrap_or(false),
            Direction::Ltr => false,
            Direction::Rtl => true,
        }
    }

    fn all(&mut self, blocks: &[Block], around: Around) {
        for block in blocks {
            self.block(block, around);
        }
    }

    fn block(&mut self, block: &Block, around: Around) {
        let rtl = self.rtl(direction::of_block(block));
        let stand = Stand { indent: around.indent, style: around.style, rtl, ..Stand::default() };
        match block {
            Block::Heading { level, anchor, content } => {
                let name = format!("Heading{level}");
                self.open(Stand { style: Some(&name), ..stand });
                self.bookmark(anchor, content);
                self.text.push_str("</w:p>");
            }
            Block::Paragraph(pieces) => {
                self.open(stand);
                self.pieces(pieces);
                self.text.push_str("</w:p>");
            }
            Block::Code(text) => {
                self.open(Stand { style: Some("SourceCode"), rtl: false, ..stand });
                let lines = text.trim_end_matches('\n').split('\n');
                for (place, line) in lines.enumerate() {
                    if place > 0 {
                        self.text.push_str("<w:r><w:br/></w:r>");
                    }
                    self.code(line);
                }
                self.text.push_str("</w:p>");
            }
            Block::Quote(blocks) => {
                let indent = around.indent + QUOTE;
                self.all(blocks, Around { indent, style: Some("Quote"), ..around });
            }
            Block::List { start, items } => self.list(*start, items, around),
            Block::Table(table) => self.table(table, around),
            Block::Rule => {
                self.open(Stand { ruled: true, ..stand });
                self.text.push_str("</w:p>");
            }
        }
    }

    fn open(&mut self, stand: Stand<'_>) {
        self.text.push_str("<w:p>");
        self.text.push_str(&properties(stand));
    }

    fn list(&mut self, start: Option<u64>, items: &[Item], around: Around) {
        // Deeper ones look like the deepest.
        let level = around.lists.min(LEVELS - 1);
        let list = start.map_or(BULLETS, |first| self.numbering.begin(level, first));
        let indent = around.indent + INDENT;
        let inner = Around { indent, lists: around.lists + 1, ..around };
        for (place, item) in items.iter().enumerate() {
            let is_last = place + 1 == items.len() && around.lists == 0;
            let item_stand = Stand {
                style: around.style,
                number: item.task.is_none().then_some((list, level)),
                indent,
                hanging: INDENT,
                close: !is_last || !item.blocks.get(1..).unwrap_or_default().is_empty(),
                ..Stand::default()
            };
            let (head, rest) = match item.blocks.split_first() {
                Some((head @ (Block::Paragraph(_) | Block::Heading { .. }), rest)) => {
                    (Some(head), rest)
                }
                _ => (None, item.blocks.as_slice()),
            };
            let rtl = self.rtl(head.and_then(direction::of_block));
            self.open(Stand { rtl, ..item_stand });
            if let Some(ticked) = item.task {
                let mark = if ticked { "☑" } else { "☐" };
                let _ = write!(self.text, "<w:r><w:t>{mark}</w:t><w:tab/></w:r>");
            }
            match head {
                Some(Block::Paragraph(pieces)) => self.pieces(pieces),
                Some(Block::Heading { anchor, content, .. }) => self.bookmark(anchor, content),
                _ => {}
            }
            self.text.push_str("</w:p>");
            self.all(rest, inner);
        }
    }

    fn table(&mut self, table: &Table, around: Around) {
        let margins = self.options.margins_mm;
        let free = twips((margins.left + margins.right) * 72.0 / INCH_MM);
        let width = (twips(self.options.page().0) - free - around.indent).max(400);
        let columns = i32::try_from(table.columns.len()).unwrap_or(1).max(1);
        let each = (width / columns).max(20);
        let border = |side: &str| {
            format!("<w:{side} w:val=\"single\" w:sz=\"4\" w:space=\"0\" w:color=\"C9CED6\"/>")
        };
        let sides = ["top", "left", "bottom", "right", "insideH", "insideV"];
        let borders: String = sides.iter().map(|side| border(side)).collect();
        let by_letters = table
            .head
            .iter()
            .find_map(|cell| direction::of_text(&crate::markdown::tree::plain(cell)));
        let visual = if self.rtl(by_letters) { "<w:bidiVisual/>" } else { "" };
        let _ = write!(
            self.text,
            "<w:tbl><w:tblPr>{visual}<w:tblW w:w=\"0\" w:type=\"auto\"/><w:tblInd w:w=\"{}\" w:type=\"dxa\"/>\
             <w:tblBorders>{borders}</w:tblBorders>\
             <w:tblCellMar><w:left w:w=\"90\" w:type=\"dxa\"/><w:right w:w=\"90\" w:type=\"dxa\"/></w:tblCellMar>\
             </w:tblPr><w:tblGrid>",
            around.indent,
        );
        for _ in &table.columns {
            let _ = write!(self.text, "<w:gridCol w:w=\"{each}\"/>");
        }
        self.text.push_str("</w:tblGrid>");
        self.row(&table.head, &table.columns, true);
        table.rows.iter().for_each(|row| self.row(row, &table.columns, false));
        // Two tables without anything between them would be one.
        self.text.push_str("</w:tbl><w:p><w:pPr><w:spacing w:after=\"60\"/></w:pPr></w:p>");
    }

    fn row(&mut self, cells: &[Vec<Piece>], columns: &[Align], is_head: bool) {
        let head = if is_head { "<w:tblHeader/>" } else { "" };
        let _ = write!(self.text, "<w:tr><w:trPr><w:cantSplit/>{head}</w:trPr>");
        let shade = if is_head {
            "<w:shd w:val=\"clear\" w:color=\"auto\" w:fill=\"F2F3F5\"/>"
        } else {
            ""
        };
        for (place, cell) in cells.iter().enumerate() {
            let alignment = match columns.get(place).copied().unwrap_or_default() {
                Align::Start => None,
                Align::Left => Some("left"),
                Align::Center => Some("center"),
                Align::Right => Some("right"),
            };
            let letters = direction::of_text(&crate::markdown::tree::plain(cell));
            let rtl = self.rtl(letters);
            let _ = write!(
                self.text,
                "<w:tc><w:tcPr><w:tcW w:w=\"0\" w:type=\"auto\"/>{shade}</w:tcPr>"
            );
            self.open(Stand { alignment, rtl, close: true, ..Stand::default() });
            let bold = |piece: &Piece| {
                let style = Style { bold: piece.style.bold || is_head, ..piece.style };
                Piece { style, ..piece.clone() }
            };
            let cell: Vec<Piece> = cell.iter().map(bold).collect();
            self.pieces(&cell);
            self.text.push_str("</w:p></w:tc>");
        }
        self.text.push_str("</w:tr>");
    }

    fn bookmark(&mut self, anchor: &str, content: &[Piece]) {
        let Some(name) = self.bookmarks.get(anchor) else { return self.pieces(content) };
        // The number behind the first letter is one of its own.
        let id = name.trim_start_matches('h');
        let _ = write!(self.text, "<w:bookmarkStart w:id=\"{id}\" w:name=\"{name}\"/>");
        self.pieces(content);
        let _ = write!(self.text, "<w:bookmarkEnd w:id=\"{id}\"/>");
    }

    fn plain(&mut self, text: &str, stand: Stand<'_>) {
        let rtl = self.rtl(direction::of_text(text));
        self.open(Stand { rtl, ..stand });
        self.words(text, Style::default(), false);
        self.text.push_str("</w:p>");
    }

    fn pieces(&mut self, pieces: &[Piece]) {
        for linked in pieces.chunk_by(|one, next| one.link == next.link) {
            let is_open = linked[0].link.is_some_and(|place| self.open_link(place));
            for piece in linked {
                match &piece.what {
                    What::Text(text) => self.words(text, piece.style, is_open),
                    What::Break => self.text.push_str("<w:r><w:br/></w:r>"),
                    What::Note(number) => self.note(*number),
                    What::Image(place, shows) => self.image(*place, shows),
                }
            }
            if is_open {
                self.text.push_str("</w:hyperlink>");
            }
        }
    }

    /// A text in runs that run one way each.
    fn words(&mut self, text: &str, style: Style, is_link: bool) {
        for (rtl, part) in direction::parts(text) {
            let properties = run_properties(style, is_link, rtl);
            let _ = write!(
                self.text,
                "<w:r>{properties}<w:t xml:space=\"preserve\">{}</w:t></w:r>",
                escape(part)
            );
        }
    }

    /// A line of code, its tabs as tabs.
    fn code(&mut self, line: &str) {
        self.text.push_str("<w:r>");
        for (place, part) in line.trim_end_matches('\r').split('\t').enumerate() {
            if place > 0 {
                self.text.push_str("<w:tab/>");
            }
            let _ = write!(self.text, "<w:t xml:space=\"preserve\">{}</w:t>", escape(part));
        }
        self.text.push_str("</w:r>");
    }

    fn note(&mut self, number: usize) {
        // Programs take one reference to each, and none inside of another.
        if self.in_notes || !self.noted.insert(number) {
            let style = Style { raised: true, ..Style::default() };
            return self.words(&number.to_string(), style, false);
        }
        let _ = write!(
            self.text,
            "<w:r><w:rPr><w:rStyle w:val=\"FootnoteReference\"/></w:rPr>\
             <w:footnoteReference w:id=\"{number}\"/></w:r>"
        );
    }

    fn image(&mut self, place: usize, shows: &str) {
        let Some(image) = self.document.images.get(place) else { return };
        self.drawings += 1;
        // Those of footnotes come after all others.
        let id = self.drawings + if self.in_notes { 100_000 } else { 0 };
        let relation = self.relations.part_at("image", &image_name(place, image.kind));
        self.text.push_str(&media::drawing(image, &relation, id, shows, self.room));
    }

    /// Whether it leads anywhere.
    fn open_link(&mut self, place: usize) -> bool {
        match self.document.targets.get(place) {
            None => return false,
            Some(Target::Address(address)) => {
                let id = self.relations.address(address);
                let _ = write!(self.text, "<w:hyperlink r:id=\"{id}\" w:history=\"1\">");
            }
            Some(Target::Anchor(anchor)) => {
                // To a heading that is not there, nothing leads.
                let Some(name) = self.bookmarks.get(anchor) else { return false };
                let _ = write!(self.text, "<w:hyperlink w:anchor=\"{name}\" w:history=\"1\">");
            }
        }
        true
    }
}

/// The anchors of all headings, in their order.
pub(super) fn anchors(blocks: &[Block]) -> Vec<String> {
    let mut found = Vec::new();
    for block in blocks {
        match block {
            Block::Heading { anchor, .. } => found.push(anchor.clone()),
            Block::Quote(blocks) => found.extend(anchors(blocks)),
            Block::List { items, .. } => {
                found.extend(items.iter().flat_map(|item| anchors(&item.blocks)));
            }
            Block::Paragraph(_) | Block::Code(_) | Block::Table(_) | Block::Rule => {}
        }
    }
    found
}
