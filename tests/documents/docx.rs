//! DOCX, as python-docx and (where it is asked for) LibreOffice see it.

use serde_json::{Value, json};

use crate::SAMPLE;
use crate::readers::{docx, has_office, office_pdf, pdf_info, pdf_text};
use crate::service::Service;

fn texts<'a>(document: &'a Value, style: &str) -> Vec<&'a str> {
    let all = document["paragraphs"].as_array().unwrap().iter();
    all.filter(|one| one["style"] == style).filter_map(|one| one["text"].as_str()).collect()
}

fn paragraph<'a>(document: &'a Value, begins: &str) -> &'a Value {
    let mut all = document["paragraphs"].as_array().unwrap().iter();
    let found = all.find(|one| one["text"].as_str().unwrap().starts_with(begins));
    found.unwrap_or_else(|| panic!("{begins} is not in {document}"))
}

/// XML has no escape for them, so a program would not open the document.
#[test]
fn references_to_characters_that_xml_cannot_hold_do_no_harm() {
    let service = Service::start();
    let content = "# a&#1;b&#10;c\n\nd&#xFFFE;e *f&#27;g* ![h&#2;i](x)\n\n| j&#3;k |\n|---|\n";
    let read = docx(&service.make("docx", content, json!({"toc": true})).bytes);
    assert_eq!(texts(&read, "Heading 1"), ["a\u{fffd}b c"]);
    assert_eq!(paragraph(&read, "d")["text"], "d\u{fffd}e f\u{fffd}g [h\u{fffd}i]");
    assert_eq!(read["tables"], json!([[["j\u{fffd}k"]]]));
    let page = service.make("html", content, json!({"toc": true})).bytes;
    let page = String::from_utf8(page).unwrap();
    assert!(!page.contains(|one: char| one.is_control() && one != '\n'), "{page}");
}

#[test]
fn everything_of_the_text_is_in_the_document() {
    let service = Service::start();
    let made = service.make("docx", SAMPLE, json!({"title": "A title & more"}));
    let read = docx(&made.bytes);
    assert_eq!(read["title"], "A title & more");
    assert_eq!(texts(&read, "Title"), ["A title & more"]);
    assert_eq!(texts(&read, "Heading 1"), ["Report: Überblick"]);
    assert_eq!(texts(&read, "Heading 2"), ["Lists", "Tables of all kinds", "Code", "Lists"]);
    assert_eq!(texts(&read, "Heading 3"), ["Third level"]);
    let first = paragraph(&read, "A paragraph");
    assert_eq!(first["bold"], "boldboth");
    assert_eq!(first["italic"], "italicboth");
    assert_eq!(first["links"], json!([["https://example.org/a?b=c&d", "link"], ["#h3", "inside"]]));
    assert_eq!(paragraph(&read, "Hard")["text"], "Hard\nbreak, and \nanother.");
    for item in ["one", "nested two", "deeper", "starts at seven"] {
        assert_eq!(paragraph(&read, item)["numbered"], true, "{item}");
    }
    assert_eq!(paragraph(&read, "with a second")["numbered"], false);
    assert_eq!(paragraph(&read, "☑")["text"], "☑\tdone");
    assert_eq!(paragraph(&read, "☐")["text"], "☐\topen");
    assert_eq!(
        read["tables"],
        json!([[
            ["Name", "Amount", "Note"],
            ["Alpha", "12.50", "fine"],
            ["Beta", "1,000.00", "strong and code"],
            ["γάμμα", "3", "a | b"]
        ]])
    );
    assert_eq!(
        texts(&read, "Source Code"),
        ["fn main() {\n\tprintln!(\"<{}> & \\\"{}\\\"\", 1 + 2, 'x');\n}", "indented"]
    );
    assert_eq!(texts(&read, "Quote"), ["A quote", "with a list", "and a quote inside"]);
    // Referred to once each; the third reference is a number.
    assert_eq!(read["references"], json!([1, 2]));
    assert_eq!(
        read["notes"],
        json!(["The note.", "A longer note with code.And a second paragraph."])
    );
    assert_eq!(read["images"], json!([["image/png", 1, 1]]));
    assert_eq!(read["shapes_mm"].as_array().unwrap().len(), 1);
    assert_eq!(read["bookmarks"], json!(["h1", "h2", "h3", "h4", "h5", "h6"]));
    assert_eq!(read["dates"], json!([[1980, 1, 1, 0, 0, 0]]));
    assert_eq!(made.said["pages"], Value::Null);
}

