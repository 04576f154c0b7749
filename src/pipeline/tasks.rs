//! Tasks (MCP 2026-07-28, `io.modelcontextprotocol/tasks`): calls that go on
//! after their answer, and are looked at, answered and called off by their id.
//!
//! The id says by itself whose the task is and which backend has it
//! ([`session::Tasks`](crate::session::Tasks)): that is the authority here, and
//! no rule of the policy, since the call that began it was judged. Nothing is
//! charged either, since that call was. The audit trail has a row for each
//! request, without the name of a tool: the id does not say it.

use std::sync::Arc;

use bytes::Bytes;

use super::{Answer, Known, Visitor, no_such_method};
use crate::audit::Entry;
use crate::error::{Reason, Refusal};
use crate::gateway::{Gateway, WorkerIo};
use crate::inbound::Message;
use crate::protocol::mcp::Method;
use crate::protocol::raw::{self, Object, Unfit};
use crate::protocol::revision::Era;
use crate::registry::{Backend, Target};
use crate::session::{CallerKey, Tasks, place_of};
use crate::translate::capabilities::has_tasks;
use crate::translate::tasks;
use crate::upstream::{Ask, Reply, UNMIRRORED};

/// Longest id that is told back to who sent it, in bytes.
const LONGEST_ECHO: usize = 128;

/// `tasks/get`, `tasks/update`, `tasks/cancel`.
pub(super) async fn tend(
    gw: &Gateway,
    io: &WorkerIo,
    visitor: &Visitor<'_>,
    message: &Message<'_>,
    body: &Bytes,
    (known, entry): (&Known, &mut Entry),
) -> Result<Answer, Refusal> {
    entry.scope(Arc::clone(&visitor.scope.name));
    let (Some(id), Some(params), Some(outer)) =
        (message.id, message.raw_params, message.params.task_id.as_deref())
    else {
        return Err(Refusal::telling(Reason::InvalidParams, "`params.taskId` is missing"));
    };
    let own = place_of(outer).and_then(|place| {
        let tasks = of(gw, visitor, place)?;
        let inner = tasks.inner(outer)?;
        Some((place, visitor.scope.backend_at(place)?, tasks, inner))
    });
    let Some((place, backend, tasks, inner)) = own else {
        return Err(nobodys(gw, io, visitor, message, outer).await);
    };
    if !gw.upstream.facts(&io.http, backend).await?.speaks(Era::Modern) {
        // Whatever it has now, it is not this task.
        return Err(nobodys(gw, io, visitor, message, outer).await);
    }
    let asked = Ask {
        backend,
        place,
        caller: &visitor.caller,
        seat: None,
        era: Era::Modern,
        revision: message.spoken.revision,
        id,
        method: &message.method_name,
        name: Some(inner),
        message: tasks::with_id(body, params, inner).map_err(unfit)?,
        mirrored: UNMIRRORED,
        timeout: backend.timeout,
        idle: Some(backend.timeout),
        streams: known.takes_streams(),
        trail: visitor.trail,
    };
    let recorded = entry.intent(asked).await?;
    let reply = gw.upstream.tend(&io.http, &recorded).await?.binding(tasks)?;
    Ok(match reply {
        Reply::Stream(flow) if known.takes_streams() => Answer::Streamed(flow),
        reply @ (Reply::Stream(_) | Reply::Whole(_)) => Answer::Forwarded(reply.whole().await?),
    })
}

/// The answer to a call, with ids of tasks that are of use to the caller only.
pub(super) fn bound(gw: &Gateway, target: &Target<'_>, reply: Reply) -> Result<Reply, Refusal> {
    let (subject, call) = (target.subject(), target.call());
    if (call.method, call.era) != (Method::ToolsCall, Era::Modern) {
        return Ok(reply);
    }
    let caller = CallerKey::of(target.caller().key());
    let backend = (subject.backend_index, &*subject.backend.identity);
    reply.binding(gw.sessions.tasks(&subject.scope, caller, backend))
}

/// Whether an answer says that a task has begun.
pub(super) fn is_begun(message: &Bytes) -> bool {
    let result = raw::value(message).and_then(Object::read).and_then(|whole| whole.get("result"));
    let result = result.ok().flatten().and_then(|result| Object::read(result).ok());
    result.is_some_and(|result| result.text("resultType").is_ok_and(|kind| kind == "task"))
}

/// The tasks of a caller at the backend at that place.
pub(super) fn of(gw: &Gateway, visitor: &Visitor<'_>, place: usize) -> Option<Tasks> {
    let Visitor { caller, scope, .. } = visitor;
    let backend = scope.backend_at(place)?;
    let caller = CallerKey::of(caller.key());
    Some(gw.sessions.tasks(&scope.name, caller, (place, &backend.identity)))
}

/// A request to listen as one backend gets it: with the tasks of the caller's
/// that it has, under its own ids.
pub(super) fn listened(tasks: &Tasks, body: &Bytes) -> Result<Bytes, Unfit> {
    let inner = |id: &str| tasks.inner(id).map(str::to_owned);
    Ok(tasks::listened(body, inner)?.unwrap_or_else(|| body.clone()))
}

/// Why an id is of no use: exactly what a backend says that knows no such
/// task, wherever there are tasks at all.
async fn nobodys(
    gw: &Gateway,
    io: &WorkerIo,
    visitor: &Visitor<'_>,
    message: &Message<'_>,
    outer: &str,
) -> Refusal {
    let asking = visitor.scope.reachable().iter().map(|backend| carries(gw, io, backend));
    if !futures_util::future::join_all(asking).await.contains(&true) {
        return no_such_method(&message.method_name);
    }
    let declared = message.params.meta.as_ref().and_then(|meta| meta.client_capabilities);
    if !declared.is_some_and(has_tasks) {
        return Refusal::new(Reason::TasksNotDeclared, "the client did not declare tasks");
    }
    let shown = &outer[..outer.floor_char_boundary(LONGEST_ECHO)];
    Refusal {
        public: Some(format!("unknown task: {shown}").into()),
        ..Refusal::new(Reason::UnknownTask, "the id was not made for this caller and scope")
    }
}

/// Whether a backend says that it has tasks of the modern era.
async fn carries(gw: &Gateway, io: &WorkerIo, backend: &Backend) -> bool {
    let Ok(facts) = gw.upstream.facts(&io.http, backend).await else { return false };
    let told = facts.introduction(Era::Modern).and_then(|told| told.capabilities.as_deref());
    facts.speaks(Era::Modern) && told.is_some_and(has_tasks)
}

#[expect(clippy::needless_pass_by_value, reason = "for map_err")]
fn unfit(fault: Unfit) -> Refusal {
    Refusal::new(Reason::Internal, fault.to_string())
}
