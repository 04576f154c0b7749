//! Lists of what a scope offers, as far as the caller may use it.

use bytes::Bytes;

use super::{Answer, Visitor, no_cursor};
use crate::error::Refusal;
use crate::gateway::{Gateway, WorkerIo};
use crate::inbound::Message;
use crate::protocol::mcp::Method;
use crate::registry::catalog;

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
