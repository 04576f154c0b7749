//! HTML: one file that needs no other, and that no script can run in.

mod body;

use std::fmt::Write as _;

use crate::escape::escape;
use crate::markdown::tree::Document;
use crate::options::{Direction, Options};

/// The look, in the file itself.
const STYLE: &str = include_str!("style.css");

/// What a browser may do with it, wherever it is opened from: show its own styles
/// and images.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; \
                      base-uri 'none'; form-action 'none'";

/// Writes a document.
pub(crate) fn write(document: &Document, options: &Options) -> Vec<u8> {
    let mut page = String::new();
    let title = match document.entries().first() {
        _ if !options.title.is_empty() => options.title.clone(),
        Some(first) => first.text.clone(),
        None => "Document".to_owned(),
    };
    let direction = direction(options);
    // Writing to a string cannot fail.
    let _ = write!(
        page,
        "<!DOCTYPE html>\n<html lang=\"{}\"{direction}>\n<head>\n<meta charset=\"utf-8\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"{POLICY}\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <title>{}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n",
        escape(&options.language),
        escape(&title),
    );
    running(&mut page, "header", options, &options.header);
    page.push_str("<main>\n");
    if !options.title.is_empty() {
        let _ = writeln!(page, "<p class=\"title\" dir=\"auto\">{}</p>", escape(&options.title));
    }
    if options.toc {
        contents(&mut page, document);
    }
    body::write(&mut page, document);
    page.push_str("</main>\n");
    // Page numbers say nothing here.
    if options.footer != Options::default().footer {
        running(&mut page, "footer", options, &options.footer);
    }
    page.push_str("</body>\n</html>\n");
    page.into_bytes()
}

fn direction(options: &Options) -> &'static str {
    match options.direction {
        Direction::Auto => "",
        Direction::Ltr => " dir=\"ltr\"",
        Direction::Rtl => " dir=\"rtl\"",
    }
}

/// The whole is one page.
fn running(page: &mut String, element: &str, options: &Options, template: &str) {
    let text = options.running(template, "1", "1");
    if !text.is_empty() {
        let _ = writeln!(page, "<{element} dir=\"auto\">{}</{element}>", escape(&text));
    }
}

fn contents(page: &mut String, document: &Document) {
    page.push_str("<nav>\n");
    for entry in document.entries().iter().filter(|entry| entry.level <= 3) {
        let _ = writeln!(
            page,
            "<p class=\"level-{}\" dir=\"auto\"><a href=\"#{}\">{}</a></p>",
            entry.level,
            escape(&entry.anchor),
            escape(&entry.text),
        );
    }
    page.push_str("</nav>\n");
}
