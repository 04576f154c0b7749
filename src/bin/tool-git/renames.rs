//! Finding renames among changes, by the rules of git.

use std::collections::{BTreeMap, HashMap};

use gix_hash::ObjectId;
use scopegate::toolkit::ToolError;

use crate::changes::{Change, Side};
use crate::reader::{Blob, Reader};
use crate::similarity::{EQUAL, LEAST, Pieces, may_be_alike};

/// With more pairs than this squared, only equal files are found.
const LIMIT: usize = 1000;
/// Best sources that are kept for a new file.
const CANDIDATES: usize = 4;
/// The least score where a name occurs on each side only once: three
/// quarters.
const LEAST_BY_NAME: u64 = u64::midpoint(LEAST, EQUAL);
/// Most bytes all compared files have together; of further ones only equal
/// files are found.
const MOST_BYTES: u64 = 64 * 1024 * 1024;

/// Puts removed and added files together that are the same file under
/// another path. A renamed file stands where the new one stood.
pub(crate) fn join(reader: &Reader<'_>, changes: &[Change]) -> Result<Vec<Change>, ToolError> {
    let mut removed = Vec::new();
    let mut added = Vec::new();
    for (index, change) in changes.iter().enumerate() {
        match (&change.old, &change.new) {
            (Some(old), None) if old.mode.is_blob() => removed.push((index, old)),
            (None, Some(new)) if new.mode.is_blob() => added.push((index, new)),
            _ => {}
        }
    }
    let mut search = Search {
        reader,
        source_of: vec![None; added.len()],
        used: vec![false; removed.len()],
        removed,
        added,
        pieces: HashMap::new(),
        sizes: HashMap::new(),
        bytes: 0,
    };
    if !search.removed.is_empty() && !search.added.is_empty() {
        search.equal();
        search.by_name()?;
        search.by_score()?;
    }
    let mut sources: HashMap<usize, (usize, u64)> = HashMap::new();
    for (to, source) in search.source_of.iter().enumerate() {
        if let Some((from, score)) = source {
            sources.insert(search.added[to].0, (search.removed[*from].0, *score));
        }
    }
    let gone: Vec<usize> = sources.values().map(|(from, _)| *from).collect();
    let mut joined = Vec::with_capacity(changes.len());
    for (index, change) in changes.iter().enumerate() {
        if let Some((from, score)) = sources.get(&index) {
            joined.push(Change {
                old: changes[*from].old.clone(),
                new: change.new.clone(),
                similarity: Some(score * 100 / EQUAL),
            });
        } else if !gone.contains(&index) {
            joined.push(change.clone());
        }
    }
    Ok(joined)
}

