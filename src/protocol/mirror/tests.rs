use proptest::prelude::*;

use super::*;
use crate::protocol::raw::{quote, value};

fn raw(text: &str) -> &RawValue {
    value(text.as_bytes()).unwrap()
}

fn planned(schema: &str) -> Result<Vec<(String, String)>, Illegal> {
    let found = plan(raw(schema))?;
    Ok(found.into_iter().map(|one| (one.header, one.path.join("/"))).collect())
}

fn properties(properties: &str) -> String {
    format!(r#"{{"type":"object","properties":{{{properties}}}}}"#)
}

#[test]
fn annotations_are_found_along_properties() {
    let schema = r#"{"type":"object","properties":{
        "region":{"type":"string","x-mcp-header":"Region"},
        "query":{"type":"string","default":{"x-mcp-header":"no"}},
        "options":{"type":"object","properties":{"limit":{"type":"integer","x-mcp-header":"X-Limit"},
            "deep":{"properties":{"on":{"x-mcp-header":"on","type":"boolean"}}}}},
        "x-mcp-header":{"type":"string"},
        "any":true},
        "examples":[{"x-mcp-header":7}],"x-vendor":{"x-mcp-header":7}}"#;
    let expected = [("Region", "region"), ("X-Limit", "options/limit"), ("on", "options/deep/on")]
        .map(|(header, path)| (header.to_owned(), path.to_owned()));
    assert_eq!(planned(schema).unwrap(), expected);
    for none in ["{}", "true", "false", r#"{"properties":true}"#, r#"{"type":"object"}"#] {
        assert_eq!(planned(none), Ok(Vec::new()), "{none}");
    }
}

