//! Bounds of size, depth, number and time.

use std::fmt::Write as _;
use std::time::Duration;

use scopegate::clock::Clock;
use serde_json::json;

use crate::service::Service;

fn refused(service: &Service, format: &str, content: &str) -> String {
    let (code, sentence) = service.refusal(json!({"content": content, "format": format}));
    assert_eq!(code, -32602, "{sentence}");
    sentence
}

#[test]
fn depth_is_bounded_in_every_way_to_nest() {
    let service = Service::start();
    let mut lists = String::new();
    for level in 0..60 {
        writeln!(lists, "{}- x", "  ".repeat(level)).unwrap();
    }
    for content in
        ["> ".repeat(5000) + "x", "- ".repeat(3000) + "x", "> - ".repeat(2000) + "x", lists]
    {
        for format in ["pdf", "docx", "html"] {
            let sentence = refused(&service, format, &content);
            assert_eq!(sentence, "Content nests deeper than 24 levels");
        }
    }
    // What is as deep as may be is made, and all of it is there.
    let deep = "> ".repeat(20) + "bottom";
    for format in ["pdf", "docx", "html"] {
        service.make(format, &deep, json!({}));
    }
    let deep = crate::readers::pdf_raw(&service.make("pdf", &deep, json!({})).bytes);
    assert!(deep.contains("bottom"), "{deep}");
}

#[test]
fn inline_markup_cannot_blow_up() {
    let service = Service::start();
    let limit = |content: String| {
        for format in ["pdf", "docx", "html"] {
            let clock = Clock::system();
            let answer = service.call(Some("ann"), json!({"content": content, "format": format}));
            assert!(answer["result"].is_object() || answer["error"]["code"] == -32602, "{answer}");
            assert!(clock.monotonic() < Duration::from_mins(1), "{format}");
        }
    };
    limit("# a\n".repeat(130_000));
    limit("*".repeat(100_000));
    limit("**a ".repeat(25_000));
    limit("[".repeat(100_000));
    limit("![".repeat(50_000));
    limit("`".repeat(100_000) + "x");
    limit("<b>".repeat(30_000));
    limit("a<sub>b</sub>".repeat(20_000));
    limit("[a](b)".repeat(40_000));
    limit((0..19_000).fold(String::new(), |mut text, number| {
        write!(text, "[a](tel:{number})").unwrap();
        text
    }));
    limit("\\".repeat(200_000));
    limit("&amp;".repeat(100_000));
    limit("[^1]".repeat(50_000) + "\n\n[^1]: x");
}

#[test]
fn tables_are_bounded() {
    let service = Service::start();
    let wide = format!("|{}\n|{}\n", "a|".repeat(65), "-|".repeat(65));
    assert_eq!(refused(&service, "html", &wide), "A table has more than 64 columns");
    // Cells that are not there count, too.
    let sparse = format!("|{}\n|{}\n{}", "a|".repeat(64), "-|".repeat(64), "|x|\n".repeat(1000));
    assert_eq!(refused(&service, "html", &sparse), "Tables have more than 20000 cells");
    let full = format!("|a|b|\n|-|-|\n{}", "|x|y|\n".repeat(9_999));
    let made = service.make("pdf", &full, json!({}));
    assert!(made.said["pages"].as_u64().unwrap() > 100);
}

#[test]
fn pages_are_bounded_and_nothing_beyond_is_laid_out() {
    let service = Service::with(&[], &[("DOCUMENTS_MAX_PAGES", "3")]);
    let sentence = refused(&service, "pdf", &"x\n\n".repeat(100_000));
    assert_eq!(sentence, "The document has more than 3 pages");
    let sentence = refused(&service, "pdf", &"***\n\n".repeat(2000));
    assert_eq!(sentence, "The document has more than 3 pages");
    // The contents count.
    let chapters = "# a\n\n".repeat(45);
    let fits = service.call(Some("ann"), json!({"content": chapters, "format": "pdf"}));
    assert!(fits["result"].is_object(), "{fits}");
    let (code, _) = service.refusal(json!({"content": chapters, "format": "pdf", "toc": true}));
    assert_eq!(code, -32602);
    // Whoever opens it decides how many pages DOCX has.
    service.make("docx", &"x\n\n".repeat(1000), json!({}));
}

