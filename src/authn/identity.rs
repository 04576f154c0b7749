//! Who is calling.

use std::sync::{Arc, OnceLock};

use chrono::{DateTime, Utc};

use super::claims::Times;

/// What a verified token says about its bearer.
#[derive(Debug)]
pub(super) struct Identity {
    pub(super) key: String,
    pub(super) user_id: Arc<str>,
    pub(super) issuer: Arc<str>,
    pub(super) roles: Vec<String>,
    pub(super) groups: Vec<String>,
    pub(super) tenant: Option<Arc<str>>,
    pub(super) email: Option<String>,
    pub(super) api_version: Option<String>,
    pub(super) agents: Vec<String>,
    pub(super) times: Times,
    /// The issuer's place among the configured ones, and the generation of its
    /// keys that the token was verified with.
    pub(super) verified: (usize, u64),
    /// The roles as JSON, once somebody has asked.
    pub(super) roles_text: OnceLock<Arc<str>>,
    /// The only agent profile, or several as JSON, once somebody has asked.
    pub(super) agents_text: OnceLock<Arc<str>>,
}

/// The authenticated principal of a request. Only this room makes one, so
/// whoever holds it knows that a token was verified. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Caller(Arc<Identity>);

impl Caller {
    pub(super) fn new(identity: Arc<Identity>) -> Self {
        Self(identity)
    }

    /// The user: 1 to 256 bytes, no control characters, no white space at
    /// either end. Unique only together with [`issuer`](Self::issuer).
    #[must_use]
    pub(crate) fn user_id(&self) -> &str {
        &self.0.user_id
    }

    /// Issuer and user as one text, unique over all issuers: what counts and
    /// owns things is keyed by it.
    #[must_use]
    pub(crate) fn key(&self) -> &str {
        &self.0.key
    }

    /// What its token was verified with.
    pub(super) fn verified(&self) -> (usize, u64) {
        self.0.verified
    }

    /// The [`key`](Self::key) of somebody who is not here.
    #[must_use]
    pub(crate) fn key_of(issuer: &str, user_id: &str) -> String {
        key(issuer, user_id)
    }

    /// The user, for those who keep it.
    pub(crate) fn shared_user_id(&self) -> Arc<str> {
        Arc::clone(&self.0.user_id)
    }

    /// The issuer, for those who keep it.
    pub(crate) fn shared_issuer(&self) -> Arc<str> {
        Arc::clone(&self.0.issuer)
    }

    /// The workspace, for those who keep it.
    pub(crate) fn shared_tenant(&self) -> Option<Arc<str>> {
        self.0.tenant.clone()
    }

    /// The roles, in the token's order, each once.
    #[must_use]
    pub(crate) fn roles(&self) -> &[String] {
        &self.0.roles
    }

    /// The roles as a JSON array, made once for each token; nothing where there
    /// are none.
    pub(crate) fn roles_text(&self) -> Option<Arc<str>> {
        if self.0.roles.is_empty() {
            return None;
        }
        let made = || serde_json::Value::from(self.0.roles.as_slice()).to_string().into();
        Some(Arc::clone(self.0.roles_text.get_or_init(made)))
    }

    /// The agent profiles as a JSON array, made once for each token, where there
    /// are several.
    pub(crate) fn agents_text(&self) -> Option<Arc<str>> {
        let agents = self.0.agents.as_slice();
        let made = || serde_json::Value::from(agents).to_string().into();
        (agents.len() > 1).then(|| Arc::clone(self.0.agents_text.get_or_init(made)))
    }

    /// The workspace.
    #[must_use]
    pub(crate) fn tenant(&self) -> Option<&str> {
        self.0.tenant.as_deref()
    }

    /// The agent profiles the caller may act as.
    #[must_use]
    pub(crate) fn agents(&self) -> &[String] {
        &self.0.agents
    }

    /// The agent profile, where the token allows exactly one.
    pub(crate) fn only_agent(&self) -> Option<Arc<str>> {
        match self.agents() {
            [agent] => {
                let made = || Arc::from(agent.as_str());
                Some(Arc::clone(self.0.agents_text.get_or_init(made)))
            }
            _ => None,
        }
    }

    /// The issuer that vouches for the caller.
    #[must_use]
    pub(crate) fn issuer(&self) -> &str {
        &self.0.issuer
    }

    /// When the token expires, without the tolerance for clock skew.
    #[must_use]
    pub(crate) fn expires_at(&self) -> DateTime<Utc> {
        DateTime::from_timestamp(self.0.times.expires, 0).unwrap_or(DateTime::<Utc>::MAX_UTC)
    }

    /// Whether the caller has a role; names are compared exactly.
    #[must_use]
    pub(crate) fn has_role(&self, role: &str) -> bool {
        self.0.roles.iter().any(|held| held == role)
    }

    /// A caller for the tests of other rooms.
    #[cfg(test)]
    #[must_use]
    pub(crate) fn for_test(user: &str, roles: &[&str], tenant: Option<&str>) -> Self {
        Self(Arc::new(Identity {
            key: key("https://issuer.test", user),
            user_id: Arc::from(user),
            issuer: Arc::from("https://issuer.test"),
            roles: roles.iter().map(|&role| role.to_owned()).collect(),
            groups: Vec::new(),
            tenant: tenant.map(Arc::from),
            email: None,
            api_version: None,
            agents: Vec::new(),
            times: Times { expires: 4_102_444_800, not_before: None, issued: None },
            verified: (0, 0),
            roles_text: OnceLock::new(),
            agents_text: OnceLock::new(),
        }))
    }
}

/// What the token says for conditions of the policy.
impl Caller {
    /// The groups of the claim `groups`, in the token's order, each once.
    #[must_use]
    pub(crate) fn groups(&self) -> &[String] {
        &self.0.groups
    }

    /// The claim `email`, as it stands: nobody says that it was verified.
    #[must_use]
    pub(crate) fn email(&self) -> Option<&str> {
        self.0.email.as_deref()
    }

    /// The version of the API the token was made for.
    #[cfg_attr(not(test), expect(dead_code, reason = "nobody asks for it yet"))]
    #[must_use]
    pub(crate) fn api_version(&self) -> Option<&str> {
        self.0.api_version.as_deref()
    }
}

/// Neither part can hold a line break, so no two pairs share a key.
pub(super) fn key(issuer: &str, user_id: &str) -> String {
    format!("{issuer}\n{user_id}")
}
