//! `git_list_files` and `git_read_file`.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use scopegate::toolkit::ToolError;
use serde::{Deserialize, Serialize};

use crate::arguments::{Call, Place, Source};
use crate::reader::{Blob, Entry, Reader};
use crate::text::{PathText, hex, weight};
use crate::tree::Next;

#[derive(Clone, Debug, Default, Deserialize)]
pub(crate) struct ListArguments {
    #[serde(flatten)]
    pub(crate) place: Place,
    #[serde(default)]
    pub(crate) recursive: bool,
    pub(crate) limit: Option<usize>,
}

#[derive(Debug, Serialize)]
pub(crate) struct Listed {
    #[serde(flatten)]
    source: Source,
    entries: Vec<ListedEntry>,
    next_cursor: Option<String>,
}

#[derive(Debug, Serialize)]
struct ListedEntry {
    #[serde(flatten)]
    path: PathText,
    kind: &'static str,
    mode: String,
    id: String,
    /// In bytes; of files and links.
    size: Option<u64>,
}

impl ListedEntry {
    fn new(reader: &Reader<'_>, path: &[u8], entry: &Entry) -> Result<Self, ToolError> {
        let size = if entry.mode.is_blob() {
            reader.header(&entry.id)?.map(|(_, size)| size)
        } else {
            None
        };
        Ok(Self {
            path: PathText::new(path),
            kind: entry.mode.kind(),
            mode: entry.mode.text(),
            id: hex(&entry.id),
            size,
        })
    }
}

pub(crate) fn list(call: &Call<'_>, arguments: &ListArguments) -> Result<Listed, ToolError> {
    let path = arguments.place.path()?;
    let (reader, commit) = call.open(&arguments.place)?;
    let mut page = call.full_page(arguments.limit);
    let mut entries = Vec::new();
    let mut next_cursor = None;
    let mut ordinal = 0_u64;
    reader.visit(commit, &path, &mut |path: &[u8], entry| {
        // A recursive list shows folders by what is in them.
        if arguments.recursive && entry.mode.is_tree() {
            return Ok(Next::Descend);
        }
        if ordinal >= call.query.start().0 {
            let listed = ListedEntry::new(&reader, path, entry)?;
            if !page.admit(listed.path.weight() + 130) {
                next_cursor = Some(call.query.next(&[commit], (ordinal, 0)));
                return Ok(Next::Stop);
            }
            entries.push(listed);
        }
        ordinal += 1;
        Ok(Next::Skip)
    })?;
    let source = arguments.place.source(&reader, commit);
    Ok(Listed { source, entries, next_cursor })
}

#[derive(Clone, Debug, Default, Deserialize)]
pub(crate) struct ReadArguments {
    #[serde(flatten)]
    pub(crate) place: Place,
    pub(crate) from_line: Option<u64>,
    pub(crate) to_line: Option<u64>,
}

/// A file, or a part of it.
#[derive(Debug, Serialize)]
pub(crate) struct Reading {
    #[serde(flatten)]
    source: Source,
    #[serde(flatten)]
    path: PathText,
    kind: &'static str,
    mode: String,
    id: String,
    size: u64,
    /// `utf-8` or `base64`.
    encoding: &'static str,
    /// Where in the file this part begins, in bytes.
    offset: u64,
    content: String,
    next_cursor: Option<String>,
}

