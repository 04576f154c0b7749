//! PDF, as poppler and qpdf see it.

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;

use crate::SAMPLE;
use crate::readers::{pdf_boxes, pdf_info, pdf_links, pdf_page, pdf_raw, pdf_text};
use crate::service::Service;

#[test]
fn everything_of_the_text_is_on_its_pages() {
    let service = Service::start();
    let made = service.make("pdf", SAMPLE, json!({}));
    let text = pdf_text(&made.bytes);
    for part in [
        "Report: Überblick",
        "A paragraph with bold, italic, both, struck, code, underlined,",
        "H2O, x2 and marked text, a link and one inside.",
        "A footnote1, another2, and the first again1.",
        "• one",
        "1. nested one",
        "• deeper",
        "with a second paragraph",
        "7. starts at seven",
        "8. goes on",
        "☑ done",
        "☐ open",
        "Name Amount Note",
        "Beta 1,000.00 strong and code",
        "γάμμα 3",
        "println!(\"<{}> & \\\"{}\\\"\", 1 + 2, 'x');",
        "indented",
        "and a quote inside",
        "The same heading again.",
        "1. The note.",
        "2. A longer note with code.",
        "And a second paragraph.",
    ] {
        let words = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(words(&text).contains(&words(part)), "{part:?} is not in {text}");
    }
    assert!(!text.contains("a red dot"), "{text}");
    assert_eq!(made.said["pages"], 2);
    assert_eq!(pdf_info(&made.bytes, "Pages").as_deref(), Some("2"));
    assert_eq!(made.warnings(), Vec::<&str>::new());
}

#[test]
fn size_margins_and_title_are_as_asked_for() {
    let service = Service::start();
    let content = "start\n\nlorem ipsum ".to_owned() + &"dolor ".repeat(200);
    let page = |options: serde_json::Value| {
        let made = service.make("pdf", &content, options);
        let size = pdf_info(&made.bytes, "Page size").unwrap();
        let boxes = pdf_boxes(&made.bytes);
        // Without the footer.
        let text: Vec<_> = boxes
            .into_iter()
            .filter(|(word, _)| word.parse::<u32>().is_err() && word != "/")
            .collect();
        let left = text.iter().map(|(_, sides)| sides[0]).fold(f32::MAX, f32::min);
        let right = text.iter().map(|(_, sides)| sides[2]).fold(0.0, f32::max);
        (size, left, right, made)
    };
    let (size, left, right, plain) = page(json!({}));
    assert!(size.starts_with("595.28 x 841.89") && size.ends_with("(A4)"), "{size}");
    // An inch at both sides.
    assert!((left - 72.0).abs() < 1.5 && right > 480.0 && right < 524.0, "{left} {right}");
    assert_eq!(pdf_info(&plain.bytes, "Title"), None);

    let margins = json!({"left": 10, "right": 50.8});
    let (size, left, right, _) = page(json!({"page_size": "Letter", "margins_mm": margins}));
    assert!(size.starts_with("612 x 792"), "{size}");
    assert!((left - 28.35).abs() < 1.5 && right < 468.5 && right > 420.0, "{left} {right}");

    let options = json!({"page_size": "A5", "orientation": "landscape", "title": "Über <alles>",
                         "language": "de-CH"});
    let (size, _, _, titled) = page(options);
    assert!(size.starts_with("595.28 x 419.53"), "{size}");
    assert_eq!(pdf_info(&titled.bytes, "Title").as_deref(), Some("Über <alles>"));
    assert!(pdf_raw(&titled.bytes).starts_with("Über <alles>\n"));
    assert_eq!(pdf_info(&titled.bytes, "Creator").as_deref(), Some("Scopegate"));
    assert_eq!(pdf_info(&titled.bytes, "CreationDate"), None);
}

#[test]
fn headers_and_footers_count_the_pages() {
    let service = Service::start();
    let content = "word\n\n".repeat(120);
    let options = json!({"title": "{page}", "header": "{title} of {title}, p. {page}",
                         "footer": "{page}/{pages} {x}"});
    let made = service.make("pdf", &content, options);
    let text = pdf_text(&made.bytes);
    let pages: Vec<&str> = text.trim_end_matches('\u{c}').split('\u{c}').collect();
    assert!(pages.len() >= 3, "{}", pages.len());
    assert_eq!(made.said["pages"], pages.len());
    for (place, page) in pages.iter().enumerate() {
        let number = place + 1;
        // The title is what it is, whatever it says.
        assert!(page.contains(&format!("{{page}} of {{page}}, p. {number}")), "{page}");
        assert!(page.contains(&format!("{number}/{} {{x}}", pages.len())), "{page}");
    }
    let bare = service.make("pdf", "x", json!({"footer": ""}));
    assert_eq!(pdf_raw(&bare.bytes).trim(), "x");
}

#[test]
fn a_table_of_contents_names_the_pages_of_headings() {
    let service = Service::start();
    let mut content = String::new();
    for chapter in 1..=40 {
        let words = "word\n\n".repeat(15);
        write!(content, "# Chapter {chapter}\n\n{words}### Part {chapter}\n\ntext\n\n").unwrap();
    }
    let made = service.make("pdf", &content, json!({"toc": true, "title": "A book"}));
    let text = pdf_text(&made.bytes);
    let pages: Vec<&str> = text.split('\u{c}').collect();
    assert!(pages[0].trim_start().starts_with("A book"));
    for chapter in [1, 17, 40] {
        for name in [format!("Chapter {chapter}"), format!("Part {chapter}")] {
            let line = pages[..3].iter().flat_map(|page| page.lines()).find(|line| {
                line.trim().strip_prefix(&name).is_some_and(|rest| rest.starts_with(' '))
            });
            let number: usize = line.unwrap().split_whitespace().last().unwrap().parse().unwrap();
            let there = pages[number - 1].lines().any(|line| line.trim() == name);
            assert!(there, "{name} is not on page {number}: {}", pages[number - 1]);
        }
    }
    // Each entry leads somewhere.
    let (_, inside) = pdf_links(&made.bytes);
    assert_eq!(inside, 80);
}

