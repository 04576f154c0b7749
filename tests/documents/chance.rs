//! Texts by chance: whatever comes is made, or refused with a reason; nothing
//! fails inside.

use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;
use serde_json::json;

use crate::readers;
use crate::service::Service;

/// Files of these tests are not to be too many.
fn started() -> Service {
    Service::with(&[], &[("DOCUMENTS_MAX_USER_FILES", "100000")])
}

/// Pieces of Markdown that mean something, or nearly do.
const PIECES: [&str; 58] = [
    "\n",
    "\n\n",
    "\n\n",
    " ",
    "  \n",
    "\t",
    "# ",
    "## ",
    "###### ",
    "- ",
    "* ",
    "1. ",
    "999999999. ",
    "- [ ] ",
    "- [x] ",
    "> ",
    ">> ",
    "    ",
    "```\n",
    "```",
    "~~~\n",
    "`",
    "``",
    "*",
    "**",
    "_",
    "~~",
    "[",
    "](",
    ")",
    "![",
    "](https://example.org)",
    "](#a)",
    "](data:image/png;base64,",
    "[^1]",
    "\n\n[^1]: ",
    "|",
    "\n|a|b|\n|-|:-:|\n|",
    "|-|-|\n",
    "***\n",
    "<b>",
    "</b>",
    "<br>",
    "<sup>",
    "<script>",
    "<!--",
    "-->",
    "&amp;",
    "&#0;",
    "&#x202e;",
    "\\",
    "word ",
    "שלום ",
    "مرحبا ",
    "漢字",
    "e\u{301}",
    "👩\u{200d}👩\u{200d}👧",
    "\u{feff}\u{200b}\u{ad}",
];

fn text() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        6 => prop::sample::select(&PIECES[..]).prop_map(str::to_owned),
        1 => "\\PC{0,12}",
        1 => any::<char>().prop_map(String::from),
    ];
    prop::collection::vec(piece, 0..60).prop_map(|pieces| pieces.concat())
}

#[test]
fn any_text_is_made_or_refused() {
    let service = started();
    let config = ProptestConfig {
        cases: 200,
        failure_persistence: None,
        max_shrink_iters: 200,
        ..ProptestConfig::default()
    };
    let directions = prop::sample::select(&["auto", "ltr", "rtl"][..]);
    let arguments = (text(), "\\PC{0,30}", any::<bool>(), directions, 0_u8..=60);
    let outcome = TestRunner::new(config).run(&arguments, |chosen| {
        let (content, title, toc, direction, margin) = chosen;
        for format in ["pdf", "docx", "html"] {
            let arguments = json!({
                "content": content, "format": format, "title": title, "toc": toc,
                "direction": direction, "page_size": "A5", "header": "{title}",
                "margins_mm": {"left": margin, "right": margin, "top": margin},
            });
            let answer = service.call(Some("ann"), arguments);
            let code = answer["error"]["code"].as_i64();
            let is_fine = answer["result"].is_object() || code == Some(-32602);
            prop_assert!(is_fine, "{format} of {content:?}: {answer}");
        }
        Ok(())
    });
    outcome.unwrap();
}

/// Some of them are read as well.
#[test]
fn what_is_made_by_chance_can_be_read() {
    let service = started();
    let mut runner = TestRunner::deterministic();
    for _ in 0..12 {
        let content = text().new_tree(&mut runner).unwrap().current();
        for format in ["pdf", "docx", "html"] {
            let arguments = json!({"content": content, "format": format});
            let answer = service.call(Some("ann"), arguments);
            let Some(uri) = answer["result"]["structuredContent"]["uri"].as_str() else { continue };
            let bytes = service.read("ann", uri);
            match format {
                "pdf" => drop(readers::pdf_text(&bytes)),
                "docx" => drop(readers::docx(&bytes)),
                _ => drop(readers::html(&bytes)),
            }
        }
    }
}
