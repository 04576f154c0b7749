//! Scripts of the world: what the bundled fonts cover, and what is said of the
//! rest.

use serde_json::json;

use crate::readers::{FONTS, pdf_boxes, pdf_page, pdf_raw};
use crate::service::Service;

#[test]
fn what_the_manual_names_is_covered() {
    let service = Service::start();
    let content = "English žluťoučký ßæøÅ ŋɐ\n\nΕλληνικά ἀρχή\n\nРусский ћџ\n\nՀայերեն\n\n\
                   ქართული\n\nעברית שָׁלוֹם\n\nالعربية فارسی پچژگ\n\n€ № → ∑ ≤ ½ ✓ ☎ “quotes” – …";
    let made = service.make("pdf", content, json!({}));
    assert_eq!(made.warnings(), Vec::<&str>::new());
    let text = pdf_raw(&made.bytes);
    for word in ["žluťoučký", "Ελληνικά", "Русский", "Հայերեն", "ქართული", "∑", "“quotes”"]
    {
        assert!(text.contains(word), "{word} is not in {text}");
    }
}

#[test]
fn text_from_right_to_left_begins_at_the_right() {
    let service = Service::start();
    let content = "שלום עולם\n\nمرحبا بالعالم 123\n\nhello";
    let made = service.make("pdf", content, json!({}));
    let boxes = pdf_boxes(&made.bytes);
    // As it is seen, from left to right.
    let place = |word: &str| {
        let is_rtl = word.chars().any(|letter| letter > '\u{590}');
        let word: String = if is_rtl { word.chars().rev().collect() } else { word.to_owned() };
        let found = boxes.iter().find(|(known, _)| known.contains(&word));
        found.unwrap_or_else(|| panic!("{word} is not in {boxes:?}")).1
    };
    // The first word is the one at the right.
    let (first, second) = (place("שלום"), place("עולם"));
    assert!((first[2] - 523.0).abs() < 3.0, "{first:?}");
    assert!(second[2] < first[0], "{second:?} {first:?}");
    let (first, second) = (place("مرحبا"), place("بالعالم"));
    assert!((first[2] - 523.0).abs() < 3.0 && second[2] < first[0]);
    assert!(place("123")[2] < second[0]);
    assert!(place("hello")[0] < 75.0);
    // Where it is said, everything does.
    let made = service.make("pdf", "hello", json!({"direction": "rtl"}));
    assert!(pdf_boxes(&made.bytes)[0].1[2] > 515.0);
}

#[test]
fn characters_without_a_font_are_told_and_show_as_boxes() {
    let service = Service::start();
    let made = service.make("pdf", "日本語 ok", json!({}));
    assert_eq!(
        made.warnings(),
        [
            "No font has these characters, so they show as boxes: 日 (U+65E5), 本 (U+672C), 語 (U+8A9E)"
        ]
    );
    // The text can be read from it all the same.
    assert!(pdf_raw(&made.bytes).contains("ok"));
    // It is not for DOCX and HTML to know what fonts there are.
    assert!(service.make("docx", "日本語", json!({})).warnings().is_empty());
    assert!(service.make("html", "日本語", json!({})).warnings().is_empty());
    let many: String = ('\u{4e00}'..'\u{4e40}').collect();
    let made = service.make("pdf", &many, json!({}));
    assert!(made.warnings()[0].ends_with(" and 44 more"), "{:?}", made.warnings());
}

#[test]
fn a_folder_of_fonts_covers_more() {
    let service = Service::with(&["--fonts", FONTS], &[]);
    let made = service.make("pdf", "中文文本。日本語の文章、カタカナ。 and English", json!({}));
    assert_eq!(made.warnings(), Vec::<&str>::new());
    let text = pdf_raw(&made.bytes);
    for word in ["中文文本", "日本語の文章", "カタカナ", "and English"] {
        assert!(text.contains(word), "{word} is not in {text}");
    }
    // It is drawn, not only there.
    let (_, _, pixels) = pdf_page(&made.bytes, 1);
    assert!(pixels.iter().filter(|pixel| pixel[0] < 100).count() > 300);
    // The bundled fonts come first: nothing else changes.
    let plain = Service::start();
    let of = |service: &Service| service.make("pdf", "# same", json!({})).said["sha256"].clone();
    assert_eq!(of(&service), of(&plain));
    // And what they draw is the same every time.
    let again = Service::with(&["--fonts", FONTS], &[]);
    let of = |service: &Service| service.make("pdf", "漢字と", json!({})).said["sha256"].clone();
    assert_eq!(of(&service), of(&again));
}
