//! Reading a compact JWS (RFC 7515 §7.1) without believing it yet.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::Algorithm;
use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, Visitor};
use serde_json::{Map, Value};

use super::jwks::MAX_KEY_ID_BYTES;
use crate::error::{Reason, Refusal};

/// A token taken apart. Nothing in it is proven before
/// [`VerifyingKey::verifies`](super::key::VerifyingKey::verifies) said so.
#[derive(Debug)]
pub(super) struct Token<'a> {
    /// Header and payload as they were signed.
    pub(super) signed: &'a str,
    /// The signature, in base64url.
    pub(super) signature: &'a str,
    /// The algorithm the token claims to be signed with.
    pub(super) algorithm: Algorithm,
    /// Which key the token names: an opaque string, only ever compared.
    pub(super) key_id: Option<String>,
    /// The payload.
    pub(super) claims: Map<String, Value>,
}

impl<'a> Token<'a> {
    /// Takes a token apart.
    ///
    /// # Errors
    /// [`Reason::InvalidToken`] for anything that is not a signed token.
    pub(super) fn read(text: &'a str) -> Result<Self, Refusal> {
        let (signed, signature) =
            text.rsplit_once('.').ok_or_else(|| invalid("not three parts"))?;
        let (header, payload) = signed.split_once('.').ok_or_else(|| invalid("not three parts"))?;
        if payload.contains('.') || signature.is_empty() {
            return Err(invalid("not three parts"));
        }
        let header = object(header).ok_or_else(|| invalid("the header cannot be read"))?;
        // Extensions that must be understood (RFC 7515 §4.1.11); none are.
        if header.contains_key("crit") {
            return Err(invalid("the header demands an unknown extension"));
        }
        check_type(header.get("typ"))?;
        let algorithm = header
            .get("alg")
            .and_then(Value::as_str)
            .and_then(|name| name.parse().ok())
            .ok_or_else(|| invalid("the signing algorithm is not supported"))?;
        let key_id = match header.get("kid") {
            None => None,
            Some(Value::String(id)) if id.len() <= MAX_KEY_ID_BYTES => Some(id.clone()),
            Some(_) => return Err(invalid("the key id cannot be read")),
        };
        let claims = object(payload).ok_or_else(|| invalid("the payload cannot be read"))?;
        Ok(Self { signed, signature, algorithm, key_id, claims })
    }
}

/// The same keys sign other things than access tokens (logout tokens, proofs
/// of possession, security events). Those that say so are refused (RFC 8725 §3.11).
fn check_type(typ: Option<&Value>) -> Result<(), Refusal> {
    let Some(typ) = typ else { return Ok(()) };
    let typ = typ.as_str().ok_or_else(|| invalid("the token type cannot be read"))?;
    let lower = typ.to_ascii_lowercase();
    let name = lower.strip_prefix("application/").unwrap_or(&lower);
    if name.ends_with("+jwt") && name != "at+jwt" {
        return Err(invalid("not an access token"));
    }
    Ok(())
}

/// A refusal that tells the client no more than `why`.
pub(super) fn invalid(why: impl fmt::Display) -> Refusal {
    Refusal::telling(Reason::InvalidToken, format!("Invalid JWT token: {why}"))
}

/// A JSON object in base64url. Strict: no padding, no stray bits, no member
/// twice, or two readers could see two different tokens.
fn object(part: &str) -> Option<Map<String, Value>> {
    let bytes = URL_SAFE_NO_PAD.decode(part).ok()?;
    serde_json::from_slice::<Unique>(&bytes).ok().map(|unique| unique.0)
}

/// An object whose member names are all different.
struct Unique(Map<String, Value>);

impl<'de> Deserialize<'de> for Unique {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members;
        impl<'de> Visitor<'de> for Members {
            type Value = Unique;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Unique, A::Error> {
                let mut members = Map::new();
                while let Some((name, value)) = access.next_entry::<String, Value>()? {
                    if members.insert(name, value).is_some() {
                        return Err(A::Error::custom("a member comes twice"));
                    }
                }
                Ok(Unique(members))
            }
        }
        deserializer.deserialize_map(Members)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(header: &str, payload: &str) -> String {
        format!("{}.{}.c2ln", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(payload))
    }

    fn refused(text: &str) -> bool {
        let refusal = Token::read(text).map(|_| ()).unwrap_err();
        assert!(refusal.detail.starts_with("Invalid JWT token"));
        refusal.reason == Reason::InvalidToken
    }

    #[test]
    fn a_token_is_taken_apart() {
        let text = token(r#"{"alg":"ES256","kid":"k1","typ":"JWT"}"#, r#"{"iss":"i"}"#);
        let token = Token::read(&text).unwrap();
        assert_eq!(token.algorithm, Algorithm::ES256);
        assert_eq!(token.key_id.as_deref(), Some("k1"));
        assert_eq!(token.signature, "c2ln");
        assert_eq!(token.claims["iss"], "i");
    }

    #[test]
    fn what_is_no_token_is_refused() {
        for text in ["", ".", "..", "...", "a", "a.b", "a.b.c", "a.b.c.d", "e30.e30.e30"] {
            assert!(refused(text), "{text}");
        }
        let good = token(r#"{"alg":"HS256"}"#, "{}");
        assert!(Token::read(&good).is_ok());
        assert!(refused(good.trim_end_matches("c2ln")));
        assert!(refused(&good.replace('.', "=.")));
        assert!(refused(&token(r#"{"alg":"HS256"}"#, "[]")));
        assert!(refused(&token(r#"{"alg":"HS256"}"#, r#"{"sub":"a","sub":"b"}"#)));
        let deep = format!(r#"{{"x":{}{}}}"#, "[".repeat(500), "]".repeat(500));
        assert!(refused(&token(r#"{"alg":"HS256"}"#, &deep)));
    }

    #[test]
    fn a_header_that_asks_for_more_is_refused() {
        for header in [
            "{}",
            r#"{"alg":"none"}"#,
            r#"{"alg":"None"}"#,
            r#"{"alg":"NONE"}"#,
            r#"{"alg":""}"#,
            r#"{"alg":["HS256"]}"#,
            r#"{"alg":"hs256"}"#,
            r#"{"alg":"HS256","alg":"none"}"#,
            r#"{"alg":"HS256","crit":["exp"]}"#,
            r#"{"alg":"HS256","kid":7}"#,
            r#"{"alg":"HS256","kid":null}"#,
            r#"{"alg":"HS256","typ":"logout+jwt"}"#,
            r#"{"alg":"HS256","typ":"application/DPoP+JWT"}"#,
        ] {
            assert!(refused(&token(header, "{}")), "{header}");
        }
        let long = format!(r#"{{"alg":"HS256","kid":"{}"}}"#, "k".repeat(MAX_KEY_ID_BYTES + 1));
        assert!(refused(&token(&long, "{}")));
        assert!(Token::read(&token(r#"{"alg":"HS256","typ":"at+JWT"}"#, "{}")).is_ok());
    }
}
