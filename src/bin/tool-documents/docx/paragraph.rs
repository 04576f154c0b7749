//! The look of paragraphs and runs.

use std::fmt::Write as _;

use crate::markdown::tree::Style;

/// How a paragraph stands.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Stand<'a> {
    pub(super) style: Option<&'a str>,
    /// The list it is an item of, and the level in it.
    pub(super) number: Option<(usize, usize)>,
    /// From the side where text begins, in twentieths of a point.
    pub(super) indent: i32,
    /// How much further out the first line begins.
    pub(super) hanging: i32,
    pub(super) alignment: Option<&'static str>,
    pub(super) rtl: bool,
    /// Whether a line is drawn below it.
    pub(super) ruled: bool,
    /// Whether the next paragraph follows closely.
    pub(super) close: bool,
}

/// The properties of a paragraph, in the order the schema wants.
pub(super) fn properties(stand: Stand<'_>) -> String {
    let mut properties = String::from("<w:pPr>");
    // Writing to a string cannot fail.
    if let Some(style) = stand.style {
        let _ = write!(properties, "<w:pStyle w:val=\"{style}\"/>");
    }
    if let Some((list, level)) = stand.number {
        let _ = write!(
            properties,
            "<w:numPr><w:ilvl w:val=\"{level}\"/><w:numId w:val=\"{list}\"/></w:numPr>"
        );
    }
    if stand.ruled {
        properties.push_str(
            "<w:pBdr><w:bottom w:val=\"single\" w:sz=\"6\" w:space=\"1\" w:color=\"C9CED6\"/></w:pBdr>",
        );
    }
    if stand.rtl {
        properties.push_str("<w:bidi/>");
    }
    if stand.close {
        properties.push_str("<w:spacing w:after=\"50\"/>");
    }
    if stand.number.is_some() || stand.indent > 0 {
        let (left, hanging) = (stand.indent, stand.hanging);
        let _ = write!(properties, "<w:ind w:left=\"{left}\" w:hanging=\"{hanging}\"/>");
    }
    if let Some(alignment) = stand.alignment {
        let _ = write!(properties, "<w:jc w:val=\"{alignment}\"/>");
    }
    properties.push_str("</w:pPr>");
    properties
}

/// The properties of a run, in the order the schema wants.
pub(super) fn run_properties(style: Style, is_link: bool, rtl: bool) -> String {
    let mut properties = String::new();
    if is_link {
        properties.push_str("<w:rStyle w:val=\"Hyperlink\"/>");
    } else if style.code {
        properties.push_str("<w:rStyle w:val=\"VerbatimChar\"/>");
    }
    let flags = [
        (style.bold, "<w:b/><w:bCs/>"),
        (style.italic, "<w:i/><w:iCs/>"),
        (style.strike, "<w:strike/>"),
        (style.mark, "<w:highlight w:val=\"yellow\"/>"),
        (style.underline, "<w:u w:val=\"single\"/>"),
        (style.raised, "<w:vertAlign w:val=\"superscript\"/>"),
        (style.lowered, "<w:vertAlign w:val=\"subscript\"/>"),
        (rtl, "<w:rtl/>"),
    ];
    flags.iter().filter(|(wanted, _)| *wanted).for_each(|(_, tag)| properties.push_str(tag));
    if properties.is_empty() { properties } else { format!("<w:rPr>{properties}</w:rPr>") }
}
