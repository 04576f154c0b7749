//! The environment as a layer.
//!
//! Values are read by the kind of the setting, never by their looks, so a
//! secret `007` stays `007`.

use std::collections::BTreeMap;

use super::document::{Node, Path};
use super::names::{self, PREFIX, Reading};
use super::problems::{Place, Problem};
use super::schema::{Kind, Leaf, Schema, Sifted, nearest};

/// What the environment sets, and what is wrong or doubtful about it.
#[derive(Debug, Default)]
pub(super) struct Environment {
    pub(super) leaves: Vec<Leaf>,
    pub(super) problems: Vec<Problem>,
    pub(super) warnings: Vec<Problem>,
}

/// A variable that sets something, not yet read.
struct Candidate<'a> {
    name: &'a str,
    text: String,
}

/// Reads the variables that belong to the gateway; ignores the others.
pub(super) fn read(variables: &[(String, String)], schema: &Schema) -> Environment {
    let mut found = Environment::default();
    let mut own: BTreeMap<String, Candidate<'_>> = BTreeMap::new();
    let mut reference: BTreeMap<String, Candidate<'_>> = BTreeMap::new();
    let mut debug = None;
    for (name, text) in variables {
        if let Some(rest) = name.strip_prefix(PREFIX) {
            found.own(name, rest, text, schema, &mut own);
        } else if let Some((path, reading)) = names::reference(name) {
            match reading {
                Reading::Debug => debug = Some((name, text)),
                Reading::PythonLevel => {
                    let text = level(text);
                    reference.insert(path.to_owned(), Candidate { name, text });
                }
                Reading::Plain => {
                    reference.insert(path.to_owned(), Candidate { name, text: text.clone() });
                }
            }
        } else if let Some(meant) = names::meant(name) {
            found.warn(name, format!("is not read; did you mean {meant}?"));
        } else if name.starts_with("SCOPEGATE_") && name.contains("__") {
            found.warn(name, format!("is not read: settings begin with {PREFIX}"));
        }
    }
    if let Some((name, text)) = debug {
        found.debug(name, text, &mut reference);
    }
    for (path, candidate) in reference {
        match own.get(&path) {
            None => {
                own.insert(path, candidate);
            }
            Some(winner) if winner.text != candidate.text && candidate.name != "DEBUG" => {
                let message = format!("is ignored: {} is set too, to another value", winner.name);
                found.warn(candidate.name, message);
            }
            Some(_) => {}
        }
    }
    for (path, candidate) in own {
        found.set(&path, &candidate, schema);
    }
    found
}

impl Environment {
    fn warn(&mut self, name: &str, message: impl Into<String>) {
        self.warnings.push(Problem::new("", message).at(Place::Environment(name.to_owned())));
    }

    fn complain(&mut self, name: &str, path: &str, message: impl Into<String>) {
        self.problems.push(Problem::new(path, message).at(Place::Environment(name.to_owned())));
    }

    /// Notes a `SCOPEGATE__…` variable.
    fn own<'a>(
        &mut self,
        name: &'a str,
        rest: &str,
        text: &str,
        schema: &Schema,
        own: &mut BTreeMap<String, Candidate<'a>>,
    ) {
        let path = rest.to_ascii_lowercase().replace("__", ".");
        let keys: Vec<&str> = path.split('.').collect();
        match schema.get(&keys) {
            Some(Schema::Leaf(_) | Schema::Items(_)) => {
                let candidate = Candidate { name, text: text.to_owned() };
                if let Some(earlier) = own.insert(path.clone(), candidate) {
                    self.complain(name, &path, format!("is set twice, also by {}", earlier.name));
                }
            }
            Some(Schema::Section(_)) => {
                self.complain(name, "", "names a section; set its fields one by one");
            }
            None => {
                let known: Vec<String> =
                    schema.paths().iter().map(|path| names::own_name(path)).collect();
                let upper = name.to_ascii_uppercase();
                let message = match nearest(&upper, known.iter().map(String::as_str)) {
                    Some(near) => format!("sets nothing; did you mean {near}?"),
                    None => "sets nothing: there is no such setting".to_owned(),
                };
                self.complain(name, "", message);
            }
        }
    }

    fn debug<'a>(
        &mut self,
        name: &'a str,
        text: &str,
        reference: &mut BTreeMap<String, Candidate<'a>>,
    ) {
        match flag(text) {
            Some(true) => {
                reference
                    .entry("telemetry.log_level".to_owned())
                    .or_insert(Candidate { name, text: "debug".to_owned() });
            }
            Some(false) => {}
            None if text.trim().is_empty() => {}
            None => self.warn(name, "is neither true nor false, and ignored"),
        }
    }

    /// Turns a variable into values.
    fn set(&mut self, path: &str, candidate: &Candidate<'_>, schema: &Schema) {
        let keys: Vec<&str> = path.split('.').collect();
        let Candidate { name, text } = candidate;
        let at = Path::dotted(path);
        let node = match schema.get(&keys) {
            Some(Schema::Leaf(kind)) => match scalar(*kind, text) {
                Reads::As(node) => node,
                Reads::Nothing => return self.warn(name, "is empty, and ignored"),
                Reads::Wrong(message) => return self.complain(name, path, message),
            },
            Some(Schema::Items(_)) if text.trim().is_empty() => Node::List(Vec::new()),
            Some(Schema::Items(_)) => match Node::parse(text) {
                Ok(node) => node,
                // The parser's words may repeat a secret of the list.
                Err((_, _)) => return self.complain(name, path, "is not a YAML or JSON list"),
            },
            Some(Schema::Section(_)) | None => return,
        };
        let mut sifted = Sifted::default();
        if let Some(schema) = schema.get(&keys) {
            schema.sift(node, &at, &mut sifted);
        }
        for misfit in sifted.misfits {
            self.complain(name, &misfit.path.to_string(), misfit.message);
        }
        let variable = Some((*name).to_owned());
        self.leaves.extend(
            sifted.leaves.into_iter().map(|leaf| Leaf { variable: variable.clone(), ..leaf }),
        );
    }
}

