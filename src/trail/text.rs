//! Text of callers on a terminal: it must not be able to move the cursor, to
//! clear the screen or to turn the writing round.

use std::borrow::Cow;

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

/// Marks that change the direction of writing, or are not seen at all.
fn is_invisible(c: char) -> bool {
    matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}
