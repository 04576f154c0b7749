//! Which keys there are. The compiled-in defaults name every setting, so
//! they are the list of keys and of their kinds; nothing is written twice.

use std::collections::HashMap;

use super::document::{Node, Path, Spot};

/// What may stand at a place.
#[derive(Clone, Debug)]
pub(super) enum Schema {
    /// A mapping with exactly these keys.
    Section(Vec<(String, Self)>),
    /// A list of mappings.
    Items(Box<Self>),
    /// One value.
    Leaf(Kind),
}

/// The kind of a value, as its default shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A text.
    Text,
    /// A text or nothing.
    Optional,
    /// A whole number.
    Number,
    /// A whole number or nothing.
    OptionalNumber,
    /// True or false.
    Flag,
    /// A list of texts.
    Texts,
}

/// One value that some layer sets.
#[derive(Clone, Debug)]
pub(super) struct Leaf {
    pub(super) path: Path,
    pub(super) value: Node,
    /// The environment variable it came from; `None`: the file.
    pub(super) variable: Option<String>,
}

/// Something that does not fit the schema.
#[derive(Clone, Debug)]
pub(super) struct Misfit {
    pub(super) path: Path,
    pub(super) spot: Spot,
    pub(super) message: String,
}

/// A tree taken apart.
#[derive(Debug, Default)]
pub(super) struct Sifted {
    pub(super) leaves: Vec<Leaf>,
    pub(super) misfits: Vec<Misfit>,
}

/// Most misfits kept of one tree.
const MOST_MISFITS: usize = 200;

impl Schema {
    /// The schema that a tree of defaults shows.
    pub(super) fn of(defaults: &Node) -> Self {
        let mut schema = Self::shown_by(defaults);
        // Nothing by default, and a number otherwise: the default does not show it.
        if let Some(days) = schema.get_mut(&["audit", "retention_days"]) {
            *days = Self::Leaf(Kind::OptionalNumber);
        }
        // The one list of mappings: further issuers look like the first.
        let issuer = schema.get(&["auth", "default"]).cloned();
        if let (Some(issuer), Some(list)) = (issuer, schema.get_mut(&["auth", "issuers"])) {
            *list = Self::Items(Box::new(issuer));
        }
        schema
    }

    fn shown_by(node: &Node) -> Self {
        match node {
            Node::Map(entries) => Self::Section(
                entries.iter().map(|(key, value)| (key.clone(), Self::shown_by(value))).collect(),
            ),
            Node::List(_) => Self::Leaf(Kind::Texts),
            Node::Null => Self::Leaf(Kind::Optional),
            Node::Flag(_) => Self::Leaf(Kind::Flag),
            Node::Integer(_) | Node::Float(_) => Self::Leaf(Kind::Number),
            Node::Text(_) => Self::Leaf(Kind::Text),
        }
    }

    /// What may stand at a path of keys.
    pub(super) fn get(&self, path: &[&str]) -> Option<&Self> {
        path.iter().try_fold(self, |schema, key| match schema {
            Self::Section(entries) => {
                entries.iter().find(|(name, _)| name == key).map(|(_, inner)| inner)
            }
            Self::Items(_) | Self::Leaf(_) => None,
        })
    }

    fn get_mut(&mut self, path: &[&str]) -> Option<&mut Self> {
        path.iter().try_fold(self, |schema, key| match schema {
            Self::Section(entries) => {
                entries.iter_mut().find(|(name, _)| name == key).map(|(_, inner)| inner)
            }
            Self::Items(_) | Self::Leaf(_) => None,
        })
    }

    /// The dotted paths of all values.
    pub(super) fn paths(&self) -> Vec<String> {
        match self {
            Self::Section(entries) => entries
                .iter()
                .flat_map(|(key, inner)| match inner {
                    Self::Section(_) => {
                        inner.paths().iter().map(|rest| format!("{key}.{rest}")).collect()
                    }
                    Self::Items(_) | Self::Leaf(_) => vec![key.clone()],
                })
                .collect(),
            Self::Items(_) | Self::Leaf(_) => Vec::new(),
        }
    }

