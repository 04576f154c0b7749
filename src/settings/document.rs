//! A YAML text as a tree that still shows what a map would hide: keys that
//! appear twice, and where each of them stands.

use std::fmt::{self, Display, Formatter};

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, de};

use super::problems::Problem;

/// One step of a path into a document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Into a mapping.
    Key(String),
    /// Into a list; counts from 0.
    Index(usize),
}

/// A path into a document, shown as `auth.issuers[0].issuer`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Path(pub(super) Vec<Step>);

impl Path {
    /// From `section.field`.
    pub(super) fn dotted(path: &str) -> Self {
        Self(path.split('.').map(|key| Step::Key(key.to_owned())).collect())
    }

    pub(super) fn key(&self, key: &str) -> Self {
        let mut longer = self.clone();
        longer.0.push(Step::Key(key.to_owned()));
        longer
    }

    pub(super) fn index(&self, index: usize) -> Self {
        let mut longer = self.clone();
        longer.0.push(Step::Index(index));
        longer
    }
}

impl Display for Path {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        for (position, step) in self.0.iter().enumerate() {
            match step {
                Step::Key(key) if position == 0 => f.write_str(key)?,
                Step::Key(key) => write!(f, ".{key}")?,
                Step::Index(index) => write!(f, "[{index}]")?,
            }
        }
        Ok(())
    }
}

/// A value of a document. Mappings keep their order and repeated keys.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Node {
    Null,
    Flag(bool),
    Integer(i128),
    Float(f64),
    Text(String),
    List(Vec<Self>),
    Map(Vec<(String, Self)>),
}

impl Node {
    /// Reads one YAML document.
    ///
    /// # Errors
    /// What the parser says, and where.
    pub(super) fn parse(text: &str) -> Result<Self, (String, Option<(usize, usize)>)> {
        serde_yaml::from_str(text).map_err(|error| {
            let position = error.location().map(|place| (place.line(), place.column()));
            (error.to_string(), position)
        })
    }

    /// Puts a value at a path, making the mappings and lists on the way. An
    /// index beyond the end of a list appends.
    pub(super) fn put(&mut self, path: &[Step], value: Self) {
        let Some((step, rest)) = path.split_first() else {
            *self = value;
            return;
        };
        match step {
            Step::Key(key) => {
                if !matches!(self, Self::Map(_)) {
                    *self = Self::Map(Vec::new());
                }
                let Self::Map(entries) = self else { return };
                let at = entries.iter().position(|(name, _)| name == key).unwrap_or_else(|| {
                    entries.push((key.clone(), Self::Null));
                    entries.len() - 1
                });
                entries[at].1.put(rest, value);
            }
            Step::Index(index) => {
                if !matches!(self, Self::List(_)) {
                    *self = Self::List(Vec::new());
                }
                let Self::List(items) = self else { return };
                let at = (*index).min(items.len());
                if at == items.len() {
                    items.push(Self::Null);
                }
                items[at].put(rest, value);
            }
        }
    }

    /// What kind of value this is, for messages. Never the value itself.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::Null => "nothing",
            Self::Flag(_) => "true or false",
            Self::Integer(_) | Self::Float(_) => "a number",
            Self::Text(_) => "a text",
            Self::List(_) => "a list",
            Self::Map(_) => "a section",
        }
    }
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Reader)
    }
}

struct Reader;

impl<'de> Visitor<'de> for Reader {
    type Value = Node;

    fn expecting(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str("a value without a YAML tag")
    }

    fn visit_unit<E>(self) -> Result<Node, E> {
        Ok(Node::Null)
    }

