//! The parts beside the text.

use std::fmt::Write as _;

use super::package::RELATION;
use super::xml::{DECLARATION, NAMESPACES};
use super::{TWIPS_PER_MM, twips};
use crate::escape::escape;
use crate::options::{Field, Options, Orientation};

/// What a part refers to, each by an id.
#[derive(Debug, Default)]
pub(super) struct Relations(Vec<Relation>);

#[derive(Debug, PartialEq, Eq)]
struct Relation {
    kind: &'static str,
    target: String,
    is_outside: bool,
}

impl Relations {
    /// To another part.
    pub(super) fn part_at(&mut self, kind: &'static str, target: &str) -> String {
        self.add(Relation { kind, target: target.to_owned(), is_outside: false })
    }

    /// To an address.
    pub(super) fn address(&mut self, address: &str) -> String {
        self.add(Relation { kind: "hyperlink", target: address.to_owned(), is_outside: true })
    }

    fn add(&mut self, relation: Relation) -> String {
        // Neighbours are often the same.
        if self.0.last() != Some(&relation) {
            self.0.push(relation);
        }
        format!("rId{}", self.0.len())
    }

    pub(super) fn part(&self) -> String {
        let mut part = format!(
            "{DECLARATION}<Relationships xmlns=\"http://schemas.openxmlformats.org/package/2006/relationships\">"
        );
        for (place, relation) in self.0.iter().enumerate() {
            let mode = if relation.is_outside { " TargetMode=\"External\"" } else { "" };
            // Writing to a string cannot fail.
            let _ = write!(
                part,
                "<Relationship Id=\"rId{}\" Type=\"{RELATION}/{}\" Target=\"{}\"{mode}/>",
                place + 1,
                relation.kind,
                escape(&relation.target),
            );
        }
        part.push_str("</Relationships>");
        part
    }
}

/// The main part.
pub(super) fn document(text: &str, page_settings: &str) -> String {
    format!(
        "{DECLARATION}<w:document {NAMESPACES}><w:body>{text}{page_settings}</w:body></w:document>"
    )
}

/// Size and margins of pages, header and footer; relations to the parts that are
/// there in any case.
pub(super) fn page_settings(options: &Options, relations: &mut Relations) -> String {
    relations.part_at("styles", "styles.xml");
    relations.part_at("numbering", "numbering.xml");
    relations.part_at("settings", "settings.xml");
    let mut part = String::from("<w:sectPr>");
    if !options.header.is_empty() {
        let id = relations.part_at("header", "header1.xml");
        let _ = write!(part, "<w:headerReference w:type=\"default\" r:id=\"{id}\"/>");
    }
    if !options.footer.is_empty() {
        let id = relations.part_at("footer", "footer1.xml");
        let _ = write!(part, "<w:footerReference w:type=\"default\" r:id=\"{id}\"/>");
    }
    let (width, height) = options.page();
    let orientation = match options.orientation {
        Orientation::Portrait => "",
        Orientation::Landscape => " w:orient=\"landscape\"",
    };
    let margins = options.margins_mm;
    let length = |millimetres: f32| twips(millimetres * TWIPS_PER_MM / 20.0);
    let _ = write!(
        part,
        "<w:pgSz w:w=\"{}\" w:h=\"{}\"{orientation}/>\
         <w:pgMar w:top=\"{}\" w:right=\"{}\" w:bottom=\"{}\" w:left=\"{}\" \
         w:header=\"{}\" w:footer=\"{}\" w:gutter=\"0\"/></w:sectPr>",
        twips(width),
        twips(height),
        length(margins.top),
        length(margins.right),
        length(margins.bottom),
        length(margins.left),
        length(margins.top) / 2,
        length(margins.bottom) / 2,
    );
    part
}

/// A header or footer.
pub(super) fn running(element: &str, style: &str, options: &Options, template: &str) -> String {
    let mut text = String::new();
    for field in options.fields(template) {
        match field {
            Field::Text(part) if part.is_empty() => {}
            Field::Text(part) => {
                let part = escape(&part);
                let _ = write!(text, "<w:r><w:t xml:space=\"preserve\">{part}</w:t></w:r>");
            }
            Field::Page => text.push_str(&simple_field("PAGE")),
            Field::Pages => text.push_str(&simple_field("NUMPAGES")),
        }
    }
    format!(
        "{DECLARATION}<w:{element} {NAMESPACES}><w:p><w:pPr><w:pStyle w:val=\"{style}\"/></w:pPr>\
         {text}</w:p></w:{element}>"
    )
}

fn simple_field(instruction: &str) -> String {
    format!("<w:fldSimple w:instr=\" {instruction} \"><w:r><w:t>1</w:t></w:r></w:fldSimple>")
}

pub(super) fn settings(options: &Options, has_notes: bool) -> String {
    // The numbers in a table of contents are for the program to find out.
    let update = if options.toc { "<w:updateFields w:val=\"true\"/>" } else { "" };
    let notes = if has_notes {
        "<w:footnotePr><w:footnote w:id=\"-1\"/><w:footnote w:id=\"0\"/></w:footnotePr>"
    } else {
        ""
    };
    format!(
        "{DECLARATION}<w:settings {NAMESPACES}><w:defaultTabStop w:val=\"720\"/>{update}{notes}\
         <w:compat><w:compatSetting w:name=\"compatibilityMode\" \
         w:uri=\"http://schemas.microsoft.com/office/word\" w:val=\"15\"/></w:compat></w:settings>"
    )
}

/// All footnotes, with the lines that stand above them.
pub(super) fn notes(text: &str) -> String {
    format!(
        "{DECLARATION}<w:footnotes {NAMESPACES}>\
         <w:footnote w:type=\"separator\" w:id=\"-1\"><w:p><w:r><w:separator/></w:r></w:p></w:footnote>\
         <w:footnote w:type=\"continuationSeparator\" w:id=\"0\"><w:p><w:r><w:continuationSeparator/></w:r></w:p></w:footnote>\
         {text}</w:footnotes>"
    )
}