struct Search<'a, 'r> {
    reader: &'a Reader<'r>,
    /// With their places among the changes.
    removed: Vec<(usize, &'a Side)>,
    added: Vec<(usize, &'a Side)>,
    /// For each new file, the old one and the score.
    source_of: Vec<Option<(usize, u64)>>,
    used: Vec<bool>,
    pieces: HashMap<ObjectId, Option<Pieces>>,
    sizes: HashMap<ObjectId, u64>,
    bytes: u64,
}

impl Search<'_, '_> {
    fn set(&mut self, to: usize, from: usize, score: u64) {
        self.source_of[to] = Some((from, score));
        self.used[from] = true;
    }

    /// Files with the same content; of several, the first of the same name,
    /// else the first.
    fn equal(&mut self) {
        let mut by_id: HashMap<ObjectId, Vec<usize>> = HashMap::new();
        for (from, (_, side)) in self.removed.iter().enumerate() {
            by_id.entry(side.id).or_default().push(from);
        }
        for to in 0..self.added.len() {
            let new = self.added[to].1;
            let same_kind = |old: &Side| {
                (old.mode.is_regular() && new.mode.is_regular()) || old.mode == new.mode
            };
            let Some(all) = by_id.get(&new.id) else { continue };
            let free: Vec<usize> = all
                .iter()
                .copied()
                .filter(|from| !self.used[*from] && same_kind(self.removed[*from].1))
                .collect();
            let same_name = |from: &&usize| name(&self.removed[**from].1.path) == name(&new.path);
            if let Some(from) = free.iter().find(same_name).or(free.first()).copied() {
                self.set(to, from, EQUAL);
            }
        }
    }

    /// Files whose name occurs once among the old and once among the new.
    fn by_name(&mut self) -> Result<(), ToolError> {
        let once = |paths: &mut dyn Iterator<Item = (usize, &[u8])>| {
            let mut names: BTreeMap<Vec<u8>, Option<usize>> = BTreeMap::new();
            for (index, path) in paths {
                names
                    .entry(name(path).to_vec())
                    .and_modify(|only| *only = None)
                    .or_insert(Some(index));
            }
            names
        };
        let (removed, added) = (self.free_removed(), self.free_added());
        let old = once(&mut removed.iter().map(|from| (*from, &self.removed[*from].1.path[..])));
        let new = once(&mut added.iter().map(|to| (*to, &self.added[*to].1.path[..])));
        for from in removed {
            let name = name(&self.removed[from].1.path);
            let (Some(Some(_)), Some(Some(to))) = (old.get(name), new.get(name)) else { continue };
            let score = self.score(from, *to)?;
            if score >= LEAST_BY_NAME {
                self.set(*to, from, score);
            }
        }
        Ok(())
    }

    /// Everything against everything, the best first.
    fn by_score(&mut self) -> Result<(), ToolError> {
        let (removed, added) = (self.free_removed(), self.free_added());
        if removed.len().saturating_mul(added.len()) > LIMIT * LIMIT {
            return Ok(());
        }
        let mut candidates: Vec<(u64, bool, usize, usize)> = Vec::new();
        for to in added {
            let mut best: Vec<(u64, bool, usize, usize)> = Vec::new();
            for &from in &removed {
                let score = self.score(from, to)?;
                if score >= LEAST {
                    let same_name =
                        name(&self.removed[from].1.path) == name(&self.added[to].1.path);
                    best.push((score, same_name, from, to));
                }
            }
            best.sort_by(better);
            best.truncate(CANDIDATES);
            candidates.extend(best);
        }
        candidates.sort_by(better);
        for (score, _, from, to) in candidates {
            if !self.used[from] && self.source_of[to].is_none() {
                self.set(to, from, score);
            }
        }
        Ok(())
    }

    fn free_removed(&self) -> Vec<usize> {
        (0..self.removed.len())
            .filter(|from| !self.used[*from] && self.removed[*from].1.mode.is_regular())
            .collect()
    }

    fn free_added(&self) -> Vec<usize> {
        (0..self.added.len())
            .filter(|to| self.source_of[*to].is_none() && self.added[*to].1.mode.is_regular())
            .collect()
    }

    fn score(&mut self, from: usize, to: usize) -> Result<u64, ToolError> {
        self.reader.deadline.check()?;
        let (old, new) = (self.removed[from].1.id, self.added[to].1.id);
        if !may_be_alike(self.size(old)?, self.size(new)?) {
            return Ok(0);
        }
        self.load(old)?;
        self.load(new)?;
        Ok(match (self.pieces.get(&old), self.pieces.get(&new)) {
            (Some(Some(old)), Some(Some(new))) => old.score(new),
            _ => 0,
        })
    }

    fn size(&mut self, id: ObjectId) -> Result<u64, ToolError> {
        if let Some(size) = self.sizes.get(&id) {
            return Ok(*size);
        }
        let size = self.reader.header(&id)?.map_or(0, |(_, size)| size);
        self.sizes.insert(id, size);
        Ok(size)
    }

    /// Cuts a file into pieces, unless it is too large or there were too many.
    fn load(&mut self, id: ObjectId) -> Result<(), ToolError> {
        if self.pieces.contains_key(&id) {
            return Ok(());
        }
        let pieces = match self.reader.blob(&id)? {
            Blob::Bytes(bytes) if self.bytes < MOST_BYTES => {
                self.bytes += bytes.len() as u64;
                Some(Pieces::of(&bytes))
            }
            Blob::Bytes(_) | Blob::TooLarge(_) => None,
        };
        self.pieces.insert(id, pieces);
        Ok(())
    }
}

/// The last component of a path.
fn name(path: &[u8]) -> &[u8] {
    path.rsplit(|byte| *byte == b'/').next().unwrap_or(path)
}

type Candidate = (u64, bool, usize, usize);

fn better(one: &Candidate, other: &Candidate) -> std::cmp::Ordering {
    other.0.cmp(&one.0).then_with(|| other.1.cmp(&one.1))
}
