//! A tool's result without what a rule of the policy hides (`redact_result`).
//!
//! The paths are followed in `structuredContent`, and in each text that is
//! JSON. Of everything else in the content (prose, images, embedded resources)
//! nobody can say where the hidden value stands, so it is masked whole.

use std::borrow::Cow;

use bytes::Bytes;
use serde_json::value::RawValue;

use crate::protocol::json_path::JsonPaths;
use crate::protocol::mask::{MASK, masked};
use crate::protocol::raw::{self, Object, Unfit, elements, quote, text};
use crate::protocol::splice::Edits;

/// In the place of a block that is masked whole.
const MASKED_BLOCK: &str = r#"{"type":"text","text":"***REDACTED***"}"#;

/// The answer with the values masked; `None` when there is nothing to mask.
///
/// # Errors
/// [`Unfit`] when the answer is not one.
pub(super) fn result(message: &[u8], hidden: &JsonPaths) -> Result<Option<Bytes>, Unfit> {
    let whole = Object::read(raw::value(message)?)?;
    let Some(result) = whole.get("result")? else { return Ok(None) };
    let result = Object::read(result)?;
    let mut edits = Edits::new(message);
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
            _ => {}
        }
    }
    if edits.is_empty() { Ok(None) } else { edits.finish().map(Some) }
}

fn mask_block<'t>(
    edits: Edits<'t>,
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
        assert_eq!(concealed(r#"{"id":1,"error":{"code":1,"message":"x"}}"#), None);
    }
}
