//! The oldest transport, HTTP+SSE of revision 2024-11-05, on `/{scope}/sse`.

use std::future::Future as _;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use actix_web::http::header::CACHE_CONTROL;
use actix_web::{HttpRequest, HttpResponse, web};
use bytes::{Bytes, BytesMut};
use futures_util::future::{FutureExt as _, LocalBoxFuture};
use futures_util::stream::{FuturesUnordered, LocalBoxStream, SelectAll};
use futures_util::{Stream, StreamExt as _};
use tokio::sync::mpsc;
use tokio::time::Sleep;
use url::form_urlencoded;
use uuid::Uuid;

use super::respond::{self, ACCEL_BUFFERING, Came, EVENT_STREAM, Surroundings};
use super::stream::{self, KEEP_ALIVE};
use super::{Io, Site, Visit};
use crate::audit::Surface;
use crate::pipeline::{self, Answer, Begun, Line, Walked};
use crate::protocol::headers;
use crate::protocol::sse::{self, Event};
use crate::session::{Listener, Post};
use crate::upstream::{Flow, Piece};

/// The parameter of the address that names the session.
const SESSION: &str = "sessionId";

/// Most messages of one conversation that are answered at once; further ones
/// wait.
const MOST_AT_ONCE: usize = 64;

/// Whether a `GET` opens this transport: clients of later ones name their
/// session or their revision, and open nothing else on this path.
pub(super) fn is_opened_by(request: &HttpRequest) -> bool {
    request.path().ends_with("/sse")
        && !request.headers().contains_key(headers::SESSION_ID)
        && !request.headers().contains_key(headers::PROTOCOL_VERSION)
}

/// The session a `POST` of this transport names.
pub(super) fn session_of(request: &HttpRequest) -> Option<String> {
    let named = request.path().ends_with("/sse").then(|| request.query_string())?;
    let mut members = form_urlencoded::parse(named.as_bytes());
    members.find(|(name, _)| name == SESSION).map(|(_, value)| value.into_owned())
}

/// Opens the stream.
pub(super) async fn open(
    request: &HttpRequest,
    body: web::Payload,
    site: &web::Data<Site>,
    io: Io,
) -> HttpResponse {
    let visit = Visit::new(site, request, Surface::Mcp, "GET, POST");
    let (known, entry, begun) = pipeline::begin(&site.gateway, visit.inbound(body)).await;
    let Begun { line, session, inbox, at_most, listener } = match begun {
        Ok(begun) => begun,
        Err(refusal) => {
            let walked = Walked { known, entry, result: Err(refusal) };
            return respond::respond(walked, visit.surroundings(), None).await;
        }
    };
    // The opening is on record; what is said on the stream has records of its
    // own.
    let walked = Walked { known, entry, result: Ok(Answer::Accepted) };
    let settled = respond::settle(walked, visit.surroundings()).await;
    if let Some(refusal) = settled.refusal {
        pipeline::hang_up(&site.gateway, &io, &line).await;
        return respond::refuse(&refusal, visit.surroundings());
    }
    let address = format!("{}?{SESSION}={session}", request.path());
    let first = Event {
        name: Some(Bytes::from_static(b"endpoint")),
        data: Some(address.into()),
        ..Event::default()
    };
    let line_changes = line.changes(&site.gateway);
    let talk = Talk {
        site: site.clone(),
        io,
        line: Rc::new(line),
        endpoint: request.path().into(),
        scope: visit.scope.into(),
    };
    // At their end something is said, so that it is seen whether to go on.
    let changes = told(stream::of_changes(line_changes));
    let last = futures_util::stream::iter([Bytes::from_static(b": over\n\n")]);
    let changes = changes.chain(last).boxed_local();
    let body = Talking {
        first: Some(written(&first)),
        talk: Some(Rc::new(talk)),
        inbox,
        asked: FuturesUnordered::new(),
        running: SelectAll::from_iter([changes]),
        quiet: Box::pin(tokio::time::sleep(KEEP_ALIVE)),
        expired: Box::pin(tokio::time::sleep(at_most.min(stream::LONGEST))),
        _listener: listener,
    };
    HttpResponse::Ok()
        .content_type(EVENT_STREAM)
        .insert_header((CACHE_CONTROL, "no-cache, no-transform"))
        .insert_header((ACCEL_BUFFERING, "no"))
        .streaming(body)
}

