//! The styles, by the names that programs know.

use std::fmt::Write as _;

use super::xml::{DECLARATION, NAMESPACES};
use crate::escape::escape;
use crate::options::Options;

/// Sizes of headings, in half points.
const HEADINGS: [u32; 6] = [38, 31, 26, 23, 21, 21];

pub(super) fn all(options: &Options) -> String {
    let language = escape(&options.language);
    let primary = options.language.split('-').next().unwrap_or_default().to_ascii_lowercase();
    let mut languages = format!("w:val=\"{language}\"");
    if ["zh", "ja", "ko"].contains(&primary.as_str()) {
        let _ = write!(languages, " w:eastAsia=\"{language}\"");
    }
    if ["ar", "fa", "he", "ur", "yi", "ps", "sd", "ug"].contains(&primary.as_str()) {
        let _ = write!(languages, " w:bidi=\"{language}\"");
    }
    let mut part = format!(
        "{DECLARATION}<w:styles {NAMESPACES}><w:docDefaults><w:rPrDefault><w:rPr>\
         <w:rFonts w:ascii=\"Calibri\" w:hAnsi=\"Calibri\" w:cs=\"Arial\"/>\
         <w:sz w:val=\"21\"/><w:szCs w:val=\"21\"/><w:lang {languages}/></w:rPr></w:rPrDefault>\
         <w:pPrDefault><w:pPr><w:spacing w:after=\"140\" w:line=\"276\" w:lineRule=\"auto\"/></w:pPr></w:pPrDefault></w:docDefaults>"
    );
    paragraph(&mut part, "Normal", "Normal", "", "");
    paragraph(
        &mut part,
        "Title",
        "Title",
        "<w:spacing w:after=\"300\"/>",
        "<w:b/><w:bCs/><w:sz w:val=\"48\"/><w:szCs w:val=\"48\"/>",
    );
    for (level, size) in (1..).zip(HEADINGS) {
        paragraph(
            &mut part,
            &format!("Heading{level}"),
            &format!("heading {level}"),
            &format!(
                "<w:keepNext/><w:keepLines/><w:spacing w:before=\"240\" w:after=\"100\"/>\
                 <w:outlineLvl w:val=\"{}\"/>",
                level - 1
            ),
            &format!("<w:b/><w:bCs/><w:sz w:val=\"{size}\"/><w:szCs w:val=\"{size}\"/>"),
        );
    }
    paragraph(
        &mut part,
        "Quote",
        "Quote",
        "<w:pBdr><w:left w:val=\"single\" w:sz=\"18\" w:space=\"8\" w:color=\"C9CED6\"/></w:pBdr>",
        "<w:color w:val=\"444444\"/>",
    );
    paragraph(
        &mut part,
        "SourceCode",
        "Source Code",
        "<w:shd w:val=\"clear\" w:color=\"auto\" w:fill=\"F2F3F5\"/><w:spacing w:line=\"240\" w:lineRule=\"auto\"/>",
        "<w:rFonts w:ascii=\"Consolas\" w:hAnsi=\"Consolas\" w:cs=\"Courier New\"/><w:sz w:val=\"18\"/><w:szCs w:val=\"18\"/>",
    );
    let quiet = "<w:color w:val=\"555555\"/><w:sz w:val=\"17\"/><w:szCs w:val=\"17\"/>";
    let centered = "<w:spacing w:after=\"0\"/><w:jc w:val=\"center\"/>";
    paragraph(&mut part, "Header", "header", centered, quiet);
    paragraph(&mut part, "Footer", "footer", centered, quiet);
    paragraph(
        &mut part,
        "FootnoteText",
        "footnote text",
        "<w:spacing w:after=\"40\" w:line=\"240\" w:lineRule=\"auto\"/>",
        "<w:sz w:val=\"18\"/><w:szCs w:val=\"18\"/>",
    );
    for level in 1..=3 {
        paragraph(
            &mut part,
            &format!("TOC{level}"),
            &format!("toc {level}"),
            &format!("<w:spacing w:after=\"60\"/><w:ind w:left=\"{}\"/>", (level - 1) * 320),
            "",
        );
    }
    character(&mut part, "Hyperlink", "<w:color w:val=\"0B57A4\"/><w:u w:val=\"single\"/>");
    character(&mut part, "FootnoteReference", "<w:vertAlign w:val=\"superscript\"/>");
    character(
        &mut part,
        "VerbatimChar",
        "<w:rFonts w:ascii=\"Consolas\" w:hAnsi=\"Consolas\" w:cs=\"Courier New\"/><w:shd w:val=\"clear\" w:color=\"auto\" w:fill=\"F2F3F5\"/>",
    );
    part.push_str("</w:styles>");
    part
}

fn paragraph(part: &mut String, id: &str, name: &str, of_paragraph: &str, of_text: &str) {
    let (default, based) = if id == "Normal" {
        (" w:default=\"1\"", "")
    } else {
        ("", "<w:basedOn w:val=\"Normal\"/>")
    };
    // Writing to a string cannot fail.
    let _ = write!(
        part,
        "<w:style w:type=\"paragraph\"{default} w:styleId=\"{id}\"><w:name w:val=\"{name}\"/>{based}\
         <w:qFormat/><w:pPr>{of_paragraph}</w:pPr><w:rPr>{of_text}</w:rPr></w:style>"
    );
}

fn character(part: &mut String, id: &str, of_text: &str) {
    let _ = write!(
        part,
        "<w:style w:type=\"character\" w:styleId=\"{id}\"><w:name w:val=\"{id}\"/><w:rPr>{of_text}</w:rPr></w:style>"
    );
}
