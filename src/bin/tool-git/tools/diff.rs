//! `git_diff`, and what it shares with `git_show`.

use gix_hash::ObjectId;
use scopegate::toolkit::ToolError;
use serde::{Deserialize, Serialize};

use crate::arguments::{Call, Place};
use crate::changes::Change;
use crate::merge_base::merge_base;
use crate::names::path::TreePath;
use crate::patch::Patch;
use crate::reader::Reader;
use crate::renames;
use crate::text::{PathText, hex, weight};

/// Files on a page that asks for no number.
const DEFAULT: usize = 50;
/// Unchanged lines around a change.
const CONTEXT: u32 = 3;

#[derive(Clone, Debug, Default, Deserialize)]
pub(crate) struct Arguments {
    pub(crate) repo: Option<String>,
    pub(crate) from: String,
    pub(crate) to: Option<String>,
    pub(crate) path: Option<String>,
    pub(crate) path_base64: Option<String>,
    #[serde(default)]
    pub(crate) merge_base: bool,
    #[serde(flatten)]
    pub(crate) style: Style,
}

/// How changes are shown.
#[derive(Clone, Debug, Default, Deserialize)]
pub(crate) struct Style {
    pub(crate) patch: Option<bool>,
    pub(crate) renames: Option<bool>,
    pub(crate) context: Option<u32>,
    pub(crate) limit: Option<usize>,
}

#[derive(Debug, Serialize)]
pub(crate) struct Outcome {
    repo: String,
    from: String,
    to: String,
    from_commit: String,
    to_commit: String,
    #[serde(flatten)]
    changes: Changes,
}

/// A page of changes.
#[derive(Debug, Serialize)]
pub(crate) struct Changes {
    total_files: usize,
    files: Vec<File>,
    next_cursor: Option<String>,
}

/// One change.
#[derive(Debug, Serialize)]
#[expect(clippy::struct_excessive_bools, reason = "facts about one patch, apart from each other")]
struct File {
    status: &'static str,
    #[serde(flatten)]
    path: PathText,
    #[serde(skip_serializing_if = "Option::is_none")]
    old_path: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    old_path_base64: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    similarity: Option<u64>,
    old_mode: Option<String>,
    new_mode: Option<String>,
    old_id: Option<String>,
    new_id: Option<String>,
    additions: Option<u64>,
    deletions: Option<u64>,
    binary: bool,
    too_large: bool,
    /// The patch, or the part of it this page has room for.
    patch: Option<String>,
    /// The part of it that is on earlier pages, in bytes.
    patch_offset: usize,
    patch_complete: bool,
    /// Bytes that are not UTF-8 were replaced.
    patch_lossy: bool,
}

pub(crate) fn run(call: &Call<'_>, arguments: &Arguments) -> Result<Outcome, ToolError> {
    let to = arguments.to.as_deref().unwrap_or("HEAD");
    let (path, path_base64) = (arguments.path.clone(), arguments.path_base64.clone());
    let path = Place { path, path_base64, ..Place::default() }.path()?;
    let reader = call.reader(arguments.repo.as_deref())?;
    let mut from_commit = call.query.commit(&reader, 0, &arguments.from)?;
    let to_commit = call.query.commit(&reader, 1, to)?;
    // A cursor holds the merge base already; that of it is itself.
    if arguments.merge_base {
        from_commit = merge_base(&reader, from_commit, to_commit)?
            .ok_or(ToolError::refused("from and to have no common ancestor"))?;
    }
    let old = reader.node(from_commit)?.tree;
    let new = reader.node(to_commit)?.tree;
    let commits = [from_commit, to_commit];
    let changes =
        compare(call, &reader, (Some(&old), Some(&new)), &path, &arguments.style, &commits)?;
    Ok(Outcome {
        repo: reader.repository.name.clone(),
        from: arguments.from.clone(),
        to: to.to_owned(),
        from_commit: hex(&from_commit),
        to_commit: hex(&to_commit),
        changes,
    })
}

