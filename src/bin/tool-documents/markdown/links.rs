//! Where links may lead.

/// Longest address, in bytes.
const LONGEST: usize = 2048;

/// Where a link leads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Target {
    /// To this address: `http`, `https`, `mailto` or `tel`, of printable ASCII.
    Address(String),
    /// To the heading of this anchor, whether there is one or not.
    Anchor(String),
}

impl Target {
    /// `None` for what is no link: other schemes, and addresses that are only
    /// part of one.
    pub(crate) fn of(url: &str) -> Option<Self> {
        if let Some(anchor) = url.strip_prefix('#') {
            // No heading has what cannot be seen.
            return decoded(anchor).filter(|it| !it.contains(char::is_control)).map(Self::Anchor);
        }
        let (scheme, rest) = url.split_once(':')?;
        let known = ["http", "https", "mailto", "tel"];
        let known = known.iter().any(|known| scheme.eq_ignore_ascii_case(known));
        if !known || rest.is_empty() || url.len() > LONGEST {
            return None;
        }
        // Whatever is no character of an address becomes an escape.
        let mut address = String::with_capacity(url.len());
        for byte in url.bytes() {
            match byte {
                b'"' | b'<' | b'>' | b'\\' | b'^' | b'`' | b'{' | b'|' | b'}' => {
                    address.push_str(&escape(byte));
                }
                b'!'..=b'~' => address.push(char::from(byte)),
                _ => address.push_str(&escape(byte)),
            }
        }
        Some(Self::Address(address))
    }
}

fn escape(byte: u8) -> String {
    format!("%{byte:02X}")
}

/// Undoes percent escapes; `None` where that gives no text.
fn decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, tail)) = rest.split_first() {
        let escaped = (first == b'%').then(|| tail.get(..2)).flatten();
        let escaped = escaped.filter(|hex| hex.iter().all(u8::is_ascii_hexdigit));
        let value = escaped.and_then(|hex| std::str::from_utf8(hex).ok());
        if let Some(byte) = value.and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            bytes.push(byte);
            rest = tail.get(2..).unwrap_or_default();
        } else {
            bytes.push(first);
            rest = tail;
        }
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_addresses_that_are_harmless_are_links() {
        let address = |url: &str| match Target::of(url) {
            Some(Target::Address(address)) => Some(address),
            _ => None,
        };
        for kept in ["https://example.org/a?b=c#d", "HTTP://x", "mailto:a@b.c", "tel:+49"] {
            assert_eq!(address(kept).as_deref(), Some(kept));
        }
        for dropped in [
            "javascript:alert(1)",
            " javascript:alert(1)",
            "JaVaScRiPt:x",
            "java\tscript:x",
            "data:text/html,x",
            "file:///etc/passwd",
            "vbscript:x",
            "ftp://x",
            "//example.org",
            "/path",
            "page.html",
            "",
            "https:",
            "#a%01",
            "#a\u{1}",
        ] {
            assert_eq!(Target::of(dropped), None, "{dropped}");
        }
        assert_eq!(Target::of(&format!("https://x/{}", "a".repeat(2048))), None);
    }

    #[test]
    fn addresses_are_escaped_and_anchors_are_not() {
        assert_eq!(
            Target::of("https://x/ü \"<>"),
            Some(Target::Address("https://x/%C3%BC%20%22%3C%3E".to_owned()))
        );
        assert_eq!(Target::of("#%C3%BCber"), Some(Target::Anchor("über".to_owned())));
        assert_eq!(Target::of("#100%"), Some(Target::Anchor("100%".to_owned())));
        assert_eq!(Target::of("#%FF"), None);
    }
}
