//! Looking into raw JSON: the members of an object and the elements of an
//! array, each still as it was written.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::jsonrpc::{Key, folds_to};

/// Why a text cannot be read or edited as asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unfit {
    /// The text is not JSON at all.
    #[error("not valid JSON")]
    Syntax,
    /// An object was expected.
    #[error("not a JSON object")]
    NotObject,
    /// An array was expected.
    #[error("not a JSON array")]
    NotArray,
    /// Two readers could see different values: the member is there twice, or
    /// a second time in another case.
    #[error("`{0}` appears twice or in another case")]
    Ambiguous(String),
    /// The member is missing, or its type is not the one expected.
    #[error("`{0}` is missing or of the wrong type")]
    Missing(&'static str),
    /// The part to edit is not part of the text.
    #[error("the part to edit is not part of the text")]
    Foreign,
    /// Two edits touch the same part of the text.
    #[error("two edits touch the same part of the text")]
    Overlap,
}

/// One member of an object.
#[derive(Clone, Copy, Debug)]
pub struct Member<'a> {
    /// The name with its quotes.
    pub key: &'a RawValue,
    /// The value.
    pub value: &'a RawValue,
}

impl<'a> Member<'a> {
    /// The name. One that is no Unicode text (half of a surrogate pair) is
    /// told as it is written, and equals no other.
    #[must_use]
    pub fn name(&self) -> Cow<'a, str> {
        text(self.key).unwrap_or(Cow::Borrowed(self.key.get()))
    }
}

/// The members of an object, in their order.
#[derive(Debug)]
pub struct Object<'a> {
    members: Vec<Member<'a>>,
}

impl<'a> Object<'a> {
    /// Reads the outermost level of an object.
    ///
    /// # Errors
    /// [`Unfit::NotObject`].
    pub fn read(raw: &'a RawValue) -> Result<Self, Unfit> {
        if !raw.get().starts_with('{') {
            return Err(Unfit::NotObject);
        }
        serde_json::from_str(raw.get()).map_err(|_| Unfit::NotObject)
    }

    /// The value of a member.
    ///
    /// # Errors
    /// [`Unfit::Ambiguous`], also for a name in another case.
    pub fn get(&self, name: &str) -> Result<Option<&'a RawValue>, Unfit> {
        let mut found = None;
        for member in &self.members {
            let this = member.name();
            if this == name && found.is_none() {
                found = Some(member.value);
            } else if this == name || folds_to(&this, name) {
                return Err(Unfit::Ambiguous(name.to_owned()));
            }
        }
        Ok(found)
    }

    /// The value of a member of an object whose names are anybody's, so that
    /// two cases are two names.
    ///
    /// # Errors
    /// [`Unfit::Ambiguous`] when the name itself comes twice.
    pub fn exact(&self, name: &str) -> Result<Option<&'a RawValue>, Unfit> {
        let mut found = self.members.iter().filter(|member| member.name() == name);
        match (found.next(), found.next()) {
            (Some(_), Some(_)) => Err(Unfit::Ambiguous(name.to_owned())),
            (one, _) => Ok(one.map(|member| member.value)),
        }
    }

    /// The value of a member that is a string.
    ///
    /// # Errors
    /// [`Unfit::Ambiguous`]; [`Unfit::Missing`] when it is absent or no string.
    pub fn text(&self, name: &'static str) -> Result<Cow<'a, str>, Unfit> {
        self.get(name)?.and_then(text).ok_or(Unfit::Missing(name))
    }

    /// All members.
    #[must_use]
    pub fn members(&self) -> &[Member<'a>] {
        &self.members
    }
}

/// A string's value; `None` for everything that is no string.
#[must_use]
pub fn text(raw: &RawValue) -> Option<Cow<'_, str>> {
    let written = raw.get();
    if !written.starts_with('"') {
        return None;
    }
    match written.get(1..written.len() - 1) {
        Some(plain) if !plain.contains('\\') => Some(Cow::Borrowed(plain)),
        _ => serde_json::from_str::<Key<'_>>(written).ok().map(|Key(text)| text),
    }
}

/// The elements of an array.
///
/// # Errors
/// [`Unfit::NotArray`].
pub fn elements(raw: &RawValue) -> Result<Vec<&RawValue>, Unfit> {
    if !raw.get().starts_with('[') {
        return Err(Unfit::NotArray);
    }
    serde_json::from_str(raw.get()).map_err(|_| Unfit::NotArray)
}

/// A text as a JSON value, unread.
///
/// # Errors
/// [`Unfit::Syntax`].
pub fn value(text: &[u8]) -> Result<&RawValue, Unfit> {
    serde_json::from_slice(text).map_err(|_| Unfit::Syntax)
}

/// A text as a JSON string.
#[must_use]
pub fn quote(text: &str) -> String {
    // A string always has a JSON text.
    serde_json::to_string(text).unwrap_or_default()
}

impl<'de: 'a, 'a> Deserialize<'de> for Object<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ObjectVisitor;
        impl<'de> Visitor<'de> for ObjectVisitor {
            type Value = Object<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::new();
                while let Some((key, value)) = map.next_entry()? {
                    members.push(Member { key, value });
                }
                Ok(Object { members })
            }
        }
        deserializer.deserialize_map(ObjectVisitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_are_found_by_their_name_however_it_is_written() {
        let raw = value(br#" {"a": 1e-400, "n\u0061me":"x\n", "\ud800":[ ] } "#).unwrap();
        let object = Object::read(raw).unwrap();
        assert_eq!(object.get("a").unwrap().unwrap().get(), "1e-400");
        assert_eq!(object.text("name").unwrap(), "x\n");
        assert_eq!(object.text("a"), Err(Unfit::Missing("a")));
        assert!(object.get("none").unwrap().is_none());
        assert_eq!(object.members()[2].name(), r#""\ud800""#);
        assert!(Object::read(value(b"[]").unwrap()).is_err());
    }

    #[test]
    fn what_two_readers_could_see_differently_is_refused() {
        for text in [r#"{"a":1,"a":2}"#, r#"{"a":1,"\u0061":2}"#, r#"{"A":1}"#, r#"{"a":1,"A":2}"#]
        {
            let object = Object::read(value(text.as_bytes()).unwrap()).unwrap();
            assert_eq!(object.get("a").unwrap_err(), Unfit::Ambiguous("a".into()), "{text}");
            assert!(object.get("b").is_ok());
            let twice = text.matches('a').count() + text.matches("\\u0061").count() > 1;
            assert_eq!(object.exact("a").is_err(), twice, "{text}");
        }
    }

    #[test]
    fn arrays_and_strings() {
        let found = elements(value(br#"[1, {"a":[2]} ,null]"#).unwrap()).unwrap();
        assert_eq!(
            found.iter().map(|raw| raw.get()).collect::<Vec<_>>(),
            ["1", r#"{"a":[2]}"#, "null"]
        );
        assert_eq!(elements(value(b"{}").unwrap()).unwrap_err(), Unfit::NotArray);
        assert_eq!(text(value(br#""""#).unwrap()).unwrap(), "");
        assert_eq!(text(value(b"1").unwrap()), None);
        assert_eq!(quote("a\"\n"), r#""a\"\n""#);
        assert_eq!(value(b"{").unwrap_err(), Unfit::Syntax);
    }
}
