//! Capabilities: of several backends together, cut to what the gateway
//! carries, and those of a client without what it could not be asked.

use bytes::Bytes;
use serde_json::value::RawValue;

use crate::protocol::mcp::TASKS_EXTENSION;
use crate::protocol::raw::{Object, Unfit};
use crate::protocol::splice::Edits;

/// Capabilities that may pass, each with the members in it that may;
/// [`ALL`] lets every member pass.
pub(crate) type Carried<'a> = &'a [(&'a str, &'a [&'a str])];

/// Every member of a capability.
pub(crate) const ALL: &[&str] = &["*"];

/// Deepest nesting in which capabilities are united.
const MAX_DEPTH: usize = 16;

/// What one server with all these capabilities would say: a switch is on if it
/// is on anywhere; where two values cannot be united, the first one holds.
///
/// # Errors
/// [`Unfit`] when one of them is no object, or ambiguous.
pub(crate) fn union(of: &[&RawValue]) -> Result<String, Unfit> {
    let mut all = "{}".to_owned();
    for one in of {
        Object::read(one)?;
        let so_far = crate::protocol::raw::value(all.as_bytes())?;
        all = unite(so_far, one, 0)?;
    }
    Ok(all)
}

fn unite(a: &RawValue, b: &RawValue, depth: usize) -> Result<String, Unfit> {
    let both = a.get().starts_with('{') && b.get().starts_with('{') && depth < MAX_DEPTH;
    if !both {
        let switched_on = a.get() == "false" && b.get() == "true";
        return Ok(if switched_on { b.get() } else { a.get() }.to_owned());
    }
    let (left, right) = (Object::read(a)?, Object::read(b)?);
    let mut members = Vec::new();
    for member in left.members() {
        let name = member.name();
        left.exact(&name)?;
        let value = match right.exact(&name)? {
            Some(other) => unite(member.value, other, depth + 1)?,
            None => member.value.get().to_owned(),
        };
        members.push(format!("{}:{value}", member.key.get()));
    }
    for member in right.members() {
        let name = member.name();
        right.exact(&name)?;
        if left.exact(&name)?.is_none() {
            members.push(format!("{}:{}", member.key.get(), member.value.get()));
        }
    }
    Ok(format!("{{{}}}", members.join(",")))
}

/// A server's capabilities without those the gateway does not carry, unknown
/// ones among them: nobody could say whether they would work.
///
/// # Errors
/// [`Unfit`] when they are no object.
pub(crate) fn mask(capabilities: &RawValue, carried: Carried<'_>) -> Result<Bytes, Unfit> {
    let mut edits = Edits::new(capabilities.get().as_bytes());
    for member in Object::read(capabilities)?.members() {
        let name = member.name();
        let Some((_, inner)) = carried.iter().find(|(carried, _)| *carried == name) else {
            edits = edits.remove_member(capabilities, name);
            continue;
        };
        if *inner == ALL || !member.value.get().starts_with('{') {
            continue;
        }
        for part in Object::read(member.value)?.members() {
            let name = part.name();
            if !inner.contains(&&*name) {
                edits = edits.remove_member(member.value, name);
            }
        }
    }
    edits.finish()
}

/// Whether capabilities, of either side, name the extension for tasks.
pub(crate) fn has_tasks(capabilities: &RawValue) -> bool {
    let inner = |raw, name: &str| Object::read(raw).ok()?.get(name).ok()?;
    inner(capabilities, "extensions").and_then(|all| inner(all, TASKS_EXTENSION)).is_some()
}

/// A client's capabilities without these (`sampling`, `elicitation`, `roots`,
/// `tasks`), so that a backend does not ask what could not be asked. `tasks`
/// means the modern extension too.
///
/// # Errors
/// [`Unfit`] when they are no object, or ambiguous.
pub(crate) fn mask_client(capabilities: &RawValue, masked: &[&str]) -> Result<Bytes, Unfit> {
    let object = Object::read(capabilities)?;
    let mut edits = Edits::new(capabilities.get().as_bytes());
    for name in masked {
        edits = edits.remove_member(capabilities, (*name).to_owned());
    }
    if masked.contains(&"tasks")
        && let Some(extensions) = object.get("extensions")?
        && extensions.get().starts_with('{')
    {
        edits = edits.remove_member(extensions, TASKS_EXTENSION);
    }
    edits.finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::translate::{raw, text};

    const CARRIED: Carried<'_> = &[
        ("tools", &["listChanged"]),
        ("resources", &[]),
        ("completions", &[]),
        ("extensions", &["a/b"]),
        ("experimental", ALL),
    ];

    #[test]
    fn several_backends_are_one_server() {
        let all = [
            raw(r#"{"tools":{"listChanged":false,"x":1},"logging":{}}"#),
            raw(
                r#"{"tools":{"listChanged":true,"x":2,"y":9223372036854775808},"resources":{"subscribe":true}}"#,
            ),
            raw(r#"{"resources":{"subscribe":false,"listChanged":true},"extensions":{"a/b":{}}}"#),
        ];
        assert_eq!(
            union(&all).unwrap(),
            r#"{"tools":{"listChanged":true,"x":1,"y":9223372036854775808},"logging":{},"resources":{"subscribe":true,"listChanged":true},"extensions":{"a/b":{}}}"#
        );
        assert_eq!(union(&[]).unwrap(), "{}");
        assert_eq!(union(&[raw("[]")]), Err(Unfit::NotObject));
        assert!(union(&[raw(r#"{"a":{},"a":{}}"#)]).is_err());
        let deep = format!("{}{}", r#"{"a":"#.repeat(200) + "{}", "}".repeat(200));
        assert_eq!(union(&[raw(&deep), raw(&deep)]).unwrap(), deep);
    }

    #[test]
    fn what_is_not_carried_is_not_offered() {
        assert_eq!(
            text(mask(
                raw(
                    r#"{"tools":{"listChanged":true,"new":{}},"tasks":{}, "resources":{"subscribe":true},"logging":{},"unknown":1,"completions":{},"extensions":{"a/b":{"x":1e-400},"io.modelcontextprotocol/tasks":{}},"experimental":{"any":{}}}"#
                ),
                CARRIED,
            )),
            r#"{"tools":{"listChanged":true},"resources":{},"completions":{},"extensions":{"a/b":{"x":1e-400}},"experimental":{"any":{}}}"#
        );
        assert_eq!(text(mask(raw("{ }"), CARRIED)), "{ }");
    }

    #[test]
    fn clients_are_not_asked_what_could_not_be_asked() {
        let told = r#"{"roots":{"listChanged":true},"sampling":{},"elicitation":{"url":{}},"tasks":{},"experimental":{"x":1e-400},"extensions":{"io.modelcontextprotocol/tasks":{},"a/b":{}}}"#;
        let masked = |names: &[&str]| text(mask_client(raw(told), names));
        assert_eq!(masked(&[]), told);
        assert_eq!(
            masked(&["sampling", "elicitation", "roots", "tasks"]),
            r#"{"experimental":{"x":1e-400},"extensions":{"a/b":{}}}"#
        );
    }
}
