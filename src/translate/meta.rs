//! `_meta`, which parameters and results have alike.

use std::borrow::Cow;

use serde_json::value::RawValue;

use crate::protocol::raw::{Object, Unfit, quote};
use crate::protocol::splice::Edits;

/// The `_meta` of parameters or of a result, if it is an object.
pub(super) fn of<'a>(holder: &Object<'a>) -> Result<Option<&'a RawValue>, Unfit> {
    Ok(holder.get("_meta")?.filter(|meta| meta.get().starts_with('{')))
}

/// Sets members of `_meta`, which is made where there is none.
pub(super) fn set<'t>(
    mut edits: Edits<'t>,
    holder: &'t RawValue,
    members: Vec<(&'static str, Cow<'t, [u8]>)>,
) -> Result<Edits<'t>, Unfit> {
    if members.is_empty() {
        return Ok(edits);
    }
    if let Some(meta) = of(&Object::read(holder)?)? {
        for (name, value) in members {
            edits = edits.set_member(meta, name, value);
        }
        return Ok(edits);
    }
    Ok(edits.set_member(holder, "_meta", object(&members)))
}

/// Sets members of the `_meta` of a message's parameters; what is missing of
/// the two is made.
pub(super) fn set_in_params<'t>(
    edits: Edits<'t>,
    message: &'t RawValue,
    members: Vec<(&'static str, Cow<'t, [u8]>)>,
) -> Result<Edits<'t>, Unfit> {
    if let Some(params) = params(message)? {
        return set(edits, params, members);
    }
    let meta = object(&members);
    Ok(edits.set_member(message, "params", object(&[("_meta", meta)])))
}

/// The parameters of a message; null counts as none.
pub(super) fn params(message: &RawValue) -> Result<Option<&RawValue>, Unfit> {
    let params = Object::read(message)?.get("params")?;
    let params = params.filter(|params| params.get() != "null");
    match params {
        Some(params) if !params.get().starts_with('{') => Err(Unfit::NotObject),
        params => Ok(params),
    }
}

/// An object of these members.
pub(super) fn object<N: AsRef<str>, V: AsRef<[u8]>>(members: &[(N, V)]) -> Vec<u8> {
    let mut out = vec![b'{'];
    for (name, value) in members {
        if out.len() > 1 {
            out.push(b',');
        }
        out.extend_from_slice(quote(name.as_ref()).as_bytes());
        out.push(b':');
        out.extend_from_slice(value.as_ref());
    }
    out.push(b'}');
    out
}

/// An array of these elements.
pub(super) fn array<V: AsRef<[u8]>>(elements: &[V]) -> Vec<u8> {
    let mut out = vec![b'['];
    for element in elements {
        if out.len() > 1 {
            out.push(b',');
        }
        out.extend_from_slice(element.as_ref());
    }
    out.push(b']');
    out
}
