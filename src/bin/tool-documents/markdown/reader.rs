//! From the parser's events to the tree.

use std::borrow::Cow;
use std::collections::HashMap;

use pulldown_cmark::{
    Alignment, CodeBlockKind, Event, HeadingLevel, Options, Parser, Tag as Md, TagEnd,
};

use super::images::Images;
use super::slug::Anchors;
use super::tags::{Effect, Tag};
use super::tree::{Align, Block, Cell, Document, Item, Piece, Style, Table, What, plain};
use super::{IsLate, Limits, ReadError, Target, tags};

/// How many events pass between two looks at the clock.
const EVENTS_PER_LOOK: usize = 512;

/// Most pieces of a paragraph; text layout numbers styles in 16 bits.
const MOST_IN_LEAF: usize = 20_000;

const OPTIONS: Options = Options::ENABLE_TABLES
    .union(Options::ENABLE_TASKLISTS)
    .union(Options::ENABLE_FOOTNOTES)
    .union(Options::ENABLE_STRIKETHROUGH);

/// Reads a text.
///
/// # Errors
/// [`ReadError`].
pub(crate) fn read(
    text: &str,
    limits: &Limits,
    is_late: IsLate<'_>,
) -> Result<Document, ReadError> {
    let text = printable(text);
    let mut reader = Reader::new(limits);
    for (count, event) in Parser::new_ext(&text, OPTIONS).enumerate() {
        if count % EVENTS_PER_LOOK == 0 && is_late() {
            return Err(ReadError::Late);
        }
        reader.take(event)?;
    }
    Ok(reader.finish())
}

/// Without the characters that XML cannot hold.
fn printable(text: &str) -> String {
    text.chars().map(|one| if fits(one) { one } else { char::REPLACEMENT_CHARACTER }).collect()
}

/// Whether XML can hold a character.
fn fits(character: char) -> bool {
    let is_control = character.is_control() && !matches!(character, '\n' | '\r' | '\t');
    !is_control && !matches!(character, '\u{FFFE}' | '\u{FFFF}')
}

/// The same, on one line. References such as `&#1;` and `&#10;` stand for
/// characters that nobody has seen in the text as it came.
fn one_line(text: &str) -> Cow<'_, str> {
    if text.chars().all(|one| fits(one) && !matches!(one, '\n' | '\r')) {
        return Cow::Borrowed(text);
    }
    Cow::Owned(printable(text).replace(['\n', '\r'], " "))
}

/// Something that holds blocks, or items, and is not at its end.
enum Open {
    Root(Vec<Block>),
    Quote(Vec<Block>),
    List { start: Option<u64>, items: Vec<Item> },
    Item(Item),
    Note { label: String, blocks: Vec<Block> },
    Table(Table),
}

/// What the pieces that are being gathered will become.
enum Leaf {
    Paragraph,
    Heading(u8),
    Cell,
}

struct Reader<'a> {
    limits: &'a Limits,
    open: Vec<Open>,
    leaf: Option<Leaf>,
    pieces: Vec<Piece>,
    /// How deep the text is in each.
    bold: usize,
    italic: usize,
    strike: usize,
    /// Tags that are open.
    effects: Vec<Effect>,
    /// Links that are open.
    links: Vec<Option<usize>>,
    /// The text of code, while it is read.
    code: Option<String>,
    /// Addresses and texts of images that are open.
    alt: Vec<(String, String)>,
    in_html: bool,
    in_head: bool,
    row: Vec<Cell>,
    count: usize,
    cells: usize,
    images: Images,
    anchors: Anchors,
    targets: Vec<Target>,
    /// Numbers of footnotes, and what they say.
    numbers: HashMap<String, usize>,
    notes: HashMap<String, Vec<Block>>,
    warnings: Vec<String>,
}

impl<'a> Reader<'a> {
    fn new(limits: &'a Limits) -> Self {
        Self {
            limits,
            open: vec![Open::Root(Vec::new())],
            leaf: None,
            pieces: Vec::new(),
            bold: 0,
            italic: 0,
            strike: 0,
            effects: Vec::new(),
            links: Vec::new(),
            code: None,
            alt: Vec::new(),
            in_html: false,
            in_head: false,
            row: Vec::new(),
            count: 0,
            cells: 0,
            images: Images::default(),
            anchors: Anchors::default(),
            targets: Vec::new(),
            numbers: HashMap::new(),
            notes: HashMap::new(),
            warnings: Vec::new(),
        }
    }