#[test]
fn links_lead_where_the_text_says() {
    let service = Service::start();
    let made = service.make("pdf", SAMPLE, json!({}));
    // One to a heading, three to footnotes.
    assert_eq!(pdf_links(&made.bytes), (vec!["https://example.org/a?b=c&d".to_owned()], 4));
    let content = "[a](javascript:alert(1)) [b](file:///etc/passwd) [c](#nowhere) [d](page.html) \
                   <mailto:x@example.org>";
    let made = service.make("pdf", content, json!({}));
    assert_eq!(pdf_links(&made.bytes), (vec!["mailto:x@example.org".to_owned()], 0));
    assert_eq!(
        made.warnings(),
        ["Links other than http, https, mailto, tel and #heading are left out"]
    );
}

#[test]
fn long_tables_and_code_go_over_pages() {
    let service = Service::start();
    let mut content = "| Number | Text |\n|---|---|\n".to_owned();
    for row in 1..=120 {
        writeln!(content, "| row{row} | {} |", "some words ".repeat(row % 7 + 1)).unwrap();
    }
    content += "| long | ";
    content += &"endless ".repeat(3000);
    content += "end |\n\n```\n";
    for line in 1..=200 {
        writeln!(content, "line{line}").unwrap();
    }
    content += "```\n";
    let made = service.make("pdf", &content, json!({}));
    let text = pdf_text(&made.bytes);
    for row in 1..=120 {
        assert_eq!(text.matches(&format!("row{row} ")).count(), 1, "row {row}");
    }
    assert_eq!(text.matches("endless").count(), 3000);
    for line in 1..=200 {
        assert_eq!(text.matches(&format!("line{line}\n")).count(), 1, "line {line}");
    }
    // The head stands on every page of the table, and on no other.
    let of_table =
        text.split('\u{c}').filter(|page| page.contains("row") || page.contains("endless"));
    let heads = text.matches("Number ").count();
    assert_eq!(heads, of_table.count());
    // Nothing stands outside of the margins, footers apart.
    for (word, [left, top, right, bottom]) in pdf_boxes(&made.bytes) {
        let is_footer = top > 841.89 - 72.0;
        assert!(left > 71.0 && right < 525.0, "{word}: {left} {right}");
        assert!(is_footer || (top > 69.0 && bottom < 773.0), "{word}: {top} {bottom}");
    }
}

#[test]
fn pages_show_what_they_should() {
    let service = Service::start();
    let dot = crate::same::png(20, 20);
    let content = format!("![dot]({dot})\n\n`code`\n\n> quote\n\n<mark>m</mark>\n\n***\n");
    let made = service.make("pdf", &content, json!({"margins_mm": {"left": 0, "top": 0}}));
    let (width, height, pixels) = pdf_page(&made.bytes, 1);
    assert_eq!((width, height), (596, 842));
    let has = |wanted: [u8; 3]| {
        let close = |pixel: &&[u8; 3]| {
            pixel.iter().zip(wanted).all(|(one, other)| one.abs_diff(other) < 12)
        };
        pixels.iter().filter(close).count()
    };
    // The image, the ground of code, the line beside a quote, the marker.
    assert!(has([255, 0, 0]) > 150);
    assert!(has([0xF2, 0xF3, 0xF5]) > 50);
    assert!(has([0xC9, 0xCE, 0xD6]) > 100);
    assert!(has([0xFF, 0xF1, 0xA8]) > 20);
    // And most of it is paper.
    assert!(has([255, 255, 255]) > pixels.len() * 9 / 10);
}

#[test]
fn images_are_as_large_as_fits() {
    // Of one colour.
    let service = Service::start();
    let png = crate::same::png(1500, 1500);
    let made = service.make("pdf", &format!("before\n\n![x]({png})\n\nafter"), json!({}));
    let (width, _, pixels) = pdf_page(&made.bytes, 1);
    let red = |x: usize, y: usize| pixels[y * width + x] == [255, 0, 0];
    // As wide as the text, and not wider.
    assert!(red(75, 300) && red(520, 300) && !red(68, 300) && !red(528, 300));
    assert_eq!(made.said["pages"], 1);
}

/// A frame that covers the lower right quarter of its screen: the rest lets the
/// paper through.
#[test]
fn a_frame_of_a_gif_is_drawn_where_it_lies() {
    let service = Service::start();
    // 2 by 2 pixels, one colour (red); one frame of 1 by 1 at 1, 1.
    let gif: &[u8] = b"GIF89a\x02\0\x02\0\x80\0\0\xff\0\0\0\0\0\
                       \x2c\x01\0\x01\0\x01\0\x01\0\0\x02\x02\x44\x01\0\x3b";
    let url = |gif: &[u8]| format!("![x](data:image/gif;base64,{})", STANDARD.encode(gif));
    let made = service.make("pdf", &url(gif), json!({}));
    let (_, _, pixels) = pdf_page(&made.bytes, 1);
    let red = pixels.iter().filter(|pixel| **pixel == [255, 0, 0]).count();
    // A pixel of an image is 0.75 pt wide: one, not four.
    assert!((1..=2).contains(&red), "{red}");
    // Beside the screen there is nothing to draw on.
    let mut beside = gif.to_vec();
    beside[20] = 2;
    let (_, sentence) = service.refusal(json!({"content": url(&beside), "format": "pdf"}));
    assert_eq!(sentence, "Image 1 cannot be decoded");
}
