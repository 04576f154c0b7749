//! What an issuer's claims mean, and which of them are accepted.
//!
//! Decisions where the documents are silent:
//! * A numeric date may be written as an integer or as a float without a
//!   fraction (`1.7e9`); a fraction is refused.
//! * The user id, the workspace and the API version may be a string or a
//!   number; a number counts as its JSON text, so `1.1` equals `"1.1"` (and
//!   `1.10`, which JSON does not tell apart).
//! * `null` counts as missing. A claim of the wrong type refuses the token: a
//!   list of roles with a hole in it could hide a role that is denied.

use std::sync::OnceLock;

use serde_json::{Map, Value};

use super::identity::{self, Identity};
use super::issuer::Rules;
use super::token::invalid;
use crate::error::{Reason, Refusal};

/// Longest user id, workspace, role, group, agent or version, in bytes.
const MAX_TEXT_BYTES: usize = 256;

/// Longest e-mail address, in bytes (RFC 5321 §4.5.3.1).
const MAX_EMAIL_BYTES: usize = 320;

/// Most roles, groups or agents, and most audiences.
const MAX_ITEMS: usize = 256;

/// Beyond this a float no longer tells neighbouring seconds apart.
const MAX_EXACT_FLOAT: f64 = 9_007_199_254_740_992.0;

/// The times of a token, in seconds since the Unix epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Times {
    pub(super) expires: i64,
    pub(super) not_before: Option<i64>,
    pub(super) issued: Option<i64>,
}

impl Rules {
    /// Checks all claims of a token whose signature was verified.
    pub(super) fn identify(
        &self,
        claims: &Map<String, Value>,
        now: i64,
    ) -> Result<Identity, Refusal> {
        let names = &self.claims;
        self.check_audience(claims)?;
        let times = Times {
            expires: date(claims, &names.exp)?.ok_or_else(|| missing(&names.exp))?,
            not_before: date(claims, "nbf")?,
            // With the age check off nobody looks at it (C-23).
            issued: if self.max_age > 0 { date(claims, &names.iat)? } else { None },
        };
        self.check_times(&times, now)?;
        let user_id = self.user_id(claims)?;
        Ok(Identity {
            key: identity::key(&self.issuer, &user_id),
            user_id: user_id.into(),
            issuer: self.issuer.clone(),
            roles: list(claims, &names.roles)?,
            groups: list(claims, "groups")?,
            tenant: self.tenant(claims)?.map(Into::into),
            email: email(claims),
            api_version: self.api_version(claims)?,
            agents: list(claims, &names.agent)?,
            times,
            verified: (0, 0),
            roles_text: OnceLock::new(),
            agents_text: OnceLock::new(),
        })
    }

    /// C-22 and C-23, with one tolerance for all. Also runs each time a
    /// remembered token is used again.
    pub(super) fn check_times(&self, times: &Times, now: i64) -> Result<(), Refusal> {
        if now.saturating_sub(self.skew) > times.expires {
            return Err(Refusal::telling(Reason::ExpiredToken, "JWT token has expired"));
        }
        let soon = now.saturating_add(self.skew);
        if times.not_before.is_some_and(|start| start > soon) {
            return Err(Refusal::telling(Reason::TokenNotYetValid, "JWT token not yet valid"));
        }
        if self.max_age > 0 {
            let issued = times.issued.ok_or_else(|| missing(&self.claims.iat))?;
            if issued > soon {
                return Err(invalid(format_args!(
                    "the '{}' claim lies in the future",
                    self.claims.iat
                )));
            }
            if now.saturating_sub(issued) > self.max_age.saturating_add(self.skew) {
                return Err(Refusal::telling(Reason::TokenTooOld, "JWT token too old"));
            }
        }
        Ok(())
    }

    fn check_audience(&self, claims: &Map<String, Value>) -> Result<(), Refusal> {
        let expected = |found: &str| self.audience.iter().any(|audience| audience == found);
        let meant = match claims.get("aud") {
            None | Some(Value::Null) => return Err(missing("aud")),
            Some(Value::String(one)) => expected(one),
            Some(Value::Array(many)) if many.len() <= MAX_ITEMS => {
                many.iter().filter_map(Value::as_str).any(expected)
            }
            Some(_) => return Err(unreadable("aud")),
        };
        if meant {
            Ok(())
        } else {
            Err(Refusal::telling(
                Reason::WrongAudience,
                "Invalid JWT token: made for another audience",
            ))
        }
    }

    /// C-25: the mapped claim; `user_id` stands in for a missing `sub`.
    fn user_id(&self, claims: &Map<String, Value>) -> Result<String, Refusal> {
        let name = &self.claims.user_id;
        let mut found = text(claims, name)?;
        if found.is_none() && name == "sub" {
            found = text(claims, "user_id")?;
        }
        found.ok_or_else(|| missing(name))
    }

