//! Images between letters.

use crate::escape::escape;
use crate::markdown::tree::Image;
use crate::options::{INCH_MM, Options};

/// The unit of drawings: English metric units in a pixel, at 96 an inch.
const UNITS_PER_PIXEL: f32 = 9525.0;
const UNITS_PER_POINT: f32 = 12700.0;

/// Most that an image may take, in English metric units.
#[derive(Clone, Copy, Debug)]
pub(super) struct Room {
    width: f32,
    height: f32,
}

impl Room {
    pub(super) fn of(options: &Options) -> Self {
        let (width, height) = options.page();
        let margins = options.margins_mm;
        let points = |millimetres: f32| millimetres * 72.0 / INCH_MM;
        Self {
            width: (width - points(margins.left + margins.right)) * UNITS_PER_POINT,
            height: (height - points(margins.top + margins.bottom)) * 0.9 * UNITS_PER_POINT,
        }
    }

    /// As large as it is, or as large as fits.
    #[expect(clippy::cast_precision_loss, reason = "at most 10,000 pixels")]
    #[expect(clippy::cast_possible_truncation, reason = "a page is some million units")]
    fn fit(self, image: &Image) -> (i64, i64) {
        let width = image.width as f32 * UNITS_PER_PIXEL;
        let height = image.height as f32 * UNITS_PER_PIXEL;
        let scale = (self.width / width).min(self.height / height).min(1.0);
        ((width * scale).max(1.0) as i64, (height * scale).max(1.0) as i64)
    }
}

/// A run with an image in it.
pub(super) fn drawing(image: &Image, relation: &str, id: usize, shows: &str, room: Room) -> String {
    let (width, height) = room.fit(image);
    let shows = escape(shows);
    format!(
        "<w:r><w:drawing><wp:inline distT=\"0\" distB=\"0\" distL=\"0\" distR=\"0\">\
         <wp:extent cx=\"{width}\" cy=\"{height}\"/>\
         <wp:docPr id=\"{id}\" name=\"Image {id}\" descr=\"{shows}\"/>\
         <a:graphic><a:graphicData uri=\"http://schemas.openxmlformats.org/drawingml/2006/picture\">\
         <pic:pic><pic:nvPicPr><pic:cNvPr id=\"{id}\" name=\"Image {id}\" descr=\"{shows}\"/><pic:cNvPicPr/></pic:nvPicPr>\
         <pic:blipFill><a:blip r:embed=\"{relation}\"/><a:stretch><a:fillRect/></a:stretch></pic:blipFill>\
         <pic:spPr><a:xfrm><a:off x=\"0\" y=\"0\"/><a:ext cx=\"{width}\" cy=\"{height}\"/></a:xfrm>\
         <a:prstGeom prst=\"rect\"><a:avLst/></a:prstGeom></pic:spPr></pic:pic>\
         </a:graphicData></a:graphic></wp:inline></w:drawing></w:r>"
    )
}
