use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::*;
use crate::protocol::raw::elements;

fn edited(
    text: &str,
    edit: impl for<'a> FnOnce(Edits<'a>, &'a RawValue) -> Edits<'a>,
) -> Result<String, Unfit> {
    let raw = value(text.as_bytes()).unwrap();
    let done = edit(Edits::new(text.as_bytes()), raw).finish()?;
    Ok(String::from_utf8(done.to_vec()).unwrap())
}

#[test]
fn what_is_not_touched_stays_byte_for_byte() {
    let text = " { \"id\" : 9223372036854775808 ,\n \"x\":1e-400, \"\\u0061\":[ ],\"n\":null}\n";
    let raw = value(text.as_bytes()).unwrap();
    let id = Object::read(raw).unwrap().get("id").unwrap().unwrap();
    let done = with_id(text.as_bytes(), id, "\"abc\"").unwrap();
    assert_eq!(done, text.replace("9223372036854775808", "\"abc\""));
    assert_eq!(edited(text, |edits, _| edits).unwrap(), text);
    let same = edited(text, |edits, raw| {
        edits.set_member(raw, "a", &b"1"[..]).remove_member(raw, "absent")
    });
    assert_eq!(same.unwrap(), text.replace("[ ]", "1"), "by its name, however written");
}

#[test]
fn commas_are_right_whatever_comes_and_goes() {
    for (text, gone, come, expected) in [
        (r#"{"a":1, "b":2 ,"c":3}"#, &["a"][..], None, r#"{"b":2 ,"c":3}"#),
        (r#"{"a":1, "b":2 ,"c":3}"#, &["b"], None, r#"{"a":1, "c":3}"#),
        (r#"{"a":1, "b":2 ,"c":3 }"#, &["c"], None, r#"{"a":1, "b":2 }"#),
        (r#"{"a":1, "b":2 ,"c":3 }"#, &["b", "c"], None, r#"{"a":1 }"#),
        (r#"{"a":1, "b":2 ,"c":3 }"#, &["a", "c"], None, r#"{"b":2 }"#),
        (r#"{ "a":1, "b":2 }"#, &["a", "b"], None, "{  }"),
        (r#"{ "a":1, "b":2 }"#, &["a", "b"], Some("n"), r#"{ "n":0 }"#),
        (r#"{ "a":1, "b":2 }"#, &["a"], Some("n"), r#"{ "n":0,"b":2 }"#),
        (r#"{"a":1,"a":2,"b":3,"a":4}"#, &["a"], None, r#"{"b":3}"#),
        ("{}", &["a"], Some("n"), r#"{"n":0}"#),
        ("{}", &["a"], None, "{}"),
        (r#"{"n":[1,{}]}"#, &[], Some("n"), r#"{"n":0}"#),
    ] {
        let done = edited(text, |mut edits, raw| {
            for name in gone {
                edits = edits.remove_member(raw, *name);
            }
            match come {
                Some(name) => edits.set_member(raw, name, &b"0"[..]),
                None => edits,
            }
        });
        assert_eq!(done.as_deref(), Ok(expected), "{text} without {gone:?} with {come:?}");
    }
}

#[test]
fn edits_inside_each_other_are_told_apart_by_level() {
    let text = r#"{"params":{"_meta":{"k":1},"x":[1,2]},"id":7}"#;
    let done = edited(text, |edits, raw| {
        let params = Object::read(raw).unwrap().get("params").unwrap().unwrap();
        let inner = Object::read(params).unwrap();
        let meta = inner.get("_meta").unwrap().unwrap();
        let second = elements(inner.get("x").unwrap().unwrap()).unwrap()[1];
        edits
            .set_member(meta, "m", &b"true"[..])
            .set_member(params, "n", &b"\"\""[..])
            .set_member(raw, "id", &b"8"[..])
            .replace(second, &b"3"[..])
    });
    let expected = r#"{"params":{"n":"","_meta":{"m":true,"k":1},"x":[1,3]},"id":8}"#;
    assert_eq!(done.as_deref(), Ok(expected));
    let clash = edited(text, |edits, raw| {
        let params = Object::read(raw).unwrap().get("params").unwrap().unwrap();
        edits.replace(params, &b"{}"[..]).set_member(params, "n", &b"1"[..])
    });
    assert_eq!(clash, Err(Unfit::Overlap));
}

#[test]
fn faults_are_told() {
    let elsewhere: Box<RawValue> = serde_json::from_str("{}").unwrap();
    let mut foreign = Edits::new(b"{}").replace(&elsewhere, &b"1"[..]);
    assert!(!foreign.is_empty());
    assert_eq!(foreign.finish(), Err(Unfit::Foreign));
    foreign = Edits::new(b"{}").set_member(&elsewhere, "a", &b"1"[..]);
    assert_eq!(foreign.finish(), Err(Unfit::Foreign));
    let array = edited("[]", |edits, raw| edits.set_member(raw, "a", &b"1"[..]));
    assert_eq!(array, Err(Unfit::NotObject));
    let twice = edited(r#"{"a":1,"a":2}"#, |edits, raw| edits.set_member(raw, "a", &b"1"[..]));
    assert_eq!(twice, Err(Unfit::Ambiguous("a".into())));
}

proptest! {
    #[test]
    fn edits_do_what_they_do_to_values(
        names in prop::collection::btree_set("[a-f]", 0..6),
        spaces in prop::collection::vec(" {0,2}", 8),
        gone in prop::collection::vec("[a-h]", 0..5),
        come in prop::collection::vec("[a-h]", 0..4),
    ) {
        let space = |index: usize| &spaces[index % spaces.len()];
        let members: Vec<String> = names
            .iter()
            .enumerate()
            .map(|(index, name)| {
                let (a, b, c, d) = (space(index), space(index + 1), space(index + 2), space(index + 3));
                format!("{a}\"{name}\"{b}:{c}{index}{d}")
            })
            .collect();
        let text = format!("{{{}{}}}", members.join(","), space(5));
        let mut model: Map<String, Value> = serde_json::from_str(&text).unwrap();
        let done = edited(&text, |mut edits, raw| {
            for name in &gone {
                edits = edits.remove_member(raw, name.clone());
                model.remove(name);
            }
            for name in &come {
                edits = edits.set_member(raw, name.clone(), &b"\"new\""[..]);
                model.insert(name.clone(), json!("new"));
            }
            edits
        });
        let read: Map<String, Value> = serde_json::from_str(&done.unwrap()).unwrap();
        prop_assert_eq!(read, model);
    }
}