    fn take(&mut self, event: Event<'_>) -> Result<(), ReadError> {
        match event {
            Event::Start(tag) => self.start(tag),
            Event::End(end) => self.end(end),
            // Mathematics are not asked for.
            Event::Text(text) | Event::InlineMath(text) | Event::DisplayMath(text) => {
                self.text(&text)
            }
            Event::Code(text) => self.styled(&text, |style| style.code = true),
            Event::Html(_) => Ok(()),
            Event::InlineHtml(tag) => self.tag(&tag),
            Event::FootnoteReference(label) => {
                let next = self.numbers.len() + 1;
                let number = *self.numbers.entry(label.to_string()).or_insert(next);
                self.push(What::Note(number), self.style())
            }
            Event::SoftBreak => self.text(" "),
            Event::HardBreak => self.push(What::Break, self.style()),
            Event::Rule => {
                self.block(Block::Rule);
                Ok(())
            }
            Event::TaskListMarker(ticked) => {
                if let Some(Open::Item(item)) = self.open.last_mut() {
                    item.task = Some(ticked);
                }
                Ok(())
            }
        }
    }

    fn start(&mut self, tag: Md<'_>) -> Result<(), ReadError> {
        match tag {
            Md::Paragraph => self.begin(Leaf::Paragraph),
            Md::Heading { level, .. } => self.begin(Leaf::Heading(level_of(level))),
            Md::BlockQuote(_) => self.enter(Open::Quote(Vec::new()))?,
            Md::CodeBlock(kind) => {
                self.flush();
                // What language it is changes nothing.
                let (CodeBlockKind::Fenced(_) | CodeBlockKind::Indented) = kind;
                self.code = Some(String::new());
            }
            Md::HtmlBlock => {
                self.flush();
                self.in_html = true;
                self.warn("HTML blocks are left out");
            }
            Md::List(start) => self.enter(Open::List { start, items: Vec::new() })?,
            Md::Item => self.enter(Open::Item(Item::default()))?,
            Md::FootnoteDefinition(label) => {
                self.enter(Open::Note { label: label.to_string(), blocks: Vec::new() })?;
            }
            Md::Table(columns) => {
                if columns.len() > self.limits.columns {
                    let most = self.limits.columns;
                    return Err(ReadError::Refused(format!(
                        "A table has more than {most} columns"
                    )));
                }
                let columns = columns.into_iter().map(align_of).collect();
                self.enter(Open::Table(Table { columns, ..Table::default() }))?;
            }
            Md::TableHead => self.in_head = true,
            Md::TableCell => {
                self.cells += 1;
                if self.cells > self.limits.cells {
                    let most = self.limits.cells;
                    return Err(ReadError::Refused(format!("Tables have more than {most} cells")));
                }
                self.begin(Leaf::Cell);
            }
            Md::Emphasis => self.italic += 1,
            Md::Strong => self.bold += 1,
            Md::Strikethrough => self.strike += 1,
            Md::Link { dest_url, .. } => {
                let link = Target::of(&dest_url).map(|target| self.target(target));
                if link.is_none() {
                    self.warn(
                        "Links other than http, https, mailto, tel and #heading are left out",
                    );
                }
                self.links.push(link);
            }
            Md::Image { dest_url, .. } => self.alt.push((dest_url.to_string(), String::new())),
            // Rows are gathered cell by cell; the others are not asked for.
            Md::TableRow
            | Md::DefinitionList
            | Md::DefinitionListTitle
            | Md::DefinitionListDefinition
            | Md::Superscript
            | Md::Subscript
            | Md::MetadataBlock(_) => {}
        }
        Ok(())
    }

