//! The gateway's shared secret.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::http::header::HeaderMap;

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
}

impl NotAuthorized {
    /// The answer of routes that do not speak JSON-RPC: 401 or, when the
    /// service has no secret, 503.
    #[must_use]
    pub fn respond(self) -> HttpResponse {
        let status = match self {
            Self::NotConfigured => StatusCode::SERVICE_UNAVAILABLE,
            Self::Refused => StatusCode::UNAUTHORIZED,
        };
        plain_error(status, &self.to_string())
    }

    pub(super) fn rpc(self) -> RpcError {
        RpcError::new(codes::tool::UNAUTHORIZED, self.to_string())
    }
}

/// Whether the gateway is asking: `X-Gateway-Auth` holds the shared secret.
///
/// # Errors
/// [`NotAuthorized`].
pub fn authorize(service: &Service, headers: &HeaderMap) -> Result<(), NotAuthorized> {
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
