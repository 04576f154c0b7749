//! Patches, as `git diff` writes them.

use imara_diff::{Algorithm, Diff, Hunk, InternedInput};
use scopegate::toolkit::ToolError;

use crate::changes::{Change, Side};
use crate::names::quote::quoted;
use crate::reader::{Blob, Reader};
use crate::text::{hex, is_binary};

/// Largest file whose lines are compared, in bytes.
pub(crate) const COMPARED_BYTES: usize = 1024 * 1024;
/// Most lines of both sides together, between the lines they begin and end with
/// in common. The time comparing takes grows with nearly the square of them,
/// and nothing can stop it on its way: this many take about a second.
const COMPARED_LINES: usize = 100_000;
/// Longest text behind a hunk's numbers, in bytes.
const HEADING_BYTES: usize = 80;
const NO_OBJECT: &str = "0000000000000000000000000000000000000000";

/// The lines of one change.
#[derive(Clone, Debug, Default)]
pub(crate) struct Patch {
    /// Lines that came and went; nothing for binary files.
    pub(crate) lines: Option<(u64, u64)>,
    pub(crate) binary: bool,
    /// Not compared, because a side is too large.
    pub(crate) too_large: bool,
    /// The patch. Not UTF-8 where the files are not.
    pub(crate) text: Vec<u8>,
}

impl Reader<'_> {
    /// Compares both sides of a change.
    pub(crate) fn patch(&self, change: &Change, context: u32) -> Result<Patch, ToolError> {
        // Git shows another type as one file that went and one that came.
        if change.status() == "T" {
            let gone = Change { old: change.old.clone(), new: None, similarity: None };
            let come = Change { old: None, new: change.new.clone(), similarity: None };
            let mut whole = self.patch(&gone, context)?;
            let second = self.patch(&come, context)?;
            whole.text.extend_from_slice(&second.text);
            whole.binary |= second.binary;
            whole.too_large |= second.too_large;
            whole.lines = whole.lines.zip(second.lines).map(|((a, b), (c, d))| (a + c, b + d));
            return Ok(whole);
        }
        let mut patch = Patch { text: header(change), ..Patch::default() };
        let same = |old: &Side, new: &Side| old.id == new.id;
        if let (Some(old), Some(new)) = (&change.old, &change.new)
            && same(old, new)
        {
            // Only the path or the mode has changed; git counts no lines of
            // a binary file then either, and shows them as 0.
            patch.lines = Some((0, 0));
            return Ok(patch);
        }
        let (old, new) = (self.content(change.old.as_ref())?, self.content(change.new.as_ref())?);
        let (Some(old), Some(new)) = (old, new) else {
            patch.too_large = true;
            binary_note(change, &mut patch.text);
            return Ok(patch);
        };
        if is_binary(&old) || is_binary(&new) {
            patch.binary = true;
            binary_note(change, &mut patch.text);
            return Ok(patch);
        }
        if old.len() > COMPARED_BYTES || new.len() > COMPARED_BYTES {
            patch.too_large = true;
            binary_note(change, &mut patch.text);
            return Ok(patch);
        }
        self.deadline.check()?;
        let input = lines(&old, &new);
        let Some(diff) = compare(&input) else {
            patch.too_large = true;
            binary_note(change, &mut patch.text);
            return Ok(patch);
        };
        patch.lines = Some((diff.count_additions().into(), diff.count_removals().into()));
        if diff.hunks().next().is_some() {
            let label = |prefix: &str, side: Option<&Side>| match side {
                // A name with a blank in it is ended by a tab.
                Some(side) => {
                    let name = quoted(prefix, &side.path);
                    if name.contains(' ') { format!("{name}\t") } else { name }
                }
                None => "/dev/null".to_owned(),
            };
            let names = format!(
                "--- {}\n+++ {}\n",
                label("a/", change.old.as_ref()),
                label("b/", change.new.as_ref())
            );
            patch.text.extend_from_slice(names.as_bytes());
            print(&input, &diff, context, &mut patch.text);
        }
        Ok(patch)
    }

    /// What is compared: a file's bytes, a link's target, a submodule's
    /// commit; nothing at all of what is too large.
    fn content(&self, side: Option<&Side>) -> Result<Option<Vec<u8>>, ToolError> {
        match side {
            None => Ok(Some(Vec::new())),
            Some(side) if side.mode.is_submodule() => {
                Ok(Some(format!("Subproject commit {}\n", hex(&side.id)).into_bytes()))
            }
            Some(side) => Ok(match self.blob(&side.id)? {
                Blob::Bytes(bytes) => Some(bytes),
                Blob::TooLarge(_) => None,
            }),
        }
    }
}

/// Two texts as lines with their ends.
pub(crate) fn lines<'a>(old: &'a [u8], new: &'a [u8]) -> InternedInput<&'a [u8]> {
    use imara_diff::sources::byte_lines;
    InternedInput::new(byte_lines(old), byte_lines(new))
}

/// Compares lines as git does by default; nothing when there are too many.
pub(crate) fn compare(input: &InternedInput<&[u8]>) -> Option<Diff> {
    let (old, new) = (&input.before, &input.after);
    let above = old.iter().zip(new).take_while(|(old, new)| old == new).count();
    let (old, new) = (&old[above..], &new[above..]);
    let below = old.iter().rev().zip(new.iter().rev()).take_while(|(old, new)| old == new).count();
    if old.len() + new.len() - 2 * below > COMPARED_LINES {
        return None;
    }
    let mut diff = Diff::compute(Algorithm::Myers, input);
    diff.postprocess_lines(input);
    Some(diff)
}

