//! Values that are secret by their looks, whatever they are called.

/// Shortest credential after the name of a scheme, in bytes.
const SHORTEST: usize = 8;

/// Whether a text is a credential as a whole: what stands in an `Authorization`
/// header, a JSON Web Token, or a private key in PEM somewhere in it.
pub(super) fn is_credential(text: &str) -> bool {
    let trimmed =
        text.trim_start_matches(|c: char| c.is_whitespace() || c == '\u{feff}').trim_end();
    follows(trimmed, "bearer")
        || follows(trimmed, "basic")
        || (follows(trimmed, "token") && trimmed[5..].bytes().any(|byte| byte.is_ascii_digit()))
        || is_json_web_token(trimmed)
        || holds_private_key(text)
}

fn is_json_web_token(text: &str) -> bool {
    text.starts_with("eyJ")
        && text.bytes().filter(|byte| *byte == b'.').count() == 2
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_'))
}

fn holds_private_key(text: &str) -> bool {
    text.len() > 64
        && memchr::memmem::find(text.as_bytes(), b"-----BEGIN ").is_some()
        && memchr::memmem::find(text.as_bytes(), b"PRIVATE KEY").is_some()
}

fn follows(text: &str, scheme: &str) -> bool {
    let Some((first, rest)) = text.split_at_checked(scheme.len()) else { return false };
    let credential = rest.trim_start_matches([' ', '\t']);
    first.eq_ignore_ascii_case(scheme)
        && credential.len() < rest.len()
        && credential.len() >= SHORTEST
        && !credential.contains(char::is_whitespace)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_are_known_by_their_looks() {
        let key = format!("x -----BEGIN RSA PRIVATE KEY-----{}", "A".repeat(64));
        // What else a text begins with does not matter.
        let backup = format!("Backup key:\n{key}");
        for text in [
            "Bearer abcdefgh",
            "bearer  x.y-z_12",
            " Bearer abcdefgh",
            "\u{feff}Basic dXNlcjpwYXNz",
            "Basic dXNlcjpwYXNz",
            "Token 9944b09199c62bcf",
            "eyJh.eyJi.c-_",
            "\teyJh.eyJi.c-_\n",
            &key,
            &backup,
        ] {
            assert!(is_credential(text), "{text}");
        }
        for text in [
            "Bearer",
            "bearer of news",
            "basic arithmetic is fun",
            "token required",
            "eyJ",
            "eyJ. x.y",
            "",
            "1.2",
        ] {
            assert!(!is_credential(text), "{text}");
        }
    }
}