#[test]
fn illegal_annotations_are_named() {
    let name = |at: &str| Err(Illegal::Name(at.into()));
    for header in [r#""""#, r#""a b""#, r#""a:b""#, r#""a\r\nb""#, r#""größe""#, "7", "null"] {
        let schema = properties(&format!(r#""a":{{"type":"string","x-mcp-header":{header}}}"#));
        assert_eq!(planned(&schema), name("/a"), "{header}");
    }
    for kind in [
        r#","type":"number""#,
        r#","type":"object""#,
        r#","type":["string"]"#,
        r#","type":"null""#,
        "",
        r#","type":"string","type":"integer""#,
    ] {
        let schema = properties(&format!(r#""a":{{"x-mcp-header":"A"{kind}}}"#));
        assert_eq!(planned(&schema), Err(Illegal::Type("/a".into())), "{kind}");
    }
    let twice = r#""a":{"type":"string","x-mcp-header":"Same"},"b":{"type":"string","x-mcp-header":"SAME"}"#;
    assert_eq!(planned(&properties(twice)), Err(Illegal::Twice("SAME".into())));
    let both = r#""a":{"type":"string","x-mcp-header":"A","x-mcp-header":"B"}"#;
    assert_eq!(planned(&properties(both)), Err(Illegal::Schema("/a".into())));
    let doubled = r#"{"properties":{},"properties":{}}"#;
    assert_eq!(planned(doubled), Err(Illegal::Schema("/".into())));
}

#[test]
fn annotations_elsewhere_are_illegal() {
    let annotated = r#"{"type":"string","x-mcp-header":"A"}"#;
    let inner = format!(r#"{{"properties":{{"b":{annotated}}}}}"#);
    for keyword in ["items", "not", "if", "then", "else", "contains", "additionalProperties"] {
        for schema in [annotated, &inner] {
            let schema = properties(&format!(r#""a":{{"{keyword}":{schema}}}"#));
            assert!(matches!(planned(&schema), Err(Illegal::Unreachable(_))), "{schema}");
        }
    }
    for keyword in ["oneOf", "anyOf", "allOf", "prefixItems", "items"] {
        let schema = format!(r#"{{"{keyword}":[true,{inner}]}}"#);
        assert!(matches!(planned(&schema), Err(Illegal::Unreachable(_))), "{schema}");
    }
    for keyword in ["$defs", "definitions", "patternProperties", "dependentSchemas"] {
        let schema = format!(r#"{{"{keyword}":{{"x":{annotated}}}}}"#);
        assert!(matches!(planned(&schema), Err(Illegal::Unreachable(_))), "{schema}");
    }
    assert!(matches!(planned(annotated), Err(Illegal::Unreachable(_))), "the root is no argument");
}

#[test]
fn depth_is_bounded() {
    let deep = format!("{}true{}", r#"{"not":"#.repeat(10_000), "}".repeat(10_000));
    assert_eq!(planned(&deep), Err(Illegal::Schema("/".into())));
}

fn example() -> Vec<Annotated> {
    plan(raw(r#"{"properties":{
        "region":{"type":"string","x-mcp-header":"Region"},
        "limit":{"type":"integer","x-mcp-header":"Limit"},
        "o":{"properties":{"on":{"type":"boolean","x-mcp-header":"On"}}}}}"#))
    .unwrap()
}

#[test]
fn values_are_written_as_the_specification_says() {
    let written = |arguments: &str| {
        headers(&example(), Some(raw(arguments)))
            .unwrap()
            .into_iter()
            .map(|(name, value)| format!("{name}: {value}"))
            .collect::<Vec<_>>()
    };
    assert_eq!(
        written(r#"{"region":"us-west1","limit":42,"o":{"on":true},"x":1}"#),
        ["mcp-param-region: us-west1", "mcp-param-limit: 42", "mcp-param-on: true"]
    );
    for (text, encoded) in [
        ("Hello, 世界", "=?base64?SGVsbG8sIOS4lueVjA==?="),
        (" padded ", "=?base64?IHBhZGRlZCA=?="),
        ("line1\nline2", "=?base64?bGluZTEKbGluZTI=?="),
        ("=?base64?literal?=", "=?base64?PT9iYXNlNjQ/bGl0ZXJhbD89?="),
        ("", ""),
    ] {
        let arguments = format!(r#"{{"region":{}}}"#, quote(text));
        assert_eq!(written(&arguments), [format!("mcp-param-region: {encoded}")]);
    }
    for (number, written_as) in [
        ("42.0", "42"),
        ("-7", "-7"),
        ("1e2", "100"),
        ("9007199254740993", "9007199254740993"),
        ("4.5", "4.5"),
    ] {
        let arguments = format!(r#"{{"limit":{number}}}"#);
        assert_eq!(written(&arguments), [format!("mcp-param-limit: {written_as}")]);
    }
    for none in
        ["{}", r#"{"region":null,"o":null}"#, r#"{"region":[],"limit":{},"o":7}"#, "[]", "null"]
    {
        assert_eq!(written(none), [""; 0], "{none}");
    }
    assert_eq!(headers(&example(), None), Ok(Vec::new()));
    let twice = r#"{"region":"a","region":"b"}"#;
    assert_eq!(headers(&example(), Some(raw(twice))), Err(Unfit::Ambiguous("region".into())));
}

#[test]
fn headers_are_held_against_the_arguments() {
    let judge = |mirrored: &[(&str, &str)], arguments: &str| {
        check(&example(), mirrored, Some(raw(arguments)))
    };
    let region = |value| [("Mcp-Param-REGION", value)];
    for (value, argument) in [
        ("us-west1", r#""us-west1""#),
        ("  us-west1\t", r#""us-west1""#),
        ("=?base64?dXMtd2VzdDE=?=", r#""us-west1""#),
        ("", r#""""#),
        ("=?base64??=", r#""""#),
        ("42", "42"),
    ] {
        assert_eq!(
            judge(&region(value), &format!(r#"{{"region":{argument}}}"#)),
            Ok(()),
            "{value}"
        );
    }
    let different = Err(Mismatch::Different("Region".into()));
    for (value, argument) in [
        ("US-WEST1", r#""us-west1""#),
        ("=?BASE64?dXMtd2VzdDE=?=", r#""us-west1""#),
        ("=?base64?***?=", r#""us-west1""#),
        ("=?base64?/w==?=", r#""us-west1""#),
        ("größe", r#""größe""#),
        ("true", "false"),
        ("", "false"),
    ] {
        assert_eq!(
            judge(&region(value), &format!(r#"{{"region":{argument}}}"#)),
            different,
            "{value}"
        );
    }
    for (value, argument) in [("42.0", "42"), ("42", "42.0"), ("4.2e1", "42"), ("-0", "0")] {
        let arguments = format!(r#"{{"limit":{argument}}}"#);
        assert_eq!(judge(&[("mcp-param-limit", value)], &arguments), Ok(()), "{value}");
    }
    for value in ["43", "9007199254740992", "0x2a", "", "042"] {
        let arguments = r#"{"limit":9007199254740993}"#;
        let fault = Err(Mismatch::Different("Limit".into()));
        assert_eq!(judge(&[("mcp-param-limit", value)], arguments), fault, "{value}");
    }
    assert_eq!(judge(&[], r#"{"o":{"on":true}}"#), Err(Mismatch::Missing("On".into())));
    for arguments in ["{}", r#"{"region":null}"#, r#"{"region":[]}"#, "null"] {
        let fault = Err(Mismatch::Unexpected("Region".into()));
        assert_eq!(judge(&region("x"), arguments), fault, "{arguments}");
        assert_eq!(
            judge(&[("mcp-param-other", "x")], arguments),
            Ok(()),
            "unknown ones are ignored"
        );
    }
    let twice = [("mcp-param-region", "a"), ("Mcp-Param-Region", "a")];
    assert_eq!(judge(&twice, r#"{"region":"a"}"#), Err(Mismatch::Twice("Region".into())));
    let ambiguous = r#"{"region":"a","region":"a"}"#;
    assert_eq!(judge(&region("a"), ambiguous), Err(Mismatch::Ambiguous("Region".into())));
    assert_eq!(judge(&region("a"), r#"{"region":"a","Region":"b"}"#), Ok(()), "two names");
    let half = r#"{"region":"\ud800"}"#;
    assert_eq!(judge(&region("x"), half), Err(Mismatch::Ambiguous("Region".into())));
}

#[test]
fn routing_headers_name_what_is_asked() {
    let named = |method: &str, params: &str| routing(method, Some(raw(params)));
    assert_eq!(
        named("tools/call", r#"{"name":"größe"}"#).unwrap(),
        [("mcp-method", "tools/call".into()), ("mcp-name", "=?base64?Z3LDtsOfZQ==?=".into())]
    );
    assert_eq!(named("resources/read", r#"{"uri":"file:///x"}"#).unwrap()[1].1, "file:///x");
    assert_eq!(named("tasks/get", r#"{"taskId":"t"}"#).unwrap()[1].1, "t");
    assert_eq!(routing("tools/list", None).unwrap().len(), 1);
    assert_eq!(routing("prompts/get", None), Err(Unfit::Missing("name")));
    assert_eq!(named("prompts/get", r#"{"name":1}"#), Err(Unfit::Missing("name")));
}

proptest! {
    #[test]
    fn what_is_mirrored_passes_the_check(
        region in any::<Option<String>>(),
        limit in any::<Option<i64>>(),
        on in any::<Option<bool>>(),
    ) {
        let arguments = serde_json::json!({"region": region, "limit": limit, "o": {"on": on}}).to_string();
        let arguments = raw(&arguments);
        let plan = example();
        let mirrored = headers(&plan, Some(arguments)).unwrap();
        prop_assert_eq!(mirrored.len(),
            usize::from(region.is_some()) + usize::from(limit.is_some()) + usize::from(on.is_some()));
        prop_assert_eq!(check(&plan, &mirrored, Some(arguments)), Ok(()));
        for gone in 0..mirrored.len() {
            let mut less = mirrored.clone();
            less.remove(gone);
            prop_assert!(matches!(check(&plan, &less, Some(arguments)), Err(Mismatch::Missing(_))));
        }
    }
}
