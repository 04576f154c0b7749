//! Text of callers on a terminal: it must not be able to move the cursor, to
//! clear the screen or to turn the writing round.

use std::borrow::Cow;
use std::fmt::Write as _;

/// The text with what a terminal might obey written out.
pub(super) fn shown(text: &str) -> Cow<'_, str> {
    let harmless = |c: char| !c.is_control() && !is_invisible(c);
    if text.chars().all(harmless) {
        return Cow::Borrowed(text);
    }
    let written = |c: char| {
        if harmless(c) { String::from(c) } else { c.escape_unicode().to_string() }
    };
    Cow::Owned(text.chars().map(written).collect())
}

/// JSON with the same written as escapes: it means what it meant. Outside of
/// strings JSON has none of these characters.
pub(super) fn shown_json(json: &str) -> Cow<'_, str> {
    let harmless = |c: char| !c.is_control() && !is_invisible(c);
    if json.chars().all(harmless) {
        return Cow::Borrowed(json);
    }
    let mut shown = String::with_capacity(json.len() + 16);
    for c in json.chars() {
        if harmless(c) {
            shown.push(c);
        } else {
            // None of them lies beyond the first plane.
            let _ = write!(shown, "\\u{:04x}", u32::from(c));
        }
    }
    Cow::Owned(shown)
}

/// Marks that change the direction of writing, or are not seen at all.
fn is_invisible(c: char) -> bool {
    matches!(c, '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}
