//! What differs between two trees.

use std::cmp::Ordering;

use gix_hash::ObjectId;
use gix_object::tree::name_order;
use scopegate::toolkit::ToolError;

use crate::names::path::TreePath;
use crate::reader::{Entry, Mode, Reader};

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
        let mut found = Vec::new();
        let at = |tree: Option<&ObjectId>| match tree {
            Some(tree) => self.find(tree, path),
            None => Ok(None),
        };
        let side = |at: Option<crate::reader::Found>| {
            at.map(|at| Entry { name: Vec::new(), mode: at.mode, id: at.id })
        };
        let (old, new) = (side(at(old)?), side(at(new)?));
        if old != new {
            self.pair(old, new, path.as_bytes(), 0, &mut found)?;
        }
        Ok(found)
    }

    /// Compares what lies at one path.
    fn pair(
        &self,
        old: Option<Entry>,
        new: Option<Entry>,
        path: &[u8],
        depth: usize,
        found: &mut Vec<Change>,
    ) -> Result<(), ToolError> {
        self.deadline.check()?;
        let split = |entry: Option<Entry>| match entry {
            Some(entry) if entry.mode.is_tree() => (Some(entry.id), None),
            other => (None, other),
        };
        let (old_tree, old_file) = split(old);
        let (new_tree, new_file) = split(new);
        if old_file.is_some() || new_file.is_some() {
            if found.len() >= self.bounds.entries {
                return Err(self.too_many());
            }
            let side = |entry: Entry| Side { path: path.to_vec(), mode: entry.mode, id: entry.id };
            found.push(Change {
                old: old_file.map(side),
                new: new_file.map(side),
                similarity: None,
            });
        }
        if old_tree == new_tree {
            return Ok(());
        }
        if depth > self.bounds.depth {
            return Err(self.too_deep());
        }
        let entries = |tree: Option<ObjectId>| tree.map_or(Ok(Vec::new()), |tree| self.tree(&tree));
        let mut old = entries(old_tree)?.into_iter().peekable();
        let mut new = entries(new_tree)?.into_iter().peekable();
        loop {
            let order = match (old.peek(), new.peek()) {
                (None, None) => return Ok(()),
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
            self.pair(left, right, &inner, depth + 1, found)?;
        }
    }
}
