//! What is kept of a call's arguments.
//!
//! Works on the raw text in one pass, without building values: most arguments
//! hold nothing secret, and every call pays. What is hidden, in this order:
//!
//! 1. what the registry's paths for the tool point at ([`JsonPaths`]);
//! 2. values under names that promise a secret ([`names`]), at any depth, also
//!    in JSON that stands in a string, and where another member has the name
//!    ([`pairs`]);
//! 3. strings that are a credential by their looks ([`values`]), and the secret
//!    parts of URLs, forms, headers and the like in them ([`text`]);
//! 4. the end of strings longer than a limit, and the end of the whole.

mod names;
mod pairs;
mod scan;
mod text;
mod values;

use std::borrow::Cow;

use super::line::bounded;
use crate::protocol::json_path::JsonPaths;
use crate::settings::ArgumentsKept;

/// Put at the end of text that was cut.
const CUT: &str = "…";

/// How arguments are kept.
#[derive(Clone, Copy, Debug)]
pub(super) struct Keeping {
    pub(super) kept: ArgumentsKept,
    /// Longest text of all arguments, in bytes.
    pub(super) most: usize,
    /// Longest string in them, in bytes as it stands in JSON.
    pub(super) most_value: usize,
}

impl Keeping {
    /// Arguments, as the settings want them kept, in at most `most` bytes (and
    /// the mark that shows a cut). `raw` is valid JSON, as a parser saw it;
    /// `hidden` are the registry's paths for the tool.
    pub(super) fn keep(&self, raw: &str, hidden: Option<&JsonPaths>) -> Option<String> {
        match self.kept {
            ArgumentsKept::None | ArgumentsKept::Digest => None,
            ArgumentsKept::Full => Some(cut(raw.to_owned(), self.most)),
            ArgumentsKept::Redacted => {
                Some(cut(scan::redacted(raw, hidden, (self.most, self.most_value)), self.most))
            }
        }
    }
}

/// A name that a client gave, without what is secret in it: that of a resource
/// is a URI, and any may be a credential that went astray.
pub(super) fn name(text: &str) -> Cow<'_, str> {
    if values::is_credential(text) {
        return Cow::Owned(text::MARK.to_owned());
    }
    text::without_secrets(text).map_or(Cow::Borrowed(text), Cow::Owned)
}

fn cut(mut text: String, most: usize) -> String {
    if text.len() > most {
        text.truncate(bounded(&text, most).len());
        text.push_str(CUT);
    }
    text
}

#[cfg(test)]
mod tests;
