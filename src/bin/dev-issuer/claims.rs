//! From what was asked for to the claims of a token.

use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::options::ClaimNameOptions;

/// Lifetimes that may be asked for, in seconds (C-60).
const LIFETIME: std::ops::RangeInclusive<u64> = 60..=86_400;
/// Longest name of a user, role, group, agent, workspace or version, in bytes.
const MAX_NAME: usize = 256;
/// Most roles, groups or agents.
const MAX_NAMES: usize = 256;

/// The body of `POST /token`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct TokenRequest {
    /// Who is calling.
    pub(crate) user_id: String,
    /// What the caller is.
    #[serde(default)]
    pub(crate) roles: Vec<String>,
    /// The tenant; left out of the token when absent.
    #[serde(default)]
    pub(crate) workspace: Option<String>,
    /// The API version; left out of the token when absent.
    #[serde(default)]
    pub(crate) api_version: Option<String>,
    /// Lifetime in seconds, 60 to 86400.
    #[serde(default = "one_hour")]
    pub(crate) expires_in_seconds: u64,
    /// Groups; left out of the token when absent.
    #[serde(default)]
    pub(crate) groups: Option<Vec<String>>,
    /// Agent profiles; left out of the token when absent.
    #[serde(default)]
    pub(crate) agents: Option<Vec<String>>,
    /// Merged last, so they can also spoil a token on purpose.
    #[serde(default)]
    pub(crate) extra_claims: Map<String, Value>,
}

fn one_hour() -> u64 {
    3600
}