#[test]
fn pages_headers_and_contents_are_as_asked_for() {
    let service = Service::start();
    let options = json!({
        "page_size": "Letter", "orientation": "landscape", "toc": true, "language": "fr",
        "margins_mm": {"top": 20, "right": 15, "bottom": 30, "left": 12.7},
        "header": "<{title}>", "title": "T", "footer": "{page} of {pages}",
    });
    let read = docx(&service.make("docx", "# A\n\n## B\n\n#### D\n\ntext", options).bytes);
    assert_eq!(read["page_mm"], json!([279, 216]));
    assert_eq!(read["landscape"], true);
    assert_eq!(read["margins_mm"], json!([20.0, 15.0, 30.0, 12.7]));
    assert_eq!(read["header"], "<T>");
    assert_eq!(read["fields"], json!(["PAGE", "NUMPAGES"]));
    assert_eq!(read["language"], "fr");
    let contents: Vec<&str> = [texts(&read, "toc 1"), texts(&read, "toc 2")].concat();
    assert_eq!(contents, ["A", "B"]);
    let plain = docx(&service.make("docx", "text", json!({"footer": ""})).bytes);
    assert_eq!(plain["page_mm"], json!([210, 297]));
    assert_eq!((&plain["header"], &plain["footer"]), (&json!(""), &json!("")));
    assert!(!plain["names"].to_string().contains("footnotes"));
}

#[test]
fn every_kind_of_image_is_what_it_says() {
    let service = Service::start();
    // One pixel each.
    let gif = "R0lGODlhAQABAIAAAP8AAP///yH5BAAAAAAALAAAAAABAAEAAAICRAEAOw==";
    let content = format!("![p]({})\n\n![g](data:image/gif;base64,{gif})", crate::PIXEL);
    let made = service.make("docx", &content, json!({}));
    let read = docx(&made.bytes);
    let mut images = read["images"].as_array().unwrap().clone();
    images.sort_by_key(ToString::to_string);
    assert_eq!(images, [json!(["image/gif", 1, 1]), json!(["image/png", 1, 1])]);
    assert_eq!(made.warnings(), Vec::<&str>::new());
}

/// Runs with `./scripts/test --office`.
#[test]
fn office_programs_open_it() {
    if !has_office() {
        eprintln!("LibreOffice is not asked for: ./scripts/test --office");
        return;
    }
    let service = Service::start();
    let options = json!({"title": "A title", "toc": true, "header": "the header",
                         "footer": "{page} of {pages}"});
    let content = format!("{SAMPLE}\n\nשלום עולם\n\n- מרחבא\n");
    let made = service.make("docx", &content, options);
    let pdf = office_pdf(&made.bytes);
    let text = pdf_text(&pdf);
    let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
    for part in [
        "A title",
        "the header",
        "1 of 3",
        "Report: Überblick",
        "A paragraph with bold, italic, both, struck, code, underlined,",
        "• one",
        "1. nested one",
        "7. starts at seven",
        "☑ done",
        "Beta 1,000.00 strong and code",
        "println!",
        "and a quote inside",
        "1 The note.",
        "And a second paragraph.",
        "שלום",
    ] {
        assert!(words.contains(part), "{part:?} is not in {text}");
    }
    assert_eq!(pdf_info(&pdf, "Pages").as_deref(), Some("3"));
}
