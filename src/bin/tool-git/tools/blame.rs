//! `git_blame`.

use std::collections::HashMap;

use gix_hash::ObjectId;
use scopegate::toolkit::ToolError;
use serde::{Deserialize, Serialize};

use crate::arguments::{Call, Place, Source};
use crate::blame::blame;
use crate::patch::COMPARED_BYTES;
use crate::reader::{Blob, Reader, parse_commit};
use crate::text::{Message, PathText, Person, hex, is_binary, shorten, weight};

/// Longest line that is shown, in characters.
const LONGEST_LINE: usize = 500;

#[derive(Clone, Debug, Default, Deserialize)]
pub(crate) struct Arguments {
    #[serde(flatten)]
    pub(crate) place: Place,
    pub(crate) from_line: Option<u32>,
    pub(crate) to_line: Option<u32>,
    pub(crate) limit: Option<usize>,
}

#[derive(Debug, Serialize)]
pub(crate) struct Outcome {
    #[serde(flatten)]
    source: Source,
    #[serde(flatten)]
    path: PathText,
    total_lines: u32,
    hunks: Vec<Hunk>,
    next_cursor: Option<String>,
}

/// Lines that come from one commit.
#[derive(Debug, Serialize)]
struct Hunk {
    /// The first line, from 1.
    line: u32,
    commit: String,
    author: Person,
    subject: String,
    original_path: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    original_path_base64: Option<String>,
    original_line: u32,
    lines: Vec<String>,
}

pub(crate) fn run(call: &Call<'_>, arguments: &Arguments) -> Result<Outcome, ToolError> {
    let path = arguments.place.file()?;
    let (reader, commit) = call.open(&arguments.place)?;
    let found = reader.get_file(commit, &path)?;
    let Blob::Bytes(bytes) = reader.blob(&found.id)? else {
        return Err(ToolError::refused("The file is too large to be blamed"));
    };
    if bytes.len() > COMPARED_BYTES || is_binary(&bytes) {
        return Err(ToolError::refused("The file is binary, or too large to be blamed"));
    }
    let lines: Vec<&[u8]> = bytes.split_inclusive(|byte| *byte == b'\n').collect();
    let total = u32::try_from(lines.len()).unwrap_or(u32::MAX);
    let first = arguments.from_line.unwrap_or(1).saturating_sub(1);
    let last = arguments.to_line.unwrap_or(total).min(total);
    if arguments.from_line.is_some_and(|line| line > total) || (total > 0 && first >= last) {
        return Err(ToolError::refused(format!("The file has {total} lines")));
    }
    // A page is as many lines as fit; only those are blamed.
    let start = first.max(u32::try_from(call.query.start().0).unwrap_or(u32::MAX)).min(last);
    let mut page = call.full_page(arguments.limit);
    let shown = |line: u32| {
        let text = String::from_utf8_lossy(lines[line as usize]);
        shorten(text.trim_end_matches(['\n', '\r']), LONGEST_LINE).0.to_owned()
    };
    let mut end = start;
    while end < last && page.admit(weight(&shown(end)) + 8) {
        end += 1;
    }
    let mut people = HashMap::new();
    let mut hunks = Vec::new();
    if start < end {
        for origin in blame(&reader, commit, path.as_bytes(), start..end)? {
            let (author, subject) = match people.get(&origin.commit) {
                Some(known) => known,
                None => people.entry(origin.commit).or_insert(about(&reader, &origin.commit)?),
            };
            let original = PathText::new(&origin.path);
            hunks.push(Hunk {
                line: origin.line + 1,
                commit: hex(&origin.commit),
                author: author.clone(),
                subject: subject.clone(),
                original_path: original.path,
                original_path_base64: original.path_base64,
                original_line: origin.original_line + 1,
                lines: (origin.line..origin.line + origin.count).map(shown).collect(),
            });
        }
    }
    Ok(Outcome {
        source: arguments.place.source(&reader, commit),
        path: PathText::new(path.as_bytes()),
        total_lines: total,
        hunks,
        next_cursor: (end < last).then(|| call.query.next(&[commit], (end.into(), 0))),
    })
}

fn about(reader: &Reader<'_>, id: &ObjectId) -> Result<(Person, String), ToolError> {
    let data = reader.commit(id)?;
    let commit = parse_commit(id, &data)?;
    Ok((Person::author_of(&commit), shorten(&Message::of(&commit).subject, 200).0.to_owned()))
}