pub(crate) fn read(call: &Call<'_>, arguments: &ReadArguments) -> Result<Reading, ToolError> {
    let path = arguments.place.file()?;
    let (reader, commit) = call.open(&arguments.place)?;
    let found = reader.get_file(commit, &path)?;
    let bytes = match reader.blob(&found.id)? {
        Blob::Bytes(bytes) => bytes,
        Blob::TooLarge(size) => {
            return Err(ToolError::refused(format!(
                "The file has {size} bytes; the limit is {}",
                reader.bounds.blob_bytes
            )));
        }
    };
    let wanted = lines(&bytes, arguments.from_line, arguments.to_line)?;
    let start = usize::try_from(call.query.start().0).unwrap_or(usize::MAX);
    let start = start.clamp(wanted.start, wanted.end);
    let rest = &bytes[start..wanted.end];
    // One form for all pages of a file.
    let is_text = std::str::from_utf8(&bytes).is_ok();
    let length = if is_text {
        text_length(rest, reader.bounds.page_bytes)
    } else {
        (reader.bounds.page_bytes / 4 * 3).min(rest.len())
    };
    let part = &rest[..length];
    let end = start + length;
    Ok(Reading {
        source: arguments.place.source(&reader, commit),
        path: PathText::new(path.as_bytes()),
        kind: found.mode.kind(),
        mode: found.mode.text(),
        id: hex(&found.id),
        size: bytes.len() as u64,
        encoding: if is_text { "utf-8" } else { "base64" },
        offset: start as u64,
        content: if is_text {
            String::from_utf8_lossy(part).into_owned()
        } else {
            STANDARD.encode(part)
        },
        next_cursor: (end < wanted.end).then(|| call.query.next(&[commit], (end as u64, 0))),
    })
}

/// The bytes of a range of lines, both from 1.
fn lines(
    bytes: &[u8],
    from: Option<u64>,
    to: Option<u64>,
) -> Result<std::ops::Range<usize>, ToolError> {
    if from.is_none() && to.is_none() {
        return Ok(0..bytes.len());
    }
    if from.zip(to).is_some_and(|(from, to)| from > to) {
        return Err(ToolError::refused("from_line lies behind to_line"));
    }
    let mut range = 0..bytes.len();
    let ends = memchr::memchr_iter(b'\n', bytes).map(|at| at + 1);
    for (number, end) in (1_u64..).zip(ends) {
        if from.is_some_and(|from| number + 1 == from) {
            range.start = end;
        }
        if to == Some(number) {
            range.end = end;
            break;
        }
    }
    let total = bytes.split_inclusive(|byte| *byte == b'\n').count() as u64;
    if from.is_some_and(|from| from > total.max(1)) {
        return Err(ToolError::refused(format!("The file has {total} lines")));
    }
    Ok(range)
}

/// How many bytes of a text fit into a page: whole lines, unless one is
/// longer than a page, and whole characters.
fn text_length(text: &[u8], room: usize) -> usize {
    let text = String::from_utf8_lossy(text);
    let mut length = 0;
    let mut used = 0;
    for line in text.split_inclusive('\n') {
        used += weight(line);
        if used > room {
            break;
        }
        length += line.len();
    }
    if length == 0 {
        used = 0;
        for (at, c) in text.char_indices() {
            used += weight(c.encode_utf8(&mut [0; 4]));
            if used > room && at > 0 {
                return at;
            }
            length = at + c.len_utf8();
        }
    }
    length
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_counted_from_one() {
        let text = b"a\nbb\nccc";
        let part = |from, to| lines(text, from, to).map(|range| text[range].to_vec());
        assert_eq!(part(None, None).unwrap(), text);
        assert_eq!(part(Some(1), Some(1)).unwrap(), b"a\n");
        assert_eq!(part(Some(2), None).unwrap(), b"bb\nccc");
        assert_eq!(part(Some(3), Some(9)).unwrap(), b"ccc");
        assert!(part(Some(4), None).is_err());
        assert!(part(Some(2), Some(1)).is_err());
        assert_eq!(lines(b"", Some(1), None).unwrap(), 0..0);
    }

    #[test]
    fn a_part_ends_at_a_line_or_else_at_a_character() {
        assert_eq!(text_length(b"aa\nbb\ncc\n", 9), 6);
        assert_eq!(text_length("ööööö".as_bytes(), 5), 4);
        assert_eq!(text_length("ööööö".as_bytes(), 1), 2);
        assert_eq!(text_length(b"", 5), 0);
        assert_eq!(text_length(b"\x01\x01\x01", 12), 2);
    }
}
