//! Arguments that a modern backend wants repeated in headers
//! (`x-mcp-header`): written where the gateway is its client, and held against
//! the body where a client has written them itself.

use std::borrow::Cow;

use serde_json::json;
use serde_json::value::RawValue;

use super::exchange::Ask;
use super::peer::verdict;
use super::schemas::Known;
use super::wire::Letter;
use super::{Trail, Upstream, mirror};
use crate::error::{Reason, Refusal};
use crate::protocol::mcp::meta;
use crate::protocol::mirror::{Annotated, check, headers};
use crate::protocol::raw::Object;
use crate::protocol::revision::{self, Era};
use crate::registry::Backend;

/// Most pages of a list of tools that are read.
const MOST_PAGES: usize = 64;

impl Upstream {
    /// The headers that repeat a call's annotated arguments.
    ///
    /// # Errors
    /// As the backend's list of tools cannot be had.
    pub(super) async fn annotated(
        &self,
        client: &awc::Client,
        ask: &Ask<'_>,
        message: &RawValue,
    ) -> Result<Vec<(Cow<'static, str>, Cow<'static, str>)>, Refusal> {
        let Some(tool) = ask.name.filter(|_| ask.method == "tools/call") else {
            return Ok(Vec::new());
        };
        let now = self.clock.monotonic();
        let known = match self.schemas.known(ask.backend, tool, now) {
            Some(known) => Some(known),
            None => self.listed(client, ask.backend, tool, ask.caller.user_id()).await?,
        };
        let Some(Known { plan, .. }) = known else { return Ok(Vec::new()) };
        let told = headers(&plan, arguments(message))
            .map_err(|fault| Refusal::telling(Reason::InvalidParams, fault.to_string()))?;
        Ok(told.into_iter().map(|(name, value)| (name.into(), value.into())).collect())
    }

    /// Holds the headers of a modern client's call against its arguments, as
    /// far as a list that went by says what they have to repeat. What the registry
    /// declares was [held against them](crate::registry::Target::check_mirrored)
    /// before the call was charged.
    ///
    /// # Errors
    /// [`Reason::HeaderMismatch`].
    pub(super) async fn check_mirrored(
        &self,
        client: &awc::Client,
        ask: &Ask<'_>,
        arguments: Option<&RawValue>,
    ) -> Result<(), Refusal> {
        let Some(tool) = ask.name.filter(|_| ask.era == Era::Modern) else { return Ok(()) };
        let known = self.schemas.known(ask.backend, tool, self.clock.monotonic());
        let Some(Known { plan, fresh }) = known else { return Ok(()) };
        let Err(mismatch) = held_against(&plan, ask, arguments) else { return Ok(()) };
        if fresh {
            return Err(mismatch);
        }
        // The tool may have changed since; a list that cannot be had proves
        // nothing against the client, whom the backend judges anyway.
        match self.listed(client, ask.backend, tool, ask.caller.user_id()).await {
            Ok(Some(Known { plan, .. })) => held_against(&plan, ask, arguments),
            Ok(None) | Err(_) => Ok(()),
        }
    }

    /// Learns from the answer to a `tools/list` that goes by.
    pub(super) fn overhear_tools(&self, backend: &Backend, message: &[u8]) {
        let message = crate::protocol::raw::value(message).and_then(Object::read);
        let result = message.and_then(|message| message.get("result")).ok().flatten();
        if let Some(page) = result.and_then(|result| Object::read(result).ok()) {
            self.schemas.learn(backend, &page, self.clock.monotonic());
        }
    }

    /// Reads a modern backend's list of tools, as this user sees it. What it
    /// says of one of them.
    async fn listed(
        &self,
        client: &awc::Client,
        backend: &Backend,
        tool: &str,
        user: &str,
    ) -> Result<Option<Known>, Refusal> {
        // On the heap: seldom needed, and large.
        Box::pin(self.read_tools(client, backend, user)).await?;
        Ok(self.schemas.known(backend, tool, self.clock.monotonic()))
    }

    async fn read_tools(
        &self,
        client: &awc::Client,
        backend: &Backend,
        user: &str,
    ) -> Result<(), Refusal> {
        let mut cursor: Option<String> = None;
        for _ in 0..MOST_PAGES {
            let mut params = json!({ "_meta": {
                meta::PROTOCOL_VERSION: revision::MODERN[0],
                meta::CLIENT_CAPABILITIES: {},
            } });
            if let Some(cursor) = &cursor {
                params["cursor"] = json!(cursor);
            }
            let body = json!({
                "jsonrpc": "2.0", "id": "scopegate-tools", "method": "tools/list",
                "params": params,
            });
            let letter = Letter {
                to: backend,
                user,
                trail: Trail::INTERNAL,
                revision: Some(revision::MODERN[0]),
                session: None,
                mirrored: mirror::of("tools/list", None, &[]),
            };
            let response = self.post(client, letter, body.to_string().into()).await?;
            let Some((page, _)) = verdict(response).await? else { break };
            let Ok(page) = Object::read(&page) else { break };
            self.schemas.learn(backend, &page, self.clock.monotonic());
            let next = page.text("nextCursor").ok().map(Cow::into_owned);
            if next.is_none() || next == cursor {
                break;
            }
            cursor = next;
        }
        Ok(())
    }
}

fn held_against(
    plan: &[Annotated],
    ask: &Ask<'_>,
    arguments: Option<&RawValue>,
) -> Result<(), Refusal> {
    check(plan, ask.mirrored, arguments)
        .map_err(|mismatch| Refusal::telling(Reason::HeaderMismatch, mismatch.to_string()))
}

/// The arguments of a call, as they lie in its message.
fn arguments(message: &RawValue) -> Option<&RawValue> {
    let params = Object::read(message).ok()?.get("params").ok()??;
    Object::read(params).ok()?.get("arguments").ok()?
}

#[cfg(test)]
mod tests {
    use super::*;

    fn raw(text: &str) -> &RawValue {
        crate::protocol::raw::value(text.as_bytes()).unwrap()
    }

    #[test]
    fn arguments_are_found_in_their_message() {
        let message = raw(r#"{"params":{"name":"a","arguments":{"x":1e-400}}}"#);
        assert_eq!(arguments(message).unwrap().get(), r#"{"x":1e-400}"#);
        assert!(arguments(raw(r#"{"params":{"name":"a"}}"#)).is_none());
        assert!(arguments(raw("{}")).is_none());
    }
}
