//! What a text holds.

use std::sync::Arc;

use super::Target;

/// A whole text.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Document {
    pub(crate) blocks: Vec<Block>,
    /// Footnotes, in the order they are first referred to; the first is number 1.
    pub(crate) notes: Vec<Vec<Block>>,
    pub(crate) images: Vec<Image>,
    /// Where links lead; pieces name them by place.
    pub(crate) targets: Vec<Target>,
    /// What was left out, each once.
    pub(crate) warnings: Vec<String>,
}

/// Something that stands on lines of its own.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Block {
    Heading { level: u8, anchor: String, content: Vec<Piece> },
    Paragraph(Vec<Piece>),
    Code(String),
    Quote(Vec<Block>),
    List { start: Option<u64>, items: Vec<Item> },
    Table(Table),
    Rule,
}

/// An item of a list.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Item {
    /// Whether its box is ticked, where it has one.
    pub(crate) task: Option<bool>,
    pub(crate) blocks: Vec<Block>,
}

/// A table; each row has as many cells as there are columns.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Table {
    pub(crate) columns: Vec<Align>,
    pub(crate) head: Vec<Cell>,
    pub(crate) rows: Vec<Vec<Cell>>,
}

pub(crate) type Cell = Vec<Piece>;

/// How the cells of a column are aligned.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Align {
    #[default]
    Start,
    Left,
    Center,
    Right,
}

/// A part of a line.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Piece {
    pub(crate) what: What,
    pub(crate) style: Style,
    /// The place of its link in [`Document::targets`].
    pub(crate) link: Option<usize>,
}

/// What a piece is.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum What {
    /// Without line breaks.
    Text(String),
    /// A line ends here.
    Break,
    /// The image at this place of [`Document::images`], and what it shows.
    Image(usize, String),
    /// A reference to the footnote of this number, from 1.
    Note(usize),
}

/// How a piece looks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "they go together in any way")]
pub(crate) struct Style {
    pub(crate) bold: bool,
    pub(crate) italic: bool,
    pub(crate) strike: bool,
    pub(crate) underline: bool,
    pub(crate) code: bool,
    pub(crate) mark: bool,
    pub(crate) raised: bool,
    pub(crate) lowered: bool,
}

/// An image, as it came.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Image {
    pub(crate) kind: ImageKind,
    pub(crate) bytes: Arc<Vec<u8>>,
    /// In pixels; neither is 0.
    pub(crate) width: u32,
    pub(crate) height: u32,
}

/// What an image's bytes are, by themselves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ImageKind {
    Png,
    Jpeg,
    Gif,
    Webp,
}

impl ImageKind {
    pub(crate) fn extension(self) -> &'static str {
        match self {
            Self::Png => "png",
            Self::Jpeg => "jpeg",
            Self::Gif => "gif",
            Self::Webp => "webp",
        }
    }
}

/// The text of pieces, without anything else.
pub(crate) fn plain(pieces: &[Piece]) -> String {
    let mut text = String::new();
    for piece in pieces {
        match &piece.what {
            What::Text(part) => text.push_str(part),
            What::Break => text.push(' '),
            What::Image(_, shows) => text.push_str(shows),
            What::Note(_) => {}
        }
    }
    text
}

/// A heading, for a table of contents.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Entry {
    pub(crate) level: u8,
    pub(crate) anchor: String,
    pub(crate) text: String,
}

impl Document {
    /// All headings that stand in no list and no quote.
    pub(crate) fn entries(&self) -> Vec<Entry> {
        let entry = |block: &Block| match block {
            Block::Heading { level, anchor, content } => {
                Some(Entry { level: *level, anchor: anchor.clone(), text: plain(content) })
            }
            Block::Paragraph(_)
            | Block::Code(_)
            | Block::Quote(_)
            | Block::List { .. }
            | Block::Table(_)
            | Block::Rule => None,
        };
        self.blocks.iter().filter_map(entry).collect()
    }
}
