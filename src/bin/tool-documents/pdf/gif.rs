//! The first frame of a GIF on its screen. The writer of PDFs takes a frame for
//! the whole screen, which it need not cover.

use std::num::NonZeroU64;

use gif::{ColorOutput, DecodeOptions, MemoryLimit};
use krilla::image::Image;

use crate::markdown::tree::Image as Picture;

/// Bytes of a pixel: red, green, blue, and how much of what is below it hides.
const PIXEL: usize = 4;

/// Draws the first frame; what it leaves of the screen hides nothing. `None` when
/// it cannot be decoded, or does not lie on the screen.
pub(super) fn read(picture: &Picture) -> Option<Image> {
    let pixels = u64::from(picture.width) * u64::from(picture.height);
    let most = (pixels * PIXEL as u64).max(picture.bytes.len() as u64);
    let mut options = DecodeOptions::new();
    options.set_color_output(ColorOutput::RGBA);
    options.set_memory_limit(MemoryLimit::Bytes(NonZeroU64::new(most)?));
    // What `markdown::frames` cannot follow may still have a frame of any size.
    options.check_frame_consistency(true);
    let mut decoder = options.read_info(picture.bytes.as_slice()).ok()?;
    let (width, height) = (decoder.width(), decoder.height());
    let frame = decoder.read_next_frame().ok()??;
    let [left, top, wide] = [frame.left, frame.top, frame.width].map(usize::from);
    let line = usize::from(width) * PIXEL;
    let mut screen = vec![0; line * usize::from(height)];
    // Neither a screen nor a frame without a width has lines.
    let lines = screen.chunks_exact_mut(line.max(PIXEL)).skip(top);
    for (to, from) in lines.zip(frame.buffer.chunks_exact(wide.max(1) * PIXEL)) {
        to.get_mut(left * PIXEL..)?.get_mut(..from.len())?.copy_from_slice(from);
    }
    // As large as the screen, and copied next.
    drop(decoder);
    Some(Image::from_rgba8(screen, width.into(), height.into()))
}