    /// What the parser makes of an empty document.
    fn visit_none<E>(self) -> Result<Node, E> {
        Ok(Node::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Node, E> {
        Ok(Node::Flag(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Node, E> {
        Ok(Node::Integer(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Node, E> {
        Ok(Node::Integer(value.into()))
    }

    fn visit_i128<E>(self, value: i128) -> Result<Node, E> {
        Ok(Node::Integer(value))
    }

    fn visit_u128<E>(self, value: u128) -> Result<Node, E> {
        // No setting is that large; the exact value does not matter.
        Ok(Node::Integer(i128::try_from(value).unwrap_or(i128::MAX)))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Node, E> {
        Ok(Node::Float(value))
    }

    fn visit_str<E>(self, value: &str) -> Result<Node, E> {
        Ok(Node::Text(value.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Node, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element()? {
            list.push(item);
        }
        Ok(Node::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Node, A::Error> {
        let mut map = Vec::new();
        while let Some(entry) = entries.next_entry()? {
            map.push(entry);
        }
        Ok(Node::Map(map))
    }
}

/// What of an entry is looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Spot {
    /// Its value.
    Value,
    /// Its key; the first is 0, a repeated one 1.
    Key(usize),
}

/// A document with its name and text, so that places in it can be found.
#[derive(Clone, Debug)]
pub(super) struct Document {
    pub(super) file: String,
    pub(super) text: String,
}

impl Document {
    /// A problem at a path of this document, with line and column.
    pub(super) fn problem(&self, path: &Path, spot: Spot, message: impl Into<String>) -> Problem {
        Problem::new(path.to_string(), message)
            .in_file(&self.file, locate(&self.text, &path.0, spot))
    }
}

/// Line and column (from 1) of an entry. There is no second parser that
/// knows places: the YAML parser is sent along the path and stumbles there
/// on purpose, and its complaint says where it stood.
pub(super) fn locate(text: &str, path: &[Step], spot: Spot) -> Option<(usize, usize)> {
    let stumble =
        Seek { path, spot }.deserialize(serde_yaml::Deserializer::from_str(text)).err()?;
    stumble.location().map(|place| (place.line(), place.column()))
}

struct Seek<'a> {
    path: &'a [Step],
    spot: Spot,
}

impl<'de> DeserializeSeed<'de> for Seek<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

/// Scalars are not implemented: arriving at one is an error, as intended.
impl<'de> Visitor<'de> for Seek<'_> {
    type Value = ();

    fn expecting(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str("another step")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<(), A::Error> {
        let Some((Step::Key(wanted), rest)) = self.path.split_first() else {
            return Err(de::Error::custom("here"));
        };
        let mut skip = match self.spot {
            Spot::Key(nth) if rest.is_empty() => Some(nth),
            Spot::Key(_) | Spot::Value => None,
        };
        loop {
            let stop = skip == Some(0);
            match entries.next_key_seed(SeekKey { wanted, stop })? {
                None => return Ok(()),
                Some(true) if skip.is_none() => {
                    entries.next_value_seed(Seek { path: rest, spot: self.spot })?;
                    // Not there. What is left unread would be an error too.
                    while entries.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
                    return Ok(());
                }
                Some(true) => skip = skip.map(|left| left.saturating_sub(1)),
                Some(false) => {}
            }
            entries.next_value::<IgnoredAny>()?;
        }
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        let Some((&Step::Index(wanted), rest)) = self.path.split_first() else {
            return Err(de::Error::custom("here"));
        };
        for _ in 0..wanted {
            items.next_element::<IgnoredAny>()?;
        }
        items.next_element_seed(Seek { path: rest, spot: self.spot })?;
        while items.next_element::<IgnoredAny>()?.is_some() {}
        Ok(())
    }
}

/// Tells whether a key is the wanted one; stumbles over it when told to.
struct SeekKey<'a> {
    wanted: &'a str,
    stop: bool,
}

impl<'de> DeserializeSeed<'de> for SeekKey<'_> {
    type Value = bool;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<bool, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for SeekKey<'_> {
    type Value = bool;

    fn expecting(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E: de::Error>(self, key: &str) -> Result<bool, E> {
        match (key == self.wanted, self.stop) {
            (true, true) => Err(E::custom("here")),
            (found, _) => Ok(found),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "a:\n  b: 1\n  c: [x, y]\n  b: 2\nd: {e: 5}\n404: z\n";

    #[test]
    fn repeated_keys_and_their_order_are_kept() {
        let Node::Map(root) = Node::parse(TEXT).unwrap() else { panic!("a map") };
        let Node::Map(a) = &root[0].1 else { panic!("a map") };
        assert_eq!(a.iter().map(|(key, _)| key.as_str()).collect::<Vec<_>>(), ["b", "c", "b"]);
        assert_eq!(root[2].0, "404");
    }

    #[test]
    fn every_place_can_be_found() {
        let at = |path: &str, spot| locate(TEXT, &Path::dotted(path).0, spot);
        assert_eq!(at("a.b", Spot::Value), Some((2, 6)));
        assert_eq!(at("a.b", Spot::Key(0)), Some((2, 3)));
        assert_eq!(at("a.b", Spot::Key(1)), Some((4, 3)));
        assert_eq!(at("d.e", Spot::Value), Some((5, 8)));
        assert_eq!(at("a.nothing", Spot::Value), None);
        let second = Path::dotted("a.c").index(1);
        assert_eq!(locate(TEXT, &second.0, Spot::Value), Some((3, 10)));
        assert_eq!(second.to_string(), "a.c[1]");
    }

    #[test]
    fn tags_and_nonsense_are_errors_with_a_place() {
        assert_eq!(Node::parse("a: 1\nb: !env X\n").unwrap_err().1, Some((2, 4)));
        assert!(Node::parse("a: [1,\nb: 2").unwrap_err().1.is_some());
        assert!(Node::parse("a: 1\n---\nb: 2\n").is_err());
        assert!(Node::parse(&"[".repeat(5000)).is_err());
    }

    #[test]
    fn values_are_put_where_the_path_says() {
        let mut node = Node::Map(Vec::new());
        node.put(&Path::dotted("a.b").0, Node::Integer(1));
        node.put(&Path::dotted("a.list").index(3).0, Node::Flag(true));
        node.put(&Path::dotted("a.b").0, Node::Integer(2));
        assert_eq!(node, Node::parse("a: {b: 2, list: [true]}").unwrap());
    }
}
