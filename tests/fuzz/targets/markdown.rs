//! Markdown: whatever comes is read in bounds, or refused; what is read holds
//! together, and nothing of it is markup once it is written as HTML.

#![no_main]

use libfuzzer_sys::fuzz_target;

// The other formats use more of it.
#[path = "../../../src/bin/tool-documents/html/body.rs"]
mod body;
#[path = "../../../src/bin/tool-documents/escape.rs"]
mod escape;
#[allow(dead_code)]
#[path = "../../../src/bin/tool-documents/markdown/mod.rs"]
mod markdown;

use markdown::tree::{Block, Document, Piece, What};
use markdown::{Limits, Target};

/// Small, so that a few bytes reach them.
const LIMITS: Limits = Limits {
    depth: 6,
    pieces: 500,
    cells: 100,
    columns: 8,
    images: 2,
    image_bytes: 4096,
    pixels: 100_000,
};

fuzz_target!(|input: &[u8]| {
    let Ok(text) = std::str::from_utf8(input) else { return };
    let Ok(document) = markdown::read(text, &LIMITS, &|| false) else { return };
    assert!(document.images.len() <= LIMITS.images);
    blocks(&document, &document.blocks, 0);
    for note in &document.notes {
        blocks(&document, note, 0);
    }
    for target in &document.targets {
        if let Target::Address(address) = target {
            let scheme = address.split(':').next().unwrap_or_default().to_ascii_lowercase();
            assert!(["http", "https", "mailto", "tel"].contains(&scheme.as_str()), "{address}");
            assert!(address.bytes().all(|byte| byte.is_ascii_graphic()), "{address}");
            assert!(!address.contains(['"', '<', '>']), "{address}");
        }
    }
    // The same text is the same document.
    assert_eq!(markdown::read(text, &LIMITS, &|| false).as_ref(), Ok(&document));
    // And a clock that is late stops it.
    assert!(
        text.is_empty()
            || markdown::read(text, &LIMITS, &|| true).is_err()
            || document.blocks.is_empty()
    );
    let mut page = String::new();
    body::write(&mut page, &document);
    tags(&page);
});

fn blocks(document: &Document, all: &[Block], depth: usize) {
    assert!(depth <= LIMITS.depth * 2 + 2);
    for block in all {
        match block {
            Block::Heading { level, anchor, content } => {
                assert!((1..=6).contains(level) && !anchor.is_empty());
                assert!(!anchor.contains([':', '"', '<', ' ']), "{anchor}");
                pieces(document, content);
            }
            Block::Paragraph(content) => {
                assert!(!content.is_empty());
                pieces(document, content);
            }
            Block::Code(text) => plain(text),
            Block::Quote(inner) => blocks(document, inner, depth + 1),
            Block::List { items, .. } => {
                for item in items {
                    blocks(document, &item.blocks, depth + 2);
                }
            }
            Block::Table(table) => {
                assert!(table.columns.len() <= LIMITS.columns);
                for row in std::iter::once(&table.head).chain(&table.rows) {
                    assert_eq!(row.len(), table.columns.len());
                    for cell in row {
                        pieces(document, cell);
                    }
                }
            }
            Block::Rule => {}
        }
    }
}

fn pieces(document: &Document, all: &[Piece]) {
    for piece in all {
        assert!(piece.link.is_none_or(|place| place < document.targets.len()));
        match &piece.what {
            What::Text(text) => {
                plain(text);
                assert!(!text.contains('\n'), "{text:?}");
            }
            What::Break => {}
            What::Image(place, shows) => {
                assert!(*place < document.images.len());
                plain(shows);
            }
            What::Note(number) => assert!((1..=document.notes.len()).contains(number)),
        }
    }
}

/// What XML can hold.
fn plain(text: &str) {
    let wrong = |one: char| {
        (one.is_control() && !matches!(one, '\n' | '\r' | '\t'))
            || matches!(one, '\u{fffe}' | '\u{ffff}')
    };
    assert!(!text.contains(wrong), "{text:?}");
}

/// Every tag is one of the writer's own, and they are closed in order.
fn tags(page: &str) {
    const EMPTY: [&str; 4] = ["br", "hr", "img", "input"];
    const KNOWN: [&str; 28] = [
        "h1",
        "h2",
        "h3",
        "h4",
        "h5",
        "h6",
        "p",
        "pre",
        "code",
        "blockquote",
        "ul",
        "ol",
        "li",
        "table",
        "thead",
        "tbody",
        "tr",
        "th",
        "td",
        "strong",
        "em",
        "del",
        "u",
        "mark",
        "sup",
        "sub",
        "a",
        "section",
    ];
    let mut open = Vec::new();
    for part in page.split('<').skip(1) {
        let (tag, rest) = part.split_once('>').expect("an open tag");
        assert!(!rest.contains('>'), "{part}");
        let name = tag.split(' ').next().unwrap_or_default();
        if let Some(name) = name.strip_prefix('/') {
            assert_eq!(open.pop(), Some(name), "{page}");
        } else if !EMPTY.contains(&name) {
            assert!(KNOWN.contains(&name), "{tag}");
            open.push(name);
        }
    }
    assert!(open.is_empty(), "{page}");
}
