//! A tool's result without what a rule of the policy hides (`redact_result`).
//!
//! The paths are followed in `structuredContent`, and in each text that is
//! JSON, and in everything else that has a structure. Of prose, images and
//! embedded resources nobody can say where the hidden value stands, so they are
//! masked whole; and so is the message of an error.

use std::borrow::Cow;

use bytes::Bytes;
use serde_json::value::RawValue;

use super::tasks;
use crate::error::{Reason, Refusal};
use crate::protocol::json_path::JsonPaths;
use crate::protocol::mask::{MASK, masked};
use crate::protocol::raw::{self, Object, Unfit, elements, quote, text};
use crate::protocol::splice::Edits;
use crate::upstream::Whole;

/// In the place of a block that is masked whole.
const MASKED_BLOCK: &str = r#"{"type":"text","text":"***REDACTED***"}"#;

/// Takes out of an answer what a rule of the policy hides.
pub(super) fn answer(whole: &mut Whole, hidden: &JsonPaths) -> Result<(), Refusal> {
    if tasks::is_begun(&whole.message) {
        let detail = "a task was begun, although the call did not allow one";
        return Err(Refusal::new(Reason::BackendError, detail));
    }
    let unfit = |fault: Unfit| Refusal::new(Reason::BackendError, fault.to_string());
    if let Some(shown) = result(&whole.message, hidden).map_err(unfit)? {
        whole.message = shown;
    }
    Ok(())
}

/// What the registry hides of arguments, and what the policy does.
pub(super) fn both(
    by_registry: Option<&JsonPaths>,
    by_policy: Option<JsonPaths>,
) -> Option<Cow<'_, JsonPaths>> {
    match (by_registry, by_policy) {
        (known, None) => known.map(Cow::Borrowed),
        (None, Some(more)) => Some(Cow::Owned(more)),
        (Some(known), Some(more)) => Some(Cow::Owned(more.and(known))),
    }
}

/// The answer with the values masked; `None` when there is nothing to mask.
///
/// # Errors
/// [`Unfit`] when the answer is not one.
fn result(message: &[u8], hidden: &JsonPaths) -> Result<Option<Bytes>, Unfit> {
    let whole = Object::read(raw::value(message)?)?;
    let mut edits = Edits::new(message);
    let Some(result) = whole.get("result")? else {
        let Some(error) = whole.get("error")? else { return Ok(None) };
        for member in Object::read(error)?.members() {
            match &*member.name() {
                "code" => {}
                "data" => edits = mask_value(edits, member.value, hidden)?,
                _ => edits = edits.replace(member.value, MASK.as_bytes()),
            }
        }
        return if edits.is_empty() { Ok(None) } else { edits.finish().map(Some) };
    };
    let result = Object::read(result)?;
    for member in result.members() {
        match &*member.name() {
            "structuredContent" => {
                if let Some(shown) = masked(member.value.get().as_bytes(), hidden)? {
                    edits = edits.replace(member.value, shown.to_vec());
                }
            }
            "content" => {
                for block in elements(member.value)? {
                    edits = mask_block(edits, block, hidden)?;
                }
            }
            "isError" | "resultType" => {}
            _ => edits = mask_value(edits, member.value, hidden)?,
        }
    }
    if edits.is_empty() { Ok(None) } else { edits.finish().map(Some) }
}

/// What the paths point at in a value; a text, whole.
fn mask_value<'t>(
    edits: Edits<'t>,
    value: &'t RawValue,
    hidden: &JsonPaths,
) -> Result<Edits<'t>, Unfit> {
    if value.get().starts_with('"') {
        return Ok(edits.replace(value, MASK.as_bytes()));
    }
    Ok(match masked(value.get().as_bytes(), hidden)? {
        Some(shown) => edits.replace(value, shown.to_vec()),
        None => edits,
    })
}

