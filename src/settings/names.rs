//! The environment names of the reference systems, as they are. Every other
//! setting has the name `SCOPEGATE__SECTION__FIELD`.

use super::schema::nearest;

/// Before every setting's own name.
pub(super) const PREFIX: &str = "SCOPEGATE__";

/// How the text of a variable is understood.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reading {
    /// As the kind of the setting says.
    Plain,
    /// A level of Python's logging: `WARNING` and `CRITICAL` have other
    /// names here.
    PythonLevel,
    /// `true` means level `debug`, unless a level is set by its own name.
    Debug,
}

/// Name, path, reading.
const TABLE: [(&str, &str, Reading); 29] = [
    ("JWT_SECRET_KEY", "auth.default.secret_key", Reading::Plain),
    ("JWT_SECRET_KEY_FILE", "auth.default.secret_key_file", Reading::Plain),
    ("JWT_PUBLIC_KEY_FILE", "auth.default.public_key_file", Reading::Plain),
    ("JWT_JWKS_FILE", "auth.default.jwks_file", Reading::Plain),
    ("JWT_JWKS_URL", "auth.default.jwks_url", Reading::Plain),
    ("JWT_OIDC_DISCOVERY", "auth.default.oidc_discovery", Reading::Plain),
    ("JWT_ALGORITHM", "auth.default.algorithm", Reading::Plain),
    ("JWT_ALLOWED_ALGORITHMS", "auth.default.allowed_algorithms", Reading::Plain),
    ("JWT_ISSUER", "auth.default.issuer", Reading::Plain),
    ("JWT_AUDIENCE", "auth.default.audience", Reading::Plain),
    ("JWT_MAX_TOKEN_AGE_MINUTES", "auth.default.max_token_age_minutes", Reading::Plain),
    ("JWT_CLOCK_SKEW_SECONDS", "auth.default.clock_skew_seconds", Reading::Plain),
    ("JWT_USER_ID_CLAIM", "auth.default.claims.user_id", Reading::Plain),
    ("JWT_EXP_CLAIM", "auth.default.claims.exp", Reading::Plain),
    ("JWT_IAT_CLAIM", "auth.default.claims.iat", Reading::Plain),
    ("JWT_TENANT_CLAIM", "auth.default.claims.tenant", Reading::Plain),
    ("JWT_API_VERSION_CLAIM", "auth.default.claims.api_version", Reading::Plain),
    ("JWT_ROLES_CLAIM", "auth.default.claims.roles", Reading::Plain),
    ("JWT_AGENT_CLAIM", "auth.default.claims.agent", Reading::Plain),
    ("JWT_ALLOWED_API_VERSIONS", "auth.default.allowed_api_versions", Reading::Plain),
    ("TOOL_GATEWAY_SHARED_SECRET", "upstream.shared_secret", Reading::Plain),
    ("DATABASE_URL", "database.url", Reading::Plain),
    ("REDIS_URL", "redis.url", Reading::Plain),
    ("GATEWAY_PUBLIC_URL", "server.public_url", Reading::Plain),
    ("GATEWAY_RULES", "policy.agent_rules", Reading::Plain),
    ("GATEWAY_DEFAULT_AGENT", "policy.default_agent", Reading::Plain),
    ("APP_NAME", "telemetry.app_name", Reading::Plain),
    ("MCP_LOG_LEVEL", "telemetry.log_level", Reading::PythonLevel),
    ("DEBUG", "telemetry.log_level", Reading::Debug),
];

/// Names of the same family that belong to other programs.
const NOT_OURS: [&str; 1] = ["JWT_ISSUER_ADMIN_TOKEN"];

/// The path and reading of a reference name.
pub(super) fn reference(name: &str) -> Option<(&'static str, Reading)> {
    TABLE.iter().find(|row| row.0 == name).map(|&(_, path, reading)| (path, reading))
}

/// The setting's own name.
pub(super) fn own_name(path: &str) -> String {
    format!("{PREFIX}{}", path.replace('.', "__").to_ascii_uppercase())
}

/// All names that set a path, the reference name first. An item of a list
/// is set with the whole list.
pub(super) fn names_of(path: &str) -> Vec<String> {
    let path = path.split_once('[').map_or(path, |(list, _)| list);
    TABLE
        .iter()
        .filter(|row| row.1 == path && row.2 != Reading::Debug)
        .map(|row| row.0.to_owned())
        .chain([own_name(path)])
        .collect()
}

/// The reference name that a mistyped one was probably meant to be.
pub(super) fn meant(name: &str) -> Option<&'static str> {
    let unknown =
        name.starts_with("JWT_") && reference(name).is_none() && !NOT_OURS.contains(&name);
    let jwt = TABLE.iter().map(|row| row.0).filter(|known| known.starts_with("JWT_"));
    unknown.then(|| nearest(name, jwt)).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::document::Node;
    use crate::settings::schema::Schema;

    #[test]
    fn every_reference_name_leads_to_a_setting() {
        let schema = Schema::of(&Node::parse(crate::settings::DEFAULTS).unwrap());
        for (name, path, _) in TABLE {
            let keys: Vec<&str> = path.split('.').collect();
            assert!(matches!(schema.get(&keys), Some(Schema::Leaf(_))), "{name} -> {path}");
        }
    }

    #[test]
    fn names_and_paths_belong_together() {
        assert_eq!(
            own_name("auth.default.claims.roles"),
            "SCOPEGATE__AUTH__DEFAULT__CLAIMS__ROLES"
        );
        assert_eq!(names_of("database.url"), ["DATABASE_URL", "SCOPEGATE__DATABASE__URL"]);
        assert_eq!(names_of("auth.issuers[2].issuer"), ["SCOPEGATE__AUTH__ISSUERS"]);
        assert_eq!(meant("JWT_ISUER"), Some("JWT_ISSUER"));
        assert_eq!(meant("JWT_ISSUER_ADMIN_TOKEN"), None);
        assert_eq!(meant("JWT_ISSUER"), None);
    }
}
