//! Edits on JSON text that leave everything they do not touch byte for byte.
//!
//! A value that is read and written again loses what its types do not hold:
//! digits of large numbers, spellings, unknown members, their order. So the
//! parts to change are found as [`RawValue`]s inside the text, and only they
//! are written anew.

#[cfg(test)]
mod tests;

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
        let mut first = object.start + 1;
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
        if let Some((place, _)) = places.first() {
            first = place.start;
        }
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
            spans.push(Span { part: first..first, by: new.into() });
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