    fn end(&mut self, end: TagEnd) -> Result<(), ReadError> {
        match end {
            TagEnd::Paragraph | TagEnd::Heading(_) | TagEnd::TableCell => self.flush(),
            TagEnd::BlockQuote(_)
            | TagEnd::List(_)
            | TagEnd::Item
            | TagEnd::FootnoteDefinition
            | TagEnd::Table => self.leave(),
            TagEnd::CodeBlock => {
                if let Some(text) = self.code.take() {
                    self.block(Block::Code(text));
                }
            }
            TagEnd::HtmlBlock => self.in_html = false,
            TagEnd::TableHead | TagEnd::TableRow => {
                let row = std::mem::take(&mut self.row);
                let head = std::mem::take(&mut self.in_head);
                if let Some(Open::Table(table)) = self.open.last_mut() {
                    if head {
                        table.head = row;
                    } else {
                        table.rows.push(row);
                    }
                }
            }
            TagEnd::Emphasis => self.italic = self.italic.saturating_sub(1),
            TagEnd::Strong => self.bold = self.bold.saturating_sub(1),
            TagEnd::Strikethrough => self.strike = self.strike.saturating_sub(1),
            TagEnd::Link => drop(self.links.pop()),
            TagEnd::Image => return self.image(),
            TagEnd::DefinitionList
            | TagEnd::DefinitionListTitle
            | TagEnd::DefinitionListDefinition
            | TagEnd::Superscript
            | TagEnd::Subscript
            | TagEnd::MetadataBlock(_) => {}
        }
        Ok(())
    }

    /// Goes a level deeper.
    fn enter(&mut self, open: Open) -> Result<(), ReadError> {
        self.flush();
        // A list and its item are one level to whoever reads them.
        if self.open.len() > self.limits.depth * 2 {
            let most = self.limits.depth;
            return Err(ReadError::Refused(format!("Content nests deeper than {most} levels")));
        }
        self.open.push(open);
        Ok(())
    }

    /// Comes back from the innermost level.
    fn leave(&mut self) {
        self.flush();
        let Some(closed) = self.open.pop() else { return };
        match closed {
            Open::Quote(blocks) => self.block(Block::Quote(blocks)),
            Open::List { start, items } => self.block(Block::List { start, items }),
            Open::Table(table) => self.block(Block::Table(table)),
            Open::Item(item) => {
                if let Some(Open::List { items, .. }) = self.open.last_mut() {
                    items.push(item);
                }
            }
            Open::Note { label, blocks } => {
                self.notes.entry(label).or_insert(blocks);
            }
            Open::Root(_) => self.open.push(closed),
        }
    }

    /// Begins to gather pieces.
    fn begin(&mut self, leaf: Leaf) {
        self.flush();
        self.leaf = Some(leaf);
    }

    /// Makes a block of the pieces gathered, if any.
    fn flush(&mut self) {
        self.effects.clear();
        let pieces = std::mem::take(&mut self.pieces);
        match self.leaf.take() {
            Some(Leaf::Cell) => self.row.push(pieces),
            Some(Leaf::Heading(level)) => {
                let anchor = self.anchors.of(&plain(&pieces));
                self.block(Block::Heading { level, anchor, content: pieces });
            }
            // An item of a tight list has its text without a paragraph.
            Some(Leaf::Paragraph) | None => {
                if !pieces.is_empty() {
                    self.block(Block::Paragraph(pieces));
                }
            }
        }
    }

    fn block(&mut self, block: Block) {
        if !self.pieces.is_empty() {
            self.flush();
        }
        match self.open.last_mut() {
            Some(
                Open::Root(blocks)
                | Open::Quote(blocks)
                | Open::Note { blocks, .. }
                | Open::Item(Item { blocks, .. }),
            ) => blocks.push(block),
            // Nothing else stands directly in a list or table.
            Some(Open::List { .. } | Open::Table(_)) | None => {}
        }
    }

    fn text(&mut self, text: &str) -> Result<(), ReadError> {
        if let Some(code) = &mut self.code {
            code.push_str(text);
            return Ok(());
        }
        if self.in_html {
            return Ok(());
        }
        self.styled(text, |_| {})
    }