/// What is wrong with a request for a token.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BadRequest {
    #[error("expires_in_seconds must be between {} and {}", LIFETIME.start(), LIFETIME.end())]
    Lifetime,
    #[error("{0} must be 1 to {MAX_NAME} bytes of text without control characters")]
    Name(&'static str),
    #[error("{0} must have at most {MAX_NAMES} entries")]
    TooMany(&'static str),
    #[error("the claim name {0:?} crosses another claim that is not an object")]
    Crossing(String),
}

impl TokenRequest {
    /// Whether every field is in range.
    fn check(&self) -> Result<(), BadRequest> {
        if !LIFETIME.contains(&self.expires_in_seconds) {
            return Err(BadRequest::Lifetime);
        }
        check_names("user_id", std::slice::from_ref(&self.user_id))?;
        check_names("roles", &self.roles)?;
        check_names("workspace", self.workspace.as_slice())?;
        check_names("api_version", self.api_version.as_slice())?;
        check_names("groups", self.groups.as_deref().unwrap_or_default())?;
        check_names("agents", self.agents.as_deref().unwrap_or_default())
    }

    /// The claims of a token issued at `now`, in seconds since the epoch.
    pub(crate) fn claims(
        self,
        issuer: &str,
        audience: &Value,
        names: &ClaimNameOptions,
        now: i64,
        token_id: &str,
    ) -> Result<Map<String, Value>, BadRequest> {
        self.check()?;
        let lifetime = i64::try_from(self.expires_in_seconds).map_err(|_| BadRequest::Lifetime)?;
        let mut claims = Map::new();
        claims.insert("iss".to_owned(), json!(issuer));
        claims.insert("aud".to_owned(), audience.clone());
        claims.insert("jti".to_owned(), json!(token_id));
        let mapped = [
            (&names.user_id_claim, Some(json!(self.user_id))),
            (&names.iat_claim, Some(json!(now))),
            (&names.exp_claim, Some(json!(now.saturating_add(lifetime)))),
            (&names.roles_claim, Some(json!(self.roles))),
            (&names.tenant_claim, self.workspace.map(|name| json!(name))),
            (&names.api_version_claim, self.api_version.map(|version| json!(version))),
            (&names.agent_claim, self.agents.map(|agents| json!(agents))),
        ];
        for (name, value) in mapped {
            if let Some(value) = value {
                place(&mut claims, name, value)?;
            }
        }
        if let Some(groups) = self.groups {
            claims.insert("groups".to_owned(), json!(groups));
        }
        claims.extend(self.extra_claims);
        Ok(claims)
    }
}

fn check_names(field: &'static str, names: &[String]) -> Result<(), BadRequest> {
    if names.len() > MAX_NAMES {
        return Err(BadRequest::TooMany(field));
    }
    let good =
        |name: &String| (1..=MAX_NAME).contains(&name.len()) && !name.chars().any(char::is_control);
    if names.iter().all(good) { Ok(()) } else { Err(BadRequest::Name(field)) }
}

/// Puts `value` under `path`; a dot goes one object deeper.
fn place(claims: &mut Map<String, Value>, path: &str, value: Value) -> Result<(), BadRequest> {
    let mut parts: Vec<&str> = path.split('.').collect();
    let last = parts.pop().unwrap_or(path);
    let mut object = claims;
    for part in parts {
        object = object
            .entry(part)
            .or_insert_with(|| Value::Object(Map::new()))
            .as_object_mut()
            .ok_or_else(|| BadRequest::Crossing(path.to_owned()))?;
    }
    object.insert(last.to_owned(), value);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names() -> ClaimNameOptions {
        ClaimNameOptions {
            user_id_claim: "sub".to_owned(),
            exp_claim: "exp".to_owned(),
            iat_claim: "iat".to_owned(),
            tenant_claim: "workspace".to_owned(),
            api_version_claim: "v".to_owned(),
            roles_claim: "roles".to_owned(),
            agent_claim: "agents".to_owned(),
        }
    }

    fn request(body: Value) -> TokenRequest {
        serde_json::from_value(body).unwrap()
    }

    fn claims(body: Value, names: &ClaimNameOptions) -> Result<Value, BadRequest> {
        request(body).claims("iss", &json!("aud"), names, 1000, "id").map(Value::Object)
    }

    #[test]
    fn every_field_has_its_claim() {
        let body = json!({
            "user_id": "ann", "roles": ["developer"], "workspace": "w", "api_version": "1.1",
            "expires_in_seconds": 60, "groups": ["g"], "agents": ["a"], "extra_claims": {"x": 1},
        });
        let expected = json!({
            "iss": "iss", "aud": "aud", "jti": "id", "sub": "ann", "iat": 1000, "exp": 1060,
            "roles": ["developer"], "workspace": "w", "v": "1.1", "groups": ["g"],
            "agents": ["a"], "x": 1,
        });
        assert_eq!(claims(body, &names()), Ok(expected));
    }

    #[test]
    fn what_is_not_asked_for_is_left_out() {
        let expected = json!({
            "iss": "iss", "aud": "aud", "jti": "id", "sub": "ann", "iat": 1000, "exp": 4600,
            "roles": [],
        });
        assert_eq!(claims(json!({"user_id": "ann"}), &names()), Ok(expected));
    }

    #[test]
    fn extra_claims_win() {
        let body = json!({"user_id": "ann", "extra_claims": {"exp": 1, "sub": "bob", "aud": []}});
        let claims = claims(body, &names()).unwrap();
        assert_eq!(
            (&claims["exp"], &claims["sub"], &claims["aud"]),
            (&json!(1), &json!("bob"), &json!([]))
        );
    }

    #[test]
    fn lifetimes_outside_of_the_range_are_refused() {
        for (seconds, good) in
            [(59, false), (60, true), (86_400, true), (86_401, false), (0, false)]
        {
            let body = json!({"user_id": "ann", "expires_in_seconds": seconds});
            assert_eq!(claims(body, &names()).is_ok(), good, "{seconds}");
        }
    }

    #[test]
    fn odd_names_are_refused() {
        let bad = |body| claims(body, &names()).unwrap_err();
        assert_eq!(bad(json!({"user_id": ""})), BadRequest::Name("user_id"));
        assert_eq!(bad(json!({"user_id": "a\nb"})), BadRequest::Name("user_id"));
        assert_eq!(bad(json!({"user_id": "a".repeat(257)})), BadRequest::Name("user_id"));
        assert_eq!(bad(json!({"user_id": "a", "roles": [""]})), BadRequest::Name("roles"));
        assert_eq!(
            bad(json!({"user_id": "a", "roles": vec!["r"; 257]})),
            BadRequest::TooMany("roles")
        );
        assert!(claims(json!({"user_id": "a".repeat(256)}), &names()).is_ok());
    }

    #[test]
    fn unknown_fields_are_refused() {
        let parsed: Result<TokenRequest, _> =
            serde_json::from_value(json!({"user_id": "ann", "role": ["admin"]}));
        assert!(parsed.unwrap_err().to_string().contains("unknown field `role`"));
    }

    #[test]
    fn claims_go_where_the_gateway_looks_for_them() {
        let mut names = names();
        names.user_id_claim = "preferred_username".to_owned();
        names.roles_claim = "realm_access.roles".to_owned();
        let claims = claims(json!({"user_id": "ann", "roles": ["r"]}), &names).unwrap();
        assert_eq!(claims["preferred_username"], json!("ann"));
        assert_eq!(claims["realm_access"]["roles"], json!(["r"]));
        assert_eq!(claims.get("sub"), None);
    }

    #[test]
    fn a_path_through_another_claim_is_refused() {
        let mut names = names();
        names.roles_claim = "sub.roles".to_owned();
        assert_eq!(
            claims(json!({"user_id": "ann"}), &names),
            Err(BadRequest::Crossing("sub.roles".to_owned()))
        );
    }
}