/// What a conversation is held with.
struct Talk {
    site: web::Data<Site>,
    io: Io,
    line: Rc<Line>,
    endpoint: Box<str>,
    scope: Box<str>,
}

/// Text of events on its way to the client.
type Texts = LocalBoxStream<'static, Bytes>;

/// The body of the stream.
struct Talking {
    first: Option<Bytes>,
    /// Until it is over.
    talk: Option<Rc<Talk>>,
    inbox: mpsc::Receiver<Post>,
    /// Messages whose answers have not begun.
    asked: FuturesUnordered<LocalBoxFuture<'static, Vec<Texts>>>,
    running: SelectAll<Texts>,
    quiet: Pin<Box<Sleep>>,
    /// When the caller's token does not hold any more.
    expired: Pin<Box<Sleep>>,
    _listener: Listener,
}

impl Talk {
    /// What comes of a message.
    async fn hear(self: Rc<Self>, post: Post) -> Vec<Texts> {
        let gateway = &self.site.gateway;
        let request_id = Uuid::now_v7().to_string();
        let (walked, flows) = pipeline::say(gateway, &self.io, &self.line, post, request_id).await;
        let mut texts: Vec<Texts> = flows.into_iter().map(overheard).collect();
        let around = Surroundings {
            surface: Surface::Mcp,
            endpoint: &self.endpoint,
            scope: &self.scope,
            site: &self.site,
            allow: "",
        };
        match respond::split(walked, around, None) {
            Came::Stream(start) => {
                let said = stream::body(*start).filter_map(async |text| text.ok());
                texts.push(said.boxed_local());
            }
            Came::Whole(walked) => {
                let body = respond::settle(walked, around).await.rendered.body;
                if !body.is_empty() {
                    let text = written(&Event::message(body));
                    texts.push(futures_util::stream::iter([text]).boxed_local());
                }
            }
        }
        texts
    }
}

impl Stream for Talking {
    type Item = Result<Bytes, actix_web::Error>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        let Some(talk) = &this.talk else { return Poll::Ready(None) };
        if this.expired.as_mut().poll(context).is_ready() {
            return Poll::Ready(None);
        }
        if let Some(first) = this.first.take() {
            return Poll::Ready(Some(Ok(first)));
        }
        loop {
            let room = this.asked.len() + this.running.len() < MOST_AT_ONCE;
            if room && let Poll::Ready(Some(post)) = this.inbox.poll_recv(context) {
                this.asked.push(Rc::clone(talk).hear(post).boxed_local());
                continue;
            }
            if let Poll::Ready(Some(texts)) = this.asked.poll_next_unpin(context) {
                this.running.extend(texts);
                continue;
            }
            if let Poll::Ready(Some(text)) = this.running.poll_next_unpin(context) {
                this.quiet.as_mut().reset(tokio::time::Instant::now() + KEEP_ALIVE);
                if !talk.site.gateway.stay(&talk.line) {
                    return Poll::Ready(None);
                }
                return Poll::Ready(Some(Ok(text)));
            }
            if this.quiet.as_mut().poll(context).is_pending() {
                return Poll::Pending;
            }
            this.quiet.as_mut().reset(tokio::time::Instant::now() + KEEP_ALIVE);
            // The new silence has to be waited for as well.
            let _ = this.quiet.as_mut().poll(context);
            if !talk.site.gateway.stay(&talk.line) {
                return Poll::Ready(None);
            }
            return Poll::Ready(Some(Ok(Bytes::from_static(b": keep-alive\n\n"))));
        }
    }
}

impl Drop for Talking {
    fn drop(&mut self) {
        let Some(talk) = self.talk.take() else { return };
        // On the worker that held the stream, which outlives it.
        actix_web::rt::spawn(async move {
            pipeline::hang_up(&talk.site.gateway, &talk.io, &talk.line).await;
        });
    }
}

/// What a backend says outside of requests.
fn overheard(flow: Flow) -> Texts {
    told(stream::of(Box::new(flow)))
}

/// The texts of what is told outside of requests.
fn told(pieces: stream::Pieces) -> Texts {
    let said = pieces.filter_map(async |piece| match piece {
        Ok(Piece::Event(event) | Piece::Answer { event, .. }) => Some(written(&event)),
        // The stream of one backend has broken; the conversation goes on.
        Err(_) => None,
    });
    said.boxed_local()
}

fn written(event: &Event) -> Bytes {
    let mut text = BytesMut::new();
    sse::write(event, &mut text);
    text.freeze()
}
