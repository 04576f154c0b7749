//! A list without the entries a caller may not see.

use bytes::Bytes;
use serde_json::value::RawValue;

use super::List;
use crate::protocol::raw::{Object, Unfit, elements, quote};
use crate::protocol::splice::Edits;
use crate::translate::meta;

/// A list result with the entries that `keep` keeps, in their order and byte
/// for byte but for a new name. `keep` gets an entry's own name (or address)
/// and the entry; `rename` gives the name under which the client knows it,
/// where that is another. Entries without a name, or with two, are left out.
/// The cursor stays, also when nothing else does.
///
/// `private` says that the list is a modern one: what a caller sees depends on
/// its rights, so that nobody may keep it for another.
///
/// # Errors
/// [`Unfit`] when the result holds no such list, or could be read two ways.
pub(crate) fn filter(
    list: List,
    result: &RawValue,
    mut keep: impl FnMut(&str, &RawValue) -> bool,
    rename: impl Fn(&str) -> Option<String>,
    private: bool,
) -> Result<Bytes, Unfit> {
    let object = Object::read(result)?;
    let found = object.get(list.member())?.ok_or(Unfit::Missing(list.member()))?;
    let entries = elements(found)?;
    let mut kept: Vec<Bytes> = Vec::with_capacity(entries.len());
    let mut changed = false;
    for entry in &entries {
        let name = Object::read(entry).and_then(|object| object.text(list.key()));
        let Some(name) = name.ok().filter(|name| keep(name, entry)) else {
            changed = true;
            continue;
        };
        kept.push(match rename(&name) {
            Some(new) => {
                changed = true;
                renamed(list, entry, &new)?
            }
            None => Bytes::copy_from_slice(entry.get().as_bytes()),
        });
    }
    let mut edits = Edits::new(result.get().as_bytes());
    if changed {
        edits = edits.replace(found, meta::array(&kept));
    }
    if private {
        edits = edits.set_member(result, "cacheScope", &b"\"private\""[..]);
    }
    edits.finish()
}

fn renamed(list: List, entry: &RawValue, new: &str) -> Result<Bytes, Unfit> {
    Edits::new(entry.get().as_bytes())
        .set_member(entry, list.key(), quote(new).into_bytes())
        .finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::translate::{raw, text};

    const TOOLS: &str = r#"{ "tools":[ {"name":"a","n":9223372036854775808}, {"x":1e-400,"name":"\u0062","inputSchema":{"type":"object","properties":{"p":true}}},{"name":"c"} ],"nextCursor":"","resultType":"complete","ttlMs":5,"cacheScope":"public"}"#;

    fn kept(result: &str, names: &[&str]) -> Result<String, Unfit> {
        let done =
            filter(List::Tools, raw(result), |name, _| names.contains(&name), |_| None, false)?;
        Ok(text(Ok(done)))
    }

    #[test]
    fn entries_stay_byte_for_byte_and_in_order() {
        assert_eq!(kept(TOOLS, &["a", "b", "c"]).unwrap(), TOOLS);
        assert_eq!(
            kept(TOOLS, &["c", "b"]).unwrap(),
            r#"{ "tools":[{"x":1e-400,"name":"\u0062","inputSchema":{"type":"object","properties":{"p":true}}},{"name":"c"}],"nextCursor":"","resultType":"complete","ttlMs":5,"cacheScope":"public"}"#
        );
        assert_eq!(
            kept(TOOLS, &[]).unwrap(),
            r#"{ "tools":[],"nextCursor":"","resultType":"complete","ttlMs":5,"cacheScope":"public"}"#
        );
    }

    #[test]
    fn what_has_no_clear_name_is_left_out() {
        let odd = r#"{"tools":[7,null,{"title":"a"},{"name":7},{"name":"a","name":"b"},{"name":"a","Name":"b"},{"name":"\ud800"},{"name":"a"}]}"#;
        let mut asked = Vec::new();
        let see_all = |name: &str, _: &RawValue| {
            asked.push(name.to_owned());
            true
        };
        let done = filter(List::Tools, raw(odd), see_all, |_| None, false);
        assert_eq!(text(done), r#"{"tools":[{"name":"a"}]}"#);
        assert_eq!(asked, ["a"]);
    }

    #[test]
    fn lists_that_two_readers_could_see_differently_are_refused() {
        for result in [
            r#"{"tools":[],"tools":[{"name":"hidden"}]}"#,
            r#"{"tools":[],"Tools":[{"name":"hidden"}]}"#,
            r#"{"tools":[],"tool\u0073":[]}"#,
        ] {
            assert!(matches!(kept(result, &[]), Err(Unfit::Ambiguous(_))), "{result}");
        }
        assert_eq!(kept("{}", &[]), Err(Unfit::Missing("tools")));
        assert_eq!(kept(r#"{"tools":{}}"#, &[]), Err(Unfit::NotArray));
        assert_eq!(kept("[]", &[]), Err(Unfit::NotObject));
    }

    #[test]
    fn entries_are_renamed_in_place() {
        let rename = |name: &str| (name == "a").then(|| format!("conn__{name}"));
        let done = filter(List::Tools, raw(TOOLS), |name, _| name != "c", rename, true);
        assert_eq!(
            text(done),
            r#"{ "tools":[{"name":"conn__a","n":9223372036854775808},{"x":1e-400,"name":"\u0062","inputSchema":{"type":"object","properties":{"p":true}}}],"nextCursor":"","resultType":"complete","ttlMs":5,"cacheScope":"private"}"#
        );
    }

    #[test]
    fn every_kind_of_list_has_its_members() {
        for (method, result, expected) in [
            (
                "prompts/list",
                r#"{"prompts":[{"name":"a"},{"name":"b"}]}"#,
                r#"{"prompts":[{"name":"a"}]}"#,
            ),
            (
                "resources/list",
                r#"{"resources":[{"name":"b","uri":"a"}]}"#,
                r#"{"resources":[{"name":"b","uri":"a"}]}"#,
            ),
            (
                "resources/templates/list",
                r#"{"resourceTemplates":[{"uriTemplate":"a"},{"uri":"a"}]}"#,
                r#"{"resourceTemplates":[{"uriTemplate":"a"}]}"#,
            ),
        ] {
            let list = List::of(method).unwrap();
            let done = filter(list, raw(result), |name, _| name == "a", |_| None, false);
            assert_eq!(text(done), expected);
        }
        assert_eq!(List::of("tools/call"), None);
        let private = filter(List::Prompts, raw(r#"{"prompts":[]}"#), |_, _| true, |_| None, true);
        assert_eq!(text(private), r#"{"cacheScope":"private","prompts":[]}"#);
    }
}
