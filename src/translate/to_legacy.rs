//! What a modern backend answers, for a legacy client.

use bytes::Bytes;
use serde_json::value::RawValue;

use super::meta;
use crate::protocol::codes;
use crate::protocol::mirror::plan;
use crate::protocol::number;
use crate::protocol::raw::{self, Object, Unfit, elements, quote, text};
use crate::protocol::splice::Edits;

/// A complete result as legacy clients read it. Members of the modern era
/// would break readers that know none but their own. `structuredContent` that
/// is no object becomes a text, and an `outputSchema` that allows other than
/// objects goes, since legacy clients refuse the whole result, or the whole
/// list, for them. A tool whose `x-mcp-header` annotations are not legal goes
/// too: a modern client, which the gateway is here, must drop it (MCP
/// 2026-07-28, `server/tools`).
///
/// # Errors
/// [`Unfit`] when the result is no object, or ambiguous where it is read.
pub(crate) fn result(method: &str, result: &RawValue) -> Result<Bytes, Unfit> {
    if method == "tools/list"
        && let Some(legal) = legal_tools(result)?
    {
        return translated(method, raw::value(&legal)?);
    }
    translated(method, result)
}

fn translated(method: &str, result: &RawValue) -> Result<Bytes, Unfit> {
    let object = Object::read(result)?;
    let mut edits = Edits::new(result.get().as_bytes());
    for member in ["resultType", "ttlMs", "cacheScope"] {
        edits = edits.remove_member(result, member);
    }
    match method {
        "tools/call" => structured_content(edits, result, &object)?.finish(),
        "tools/list" => output_schemas(edits, &object)?.finish(),
        _ => edits.finish(),
    }
}

/// An error as legacy clients know it: a resource that does not exist has a
/// code of its own there.
///
/// # Errors
/// [`Unfit`] when the error is no object, or ambiguous.
pub(crate) fn error(method: &str, error: &RawValue) -> Result<Bytes, Unfit> {
    let edits = Edits::new(error.get().as_bytes());
    let code = Object::read(error)?.get("code")?.ok_or(Unfit::Missing("code"))?;
    let invalid = number::integer(code.get()) == Some(codes::INVALID_PARAMS.into());
    if method == "resources/read" && invalid {
        let not_found = codes::RESOURCE_NOT_FOUND.to_string().into_bytes();
        return edits.replace(code, not_found).finish();
    }
    edits.finish()
}

fn structured_content<'t>(
    edits: Edits<'t>,
    result: &'t RawValue,
    object: &Object<'t>,
) -> Result<Edits<'t>, Unfit> {
    let Some(structured) = object.get("structuredContent")? else { return Ok(edits) };
    if structured.get().starts_with('{') {
        return Ok(edits);
    }
    let edits = edits.remove_member(result, "structuredContent");
    let content = object.get("content")?;
    let blocks = content.map(elements).and_then(Result::ok).unwrap_or_default();
    if blocks.iter().any(|block| is_text(block)) {
        return Ok(edits);
    }
    let fallback = format!(r#"{{"type":"text","text":{}}}"#, quote(structured.get()));
    let mut all: Vec<&str> = blocks.iter().map(|block| block.get()).collect();
    all.push(&fallback);
    Ok(edits.set_member(result, "content", meta::array(&all)))
}

fn is_text(block: &RawValue) -> bool {
    let kind = Object::read(block).and_then(|block| block.get("type"));
    kind.ok().flatten().and_then(text).is_some_and(|kind| kind == "text")
}

/// The list without tools of illegal annotations; `None` where it has none.
fn legal_tools(result: &RawValue) -> Result<Option<Bytes>, Unfit> {
    if !result.get().contains("x-mcp-header") {
        return Ok(None);
    }
    let Some(tools) = Object::read(result)?.get("tools")? else { return Ok(None) };
    let all = elements(tools)?;
    let legal = |tool: &&&RawValue| {
        let schema = Object::read(tool).and_then(|tool| tool.get("inputSchema"));
        schema.ok().flatten().is_none_or(|schema| plan(schema).is_ok())
    };
    let kept: Vec<&str> = all.iter().filter(legal).map(|tool| tool.get()).collect();
    if kept.len() == all.len() {
        return Ok(None);
    }
    let edits = Edits::new(result.get().as_bytes());
    edits.replace(tools, meta::array(&kept)).finish().map(Some)
}

fn output_schemas<'t>(mut edits: Edits<'t>, object: &Object<'t>) -> Result<Edits<'t>, Unfit> {
    let Some(tools) = object.get("tools")? else { return Ok(edits) };
    for tool in elements(tools)? {
        let Ok(entry) = Object::read(tool) else { continue };
        let Some(schema) = entry.exact("outputSchema")? else { continue };
        if !is_object_schema(schema) {
            edits = edits.remove_member(tool, "outputSchema");
        }
    }
    Ok(edits)
}

