//! Names that promise a secret.
//!
//! A name is looked at in two ways: as its letters without what stands between
//! them, in which a part is looked for, and as its words, which end at anything
//! that is no letter and where case turns (`cardPin`, `JWTValue`, `user_ssn`).
//! Short words are only seen as words: `pin` is in `spinning`.

use std::borrow::Cow;

/// Longest name that is looked at, in bytes. Real ones are shorter; what cannot
/// be judged is taken for secret.
const LONGEST: usize = 256;

/// Words that promise a secret by themselves. In ASCII; the longest has
/// [`LONGEST_WORD`] letters.
const WORDS: [&[u8]; 31] = [
    b"auth", b"clave", b"cred", b"creds", b"csc", b"cvc", b"cvn", b"cvv", b"dsn", b"haslo",
    b"heslo", b"hotp", b"jeton", b"jwt", b"mfa", b"otp", b"parol", b"parola", b"pass", b"pin",
    b"psk", b"pswd", b"pw", b"pwd", b"pword", b"segredo", b"senha", b"sifre", b"ssn", b"totp",
    b"xauth",
];

const LONGEST_WORD: usize = 7;

/// Last words that say that a short word before them is no secret itself.
const ABOUT: [&[u8]; 8] =
    [b"enabled", b"method", b"mode", b"provider", b"required", b"scheme", b"type", b"url"];

/// Parts of names of other scripts, in lower case and without what stands between
/// letters.
const ELSEWHERE: [&str; 22] = [
    "contraseña",
    "hasło",
    "jelszó",
    "lösenord",
    "mậtkhẩu",
    "şifre",
    "κωδικός",
    "пароль",
    "секрет",
    "токен",
    "סיסמה",
    "كلمةالسر",
    "كلمةالمرور",
    "รหัสผ่าน",
    "パスワード",
    "暗証番号",
    "密码",
    "密碼",
    "密钥",
    "口令",
    "令牌",
    "비밀번호",
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
    if name.is_ascii() {
        return is_secret_ascii(name.as_bytes());
    }
    let plain: String = name.chars().filter_map(plain).collect();
    if is_secret_ascii(plain.as_bytes()) {
        return true;
    }
    let between = |c: &char| c.is_whitespace() || c.is_ascii_punctuation();
    let letters: String =
        name.chars().flat_map(char::to_lowercase).filter(|c| !between(c)).collect();
    ELSEWHERE.iter().any(|part| letters.contains(part))
}

/// A letter that looks like one of ASCII, as that; `None` for accents that stand
/// alone and marks that are not seen.
fn plain(c: char) -> Option<char> {
    match c {
        '\u{300}'..='\u{36f}' | '\u{200b}'..='\u{200f}' | '\u{2060}' | '\u{feff}' | '\u{ad}' => {
            None
        }
        '\u{ff01}'..='\u{ff5e}' => char::from_u32(u32::from(c) - 0xfee0),
        other => Some(other),
    }
}

/// Whether a value that is a number is only counted by this name, such as
/// `max_tokens`.
pub(super) fn is_count(name: &str) -> bool {
    const COUNTS: [&str; 26] = [
        "budget",
        "cached",
        "chunk",
        "completion",
        "count",
        "input",
        "length",
        "limit",
        "max",
        "maximum",
        "min",
        "minimum",
        "n",
        "new",
        "num",
        "number",
        "output",
        "overlap",
        "per",
        "prompt",
        "reasoning",
        "size",
        "thinking",
        "total",
        "usage",
        "used",
    ];
    let mut words = Vec::new();
    each_word(name.as_bytes(), |word| {
        words.push(String::from_utf8_lossy(word).into_owned());
        words.len() > 8
    });
    words.iter().any(|word| COUNTS.contains(&&**word))
        && words.iter().all(|word| COUNTS.contains(&&**word) || word == "token" || word == "tokens")
}

/// Names of a URL's parameters that promise a secret there, next to all others.
pub(super) fn is_secret_parameter(name: &str) -> bool {
    const MORE: [&str; 5] = ["code", "hmac", "key", "sig", "sign"];
    let name = decoded(name);
    is_secret_word(&name) || MORE.iter().any(|more| name.eq_ignore_ascii_case(more))
}

/// A parameter's name without its `%`.
pub(super) fn decoded(name: &str) -> Cow<'_, str> {
    if name.contains(['%', '+']) {
        let once = form(name);
        // Proxies and scripts encode twice.
        return Cow::Owned(if once.contains('%') { form(&once) } else { once });
    }
    Cow::Borrowed(name)
}

