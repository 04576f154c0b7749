//! What a call asks for.

use scopegate::files::FileKind;
use serde::Deserialize;

/// The arguments, which fit the input schema.
#[derive(Debug, Deserialize)]
pub(crate) struct Asked {
    pub(crate) content: String,
    format: Format,
    #[serde(flatten)]
    pub(crate) options: Options,
}

/// How the document is to look.
#[derive(Clone, Debug, Deserialize)]
#[serde(default)]
pub(crate) struct Options {
    pub(crate) title: String,
    pub(crate) page_size: PageSize,
    pub(crate) orientation: Orientation,
    pub(crate) margins_mm: Margins,
    pub(crate) toc: bool,
    pub(crate) header: String,
    pub(crate) footer: String,
    pub(crate) language: String,
    pub(crate) direction: Direction,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            title: String::new(),
            page_size: PageSize::default(),
            orientation: Orientation::default(),
            margins_mm: Margins::default(),
            toc: false,
            header: String::new(),
            footer: "{page} / {pages}".to_owned(),
            language: "en".to_owned(),
            direction: Direction::default(),
        }
    }
}

/// What is made.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Format {
    Pdf,
    Docx,
    Html,
}

impl Asked {
    pub(crate) fn kind(&self) -> FileKind {
        match self.format {
            Format::Pdf => FileKind::Pdf,
            Format::Docx => FileKind::Docx,
            Format::Html => FileKind::Html,
        }
    }
}

/// The size of a page.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
pub(crate) enum PageSize {
    A3,
    #[default]
    A4,
    A5,
    Letter,
    Legal,
}

/// How the page lies.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Orientation {
    #[default]
    Portrait,
    Landscape,
}

/// The way text runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Direction {
    /// As the first letter of each paragraph does.
    #[default]
    Auto,
    Ltr,
    Rtl,
}

/// What is left free of a page, in millimetres.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(default)]
pub(crate) struct Margins {
    pub(crate) top: f32,
    pub(crate) right: f32,
    pub(crate) bottom: f32,
    pub(crate) left: f32,
}

/// One inch (C-56).
pub(crate) const INCH_MM: f32 = 25.4;

impl Default for Margins {
    fn default() -> Self {
        Self { top: INCH_MM, right: INCH_MM, bottom: INCH_MM, left: INCH_MM }
    }
}

/// A part of a header or footer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Field {
    Text(String),
    /// The number of the page.
    Page,
    /// How many pages there are.
    Pages,
}

impl PageSize {
    /// Width and height upright, in points (1/72 inch).
    fn points(self) -> (f32, f32) {
        match self {
            Self::A3 => (841.89, 1190.55),
            Self::A4 => (595.28, 841.89),
            Self::A5 => (419.53, 595.28),
            Self::Letter => (612.0, 792.0),
            Self::Legal => (612.0, 1008.0),
        }
    }
}

impl Options {
    /// Width and height of a page, in points.
    pub(crate) fn page(&self) -> (f32, f32) {
        let (width, height) = self.page_size.points();
        match self.orientation {
            Orientation::Portrait => (width, height),
            Orientation::Landscape => (height, width),
        }
    }

    /// The header or footer of a page.
    pub(crate) fn running(&self, template: &str, page: &str, pages: &str) -> String {
        let text = |field: Field| match field {
            Field::Text(text) => text,
            Field::Page => page.to_owned(),
            Field::Pages => pages.to_owned(),
        };
        self.fields(template).into_iter().map(text).collect()
    }

    /// The parts of a header or footer. Taken apart in one pass, so that a title
    /// with braces in it stays a title.
    pub(crate) fn fields(&self, template: &str) -> Vec<Field> {
        let mut fields = Vec::new();
        let mut rest = template;
        while let Some(at) = rest.find('{') {
            let (before, tail) = rest.split_at(at);
            fields.push(Field::Text(before.to_owned()));
            let (field, behind) = if let Some(behind) = tail.strip_prefix("{page}") {
                (Field::Page, behind)
            } else if let Some(behind) = tail.strip_prefix("{pages}") {
                (Field::Pages, behind)
            } else if let Some(behind) = tail.strip_prefix("{title}") {
                (Field::Text(self.title.clone()), behind)
            } else {
                (Field::Text("{".to_owned()), tail.strip_prefix('{').unwrap_or_default())
            };
            fields.push(field);
            rest = behind;
        }
        fields.push(Field::Text(rest.to_owned()));
        fields
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_of_headers_are_put_in_once() {
        let options = Options { title: "{page} of it".to_owned(), ..Options::default() };
        let running = |template: &str| options.running(template, "3", "12");
        assert_eq!(running("{title}: {page}/{pages}"), "{page} of it: 3/12");
        assert_eq!(running("{pag} {{page} {"), "{pag} {3 {");
        assert_eq!(running(""), "");
    }
}
