//! Images that the text brings along, as data URIs. Nothing is fetched.

use std::sync::Arc;

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use imagesize::ImageType;

use super::tree::{Image, ImageKind};
use super::{Limits, ReadError, frames};

/// Longest side of an image, in pixels.
const LONGEST_SIDE: usize = 10_000;

const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// All images of a text, counted.
#[derive(Debug, Default)]
pub(super) struct Images {
    pub(super) all: Vec<Image>,
    bytes: usize,
    pixels: u64,
}

impl Images {
    /// Takes in a data URI and gives its place; `None` for any other address.
    ///
    /// # Errors
    /// When it is an image that cannot be read, or one too many.
    pub(super) fn add(&mut self, url: &str, limits: &Limits) -> Result<Option<usize>, ReadError> {
        let Some(encoded) = data_of(url) else { return Ok(None) };
        let number = self.all.len() + 1;
        let refused = |what: String| ReadError::Refused(what);
        if number > limits.images {
            return Err(refused(format!("Content has more than {} images", limits.images)));
        }
        let room = limits.image_bytes.saturating_sub(self.bytes);
        if encoded.len() / 4 * 3 > room.saturating_add(3) {
            let most = limits.image_bytes;
            return Err(refused(format!("Images take more than {most} bytes")));
        }
        let unreadable = || refused(format!("Image {number} is no PNG, JPEG, GIF or WebP"));
        let bytes = BASE64.decode(encoded).map_err(|_| unreadable())?;
        let kind = match imagesize::image_type(&bytes) {
            Ok(ImageType::Png) => ImageKind::Png,
            Ok(ImageType::Jpeg) => ImageKind::Jpeg,
            Ok(ImageType::Gif) => ImageKind::Gif,
            Ok(ImageType::Webp) => ImageKind::Webp,
            _ => return Err(unreadable()),
        };
        let size = imagesize::blob_size(&bytes).map_err(|_| unreadable())?;
        if size.width == 0 || size.height == 0 {
            return Err(unreadable());
        }
        let too_large = || refused(format!("Image {number} has too many pixels"));
        if size.width > LONGEST_SIDE || size.height > LONGEST_SIDE {
            return Err(too_large());
        }
        let (Ok(width), Ok(height)) = (u32::try_from(size.width), u32::try_from(size.height))
        else {
            return Err(too_large());
        };
        // A PNG's depth: bits of each colour.
        let weight = if kind == ImageKind::Png && bytes.get(24) == Some(&16) { 2 } else { 1 };
        let pixels = weight * u64::from(width) * u64::from(height);
        self.pixels = self.pixels.saturating_add(pixels);
        let fits = frames::fit(kind, &bytes, width, height).ok_or_else(unreadable)?;
        if self.pixels > limits.pixels || !fits {
            return Err(too_large());
        }
        self.bytes += bytes.len();
        self.all.push(Image { kind, bytes: Arc::new(bytes), width, height });
        Ok(Some(number - 1))
    }
}

/// What stands behind `data:image/…;base64,`. What kind of image it is, its bytes
/// say better.
fn data_of(url: &str) -> Option<&str> {
    let (head, data) = url.split_once(',')?;
    let head = head.to_ascii_lowercase();
    let kind = head.strip_prefix("data:image/")?.strip_suffix(";base64")?;
    let known = ["png", "jpeg", "jpg", "gif", "webp"].contains(&kind);
    known.then_some(data)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One red pixel.
    pub(super) const PIXEL: &str = "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8BQDwAEhQGAhKmMIQAAAABJRU5ErkJggg==";

    #[test]
    fn images_are_what_their_bytes_say() {
        let mut images = Images::default();
        let limits = Limits { images: 2, ..Limits::default() };
        assert_eq!(images.add(PIXEL, &limits), Ok(Some(0)));
        assert_eq!(images.all[0].kind, ImageKind::Png);
        assert_eq!((images.all[0].width, images.all[0].height), (1, 1));
        // The name is no proof.
        assert_eq!(images.add(&PIXEL.replace("png", "gif"), &limits), Ok(Some(1)));
        assert_eq!(images.all[1].kind, ImageKind::Png);
        let many = images.add(PIXEL, &limits).unwrap_err();
        assert_eq!(many.to_string(), "Content has more than 2 images");
    }

    #[test]
    fn nothing_else_is_an_image() {
        let add = |url: &str| Images::default().add(url, &Limits::default());
        for elsewhere in [
            "https://example.org/x.png",
            "//example.org/x.png",
            "file:///etc/passwd",
            "x.png",
            "data:image/svg+xml;base64,PHN2Zz4=",
            "data:text/html;base64,PGI+",
            "data:image/png,rest",
            "",
        ] {
            assert_eq!(add(elsewhere), Ok(None), "{elsewhere}");
        }
        for broken in
            ["data:image/png;base64,", "data:image/png;base64,%%", "data:image/png;base64,aGVsbG8="]
        {
            assert_eq!(
                add(broken).unwrap_err().to_string(),
                "Image 1 is no PNG, JPEG, GIF or WebP",
                "{broken}"
            );
        }
    }

    #[test]
    fn size_is_seen_before_anything_is_decoded() {
        // 60,000 by 60,000 pixels in 33 bytes.
        let mut header = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR".to_vec();
        header.extend_from_slice(&60_000_u32.to_be_bytes());
        header.extend_from_slice(&60_000_u32.to_be_bytes());
        header.extend_from_slice(b"\x08\x06\0\0\0\0\0\0\0");
        let url = format!("data:image/png;base64,{}", BASE64.encode(&header));
        let refused = Images::default().add(&url, &Limits::default()).unwrap_err();
        assert_eq!(refused.to_string(), "Image 1 has too many pixels");
        // 4000 by 4000 pixels are few enough, unless each takes eight bytes.
        let side = 4000_u32.to_be_bytes();
        header[16..24].copy_from_slice(&[side, side].concat());
        let mut add = |depth: u8| {
            header[24] = depth;
            let url = format!("data:image/png;base64,{}", BASE64.encode(&header));
            Images::default().add(&url, &Limits { pixels: 20_000_000, ..Limits::default() })
        };
        assert_eq!(add(8), Ok(Some(0)));
        assert_eq!(add(16).unwrap_err().to_string(), "Image 1 has too many pixels");
        // One pixel at its head, and 60,000 by 60,000 in its frame.
        let gif = b"GIF89a\x01\0\x01\0\0\0\0\x2c\0\0\0\0\x60\xea\x60\xea\0";
        let url = format!("data:image/gif;base64,{}", BASE64.encode(gif));
        let refused = Images::default().add(&url, &Limits::default()).unwrap_err();
        assert_eq!(refused.to_string(), "Image 1 has too many pixels");
        let small = Limits { image_bytes: 8, ..Limits::default() };
        let refused = Images::default().add(PIXEL, &small).unwrap_err();
        assert_eq!(refused.to_string(), "Images take more than 8 bytes");
    }
}
