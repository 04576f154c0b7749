//! Edits on JSON text that leave everything they do not touch byte for byte.
//!
//! A value that is read and written again loses what its types do not hold:
//! digits of large numbers, spellings, unknown members, their order. So the
//! parts to change are found as [`RawValue`]s inside the text, and only they
//! are written anew.

use std::borrow::Cow;
use std::ops::Range;

use bytes::Bytes;
use serde_json::value::RawValue;

use super::raw::{Object, Unfit, quote, value};

/// Edits collected for one text. A fault is told by [`Edits::finish`].
#[derive(Debug)]
pub struct Edits<'t> {
    text: &'t [u8],
    spans: Vec<Span<'t>>,
    objects: Vec<Changes<'t>>,
    fault: Option<Unfit>,
}

/// A part of the text, and what takes its place.
#[derive(Debug)]
struct Span<'t> {
    part: Range<usize>,
    by: Cow<'t, [u8]>,
}

/// What happens to the members of one object.
#[derive(Debug)]
struct Changes<'t> {
    object: Range<usize>,
    /// The new value of each name; `None` takes the member away.
    members: Vec<(Cow<'t, str>, Change<'t>)>,
}

type Change<'t> = Option<Cow<'t, [u8]>>;

impl<'t> Edits<'t> {
    /// No edits of a text yet.
    #[must_use]
    pub fn new(text: &'t [u8]) -> Self {
        Self { text, spans: Vec::new(), objects: Vec::new(), fault: None }
    }

    /// Puts JSON in the place of a part of the text.
    #[must_use]
    pub fn replace(mut self, part: &RawValue, by: impl Into<Cow<'t, [u8]>>) -> Self {
        match self.locate(part) {
            Some(part) => self.spans.push(Span { part, by: by.into() }),
            None => self.fault = Some(Unfit::Foreign),
        }
        self
    }

    /// Gives a member of an object this JSON value: in the place of the old
    /// one, or as a new member at the beginning of the object.
    #[must_use]
    pub fn set_member(
        self,
        object: &RawValue,
        name: impl Into<Cow<'t, str>>,
        value: impl Into<Cow<'t, [u8]>>,
    ) -> Self {
        self.change(object, name.into(), Some(value.into()))
    }

    /// Takes a member away, wherever the object has it.
    #[must_use]
    pub fn remove_member(self, object: &RawValue, name: impl Into<Cow<'t, str>>) -> Self {
        self.change(object, name.into(), None)
    }

    /// Whether nothing was asked for, so that the text can stay as it is.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.spans.is_empty() && self.objects.is_empty() && self.fault.is_none()
    }

    /// The edited text.
    ///
    /// # Errors
    /// [`Unfit::Foreign`] when a part does not lie in the text,
    /// [`Unfit::NotObject`], [`Unfit::Ambiguous`] when a member to be set
    /// appears twice, [`Unfit::Overlap`].
    pub fn finish(self) -> Result<Bytes, Unfit> {
        let Self { text, mut spans, objects, fault } = self;
        if let Some(fault) = fault {
            return Err(fault);
        }
        for changes in objects {
            changes.resolve(text, &mut spans)?;
        }
        spans.sort_by_key(|span| (span.part.start, span.part.end));
        let grown: usize = spans.iter().map(|span| span.by.len()).sum();
        let mut out = Vec::with_capacity(text.len() + grown);
        let mut done = 0;
        for Span { part, by } in spans {
            out.extend_from_slice(text.get(done..part.start).ok_or(Unfit::Overlap)?);
            out.extend_from_slice(&by);
            done = part.end;
        }
        out.extend_from_slice(&text[done..]);
        Ok(out.into())
    }

    fn change(mut self, object: &RawValue, name: Cow<'t, str>, value: Change<'t>) -> Self {
        let Some(place) = self.locate(object) else {
            self.fault = Some(Unfit::Foreign);
            return self;
        };
        match self.objects.iter_mut().find(|changes| changes.object == place) {
            Some(changes) => {
                changes.members.retain(|(known, _)| *known != name);
                changes.members.push((name, value));
            }
            None => self.objects.push(Changes { object: place, members: vec![(name, value)] }),
        }
        self
    }

    /// Where a part lies in the text.
    fn locate(&self, part: &RawValue) -> Option<Range<usize>> {
        locate(self.text, part)
    }
}

