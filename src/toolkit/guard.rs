//! The gateway's shared secret.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::http::header::{HeaderMap, ORIGIN};

use super::answer::{RpcError, plain_error};
use super::service::Service;
use crate::protocol::{codes, headers};

/// Why a request does not count as the gateway's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotAuthorized {
    /// This service has no secret, so nobody can know it.
    #[error("Gateway authentication not configured")]
    NotConfigured,
    /// The header is missing, appears twice, or is wrong.
    #[error("Unauthorized gateway request")]
    Refused,
    /// A page in a browser is asking, which the gateway never is.
    #[error("Origin not allowed")]
    ForeignOrigin,
}

impl NotAuthorized {
    /// The answer of routes that do not speak JSON-RPC: 401, 403 to a page or,
    /// when the service has no secret, 503.
    #[must_use]
    pub fn respond(self) -> HttpResponse {
        let status = match self {
            Self::NotConfigured => StatusCode::SERVICE_UNAVAILABLE,
            Self::Refused => StatusCode::UNAUTHORIZED,
            Self::ForeignOrigin => StatusCode::FORBIDDEN,
        };
        plain_error(status, &self.to_string())
    }

    pub(super) fn rpc(self) -> RpcError {
        RpcError::new(codes::tool::UNAUTHORIZED, self.to_string())
    }
}

/// Whether the gateway is asking: `X-Gateway-Auth` holds the shared secret, and
/// no page of a site elsewhere has sent it (DNS rebinding; MCP's transport asks
/// servers to look at `Origin`).
///
/// # Errors
/// [`NotAuthorized`].
pub fn authorize(service: &Service, headers: &HeaderMap) -> Result<(), NotAuthorized> {
    if headers.get_all(ORIGIN).any(|origin| !is_loopback(origin.as_bytes())) {
        tracing::warn!("a request of a page in a browser was refused");
        return Err(NotAuthorized::ForeignOrigin);
    }
    let Some(secret) = &service.secret else { return Err(NotAuthorized::NotConfigured) };
    let mut presented = headers.get_all(headers::GATEWAY_AUTH);
    match (presented.next(), presented.next()) {
        (Some(value), None) if secret.matches(value.as_bytes()) => Ok(()),
        _ => {
            tracing::warn!("a request without the gateway's secret was refused");
            Err(NotAuthorized::Refused)
        }
    }
}

/// Whether an origin is on this machine: `http://localhost:6274` and its like.
fn is_loopback(origin: &[u8]) -> bool {
    let Ok(origin) = std::str::from_utf8(origin) else { return false };
    let Some((_, authority)) = origin.split_once("://") else { return false };
    ["localhost", "127.0.0.1", "[::1]"].iter().any(|host| {
        authority.strip_prefix(host).is_some_and(|rest| {
            rest.is_empty()
                || rest.strip_prefix(':').is_some_and(|port| port.parse::<u16>().is_ok())
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_origins_of_this_machine_are_loopback() {
        for near in
            ["http://localhost", "http://localhost:6274", "https://127.0.0.1:1", "http://[::1]:80"]
        {
            assert!(is_loopback(near.as_bytes()), "{near}");
        }
        for far in [
            "",
            "null",
            "localhost",
            "http://localhost.evil.example",
            "http://evil.example",
            "http://localhost:80.evil.example",
            "http://localhost:",
            "http://user@localhost",
            "http://127.0.0.10",
        ] {
            assert!(!is_loopback(far.as_bytes()), "{far}");
        }
        assert!(!is_loopback(b"http://\xff"));
    }
}