fn is_object_schema(schema: &RawValue) -> bool {
    let kind = Object::read(schema).and_then(|schema| schema.exact("type"));
    kind.ok().flatten().and_then(text).is_some_and(|kind| kind == "object")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::translate::{raw, text};

    #[test]
    fn modern_members_go_and_the_rest_stays_byte_for_byte() {
        for (method, modern, legacy) in [
            ("ping", r#"{"resultType":"complete"}"#, "{}"),
            (
                "resources/read",
                r#"{ "resultType":"complete", "contents":[ {"n":9223372036854775808} ],"ttlMs":0,"cacheScope":"private" ,"x":1e-400}"#,
                r#"{ "contents":[ {"n":9223372036854775808} ],"x":1e-400}"#,
            ),
            (
                "tools/call",
                r#"{"content":[],"structuredContent":{"resultType":1,"ttlMs":2},"isError":false,"_meta":{"k":[]},"resultType":"complete"}"#,
                r#"{"content":[],"structuredContent":{"resultType":1,"ttlMs":2},"isError":false,"_meta":{"k":[]}}"#,
            ),
        ] {
            assert_eq!(text(result(method, raw(modern))), legacy);
        }
        assert_eq!(result("ping", raw("[]")), Err(Unfit::NotObject));
    }

    #[test]
    fn structured_content_that_is_no_object_becomes_text() {
        for (modern, legacy) in [
            (r#"{"structuredContent":null}"#, r#"{"content":[{"type":"text","text":"null"}]}"#),
            (
                r#"{"content":[],"structuredContent":[1e-400,"a"]}"#,
                r#"{"content":[{"type":"text","text":"[1e-400,\"a\"]"}]}"#,
            ),
            (
                r#"{"content":[{"type":"image","data":"" }],"structuredContent":7}"#,
                r#"{"content":[{"type":"image","data":"" },{"type":"text","text":"7"}]}"#,
            ),
            (
                r#"{"content":[{"type":"text","text":"seven"}],"structuredContent":7,"isError":true}"#,
                r#"{"content":[{"type":"text","text":"seven"}],"isError":true}"#,
            ),
            (r#"{"content":[]}"#, r#"{"content":[]}"#),
        ] {
            assert_eq!(text(result("tools/call", raw(modern))), legacy);
        }
        let other = r#"{"structuredContent":null}"#;
        assert_eq!(text(result("prompts/get", raw(other))), other);
        let twice = r#"{"structuredContent":{},"structuredContent":null}"#;
        assert!(matches!(result("tools/call", raw(twice)), Err(Unfit::Ambiguous(_))));
    }

    #[test]
    fn output_schemas_of_other_types_go() {
        let modern = r#"{"tools":[{"name":"a","outputSchema":{"type":"object","x":true}}, {"name":"b","outputSchema":{"type":"array"}},{"outputSchema":true,"inputSchema":{"type":"object","properties":{"p":false}}},{"name":"c","outputSchema":{"type":["object"]}},7],"nextCursor":"","ttlMs":1,"cacheScope":"public","resultType":"complete"}"#;
        let legacy = r#"{"tools":[{"name":"a","outputSchema":{"type":"object","x":true}}, {"name":"b"},{"inputSchema":{"type":"object","properties":{"p":false}}},{"name":"c"},7],"nextCursor":""}"#;
        assert_eq!(text(result("tools/list", raw(modern))), legacy);
    }

    #[test]
    fn tools_of_illegal_annotations_go() {
        let schema = |kind: &str| {
            format!(
                r#"{{"type":"object","properties":{{"r":{{"type":"{kind}","x-mcp-header":"R"}}}}}}"#
            )
        };
        let tool = |kind: &str| {
            format!(r#"{{"name":"{kind}","inputSchema":{},"outputSchema":true}}"#, schema(kind))
        };
        let listed = |kinds: &[&str]| {
            let tools: Vec<String> = kinds.iter().map(|kind| tool(kind)).collect();
            format!(r#"{{"tools":[{}],"ttlMs":1}}"#, tools.join(","))
        };
        let kept = |kinds: &[&str]| text(result("tools/list", raw(&listed(kinds))));
        let legal = kept(&["string"]);
        assert!(legal.contains(&schema("string")) && !legal.contains("outputSchema"), "{legal}");
        assert_eq!(kept(&["array", "string", "object"]), legal);
        assert_eq!(kept(&["array"]), r#"{"tools":[]}"#);
    }

    #[test]
    fn a_missing_resource_has_its_own_code() {
        let modern = r#"{"code":-32602 ,"message":"no","data":{"uri":"x"}}"#;
        let legacy = r#"{"code":-32002 ,"message":"no","data":{"uri":"x"}}"#;
        assert_eq!(text(error("resources/read", raw(modern))), legacy);
        assert_eq!(text(error("tools/call", raw(modern))), modern);
        let other = r#"{"code":-32603,"message":"no"}"#;
        assert_eq!(text(error("resources/read", raw(other))), other);
        assert_eq!(error("x", raw("{}")), Err(Unfit::Missing("code")));
    }
}
