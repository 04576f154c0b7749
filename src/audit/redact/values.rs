//! Values that are secret by their looks, whatever they are called.

use std::borrow::Cow;

use super::names::is_secret_word;

/// Put in the place of a part of a text.
const MARK: &str = "[redacted]";

/// Shortest credential after `Bearer` or `Basic`, in bytes.
const SHORTEST: usize = 8;

/// Whether a text is a credential: what stands in an `Authorization` header, a
/// JSON Web Token, or a private key in PEM.
pub(super) fn is_credential(text: &str) -> bool {
    match text.as_bytes() {
        [b'b' | b'B', ..] => follows(text, "bearer") || follows(text, "basic"),
        [b'e', b'y', b'J', ..] => {
            text.bytes().filter(|byte| *byte == b'.').count() == 2
                && text
                    .bytes()
                    .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_'))
        }
        bytes => {
            bytes.len() > 64
                && memchr::memmem::find(bytes, b"-----BEGIN ").is_some()
                && memchr::memmem::find(bytes, b"PRIVATE KEY-----").is_some()
        }
    }
}

fn follows(text: &str, scheme: &str) -> bool {
    let Some((first, rest)) = text.split_at_checked(scheme.len()) else { return false };
    let credential = rest.trim_start_matches(' ');
    first.eq_ignore_ascii_case(scheme)
        && credential.len() < rest.len()
        && credential.len() >= SHORTEST
        && !credential.contains(char::is_whitespace)
}

/// A URL without its password and without the values of parameters whose names
/// promise a secret. `None`: there is nothing to hide.
pub(crate) fn url_without_secrets(text: &str) -> Option<String> {
    // Most strings have no colon at all.
    let scheme = memchr::memchr_iter(b':', text.as_bytes())
        .find(|at| text.as_bytes()[*at..].starts_with(b"://"))?;
    let (head, rest) = text.split_at(scheme + 3);
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, tail) = rest.split_at(end);
    let password = authority.rsplit_once('@').and_then(|(user, host)| {
        let (user, _) = user.split_once(':')?;
        Some(format!("{user}:{MARK}@{host}"))
    });
    let query = tail.find(['?', '#']).and_then(|at| {
        let (path, parameters) = tail.split_at(at + 1);
        without_secret_parameters(parameters).map(|shown| format!("{path}{shown}"))
    });
    if password.is_none() && query.is_none() {
        return None;
    }
    let authority = password.map_or(Cow::Borrowed(authority), Cow::Owned);
    let tail = query.map_or(Cow::Borrowed(tail), Cow::Owned);
    Some(format!("{head}{authority}{tail}"))
}

/// `a=1&token=x` without the value of `token`.
fn without_secret_parameters(text: &str) -> Option<String> {
    let mut hidden = false;
    let shown: Vec<Cow<'_, str>> = text
        .split('&')
        .map(|pair| match pair.split_once('=') {
            Some((name, value)) if !value.is_empty() && is_secret_word(&decoded(name)) => {
                hidden = true;
                Cow::Owned(format!("{name}={MARK}"))
            }
            Some(_) | None => Cow::Borrowed(pair),
        })
        .collect();
    hidden.then(|| shown.join("&"))
}

fn decoded(name: &str) -> String {
    url::form_urlencoded::parse(name.as_bytes()).map(|(name, _)| name.into_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_are_known_by_their_looks() {
        let key = format!("x -----BEGIN RSA PRIVATE KEY-----{}", "A".repeat(64));
        for text in
            ["Bearer abcdefgh", "bearer  x.y-z_12", "Basic dXNlcjpwYXNz", "eyJh.eyJi.c-_", &key]
        {
            assert!(is_credential(text), "{text}");
        }
        for text in
            ["Bearer", "bearer of news", "basic arithmetic is fun", "eyJ", "eyJ. x.y", "", "1.2"]
        {
            assert!(!is_credential(text), "{text}");
        }
    }

    #[test]
    fn urls_lose_passwords_and_secret_parameters() {
        for (text, shown) in [
            ("postgres://ann:canary@db/x", "postgres://ann:[redacted]@db/x"),
            ("redis://:canary@db", "redis://:[redacted]@db"),
            (
                "https://h/p?a=1&access_token=canary&b=2",
                "https://h/p?a=1&access_token=[redacted]&b=2",
            ),
            ("https://h?api%5Fkey=canary", "https://h?api%5Fkey=[redacted]"),
            ("app://cb#token=canary", "app://cb#token=[redacted]"),
        ] {
            assert_eq!(url_without_secrets(text).as_deref(), Some(shown), "{text}");
        }
        for text in
            ["https://h/p?a=1", "no url", "https://ann@h/", "a://", "://@:?=", "x://h?token="]
        {
            assert_eq!(url_without_secrets(text), None, "{text}");
        }
    }
}
