//! The tools of a backend as it tells the gateway itself: what `tools.lock` is
//! held against.

use serde_json::json;
use serde_json::value::RawValue;

use super::peer::{NOBODY, PATIENCE, verdict_within};
use super::wire::Letter;
use super::{Trail, Upstream, mirror};
use crate::error::{Reason, Refusal};
use crate::protocol::mcp::meta;
use crate::protocol::raw::{Object, elements};
use crate::protocol::revision::{self, Era};
use crate::registry::Backend;

/// Most pages of a list that are read.
const MOST_PAGES: usize = 64;

/// Most tools that are read.
const MOST_TOOLS: usize = 10_000;

/// How a backend is spoken to.
#[derive(Clone, Copy)]
enum Speech<'a> {
    Modern,
    Legacy { revision: &'static str, session: Option<&'a str> },
}

impl Upstream {
    /// All entries of `tools/list`, told to nobody in particular.
    ///
    /// # Errors
    /// [`Reason::BackendUnavailable`], [`Reason::BackendTimeout`],
    /// [`Reason::BackendError`].
    pub(crate) async fn definitions(
        &self,
        client: &awc::Client,
        backend: &Backend,
    ) -> Result<Vec<Box<RawValue>>, Refusal> {
        let facts = self.facts(client, backend).await?;
        if facts.speaks(Era::Modern) {
            return self.pages_of_tools(client, backend, Speech::Modern).await;
        }
        let opening = self.initialize(client, backend, NOBODY, Trail::INTERNAL, None);
        let opened = tokio::time::timeout(PATIENCE, opening).await.map_err(|_| late())??;
        let Some(opened) = opened else {
            return Err(Refusal::new(Reason::BackendError, "the backend knows no handshake"));
        };
        let (revision, session) = (opened.revision, opened.session.as_deref());
        let listed =
            self.pages_of_tools(client, backend, Speech::Legacy { revision, session }).await;
        if session.is_some() {
            // Most servers end it by themselves some day.
            let letter = letter(backend, Speech::Legacy { revision, session });
            let _ = tokio::time::timeout(PATIENCE, self.delete(client, letter)).await;
        }
        listed
    }

    async fn pages_of_tools(
        &self,
        client: &awc::Client,
        backend: &Backend,
        speech: Speech<'_>,
    ) -> Result<Vec<Box<RawValue>>, Refusal> {
        let mut found = Vec::new();
        let mut cursor: Option<String> = None;
        for _ in 0..MOST_PAGES {
            let mut params = json!({});
            if let Some(cursor) = &cursor {
                params["cursor"] = json!(cursor);
            }
            if matches!(speech, Speech::Modern) {
                params["_meta"] = json!({
                    meta::PROTOCOL_VERSION: revision::MODERN[0],
                    meta::CLIENT_CAPABILITIES: {},
                    meta::CLIENT_INFO: { "name": NOBODY, "version": env!("CARGO_PKG_VERSION") },
                });
            }
            let body = json!({
                "jsonrpc": "2.0", "id": "scopegate-pins", "method": "tools/list", "params": params,
            });
            let asking = async {
                let posted = self.post(client, letter(backend, speech), body.to_string().into());
                verdict_within(posted.await?, self.max_reply_bytes).await
            };
            let told = tokio::time::timeout(PATIENCE, asking).await.map_err(|_| late())??;
            let Some((result, _)) = told else {
                return Err(Refusal::new(Reason::BackendError, "the backend lists no tools"));
            };
            let unfit = |_| Refusal::new(Reason::BackendError, "the list cannot be read");
            let page = Object::read(&result).map_err(unfit)?;
            let tools = page.get("tools").map_err(unfit)?;
            let tools = tools.map(elements).transpose().map_err(unfit)?;
            found.extend(tools.unwrap_or_default().into_iter().map(RawValue::to_owned));
            if found.len() > MOST_TOOLS {
                let told = format!("the backend lists more than {MOST_TOOLS} tools");
                return Err(Refusal::new(Reason::BackendError, told));
            }
            let next = page.text("nextCursor").ok().map(std::borrow::Cow::into_owned);
            if next.is_none() || next == cursor {
                return Ok(found);
            }
            cursor = next;
        }
        // What is not read is not known.
        Err(Refusal::new(Reason::BackendError, "the backend's list of tools does not end"))
    }
}

fn letter<'a>(backend: &'a Backend, speech: Speech<'a>) -> Letter<'a> {
    let (revision, session, mirrored) = match speech {
        Speech::Modern => (revision::MODERN[0], None, mirror::of("tools/list", None, &[])),
        Speech::Legacy { revision, session } => (revision, session, Vec::new()),
    };
    Letter {
        to: backend,
        user: NOBODY,
        trail: Trail::INTERNAL,
        revision: Some(revision),
        session,
        mirrored,
    }
}

fn late() -> Refusal {
    Refusal::new(Reason::BackendTimeout, "the backend did not list its tools in time")
}
