//! What differs between two trees.

use std::cmp::Ordering;

use gix_hash::ObjectId;
use gix_object::tree::name_order;
use scopegate::toolkit::ToolError;

use crate::names::path::TreePath;
use crate::reader::{Entry, Mode, Reader};
use crate::tree::Held;

/// One side of a change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Side {
    pub(crate) path: Vec<u8>,
    pub(crate) mode: Mode,
    pub(crate) id: ObjectId,
}

/// A file, link or submodule that differs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Change {
    pub(crate) old: Option<Side>,
    pub(crate) new: Option<Side>,
    /// Of a rename, how alike both sides are, in percent.
    pub(crate) similarity: Option<u64>,
}

impl Change {
    /// The path after the change, or before it where there is none after.
    pub(crate) fn path(&self) -> &[u8] {
        self.new.as_ref().or(self.old.as_ref()).map_or(b"", |side| &side.path)
    }

    /// Git's letter.
    pub(crate) fn status(&self) -> &'static str {
        match (&self.old, &self.new) {
            (None, _) => "A",
            (_, None) => "D",
            _ if self.similarity.is_some() => "R",
            (Some(old), Some(new)) if old.mode.kind_bits() != new.mode.kind_bits() => "T",
            _ => "M",
        }
    }
}

impl Mode {
    /// What it is, without rights.
    pub(crate) fn kind_bits(self) -> u16 {
        self.0 & 0o170_000
    }
}

impl Reader<'_> {
    /// All changes from one tree to another below a path, in git's order,
    /// without renames. Without a tree everything is new.
    pub(crate) fn changes(
        &self,
        old: Option<&ObjectId>,
        new: Option<&ObjectId>,
        path: &TreePath,
    ) -> Result<Vec<Change>, ToolError> {
        let mut search =
            Search { reader: self, looked_at: 0, held: Held::default(), found: Vec::new() };
        let at = |tree: Option<&ObjectId>| match tree {
            Some(tree) => self.find(tree, path),
            None => Ok(None),
        };
        let side = |at: Option<crate::reader::Found>| {
            at.map(|at| Entry { name: Vec::new(), mode: at.mode, id: at.id })
        };
        let (old, new) = (side(at(old)?), side(at(new)?));
        if old != new {
            search.pair(old, new, path.as_bytes(), 0)?;
        }
        Ok(search.found)
    }
}

/// A search for changes.
struct Search<'a, 'r> {
    reader: &'a Reader<'r>,
    /// Files, folders and whatever else differed so far.
    looked_at: usize,
    held: Held,
    found: Vec<Change>,
}

impl Search<'_, '_> {
    /// Compares what lies at one path.
    fn pair(
        &mut self,
        old: Option<Entry>,
        new: Option<Entry>,
        path: &[u8],
        depth: usize,
    ) -> Result<(), ToolError> {
        let reader = self.reader;
        reader.deadline.check()?;
        // Folders count, too: a few small ones can be in each other so that
        // they are billions of empty ones.
        if self.looked_at >= reader.bounds.entries {
            return Err(reader.too_many());
        }
        self.looked_at += 1;
        let split = |entry: Option<Entry>| match entry {
            Some(entry) if entry.mode.is_tree() => (Some(entry.id), None),
            other => (None, other),
        };
        let (old_tree, old_file) = split(old);
        let (new_tree, new_file) = split(new);
        if old_file.is_some() || new_file.is_some() {
            let side = |entry: Entry| Side { path: path.to_vec(), mode: entry.mode, id: entry.id };
            self.found.push(Change {
                old: old_file.map(side),
                new: new_file.map(side),
                similarity: None,
            });
        }
        if old_tree == new_tree {
            return Ok(());
        }
        if depth > reader.bounds.depth {
            return Err(reader.too_deep());
        }
        let entries =
            |tree: Option<ObjectId>| tree.map_or(Ok(Vec::new()), |tree| reader.tree(&tree));
        let (old, new) = (entries(old_tree)?, entries(new_tree)?);
        let held = old.len() + new.len();
        self.held.add(reader, held)?;
        let mut old = old.into_iter().peekable();
        let mut new = new.into_iter().peekable();
        loop {
            let order = match (old.peek(), new.peek()) {
                (None, None) => {
                    self.held.remove(held);
                    return Ok(());
                }
                (Some(_), None) => Ordering::Less,
                (None, Some(_)) => Ordering::Greater,
                (Some(old), Some(new)) => {
                    name_order(&old.name, old.mode.is_tree(), &new.name, new.mode.is_tree())
                }
            };
            let left = if order.is_le() { old.next() } else { None };
            let right = if order.is_ge() { new.next() } else { None };
            if left == right {
                continue;
            }
            let name = left.as_ref().or(right.as_ref()).map_or(&[][..], |entry| &entry.name);
            let mut inner = path.to_vec();
            if !inner.is_empty() {
                inner.push(b'/');
            }
            inner.extend_from_slice(name);
            self.pair(left, right, &inner, depth + 1)?;
        }
    }
}