/// A part of a form without its `%` and `+`.
pub(super) fn form(text: &str) -> String {
    // One name, so that neither `&` nor `=` in it ends it.
    let text = text.replace('&', "%26").replace('=', "%3D");
    url::form_urlencoded::parse(text.as_bytes()).map(|(name, _)| name.into_owned()).collect()
}

fn is_secret_ascii(name: &[u8]) -> bool {
    if name.len() > LONGEST {
        return true;
    }
    let mut letters = [0_u8; LONGEST];
    let mut length = 0;
    for byte in name.iter().filter(|byte| byte.is_ascii_alphanumeric()) {
        letters[length] = byte.to_ascii_lowercase();
        length += 1;
    }
    let letters = &letters[..length];
    if (0..length).any(|at| begins_secret(&letters[at..])) {
        return true;
    }
    let (mut short, mut about) = (false, false);
    each_word(name, |word| {
        short = short || (word.len() <= LONGEST_WORD && WORDS.contains(&word));
        about = ABOUT.contains(&word);
        false
    });
    short && !about
}

/// Gives each word in lower case, until one is enough.
fn each_word(name: &[u8], mut enough: impl FnMut(&[u8]) -> bool) {
    let mut word = [0_u8; 32];
    let mut length = 0;
    let mut before = 0_u8;
    for (at, byte) in name.iter().copied().enumerate() {
        let next = name.get(at + 1).copied().unwrap_or_default();
        // `cardPin` turns before the P, `JWTValue` before the V.
        let turns = byte.is_ascii_uppercase()
            && (before.is_ascii_lowercase()
                || (before.is_ascii_uppercase() && next.is_ascii_lowercase()));
        if (turns || !byte.is_ascii_alphabetic()) && length > 0 {
            if enough(&word[..length]) {
                return;
            }
            length = 0;
        }
        if byte.is_ascii_alphabetic() && length < word.len() {
            word[length] = byte.to_ascii_lowercase();
            length += 1;
        }
        before = byte;
    }
    if length > 0 {
        enough(&word[..length]);
    }
}

fn begins_secret(word: &[u8]) -> bool {
    let parts: &[&[u8]] = match word.first() {
        Some(b'a') => &[
            b"accesskey",
            b"accountkey",
            b"adgangskode",
            b"adminkey",
            b"aeskey",
            b"apikey",
            b"appkey",
            b"applicationkey",
            b"authcode",
            b"authkey",
            b"authorization",
            b"authorisation",
        ],
        Some(b'b') => &[b"backupcode", b"bearer"],
        Some(b'c') => &[
            b"clientkey",
            b"connectionstring",
            b"connstr",
            b"consumerkey",
            b"contrasena",
            b"contrasenya",
            b"cookie",
            b"credential",
            b"cryptkey",
        ],
        Some(b'd') => &[b"dbpass", b"decryptionkey", b"deploykey"],
        Some(b'e') => &[b"encryptionkey"],
        Some(b'f') => &[b"functionkey", b"functionskey"],
        Some(b'g') => &[b"geheimnis", b"gpgkey"],
        Some(b'h') => &[b"hmackey", b"hostkey"],
        Some(b'j') => &[b"jelszo"],
        Some(b'k') => &[b"kennwort", b"keymaterial"],
        Some(b'l') => &[b"licensekey", b"losenord"],
        Some(b'm') => &[b"masterkey", b"matkhau", b"mfacode", b"mnemonic", b"motdepasse"],
        Some(b'o') => &[b"onetimecode", b"otpcode"],
        Some(b'p') => &[
            b"palavrapasse",
            b"passcode",
            b"passkey",
            b"passphrase",
            b"passwd",
            b"passwor",
            b"passord",
            b"pgpkey",
            b"pincode",
            b"privatekey",
            b"privkey",
            b"pwd",
        ],
        Some(b'r') => &[b"recoverycode", b"recoverykey", b"recoveryphrase", b"rsakey"],
        Some(b's') => &[
            b"saskey",
            b"salasana",
            b"secret",
            b"securitycode",
            b"seedphrase",
            b"serverkey",
            b"servicekey",
            b"sessionid",
            b"sessionkey",
            b"sharedkey",
            b"signature",
            b"signingkey",
            b"smtppass",
            b"sshkey",
            b"sslkey",
            b"storagekey",
            b"subscriptionkey",
        ],
        Some(b't') => &[b"tlskey", b"token"],
        Some(b'u') => &[b"userpass"],
        Some(b'v') => &[b"verificationcode"],
        Some(b'w') => &[b"wachtwoord", b"webhookkey"],
        Some(_) | None => return false,
    };
    parts.iter().any(|part| word.starts_with(part))
}
