//! Random requests.

use serde_json::{Map, Value};

use super::dice::Dice;
use super::policies::{SERVERS, kind, value};
use crate::registry::SubjectKind;

const NAMES: [&str; 6] = ["a", "b", "ab", "ba", "aab", "x.b"];

/// Parts of a URI: as it is written, and what both readings make of it.
type Part = (&'static str, &'static str, &'static str);
const LETTERS: [Part; 8] = [
    ("a", "a", "a"),
    ("a", "a", "a"),
    ("b", "b", "b"),
    ("b", "b", "b"),
    ("ab", "ab", "ab"),
    ("%61", "a", "a"),
    ("%2561", "%2561", "a"),
    ("{x}", "{x}", "{x}"),
];
const SLASHES: [Part; 6] = [
    ("/", "/", "/"),
    ("/", "/", "/"),
    ("//", "//", "/"),
    ("/./", "/./", "/"),
    ("%2f", "%2F", "/"),
    ("\\", "\\", "/"),
];
const ENDS: [Part; 6] = [
    ("", "", ""),
    ("", "", ""),
    ("", "", ""),
    ("/", "/", "/"),
    ("?x", "?x", "?x"),
    ("#x", "#x", "#x"),
];

/// A URI with its readings, known from how it was put together.
#[derive(Debug, Default)]
pub(super) struct Uri {
    pub(super) text: String,
    pub(super) strict: String,
    pub(super) loose: String,
    /// It has a `..` in it.
    pub(super) climbs: bool,
}

impl Uri {
    fn random(dice: &mut Dice) -> Self {
        let mut uri = Self::default();
        uri.put(*dice.of(&[("r:", "r:", "r:"), ("R:", "r:", "r:")]));
        uri.put(*dice.of(&LETTERS));
        if dice.once_in(2) {
            uri.put(*dice.of(&SLASHES));
            uri.put(*dice.of(&LETTERS));
        }
        if dice.once_in(12) {
            uri.climbs = true;
            uri.put(*dice.of(&[("/../a", "", ""), ("/%2e%2e", "", ""), ("\\..\\b", "", "")]));
        }
        uri.put(*dice.of(&ENDS));
        uri
    }

    fn put(&mut self, (text, strict, loose): Part) {
        self.text.push_str(text);
        self.strict.push_str(strict);
        self.loose.push_str(loose);
    }
}

#[derive(Debug)]
pub(super) struct Request {
    pub(super) roles: Vec<String>,
    pub(super) groups: Vec<String>,
    pub(super) email: Option<&'static str>,
    pub(super) issuer: &'static str,
    pub(super) tenant: Option<&'static str>,
    pub(super) agents: Vec<String>,
    pub(super) chosen: Option<&'static str>,
    pub(super) kind: SubjectKind,
    pub(super) method: &'static str,
    pub(super) server: &'static str,
    pub(super) name: String,
    pub(super) inner: String,
    pub(super) uri: Uri,
    pub(super) registry_roles: Vec<Box<str>>,
    pub(super) arguments: Value,
    pub(super) client: Option<(&'static str, &'static str)>,
    pub(super) session: Option<&'static str>,
}

fn owned(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

impl Request {
    pub(super) fn random(dice: &mut Dice) -> Self {
        let kind = kind(dice);
        let (server, inner) = (*dice.of(&SERVERS), *dice.of(&NAMES));
        let uri = Uri::random(dice);
        let (name, inner) = match kind {
            SubjectKind::Resource => (uri.text.clone(), uri.text.clone()),
            SubjectKind::Tool | SubjectKind::Prompt if dice.once_in(2) => {
                (format!("{server}__{inner}"), inner.to_owned())
            }
            SubjectKind::Tool | SubjectKind::Prompt => (inner.to_owned(), inner.to_owned()),
        };
        let methods: &[&str] = match kind {
            SubjectKind::Tool => &["tools/call"],
            SubjectKind::Prompt => &["prompts/get", "completion/complete"],
            SubjectKind::Resource => {
                &["resources/read", "resources/subscribe", "completion/complete"]
            }
        };
        let declared = kind == SubjectKind::Tool && dice.once_in(6);
        Self {
            roles: owned(&dice.some(&["r0", "r1", "r2", "stranger"], 5)),
            groups: owned(&dice.some(&["h0", "h1"], 1)),
            email: dice.once_in(2).then(|| *dice.of(&["u@x", "u@y"])),
            issuer: *dice.of(&["i0", "i1"]),
            tenant: dice.once_in(2).then(|| *dice.of(&["w0", "w1", "w2"])),
            agents: owned(&dice.some(&["g0", "g1", "default", "stranger"], 2)),
            chosen: dice.once_in(6).then(|| *dice.of(&["g0", "g1"])),
            kind,
            method: *dice.of(methods),
            server,
            name,
            inner,
            uri,
            registry_roles: if declared { vec!["r1".into(), "r2".into()] } else { Vec::new() },
            arguments: arguments(dice),
            client: dice.once_in(2).then(|| (*dice.of(&["c0", "c1"]), *dice.of(&["1", "2"]))),
            session: dice.once_in(2).then_some("0123"),
        }
    }
}

fn arguments(dice: &mut Dice) -> Value {
    let mut arguments = Map::new();
    for name in ["p", "q"] {
        if !dice.once_in(3) {
            arguments.insert(name.to_owned(), value(dice));
        }
    }
    if dice.once_in(8) {
        // A backend may take it for the small one.
        arguments.insert("P".to_owned(), value(dice));
    }
    if dice.once_in(2) {
        let items: Vec<Value> = (0..dice.below(3)).map(|_| value(dice)).collect();
        arguments.insert("list".to_owned(), items.into());
    }
    arguments.into()
}
