//! URIs of resources as rules see them.
//!
//! A backend may read a URI in another way than the gateway: decode escapes,
//! ignore who logs in, take two slashes for one. So every URI is read twice,
//! strictly and loosely. A rule that allows must fit both readings, a rule
//! that denies only one of them; and what could climb out of a folder has no
//! reading at all and is denied to everybody.

use url::{Position, Url};

/// Schemes that URL parsers treat alike: `\` is `/`, slashes may be missing,
/// hosts have many spellings (WHATWG URL, "special scheme").
const SPECIAL: [&str; 6] = ["http", "https", "ws", "wss", "ftp", "file"];

/// Stands for the rest of a URI while a prefix is read, so that its last
/// segment is not taken for a whole one.
const REST: char = 'x';

/// A URI, normalised in two ways.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Reading {
    /// Scheme and host in lower case; escapes that need none undone, others in
    /// upper case (RFC 3986 §6.2.2).
    strict: String,
    /// Without user and default port, all escapes undone, empty and `.`
    /// segments left out.
    loose: String,
}

/// Why a URI has no reading.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Unreadable {
    #[error("holds control characters, or begins or ends with a space")]
    Control,
    #[error("has a `..` segment")]
    Ascent,
}

impl Reading {
    /// Reads a URI, or the text of a URI template.
    ///
    /// # Errors
    /// [`Unreadable`].
    pub(super) fn of(uri: &str) -> Result<Self, Unreadable> {
        let decoded = decode(uri);
        let control = |text: &str| text.chars().any(char::is_control);
        if control(uri) || control(&decoded) || uri.starts_with(' ') || uri.ends_with(' ') {
            return Err(Unreadable::Control);
        }
        if decoded.split(['/', '?', '#', ';']).any(|segment| segment == "..") {
            return Err(Unreadable::Ascent);
        }
        let loose = special(uri).unwrap_or_else(|| loose(&decoded));
        Ok(Self { strict: strict(uri), loose })
    }

    /// Reads the beginning of URIs.
    ///
    /// # Errors
    /// [`Unreadable`].
    pub(super) fn of_prefix(prefix: &str) -> Result<Self, Unreadable> {
        let Self { mut strict, mut loose } = Self::of(&format!("{prefix}{REST}"))?;
        strict.pop();
        loose.pop();
        Ok(Self { strict, loose })
    }

    /// The strict reading.
    pub(super) fn strict(&self) -> &str {
        &self.strict
    }

    /// The loose reading.
    pub(super) fn loose(&self) -> &str {
        &self.loose
    }

    /// Whether both readings begin as those of `prefix` do.
    pub(super) fn surely_begins(&self, prefix: &Self) -> bool {
        self.strict.starts_with(&prefix.strict) && self.loose.starts_with(&prefix.loose)
    }

    /// Whether one of the readings begins as that of `prefix` does.
    pub(super) fn maybe_begins(&self, prefix: &Self) -> bool {
        self.strict.starts_with(&prefix.strict) || self.loose.starts_with(&prefix.loose)
    }

    /// Whether one of the readings is the other's, but for what a backend may
    /// leave out at the end: a query, a fragment, parameters, a slash.
    pub(super) fn maybe_is(&self, other: &Self) -> bool {
        let end = self.loose.strip_prefix(&other.loose);
        self.strict == other.strict
            || end.is_some_and(|end| matches!(end, "" | "/") || end.starts_with(['?', '#', ';']))
    }
}

/// The scheme in lower case, and what follows its colon.
pub(super) fn scheme(uri: &str) -> Option<(String, &str)> {
    let (scheme, rest) = uri.split_once(':')?;
    let fits = scheme.starts_with(|c: char| c.is_ascii_alphabetic())
        && scheme.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.'));
    fits.then(|| (scheme.to_ascii_lowercase(), rest))
}

fn strict(uri: &str) -> String {
    let text = unescape(uri, |byte| {
        byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~')
    });
    let Some((scheme, rest)) = scheme(&text) else { return text };
    let Some((user, host, path)) = authority(rest) else { return format!("{scheme}:{rest}") };
    format!("{scheme}://{user}{}{path}", host.to_ascii_lowercase())
}

/// The loose reading of a URI as URL parsers see it.
fn special(uri: &str) -> Option<String> {
    let url = Url::parse(uri).ok().filter(|url| SPECIAL.contains(&url.scheme()))?;
    let host = url.host_str().unwrap_or_default().trim_end_matches('.');
    let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
    let path = tidy(&decode(&url[Position::BeforePath..]));
    Some(format!("{}://{host}{port}{path}", url.scheme()))
}

/// The loose reading of any other URI.
fn loose(decoded: &str) -> String {
    let Some((scheme, rest)) = scheme(decoded) else { return tidy(decoded) };
    let Some((_, host, path)) = authority(rest) else { return format!("{scheme}:{}", tidy(rest)) };
    format!("{scheme}://{}{}", host.to_ascii_lowercase(), tidy(path))
}

/// User with `@`, host with port, and path of what follows a scheme.
fn authority(rest: &str) -> Option<(&str, &str, &str)> {
    let rest = rest.strip_prefix("//")?;
    let (authority, path) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
    let (user, host) = authority.split_at(authority.rfind('@').map_or(0, |at| at + 1));
    Some((user, host, path))
}

/// Without empty and `.` segments.
fn tidy(path: &str) -> String {
    let mut tidied = String::with_capacity(path.len());
    let mut segments = path.split('/');
    tidied.push_str(segments.next().unwrap_or_default());
    let mut last = "";
    for segment in segments {
        last = segment;
        if !segment.is_empty() && segment != "." {
            tidied.push('/');
            tidied.push_str(segment);
        }
    }
    if path.contains('/') && (last.is_empty() || last == ".") {
        tidied.push('/');
    }
    tidied
}

/// All escapes undone, also those of escapes, and `\` read as `/`.
fn decode(text: &str) -> String {
    unescape(&unescape(text, |_| true), |_| true).replace('\\', "/")
}

/// Undoes escapes of the bytes that are `wanted`; others get upper case.
fn unescape(text: &str, wanted: impl Fn(u8) -> bool) -> String {
    let bytes = text.as_bytes();
    let mut found = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        let escaped = (byte == b'%').then(|| text.get(at + 1..at + 3)).flatten();
        let value = escaped
            .filter(|digits| digits.bytes().all(|digit| digit.is_ascii_hexdigit()))
            .and_then(|digits| u8::from_str_radix(digits, 16).ok());
        match value {
            Some(value) if wanted(value) => found.push(value),
            Some(value) => found.extend_from_slice(format!("%{value:02X}").as_bytes()),
            None => found.push(byte),
        }
        at += if value.is_some() { 3 } else { 1 };
    }
    String::from_utf8_lossy(&found).into_owned()
}
