//! Anchors of headings.

use std::collections::{HashMap, HashSet};

/// Longest anchor, in characters.
const LONGEST: usize = 80;

/// Gives each heading an anchor of its own, from its text: letters and digits in
/// lower case, and hyphens between them.
#[derive(Debug, Default)]
pub(super) struct Anchors {
    taken: HashSet<String>,
    /// The last number that was put behind an anchor.
    numbers: HashMap<String, u64>,
}

impl Anchors {
    pub(super) fn of(&mut self, text: &str) -> String {
        let mut anchor = String::new();
        for character in text.trim().chars().flat_map(char::to_lowercase) {
            if character.is_alphanumeric() || character == '_' {
                anchor.push(character);
            } else if (character.is_whitespace() || character == '-') && !anchor.ends_with('-') {
                anchor.push('-');
            }
        }
        let anchor: String = anchor.trim_matches('-').chars().take(LONGEST).collect();
        let anchor = if anchor.is_empty() { "section".to_owned() } else { anchor };
        if self.taken.insert(anchor.clone()) {
            return anchor;
        }
        // A number may stand behind a heading of the text's own.
        loop {
            let number = self.numbers.entry(anchor.clone()).or_default();
            *number += 1;
            let numbered = format!("{anchor}-{number}");
            if self.taken.insert(numbered.clone()) {
                return numbered;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_heading_has_an_anchor_of_its_own() {
        let mut anchors = Anchors::default();
        assert_eq!(anchors.of(" Über  uns -- & mehr! "), "über-uns-mehr");
        assert_eq!(anchors.of("über uns mehr"), "über-uns-mehr-1");
        assert_eq!(anchors.of("über uns mehr 1"), "über-uns-mehr-1-1");
        assert_eq!(anchors.of("\"<>'"), "section");
        assert_eq!(anchors.of("漢字"), "漢字");
        assert_eq!(anchors.of(&"x".repeat(500)).len(), 80);
    }
}
