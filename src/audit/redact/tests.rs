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
    assert_eq!(
        redacted(r#"{"b":"{\"token\":\"canary\ud800\"}"}"#),
        r#"{"b":"{\"token\":\"[redacted]\"}"}"#
    );
}

#[test]
fn credentials_are_hidden_whatever_they_are_called() {
    let raw = r#"{"h":["Bearer abc.def-123"],"j":"eyJh.eyJi.sig","u":"postgres://a:canary@h/d","t":"a token"}"#;
    assert_eq!(
        redacted(raw),
        r#"{"h":["[redacted]"],"j":"[redacted]","u":"postgres://[redacted]@h/d","t":"a token"}"#
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
        "db_pass",
        "smtp_pass",
        "db_pwd",
        "user_pwd",
        "basic_auth",
        "proxyAuth",
        "auth_header",
        "auth_code",
        "card_pin",
        "userPin",
        "card_cvv",
        "cvv2",
        "otp_value",
        "user_ssn",
        "jwt_value",
        "JWTValue",
        "account_key",
        "client_key",
        "Ocp-Apim-Subscription-Key",
        "passkey",
        "signature",
        "mnemonic",
        "kennwort",
        "contrasena",
        "contraseña",
        "contrasen\u{303}a",
        "mot_de_passe",
        "senha",
        "minhaSenha",
        "hasło",
        "HASŁO",
        "пароль",
        "Пароль",
        "密码",
        "用户密码",
        "ｐａｓｓｗｏｒｄ",
        "pass\u{200b}word",
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
fn names_that_only_sound_so_are_kept() {
    let raw = r#"{"max_tokens":100,"maxTokens":1,"prompt_tokens":5,"total_token_count":7,"compass":1,"bypass":2,"resenha":3,"spinning":4,"passenger":5,"author":"x","authority":"y","auth_type":"oauth","primary_key":1,"opinion":2,"keyboard":"k","design":"d","encoding":"utf-8"}"#;
    assert_eq!(redacted(raw), raw);
    // A count that is none, and a number that is no count.
    let raw = r#"{"max_tokens":"canary","new_token":["canary"],"token":1}"#;
    assert_eq!(redacted(raw).matches("[redacted]").count(), 3);
    assert!(is_secret_word(&"x".repeat(300)), "too long to be judged");
}

#[test]
fn a_value_is_hidden_where_another_member_names_it() {
    for raw in [
        r#"{"name":"X-Api-Key","value":"canary"}"#,
        r#"[{"value":"canary","enabled":true,"name":"password"}]"#,
        r#"{"key":"db_password" , "note":{"a":[1,"}"]}, "value" : ["canary", {"x":"canary"}]}"#,
        r#"{"h":[{"name":"Accept","value":"x"},{"Name":"Author\u0069zation","Value":"canary"}]}"#,
        r#"{"body":"[{\"name\":\"token\",\"value\":\"canary\"}]"}"#,
    ] {
        let kept = redacted(raw);
        assert!(!kept.contains("canary") && kept.contains("[redacted]"), "{kept}");
        assert!(serde_json::from_str::<Value>(&kept).is_ok(), "{kept}");
    }
    let raw = r#"[{"name":"Accept","value":"x"},{"value":1},{"name":"token ring"},{"value":"y"}]"#;
    assert_eq!(redacted(raw), raw);
    let deep = format!("{}1{}", r#"{"value":"#.repeat(20_000), "}".repeat(20_000));
    assert!(redacted(&deep).contains("[redacted]"), "what takes too long is hidden");
}

#[test]
fn secrets_in_text_are_hidden_however_json_spells_them() {
    for raw in [
        r#"{"u":"https:\/\/h\/?token=canary"}"#,
        r#"{"u":"https://h/?a=1\u0026token=canary"}"#,
        r#"{"u":"https://h/?tok\u0065n\u003dcanary"}"#,
        r#"{"u":"https://ann\u003acanary@h/"}"#,
        r#"{"u":"\u0042earer canary-1"}"#,
        r#"{"u":" Bearer canary-1"}"#,
        r#"{"u":"Token canary-1"}"#,
        r#"{"u":"see \"Authorization: Bearer canary\""}"#,
        r#"{"u":"\ufeff{\"password\":\"canary\"}"}"#,
        r#"{"u":"body: {\"password\":\"canary\"} sent"}"#,
        r#"{"u":"body: {\"a\":1} and https://canary@h/"}"#,
        r#"{"u":"a=b&password=canary"}"#,
        r#"{"u":"\ud800 https://canary@h/"}"#,
    ] {
        let kept = redacted(raw);
        assert!(!kept.contains("canary") && kept.contains("[redacted]"), "{kept}");
        assert!(serde_json::from_str::<Value>(&kept).is_ok(), "{kept}");
    }
    let key = format!("Backup key:\n-----BEGIN RSA PRIVATE KEY-----\n{}", "canary".repeat(20));
    let raw = json!({ "b": key, "basic": format!("Basic {key}"), "e": format!("eyJ{key}") });
    assert!(!redacted(&raw.to_string()).contains("canary"));
    assert_eq!(name("https://canary@h/x"), "https://[redacted]@h/x");
    assert_eq!(name("Bearer canary-1"), "[redacted]");
    assert_eq!(name("exact_calculate"), "exact_calculate");
}

/// The figures are printed: they are the machine's as much as ours. The limit is
/// one that only work out of proportion passes.
#[test]
fn arguments_take_time_in_proportion_to_their_size() {
    let usual = r#"{"operator":"add","operands":["1.2","2.3"]}"#;
    let code = "fn main() {\n    let a = b: c;\n}\n".repeat(300);
    let file = json!({ "path": "src/main.rs", "text": code }).to_string();
    let wild = ["a:", "=", "https://", "eyJ.", "Bearer ", "{\"value\":", "[[", "&a=%25", "'a':'"]
        .map(|part| json!({ "text": part.repeat(200_000 / part.len()) }).to_string());
    let nested = format!("{}1{}", r#"{"value":"#.repeat(20_000), "}".repeat(20_000));
    let clock = crate::clock::Clock::system();
    let timed = |raw: &str, times: u32| {
        let began = clock.monotonic();
        (0..times).for_each(|_| _ = std::hint::black_box(redacted(raw)));
        clock.monotonic().saturating_sub(began) / times
    };
    println!("usual {:?}, a file of 9 KB {:?}", timed(usual, 1000), timed(&file, 100));
    for raw in wild.iter().chain([&nested]) {
        let took = timed(raw, 1);
        assert!(took < std::time::Duration::from_secs(5), "{took:?} for {}", &raw[..40]);
    }
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
        // What is secret in a text does not depend on where it stands.
        Value::String(_) => {
            let kept = keep(&value.to_string(), ArgumentsKept::Redacted, usize::MAX >> 1);
            serde_json::from_str(&kept.unwrap()).unwrap()
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => value,
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
