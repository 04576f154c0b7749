//! A token from an issuer that speaks as `dev-issuer` does (C-60).

use std::time::Duration;

use awc::http::StatusCode;
use awc::http::header::{ACCEPT, CONTENT_TYPE, HeaderName, USER_AGENT};
use bytes::Bytes;
use serde_json::Value;
use url::Url;

use super::trimmed;
use crate::secret::Secret;

/// Longest time for an answer.
const PATIENCE: Duration = Duration::from_secs(10);
/// Largest answer, in bytes.
const MAX_ANSWER: usize = 256 * 1024;
/// Repeats the issuer's admin token.
const ADMIN: HeaderName = HeaderName::from_static("x-issuer-token");

/// Whom to ask, and for what.
#[derive(Clone, Debug)]
pub(in crate::bridge) struct Issuer {
    url: Url,
    body: Bytes,
    admin: Option<Secret>,
}

impl Issuer {
    /// An issuer whose token endpoint is `url`, or `/token` there when `url`
    /// has no path.
    pub(in crate::bridge) fn new(mut url: Url, wanted: &Value, admin: Option<Secret>) -> Self {
        if matches!(url.path(), "" | "/") {
            url.set_path("/token");
        }
        Self { url, body: Bytes::from(wanted.to_string()), admin }
    }

    /// Asks for a token.
    pub(super) async fn ask(&self, client: &awc::Client) -> Result<Secret, String> {
        let fault = |why: String| format!("the issuer {}: {why}", self.shown());
        let mut request = client
            .post(self.url.as_str())
            .no_decompress()
            .insert_header((CONTENT_TYPE, "application/json"))
            .insert_header((ACCEPT, "application/json"))
            .insert_header((USER_AGENT, super::super::road::USER_AGENT_VALUE));
        if let Some(admin) = &self.admin {
            request = request.insert_header((ADMIN, admin.expose()));
        }
        let asking = async {
            let mut answer = request
                .send_body(self.body.clone())
                .await
                .map_err(|error| fault(error.to_string()))?;
            if answer.status() != StatusCode::OK {
                return Err(fault(format!("HTTP {}", answer.status())));
            }
            let body = answer.body().limit(MAX_ANSWER).await;
            let body = body.map_err(|error| fault(error.to_string()))?;
            trimmed(&body).map_err(fault)
        };
        tokio::time::timeout(PATIENCE, asking)
            .await
            .unwrap_or_else(|_| Err(fault(format!("no answer within {} s", PATIENCE.as_secs()))))
    }

    /// The URL without what may be secret in it.
    fn shown(&self) -> String {
        let mut url = self.url.clone();
        url.set_query(None);
        let _ = url.set_username("").and_then(|()| url.set_password(None));
        url.into()
    }
}
