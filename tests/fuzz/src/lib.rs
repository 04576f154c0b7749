//! The gateway's protocol room, compiled alone: it is pure and imports no
//! other room, so that the targets build in seconds. And what reads and asks a
//! policy, which needs little else.

#[path = "../../../src/protocol/mod.rs"]
pub mod protocol;

#[allow(dead_code, unused_imports, unreachable_pub)]
pub mod policy;

/// Where the policy looks for the kinds of subjects.
pub mod registry {
    pub use crate::protocol::call::SubjectKind;
}

/// Where the policy looks for the spelling of digests.
pub mod secret {
    /// Bytes in hexadecimal.
    #[must_use]
    pub fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }
}
