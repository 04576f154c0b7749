//! Which way text runs.

use super::tree::{Block, What, plain};

/// Whether a letter runs from right to left: Hebrew, Arabic and their relatives;
/// `None` for what is no letter.
pub(crate) fn of(character: char) -> Option<bool> {
    let rtl = matches!(u32::from(character),
        0x0590..=0x08FF | 0xFB1D..=0xFDFF | 0xFE70..=0xFEFC
        | 0x1_0800..=0x1_0FFF | 0x1_E800..=0x1_EFFF);
    character.is_alphabetic().then_some(rtl)
}

/// Whether the first letter of a text runs from right to left.
pub(crate) fn of_text(text: &str) -> Option<bool> {
    text.chars().find_map(of)
}

/// Whether the first letter of a block runs from right to left.
pub(crate) fn of_block(block: &Block) -> Option<bool> {
    match block {
        Block::Heading { content, .. } => of_text(&plain(content)),
        Block::Paragraph(pieces) => pieces.iter().find_map(|piece| match &piece.what {
            What::Text(text) => of_text(text),
            What::Break | What::Image(..) | What::Note(_) => None,
        }),
        Block::Quote(blocks) => blocks.iter().find_map(of_block),
        Block::List { items, .. } => items.iter().flat_map(|item| &item.blocks).find_map(of_block),
        Block::Table(table) => table.head.iter().find_map(|cell| of_text(&plain(cell))),
        Block::Code(_) | Block::Rule => None,
    }
}

/// A text in parts that run one way each. What is no letter goes with those
/// before it.
pub(crate) fn parts(text: &str) -> Vec<(bool, &str)> {
    let mut parts = Vec::new();
    let (mut from, mut current) = (0, None);
    for (at, character) in text.char_indices() {
        let Some(rtl) = of(character) else { continue };
        if let Some(before) = current
            && before != rtl
        {
            parts.push((before, text.get(from..at).unwrap_or_default()));
            from = at;
        }
        current = Some(rtl);
    }
    parts.push((current.unwrap_or(false), text.get(from..).unwrap_or_default()));
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_letter_says_which_way() {
        assert_eq!(of_text("12. «שלום» hello"), Some(true));
        assert_eq!(of_text("hello שלום"), Some(false));
        assert_eq!(of_text("漢字"), Some(false));
        assert_eq!(of_text("123 !"), None);
    }

    #[test]
    fn a_text_comes_apart_where_it_turns() {
        assert_eq!(parts("abc שלום, 1 def"), [(false, "abc "), (true, "שלום, 1 "), (false, "def")]);
        assert_eq!(parts("مرحبا"), [(true, "مرحبا")]);
        assert_eq!(parts("12"), [(false, "12")]);
        assert_eq!(parts(""), [(false, "")]);
    }
}
