//! What is wrong with the settings of this room.

use std::fmt;

/// One thing that must be put right before the gateway can start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Problem {
    /// The setting's path, such as `auth.default.secret_key`.
    pub setting: String,
    /// The environment name that sets it, where there is one.
    pub env: Option<String>,
    /// What is wrong. Never a secret.
    pub message: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.setting)?;
        if let Some(env) = &self.env {
            write!(f, " ({env})")?;
        }
        write!(f, ": {}", self.message)
    }
}

/// Where an issuer stands in the settings.
#[derive(Clone, Debug)]
pub(super) enum Place {
    /// `auth.default`, which the environment sets as well.
    Default,
    /// `auth.issuers[n]`.
    Further(usize),
}

impl Place {
    /// A problem with one of the issuer's fields.
    pub(super) fn problem(&self, field: &str, message: impl Into<String>) -> Problem {
        let (setting, env) = match self {
            Self::Default => (format!("auth.default.{field}"), Some(environment_name(field))),
            Self::Further(index) => (format!("auth.issuers[{index}].{field}"), None),
        };
        Problem { setting, env, message: message.into() }
    }
}

/// The reference systems' names where they have one, else the general rule.
fn environment_name(field: &str) -> String {
    match field {
        "issuer" => "JWT_ISSUER".to_owned(),
        "audience" => "JWT_AUDIENCE".to_owned(),
        "algorithm" => "JWT_ALGORITHM".to_owned(),
        "allowed_algorithms" => "JWT_ALLOWED_ALGORITHMS".to_owned(),
        "secret_key" => "JWT_SECRET_KEY".to_owned(),
        "claims.user_id" => "JWT_USER_ID_CLAIM".to_owned(),
        "claims.exp" => "JWT_EXP_CLAIM".to_owned(),
        "claims.iat" => "JWT_IAT_CLAIM".to_owned(),
        other => {
            format!("SCOPEGATE__AUTH__DEFAULT__{}", other.to_uppercase().replace('.', "__"))
        }
    }
}
