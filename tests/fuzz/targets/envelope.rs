//! A message that is accepted means the same to every reader, and an edit
//! changes what it names and nothing else.

#![no_main]

use libfuzzer_sys::fuzz_target;
use scopegate_fuzz::protocol::jsonrpc::{self, Kind, MAX_DEPTH};
use scopegate_fuzz::protocol::mcp::Params;
use scopegate_fuzz::protocol::raw::{self, Object};
use scopegate_fuzz::protocol::splice::{Edits, with_id};
use scopegate_fuzz::protocol::{ids, number};
use serde_json::Value;
use serde_json::value::RawValue;

fuzz_target!(|text: &[u8]| {
    let _ = jsonrpc::salvage_id(text);
    let Ok(envelope) = jsonrpc::parse(text) else { return };
    let Ok(kind) = envelope.kind() else { return };
    // The same members, seen by a reader that knows nothing of ours. Numbers
    // beyond its types, and halves of surrogate pairs, it cannot read.
    if let Ok(Value::Object(plain)) = serde_json::from_slice::<Value>(text) {
        assert_eq!(plain["jsonrpc"], "2.0");
        assert_eq!(plain.contains_key("id"), envelope.id.is_some());
        assert_eq!(plain.get("method").and_then(Value::as_str), envelope.method.as_deref());
        assert_eq!(plain.contains_key("params"), envelope.params.is_some());
    }
    if let Ok(params) = Params::read(envelope.params) {
        assert!(params.name.is_none() || envelope.params.is_some());
    }
    if let Some(id) = envelope.id {
        renumber(text, id, kind);
        let _ = number::integer(id.get());
    }
    splice(text);
});

/// Another id goes in, all else stays, and the first one comes back.
fn renumber(text: &[u8], id: &RawValue, kind: Kind) {
    let sent = ids::outgoing("AbC_-0123456", id);
    let changed = with_id(text, id, &sent).unwrap();
    assert_eq!(changed.len(), text.len() - id.get().len() + sent.len());
    if kind != Kind::Response && sent.len() > jsonrpc::MAX_ID_BYTES {
        return;
    }
    // A wrapped id of a response may be longer than responses may have.
    let Ok(read) = jsonrpc::parse(&changed) else {
        assert!(sent.len() > jsonrpc::MAX_ID_BYTES);
        return;
    };
    let back = ids::restore(read.id.unwrap()).unwrap();
    assert_eq!(back.get(), id.get());
    assert_eq!(with_id(&changed, read.id.unwrap(), back.get()).unwrap(), text);
}

/// A member set and taken away again leaves the text as it was, if it was not
/// there before.
fn splice(text: &[u8]) {
    let whole = raw::value(text).unwrap();
    let object = Object::read(whole).unwrap();
    let none = Edits::new(text).finish().unwrap();
    assert_eq!(none, text);
    if object.members().iter().any(|member| member.name() == "added") {
        return;
    }
    let more = Edits::new(text).set_member(whole, "added", &b"[1e-400]"[..]).finish().unwrap();
    let added = raw::value(&more).unwrap();
    assert_eq!(Object::read(added).unwrap().members().len(), object.members().len() + 1);
    let less = Edits::new(&more).remove_member(added, "added").finish().unwrap();
    assert_eq!(less, text);
    let mut edits = Edits::new(text);
    for member in object.members() {
        edits = edits.remove_member(whole, member.name());
    }
    let empty = edits.finish().unwrap();
    let empty = raw::value(&empty).unwrap();
    assert!(Object::read(empty).unwrap().members().is_empty());
    assert!(whole.get().len() > 1 && jsonrpc::check_depth(text).is_ok(), "{MAX_DEPTH}");
}