fn mask_block<'t>(
    mut edits: Edits<'t>,
    block: &'t RawValue,
    hidden: &JsonPaths,
) -> Result<Edits<'t>, Unfit> {
    let read = Object::read(block)?;
    let kind = read.get("type")?.and_then(text);
    let (Some(Cow::Borrowed("text")), Some(said)) = (kind, read.get("text")?) else {
        return Ok(edits.replace(block, MASKED_BLOCK.as_bytes()));
    };
    let Some(spoken) = text(said) else {
        return Ok(edits.replace(block, MASKED_BLOCK.as_bytes()));
    };
    for member in read.members() {
        if !matches!(&*member.name(), "type" | "text") {
            edits = mask_value(edits, member.value, hidden)?;
        }
    }
    let structured = spoken.trim_start().starts_with(['{', '[']);
    match masked(spoken.as_bytes(), hidden) {
        Ok(Some(shown)) if structured => {
            let shown = String::from_utf8_lossy(&shown);
            Ok(edits.replace(said, quote(&shown).into_bytes()))
        }
        Ok(None) if structured => Ok(edits),
        Ok(_) | Err(_) => Ok(edits.replace(said, MASK.as_bytes())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn concealed(message: &str) -> Option<String> {
        let paths = JsonPaths::read(&["$..email"]).unwrap();
        let shown = result(message.as_bytes(), &paths).unwrap();
        shown.map(|bytes| String::from_utf8(bytes.to_vec()).unwrap())
    }

    #[test]
    fn values_are_masked_in_structure_and_in_text_that_is_json() {
        let shown = concealed(
            r#"{"jsonrpc":"2.0","id":1,"result":{"content":[{"type":"text","text":"{\"email\": \"a@b\", \"n\": 1}"}],"structuredContent":{"email":"a@b","n":1.0}}}"#,
        );
        assert_eq!(
            shown.unwrap(),
            r#"{"jsonrpc":"2.0","id":1,"result":{"content":[{"type":"text","text":"{\"email\": \"***REDACTED***\", \"n\": 1}"}],"structuredContent":{"email":"***REDACTED***","n":1.0}}}"#
        );
    }

    #[test]
    fn what_cannot_be_looked_into_is_masked_whole() {
        for block in [
            r#"{"type":"text","text":"write to a@b"}"#,
            r#"{"type":"text","text":"{\"email\": \"a@b\""}"#,
            r#"{"type":"text","text":"\"a@b\""}"#,
            r#"{"type":"image","data":"YUBi","mimeType":"image/png"}"#,
            r#"{"type":"resource","resource":{"uri":"x:a@b","text":"a@b"}}"#,
            r#"{"type":"text"}"#,
            r#"{"text":"a@b"}"#,
        ] {
            let message = format!(r#"{{"id":1,"result":{{"content":[{block}]}}}}"#);
            let shown = concealed(&message).unwrap();
            assert!(!shown.contains("a@b") && !shown.contains("YUBi"), "{shown}");
            assert!(shown.contains("***REDACTED***"), "{shown}");
        }
    }

    #[test]
    fn what_holds_nothing_hidden_stays_to_the_byte() {
        let message = r#"{"id":1,"result":{"content":[{"type":"text","text":"[1, 2]"}],"structuredContent":{ "n" : 1 }}}"#;
        assert_eq!(concealed(message), None);
    }

    #[test]
    fn errors_and_what_stands_beside_are_no_way_around() {
        assert_eq!(
            concealed(
                r#"{"id":1,"error":{"code":1,"message":"no a@b","data":{"email":"a@b","n":1}}}"#
            )
            .unwrap(),
            r#"{"id":1,"error":{"code":1,"message":"***REDACTED***","data":{"email":"***REDACTED***","n":1}}}"#
        );
        assert_eq!(
            concealed(r#"{"id":1,"result":{"content":[{"type":"text","text":"[]","_meta":{"email":"a@b"}}],"_meta":{"email":"a@b"},"note":"a@b","isError":false}}"#).unwrap(),
            r#"{"id":1,"result":{"content":[{"type":"text","text":"[]","_meta":{"email":"***REDACTED***"}}],"_meta":{"email":"***REDACTED***"},"note":"***REDACTED***","isError":false}}"#
        );
    }
}