    /// Takes a tree apart into values, each with its path. Unknown and
    /// repeated keys, and shapes that cannot be, go to the misfits.
    pub(super) fn sift(&self, node: Node, path: &Path, sifted: &mut Sifted) {
        match (self, node) {
            (Self::Section(known), Node::Map(entries)) if !entries.is_empty() => {
                self.sift_section(known, entries, path, sifted);
            }
            // A mapping without keys, as an item of a list: all defaults.
            (Self::Section(_), node @ Node::Map(_)) => sifted.leaf(path.clone(), node),
            (Self::Section(_), Node::Null) => sifted.misfit(
                path.clone(),
                Spot::Value,
                "holds no setting: leave it out, or write one below it",
            ),
            (Self::Section(_), other) => {
                let message = format!("must be a section with settings, not {}", other.kind());
                sifted.misfit(path.clone(), Spot::Value, message);
            }
            (Self::Items(item), Node::List(nodes)) if !nodes.is_empty() => {
                for (index, node) in nodes.into_iter().enumerate() {
                    item.sift(node, &path.index(index), sifted);
                }
            }
            (Self::Leaf(Kind::Texts), Node::List(nodes)) if !nodes.is_empty() => {
                for (index, node) in nodes.into_iter().enumerate() {
                    sifted.leaf(path.index(index), node);
                }
            }
            (Self::Leaf(_) | Self::Items(_), node) => sifted.leaf(path.clone(), node),
        }
    }

    fn sift_section(
        &self,
        known: &[(String, Self)],
        entries: Vec<(String, Node)>,
        path: &Path,
        sifted: &mut Sifted,
    ) {
        let mut seen: HashMap<String, usize> = HashMap::new();
        for (key, value) in entries {
            let earlier = seen.get(&key).copied().unwrap_or_default();
            seen.insert(key.clone(), earlier + 1);
            let here = path.key(&shortened(&key));
            if earlier > 0 {
                sifted.misfit(here, Spot::Key(earlier), "appears a second time");
                continue;
            }
            match known.iter().find(|(name, _)| *name == key) {
                Some((_, inner)) => inner.sift(value, &here, sifted),
                // Looking for what was meant costs more than all the rest.
                None if sifted.is_full() => {}
                None => {
                    let message = match self.suggestion(&key) {
                        Some(near) => format!("is no known key; did you mean `{near}`?"),
                        None => "is no known key".to_owned(),
                    };
                    sifted.misfit(here, Spot::Key(0), message);
                }
            }
        }
    }

    /// The key of this section, or else the one further down, that an
    /// unknown key was probably meant to be.
    fn suggestion(&self, key: &str) -> Option<String> {
        let Self::Section(known) = self else { return None };
        if let Some(near) = nearest(key, known.iter().map(|(name, _)| name.as_str())) {
            return Some(near.to_owned());
        }
        let suffix = format!(".{key}");
        self.paths().into_iter().find(|path| path.ends_with(&suffix))
    }
}

impl Sifted {
    fn leaf(&mut self, path: Path, value: Node) {
        self.leaves.push(Leaf { path, value, variable: None });
    }

    fn misfit(&mut self, path: Path, spot: Spot, message: impl Into<String>) {
        if !self.is_full() {
            self.misfits.push(Misfit { path, spot, message: message.into() });
        }
    }

    fn is_full(&self) -> bool {
        self.misfits.len() >= MOST_MISFITS
    }
}

/// A key cut to a length that can be shown.
fn shortened(key: &str) -> String {
    key.chars().take(80).collect()
}

