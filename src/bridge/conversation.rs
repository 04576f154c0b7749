//! A conversation from the first message to the last.

use std::io;
use std::rc::Rc;
use std::time::Duration;

use anyhow::Context as _;
use awc::http::StatusCode;
use bytes::Bytes;
use futures_util::FutureExt;
use tokio::sync::{Semaphore, mpsc};
use tokio::task::{JoinHandle, JoinSet};

use super::Options;
use super::answer;
use super::desk::Desk;
use super::exchange::{self, Exchange};
use super::fault::Fault;
use super::framing::Frame;
use super::gate::{self, Gate};
use super::in_flight::{End, InFlight, Stage, Ticket};
use super::incoming::{self, Incoming, Notification, Request};
use super::lane::{self, Item, What};
use super::mirror::{self, Mirrors};
use super::road::{Headers, Road};
use super::session::{Session, session_id};
use super::stdio::{Input, Output, Written};
use super::token::Keeper;
use crate::clock::Clock;
use crate::{lifecycle, outbound};

/// Longest time for the connection itself.
const CONNECT: Duration = Duration::from_secs(10);
/// How long an idle connection is kept; servers keep them longer, so that
/// none is used just when it is closed.
const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// Requests that may wait, for each that may be on the road.
const QUEUE: usize = 16;
/// How long a cancelled request of the legacy era is still listened to.
const AFTER_CANCEL: Duration = Duration::from_secs(10);
/// Longest time to end the session, and to write the last answers.
const FAREWELL: Duration = Duration::from_secs(2);

/// What runs, and what the next message must wait for.
struct Conversation {
    desk: Rc<Desk>,
    lane: mpsc::Sender<Item>,
    gate: Gate,
    tasks: JoinSet<()>,
    most: usize,
}

/// Holds a conversation until one side ends it.
pub(super) async fn hold(
    options: Options,
    clock: Clock,
    mut input: Input,
    (output, written): (Output, Written),
) -> anyhow::Result<()> {
    for warning in &options.warnings {
        tracing::warn!("{warning}");
    }
    tracing::info!(endpoint = %options.endpoint, "bridge started");
    let grace = options.grace;
    let (mut conversation, lane) = Conversation::new(options, clock, output);
    let stop = lifecycle::asked_to_stop().fuse();
    tokio::pin!(stop);
    let mut result = Ok(());
    let patient = loop {
        tokio::select! {
            frame = input.next() => match frame {
                Some(Ok(frame)) => conversation.take(frame).await,
                Some(Err(error)) if error.kind() == io::ErrorKind::UnexpectedEof => {
                    tracing::warn!("the input ends within a message");
                    break true;
                }
                Some(Err(error)) => {
                    result = Err(error).context("the input cannot be read");
                    break false;
                }
                None => break true,
            },
            Some(_) = conversation.tasks.join_next(), if !conversation.tasks.is_empty() => {}
            () = conversation.desk.output.closed() => break false,
            signal = &mut stop => {
                tracing::info!(signal = signal.context("signals cannot be heard")?, "stopping");
                break false;
            }
        }
    };
    // Whoever asks to stop while answers are waited for is not kept waiting.
    let desk = Rc::clone(&conversation.desk);
    let grace = if patient { grace } else { Duration::ZERO };
    tokio::select! {
        () = conversation.finish(lane, grace) => {}
        _ = &mut stop => desk.in_flight.give_up(End::Stopping, |_| true),
    }
    farewell(&desk, written).await;
    result
}

impl Conversation {
    fn new(options: Options, clock: Clock, output: Output) -> (Self, JoinHandle<()>) {
        let client = outbound::client(outbound::Limits {
            connect: CONNECT,
            // No limit here: what is under way is counted elsewhere, and a
            // cancellation must never wait for what it cancels.
            connections: 0,
            keep_alive: KEEP_ALIVE,
        });
        let keeper = Rc::new(Keeper::new(options.source, client.clone(), clock.clone()));
        let desk = Rc::new(Desk {
            road: Road::new(options.endpoint, client, keeper, clock, options.connect),
            session: Session::new(),
            in_flight: InFlight::default(),
            mirrors: std::cell::RefCell::new(Mirrors::default()),
            output,
            places: Semaphore::new(options.max_in_flight),
            max_message_bytes: options.max_message_bytes,
        });
        let (lane, sending) = lane::open(Rc::clone(&desk));
        let most = options.max_in_flight.saturating_mul(QUEUE + 1);
        let conversation = Self { desk, lane, gate: Gate::open(), tasks: JoinSet::new(), most };
        (conversation, sending)
    }

    /// Takes what was read from the client.
    async fn take(&mut self, frame: Frame) {
        match frame {
            Frame::Message(framing, message) => {
                self.desk.output.set_framing(framing);
                match incoming::split(&message) {
                    Some(messages) if !messages.is_empty() => {
                        for message in messages {
                            self.message(message).await;
                        }
                    }
                    _ => self.message(message).await,
                }
            }
            Frame::TooLarge(framing, id) => {
                self.desk.output.set_framing(framing);
                let fault = Fault::TooLarge(self.desk.max_message_bytes);
                self.answer(id.as_deref(), &fault).await;
            }
            Frame::NoLength => {
                let why = "a header without Content-Length".to_owned();
                let code = crate::protocol::codes::INVALID_REQUEST;
                self.answer(None, &Fault::Malformed(code, why)).await;
            }
        }
    }