/// Everything above the first hunk.
fn header(change: &Change) -> Vec<u8> {
    let either = || change.new.as_ref().or(change.old.as_ref());
    let path = |side: &Option<Side>| {
        side.as_ref().or(either()).map(|side| side.path.clone()).unwrap_or_default()
    };
    let (old_path, new_path) = (path(&change.old), path(&change.new));
    let mut text = format!("diff --git {} {}\n", quoted("a/", &old_path), quoted("b/", &new_path));
    let mut line = |line: String| {
        text.push_str(&line);
        text.push('\n');
    };
    match (&change.old, &change.new) {
        (Some(old), Some(new)) => {
            if old.mode != new.mode {
                line(format!("old mode {}", old.mode.text()));
                line(format!("new mode {}", new.mode.text()));
            }
            if let Some(similarity) = change.similarity {
                line(format!("similarity index {similarity}%"));
                line(format!("rename from {}", quoted("", &old.path)));
                line(format!("rename to {}", quoted("", &new.path)));
            }
            if old.id != new.id {
                let mode = if old.mode == new.mode {
                    format!(" {}", new.mode.text())
                } else {
                    String::new()
                };
                line(format!("index {}..{}{mode}", hex(&old.id), hex(&new.id)));
            }
        }
        (None, Some(new)) => {
            line(format!("new file mode {}", new.mode.text()));
            line(format!("index {NO_OBJECT}..{}", hex(&new.id)));
        }
        (Some(old), None) => {
            line(format!("deleted file mode {}", old.mode.text()));
            line(format!("index {}..{NO_OBJECT}", hex(&old.id)));
        }
        (None, None) => {}
    }
    text.into_bytes()
}

fn binary_note(change: &Change, text: &mut Vec<u8>) {
    let name = |prefix: &str, side: &Option<Side>| {
        side.as_ref().map_or("/dev/null".to_owned(), |side| quoted(prefix, &side.path))
    };
    let note = format!(
        "Binary files {} and {} differ\n",
        name("a/", &change.old),
        name("b/", &change.new)
    );
    text.extend_from_slice(note.as_bytes());
}

/// Writes the hunks; those whose context touches are one.
fn print(input: &InternedInput<&[u8]>, diff: &Diff, context: u32, text: &mut Vec<u8>) {
    let mut group: Vec<Hunk> = Vec::new();
    let mut heading = Heading { searched: 0, line: None };
    for hunk in diff.hunks() {
        let touches = group
            .last()
            .is_some_and(|last| hunk.before.start - last.before.end <= context.saturating_mul(2));
        if !touches && !group.is_empty() {
            print_group(input, &group, context, &mut heading, text);
            group.clear();
        }
        group.push(hunk);
    }
    if !group.is_empty() {
        print_group(input, &group, context, &mut heading, text);
    }
}

fn print_group(
    input: &InternedInput<&[u8]>,
    group: &[Hunk],
    context: u32,
    heading: &mut Heading,
    text: &mut Vec<u8>,
) {
    let (Some(first), Some(last)) = (group.first(), group.last()) else { return };
    let above = context.min(first.before.start).min(first.after.start);
    let left =
        |side: &[imara_diff::Token], end: u32| u32::try_from(side.len()).unwrap_or(u32::MAX) - end;
    let below =
        context.min(left(&input.before, last.before.end)).min(left(&input.after, last.after.end));
    let old = first.before.start - above..last.before.end + below;
    let new = first.after.start - above..last.after.end + below;
    let numbers = |range: &std::ops::Range<u32>| {
        let length = range.end - range.start;
        let start = if length == 0 { range.start } else { range.start + 1 };
        if length == 1 { start.to_string() } else { format!("{start},{length}") }
    };
    text.extend_from_slice(format!("@@ -{} +{} @@", numbers(&old), numbers(&new)).as_bytes());
    if let Some(line) = heading.above(input, old.start) {
        text.push(b' ');
        text.extend_from_slice(line);
    }
    text.push(b'\n');
    let line = |text: &mut Vec<u8>, sign: u8, token: imara_diff::Token| {
        let line = input.interner[token];
        text.push(sign);
        text.extend_from_slice(line);
        if line.last() != Some(&b'\n') {
            text.extend_from_slice(b"\n\\ No newline at end of file\n");
        }
    };
    let mut at = old.start;
    for hunk in group {
        for index in at..hunk.before.start {
            line(text, b' ', input.before[index as usize]);
        }
        for index in hunk.before.clone() {
            line(text, b'-', input.before[index as usize]);
        }
        for index in hunk.after.clone() {
            line(text, b'+', input.after[index as usize]);
        }
        at = hunk.before.end;
    }
    for index in at..old.end {
        line(text, b' ', input.before[index as usize]);
    }
}

/// The last line above a hunk that looks like the beginning of something.
struct Heading {
    searched: u32,
    line: Option<u32>,
}

impl Heading {
    fn above<'a>(&mut self, input: &InternedInput<&'a [u8]>, start: u32) -> Option<&'a [u8]> {
        let begins = |index: u32| {
            let line = input.interner[input.before[index as usize]];
            line.first().is_some_and(|byte| byte.is_ascii_alphabetic() || b"_$".contains(byte))
        };
        if let Some(found) = (self.searched..start).rev().find(|index| begins(*index)) {
            self.line = Some(found);
        }
        self.searched = self.searched.max(start);
        let line = input.interner[input.before[self.line? as usize]];
        let line = &line[..line.len().min(HEADING_BYTES)];
        Some(line.trim_ascii_end())
    }
}
