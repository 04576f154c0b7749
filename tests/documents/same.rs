//! The same arguments give the same bytes: no clock, no chance, no order of
//! things that is not the text's.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::SAMPLE;
use crate::service::Service;

/// A PNG of one colour as a data URI: stored, not compressed, so that no library
/// is needed to write it.
pub(crate) fn png(width: u32, height: u32) -> String {
    let mut raw = Vec::new();
    for _ in 0..height {
        raw.push(0);
        // One bit a pixel, the second colour of the palette.
        raw.extend(std::iter::repeat_n(0xFF, width.div_ceil(8) as usize));
    }
    let mut zlib = vec![0x78, 0x01];
    let mut blocks = raw.chunks(65_535).peekable();
    while let Some(block) = blocks.next() {
        zlib.push(u8::from(blocks.peek().is_none()));
        let length = u16::try_from(block.len()).unwrap();
        zlib.extend_from_slice(&length.to_le_bytes());
        zlib.extend_from_slice(&(!length).to_le_bytes());
        zlib.extend_from_slice(block);
    }
    zlib.extend_from_slice(&adler(&raw).to_be_bytes());
    let mut header = Vec::new();
    header.extend_from_slice(&width.to_be_bytes());
    header.extend_from_slice(&height.to_be_bytes());
    header.extend_from_slice(&[1, 3, 0, 0, 0]);
    let mut file = b"\x89PNG\r\n\x1a\n".to_vec();
    for (name, data) in [
        (b"IHDR", header.as_slice()),
        (b"PLTE", &[255, 255, 255, 255, 0, 0]),
        (b"IDAT", &zlib),
        (b"IEND", &[]),
    ] {
        file.extend_from_slice(&u32::try_from(data.len()).unwrap().to_be_bytes());
        let body = [&name[..], data].concat();
        file.extend_from_slice(&body);
        file.extend_from_slice(&crc(&body).to_be_bytes());
    }
    format!("data:image/png;base64,{}", STANDARD.encode(file))
}

fn adler(bytes: &[u8]) -> u32 {
    let (mut one, mut two) = (1_u32, 0_u32);
    for byte in bytes {
        one = (one + u32::from(*byte)) % 65_521;
        two = (two + one) % 65_521;
    }
    two << 16 | one
}

fn crc(bytes: &[u8]) -> u32 {
    let mut crc = u32::MAX;
    for byte in bytes {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = if crc & 1 == 1 { crc >> 1 ^ 0xEDB8_8320 } else { crc >> 1 };
        }
    }
    !crc
}

#[test]
fn the_same_arguments_give_the_same_bytes() {
    let content = format!("{SAMPLE}\n\n![again]({})\n\nשלום مرحبا", png(40, 20));
    let options = json!({"title": "T", "toc": true, "header": "{title}"});
    let sums = |service: &Service| -> Vec<Value> {
        ["pdf", "docx", "html"]
            .iter()
            .map(|format| {
                let made = service.make(format, &content, options.clone());
                let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &made.bytes);
                let sum = scopegate::secret::hex(digest.as_ref());
                assert_eq!(made.said["sha256"], sum, "{format}");
                made.said["sha256"].clone()
            })
            .collect()
    };
    let service = Service::start();
    let first = sums(&service);
    // Something else in between leaves no trace.
    service.make("docx", "other[^1]\n\n[^1]: note", json!({}));
    service.make("pdf", "# other", json!({}));
    assert_eq!(sums(&service), first);
    // Calls at the same time do not mix.
    std::thread::scope(|scope| {
        let calls: Vec<_> = (0..4).map(|_| scope.spawn(|| sums(&service))).collect();
        for call in calls {
            assert_eq!(call.join().unwrap(), first);
        }
    });
    // Nor does another process, on another day, with another zone.
    let other = Service::with(&[], &[("TZ", "Asia/Tokyo"), ("LANG", "ja_JP.UTF-8")]);
    assert_eq!(sums(&other), first);
    // Another text is another document.
    let changed = service.make("pdf", &content.replace("one", "One"), options);
    assert_ne!(changed.said["sha256"], first[0]);
}