/// What a variable's text amounts to.
enum Reads {
    As(Node),
    /// The variable is set, but empty, where emptiness means nothing.
    Nothing,
    Wrong(&'static str),
}

fn scalar(kind: Kind, text: &str) -> Reads {
    let trimmed = text.trim();
    match kind {
        Kind::Optional if text.is_empty() => Reads::As(Node::Null),
        Kind::OptionalNumber if trimmed.is_empty() => Reads::As(Node::Null),
        Kind::Text | Kind::Optional => Reads::As(Node::Text(text.to_owned())),
        Kind::Number | Kind::Flag if trimmed.is_empty() => Reads::Nothing,
        Kind::Number | Kind::OptionalNumber => match trimmed.parse() {
            Ok(number) => Reads::As(Node::Integer(number)),
            Err(_) => Reads::Wrong("must be a whole number"),
        },
        Kind::Flag => match flag(trimmed) {
            Some(flag) => Reads::As(Node::Flag(flag)),
            None => Reads::Wrong("must be true or false"),
        },
        Kind::Texts if trimmed.starts_with('[') => {
            // Read as texts, so that a version 1.10 in the list stays that.
            match serde_yaml::from_str::<Vec<String>>(trimmed) {
                Ok(items) => Reads::As(Node::List(items.into_iter().map(Node::Text).collect())),
                Err(_) => Reads::Wrong("is not a list: write a,b,c or [\"a\", \"b\", \"c\"]"),
            }
        }
        Kind::Texts => Reads::As(Node::List(
            trimmed
                .split(',')
                .map(str::trim)
                .filter(|item| !item.is_empty())
                .map(|item| Node::Text(item.to_owned()))
                .collect(),
        )),
    }
}

/// True or false in the spellings that deployments use.
fn flag(text: &str) -> Option<bool> {
    match text.trim().to_ascii_lowercase().as_str() {
        "true" | "1" | "yes" | "on" => Some(true),
        "false" | "0" | "no" | "off" => Some(false),
        _ => None,
    }
}

/// A level of Python's logging by the name it has here.
fn level(text: &str) -> String {
    match text.trim().to_ascii_lowercase().as_str() {
        "warning" => "warn".to_owned(),
        "critical" | "fatal" => "error".to_owned(),
        "notset" => "trace".to_owned(),
        other => other.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(variables: &[(&str, &str)]) -> Environment {
        let variables: Vec<(String, String)> =
            variables.iter().map(|&(name, text)| (name.to_owned(), text.to_owned())).collect();
        super::read(&variables, &Schema::of(&Node::parse(crate::settings::DEFAULTS).unwrap()))
    }

    fn messages(problems: &[Problem]) -> Vec<String> {
        problems.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn unknown_names_are_errors_with_a_suggestion() {
        let found = read(&[
            ("SCOPEGATE__SERVER__LISTNE", "x"),
            ("SCOPEGATE__NOTHING__LIKE__THIS", "x"),
            ("SCOPEGATE__SERVER", "x"),
            ("UNRELATED", "x"),
        ]);
        assert_eq!(
            messages(&found.problems),
            [
                "environment variable SCOPEGATE__SERVER__LISTNE: sets nothing; did you mean SCOPEGATE__SERVER__LISTEN?",
                "environment variable SCOPEGATE__NOTHING__LIKE__THIS: sets nothing: there is no such setting",
                "environment variable SCOPEGATE__SERVER: names a section; set its fields one by one",
            ]
        );
        assert!(found.leaves.is_empty());
    }

    #[test]
    fn doubtful_names_are_warnings() {
        let found = read(&[
            ("JWT_ISUER", "x"),
            ("SCOPEGATE_SERVER__LISTEN", "x"),
            ("DEBUG", "express:*"),
            ("JWT_OIDC_DISCOVERY", ""),
        ]);
        assert_eq!(
            messages(&found.warnings),
            [
                "environment variable JWT_ISUER: is not read; did you mean JWT_ISSUER?",
                "environment variable SCOPEGATE_SERVER__LISTEN: is not read: settings begin with SCOPEGATE__",
                "environment variable DEBUG: is neither true nor false, and ignored",
                "environment variable JWT_OIDC_DISCOVERY: is empty, and ignored",
            ]
        );
        assert!(found.problems.is_empty());
    }

    #[test]
    fn the_own_name_wins_and_a_contradiction_is_a_warning_without_the_value() {
        let found = read(&[
            ("JWT_SECRET_KEY", "reference-value"),
            ("SCOPEGATE__AUTH__DEFAULT__SECRET_KEY", "own-value"),
            ("APP_NAME", "same"),
            ("SCOPEGATE__TELEMETRY__APP_NAME", "same"),
        ]);
        assert_eq!(
            messages(&found.warnings),
            [
                "environment variable JWT_SECRET_KEY: is ignored: SCOPEGATE__AUTH__DEFAULT__SECRET_KEY is set too, to another value"
            ]
        );
        assert_eq!(found.leaves[0].value, Node::Text("own-value".to_owned()));
    }

    #[test]
    fn one_setting_named_twice_is_an_error() {
        let found = read(&[("SCOPEGATE__REDIS__URL", "a"), ("SCOPEGATE__redis__url", "b")]);
        assert_eq!(found.problems.len(), 1);
    }

    #[test]
    fn a_debug_flag_sets_the_level_unless_a_level_is_set() {
        let level = |variables: &[(&str, &str)]| {
            read(variables).leaves.first().map(|leaf| leaf.value.clone())
        };
        let text = |text: &str| Some(Node::Text(text.to_owned()));
        assert_eq!(level(&[("DEBUG", "True")]), text("debug"));
        assert_eq!(level(&[("DEBUG", "False")]), None);
        assert_eq!(level(&[("DEBUG", "1"), ("MCP_LOG_LEVEL", "WARNING")]), text("warn"));
        assert_eq!(level(&[("MCP_LOG_LEVEL", "INFO")]), text("info"));
        assert_eq!(
            level(&[("DEBUG", "1"), ("SCOPEGATE__TELEMETRY__LOG_LEVEL", "error")]),
            text("error")
        );
    }

    #[test]
    fn lists_come_with_commas_or_as_a_flow() {
        let items = |text: &str| {
            read(&[("JWT_ALLOWED_API_VERSIONS", text)])
                .leaves
                .into_iter()
                .map(|leaf| leaf.value)
                .collect::<Vec<_>>()
        };
        let texts = |items: &[&str]| {
            items.iter().map(|&item| Node::Text(item.to_owned())).collect::<Vec<_>>()
        };
        assert_eq!(items("1.1, 1.10 ,,007"), texts(&["1.1", "1.10", "007"]));
        assert_eq!(items("[1.10, \"2\", x]"), texts(&["1.10", "2", "x"]));
        assert_eq!(items(""), [Node::List(Vec::new())]);
        assert_eq!(read(&[("JWT_AUDIENCE", "[a, ")]).problems.len(), 1);
    }

    #[test]
    fn a_number_that_is_nothing_by_default_can_be_set() {
        let days = |text: &str| {
            let found = read(&[("SCOPEGATE__AUDIT__RETENTION_DAYS", text)]);
            (found.leaves.first().map(|leaf| leaf.value.clone()), messages(&found.problems))
        };
        assert_eq!(days(" 30 "), (Some(Node::Integer(30)), Vec::new()));
        assert_eq!(days(""), (Some(Node::Null), Vec::new()));
        let (value, problems) = days("a month");
        assert_eq!(value, None);
        assert!(problems[0].ends_with("audit.retention_days: must be a whole number"));
    }

    #[test]
    fn numbers_and_flags_are_checked_at_once() {
        let found = read(&[
            ("JWT_CLOCK_SKEW_SECONDS", "a minute"),
            ("JWT_OIDC_DISCOVERY", "maybe"),
            ("SCOPEGATE__AUTH__ISSUERS", "[{issuer: a, isuer: b}]"),
        ]);
        assert_eq!(
            messages(&found.problems),
            [
                "environment variable JWT_CLOCK_SKEW_SECONDS: auth.default.clock_skew_seconds: must be a whole number",
                "environment variable JWT_OIDC_DISCOVERY: auth.default.oidc_discovery: must be true or false",
                "environment variable SCOPEGATE__AUTH__ISSUERS: auth.issuers[0].isuer: is no known key; did you mean `issuer`?",
            ]
        );
    }
}
