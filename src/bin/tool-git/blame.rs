//! Who last changed each line of a file.

use std::collections::{BTreeMap, BinaryHeap, HashMap};
use std::ops::Range;

use gix_hash::ObjectId;
use scopegate::toolkit::ToolError;

use crate::names::path::TreePath;
use crate::patch::{COMPARED_BYTES, compare, lines};
use crate::reader::{Blob, Node, Reader};
use crate::renames;

/// Lines of the file that come from one commit, together there too.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Origin {
    /// The first line, from 0.
    pub(crate) line: u32,
    pub(crate) count: u32,
    pub(crate) commit: ObjectId,
    pub(crate) path: Vec<u8>,
    /// Their first line there, from 0.
    pub(crate) original_line: u32,
}

/// Lines that one commit has to answer for, until a parent is found to have
/// them too: where they are in the file that is blamed, and there.
#[derive(Clone, Debug)]
struct Piece {
    line: u32,
    count: u32,
    there: u32,
}

/// A file in a commit.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
struct Suspect {
    commit: ObjectId,
    path: Vec<u8>,
}

/// Blames a range of lines of the file at `path` in a commit.
///
/// As git does: commits are asked from the newest to the oldest; a parent
/// that has the same file takes all lines, else each parent in turn takes
/// those it has; a parent without the file is asked under the path it was
/// renamed from.
pub(crate) fn blame(
    reader: &Reader<'_>,
    commit: ObjectId,
    path: &[u8],
    range: Range<u32>,
) -> Result<Vec<Origin>, ToolError> {
    let mut work = Work { reader, suspects: HashMap::new(), queue: BinaryHeap::new(), order: 0 };
    let mut done: BTreeMap<u32, Origin> = BTreeMap::new();
    let first = Piece { line: range.start, count: range.end - range.start, there: range.start };
    work.suspect(&reader.node(commit)?, path.to_vec(), vec![first]);
    let mut left = reader.bounds.commits;
    while let Some((suspect, node, pieces)) = work.take() {
        left = left.checked_sub(1).ok_or_else(|| {
            ToolError::refused(format!(
                "More than {} commits changed the file",
                reader.bounds.commits
            ))
        })?;
        for piece in work.pass_on(&suspect, &node, pieces)? {
            let Piece { line, count, there } = piece;
            let Suspect { commit, path } = suspect.clone();
            done.insert(line, Origin { line, count, commit, path, original_line: there });
        }
    }
    Ok(join(done.into_values()))
}

/// Puts neighbours of the same origin together.
fn join(origins: impl Iterator<Item = Origin>) -> Vec<Origin> {
    let mut joined: Vec<Origin> = Vec::new();
    for origin in origins {
        match joined.last_mut() {
            Some(last)
                if last.commit == origin.commit
                    && last.path == origin.path
                    && last.line + last.count == origin.line
                    && last.original_line + last.count == origin.original_line =>
            {
                last.count += origin.count;
            }
            _ => joined.push(origin),
        }
    }
    joined
}

struct Work<'a, 'r> {
    reader: &'a Reader<'r>,
    suspects: HashMap<Suspect, (Node, Vec<Piece>)>,
    /// By the committer's date, then by the order they came in.
    queue: BinaryHeap<(i64, std::cmp::Reverse<u64>, Suspect)>,
    order: u64,
}

impl Work<'_, '_> {
    fn suspect(&mut self, node: &Node, path: Vec<u8>, pieces: Vec<Piece>) {
        if pieces.is_empty() {
            return;
        }
        let suspect = Suspect { commit: node.id, path };
        let (_, known) = self.suspects.entry(suspect.clone()).or_insert_with(|| {
            self.order += 1;
            self.queue.push((node.time, std::cmp::Reverse(self.order), suspect));
            (node.clone(), Vec::new())
        });
        known.extend(pieces);
    }

    fn take(&mut self) -> Option<(Suspect, Node, Vec<Piece>)> {
        let (.., suspect) = self.queue.pop()?;
        let (node, pieces) = self.suspects.remove(&suspect)?;
        Some((suspect, node, pieces))
    }

