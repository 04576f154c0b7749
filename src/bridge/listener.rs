//! The legacy stream on which a server speaks unasked.

use std::rc::Rc;
use std::time::Duration;

use awc::http::StatusCode;

use super::backoff::Backoff;
use super::desk::Desk;
use super::events::Events;
use super::exchange::{Place, message_of};
use super::fault::Fault;
use super::road::Headers;

/// Longest time without a byte. A connection that died without a word, as
/// after a sleep of the machine, would be waited for in vain.
const SILENCE: Duration = Duration::from_mins(5);
/// Pauses before the stream is opened again.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// Relays the stream until the session ends; returns when there is none.
pub(super) async fn listen(desk: Rc<Desk>, headers: Headers) {
    let mut place = Place::default();
    let mut backoff = Backoff::new(FIRST_PAUSE, LONGEST_PAUSE);
    loop {
        match desk.road.get(&place.headers(&headers)).await {
            Ok(reply) if reply.status == StatusCode::OK && reply.is_event_stream() => {
                let events = Events::of(reply.body, desk.max_message_bytes);
                if relay(&desk, events, &mut place).await {
                    backoff.reset();
                }
            }
            Ok(reply) => {
                let status = reply.status;
                drop(reply);
                let later = status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS;
                if status == StatusCode::NOT_FOUND {
                    desk.session.lost(&headers, false);
                }
                if !later {
                    tracing::debug!(status = status.as_u16(), "the server speaks only when asked");
                    return;
                }
            }
            Err(fault @ (Fault::TokenRefused(_) | Fault::NoToken(_))) => {
                tracing::warn!("no messages that nobody asked for: {fault}");
            }
            Err(fault) => tracing::debug!("the stream cannot be opened: {fault}"),
        }
        let own = backoff.pause();
        tokio::time::sleep(place.take_retry().unwrap_or(own)).await;
    }
}

/// Relays one connection's events; whether there were any.
async fn relay(desk: &Desk, mut events: Events, place: &mut Place) -> bool {
    let mut any = false;
    while let Ok(Ok(event)) = tokio::time::timeout(SILENCE, events.next()).await {
        any = true;
        place.note(&event);
        if let Some(message) = message_of(event) {
            desk.deliver(message, None).await;
        }
    }
    any
}
