//! Finding the one bearer token of a request.

use url::form_urlencoded;

use crate::error::{Reason, Refusal};

/// Query parameters that carry a token in systems less careful than this one
/// (RFC 6750 §2.3 is the first of them).
const TOKEN_PARAMETERS: [&str; 5] =
    ["access_token", "id_token", "bearer_token", "authorization", "jwt"];

/// What a request says about who is calling.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Credentials<'a> {
    authorization: Option<&'a [u8]>,
    repeated: bool,
    query: Option<&'a str>,
}

impl<'a> Credentials<'a> {
    /// Takes all values of the `Authorization` header, and the raw query
    /// string without its question mark.
    #[must_use]
    pub(crate) fn new(
        authorization: impl IntoIterator<Item = &'a [u8]>,
        query: Option<&'a str>,
    ) -> Self {
        let mut values = authorization.into_iter();
        let authorization = values.next();
        Self { authorization, repeated: values.next().is_some(), query }
    }

    /// The bearer token.
    ///
    /// # Errors
    /// [`Reason::TokenInQuery`], [`Reason::MissingCredentials`],
    /// [`Reason::MalformedCredentials`], or [`Reason::InvalidToken`] when the
    /// token is longer than `max_bytes`.
    pub(super) fn bearer(&self, max_bytes: usize) -> Result<&'a str, Refusal> {
        if self.query.is_some_and(carries_token) {
            return Err(Refusal::telling(
                Reason::TokenInQuery,
                "Tokens are accepted only in the Authorization header",
            ));
        }
        let Some(value) = self.authorization else {
            return Err(Refusal::telling(
                Reason::MissingCredentials,
                "Missing Authorization header",
            ));
        };
        let token = if self.repeated { None } else { split_bearer(value) };
        let Some(token) = token else {
            return Err(Refusal::telling(
                Reason::MalformedCredentials,
                "Invalid Authorization header format: expected 'Bearer <token>', once",
            ));
        };
        if token.len() > max_bytes {
            return Err(Refusal::telling(
                Reason::InvalidToken,
                "Invalid JWT token: longer than accepted",
            ));
        }
        Ok(token)
    }
}

/// `Bearer`, in any case, spaces, then one word (RFC 9110 §11.4, RFC 6750).
fn split_bearer(value: &[u8]) -> Option<&str> {
    let value = std::str::from_utf8(value).ok()?;
    let (scheme, rest) = value.split_once(' ')?;
    let token = rest.trim_matches(' ');
    let word = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~+/=".contains(&byte);
    (scheme.eq_ignore_ascii_case("bearer") && !token.is_empty() && token.bytes().all(word))
        .then_some(token)
}

/// Whether a query string holds a token, by name or by looks.
fn carries_token(query: &str) -> bool {
    !query.is_empty()
        && form_urlencoded::parse(query.as_bytes()).any(|(name, value)| {
            TOKEN_PARAMETERS.iter().any(|known| name.eq_ignore_ascii_case(known))
                || looks_like_token(&name)
                || looks_like_token(&value)
        })
}

/// A compact JWS starts with the base64url of `{"`.
fn looks_like_token(text: &str) -> bool {
    text.starts_with("eyJ") && text.bytes().filter(|&byte| byte == b'.').count() >= 2
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bearer<'a>(values: &[&'a [u8]], query: Option<&'a str>) -> Result<&'a str, Reason> {
        Credentials::new(values.iter().copied(), query).bearer(64).map_err(|refusal| refusal.reason)
    }

    #[test]
    fn one_bearer_token_is_found() {
        assert_eq!(bearer(&[b"Bearer a.b.c"], None), Ok("a.b.c"));
        assert_eq!(bearer(&[b"bEARER   a.b.c  "], Some("")), Ok("a.b.c"));
        assert_eq!(bearer(&[b"Bearer a.b.c"], Some("limit=5&token_type=x")), Ok("a.b.c"));
    }

    #[test]
    fn no_header_is_missing_and_anything_else_is_malformed() {
        assert_eq!(bearer(&[], None), Err(Reason::MissingCredentials));
        let malformed: [&[u8]; 9] = [
            b"",
            b"Bearer",
            b"Bearer ",
            b"Bearer a b",
            b"Bearer a,Bearer b",
            b"Basic dXNlcjpwYXNz",
            b"DPoP a.b.c",
            b"Bearer \xff\xfe",
            b"Bearer\ta.b.c",
        ];
        for value in malformed {
            assert_eq!(bearer(&[value], None), Err(Reason::MalformedCredentials), "{value:?}");
        }
        let twice = bearer(&[b"Bearer a.b.c", b"Bearer a.b.c"], None);
        assert_eq!(twice, Err(Reason::MalformedCredentials));
    }

    #[test]
    fn a_token_in_the_query_is_refused_even_next_to_a_good_header() {
        for query in [
            "access_token=a.b.c",
            "x=1&ACCESS_TOKEN=",
            "access%5Ftoken=a",
            "jwt=a",
            "id_token",
            "cursor=eyJhbGciOiJub25lIn0.e30.",
            "eyJhbGciOiJub25lIn0.e30.x",
        ] {
            let found = bearer(&[b"Bearer a.b.c"], Some(query));
            assert_eq!(found, Err(Reason::TokenInQuery), "{query}");
            assert_eq!(bearer(&[], Some(query)), Err(Reason::TokenInQuery), "{query}");
        }
    }

    #[test]
    fn the_longest_token_is_bounded() {
        let fits = format!("Bearer {}", "a".repeat(64));
        let longer = format!("Bearer {}", "a".repeat(65));
        assert!(bearer(&[fits.as_bytes()], None).is_ok());
        assert_eq!(bearer(&[longer.as_bytes()], None), Err(Reason::InvalidToken));
    }
}
