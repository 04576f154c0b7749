//! Git's quoting of paths in patches (`core.quotePath`).

/// A path as a patch shows it behind a prefix such as `a/`: plain, or in
/// quotation marks with escapes, byte by byte in octal where it is not ASCII.
pub(crate) fn quoted(prefix: &str, path: &[u8]) -> String {
    let plain = |byte: &u8| matches!(byte, b' '..=b'~') && !matches!(byte, b'"' | b'\\');
    let mut text = String::with_capacity(prefix.len() + path.len() + 2);
    if path.iter().all(plain) {
        text.push_str(prefix);
        text.extend(path.iter().map(|byte| char::from(*byte)));
        return text;
    }
    text.push('"');
    text.push_str(prefix);
    for byte in path {
        match byte {
            0x07 => text.push_str("\\a"),
            0x08 => text.push_str("\\b"),
            b'\t' => text.push_str("\\t"),
            b'\n' => text.push_str("\\n"),
            0x0b => text.push_str("\\v"),
            0x0c => text.push_str("\\f"),
            b'\r' => text.push_str("\\r"),
            b'"' => text.push_str("\\\""),
            b'\\' => text.push_str("\\\\"),
            byte if plain(byte) => text.push(char::from(*byte)),
            byte => {
                text.push('\\');
                for shift in [6, 3, 0] {
                    text.push(char::from(b'0' + (byte >> shift & 7)));
                }
            }
        }
    }
    text.push('"');
    text
}

#[cfg(test)]
mod tests {
    use super::quoted;

    #[test]
    fn only_what_needs_it_is_quoted() {
        assert_eq!(quoted("a/", b"x y'z"), "a/x y'z");
        assert_eq!(quoted("b/", b"caf\xe9\t\"\\\x01"), r#""b/caf\351\t\"\\\001""#);
        assert_eq!(quoted("", "größe".as_bytes()), r#""gr\303\266\303\237e""#);
    }
}
