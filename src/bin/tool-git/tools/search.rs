//! `git_search`.

use gix_hash::ObjectId;
use gix_object::CommitRef;
use regex::bytes::{Regex, RegexBuilder};
use scopegate::toolkit::ToolError;
use serde::{Deserialize, Serialize};

use super::log;
use crate::arguments::{Call, Place, Source};
use crate::commits::Commit;
use crate::names::path::TreePath;
use crate::page::Page;
use crate::reader::{Blob, Reader};
use crate::text::{PathText, decode, encoding, is_binary, shorten, weight};
use crate::tree::Next;
use crate::walk::Walk;

/// Hits on a page that asks for no number.
const DEFAULT: usize = 50;
/// Longest line that is shown, in characters.
const LONGEST_LINE: usize = 300;
/// Most bytes a compiled expression, and what it remembers, may take.
const EXPRESSION_BYTES: usize = 256 * 1024;
/// Longest line that is searched with a regular expression, in bytes. The time for
/// one is its length times the size of the expression, and cannot be cut short.
const LONGEST_SEARCHED: usize = 64 * 1024;
/// After how many bytes the clock is looked at.
const LOOK: usize = 64 * 1024;

#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Arguments {
    #[serde(flatten)]
    pub(crate) place: Place,
    pub(crate) query: String,
    #[serde(default)]
    pub(crate) kind: Kind,
    #[serde(default)]
    pub(crate) regex: bool,
    #[serde(default)]
    pub(crate) ignore_case: bool,
    pub(crate) limit: Option<usize>,
}

/// What is searched.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Kind {
    #[default]
    Content,
    Messages,
}

#[derive(Debug, Serialize)]
pub(crate) struct Outcome {
    #[serde(flatten)]
    source: Source,
    kind: Kind,
    matches: Vec<Match>,
    commits: Vec<Commit>,
    /// Files of this page that were not searched.
    skipped_files: usize,
    next_cursor: Option<String>,
}

/// A line with a hit.
#[derive(Debug, Serialize)]
struct Match {
    #[serde(flatten)]
    path: PathText,
    /// From 1.
    line: u64,
    /// The byte the first hit begins at, from 1.
    column: u64,
    text: String,
    text_complete: bool,
}

struct Message(Expression);

/// What is looked for.
struct Expression {
    regex: Regex,
    /// Longest line it is looked for in, in bytes.
    longest: usize,
}

impl log::Filter for Message {
    fn shows(&self, commit: &CommitRef<'_>) -> bool {
        let message = decode(commit.message, encoding(commit));
        let mut lines = message.lines().map(str::as_bytes);
        lines.any(|line| line.len() <= self.0.longest && self.0.regex.is_match(line))
    }
}

pub(crate) fn run(call: &Call<'_>, arguments: &Arguments) -> Result<Outcome, ToolError> {
    let path = arguments.place.path()?;
    let expression = expression(arguments)?;
    let (reader, commit) = call.open(&arguments.place)?;
    let page = call.page(arguments.limit, DEFAULT);
    let mut outcome = Outcome {
        source: arguments.place.source(&reader, commit),
        kind: arguments.kind,
        matches: Vec::new(),
        commits: Vec::new(),
        skipped_files: 0,
        next_cursor: None,
    };
    match arguments.kind {
        Kind::Messages => {
            let walk = Walk::new(&reader, commit, Some(&path), false)?;
            let filter = Message(expression);
            (outcome.commits, outcome.next_cursor) =
                log::collect(call, walk, &filter, page, commit)?;
        }
        Kind::Content => {
            content(call, &reader, commit, &path, &expression, page, &mut outcome)?;
        }
    }
    Ok(outcome)
}

/// Without `regex` the text itself is searched. Either way the time is linear
/// in what is searched.
fn expression(arguments: &Arguments) -> Result<Expression, ToolError> {
    let pattern =
        if arguments.regex { arguments.query.clone() } else { regex::escape(&arguments.query) };
    RegexBuilder::new(&pattern)
        .case_insensitive(arguments.ignore_case)
        .size_limit(EXPRESSION_BYTES)
        .dfa_size_limit(EXPRESSION_BYTES)
        .nest_limit(64)
        .build()
        .map(|regex| Expression {
            regex,
            longest: if arguments.regex { LONGEST_SEARCHED } else { usize::MAX },
        })
        .map_err(|_| ToolError::refused("query is not a regular expression, or is too large a one"))
}

/// A cursor's position: how many files lie before, and lines of the next.
fn content(
    call: &Call<'_>,
    reader: &Reader<'_>,
    commit: ObjectId,
    path: &TreePath,
    expression: &Expression,
    mut page: Page,
    outcome: &mut Outcome,
) -> Result<(), ToolError> {
    let (first, mut skipped_lines) = call.query.start();
    let mut ordinal = 0_u64;
    reader.visit(commit, path, &mut |path, entry| {
        if !entry.mode.is_regular() {
            return Ok(Next::Descend);
        }
        ordinal += 1;
        if ordinal <= first {
            return Ok(Next::Descend);
        }
        let from = std::mem::take(&mut skipped_lines);
        let bytes = match reader.blob(&entry.id)? {
            Blob::Bytes(bytes) if !is_binary(&bytes) => bytes,
            Blob::Bytes(_) | Blob::TooLarge(_) => {
                outcome.skipped_files += 1;
                return Ok(Next::Descend);
            }
        };
        if bytes.len() > expression.longest
            && bytes.split(|byte| *byte == b'\n').any(|line| line.len() > expression.longest)
        {
            outcome.skipped_files += 1;
            return Ok(Next::Descend);
        }
        let mut searched = 0;
        let lines = (1_u64..).zip(bytes.split_inclusive(|byte| *byte == b'\n'));
        for (number, line) in lines.skip_while(|(number, _)| *number <= from) {
            searched += line.len() + 64;
            if searched > LOOK {
                searched = 0;
                reader.deadline.check()?;
            }
            let line = line.strip_suffix(b"\n").unwrap_or(line);
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            let Some(hit) = expression.regex.find(line) else { continue };
            let text = String::from_utf8_lossy(line);
            let (text, text_complete) = shorten(&text, LONGEST_LINE);
            let one = Match {
                path: PathText::new(path),
                line: number,
                column: hit.start() as u64 + 1,
                text: text.to_owned(),
                text_complete,
            };
            if !page.admit(one.path.weight() + weight(&one.text) + 60) {
                outcome.next_cursor = Some(call.query.next(&[commit], (ordinal - 1, number - 1)));
                return Ok(Next::Stop);
            }
            outcome.matches.push(one);
        }
        Ok(Next::Descend)
    })
}
