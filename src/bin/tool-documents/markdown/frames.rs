//! How large the frames of an image are. GIF and WebP say a size at their head and
//! another one with each frame; a decoder makes room for the frame before it
//! compares the two, so a head of one pixel can hide some hundred million.

use super::tree::ImageKind;

/// Whether everything that a decoder would decode lies within the size that the
/// image says at its head. `None` where a part of it leads beyond its end: decoders
/// make room for a part before they read it.
pub(super) fn fit(kind: ImageKind, bytes: &[u8], width: u32, height: u32) -> Option<bool> {
    let frames = match kind {
        ImageKind::Gif => gif(bytes),
        ImageKind::Webp => webp(bytes)?,
        // Their head is that of their only frame.
        ImageKind::Png | ImageKind::Jpeg => Vec::new(),
    };
    let fits = |(wide, high)| wide <= width && high <= height;
    Some(frames.into_iter().all(fits))
}

/// The first frame of a GIF; no other is drawn. What cannot be followed has none.
/// A decoder may follow it in another way: `pdf/gif.rs` refuses frames beside the
/// screen, too.
fn gif(bytes: &[u8]) -> Vec<(u32, u32)> {
    let first = || {
        // Signature, size of the screen, flags; a table of colours, if they say so.
        let mut at = 13 + colours(*bytes.get(10)?);
        loop {
            match bytes.get(at)? {
                // An extension: its label, and blocks to an empty one.
                0x21 => {
                    at += 2;
                    while let length @ 1.. = usize::from(*bytes.get(at)?) {
                        at += 1 + length;
                    }
                    at += 1;
                }
                // A frame: its place, and its size.
                0x2C => return Some((short(bytes, at + 5)?, short(bytes, at + 7)?)),
                _ => return None,
            }
        }
    };
    first().into_iter().collect()
}

/// The bytes of the table of colours that flags announce.
fn colours(flags: u8) -> usize {
    if flags & 0x80 == 0 { 0 } else { 3 << ((flags & 7) + 1) }
}

/// All frames of a WebP, which are in chunks of their own or of an animation.
fn webp(bytes: &[u8]) -> Option<Vec<(u32, u32)>> {
    let mut frames = Vec::new();
    chunks(bytes.get(12..)?, true, &mut frames)?;
    Some(frames)
}

fn chunks(mut rest: &[u8], outermost: bool, frames: &mut Vec<(u32, u32)>) -> Option<()> {
    while let Some(([n, a, m, e, length @ ..], tail)) = rest.split_first_chunk::<8>() {
        let length = usize::try_from(u32::from_le_bytes(*length)).ok()?;
        let inside = tail.get(..length)?;
        match &[*n, *a, *m, *e] {
            // Behind sixteen bytes about it, the chunks of one frame.
            b"ANMF" if outermost => chunks(inside.get(16..)?, false, frames)?,
            b"VP8 " => {
                // Behind three bytes of flags and three that are always the same;
                // the upper two bits of each are about scaling.
                let side = |at| short(inside, at).map(|side| side & 0x3FFF);
                frames.extend(side(6).zip(side(8)));
            }
            b"VP8L" => {
                // Behind one byte that is always the same: fourteen bits each, less one.
                let bits = short(inside, 1).zip(short(inside, 3));
                let bits = bits.map(|(low, high)| high << 16 | low);
                frames.extend(bits.map(|bits| ((bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1)));
            }
            _ => {}
        }
        rest = tail.get(length + length % 2..).unwrap_or_default();
    }
    Some(())
}

/// Two bytes, the lower one first.
fn short(bytes: &[u8], at: usize) -> Option<u32> {
    let two = bytes.get(at..at + 2)?;
    Some(u32::from(two[1]) << 8 | u32::from(two[0]))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A GIF whose screen is one pixel, up to the size of its first frame.
    fn hiding(width: u16, height: u16) -> Vec<u8> {
        let mut bytes = b"GIF89a\x01\0\x01\0\x80\0\0\0\0\0\xff\xff\xff".to_vec();
        bytes.extend_from_slice(b"\x21\xf9\x04\0\0\0\0\0\x2c\0\0\0\0");
        bytes.extend_from_slice(&width.to_le_bytes());
        bytes.extend_from_slice(&height.to_le_bytes());
        bytes
    }

    fn chunk(name: &str, inside: &[u8]) -> Vec<u8> {
        let length = u32::try_from(inside.len()).unwrap();
        let padding = vec![0; inside.len() % 2];
        [name.as_bytes(), &length.to_le_bytes(), inside, &padding].concat()
    }

    fn lossy(width: u16, height: u16) -> Vec<u8> {
        let (width, height) = (width.to_le_bytes(), height.to_le_bytes());
        chunk("VP8 ", &[b"\0\0\0\x9d\x01\x2a", &width[..], &height[..]].concat())
    }

    #[test]
    fn the_first_frame_of_a_gif_is_found_behind_colours_and_extensions() {
        assert_eq!(gif(&hiding(7, 5)), [(7, 5)]);
        assert_eq!(fit(ImageKind::Gif, &hiding(7, 5), 7, 5), Some(true));
        assert_eq!(fit(ImageKind::Gif, &hiding(7, 5), 7, 4), Some(false));
        assert_eq!(fit(ImageKind::Gif, &hiding(u16::MAX, 1), 1, 1), Some(false));
        for end in 0..hiding(7, 5).len() {
            assert!(gif(&hiding(7, 5)[..end]).is_empty(), "{end}");
        }
    }

    #[test]
    fn frames_of_a_webp_are_found_wherever_they_are() {
        let file = |chunks: &[Vec<u8>]| [b"RIFF\0\0\0\0WEBP".to_vec(), chunks.concat()].concat();
        let head = chunk("VP8X", &[0; 10]);
        let odd = chunk("ICCP", b"odd");
        let found = |chunks: &[Vec<u8>]| webp(&file(chunks));
        assert_eq!(found(&[head.clone(), odd, lossy(300, 200)]), Some(vec![(300, 200)]));
        let animated = chunk("ANMF", &[vec![0; 16], lossy(16_383, 16_383)].concat());
        let all = [head.clone(), animated];
        assert_eq!(found(&all), Some(vec![(16_383, 16_383)]));
        assert_eq!(fit(ImageKind::Webp, &file(&all), 1, 1), Some(false));
        // 3 by 2: 2, and 1 fourteen bits further up.
        let lossless = chunk("VP8L", &[0x2f, 0x02, 0x40, 0, 0]);
        assert_eq!(found(&[lossless]), Some(vec![(3, 2)]));
        // A part that leads beyond the end, of the file or of what it is in.
        let long = b"XXXX\xff\xff\xff\xf0".to_vec();
        assert_eq!(found(&[lossy(1, 1), b"ICCP\xff\xff\xff\xf0".to_vec()]), None);
        let within = chunk("ANMF", &[vec![0; 16], long].concat());
        assert_eq!(found(&[head, within, lossy(16_383, 16_383)]), None);
        assert_eq!(found(&[chunk("ANMF", b"short")]), None);
    }
}
