//! MCP revisions and the two eras they fall into.
//!
//! Source: the specification's `basic/versioning`, revision 2026-07-28.

/// A way of speaking MCP over HTTP.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Era {
    /// Revisions up to 2025-11-25: `initialize`, optional sessions.
    Legacy,
    /// Revision 2026-07-28 and later: stateless, metadata on every request.
    Modern,
}

/// Revisions of the legacy era that the gateway speaks, newest first.
pub const LEGACY: [&str; 4] = ["2025-11-25", "2025-06-18", "2025-03-26", "2024-11-05"];

/// Revisions of the modern era that the gateway speaks, newest first.
pub const MODERN: [&str; 1] = ["2026-07-28"];

/// What a legacy client is offered when it asks for something unknown.
pub const LATEST_LEGACY: &str = LEGACY[0];

/// What a legacy request without a version header is taken to speak.
pub const ASSUMED_LEGACY: &str = "2025-03-26";

/// Every supported revision, newest first; the `supported` list of
/// `UnsupportedProtocolVersion` errors.
#[must_use]
pub fn supported() -> Vec<&'static str> {
    MODERN.iter().chain(LEGACY.iter()).copied().collect()
}

/// The era of a supported revision, or `None` when it is not supported.
#[must_use]
pub fn era_of(revision: &str) -> Option<Era> {
    if MODERN.contains(&revision) {
        Some(Era::Modern)
    } else if LEGACY.contains(&revision) {
        Some(Era::Legacy)
    } else {
        None
    }
}

/// The gateway's own spelling of a supported revision.
#[must_use]
pub fn known(revision: &str) -> Option<&'static str> {
    MODERN.into_iter().chain(LEGACY).find(|known| *known == revision)
}

/// The revision that answers a legacy `initialize`: the client's own if it is
/// supported and legacy, else the newest legacy one.
#[must_use]
pub fn negotiate(requested: &str) -> &'static str {
    LEGACY.into_iter().find(|revision| *revision == requested).unwrap_or(LATEST_LEGACY)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn negotiation_echoes_known_legacy_revisions_and_counters_the_rest() {
        assert_eq!(negotiate("2024-11-05"), "2024-11-05");
        assert_eq!(negotiate("2026-07-28"), "2025-11-25");
        assert_eq!(negotiate("1900-01-01"), "2025-11-25");
    }

    #[test]
    fn every_supported_revision_has_an_era() {
        assert!(supported().iter().all(|revision| era_of(revision).is_some()));
        assert_eq!(era_of("2024-10-07"), None);
    }
}
