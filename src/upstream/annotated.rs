//! Arguments that a modern backend wants repeated in headers
//! (`x-mcp-header`), where the gateway is its client.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use dashmap::DashMap;
use serde_json::json;
use serde_json::value::RawValue;

use super::exchange::Ask;
use super::peer::verdict;
use super::wire::Letter;
use super::{Trail, Upstream, mirror};
use crate::error::{Reason, Refusal};
use crate::protocol::mcp::meta;
use crate::protocol::mirror::{Annotated, headers, plan};
use crate::protocol::raw::{self, Object};
use crate::protocol::{headers as names, revision};
use crate::registry::Backend;

/// How long the plans of a backend's tools are kept.
const KEEP: Duration = Duration::from_mins(5);

/// Most pages of a list of tools that are read.
const MOST_PAGES: usize = 64;

/// What the input schemas of a backend's tools say.
type Plans = HashMap<Box<str>, Vec<Annotated>>;

/// By the backends' places in the registry.
#[derive(Debug, Default)]
pub(super) struct Schemas {
    known: DashMap<usize, (Duration, Arc<Plans>)>,
}

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
        let plans = self.plans(client, ask.backend, ask.caller.user_id()).await?;
        let Some(plan) = plans.get(tool) else { return Ok(Vec::new()) };
        let params = Object::read(message).and_then(|message| message.get("params"));
        let params = params.ok().flatten().and_then(|params| Object::read(params).ok());
        let arguments = params.and_then(|params| params.get("arguments").ok().flatten());
        let told = headers(plan, arguments)
            .map_err(|fault| Refusal::telling(Reason::InvalidParams, fault.to_string()))?;
        let named = told.into_iter().map(|(name, value)| {
            let name = format!("{}{}", names::PARAM_PREFIX, name.to_ascii_lowercase());
            (Cow::Owned(name), Cow::Owned(value))
        });
        Ok(named.collect())
    }

    async fn plans(
        &self,
        client: &awc::Client,
        backend: &Backend,
        user: &str,
    ) -> Result<Arc<Plans>, Refusal> {
        let now = self.clock.monotonic();
        if let Some(known) = self.schemas.known.get(&backend.id)
            && now.saturating_sub(known.0) < KEEP
        {
            return Ok(Arc::clone(&known.1));
        }
        let plans = Arc::new(Box::pin(self.read_plans(client, backend, user)).await?);
        self.schemas.known.insert(backend.id, (now, Arc::clone(&plans)));
        Ok(plans)
    }

    async fn read_plans(
        &self,
        client: &awc::Client,
        backend: &Backend,
        user: &str,
    ) -> Result<Plans, Refusal> {
        let mut plans = Plans::new();
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
            let tools = page.get("tools").ok().flatten();
            for tool in tools.and_then(|tools| raw::elements(tools).ok()).unwrap_or_default() {
                let Ok(tool) = Object::read(tool) else { continue };
                let (Ok(name), Ok(Some(schema))) = (tool.text("name"), tool.get("inputSchema"))
                else {
                    continue;
                };
                if let Ok(plan) = plan(schema)
                    && !plan.is_empty()
                {
                    plans.insert((&*name).into(), plan);
                }
            }
            let next = page.text("nextCursor").ok().map(Cow::into_owned);
            if next.is_none() || next == cursor {
                break;
            }
            cursor = next;
        }
        Ok(plans)
    }
}
