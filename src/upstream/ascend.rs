//! A legacy client's request at a modern backend.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use serde_json::value::RawValue;

use super::exchange::{
    Ask, REFUSED_AT_THE_DOOR, Reply, Setback, UNSUPPORTED_VERSION, Whole, raw, unfit,
};
use super::flight::unless_called_back;
use super::flow::Flow;
use super::rounds::Rounds;
use super::turn::Turn;
use super::wire::Told;
use super::{Upstream, mirror};
use crate::error::{Reason, Refusal};
use crate::protocol::raw as json_text;
use crate::protocol::splice::Edits;
use crate::protocol::sse::Event;
use crate::protocol::{codes, revision};
use crate::translate::capabilities::mask_client;
use crate::translate::request::{self, Stamp};

/// What a client that reads no streams cannot be asked, and what neither era
/// carries to the other.
const UNASKABLE: &[&str] = &["sampling", "elicitation", "roots", "tasks"];

/// What neither era carries to the other.
const UNCARRIED: &[&str] = &["tasks"];

impl Upstream {
    /// Translated; questions of the backend become requests to the client.
    pub(super) async fn ascend(
        self: &Arc<Self>,
        client: &awc::Client,
        ask: &Ask<'_>,
        last: bool,
    ) -> Result<Reply, Setback> {
        if matches!(ask.method, "resources/subscribe" | "resources/unsubscribe") {
            return Ok(self.subscribe_seat(client, ask).await?);
        }
        let message = self.stamped(ask)?;
        let whole = json_text::value(&message).map_err(unfit)?;
        let flight = ask.seat.map(|seat| self.take_off(seat.uid(), ask, None));
        let mut again = true;
        let (response, rounds) = loop {
            let arguments = self.annotated(client, ask, whole).await?;
            let mirrored = mirror::of(ask.method, ask.name, &arguments);
            let rounds = Rounds::new(ask, message.clone(), mirrored);
            let flight = flight.as_ref();
            let posting = self.post_and_linger(client, ask, &rounds, message.clone(), flight);
            let mut response = posting.await?;
            match response.refusal(self.max_reply_bytes).await?.map(|refusal| refusal.code) {
                // What was known of the tool's arguments is not true any more.
                Some(HEADER_MISMATCH) if std::mem::take(&mut again) => {
                    self.schemas.forget(ask.backend);
                }
                Some(UNSUPPORTED_VERSION | REFUSED_AT_THE_DOOR)
                    if !last && self.doubt(ask.backend) =>
                {
                    return Err(Setback::Contradicted(None));
                }
                _ => break (response, rounds),
            }
        };
        let turn = Turn::up(ask, flight);
        let told = response.told(self.max_reply_bytes, &turn);
        let mut flow = match unless_called_back(turn.flight(), told).await? {
            Told::Events(events) => Flow::new(self, client, ask, Some(*events), turn),
            Told::Whole { message, is_error, .. } => {
                let mut flow = Flow::new(self, client, ask, None, turn);
                flow.rounds = Some(Box::new(rounds));
                flow.answered(Event::message(message), is_error)?;
                return Ok(match flow.only_answer() {
                    Ok((message, is_error)) => {
                        Reply::Whole(Whole { status: 200, message, is_error, took: Duration::ZERO })
                    }
                    Err(flow) => Reply::Stream(flow),
                });
            }
        };
        flow.rounds = Some(Box::new(rounds));
        Ok(Reply::Stream(Box::new(flow)))
    }

    /// The request with what every modern one carries.
    fn stamped(&self, ask: &Ask<'_>) -> Result<bytes::Bytes, Refusal> {
        let whole = json_text::value(&ask.message).map_err(unfit)?;
        let capabilities = match ask.seat {
            Some(seat) => declared(seat.capabilities(), ask.streams)?,
            None => raw("{}")?,
        };
        let info = ask.seat.map(|seat| {
            json!({ "name": seat.client_name(), "version": seat.client_version() }).to_string()
        });
        let info = info.map(|info| raw(&info)).transpose()?;
        let level = ask.seat.and_then(|seat| self.level(seat.uid()));
        let stamp = Stamp {
            revision: revision::MODERN[0],
            capabilities: &capabilities,
            client_info: info.as_deref(),
            log_level: level.as_deref(),
        };
        request::stamp(Edits::new(&ask.message), whole, &stamp)
            .and_then(Edits::finish)
            .map_err(unfit)
    }
}

/// The code of a modern backend whose message and headers disagree.
const HEADER_MISMATCH: i64 = codes::HEADER_MISMATCH as i64;

/// What a legacy client declares to a modern backend.
fn declared(capabilities: &RawValue, streams: bool) -> Result<Box<RawValue>, Refusal> {
    let masked = if streams { UNCARRIED } else { UNASKABLE };
    let text = mask_client(capabilities, masked).map_err(unfit)?;
    serde_json::from_slice(&text).map_err(|error| Refusal::new(Reason::Internal, error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clients_declare_what_they_can_be_asked() {
        let told = raw(r#"{"elicitation":{},"roots":{},"tasks":{},"experimental":{"x":1e-400}}"#);
        let told = told.unwrap();
        let declares = |streams| declared(&told, streams).unwrap().get().to_owned();
        assert_eq!(declares(true), r#"{"elicitation":{},"roots":{},"experimental":{"x":1e-400}}"#);
        assert_eq!(declares(false), r#"{"experimental":{"x":1e-400}}"#);
    }
}