fn locate(text: &[u8], part: &RawValue) -> Option<Range<usize>> {
    let part = part.get();
    let start = part.as_ptr().addr().checked_sub(text.as_ptr().addr())?;
    let end = start.checked_add(part.len())?;
    (end <= text.len()).then_some(start..end)
}

impl<'t> Changes<'t> {
    /// The changes as replaced parts of the text, so that commas are right
    /// whatever comes and goes.
    fn resolve(self, text: &'t [u8], spans: &mut Vec<Span<'t>>) -> Result<(), Unfit> {
        let Self { object, members: mut changes } = self;
        let open = object.start + 1;
        let written = Object::read(value(&text[object])?)?;
        let mut places: Vec<(Range<usize>, bool)> = Vec::new();
        let mut replaced: Vec<Cow<'t, str>> = Vec::new();
        for member in written.members() {
            let key = locate(text, member.key).ok_or(Unfit::Foreign)?;
            let old = locate(text, member.value).ok_or(Unfit::Foreign)?;
            let name = member.name();
            let change = changes.iter_mut().find(|(changed, _)| *changed == name);
            let kept = !matches!(change, Some((_, None)));
            places.push((key.start..old.end, kept));
            if let Some((_, Some(new))) = change {
                if replaced.contains(&name) {
                    return Err(Unfit::Ambiguous(name.into_owned()));
                }
                replaced.push(name);
                spans.push(Span { part: old, by: std::mem::take(new) });
            }
        }
        changes.retain(|(name, value)| value.is_some() && !replaced.contains(name));
        let last_kept = places.iter().rposition(|(_, kept)| *kept);
        let added: Vec<String> = changes.iter().map(|(name, _)| quote(name)).collect();
        let mut new = Vec::new();
        for (quoted, (_, value)) in added.iter().zip(&changes) {
            if !new.is_empty() {
                new.push(b',');
            }
            new.extend_from_slice(quoted.as_bytes());
            new.push(b':');
            new.extend_from_slice(value.as_deref().unwrap_or_default());
        }
        if !new.is_empty() {
            if last_kept.is_some() {
                new.push(b',');
            }
            spans.push(Span { part: open..open, by: new.into() });
        }
        remove(&places, last_kept, spans);
        Ok(())
    }
}

/// Takes the members away that are not kept, each with the comma after it,
/// and those behind the last kept one with the comma before.
fn remove(places: &[(Range<usize>, bool)], last_kept: Option<usize>, spans: &mut Vec<Span<'_>>) {
    let tail = last_kept.map_or(0, |last| last + 1);
    let gone = |part| Span { part, by: Cow::Borrowed(&[][..]) };
    for pair in places[..tail].windows(2) {
        if !pair[0].1 {
            spans.push(gone(pair[0].0.start..pair[1].0.start));
        }
    }
    if let (Some((first, _)), Some((last, _))) = (places.get(tail), places.last()) {
        let start = last_kept.map_or(first.start, |kept| places[kept].0.end);
        spans.push(gone(start..last.end));
    }
}

/// A message with another id, which is JSON text; all else stays.
///
/// # Errors
/// [`Unfit::Foreign`] when `id` is not the one that lies in `message`.
pub fn with_id(message: &[u8], id: &RawValue, new: &str) -> Result<Bytes, Unfit> {
    Edits::new(message).replace(id, new.as_bytes().to_vec()).finish()
}

#[cfg(test)]
mod tests {
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
        let text =
            " { \"id\" : 9223372036854775808 ,\n \"x\":1e-400, \"\\u0061\":[ ],\"n\":null}\n";
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
            (r#"{ "a":1, "b":2 }"#, &["a", "b"], Some("n"), r#"{"n":0  }"#),
            (r#"{ "a":1, "b":2 }"#, &["a"], Some("n"), r#"{"n":0, "b":2 }"#),
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
}
