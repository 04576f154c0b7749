//! Markdown as a tree that each format is written from: CommonMark with tables,
//! task lists, footnotes and strike-through, in bounds.
//!
//! Nothing of the input is copied to an output as markup. HTML in it is taken for
//! what a handful of simple tags mean, and is left out otherwise; images are those
//! that the input brings along itself.

pub(crate) mod direction;
mod frames;
mod images;
mod links;
mod reader;
mod slug;
mod tags;
pub(crate) mod tree;

pub(crate) use links::Target;
pub(crate) use reader::read;

/// Bounds of what a text may hold.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// Deepest nesting of lists and quotes.
    pub(crate) depth: usize,
    /// Most pieces of text with a style of their own.
    pub(crate) pieces: usize,
    /// Most cells of all tables.
    pub(crate) cells: usize,
    /// Most columns of a table.
    pub(crate) columns: usize,
    /// Most images.
    pub(crate) images: usize,
    /// Most bytes of all images.
    pub(crate) image_bytes: usize,
    /// Most pixels of all images; decoded, each takes up to four bytes, and one of
    /// 16 bits a colour counts twice.
    pub(crate) pixels: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            depth: 24,
            pieces: 100_000,
            cells: 20_000,
            columns: 64,
            images: 64,
            image_bytes: 4 * 1024 * 1024,
            pixels: 32_000_000,
        }
    }
}

/// Why a text is not read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ReadError {
    /// It goes beyond a bound, or an image in it is none.
    #[error("{0}")]
    Refused(String),
    /// The time was up.
    #[error("Timeout")]
    Late,
}

/// Whether the time is up.
pub(crate) type IsLate<'a> = &'a dyn Fn() -> bool;