/// Items without a text are neither free nor drawn below the end of a page.
#[test]
fn empty_items_take_room_and_time() {
    let service = Service::start();
    let made = service.make("pdf", &"-\n".repeat(400), json!({}));
    assert!(made.said["pages"].as_u64().unwrap() > 5, "{}", made.said);
    let clock = Clock::system();
    let sentence = refused(&service, "pdf", &"1.\n".repeat(170_000));
    assert_eq!(sentence, "The document has more than 500 pages");
    assert!(clock.monotonic() < Duration::from_mins(1));
}

/// A GIF that says it is one pixel large, and whose only frame is not.
#[test]
fn an_image_that_hides_its_size_is_refused() {
    let service = Service::start();
    // 60,000 by 60,000 pixels.
    let gif = "![a](data:image/gif;base64,R0lGODlhAQABAAAAACwAAAAAYOpg6gA=)";
    for format in ["pdf", "docx", "html"] {
        assert_eq!(refused(&service, format, gif), "Image 1 has too many pixels");
    }
}

#[test]
fn images_are_bounded_before_they_are_decoded() {
    let service = Service::with(&[], &[("DOCUMENTS_MAX_IMAGES", "2")]);
    let many = format!("![a]({})\n\n", crate::PIXEL).repeat(3);
    assert_eq!(refused(&service, "pdf", &many), "Content has more than 2 images");
    // 1600 by 1600 pixels take more than two million.
    let few = Service::with(&[], &[("DOCUMENTS_MAX_PIXELS", "2000000")]);
    let large = format!("![a]({})", crate::same::png(1600, 1600));
    for format in ["pdf", "docx", "html"] {
        assert_eq!(refused(&few, format, &large), "Image 1 has too many pixels");
    }
    let broken = "![a](data:image/png;base64,aGVsbG8=)";
    assert_eq!(refused(&few, "html", broken), "Image 1 is no PNG, JPEG, GIF or WebP");
    // Right at its head, and nothing behind.
    let head = crate::PIXEL.get(..70).unwrap();
    assert_eq!(refused(&few, "pdf", &format!("![a]({head})")), "Image 1 cannot be decoded");
    // Wrong in the middle.
    let torn = crate::PIXEL.replace("DUlEQVR42mP8z8BQDwAE", "DUlEQVR4AAAAAAAAAAAA");
    assert_eq!(refused(&few, "pdf", &format!("![a]({torn})")), "An image cannot be decoded");
}

#[test]
fn margins_leave_room() {
    let service = Service::start();
    for size in ["A3", "A4", "A5", "Letter", "Legal"] {
        for orientation in ["portrait", "landscape"] {
            let most = json!({"top": 60, "right": 60, "bottom": 60, "left": 60});
            let options = json!({"page_size": size, "orientation": orientation,
                                 "margins_mm": most, "header": "h"});
            let made =
                service.make("pdf", "# x\n\n| a | b |\n|---|---|\n| c | d |\n\n- e", options);
            let text = crate::readers::pdf_raw(&made.bytes);
            assert!(text.contains('e') && text.contains('d'), "{text}");
        }
    }
}

#[test]
fn time_is_bounded_and_the_service_goes_on() {
    let service = Service::with(&[], &[("REQUEST_TIMEOUT_MS", "50")]);
    let content =
        "| a | b |\n|---|---|\n".to_owned() + &"| words and words | more |\n".repeat(9000);
    let clock = Clock::system();
    let (code, sentence) = service.refusal(json!({"content": content, "format": "pdf"}));
    assert_eq!((code, sentence.as_str()), (-32003, "Timeout"));
    assert!(clock.monotonic() < Duration::from_secs(20));
    // Nothing of it was kept, and the place is free again soon.
    assert!(!service.files().join("ann").exists());
    support::eventually::wait_until(Duration::from_secs(30), "a free place", || {
        let answer = service.call(Some("ann"), json!({"content": "x", "format": "html"}));
        answer["result"].is_object()
    });
}

#[test]
fn the_size_of_documents_is_bounded() {
    let service = Service::with(&[], &[("DOCUMENTS_MAX_DOCUMENT_BYTES", "3000")]);
    let (code, sentence) = service.refusal(json!({"content": "x ".repeat(5000), "format": "html"}));
    assert_eq!(
        (code, sentence.as_str()),
        (-32002, "Generation failed: the document has more than 3000 bytes")
    );
}
