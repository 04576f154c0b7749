//! What is kept of a call's arguments.
//!
//! Works on the raw text in one pass, without building values: most arguments
//! hold nothing secret, and every call pays.

use super::line::bounded;
use crate::settings::ArgumentsKept;

/// Put in the place of a value under a secret-looking name.
const MASK: &str = "\"[redacted]\"";

/// Put at the end of text that was cut.
const CUT: &str = "…";

/// Arguments, as the setting wants them kept, in at most `most` bytes (and the
/// mark that shows a cut). `raw` is valid JSON, as a parser saw it.
pub(super) fn keep(raw: &str, kept: ArgumentsKept, most: usize) -> Option<String> {
    match kept {
        ArgumentsKept::None | ArgumentsKept::Digest => None,
        ArgumentsKept::Full => Some(cut(raw.to_owned(), most)),
        ArgumentsKept::Redacted => Some(cut(redact(raw, most), most)),
    }
}

fn cut(mut text: String, most: usize) -> String {
    if text.len() > most {
        text.truncate(bounded(&text, most).len());
        text.push_str(CUT);
    }
    text
}

/// The text without space between tokens and with masked values. Ends early
/// once it is longer than `most`.
fn redact(raw: &str, most: usize) -> String {
    let bytes = raw.as_bytes();
    let mut out = String::with_capacity(raw.len().min(most) + MASK.len());
    let mut at = 0;
    while at < bytes.len() && out.len() <= most {
        let start = at;
        if bytes[at] == b'"' {
            at = string_end(bytes, start);
            // More than fits, so that the cut is seen.
            out.push_str(bounded(&raw[start..at], most.saturating_add(4)));
            let colon = skip_space(bytes, at);
            // In JSON, only a name is followed by a colon.
            if bytes.get(colon) == Some(&b':') {
                let name = raw.get(start + 1..at - 1).unwrap_or_default();
                out.push(':');
                at = colon + 1;
                if is_secret(name) {
                    out.push_str(MASK);
                    at = value_end(bytes, skip_space(bytes, at));
                }
            }
        } else if bytes[at].is_ascii_whitespace() {
            at += 1;
        } else {
            let token = |byte: &u8| *byte != b'"' && !byte.is_ascii_whitespace();
            at += bytes[at..].iter().take_while(|byte| token(byte)).count();
            out.push_str(&raw[start..at]);
        }
    }
    out
}

/// Where the string that begins at `start` is over.
fn string_end(bytes: &[u8], start: usize) -> usize {
    let mut at = start + 1;
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'"' => return at + 1,
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
    bytes.len()
}

fn skip_space(bytes: &[u8], at: usize) -> usize {
    at + bytes.iter().skip(at).take_while(|byte| byte.is_ascii_whitespace()).count()
}

/// Where the value that begins at `start` is over.
fn value_end(bytes: &[u8], start: usize) -> usize {
    let (mut at, mut depth) = (start, 0_usize);
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'"' => {
                at = string_end(bytes, at);
                if depth == 0 {
                    return at;
                }
                continue;
            }
            b'{' | b'[' => depth += 1,
            b'}' | b']' if depth > 1 => depth -= 1,
            b'}' | b']' if depth == 1 => return at + 1,
            // A number, `true`, `false` or `null` ends before these.
            b'}' | b']' | b',' if depth == 0 => return at,
            _ => {}
        }
        at += 1;
    }
    bytes.len()
}

/// Whether a member's name, as it stands in JSON, promises a secret value.
/// Case and punctuation do not matter: `api_key`, `apiKey`, `X-Api-Key`.
fn is_secret(name: &str) -> bool {
    if name.contains('\\') {
        let decoded: Result<String, _> = serde_json::from_str(&format!("\"{name}\""));
        // A name that cannot be read is not trusted either.
        return decoded.map_or(true, |name| is_secret_word(&name));
    }
    is_secret_word(name)
}

fn is_secret_word(name: &str) -> bool {
    const WHOLE: [&[u8]; 11] =
        [b"auth", b"cvc", b"cvv", b"jwt", b"mfa", b"otp", b"pass", b"pin", b"pwd", b"ssn", b"totp"];
    // Longer than any real name; a secret word in the rest is not seen.
    let mut letters = [0_u8; 256];
    let mut length = 0;
    for byte in name.bytes().filter(u8::is_ascii_alphanumeric).take(letters.len()) {
        letters[length] = byte.to_ascii_lowercase();
        length += 1;
    }
    let word = &letters[..length];
    WHOLE.contains(&word) || (0..length).any(|at| begins_secret(&word[at..]))
}

