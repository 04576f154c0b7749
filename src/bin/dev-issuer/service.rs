//! The HTTP face of the issuer.

use std::time::Duration;

use actix_web::http::StatusCode;
use actix_web::http::header::{CACHE_CONTROL, CONTENT_TYPE, ORIGIN};
use actix_web::{App, HttpRequest, HttpResponse, HttpServer, ResponseError, web};
use anyhow::{Context as _, bail};
use scopegate::clock::Clock;
use scopegate::secret::Secret;
use serde_json::json;

use crate::claims::TokenRequest;
use crate::issuer::{Issuer, MintError};
use crate::options::{Options, ServingOptions};

/// Largest body of a request, in bytes.
const MAX_BODY: usize = 64 * 1024;
/// Longest time for a request's head, and again for its body.
const READ_TIMEOUT: Duration = Duration::from_secs(5);
/// The header that repeats `JWT_ISSUER_ADMIN_TOKEN`.
const ADMIN_HEADER: &str = "X-Issuer-Token";

/// What the handlers share.
struct Service {
    issuer: Issuer,
    admin_token: Option<Secret>,
    /// How clients reach the service, without a trailing slash.
    base: String,
}

/// Serves until the process is told to end.
///
/// # Errors
/// Wrong options, or an address that cannot be had.
pub(crate) fn run(options: &Options) -> anyhow::Result<()> {
    tracing_subscriber::fmt().json().flatten_event(true).with_writer(std::io::stderr).init();
    let ServingOptions { listen, ref admin_token, .. } = options.serving;
    check_exposure(&options.serving)?;
    let issuer = Issuer::new(&options.signing, Clock::system())?;
    let listener = std::net::TcpListener::bind(listen)
        .with_context(|| format!("cannot listen on {listen} (DEV_ISSUER_LISTEN)"))?;
    let address = listener.local_addr().context("the listener has no address")?;
    let base = match &options.serving.public_url {
        Some(url) => url.as_str().trim_end_matches('/').to_owned(),
        None => format!("http://{address}"),
    };
    let service = web::Data::new(Service { issuer, admin_token: admin_token.clone(), base });
    actix_web::rt::System::new().block_on(async move {
        let server =
            HttpServer::new(move || App::new().app_data(service.clone()).configure(routes))
                .workers(1)
                .tcp_nodelay(true)
                .h1_allow_half_closed(false)
                .client_request_timeout(READ_TIMEOUT)
                .max_connections(256)
                .shutdown_timeout(5)
                .listen(listener)
                .context("cannot listen")?;
        tracing::info!(service = "dev-issuer", %address, "listening");
        server.run().await.context("the server failed")
    })
}

/// Anybody who reaches this service can be anybody, so who may reach it is
/// decided on purpose.
fn check_exposure(serving: &ServingOptions) -> anyhow::Result<()> {
    if serving.listen.ip().is_loopback() {
        return Ok(());
    }
    if !serving.allow_non_loopback {
        bail!(
            "refusing to listen on {}, which other machines may reach: this service gives any \
             token to anybody; listen on 127.0.0.1, or add --allow-non-loopback if you mean it",
            serving.listen
        );
    }
    let Some(token) = &serving.admin_token else {
        bail!("--allow-non-loopback needs JWT_ISSUER_ADMIN_TOKEN");
    };
    token.check_strength().map_err(|weakness| {
        anyhow::anyhow!("JWT_ISSUER_ADMIN_TOKEN {weakness}, which --allow-non-loopback forbids")
    })
}

fn routes(app: &mut web::ServiceConfig) {
    app.service(
        web::resource("/token").route(web::post().to(token)).default_service(web::to(wrong_method)),
    )
    .route("/health", web::get().to(health))
    .route("/jwks.json", web::get().to(keys))
    .route("/.well-known/openid-configuration", web::get().to(discovery))
    .default_service(web::to(not_found));
}

