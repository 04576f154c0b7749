//! The limits of the document tool.

use std::time::Duration;

use scopegate::files::Room;
use scopegate::toolkit::{Environment, Limits, Range, Ranges};

use crate::markdown;

/// Bounds of what a call may make the service write.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    /// Of what the text may hold.
    pub(crate) text: markdown::Limits,
    /// Most pages of a document.
    pub(crate) pages: usize,
    /// Largest document, in bytes.
    pub(crate) document_bytes: usize,
}

/// Largest document that `resources/read` gives, in bytes. In base64 it has to
/// fit an answer that the gateway takes (`upstream.max_reply_bytes`).
pub(crate) const READABLE_BYTES: u64 = 16 * 1024 * 1024;

/// How far the kit's limits can be set.
pub(crate) const RANGES: Ranges = Ranges {
    // A byte of the text may take six in JSON.
    body_bytes: Range { default: 4_194_304, most: 16_777_216 },
    output_chars: Range { default: 65_536, most: 1_048_576 },
    concurrent_calls: Range { default: 2, most: 64 },
    timeout_ms: Range { default: 30_000, most: 300_000 },
};

/// Reads all limits from the environment.
pub(crate) fn read(env: &mut Environment) -> (Bounds, Room, Limits) {
    let text = markdown::Limits::default();
    let bounds = Bounds {
        text: markdown::Limits {
            cells: env.number("DOCUMENTS_MAX_TABLE_CELLS", text.cells, &(1..=200_000)),
            images: env.number("DOCUMENTS_MAX_IMAGES", text.images, &(0..=1000)),
            pixels: env.number("DOCUMENTS_MAX_PIXELS", text.pixels, &(1..=400_000_000)),
            ..text
        },
        pages: env.number("DOCUMENTS_MAX_PAGES", 500, &(1..=5000)),
        document_bytes: env.number(
            "DOCUMENTS_MAX_DOCUMENT_BYTES",
            33_554_432,
            &(1024..=268_435_456),
        ),
    };
    let hours = env.number("DOCUMENTS_KEEP_HOURS", 24, &(1..=8760));
    let room = Room {
        files: env.number("DOCUMENTS_MAX_USER_FILES", 100, &(1..=100_000)),
        bytes: env.number("DOCUMENTS_MAX_USER_BYTES", 104_857_600, &(1024..=1 << 40)),
        total_bytes: env.number("DOCUMENTS_MAX_TOTAL_BYTES", 10_737_418_240, &(1024..=1 << 50)),
        keep_for: Duration::from_hours(hours),
    };
    (bounds, room, Limits::read(env, &RANGES))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_sound_and_every_bad_limit_is_told() {
        let mut env = Environment::new(|_| None);
        let (bounds, room, limits) = read(&mut env);
        assert!(env.problems().is_empty());
        assert!(bounds.document_bytes as u64 <= room.bytes && room.bytes <= room.total_bytes);
        assert!(crate::schema::LARGEST_CONTENT * 6 < limits.max_body_bytes);
        let mut env = Environment::new(|name| name.starts_with("DOCUMENTS_").then(String::new));
        read(&mut env);
        assert_eq!(env.problems().len(), 9);
    }
}