    /// C-25: the mapped claim; `workspace` and `tenant` stand in for each
    /// other.
    fn tenant(&self, claims: &Map<String, Value>) -> Result<Option<String>, Refusal> {
        let name = self.claims.tenant.as_str();
        let found = text(claims, name)?;
        match (found, name) {
            (None, "workspace") => text(claims, "tenant"),
            (None, "tenant") => text(claims, "workspace"),
            (found, _) => Ok(found),
        }
    }

    /// C-24. Without an allow list the claim is for information, and one that
    /// cannot be read is as good as none.
    fn api_version(&self, claims: &Map<String, Value>) -> Result<Option<String>, Refusal> {
        let found = text(claims, &self.claims.api_version);
        if self.api_versions.is_empty() {
            return Ok(found.unwrap_or(None));
        }
        match found? {
            Some(version) if self.api_versions.contains(&version) => Ok(Some(version)),
            _ => Err(Refusal::telling(
                Reason::UnsupportedApiVersion,
                "Invalid JWT token: unsupported api version",
            )),
        }
    }
}

/// The claim `iss`.
pub(super) fn issuer(claims: &Map<String, Value>) -> Result<&str, Refusal> {
    match claims.get("iss") {
        Some(Value::String(issuer)) => Ok(issuer),
        None | Some(Value::Null) => Err(missing("iss")),
        Some(_) => Err(unreadable("iss")),
    }
}

/// A claim by name. The whole name wins; otherwise each dot reaches into an
/// object.
fn find<'a>(claims: &'a Map<String, Value>, name: &str) -> Option<&'a Value> {
    let found = claims.get(name).or_else(|| {
        let (first, rest) = name.split_once('.')?;
        rest.split('.').try_fold(claims.get(first)?, |value, step| value.as_object()?.get(step))
    });
    found.filter(|value| !value.is_null())
}

fn date(claims: &Map<String, Value>, name: &str) -> Result<Option<i64>, Refusal> {
    let Some(value) = find(claims, name) else { return Ok(None) };
    let whole = |float: f64| float.fract() == 0.0 && float.abs() <= MAX_EXACT_FLOAT;
    let seconds = value.as_i64().or_else(|| {
        #[expect(clippy::cast_possible_truncation, reason = "whole and within 53 bits")]
        value.as_f64().filter(|&float| whole(float)).map(|float| float as i64)
    });
    seconds.map(Some).ok_or_else(|| invalid(format_args!("the '{name}' claim must be an integer")))
}

fn text(claims: &Map<String, Value>, name: &str) -> Result<Option<String>, Refusal> {
    match find(claims, name) {
        None => Ok(None),
        Some(Value::String(text)) if is_plain(text) => Ok(Some(text.clone())),
        Some(Value::Number(number)) => Ok(Some(number.to_string())),
        Some(_) => Err(unreadable(name)),
    }
}

/// An array of strings, or one string separated by spaces. Each once.
fn list(claims: &Map<String, Value>, name: &str) -> Result<Vec<String>, Refusal> {
    let mut items = Vec::new();
    let mut add = |item: &str| {
        if items.len() == MAX_ITEMS || !is_plain(item) {
            return Err(unreadable(name));
        }
        if !items.iter().any(|known| known == item) {
            items.push(item.to_owned());
        }
        Ok(())
    };
    match find(claims, name) {
        None => {}
        Some(Value::String(text)) => text.split_ascii_whitespace().try_for_each(&mut add)?,
        Some(Value::Array(values)) => values
            .iter()
            .try_for_each(|value| add(value.as_str().ok_or_else(|| unreadable(name))?))?,
        Some(_) => return Err(unreadable(name)),
    }
    Ok(items)
}

fn email(claims: &Map<String, Value>) -> Option<String> {
    let email = claims.get("email")?.as_str()?;
    let plain = email.len() <= MAX_EMAIL_BYTES && !email.chars().any(char::is_control);
    (plain && !email.is_empty()).then(|| email.to_owned())
}

/// Names end up in headers, log lines and quota keys, so they are short, of
/// visible characters, and without white space that a header would lose.
fn is_plain(text: &str) -> bool {
    !text.is_empty()
        && text.len() <= MAX_TEXT_BYTES
        && text.trim().len() == text.len()
        && !text.chars().any(char::is_control)
}

fn missing(name: &str) -> Refusal {
    invalid(format_args!("missing required '{name}' claim"))
}

fn unreadable(name: &str) -> Refusal {
    invalid(format_args!("the '{name}' claim cannot be read"))
}
