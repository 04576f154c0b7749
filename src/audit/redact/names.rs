//! Names that promise a secret.

/// Names that are one as a whole.
const WHOLE: [&[u8]; 13] = [
    b"auth", b"cvc", b"cvv", b"dsn", b"jwt", b"mfa", b"otp", b"pass", b"pin", b"pwd", b"ssn",
    b"totp", b"xauth",
];

/// Whether a member's name, as it stands in JSON, promises a secret value.
/// Case and punctuation do not matter: `api_key`, `apiKey`, `X-Api-Key`.
pub(super) fn is_secret(name: &str) -> bool {
    if name.contains('\\') {
        let decoded: Result<String, _> = serde_json::from_str(&format!("\"{name}\""));
        // A name that cannot be read is not trusted either.
        return decoded.map_or(true, |name| is_secret_word(&name));
    }
    is_secret_word(name)
}

/// The same of a name as it is meant.
pub(super) fn is_secret_word(name: &str) -> bool {
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
        Some(b'a') => &[b"accesskey", b"apikey", b"authkey", b"authorization"],
        Some(b'b') => &[b"bearer"],
        Some(b'c') => &[b"connectionstring", b"cookie", b"credential"],
        Some(b'e') => &[b"encryptionkey"],
        Some(b'm') => &[b"masterkey", b"mfacode"],
        Some(b'o') => &[b"onetimecode", b"otpcode"],
        Some(b'p') => &[
            b"passcode",
            b"passphrase",
            b"passwd",
            b"password",
            b"passwort",
            b"pincode",
            b"privatekey",
        ],
        Some(b's') => {
            &[b"secret", b"securitycode", b"sessionid", b"sharedkey", b"signingkey", b"sshkey"]
        }
        Some(b't') => &[b"token"],
        Some(_) | None => return false,
    };
    parts.iter().any(|part| word.starts_with(part))
}
