//! Lists: each numbered one counts for itself.

use std::fmt::Write as _;

use super::xml::{DECLARATION, NAMESPACES};

/// Levels that a list can have.
pub(super) const LEVELS: usize = 9;
/// How far each level stands in, in twentieths of a point.
pub(super) const INDENT: i32 = 400;
/// The list of all bullets.
pub(super) const BULLETS: usize = 1;

/// The numbered lists: the level of each, and where it begins.
#[derive(Debug, Default)]
pub(super) struct Numbering(Vec<(usize, u64)>);

impl Numbering {
    /// Begins a numbered list; gives its id.
    pub(super) fn begin(&mut self, level: usize, first: u64) -> usize {
        self.0.push((level, first));
        BULLETS + self.0.len()
    }

    pub(super) fn part(&self) -> String {
        let mut part = format!("{DECLARATION}<w:numbering {NAMESPACES}>");
        let bullets = ["•", "◦", "▪"];
        levels(&mut part, 0, |level| {
            let bullet = bullets.get(level % bullets.len()).copied().unwrap_or("•");
            ("bullet", bullet.to_owned())
        });
        levels(&mut part, 1, |level| ("decimal", format!("%{}.", level + 1)));
        let _ = write!(part, "<w:num w:numId=\"{BULLETS}\"><w:abstractNumId w:val=\"0\"/></w:num>");
        for (place, (level, first)) in self.0.iter().enumerate() {
            // Larger numbers than this, programs do not count with.
            let first = (*first).min(32_767);
            // Writing to a string cannot fail.
            let _ = write!(
                part,
                "<w:num w:numId=\"{}\"><w:abstractNumId w:val=\"1\"/><w:lvlOverride w:ilvl=\"{level}\">\
                 <w:startOverride w:val=\"{first}\"/></w:lvlOverride></w:num>",
                BULLETS + place + 1,
            );
        }
        part.push_str("</w:numbering>");
        part
    }
}

fn levels(part: &mut String, id: usize, look: impl Fn(usize) -> (&'static str, String)) {
    let _ = write!(
        part,
        "<w:abstractNum w:abstractNumId=\"{id}\"><w:multiLevelType w:val=\"hybridMultilevel\"/>"
    );
    for (level, left) in (0..LEVELS).zip((1..).map(|level| level * INDENT)) {
        let (format, text) = look(level);
        let _ = write!(
            part,
            "<w:lvl w:ilvl=\"{level}\"><w:start w:val=\"1\"/><w:numFmt w:val=\"{format}\"/>\
             <w:lvlText w:val=\"{text}\"/><w:lvlJc w:val=\"left\"/>\
             <w:pPr><w:ind w:left=\"{left}\" w:hanging=\"{INDENT}\"/></w:pPr></w:lvl>"
        );
    }
    part.push_str("</w:abstractNum>");
}