/// A page of the changes from one tree to another.
pub(crate) fn compare(
    call: &Call<'_>,
    reader: &Reader<'_>,
    (old, new): (Option<&ObjectId>, Option<&ObjectId>),
    path: &TreePath,
    style: &Style,
    commits: &[ObjectId],
) -> Result<Changes, ToolError> {
    let mut all = reader.changes(old, new, path)?;
    if style.renames.unwrap_or(true) {
        all = renames::join(reader, &all)?;
    }
    let (first, mut offset) = call.query.start();
    let first = usize::try_from(first).unwrap_or(usize::MAX);
    let mut page = call.page(style.limit, DEFAULT);
    let total_files = all.len();
    let mut files = Vec::new();
    for (index, change) in all.iter().enumerate().skip(first) {
        let next = |offset: usize| Some(call.query.next(commits, (index as u64, offset as u64)));
        let compared = reader.patch(change, style.context.unwrap_or(CONTEXT))?;
        let skipped = usize::try_from(std::mem::take(&mut offset)).unwrap_or(usize::MAX);
        let room = if files.is_empty() { reader.bounds.page_bytes } else { page.bytes() };
        let shown = style.patch.unwrap_or(true);
        let part = shown.then(|| Part::of(&compared.text, skipped, room));
        let file = File::new(change, &compared, part.as_ref());
        // What does not fit whole begins the next page, and is parted there.
        let fits = files.is_empty() || part.as_ref().is_none_or(|part| part.complete);
        if !fits || !page.admit(file.weight()) {
            return Ok(Changes { total_files, files, next_cursor: next(0) });
        }
        files.push(file);
        if let Some(part) = part.filter(|part| !part.complete) {
            return Ok(Changes { total_files, files, next_cursor: next(part.end) });
        }
    }
    Ok(Changes { total_files, files, next_cursor: None })
}

/// A part of a patch, of whole lines unless one is longer than a page.
struct Part {
    text: String,
    start: usize,
    end: usize,
    complete: bool,
    lossy: bool,
}

impl Part {
    fn of(patch: &[u8], start: usize, room: usize) -> Self {
        let start = start.min(patch.len());
        let rest = &patch[start..];
        let mut end = 0;
        let mut used = 0;
        for line in rest.split_inclusive(|byte| *byte == b'\n') {
            used += weight(&String::from_utf8_lossy(line));
            if used > room {
                break;
            }
            end += line.len();
        }
        if end == 0 {
            end = rest.len().min(room.max(1));
        }
        let bytes = &rest[..end];
        Self {
            text: String::from_utf8_lossy(bytes).into_owned(),
            start,
            end: start + end,
            complete: end == rest.len(),
            lossy: std::str::from_utf8(bytes).is_err(),
        }
    }
}

impl File {
    fn new(change: &Change, patch: &Patch, part: Option<&Part>) -> Self {
        let renamed = change.old.as_ref().filter(|_| change.similarity.is_some());
        let old_path = renamed.map(|side| PathText::new(&side.path));
        let (old, new) = (change.old.as_ref(), change.new.as_ref());
        Self {
            status: change.status(),
            path: PathText::new(change.path()),
            old_path: old_path.as_ref().map(|path| path.path.clone()),
            old_path_base64: old_path.and_then(|path| path.path_base64),
            similarity: change.similarity,
            old_mode: old.map(|side| side.mode.text()),
            new_mode: new.map(|side| side.mode.text()),
            old_id: old.map(|side| hex(&side.id)),
            new_id: new.map(|side| hex(&side.id)),
            additions: patch.lines.map(|(come, _)| come),
            deletions: patch.lines.map(|(_, gone)| gone),
            binary: patch.binary,
            too_large: patch.too_large,
            patch: part.map(|part| part.text.clone()),
            patch_offset: part.map_or(0, |part| part.start),
            patch_complete: part.is_none_or(|part| part.complete),
            patch_lossy: part.is_some_and(|part| part.lossy),
        }
    }

    fn weight(&self) -> usize {
        self.path.weight()
            + self.old_path.as_deref().map_or(0, weight)
            + self.patch.as_deref().map_or(0, weight)
            + 400
    }
}