    /// Gives the parents what they have; gives back what none of them has.
    fn pass_on(
        &mut self,
        suspect: &Suspect,
        node: &Node,
        pieces: Vec<Piece>,
    ) -> Result<Vec<Piece>, ToolError> {
        let reader = self.reader;
        let path = TreePath::parse(&suspect.path)?;
        let Some(here) = reader.find(&node.tree, &path)? else { return Ok(pieces) };
        let parents: Vec<Node> =
            node.parents.iter().map(|id| reader.node(*id)).collect::<Result<_, _>>()?;
        // Where the file was in each parent.
        let mut origins: Vec<Option<(ObjectId, Vec<u8>)>> = vec![None; parents.len()];
        for renamed in [false, true] {
            for (index, parent) in parents.iter().enumerate() {
                if origins[index].is_some() {
                    continue;
                }
                let found = if renamed {
                    renamed_from(reader, parent, node, &suspect.path)?
                } else {
                    reader
                        .find(&parent.tree, &path)?
                        .filter(|found| found.mode.is_blob())
                        .map(|found| (found.id, suspect.path.clone()))
                };
                if let Some((id, path)) = &found
                    && *id == here.id
                {
                    self.suspect(parent, path.clone(), pieces);
                    return Ok(Vec::new());
                }
                origins[index] = found;
            }
        }
        let mut left = pieces;
        let mut asked: Vec<ObjectId> = Vec::new();
        let now = bytes(reader, here.id)?;
        for (parent, origin) in parents.iter().zip(origins) {
            let Some((id, path)) = origin else { continue };
            // Parents with the same file have the same lines.
            if left.is_empty() || asked.contains(&id) {
                continue;
            }
            asked.push(id);
            let before = bytes(reader, id)?;
            let input = lines(&before, &now);
            let diff = compare(&input).ok_or_else(too_large)?;
            let (theirs, ours) = part(&left, diff.hunks());
            self.suspect(parent, path, theirs);
            left = ours;
        }
        Ok(left)
    }
}

/// Parts pieces of a file by what came new in it: what the older file has
/// too, with its lines there, and the rest.
fn part(
    pieces: &[Piece],
    hunks: impl Iterator<Item = imara_diff::Hunk>,
) -> (Vec<Piece>, Vec<Piece>) {
    let (mut theirs, mut ours) = (Vec::new(), Vec::new());
    let mut pieces = pieces.to_vec();
    pieces.sort_by_key(|piece| piece.there);
    // Stretches of the newer file: where they end, and whether they are new,
    // or by how many lines they have moved.
    let mut stretches: Vec<(u32, Option<i64>)> = Vec::new();
    let mut moved = 0_i64;
    for hunk in hunks {
        stretches.push((hunk.after.start, Some(moved)));
        stretches.push((hunk.after.end, None));
        moved = i64::from(hunk.before.end) - i64::from(hunk.after.end);
    }
    stretches.push((u32::MAX, Some(moved)));
    let mut at = 0;
    for mut piece in pieces {
        while piece.count > 0 {
            while stretches[at].0 <= piece.there && at + 1 < stretches.len() {
                at += 1;
            }
            let (end, moved) = stretches[at];
            let count = piece.count.min(end - piece.there);
            match moved {
                Some(moved) => {
                    let there = u32::try_from(i64::from(piece.there) + moved).unwrap_or(0);
                    theirs.push(Piece { line: piece.line, count, there });
                }
                None => ours.push(Piece { count, ..piece.clone() }),
            }
            piece.line += count;
            piece.there += count;
            piece.count -= count;
        }
    }
    (theirs, ours)
}

/// The file a parent had under another path.
fn renamed_from(
    reader: &Reader<'_>,
    parent: &Node,
    node: &Node,
    path: &[u8],
) -> Result<Option<(ObjectId, Vec<u8>)>, ToolError> {
    let changes = reader.changes(Some(&parent.tree), Some(&node.tree), &TreePath::default())?;
    let is_new = |change: &crate::changes::Change| change.old.is_none() && change.path() == path;
    if !changes.iter().any(is_new) {
        return Ok(None);
    }
    // Only this file may be new, or another could take its source.
    let changes = changes.into_iter().filter(|change| change.new.is_none() || is_new(change));
    let joined = renames::join(reader, &changes.collect::<Vec<_>>())?;
    let renamed = joined.into_iter().find(|change| change.path() == path);
    Ok(renamed.and_then(|change| change.old).map(|old| (old.id, old.path)))
}

fn bytes(reader: &Reader<'_>, id: ObjectId) -> Result<Vec<u8>, ToolError> {
    match reader.blob(&id)? {
        Blob::Bytes(bytes) if bytes.len() <= COMPARED_BYTES => Ok(bytes),
        Blob::Bytes(_) | Blob::TooLarge(_) => Err(too_large()),
    }
}

fn too_large() -> ToolError {
    ToolError::refused("The file is, or was, too large to be compared")
}

#[cfg(test)]
mod tests {
    use imara_diff::Hunk;

    use super::*;

    #[test]
    fn pieces_are_parted_at_the_edges_of_what_is_new() {
        // Lines 2 and 3 are new, and one was removed behind line 5.
        let hunks = [Hunk { before: 2..2, after: 2..4 }, Hunk { before: 4..5, after: 6..6 }];
        let piece = Piece { line: 10, count: 8, there: 0 };
        let (theirs, ours) = part(&[piece], hunks.into_iter());
        let plain = |pieces: Vec<Piece>| {
            pieces.into_iter().map(|p| (p.line, p.count, p.there)).collect::<Vec<_>>()
        };
        assert_eq!(plain(theirs), [(10, 2, 0), (14, 2, 2), (16, 2, 5)]);
        assert_eq!(plain(ours), [(12, 2, 2)]);
    }
}
