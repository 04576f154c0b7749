//! What a resource server says about how to get a token: the
//! `WWW-Authenticate` header (RFC 6750 §3, RFC 9728 §5.1) and the metadata
//! document (RFC 9728 §3). Built from the configured public URL, never from
//! a request's `Host`.

use serde::Serialize;
use url::Url;

use crate::error::Reason;

/// Where RFC 9728 documents are.
const WELL_KNOWN: &str = "/.well-known/oauth-protected-resource";

/// The RFC 9728 document of one resource.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct ResourceMetadata {
    /// The URL of the resource: the endpoint, or the gateway as a whole.
    pub resource: String,
    /// Issuers that are URLs; left out when none is, as for a shared secret
    /// whose issuer is only a name.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub authorization_servers: Vec<String>,
    /// Always `header`.
    pub bearer_methods_supported: [&'static str; 1],
    /// For people.
    pub resource_name: String,
}

/// The metadata of the resource at `path` (`/calculator/mcp`; `/` or nothing
/// for the whole gateway).
#[must_use]
pub(crate) fn resource_metadata<'a>(
    public_url: &Url,
    path: &str,
    issuers: impl IntoIterator<Item = &'a str>,
    name: &str,
) -> ResourceMetadata {
    let is_url = |issuer: &&str| {
        Url::parse(issuer).is_ok_and(|url| {
            matches!(url.scheme(), "https" | "http")
                && url.query().is_none()
                && url.fragment().is_none()
        })
    };
    ResourceMetadata {
        resource: format!("{}{}", origin(public_url), resource_path(public_url, path)),
        authorization_servers: issuers.into_iter().filter(is_url).map(str::to_owned).collect(),
        bearer_methods_supported: ["header"],
        resource_name: name.to_owned(),
    }
}

/// The URL of that document: the well-known path stands between the host and
/// the resource's own path (RFC 9728 §3.1).
#[must_use]
pub(crate) fn metadata_url(public_url: &Url, path: &str) -> String {
    format!("{}{WELL_KNOWN}{}", origin(public_url), resource_path(public_url, path))
}

/// The `WWW-Authenticate` value for a refused authentication; nothing when
/// the reason is none that credentials could mend.
///
/// Missing credentials get no error code (RFC 6750 §3.1), so that a client
/// that only asked its way does not believe its token was refused.
#[must_use]
pub(crate) fn challenge(
    reason: Reason,
    description: Option<&str>,
    metadata_url: &str,
) -> Option<String> {
    let error = if reason == Reason::MissingCredentials {
        None
    } else if matches!(reason, Reason::MalformedCredentials | Reason::TokenInQuery) {
        Some("invalid_request")
    } else if reason.is_authentication() && reason != Reason::KeysUnavailable {
        Some("invalid_token")
    } else {
        // No matter of credentials; nor can the caller mend that the
        // issuer's keys are away.
        return None;
    };
    let mut value = String::from("Bearer ");
    if let Some(error) = error {
        parameter(&mut value, "error", error);
        if let Some(description) = description {
            parameter(&mut value, "error_description", description);
        }
    }
    parameter(&mut value, "resource_metadata", metadata_url);
    Some(value)
}

/// Adds a quoted parameter. What may not stand in one (RFC 6750 §3: quotes,
/// backslashes, anything but printable ASCII) becomes an apostrophe.
fn parameter(header: &mut String, name: &str, value: &str) {
    if !header.ends_with(' ') {
        header.push_str(", ");
    }
    header.push_str(name);
    header.push_str("=\"");
    header.extend(value.chars().map(|c| match c {
        '"' | '\\' => '\'',
        ' '..='~' => c,
        _ => '\'',
    }));
    header.push('"');
}

fn origin(url: &Url) -> String {
    url.origin().ascii_serialization()
}

/// The public URL's own path and the resource's, without a trailing slash.
fn resource_path(public_url: &Url, path: &str) -> String {
    let prefix = public_url.path().trim_end_matches('/');
    let path = path.trim_matches('/');
    if path.is_empty() { prefix.to_owned() } else { format!("{prefix}/{path}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DOCUMENT: &str = "https://gw.example/.well-known/oauth-protected-resource/calculator/mcp";

    fn url(text: &str) -> Url {
        Url::parse(text).unwrap()
    }

    #[test]
    fn missing_credentials_are_asked_for_without_an_error() {
        let value = challenge(Reason::MissingCredentials, Some("unused"), DOCUMENT).unwrap();
        assert_eq!(value, format!("Bearer resource_metadata=\"{DOCUMENT}\""));
    }

    #[test]
    fn a_refused_token_is_named_as_such() {
        let value = challenge(Reason::ExpiredToken, Some("JWT token has expired"), DOCUMENT);
        assert_eq!(
            value.unwrap(),
            format!(
                "Bearer error=\"invalid_token\", error_description=\"JWT token has expired\", \
                 resource_metadata=\"{DOCUMENT}\""
            )
        );
        let value = challenge(Reason::TokenInQuery, None, DOCUMENT).unwrap();
        assert!(value.starts_with("Bearer error=\"invalid_request\", resource"), "{value}");
    }

    #[test]
    fn only_authentication_is_challenged() {
        for reason in Reason::ALL {
            let expected = reason.is_authentication() && reason != Reason::KeysUnavailable;
            assert_eq!(challenge(reason, None, DOCUMENT).is_some(), expected, "{reason:?}");
        }
    }

    #[test]
    fn nothing_breaks_out_of_the_quotes() {
        let value = challenge(Reason::InvalidToken, Some("a\"b\\c\r\nd é"), DOCUMENT).unwrap();
        assert!(value.contains("error_description=\"a'b'c''d '\""), "{value}");
    }

    #[test]
    fn documents_are_where_clients_look_for_them() {
        let gateway = url("https://gw.example/");
        assert_eq!(metadata_url(&gateway, "/calculator/mcp"), DOCUMENT);
        assert_eq!(metadata_url(&gateway, "calculator/mcp/"), DOCUMENT);
        let root = "https://gw.example/.well-known/oauth-protected-resource";
        assert_eq!(metadata_url(&gateway, ""), root);
        let prefixed = metadata_url(&url("http://localhost:8000/gw/"), "/git/sse");
        assert_eq!(
            prefixed,
            "http://localhost:8000/.well-known/oauth-protected-resource/gw/git/sse"
        );
    }

    #[test]
    fn the_metadata_names_the_resource_and_its_issuers() {
        let issuers = ["https://idp.example/realm", "only-a-name", "https://i.example/?x"];
        let document =
            resource_metadata(&url("https://GW.example"), "/calculator/mcp", issuers, "calculator");
        assert_eq!(
            serde_json::to_value(document).unwrap(),
            serde_json::json!({
                "resource": "https://gw.example/calculator/mcp",
                "authorization_servers": ["https://idp.example/realm"],
                "bearer_methods_supported": ["header"],
                "resource_name": "calculator",
            })
        );
        let root = resource_metadata(&url("https://gw.example"), "/", [], "MCP Gateway");
        assert_eq!(root.resource, "https://gw.example");
        let json = serde_json::to_value(root).unwrap();
        assert!(json.get("authorization_servers").is_none());
    }
}
