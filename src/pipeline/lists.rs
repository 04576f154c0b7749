//! Lists of what a scope offers, as far as the caller may use it.

use bytes::Bytes;

use super::{Answer, Visitor, no_cursor};
use crate::error::{Reason, Refusal};
use crate::gateway::{Gateway, WorkerIo};
use crate::inbound::Message;
use crate::protocol::mcp::Method;
use crate::protocol::raw::{self, Object, Unfit};
use crate::protocol::revision::Era;
use crate::protocol::splice::Edits;
use crate::registry::{SubjectKind, catalog};
use crate::upstream::{Ask, UNMIRRORED};

/// `tools/list`, `prompts/list`, `resources/list`,
/// `resources/templates/list`.
pub(super) async fn list(
    gw: &Gateway,
    io: &WorkerIo,
    visitor: &Visitor<'_>,
    message: &Message<'_>,
    body: &Bytes,
) -> Result<Answer, Refusal> {
    if visitor.scope.is_open() {
        return Box::pin(offered(gw, io, visitor, message, body)).await;
    }
    if message.method != Method::ToolsList {
        return Err(super::no_such_method(&message.method_name));
    }
    no_cursor(message.params.cursor.as_deref())?;
    let active = gw.policy.active();
    let tools = visitor.scope.tools.iter().map(|tool| &**tool);
    let visible = tools.filter(|tool| active.allows(&visitor.caller, tool));
    let era = message.spoken.era;
    Ok(Answer::Result(catalog::list(visible, era, gw.handshake.server_info())))
}

/// The lists of the scope's backends, as far as the policy lets the caller see
/// them.
async fn offered(
    gw: &Gateway,
    io: &WorkerIo,
    visitor: &Visitor<'_>,
    message: &Message<'_>,
    body: &Bytes,
) -> Result<Answer, Refusal> {
    let Some(id) = message.id else {
        return Err(super::no_such_method(&message.method_name));
    };
    let Visitor { caller, scope, seat, trail } = visitor;
    let backend = &scope.backends[0];
    let ask = Ask {
        backend,
        place: 0,
        caller,
        seat: seat.as_ref(),
        era: message.spoken.era,
        revision: message.spoken.revision,
        id,
        method: message.method.name().unwrap_or_default(),
        name: None,
        message: body.clone(),
        mirrored: UNMIRRORED,
        timeout: backend.timeout,
        idle: Some(backend.timeout),
        streams: false,
        trail: *trail,
    };
    let mut whole = gw.upstream.consult(&io.http, ask).await?.whole().await?;
    if !whole.is_error {
        let active = gw.policy.active();
        let (member, kind, key) = match message.method {
            Method::PromptsList => ("prompts", SubjectKind::Prompt, "name"),
            Method::ResourcesList => ("resources", SubjectKind::Resource, "uri"),
            Method::TemplatesList => ("resourceTemplates", SubjectKind::Resource, "uriTemplate"),
            _ => ("tools", SubjectKind::Tool, "name"),
        };
        whole.message = filtered(&whole.message, member, key, message.spoken.era, |name| {
            active.allows_named(caller, kind, name)
        })
        .map_err(|fault| Refusal::new(Reason::BackendError, fault.to_string()))?;
    }
    Ok(Answer::Forwarded(whole))
}

/// A response with the entries of its list that are kept, each as it was
/// written. What is left depends on the caller, so a modern one is `private`.
fn filtered(
    message: &Bytes,
    member: &str,
    key: &'static str,
    era: Era,
    mut keep: impl FnMut(&str) -> bool,
) -> Result<Bytes, Unfit> {
    let whole = Object::read(raw::value(message)?)?;
    let Some(result) = whole.get("result")? else { return Ok(message.clone()) };
    let read = Object::read(result)?;
    let mut edits = Edits::new(message);
    if let Some(list) = read.get(member)? {
        let mut kept = String::from("[");
        for entry in raw::elements(list)? {
            if keep(&Object::read(entry)?.text(key)?) {
                if kept.len() > 1 {
                    kept.push(',');
                }
                kept.push_str(entry.get());
            }
        }
        kept.push(']');
        edits = edits.replace(list, kept.into_bytes());
    }
    if era == Era::Modern {
        edits = edits.set_member(result, "cacheScope", &b"\"private\""[..]);
    }
    edits.finish()
}
