//! REST: one call, and the tools there are.

use std::borrow::Cow;
use std::sync::Arc;

use super::{
    Answer, Inbound, Known, Visitor, Walked, authenticate, call_subject, conceal, open, pinned,
    receive, trail,
};
use crate::audit::Entry;
use crate::error::Refusal;
use crate::gateway::{Gateway, WorkerIo};
use crate::invocation::Invocation;
use crate::policy::What;
use crate::protocol::headers;
use crate::registry::{SubjectKind, Tool};

/// A request on `POST /mcp/invoke`.
pub(crate) async fn invoke(gw: &Gateway, io: &WorkerIo, inbound: Inbound<'_>) -> Walked {
    let (mut known, mut entry) = open(gw, &inbound);
    let result = walk_invoke(gw, io, inbound, &mut known, &mut entry).await;
    Walked { known, entry, result }
}

/// A request on `GET /mcp/tools`.
pub(crate) async fn tools(gw: &Gateway, inbound: Inbound<'_>) -> Walked {
    let (known, mut entry) = open(gw, &inbound);
    let result = walk_tools(gw, &inbound, &mut entry).await;
    Walked { known, entry, result }
}

async fn walk_invoke(
    gw: &Gateway,
    io: &WorkerIo,
    inbound: Inbound<'_>,
    known: &mut Known,
    entry: &mut Entry,
) -> Result<Answer, Refusal> {
    let Inbound { head, request_id, .. } = inbound;
    let (caller, body) = receive(gw, inbound, known, entry).await?;
    let invocation = Invocation::read(&body)?;
    let brought = head.chosen_request_id();
    entry.method("tools/call");
    let now = gw.now();
    let placed = invocation.id(brought, request_id).and_then(|id| {
        known.message.id = Some(id.clone());
        let active = now.policy.active();
        let scope = invocation.scope(&now.registry, |tool| active.allows(&caller, tool))?;
        Ok((id, scope))
    });
    // What is refused for its id, or for want of a scope, is a call, too.
    if let (Err(_), Some(name)) = (&placed, invocation.name()) {
        entry.asked(name);
        if let Some(arguments) = invocation.arguments() {
            let by_registry = now.registry.snapshot().redactions_of(name);
            let what = What::named(SubjectKind::Tool, name);
            let by_policy = now.policy.active().hidden_arguments(&what);
            entry.arguments(arguments, conceal::both(by_registry.as_deref(), by_policy).as_deref());
        }
    }
    let turn_id = head.one(headers::TURN_ID);
    if let Ok(Some(turn)) = turn_id {
        entry.turn(turn);
    }
    let (id, scope) = placed?;
    let mut call = invocation.into_call(&id, brought)?;
    call.turn_id = turn_id?.map(Cow::Borrowed);
    call.job_id = head.one(headers::JOB_ID)?.map(Cow::Borrowed);
    let trail = trail(head, request_id);
    let visitor = Visitor { now, caller, scope, seat: None, client: None, trail };
    call_subject(gw, io, visitor, call, known, entry).await
}

async fn walk_tools(
    gw: &Gateway,
    inbound: &Inbound<'_>,
    entry: &mut Entry,
) -> Result<Answer, Refusal> {
    let caller = authenticate(gw, inbound, entry).await?;
    entry.method("tools/list");
    let now = gw.now();
    let active = now.policy.active();
    let snapshot = now.registry.snapshot();
    let tools = snapshot.scopes().flat_map(|scope| &scope.tools);
    let shown =
        |tool: &&Arc<Tool>| active.allows(&caller, tool) && pinned::shows_declared(gw, &now, tool);
    let visible = tools.filter(shown).cloned().collect();
    Ok(Answer::Tools(visible, caller.has_role(&gw.admin_role)))
}
