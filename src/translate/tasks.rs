//! Where the ids of tasks stand in messages (MCP 2026-07-28, the extension for
//! tasks), to put others in their places.
//!
//! | message | where |
//! |---|---|
//! | `tasks/get`, `tasks/update`, `tasks/cancel` | `params.taskId` |
//! | `subscriptions/listen` | `params.notifications.taskIds` |
//! | a result that is a task, or tells of one | `result.taskId` |
//! | `notifications/tasks` | `params.taskId` |
//! | `notifications/subscriptions/acknowledged` | `params.notifications.taskIds` |

use bytes::Bytes;
use serde_json::value::RawValue;

use crate::protocol::raw::{Object, Unfit, elements, quote, text, value};
use crate::protocol::splice::Edits;

const TASK_ID: &str = "taskId";
const TASK_IDS: &str = "taskIds";

/// The request with another id of its task; all else stays.
///
/// # Errors
/// [`Unfit`] when the parameters are none of the message's, or name no task.
pub(crate) fn with_id(message: &[u8], params: &RawValue, id: &str) -> Result<Bytes, Unfit> {
    let old = Object::read(params)?.get(TASK_ID)?.ok_or(Unfit::Missing(TASK_ID))?;
    Edits::new(message).replace(old, quote(id).into_bytes()).finish()
}

/// The request to listen, with the ids of tasks that `inner` gives for those
/// in it, and without those for which it gives none. `None` where it names no
/// tasks.
///
/// # Errors
/// [`Unfit`] when `taskIds` is no array, or ambiguous.
pub(crate) fn listened<'i>(
    message: &[u8],
    inner: impl Fn(&str) -> Option<String> + 'i,
) -> Result<Option<Bytes>, Unfit> {
    let Some(ids) = filter(value(message)?)? else { return Ok(None) };
    let kept = elements(ids)?.into_iter().filter_map(|id| inner(&text(id)?));
    let kept: Vec<String> = kept.map(|id| quote(&id)).collect();
    let kept = format!("[{}]", kept.join(",")).into_bytes();
    Edits::new(message).replace(ids, kept).finish().map(Some)
}

/// A backend's message with the ids that the client gets for those in it.
/// `None` where there is none in it.
///
/// # Errors
/// [`Unfit`] when it is ambiguous which they are.
pub(crate) fn outward(
    message: &[u8],
    outer: impl Fn(&str) -> String,
) -> Result<Option<Bytes>, Unfit> {
    // Most messages say nothing of tasks, and are not read for it.
    if [&b"task"[..], b"\\u"].iter().all(|it| memchr::memmem::find(message, it).is_none()) {
        return Ok(None);
    }
    let whole = value(message)?;
    let object = Object::read(whole)?;
    let replaced = |id: &RawValue| text(id).map(|id| quote(&outer(&id)));
    let (place, by) = match object.get("method")?.and_then(text).as_deref() {
        Some("notifications/tasks") => {
            let Some(id) = member(&object, "params", TASK_ID)? else { return Ok(None) };
            (id, replaced(id))
        }
        Some("notifications/subscriptions/acknowledged") => {
            let Some(ids) = filter(whole)? else { return Ok(None) };
            let all = elements(ids)?;
            let all: Vec<String> = all
                .into_iter()
                .map(|id| replaced(id).unwrap_or_else(|| id.get().to_owned()))
                .collect();
            (ids, Some(format!("[{}]", all.join(","))))
        }
        Some(_) => return Ok(None),
        None => {
            let Some(id) = member(&object, "result", TASK_ID)? else { return Ok(None) };
            (id, replaced(id))
        }
    };
    match by {
        Some(by) => Edits::new(message).replace(place, by.into_bytes()).finish().map(Some),
        None => Ok(None),
    }
}

/// The ids of tasks that a filter of subscriptions names.
fn filter(message: &RawValue) -> Result<Option<&RawValue>, Unfit> {
    let object = Object::read(message)?;
    let Some(params) = object.get("params")? else { return Ok(None) };
    member(&Object::read(params)?, "notifications", TASK_IDS)
}

