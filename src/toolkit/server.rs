//! Listening, and stopping in order.

use std::future::Future;
use std::io;
use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use actix_web::dev::Server;
use actix_web::rt::signal::unix::{SignalKind, signal};
use actix_web::{App, HttpServer};

use super::routes;
use super::service::Service;

/// How long an idle connection is kept. Longer than the gateway keeps its
/// own, so that the gateway never writes to one that is being closed.
const KEEP_ALIVE: Duration = Duration::from_secs(75);
/// Longest time a request's head may take to arrive.
const HEAD_TIMEOUT: Duration = Duration::from_secs(5);
/// Most connections of one worker.
const CONNECTIONS: usize = 4096;

/// Serves on a listener until `stop` is done; then takes no new connection,
/// finishes the calls at work, and ends.
///
/// # Errors
/// When the listener cannot be used.
pub fn serve_on(
    service: &Arc<Service>,
    listener: TcpListener,
    workers: usize,
    stop: impl Future<Output = ()> + Send + 'static,
) -> io::Result<Server> {
    let limits = *service.limits();
    let app = Arc::clone(service);
    let server =
        HttpServer::new(move || App::new().configure(|config| routes::configure(&app, config)))
            .workers(workers)
            .worker_max_blocking_threads(limits.max_concurrent_calls.max(1))
            .max_connections(CONNECTIONS)
            .tcp_nodelay(true)
            .h1_allow_half_closed(false)
            .keep_alive(KEEP_ALIVE)
            .client_request_timeout(HEAD_TIMEOUT)
            .shutdown_timeout(limits.call_timeout.as_secs().saturating_add(5))
            .shutdown_signal(stop)
            .listen(listener)?;
    Ok(server.run())
}

/// Done at the first SIGTERM or SIGINT.
///
/// # Errors
/// When the signals cannot be caught.
pub(super) fn stop_signal() -> io::Result<impl Future<Output = ()> + Send + 'static> {
    let first = signals(1)?;
    Ok(async move {
        first.await;
        tracing::info!("stopping");
    })
}

/// Done at the second one, for who will not wait for the calls at work.
///
/// # Errors
/// When the signals cannot be caught.
pub(super) fn second_signal() -> io::Result<impl Future<Output = ()> + Send + 'static> {
    let second = signals(2)?;
    Ok(async move {
        second.await;
        tracing::warn!("a second signal: stopping at once");
    })
}

fn signals(count: usize) -> io::Result<impl Future<Output = ()> + Send + 'static> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(async move {
        for _ in 0..count {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
        }
    })
}