/// The candidate that differs from `word` by at most a third of its letters
/// (at least one, at most four).
pub(super) fn nearest<'a>(
    word: &str,
    candidates: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    if word.len() > 80 {
        return None;
    }
    let most = (word.chars().count() / 3).clamp(1, 4);
    candidates
        .into_iter()
        .map(|candidate| (distance(word, candidate), candidate))
        .filter(|&(far, _)| far <= most)
        .min_by_key(|&(far, _)| far)
        .map(|(_, candidate)| candidate)
}

/// Letters to insert, delete, replace or swap with their neighbour to make
/// one word of the other (optimal string alignment).
fn distance(one: &str, other: &str) -> usize {
    let one: Vec<char> = one.chars().collect();
    let other: Vec<char> = other.chars().collect();
    let mut before_last: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=other.len()).collect();
    for row in 1..=one.len() {
        let mut current = vec![row];
        for column in 1..=other.len() {
            let differs = usize::from(one[row - 1] != other[column - 1]);
            let mut best =
                (last[column] + 1).min(current[column - 1] + 1).min(last[column - 1] + differs);
            let swapped = row > 1
                && column > 1
                && one[row - 1] == other[column - 2]
                && one[row - 2] == other[column - 1];
            if swapped {
                best = best.min(before_last[column - 2] + 1);
            }
            current.push(best);
        }
        before_last = std::mem::replace(&mut last, current);
    }
    last[other.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sift(text: &str) -> Sifted {
        let defaults = Node::parse(crate::settings::DEFAULTS).unwrap();
        let mut sifted = Sifted::default();
        Schema::of(&defaults).sift(Node::parse(text).unwrap(), &Path::default(), &mut sifted);
        sifted
    }

    fn complaint(text: &str) -> String {
        let sifted = sift(text);
        assert_eq!(sifted.misfits.len(), 1, "{:?}", sifted.misfits);
        format!("{}: {}", sifted.misfits[0].path, sifted.misfits[0].message)
    }

    #[test]
    fn unknown_keys_bring_the_nearest_known_one() {
        assert_eq!(
            complaint("server: {lisen: x}"),
            "server.lisen: is no known key; did you mean `listen`?"
        );
        assert_eq!(complaint("sevrer: {}"), "sevrer: is no known key; did you mean `server`?");
        assert_eq!(
            complaint("burst: 5"),
            "burst: is no known key; did you mean `quota.user.burst`?"
        );
        assert_eq!(complaint("quota: {elephant: 5}"), "quota.elephant: is no known key");
        assert_eq!(
            complaint("auth: {issuers: [{isuer: x}]}"),
            "auth.issuers[0].isuer: is no known key; did you mean `issuer`?"
        );
        assert_eq!(complaint("<<: {}"), "<<: is no known key");
    }

    #[test]
    fn shapes_that_cannot_be_are_named() {
        assert_eq!(complaint("server: 5"), "server: must be a section with settings, not a number");
        assert_eq!(
            complaint("server:\n"),
            "server: holds no setting: leave it out, or write one below it"
        );
        assert_eq!(
            complaint("quota: {user: {burst: 1, burst: 2}}"),
            "quota.user.burst: appears a second time"
        );
    }

    #[test]
    fn lists_come_apart_into_items() {
        let paths: Vec<String> =
            sift("server: {trusted_proxies: [a, b]}\nauth: {issuers: [{issuer: x}, {}]}")
                .leaves
                .iter()
                .map(|leaf| leaf.path.to_string())
                .collect();
        assert_eq!(
            paths,
            [
                "server.trusted_proxies[0]",
                "server.trusted_proxies[1]",
                "auth.issuers[0].issuer",
                "auth.issuers[1]"
            ]
        );
    }

    #[test]
    fn distances_count_swaps_as_one() {
        assert_eq!(distance("listen", "listen"), 0);
        assert_eq!(distance("lisetn", "listen"), 1);
        assert_eq!(distance("", "abc"), 3);
        assert_eq!(nearest("xyz", ["abc"]), None);
    }
}