fn begins_secret(word: &[u8]) -> bool {
    let parts: &[&[u8]] = match word.first() {
        Some(b'a') => &[b"accesskey", b"apikey", b"authorization"],
        Some(b'b') => &[b"bearer"],
        Some(b'c') => &[b"cookie", b"credential"],
        Some(b'm') => &[b"mfacode"],
        Some(b'o') => &[b"otpcode"],
        Some(b'p') => {
            &[b"passcode", b"passphrase", b"passwd", b"password", b"pincode", b"privatekey"]
        }
        Some(b's') => &[b"secret", b"securitycode", b"sessionid", b"signingkey"],
        Some(b't') => &[b"token"],
        Some(_) | None => return false,
    };
    parts.iter().any(|part| word.starts_with(part))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::{Value, json};

    fn redacted(raw: &str) -> String {
        keep(raw, ArgumentsKept::Redacted, 10_000).unwrap()
    }

    #[test]
    fn values_under_secret_looking_names_are_masked_at_any_depth() {
        for name in [
            "password",
            "Password",
            "db_password",
            "passwd",
            "token",
            "access-token",
            "X-Api-Key",
            "apiKey",
            "API KEY",
            "secret",
            "client_secret",
            "Authorization",
            "private_key",
            "pwd",
            "cookie",
            "credentials",
            "passcode",
            "pinCode",
            "card_security_code",
            "MFA",
            "mfa-code",
            "otp",
            "otp_code",
            "p\\u0061ssword",
            "pass\\\\word",
        ] {
            for value in ["\"canary\"", "{\"a\":[\"canary\",{\"b\":\"]}\"}]}", "[\"canary\"]"] {
                let raw = format!("{{\"x\":[{{\"{name}\" : {value} , \"y\": 1}}],\"z\":null}}");
                assert_eq!(
                    redacted(&raw),
                    format!("{{\"x\":[{{\"{name}\":\"[redacted]\",\"y\":1}}],\"z\":null}}")
                );
            }
        }
        assert_eq!(
            redacted("{\"pin\": 1234, \"otp\":true}"),
            "{\"pin\":\"[redacted]\",\"otp\":\"[redacted]\"}"
        );
    }

    #[test]
    fn everything_else_is_kept_to_the_letter() {
        let raw = r#"{"operands":["1.10",2e400,"a \"password\": b"],"spin":"\ud800","compass":{}}"#;
        assert_eq!(redacted(raw), raw);
        assert_eq!(redacted("\"password\""), "\"password\"");
        assert_eq!(redacted(" [ 1 , 2 ] "), "[1,2]");
    }

    #[test]
    fn only_what_the_setting_says_is_kept() {
        let raw = r#"{ "token": "canary" }"#;
        assert_eq!(keep(raw, ArgumentsKept::None, 99), None);
        assert_eq!(keep(raw, ArgumentsKept::Digest, 99), None);
        assert_eq!(keep(raw, ArgumentsKept::Full, 99).unwrap(), raw);
        assert_eq!(keep(raw, ArgumentsKept::Full, 5).unwrap(), "{ \"to…");
    }

    #[test]
    fn long_arguments_are_cut_and_show_it() {
        let raw = format!("{{\"text\":\"{}\",\"token\":\"canary\"}}", "ü".repeat(5_000_000));
        let kept = keep(&raw, ArgumentsKept::Redacted, 100).unwrap();
        assert!(kept.ends_with("ü…") && kept.len() <= 100 + CUT.len());
        let raw = format!("[{}]", "1,".repeat(1000));
        assert!(keep(&raw, ArgumentsKept::Redacted, 10).unwrap().ends_with('…'));
    }

    fn any_json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            any::<i64>().prop_map(Value::from),
            ".*".prop_map(Value::from),
            Just(Value::Null)
        ];
        leaf.prop_recursive(4, 32, 4, |inner| {
            let name = prop_oneof![Just("token".to_owned()), Just("a\"b".to_owned()), ".*"];
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::hash_map(name, inner, 0..4)
                    .prop_map(|members| Value::Object(members.into_iter().collect())),
            ]
        })
    }

    /// The slow and obvious way.
    fn masked(value: Value) -> Value {
        match value {
            Value::Object(members) => members
                .into_iter()
                .map(|(name, value)| {
                    let value =
                        if is_secret_word(&name) { json!("[redacted]") } else { masked(value) };
                    (name, value)
                })
                .collect(),
            Value::Array(items) => items.into_iter().map(masked).collect(),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => value,
        }
    }

    proptest! {
        #[test]
        fn the_scanner_agrees_with_a_parser(value in any_json()) {
            let pretty = serde_json::to_string_pretty(&value).unwrap();
            let kept = keep(&pretty, ArgumentsKept::Redacted, usize::MAX >> 1).unwrap();
            prop_assert_eq!(serde_json::from_str::<Value>(&kept).unwrap(), masked(value));
        }

        #[test]
        fn no_text_makes_it_panic(text: String, most in 0_usize..40) {
            let _ = keep(&text, ArgumentsKept::Redacted, most);
        }
    }
}