/// A member of a member that is an object.
fn member<'a>(
    object: &Object<'a>,
    outer: &str,
    inner: &str,
) -> Result<Option<&'a RawValue>, Unfit> {
    match object.get(outer)?.filter(|found| found.get().starts_with('{')) {
        Some(found) => Object::read(found)?.get(inner),
        None => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn marked(message: &str) -> Option<String> {
        let found = outward(message.as_bytes(), |id| format!("0.m.{id}")).unwrap();
        found.map(|bytes| String::from_utf8(bytes.to_vec()).unwrap())
    }

    #[test]
    fn ids_are_replaced_where_tasks_are_told_of_and_nothing_else_is() {
        for (told, expected) in [
            (
                r#"{"jsonrpc":"2.0","id":1,"result":{"resultType":"task", "taskId":"t","ttlMs":1e-400,"x":{"taskId":"t"}}}"#,
                r#"{"jsonrpc":"2.0","id":1,"result":{"resultType":"task", "taskId":"0.m.t","ttlMs":1e-400,"x":{"taskId":"t"}}}"#,
            ),
            (
                r#"{"id":1,"result":{"\u0074askId":"\u0074\"","result":{"content":[]}}}"#,
                r#"{"id":1,"result":{"\u0074askId":"0.m.t\"","result":{"content":[]}}}"#,
            ),
            (
                r#"{"method":"notifications/tasks","params":{"_meta":{},"taskId":"t","n":9223372036854775808}}"#,
                r#"{"method":"notifications/tasks","params":{"_meta":{},"taskId":"0.m.t","n":9223372036854775808}}"#,
            ),
            (
                r#"{"method":"notifications/subscriptions/acknowledged","params":{"notifications":{"taskIds":["a", "b"],"toolsListChanged":true}}}"#,
                r#"{"method":"notifications/subscriptions/acknowledged","params":{"notifications":{"taskIds":["0.m.a","0.m.b"],"toolsListChanged":true}}}"#,
            ),
        ] {
            assert_eq!(marked(told).as_deref(), Some(expected));
        }
    }

    #[test]
    fn what_tells_of_no_task_stays() {
        for told in [
            r#"{"id":1,"result":{"content":[{"type":"text","text":"taskId"}]}}"#,
            r#"{"id":1,"result":{"structuredContent":{"taskId":"t"}}}"#,
            r#"{"id":1,"result":{"taskId":7}}"#,
            r#"{"id":1,"error":{"code":-32602,"message":"unknown task: t"}}"#,
            r#"{"method":"notifications/progress","params":{"taskId":"t"}}"#,
            r#"{"method":"notifications/tasks"}"#,
            r#"{"method":"notifications/subscriptions/acknowledged","params":{"notifications":{}}}"#,
        ] {
            assert_eq!(marked(told), None, "{told}");
        }
    }

    #[test]
    fn two_ids_in_one_are_not_guessed_at() {
        let told = br#"{"id":1,"result":{"taskId":"a","taskId":"b"}}"#;
        assert!(outward(told, str::to_owned).is_err());
    }

    #[test]
    fn a_request_gets_the_backends_own_id() {
        let message = br#"{"method":"tasks/update","params":{ "taskId" : "0.m.t","inputResponses":{"n":1e-400}}}"#;
        let whole = Object::read(value(message).unwrap()).unwrap();
        let params = whole.get("params").unwrap().unwrap();
        assert_eq!(
            with_id(message, params, "t\"").unwrap(),
            r#"{"method":"tasks/update","params":{ "taskId" : "t\"","inputResponses":{"n":1e-400}}}"#
        );
    }

    #[test]
    fn only_ones_own_tasks_are_listened_to() {
        let message = br#"{"params":{"notifications":{"taskIds":["0.t", 7,"1.u","0.v"],"toolsListChanged":true}}}"#;
        let inner = |id: &str| id.strip_prefix("0.").map(str::to_owned);
        assert_eq!(
            listened(message, inner).unwrap().unwrap(),
            r#"{"params":{"notifications":{"taskIds":["t","v"],"toolsListChanged":true}}}"#
        );
        assert_eq!(listened(br#"{"params":{"notifications":{}}}"#, inner).unwrap(), None);
        assert!(listened(br#"{"params":{"notifications":{"taskIds":"0.t"}}}"#, inner).is_err());
    }
}