async fn token(
    service: web::Data<Service>,
    request: HttpRequest,
    payload: web::Payload,
) -> Result<HttpResponse, Failure> {
    // A page in the developer's browser can reach loopback too. Browsers
    // name the page in `Origin` on every POST; programs do not.
    if request.headers().contains_key(ORIGIN) {
        return Err(Failure::Browser);
    }
    if let Some(expected) = &service.admin_token {
        let presented = request.headers().get(ADMIN_HEADER).map_or(&b""[..], |v| v.as_bytes());
        if !expected.matches(presented) {
            return Err(Failure::Unauthorized);
        }
    }
    if !is_json(&request) {
        return Err(Failure::NotJson);
    }
    let body = actix_web::rt::time::timeout(READ_TIMEOUT, payload.to_bytes_limited(MAX_BODY))
        .await
        .map_err(|_| Failure::TooSlow)?
        .map_err(|_| Failure::TooLarge)?
        .map_err(|problem| Failure::Malformed(problem.to_string()))?;
    let wanted: TokenRequest =
        serde_json::from_slice(&body).map_err(|problem| Failure::Malformed(problem.to_string()))?;
    let user_id = wanted.user_id.clone();
    let token = service.issuer.mint(wanted)?;
    tracing::info!(user_id, expires_at_epoch = token.expires_at_epoch, "token issued");
    Ok(HttpResponse::Ok().insert_header((CACHE_CONTROL, "no-store")).json(token))
}

async fn health() -> HttpResponse {
    HttpResponse::Ok().json(
        json!({"status": "ok", "service": "dev-issuer", "version": env!("CARGO_PKG_VERSION")}),
    )
}

async fn keys(service: web::Data<Service>) -> HttpResponse {
    HttpResponse::Ok().json(service.issuer.public_keys())
}

async fn discovery(service: web::Data<Service>) -> HttpResponse {
    HttpResponse::Ok().json(service.issuer.discovery(&service.base))
}

async fn wrong_method() -> HttpResponse {
    Failure::WrongMethod.error_response()
}

async fn not_found() -> HttpResponse {
    Failure::NotFound.error_response()
}

fn is_json(request: &HttpRequest) -> bool {
    let value = request.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    value
        .and_then(|value| value.split(';').next())
        .is_some_and(|kind| kind.trim().eq_ignore_ascii_case("application/json"))
}

/// What goes wrong with a request, and its answer (C-13, C-60).
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error("{ADMIN_HEADER} is missing or wrong")]
    Unauthorized,
    #[error("requests from browser pages are refused")]
    Browser,
    #[error("no such path")]
    NotFound,
    #[error("use POST")]
    WrongMethod,
    #[error("the Content-Type must be application/json")]
    NotJson,
    #[error("the body is larger than {MAX_BODY} bytes")]
    TooLarge,
    #[error("the body did not arrive in time")]
    TooSlow,
    #[error("the body is not a token request: {0}")]
    Malformed(String),
    #[error(transparent)]
    Mint(#[from] MintError),
}

impl Failure {
    fn code(&self) -> (StatusCode, &'static str) {
        match self {
            Self::Unauthorized => (StatusCode::UNAUTHORIZED, "unauthorized"),
            Self::Browser => (StatusCode::FORBIDDEN, "forbidden_origin"),
            Self::NotFound => (StatusCode::NOT_FOUND, "not_found"),
            Self::WrongMethod => (StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed"),
            Self::NotJson => (StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type"),
            Self::TooLarge => (StatusCode::PAYLOAD_TOO_LARGE, "PAYLOAD_TOO_LARGE"),
            Self::TooSlow => (StatusCode::REQUEST_TIMEOUT, "request_timeout"),
            Self::Malformed(_) | Self::Mint(MintError::BadRequest(_)) => {
                (StatusCode::BAD_REQUEST, "invalid_request")
            }
            Self::Mint(MintError::Signing(_)) => {
                (StatusCode::INTERNAL_SERVER_ERROR, "internal_error")
            }
        }
    }
}

impl ResponseError for Failure {
    fn status_code(&self) -> StatusCode {
        self.code().0
    }

    fn error_response(&self) -> HttpResponse {
        let (status, code) = self.code();
        let mut answer = HttpResponse::build(status);
        if matches!(self, Self::WrongMethod) {
            answer.insert_header(("Allow", "POST"));
        }
        answer.json(json!({"error": code, "message": self.to_string()}))
    }
}