    async fn answer(&self, id: Option<&str>, fault: &Fault) {
        tracing::warn!(id, "{fault}");
        self.desk.output.send(answer::error(id, fault)).await;
    }

    async fn message(&mut self, message: Bytes) {
        match incoming::read(message) {
            Ok(Incoming::Request(request)) => self.request(request).await,
            Ok(Incoming::Notification(notification)) => self.notification(notification).await,
            Ok(Incoming::Response(message)) if self.desk.session.is_legacy() => {
                self.enqueue(What::Legacy, message).await;
            }
            // Servers of the modern era ask nothing, so nothing is answered.
            Ok(Incoming::Response(_)) => tracing::warn!("dropped: an answer that nobody asked for"),
            Err((id, fault)) => self.answer(id.as_deref(), &fault).await,
        }
    }

    async fn request(&mut self, request: Request) {
        if self.desk.in_flight.count() >= self.most {
            return self.answer(Some(request.id.text()), &Fault::TooMany).await;
        }
        let mut key = None;
        let way = match &request.revision {
            Some(revision) => exchange::Way::Modern(mirror::headers(
                &request.method,
                revision,
                &request.params(),
                &self.desk.mirrors.borrow(),
            )),
            None if request.method == "initialize" => {
                self.desk.session.begin(&request.id, &request.message);
                key = Some(self.close_gate());
                exchange::Way::Opening
            }
            None => exchange::Way::Legacy(self.gate.clone()),
        };
        let modern = request.revision.is_some();
        let ticket = self.desk.in_flight.enter(request.id, request.method, modern);
        let desk = Rc::clone(&self.desk);
        let exchange = Exchange { desk, ticket, message: request.message, way, key };
        self.tasks.spawn_local(exchange.run());
    }

    async fn notification(&mut self, notification: Notification) {
        let Notification { method, revision, cancels, message } = notification;
        match (method.as_str(), revision, cancels) {
            ("notifications/cancelled", _, Some(id)) => {
                for ticket in self.desk.in_flight.find(&id) {
                    self.cancel(ticket, message.clone());
                }
            }
            ("notifications/initialized", None, _) => {
                self.desk.session.confirmed(&message);
                let before = self.gate.clone();
                let key = self.close_gate();
                let item = Item { what: What::Initialized(key), message, gate: before };
                let _ = self.lane.send(item).await;
            }
            (method, Some(revision), _) => {
                // Only requests have arguments to mirror.
                let (params, none) = (incoming::Params::default(), Mirrors::default());
                let headers = mirror::headers(method, &revision, &params, &none);
                self.enqueue(What::Modern(headers), message).await;
            }
            (_, None, _) => self.enqueue(What::Legacy, message).await,
        }
    }

    /// Lets a cancellation reach its request: a modern one by its connection
    /// being dropped, a legacy one by being told, at once and after it. What
    /// has not left is only forgotten.
    fn cancel(&mut self, ticket: Rc<Ticket>, message: Bytes) {
        if ticket.method == "initialize" {
            return;
        }
        ticket.cancel();
        if ticket.modern || ticket.stage() == Stage::Waiting {
            ticket.give_up(End::Cancelled);
            return;
        }
        let desk = Rc::clone(&self.desk);
        self.tasks.spawn_local(async move {
            ticket.sent().await;
            if ticket.stage() != Stage::Over {
                let headers: Headers = desk.session.headers();
                lane::post(&desk, &headers, message).await;
                let _ = tokio::time::timeout(AFTER_CANCEL, ticket.over()).await;
                ticket.give_up(End::Cancelled);
            }
        });
    }

    /// Hands a message to the lane.
    async fn enqueue(&self, what: What, message: Bytes) {
        let _ = self.lane.send(Item { what, message, gate: self.gate.clone() }).await;
    }

    /// Lets later messages wait until the key is dropped.
    fn close_gate(&mut self) -> gate::Key {
        let (key, gate) = gate::closed();
        self.gate = gate;
        key
    }

    /// Waits for what is open, not longer than `grace`; what is open then gets
    /// its answer from the bridge.
    async fn finish(mut self, lane: JoinHandle<()>, grace: Duration) {
        drop(self.lane);
        let lasts = |ticket: &Ticket| ticket.method == "subscriptions/listen";
        self.desk.in_flight.give_up(End::Stopping, lasts);
        let open = async {
            let _ = lane.await;
            while self.tasks.join_next().await.is_some() {}
        };
        if tokio::time::timeout(grace, open).await.is_err() {
            self.desk.in_flight.give_up(End::Stopping, |_| true);
            let answered = async { while self.tasks.join_next().await.is_some() {} };
            let _ = tokio::time::timeout(FAREWELL, answered).await;
        }
    }
}

/// Ends the session and lets the last answers be written.
async fn farewell(desk: &Desk, written: Written) {
    desk.session.stop_listening();
    let headers = desk.session.headers();
    if session_id(&headers).is_some() {
        match tokio::time::timeout(FAREWELL, desk.road.delete(&headers)).await {
            Ok(Ok(reply)) if reply.status.is_success() => {}
            Ok(Ok(reply)) if reply.status == StatusCode::METHOD_NOT_ALLOWED => {}
            _ => tracing::debug!("the session could not be ended in order"),
        }
    }
    let _ = tokio::time::timeout(FAREWELL, async {
        desk.output.finish().await;
        let _ = written.await;
    })
    .await;
}
