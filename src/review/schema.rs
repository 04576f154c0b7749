//! The JSON schema of policy files, for editors and CI.

/// As it is published beside `config/policy.yaml`.
pub(super) fn text() -> String {
    crate::policy::schema()
}
