//! Files made for users, on disk. `tool-documents` writes them, the gateway hands
//! them out; both know the folder and nothing else of each other.
//!
//! A file lies at `FOLDER/USER/NAME`. Its time of modification is the moment it
//! expires: whoever reads the folder sees it, no two settings have to agree, and a
//! copy that lost its times counts as expired. Files are never changed: they appear
//! whole, by a rename, and go.

mod names;
mod shelf;
mod store;
#[cfg(test)]
mod tests;

pub use names::{BadName, FileKind, FileName, UserId};
pub use shelf::{Entry, Opened, Shelf};
pub use store::{KeepError, Kept, Room, Store};
