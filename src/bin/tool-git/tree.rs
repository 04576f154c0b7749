//! Looking into trees.

use std::collections::HashMap;

use gix_hash::{ObjectId, oid};
use scopegate::toolkit::ToolError;

use crate::names::path::TreePath;
use crate::reader::{Entry, Found, Mode, Reader};

/// Most folders whose entry is remembered.
const REMEMBERED: usize = 10_000;

/// Most entries that are kept in memory at once, of a folder and of those above it.
const HELD: usize = 1_000_000;

/// The mode of the root, which has no entry.
const ROOT: Mode = Mode(0o040_000);

/// What a visitor wants after an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// Go on, and into it if it is a tree.
    Descend,
    /// Go on beside it.
    Skip,
    /// It has seen enough.
    Stop,
}

/// Looks at an entry with its whole path.
type Visitor<'a> = &'a mut dyn FnMut(&[u8], &Entry) -> Result<Next, ToolError>;

/// A folder that is visited: how many entries it has, those that are left, and the
/// length of the path above them.
struct Level {
    entries: usize,
    left: std::vec::IntoIter<Entry>,
    base: usize,
}

/// How many entries are in memory: those of a folder, and what is left to see of
/// each one above it. A folder of the largest size in a folder of the largest
/// size, and so on, would take gigabytes.
#[derive(Debug, Default)]
pub(crate) struct Held(usize);

impl Held {
    /// Counts the entries of a further folder.
    pub(crate) fn add(&mut self, reader: &Reader<'_>, entries: usize) -> Result<(), ToolError> {
        self.0 += entries;
        if self.0 > HELD { Err(reader.too_many()) } else { Ok(()) }
    }

    /// Forgets those of the folder that was added last.
    pub(crate) fn remove(&mut self, entries: usize) {
        self.0 -= entries;
    }
}

impl Reader<'_> {
    /// What lies at a path below a tree. Links are not followed, submodules
    /// not entered.
    pub(crate) fn find(&self, tree: &oid, path: &TreePath) -> Result<Option<Found>, ToolError> {
        self.find_known(tree, path, &mut HashMap::new())
    }

    /// The same, for one path below many trees: what was found in each folder
    /// on the way is remembered, under its depth and id.
    pub(crate) fn find_known(
        &self,
        tree: &oid,
        path: &TreePath,
        known: &mut HashMap<(usize, ObjectId), Option<Found>>,
    ) -> Result<Option<Found>, ToolError> {
        let mut at = Found { mode: ROOT, id: tree.to_owned() };
        for (depth, component) in path.components().enumerate() {
            if depth >= self.bounds.depth {
                return Err(self.too_deep());
            }
            if !at.mode.is_tree() {
                return Ok(None);
            }
            let next = if let Some(next) = known.get(&(depth, at.id)) {
                *next
            } else {
                let next = self.entry(&at.id, component)?;
                if known.len() >= REMEMBERED {
                    known.clear();
                }
                known.insert((depth, at.id), next);
                next
            };
            let Some(next) = next else { return Ok(None) };
            at = next;
        }
        Ok(Some(at))
    }

    /// What lies at a path in a commit, and an error where there is nothing.
    pub(crate) fn get(&self, commit: ObjectId, path: &TreePath) -> Result<Found, ToolError> {
        self.find(&self.node(commit)?.tree, path)?
            .ok_or(ToolError::refused("path does not exist at this ref"))
    }

    /// The file or link at a path in a commit, and an error where there is none.
    pub(crate) fn get_file(&self, commit: ObjectId, path: &TreePath) -> Result<Found, ToolError> {
        let found = self.get(commit, path)?;
        if found.mode.is_blob() {
            Ok(found)
        } else {
            Err(ToolError::refused(format!("path is a {}, not a file", found.mode.kind())))
        }
    }

    /// Shows a visitor what lies at a path in a commit: a file, or every entry
    /// below a folder with its whole path, in the order of the trees; at most as
    /// many as the limit allows.
    pub(crate) fn visit(
        &self,
        commit: ObjectId,
        path: &TreePath,
        visitor: Visitor<'_>,
    ) -> Result<(), ToolError> {
        let Found { mode, id } = self.get(commit, path)?;
        if !mode.is_tree() {
            return visitor(path.as_bytes(), &Entry { name: Vec::new(), mode, id }).map(drop);
        }
        let mut most = self.bounds.entries;
        let mut held = Held::default();
        let mut path = path.as_bytes().to_vec();
        let mut levels = vec![self.level(&id, path.len(), &mut held)?];
        while let Some(Level { entries, left, base }) = levels.last_mut() {
            let Some(entry) = left.next() else {
                held.remove(*entries);
                levels.pop();
                continue;
            };
            path.truncate(*base);
            if !path.is_empty() {
                path.push(b'/');
            }
            path.extend_from_slice(&entry.name);
            most = most.checked_sub(1).ok_or_else(|| self.too_many())?;
            match visitor(&path, &entry)? {
                Next::Stop => return Ok(()),
                Next::Descend if entry.mode.is_tree() => {
                    if levels.len() >= self.bounds.depth {
                        return Err(self.too_deep());
                    }
                    levels.push(self.level(&entry.id, path.len(), &mut held)?);
                }
                Next::Descend | Next::Skip => {}
            }
        }
        Ok(())
    }

    fn level(&self, tree: &oid, base: usize, held: &mut Held) -> Result<Level, ToolError> {
        let entries = self.tree(tree)?;
        held.add(self, entries.len())?;
        Ok(Level { entries: entries.len(), left: entries.into_iter(), base })
    }

    pub(crate) fn too_deep(&self) -> ToolError {
        ToolError::refused(format!("The tree is deeper than {} folders", self.bounds.depth))
    }

    pub(crate) fn too_many(&self) -> ToolError {
        ToolError::refused(format!(
            "More than {} entries would have to be looked at; name a path",
            self.bounds.entries
        ))
    }
}
