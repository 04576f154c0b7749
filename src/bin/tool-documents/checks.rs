//! What `--self-test` tries: what is refused, and a small document of each kind.

use std::io::{Cursor, Read as _};
use std::sync::Arc;
use std::time::Duration;

use scopegate::clock::Clock;
use scopegate::files::FileKind;
use scopegate::toolkit::{Check, Deadline, typed};
use serde_json::{Value, json};
use zip::ZipArchive;

use crate::tool::{Generator, Made};

/// A text with a bit of everything, and with what must not be taken for markup.
const TEXT: &str = "# Größe\n\n**Bold** and [a link](https://example.org/), 1 < 2 & <script>.\n\n\
                    1. one\n2. two[^n]\n\n| a | b |\n|---|--:|\n| c | d |\n\n\
                    ![dot](data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8BQDwAEhQGAhKmMIQAAAABJRU5ErkJggg==)\n\n\
                    [^n]: A note.\n";
/// The title, which stands on a page of its own with the contents.
const TITLE: &str = "Self-test";
/// How many pages the text takes then.
const PAGES: usize = 2;
/// How long all of it may take.
const PATIENCE: Duration = Duration::from_mins(1);

/// All of them.
pub(crate) fn all(generator: &Arc<Generator>) -> Vec<Check> {
    vec![
        refuses(
            "makes nothing for nobody",
            json!({"content": "# a", "format": "pdf"}),
            "Missing X-User-ID header",
        ),
        refuses(
            "refuses unknown formats",
            json!({"content": "a", "format": "exe"}),
            "Invalid params",
        ),
        refuses(
            "refuses unknown arguments",
            json!({"content": "a", "format": "html", "template": "x"}),
            "Invalid params",
        ),
        refuses("refuses a call without a text", json!({"format": "html"}), "Invalid params"),
        makes("makes a PDF, twice the same", generator, FileKind::Pdf),
        makes("makes a DOCX, twice the same", generator, FileKind::Docx),
        makes("makes an HTML page, twice the same", generator, FileKind::Html),
    ]
}

fn refuses(what: &'static str, arguments: Value, sentence: &'static str) -> Check {
    Check::refuses(what, "document_generate", arguments, sentence)
}

fn makes(what: &'static str, generator: &Arc<Generator>, kind: FileKind) -> Check {
    let generator = Arc::clone(generator);
    Check::holds(what, move || {
        let made = make(&generator, kind)?;
        let again = make(&generator, kind)?;
        marks(kind, &made)?;
        if made.bytes == again.bytes { Ok(()) } else { Err("the bytes differ".to_owned()) }
    })
}

fn make(generator: &Generator, kind: FileKind) -> Result<Made, String> {
    let arguments =
        json!({"content": TEXT, "format": kind.extension(), "title": TITLE, "toc": true});
    let deadline = Deadline::after(&Clock::system(), PATIENCE);
    typed(arguments)
        .and_then(|asked| generator.make(&asked, &deadline))
        .map_err(|error| error.to_string())
}

/// What a document of this text must have, seen from outside.
fn marks(kind: FileKind, made: &Made) -> Result<(), String> {
    let text = match kind {
        FileKind::Pdf => return pdf_marks(made),
        FileKind::Docx => main_part(&made.bytes)?,
        FileKind::Html => String::from_utf8(made.bytes.clone()).map_err(|e| e.to_string())?,
    };
    let (begins, ends) = match kind {
        FileKind::Html => ("<!DOCTYPE html>", "</html>\n"),
        FileKind::Pdf | FileKind::Docx => ("<?xml", "</w:document>"),
    };
    if !text.starts_with(begins) || !text.ends_with(ends) {
        return Err("it does not begin or end as it should".to_owned());
    }
    for part in [TITLE, "Größe", "Bold", "1 &lt; 2 &amp; "] {
        if !text.contains(part) {
            return Err(format!("{part} is not in it"));
        }
    }
    if text.contains("<script") { Err("it has markup of the text".to_owned()) } else { Ok(()) }
}

fn pdf_marks(made: &Made) -> Result<(), String> {
    let bytes = made.bytes.trim_ascii_end();
    if !bytes.starts_with(b"%PDF-1.") || !bytes.ends_with(b"%%EOF") {
        return Err("it has no header or no trailer".to_owned());
    }
    let pages = memchr::memmem::find_iter(bytes, b"/Type /Page")
        .filter(|at| bytes.get(at + 11) != Some(&b's'))
        .count();
    if made.pages == Some(PAGES) && pages == PAGES {
        Ok(())
    } else {
        Err(format!("it has {pages} pages, and says {:?}; expected {PAGES}", made.pages))
    }
}

/// The text of a DOCX, out of its package.
fn main_part(bytes: &[u8]) -> Result<String, String> {
    let mut archive = ZipArchive::new(Cursor::new(bytes)).map_err(|error| error.to_string())?;
    archive.by_name("[Content_Types].xml").map_err(|error| error.to_string())?;
    let mut part = archive.by_name("word/document.xml").map_err(|error| error.to_string())?;
    let mut text = String::new();
    part.read_to_string(&mut text).map_err(|error| error.to_string())?;
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits;
    use crate::pdf::Fonts;
    use scopegate::toolkit::Environment;

    fn generator() -> Generator {
        let (bounds, ..) = limits::read(&mut Environment::new(|_| None));
        Generator { bounds, fonts: Fonts::bundled(), store: None, public_url: String::new() }
    }

    #[test]
    fn each_kind_has_its_marks_and_what_is_torn_has_not() {
        let generator = generator();
        for kind in FileKind::ALL {
            let mut made = make(&generator, kind).unwrap();
            assert_eq!(marks(kind, &made), Ok(()), "{kind:?}");
            made.bytes.truncate(made.bytes.len() / 2);
            assert!(marks(kind, &made).is_err(), "{kind:?}");
        }
    }

    #[test]
    fn a_page_too_few_and_a_word_too_few_are_seen() {
        let generator = generator();
        let mut pdf = make(&generator, FileKind::Pdf).unwrap();
        pdf.pages = Some(PAGES - 1);
        assert!(marks(FileKind::Pdf, &pdf).unwrap_err().contains("expected 2"));
        let mut html = make(&generator, FileKind::Html).unwrap();
        html.bytes = String::from_utf8(html.bytes).unwrap().replace("Bold", "").into_bytes();
        assert_eq!(marks(FileKind::Html, &html), Err("Bold is not in it".to_owned()));
        html.bytes.extend_from_slice(b"\n");
        assert!(marks(FileKind::Html, &html).unwrap_err().contains("begin or end"));
    }
}
