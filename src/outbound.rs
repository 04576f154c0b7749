//! The one place where HTTP clients are built: HTTP/1.1 only, no redirects,
//! no transparent decompression, connections without Nagle's delay.
//!
//! An `awc::Client` belongs to the thread that made it, so each worker, and
//! each background task that calls out, makes its own.

use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use actix_service::Service;
use actix_tls::connect::{
    ConnectError, ConnectInfo, Connection, Connector, ConnectorService, Resolver,
};
use awc::http::Uri;
use futures_util::future::LocalBoxFuture;
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;

/// Limits of a client.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// Longest time to resolve, connect and finish a TLS handshake.
    pub(crate) connect: Duration,
    /// Most connections held at once.
    pub(crate) connections: usize,
    /// Longest time an unused connection is kept.
    pub(crate) keep_alive: Duration,
}

/// A client for this thread. It sets no deadline for answers: each request
/// brings its own.
#[expect(clippy::disallowed_methods, reason = "the one door through which clients are made")]
pub(crate) fn client(limits: Limits) -> awc::Client {
    let mut roots = RootCertStore::empty();
    roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    let mut tls = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
    // HTTP/2 of this client's stack has an open advisory (RUSTSEC-2026-0258).
    tls.alpn_protocols = vec![b"http/1.1".to_vec()];
    awc::Client::builder()
        .connector(
            awc::Connector::new()
                .connector(NoDelay(Connector::new(Resolver::default()).service()))
                .rustls_0_23(Arc::new(tls))
                .timeout(limits.connect)
                .handshake_timeout(limits.connect)
                .limit(limits.connections)
                .conn_keep_alive(limits.keep_alive),
        )
        .disable_timeout()
        .disable_redirects()
        .no_default_headers()
        .finish()
}

/// Connects and switches Nagle's algorithm off, which would delay a message
/// of more than one write by tens of milliseconds.
#[derive(Clone)]
struct NoDelay(ConnectorService);

impl Service<ConnectInfo<Uri>> for NoDelay {
    type Response = Connection<Uri, TcpStream>;
    type Error = ConnectError;
    type Future = LocalBoxFuture<'static, Result<Self::Response, Self::Error>>;

    fn poll_ready(&self, _: &mut Context<'_>) -> Poll<Result<(), ConnectError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&self, request: ConnectInfo<Uri>) -> Self::Future {
        let connecting = self.0.call(request);
        Box::pin(async move {
            let connection = connecting.await?;
            // A socket that refuses the option still works, only slower.
            let _ = connection.io_ref().set_nodelay(true);
            Ok(connection)
        })
    }
}