    fn styled(&mut self, text: &str, change: impl Fn(&mut Style)) -> Result<(), ReadError> {
        let text = &*one_line(text);
        if let Some((_, alt)) = self.alt.last_mut() {
            alt.push_str(text);
            return Ok(());
        }
        let mut style = self.style();
        change(&mut style);
        let link = self.links.last().copied().flatten();
        // Neighbours that look alike are one.
        if let Some(Piece { what: What::Text(before), style: same, link: same_link }) =
            self.pieces.last_mut()
            && *same == style
            && *same_link == link
        {
            before.push_str(text);
            return Ok(());
        }
        self.push(What::Text(text.to_owned()), style)
    }

    fn push(&mut self, what: What, style: Style) -> Result<(), ReadError> {
        // What an image shows is text only.
        if let Some((_, alt)) = self.alt.last_mut() {
            alt.push(' ');
            return Ok(());
        }
        self.count += 1;
        if self.count > self.limits.pieces {
            let most = self.limits.pieces;
            return Err(ReadError::Refused(format!("Content has more than {most} pieces")));
        }
        if self.pieces.len() >= MOST_IN_LEAF {
            let sentence = format!("A paragraph has more than {MOST_IN_LEAF} pieces");
            return Err(ReadError::Refused(sentence));
        }
        let link = self.links.last().copied().flatten();
        self.pieces.push(Piece { what, style, link });
        Ok(())
    }

    fn tag(&mut self, tag: &str) -> Result<(), ReadError> {
        match tags::read(tag) {
            Tag::Break => return self.push(What::Break, self.style()),
            Tag::Open(effect) if self.effects.len() < self.limits.depth => {
                self.effects.push(effect);
            }
            Tag::Close(effect) => {
                if let Some(at) = self.effects.iter().rposition(|open| *open == effect) {
                    self.effects.remove(at);
                }
            }
            Tag::Open(_) | Tag::Other => {
                self.warn("HTML tags other than the simple ones of text are left out");
            }
        }
        Ok(())
    }

    fn image(&mut self) -> Result<(), ReadError> {
        let Some((url, alt)) = self.alt.pop() else { return Ok(()) };
        if let Some(place) = self.images.add(&url, self.limits)? {
            return self.push(What::Image(place, alt), self.style());
        }
        self.warn("Images other than data URIs of PNG, JPEG, GIF or WebP are left out");
        let shown = if alt.is_empty() { "image".to_owned() } else { alt };
        self.styled(&format!("[{shown}]"), |_| {})
    }

    fn style(&self) -> Style {
        let mut style = Style {
            bold: self.bold > 0,
            italic: self.italic > 0,
            strike: self.strike > 0,
            ..Style::default()
        };
        self.effects.iter().for_each(|effect| effect.on(&mut style));
        style
    }

    /// The place of a target; neighbours share one.
    fn target(&mut self, target: Target) -> usize {
        if self.targets.last() != Some(&target) {
            self.targets.push(target);
        }
        self.targets.len() - 1
    }

    fn warn(&mut self, what: &str) {
        if !self.warnings.iter().any(|known| known == what) {
            self.warnings.push(what.to_owned());
        }
    }

    fn finish(mut self) -> Document {
        while self.open.len() > 1 {
            self.leave();
        }
        self.flush();
        let blocks = match self.open.pop() {
            Some(Open::Root(blocks)) => blocks,
            _ => Vec::new(),
        };
        let mut notes = vec![Vec::new(); self.numbers.len()];
        for (label, number) in &self.numbers {
            if let Some(said) = self.notes.remove(label) {
                notes[number - 1] = said;
            }
        }
        if !self.notes.is_empty() {
            self.warn("Footnotes that nothing refers to are left out");
        }
        Document {
            blocks,
            notes,
            images: self.images.all,
            targets: self.targets,
            warnings: self.warnings,
        }
    }
}

fn level_of(level: HeadingLevel) -> u8 {
    match level {
        HeadingLevel::H1 => 1,
        HeadingLevel::H2 => 2,
        HeadingLevel::H3 => 3,
        HeadingLevel::H4 => 4,
        HeadingLevel::H5 => 5,
        HeadingLevel::H6 => 6,
    }
}

fn align_of(alignment: Alignment) -> Align {
    match alignment {
        Alignment::None => Align::Start,
        Alignment::Left => Align::Left,
        Alignment::Center => Align::Center,
        Alignment::Right => Align::Right,
    }
}
