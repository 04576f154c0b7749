//! DOCX: a package of XML parts (ECMA-376), each written here, with nothing in it
//! that depends on time or chance.
//!
//! `docx-rs` would do it, but it counts footnotes and images for the whole process,
//! so that the same text gives other bytes the second time, and it calls every image
//! a PNG.

mod body;
mod media;
mod numbering;
mod package;
mod paragraph;
mod parts;
mod styles;
mod xml;

use std::collections::BTreeMap;

use zip::result::ZipError;

use self::body::Body;
use self::media::Room;
use self::numbering::Numbering;
use self::package::Package;
use self::parts::{Relations, page_settings};
use crate::markdown::tree::Document;
use crate::options::{INCH_MM, Options};

/// Twentieths of a point, the unit of most lengths, in a millimetre.
const TWIPS_PER_MM: f32 = 1440.0 / INCH_MM;

/// Writes a document.
///
/// # Errors
/// When the package cannot be written.
pub(crate) fn write(document: &Document, options: &Options) -> Result<Vec<u8>, ZipError> {
    // Word wants short names without spaces for what it can jump to.
    let bookmarks: BTreeMap<String, String> = body::anchors(&document.blocks)
        .into_iter()
        .enumerate()
        .map(|(place, anchor)| (anchor, format!("h{}", place + 1)))
        .collect();
    let mut numbering = Numbering::default();
    let room = Room::of(options);
    let mut relations = Relations::default();
    let mut main = Body::new(document, options, &bookmarks, &mut numbering, room);
    main.title();
    if options.toc {
        main.contents();
    }
    main.blocks(&document.blocks);
    main.stray_notes();
    let text = main.finish(&mut relations);

    let mut note_relations = Relations::default();
    let mut notes = Body::new(document, options, &bookmarks, &mut numbering, room);
    notes.notes();
    let notes = notes.finish(&mut note_relations);

    let mut package = Package::new(document);
    package.start(options, !document.notes.is_empty())?;
    let settings = page_settings(options, &mut relations);
    package.part("word/document.xml", &parts::document(&text, &settings))?;
    package.part("word/styles.xml", &styles::all(options))?;
    package.part("word/numbering.xml", &numbering.part())?;
    package.part("word/settings.xml", &parts::settings(options, !document.notes.is_empty()))?;
    if !options.header.is_empty() {
        package
            .part("word/header1.xml", &parts::running("hdr", "Header", options, &options.header))?;
    }
    if !options.footer.is_empty() {
        package
            .part("word/footer1.xml", &parts::running("ftr", "Footer", options, &options.footer))?;
    }
    if !document.notes.is_empty() {
        package.part("word/footnotes.xml", &parts::notes(&notes))?;
        package.part("word/_rels/footnotes.xml.rels", &note_relations.part())?;
        relations.part_at("footnotes", "footnotes.xml");
    }
    package.part("word/_rels/document.xml.rels", &relations.part())?;
    package.images(document)?;
    package.finish()
}

/// A length in twentieths of a point.
#[expect(clippy::cast_possible_truncation, reason = "lengths of pages are small")]
fn twips(points: f32) -> i32 {
    (points * 20.0).round() as i32
}
