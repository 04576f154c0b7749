//! The one lane for what wants no answer: notifications, and the client's
//! answers to requests of the server's. They leave in the order they came,
//! so that the progress of something never overtakes its end.

use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::desk::Desk;
use super::fault::Fault;
use super::gate::{Gate, Key};
use super::road::Headers;

/// Messages that wait.
const LENGTH: usize = 64;
/// Longest time for the endpoint to take one in.
const PATIENCE: Duration = Duration::from_mins(1);

/// A message that wants no answer.
pub(super) struct Item {
    pub(super) what: What,
    pub(super) message: Bytes,
    pub(super) gate: Gate,
}

/// What it is.
pub(super) enum What {
    /// `notifications/initialized`: later messages wait until it has arrived.
    Initialized(Key),
    /// Within the session.
    Legacy,
    /// On its own, with these headers.
    Modern(Headers),
}

/// Begins to send; the task ends when the sender is dropped and all is sent.
pub(super) fn open(desk: Rc<Desk>) -> (mpsc::Sender<Item>, JoinHandle<()>) {
    let (sender, mut waiting) = mpsc::channel::<Item>(LENGTH);
    let task = tokio::task::spawn_local(async move {
        while let Some(item) = waiting.recv().await {
            send(&desk, item).await;
        }
    });
    (sender, task)
}

async fn send(desk: &Rc<Desk>, item: Item) {
    let headers = match &item.what {
        What::Modern(headers) => headers.clone(),
        What::Initialized(_) | What::Legacy => {
            item.gate.passed().await;
            desk.session.headers()
        }
    };
    let accepted = post(desk, &headers, item.message).await;
    if let (What::Initialized(key), true) = (item.what, accepted) {
        desk.session.listen(desk);
        drop(key);
    }
}

/// Posts a message; whether it was taken in. Its sender waits for nothing, so
/// that there is nobody to tell but the log.
pub(super) async fn post(desk: &Desk, headers: &Headers, message: Bytes) -> bool {
    let posted = tokio::time::timeout(PATIENCE, desk.road.post(headers, message, None)).await;
    match posted {
        Ok(Ok(reply)) if reply.status.is_success() => return true,
        Ok(Ok(reply)) => {
            if reply.status == awc::http::StatusCode::NOT_FOUND {
                desk.session.lost(headers, false);
            }
            let fault = Fault::Http(reply.status, None);
            tracing::warn!("a message that wants no answer was refused: {fault}");
        }
        Ok(Err(fault)) => tracing::warn!("a message that wants no answer was lost: {fault}"),
        Err(_) => tracing::warn!("a message that wants no answer was not taken in in time"),
    }
    false
}
