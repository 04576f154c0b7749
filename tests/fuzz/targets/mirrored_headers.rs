//! Headers that mirror a body: they are safe to send, they pass the check
//! against the arguments they were made from, and any other value does not.

#![no_main]

use libfuzzer_sys::fuzz_target;
use scopegate_fuzz::protocol::accept::Accepts;
use scopegate_fuzz::protocol::headers::{decode_mirrored, encode_mirrored};
use scopegate_fuzz::protocol::mirror::{self, Mismatch};
use scopegate_fuzz::protocol::{number, raw};

// Three lines: an input schema, arguments, and any text.
fuzz_target!(|input: &[u8]| {
    let mut lines = input.splitn(3, |byte| *byte == b'\n');
    let (schema, arguments) = (lines.next(), lines.next());
    if let Ok(text) = std::str::from_utf8(lines.next().unwrap_or(input)) {
        free_text(text);
    }
    let (Some(schema), Some(arguments)) = (schema, arguments) else { return };
    let (Ok(schema), Ok(arguments)) = (raw::value(schema), raw::value(arguments)) else { return };
    let Ok(plan) = mirror::plan(schema) else { return };
    let Ok(headers) = mirror::headers(&plan, Some(arguments)) else { return };
    for (name, value) in &headers {
        assert!(name.bytes().all(|byte| byte.is_ascii_graphic() && byte != b':'), "{name:?}");
        assert!(value.bytes().all(|byte| matches!(byte, b' '..=b'~' | b'\t')), "{value:?}");
        assert_eq!(value.trim_matches([' ', '\t']), value);
    }
    assert_eq!(mirror::check(&plan, &headers, Some(arguments)), Ok(()));
    for index in 0..headers.len() {
        let mut other = headers.clone();
        other[index].1.push('x');
        let verdict = mirror::check(&plan, &other, Some(arguments));
        assert!(matches!(verdict, Err(Mismatch::Different(_))), "{other:?}");
        other.remove(index);
        let verdict = mirror::check(&plan, &other, Some(arguments));
        assert!(matches!(verdict, Err(Mismatch::Missing(_))), "{other:?}");
    }
});

fn free_text(text: &str) {
    let encoded = encode_mirrored(text);
    assert!(encoded.bytes().all(|byte| matches!(byte, b' '..=b'~' | b'\t')), "{encoded:?}");
    assert_eq!(decode_mirrored(&encoded).as_deref(), Some(text));
    let _ = decode_mirrored(text);
    let _ = Accepts::parse(text);
    if let Some(whole) = number::Decimal::parse(text).and_then(|number| number.integer()) {
        assert_eq!(number::Decimal::parse(&whole), number::Decimal::parse(text));
    }
    let _ = mirror::routing(text, None);
}
