//! The package: a ZIP file with everything in it.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::io::{Cursor, Write as _};

use zip::result::ZipError;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, DateTime, ZipWriter};

use super::xml::DECLARATION;
use crate::escape::escape;
use crate::markdown::tree::{Document, ImageKind};
use crate::options::Options;

/// What relations are called.
pub(super) const RELATION: &str =
    "http://schemas.openxmlformats.org/officeDocument/2006/relationships";
const PACKAGE: &str = "http://schemas.openxmlformats.org/package/2006";
const MAIN: &str = "application/vnd.openxmlformats-officedocument.wordprocessingml";

pub(super) struct Package {
    zip: ZipWriter<Cursor<Vec<u8>>>,
    images: BTreeSet<&'static str>,
}

impl Package {
    pub(super) fn new(document: &Document) -> Self {
        let images = document.images.iter().map(|image| image.kind.extension()).collect();
        Self { zip: ZipWriter::new(Cursor::new(Vec::new())), images }
    }

    /// The parts that say what the others are.
    pub(super) fn start(&mut self, options: &Options, has_notes: bool) -> Result<(), ZipError> {
        let mut types = format!(
            "{DECLARATION}<Types xmlns=\"{PACKAGE}/content-types\">\
             <Default Extension=\"rels\" ContentType=\"application/vnd.openxmlformats-package.relationships+xml\"/>\
             <Default Extension=\"xml\" ContentType=\"application/xml\"/>"
        );
        for extension in &self.images {
            // Writing to a string cannot fail.
            let _ = write!(
                types,
                "<Default Extension=\"{extension}\" ContentType=\"image/{extension}\"/>"
            );
        }
        let mut part = |name: &str, kind: &str| {
            let _ = write!(
                types,
                "<Override PartName=\"/word/{name}.xml\" ContentType=\"{MAIN}.{kind}+xml\"/>"
            );
        };
        part("document", "document.main");
        part("styles", "styles");
        part("numbering", "numbering");
        part("settings", "settings");
        if !options.header.is_empty() {
            part("header1", "header");
        }
        if !options.footer.is_empty() {
            part("footer1", "footer");
        }
        if has_notes {
            part("footnotes", "footnotes");
        }
        types.push_str(
            "<Override PartName=\"/docProps/core.xml\" ContentType=\"application/vnd.openxmlformats-package.core-properties+xml\"/></Types>",
        );
        self.part("[Content_Types].xml", &types)?;
        self.part("_rels/.rels", &format!(
            "{DECLARATION}<Relationships xmlns=\"{PACKAGE}/relationships\">\
             <Relationship Id=\"rId1\" Type=\"{RELATION}/officeDocument\" Target=\"word/document.xml\"/>\
             <Relationship Id=\"rId2\" Type=\"{PACKAGE}/relationships/metadata/core-properties\" Target=\"docProps/core.xml\"/>\
             </Relationships>"
        ))?;
        self.part(
            "docProps/core.xml",
            &format!(
                "{DECLARATION}<cp:coreProperties xmlns:cp=\"{PACKAGE}/metadata/core-properties\" \
             xmlns:dc=\"http://purl.org/dc/elements/1.1/\">\
             <dc:title>{}</dc:title><dc:creator>Scopegate</dc:creator><dc:language>{}</dc:language>\
             </cp:coreProperties>",
                escape(&options.title),
                escape(&options.language),
            ),
        )
    }

    pub(super) fn part(&mut self, name: &str, text: &str) -> Result<(), ZipError> {
        self.file(name, text.as_bytes(), CompressionMethod::Deflated)
    }

    /// They are compressed already.
    pub(super) fn images(&mut self, document: &Document) -> Result<(), ZipError> {
        for (place, image) in document.images.iter().enumerate() {
            let name = format!("word/{}", image_name(place, image.kind));
            self.file(&name, &image.bytes, CompressionMethod::Stored)?;
        }
        Ok(())
    }

    fn file(&mut self, name: &str, bytes: &[u8], how: CompressionMethod) -> Result<(), ZipError> {
        // The same time every time: the earliest that ZIP knows.
        let options = SimpleFileOptions::default()
            .compression_method(how)
            .last_modified_time(DateTime::default())
            .unix_permissions(0o644);
        self.zip.start_file(name, options)?;
        self.zip.write_all(bytes)?;
        Ok(())
    }

    pub(super) fn finish(self) -> Result<Vec<u8>, ZipError> {
        Ok(self.zip.finish()?.into_inner())
    }
}

/// Where an image lies, seen from `word/`.
pub(super) fn image_name(place: usize, kind: ImageKind) -> String {
    format!("media/image{}.{}", place + 1, kind.extension())
}
