//! When a token ends, as far as the client can know.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;

use crate::secret::Secret;

/// The answer of a token endpoint (RFC 6749 §5.1), and of `dev-issuer`.
#[derive(Deserialize)]
struct Answer {
    access_token: Secret,
    expires_in: Option<f64>,
    expires_at_epoch: Option<i64>,
}

/// The token in a text, and its end in seconds since the Unix epoch if the
/// text says so. What is no JSON object is the token itself.
pub(super) fn read(text: &str, now: i64) -> Result<(Secret, Option<i64>), String> {
    let text = text.trim();
    if !text.starts_with('{') {
        return Ok((Secret::new(text), None));
    }
    // The text may hold the token, so that what the parser says is not told.
    let answer: Answer = serde_json::from_str(text)
        .map_err(|_| "JSON without a member `access_token`".to_owned())?;
    #[expect(clippy::cast_possible_truncation, reason = "saturates, which is late enough")]
    let told = answer.expires_at_epoch.or(answer.expires_in.map(|seconds| now + seconds as i64));
    Ok((answer.access_token, told))
}

/// The `exp` of a JWT. Nobody is believed here: the endpoint verifies.
pub(super) fn of_jwt(token: &str) -> Option<i64> {
    #[derive(Deserialize)]
    struct Claims {
        exp: f64,
    }
    let mut parts = token.split('.');
    let (Some(_), Some(claims), Some(_), None) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return None;
    };
    let claims = URL_SAFE_NO_PAD.decode(claims).ok()?;
    let claims: Claims = serde_json::from_slice(&claims).ok()?;
    #[expect(clippy::cast_possible_truncation, reason = "saturates, which is late enough")]
    Some(claims.exp as i64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_is_read_from_answers_and_from_claims() {
        let read = |text: &str| {
            let (token, end) = read(text, 1000).unwrap();
            (token.expose().to_owned(), end)
        };
        assert_eq!(read(" abc\n"), ("abc".to_owned(), None));
        assert_eq!(
            read(r#"{"access_token":"abc","expires_in":60}"#),
            ("abc".to_owned(), Some(1060))
        );
        assert_eq!(
            read(r#"{"access_token":"abc","expires_at_epoch":7,"claims":{}}"#),
            ("abc".to_owned(), Some(7))
        );
        let token = format!("e30.{}.sig", URL_SAFE_NO_PAD.encode(r#"{"exp":1234.5}"#));
        assert_eq!(of_jwt(&token), Some(1234));
        assert_eq!(of_jwt("opaque"), None);
        assert_eq!(of_jwt("a.b.c"), None);
    }

    #[test]
    fn an_answer_without_a_token_is_none() {
        let why = super::read(r#"{"token":"secret"}"#, 0).unwrap_err();
        assert!(!why.contains("secret"), "{why}");
    }
}
