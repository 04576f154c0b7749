//! What is kept, and that nothing secret is.

use super::names::is_secret_word;
use super::*;
use crate::protocol::json_path::Place;
use proptest::prelude::*;
use serde_json::{Value, json};

fn keep(raw: &str, kept: ArgumentsKept, most: usize) -> Option<String> {
    Keeping { kept, most, most_value: usize::MAX >> 1 }.keep(raw, None)
}

fn redacted(raw: &str) -> String {
    keep(raw, ArgumentsKept::Redacted, 10_000).unwrap()
}

fn limited(raw: &str, most_value: usize) -> String {
    Keeping { kept: ArgumentsKept::Redacted, most: 10_000, most_value }.keep(raw, None).unwrap()
}

fn hiding(paths: &[&str], raw: &str) -> String {
    let paths = JsonPaths::read(paths).unwrap();
    let keeping = Keeping { kept: ArgumentsKept::Redacted, most: 10_000, most_value: 1000 };
    keeping.keep(raw, Some(&paths)).unwrap()
}

#[test]
fn what_paths_point_at_is_hidden() {
    let raw = r#"{"card" : {"number": "canary", "name": "Ann"}, "items":[{"note":{"a":[1]},"n":1.10},{"note":null}, "x"],"tail":true}"#;
    assert_eq!(
        hiding(&["$.card.number", "$.items[*].note"], raw),
        r#"{"card":{"number":"[redacted]","name":"Ann"},"items":[{"note":"[redacted]","n":1.10},{"note":"[redacted]"},"x"],"tail":true}"#
    );
    assert_eq!(hiding(&["$.items[1]"], raw).matches("[redacted]").count(), 1);
    assert_eq!(hiding(&["$"], raw), r#""[redacted]""#);
    assert_eq!(
        hiding(&["$..number"], r#"{"a":[{"NUMBER":"canary"}]}"#),
        r#"{"a":[{"NUMBER":"[redacted]"}]}"#
    );
    assert_eq!(
        hiding(&["$.a"], r#"{"\u0061":1,"b":[[],{}],"a":[{"x":1}]}"#),
        r#"{"\u0061":"[redacted]","b":[[],{}],"a":"[redacted]"}"#
    );
    assert_eq!(hiding(&["$['a']"], "{\"\\u0061\":1}"), "{\"\\u0061\":\"[redacted]\"}");
    // Other rules hold as well.
    assert_eq!(hiding(&["$.a"], r#"{"a":1,"pin":2}"#), r#"{"a":"[redacted]","pin":"[redacted]"}"#);
    let deep = format!("{}{{\"a\":\"canary\"}}{}", "[".repeat(500), "]".repeat(500));
    assert!(!hiding(&["$..b"], &deep).contains("canary"), "too deep to follow");
}

#[test]
fn json_in_strings_is_looked_into() {
    let inner = json!({ "user": "ann", "password": "canary", "n": 1 }).to_string();
    let twice = json!([inner]).to_string();
    let often = (0..6).fold(inner.clone(), |text, _| json!([text]).to_string());
    for body in [inner.clone(), twice, often, format!(" \n {inner}"), inner.replace('}', "")] {
        let kept = redacted(&json!({ "body": body, "z": 1 }).to_string());
        assert!(!kept.contains("canary"), "{kept}");
        let read: Value = serde_json::from_str(&kept).unwrap();
        assert_eq!(read["z"], 1);
    }
    let kept = redacted(&json!({ "body": inner }).to_string());
    let read: Value = serde_json::from_str(&kept).unwrap();
    let body: Value = serde_json::from_str(read["body"].as_str().unwrap()).unwrap();
    assert_eq!(body, json!({ "user": "ann", "password": "[redacted]", "n": 1 }));
    let harmless = r#"{"body":"{ \"user\" : 1.10 }","list":"[1, 2]","path":"\\server"}"#;
    assert_eq!(redacted(harmless), harmless);
    assert_eq!(redacted(r#"{"b":"{\"token\":\"canary\ud800\"}"}"#), r#"{"b":"[redacted]"}"#);
}

#[test]
fn credentials_are_hidden_whatever_they_are_called() {
    let raw = r#"{"h":["Bearer abc.def-123"],"j":"eyJh.eyJi.sig","u":"postgres://a:canary@h/d","t":"a token"}"#;
    assert_eq!(
        redacted(raw),
        r#"{"h":["[redacted]"],"j":"[redacted]","u":"postgres://a:[redacted]@h/d","t":"a token"}"#
    );
}

#[test]
fn long_strings_are_cut_and_stay_json() {
    let raw = json!({ "text": "ab\n\u{1}ü\"".repeat(100), "next": "short" }).to_string();
    for most in 0..40 {
        let kept = limited(&raw, most);
        let read: Value = serde_json::from_str(&kept).unwrap();
        assert!(read["te\u{2026}"].is_string() || read.is_object());
        assert!(kept.len() < 40 + 4 * (most + 8), "{kept}");
    }
    assert_eq!(limited(r#"{"ab":"abcdef","x":1}"#, 3), r#"{"ab":"abc…","x":1}"#);
    assert_eq!(limited(r#"{"a":"ab\u00e9"}"#, 5), r#"{"a":"ab…"}"#);
    let inner = json!({ "password": "canary", "x": "y".repeat(100) }).to_string();
    assert!(!limited(&json!({ "b": inner }).to_string(), 30).contains("canary"));
}

#[test]
fn values_under_secret_looking_names_are_masked_at_any_depth() {
    for name in [
        "password",
        "Password",
        "db_password",
        "passwd",
        "token",
        "access-token",
        "X-Api-Key",
        "apiKey",
        "API KEY",
        "secret",
        "client_secret",
        "Authorization",
        "private_key",
        "pwd",
        "cookie",
        "credentials",
        "passcode",
        "pinCode",
        "card_security_code",
        "MFA",
        "mfa-code",
        "otp",
        "otp_code",
        "p\\u0061ssword",
        "pass\\\\word",
    ] {
        for value in ["\"canary\"", "{\"a\":[\"canary\",{\"b\":\"]}\"}]}", "[\"canary\"]"] {
            let raw = format!("{{\"x\":[{{\"{name}\" : {value} , \"y\": 1}}],\"z\":null}}");
            assert_eq!(
                redacted(&raw),
                format!("{{\"x\":[{{\"{name}\":\"[redacted]\",\"y\":1}}],\"z\":null}}")
            );
        }
    }
    assert_eq!(
        redacted("{\"pin\": 1234, \"otp\":true}"),
        "{\"pin\":\"[redacted]\",\"otp\":\"[redacted]\"}"
    );
}

#[test]
fn everything_else_is_kept_to_the_letter() {
    let raw = r#"{"operands":["1.10",2e400,"a \"password\": b"],"spin":"\ud800","compass":{}}"#;
    assert_eq!(redacted(raw), raw);
    assert_eq!(redacted("\"password\""), "\"password\"");
    assert_eq!(redacted(" [ 1 , 2 ] "), "[1,2]");
}

#[test]
fn only_what_the_setting_says_is_kept() {
    let raw = r#"{ "token": "canary" }"#;
    assert_eq!(keep(raw, ArgumentsKept::None, 99), None);
    assert_eq!(keep(raw, ArgumentsKept::Digest, 99), None);
    assert_eq!(keep(raw, ArgumentsKept::Full, 99).unwrap(), raw);
    assert_eq!(keep(raw, ArgumentsKept::Full, 5).unwrap(), "{ \"to…");
}

#[test]
fn long_arguments_are_cut_and_show_it() {
    let raw = format!("{{\"text\":\"{}\",\"token\":\"canary\"}}", "ü".repeat(5_000_000));
    let kept = keep(&raw, ArgumentsKept::Redacted, 100).unwrap();
    assert!(kept.ends_with("ü…") && kept.len() <= 100 + CUT.len());
    let raw = format!("[{}]", "1,".repeat(1000));
    assert!(keep(&raw, ArgumentsKept::Redacted, 10).unwrap().ends_with('…'));
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        any::<i64>().prop_map(Value::from),
        ".*".prop_map(Value::from),
        Just(Value::Null)
    ];
    leaf.prop_recursive(4, 32, 4, |inner| {
        let name = prop_oneof![Just("token".to_owned()), Just("a\"b".to_owned()), ".*"];
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::hash_map(name, inner, 0..4)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

/// The slow and obvious way.
fn masked(value: Value) -> Value {
    match value {
        Value::Object(members) => members
            .into_iter()
            .map(|(name, value)| {
                let value = if is_secret_word(&name) { json!("[redacted]") } else { masked(value) };
                (name, value)
            })
            .collect(),
        Value::Array(items) => items.into_iter().map(masked).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => value,
    }
}

fn named_json() -> impl Strategy<Value = Value> {
    let leaf =
        prop_oneof![any::<i32>().prop_map(Value::from), Just(json!("x y")), Just(json!(null))];
    leaf.prop_recursive(5, 48, 4, |inner| {
        let name = prop_oneof!["[abAB]", Just("a\"b".to_owned()), Just("pin".to_owned())];
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::hash_map(name, inner, 0..4)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

/// The slow and obvious way, with paths.
fn masked_by(paths: &JsonPaths, place: &Place, value: Value) -> Value {
    if place.is_meant() {
        return json!("[redacted]");
    }
    match value {
        Value::Object(members) => members
            .into_iter()
            .map(|(name, value)| {
                let value = if is_secret_word(&name) {
                    json!("[redacted]")
                } else {
                    masked_by(paths, &place.member(paths, &name), value)
                };
                (name, value)
            })
            .collect(),
        Value::Array(items) => items
            .into_iter()
            .enumerate()
            .map(|(index, value)| masked_by(paths, &place.item(paths, index), value))
            .collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => value,
    }
}

proptest! {
    #[test]
    fn the_scanner_agrees_with_a_parser(value in any_json()) {
        let pretty = serde_json::to_string_pretty(&value).unwrap();
        let kept = keep(&pretty, ArgumentsKept::Redacted, usize::MAX >> 1).unwrap();
        prop_assert_eq!(serde_json::from_str::<Value>(&kept).unwrap(), masked(value));
    }

    #[test]
    fn no_text_makes_it_panic(text: String, most in 0_usize..40) {
        let _ = keep(&text, ArgumentsKept::Redacted, most);
    }

    #[test]
    fn the_scanner_follows_paths_as_a_parser_would(
        value in named_json(),
        paths in prop::collection::vec("\\$((\\.|\\.\\.)[ab*]|\\[[0-2*]\\]){0,4}", 0..4),
    ) {
        let paths = JsonPaths::read(&paths).unwrap();
        let pretty = serde_json::to_string_pretty(&value).unwrap();
        let keeping = Keeping {
            kept: ArgumentsKept::Redacted,
            most: usize::MAX >> 1,
            most_value: usize::MAX >> 1,
        };
        let kept = keeping.keep(&pretty, Some(&paths)).unwrap();
        let expected = masked_by(&paths, &paths.start(), value);
        prop_assert_eq!(serde_json::from_str::<Value>(&kept).unwrap(), expected);
    }

    #[test]
    fn no_text_makes_it_panic_on_its_paths(text: String, most in 0_usize..40) {
        let paths = JsonPaths::read(&["$..a", "$[*].b"]).unwrap();
        let keeping = Keeping { kept: ArgumentsKept::Redacted, most, most_value: most };
        let _ = keeping.keep(&text, Some(&paths));
        let _ = keeping.keep(&format!("{{\"a\":\"{text}"), Some(&paths));
    }
}
