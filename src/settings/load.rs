//! From three layers to [`Settings`], or to all problems at once.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::document::{Document, Node, Path, Spot};
use super::environment;
use super::key_files;
use super::layers::{DEFAULTS, compose};
use super::names;
use super::problems::{Place, Problem, Problems, Warning};
use super::schema::{Leaf, Schema, Sifted};
use super::spelling;
use super::validate::Findings;
use super::{Origins, Settings};
use crate::secret::Secret;

/// Largest configuration file, in bytes.
const LARGEST_FILE: u64 = 1024 * 1024;

/// Where settings come from, next to the compiled-in defaults.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    /// A YAML file.
    pub file: Option<PathBuf>,
    /// Environment variables; those that are not the gateway's are ignored.
    pub env: Vec<(String, String)>,
}

/// What came of loading.
#[derive(Debug)]
pub struct Loaded {
    /// The settings. While there are problems, a value that is wrong counts
    /// as not given: good enough to go on looking for problems, or for one
    /// harmless value, never to start with. `None` only when the compiled-in
    /// defaults are broken.
    pub settings: Option<Settings>,
    /// What prevents the start.
    pub problems: Problems,
    /// What is doubtful.
    pub warnings: Vec<Warning>,
}

impl Settings {
    /// Lays the file over the defaults and the environment over both, reads
    /// the files that hold secrets, and checks everything.
    ///
    /// # Errors
    /// All problems of all layers, not only the first.
    pub fn load(sources: &Sources) -> Result<(Self, Vec<Warning>), Problems> {
        let loaded = Self::load_leniently(sources);
        match loaded.settings {
            Some(settings) if loaded.problems.is_empty() => Ok((settings, loaded.warnings)),
            Some(_) | None => Err(loaded.problems),
        }
    }

    /// As [`Settings::load`], for callers that look for further problems
    /// before they give up.
    #[must_use]
    pub fn load_leniently(sources: &Sources) -> Loaded {
        let Loading { settings, problems, warnings, .. } = Loading::new(sources);
        Loaded { settings, problems, warnings }
    }

    /// Adds to a problem that another room found with a setting where the
    /// value comes from and which environment names would set it.
    #[must_use]
    pub fn locate(&self, problem: Problem) -> Problem {
        let path = problem.path().to_owned();
        if path.is_empty() || *problem.place() != Place::Nowhere {
            return problem;
        }
        let place = self.origins.of(&path).cloned().unwrap_or_default();
        problem.set_by(names_beside(&path, &place)).at(place)
    }
}

#[derive(Default)]
struct Loading {
    settings: Option<Settings>,
    problems: Problems,
    warnings: Vec<Warning>,
    document: Option<Document>,
    leaves: Vec<Leaf>,
}

impl Loading {
    fn new(sources: &Sources) -> Self {
        let mut loading = Self::default();
        let schema = match Node::parse(DEFAULTS) {
            Ok(defaults) => Schema::of(&defaults),
            Err((message, position)) => {
                loading.problems.push(Problem::new("", message).in_file("defaults", position));
                return loading;
            }
        };
        loading.read_file(sources, &schema);
        let mut environment = environment::read(&sources.env, &schema);
        loading.leaves.append(&mut environment.leaves);
        for problem in environment.problems {
            loading.problems.push(problem);
        }
        loading.warnings.append(&mut environment.warnings);
        loading.build();
        loading.finish();
        loading
    }

    fn read_file(&mut self, sources: &Sources, schema: &Schema) {
        let Some(path) = &sources.file else { return };
        let name = path.display().to_string();
        let content = match key_files::read(path, LARGEST_FILE) {
            Ok(content) => content,
            Err(message) => return self.problems.push(Problem::new("", message)),
        };
        let node = match Node::parse(&content.text) {
            // A file that was cut off while being written looks like this.
            Ok(Node::Null) => {
                let problem = Problem::new("", "holds no setting").in_file(name, None);
                return self.problems.push(problem);
            }
            Ok(node) => node,
            Err((message, position)) => {
                return self.problems.push(Problem::new("", message).in_file(name, position));
            }
        };
        let document = Document { file: name.clone(), text: content.text };
        let mut sifted = Sifted::default();
        schema.sift(node, &Path::default(), &mut sifted);
        for misfit in sifted.misfits {
            // Finding a place costs a parse: not beyond what is listed.
            let problem = if self.problems.is_full() {
                Problem::new(misfit.path.to_string(), misfit.message)
            } else {
                document.problem(&misfit.path, misfit.spot, misfit.message)
            };
            self.problems.push(problem);
        }
        if content.world_readable && sifted.leaves.iter().any(holds_secret) {
            let problem =
                Problem::new("", "holds a secret and everybody on the machine may read it");
            self.warnings.push(problem.in_file(name, None));
        }
        self.leaves = sifted.leaves;
        self.document = Some(document);
    }

    /// Makes settings of the layers. Values of the wrong type become problems
    /// and are left out, so that the others can still be checked.
    fn build(&mut self) {
        if let Ok(settings) = typed(&self.leaves) {
            self.settings = Some(settings);
            return;
        }
        let (good, bad): (Vec<_>, Vec<_>) = std::mem::take(&mut self.leaves)
            .into_iter()
            .map(|leaf| {
                // Alone over the defaults, a value shows its own error only.
                let verdict = typed(std::slice::from_ref(&leaf));
                (leaf, verdict.err())
            })
            .partition(|(_, error)| error.is_none());
        self.leaves = good.into_iter().map(|(leaf, _)| leaf).collect();
        for (leaf, error) in bad {
            let message = explain(&leaf, &error.unwrap_or_default());
            let place = self.place_of(&leaf);
            let path = leaf.path.to_string();
            self.problems.push(
                Problem::new(path.as_str(), message).set_by(names_beside(&path, &place)).at(place),
            );
        }
        match typed(&self.leaves) {
            Ok(settings) => self.settings = Some(settings),
            Err(message) => self.problems.push(Problem::new("", message)),
        }
    }

    /// Reads secrets from files and checks what the values mean.
    fn finish(&mut self) {
        let Some(mut settings) = self.settings.take() else { return };
        settings.database.url = Secret::new(spelling::database_url(settings.database.url.expose()));
        let mut origins: BTreeMap<String, Place> =
            self.leaves.iter().map(|leaf| (leaf.path.to_string(), self.origin_of(leaf))).collect();
        let mut findings = Findings::default();
        key_files::read_secrets(&mut settings, &mut origins, &mut findings);
        settings.origins = Origins(origins);
        settings.check(&mut findings);

        // A value that could not be read was replaced by its default; what
        // the checks say about that default would only confuse.
        let reported: Vec<String> =
            self.problems.iter().map(|problem| problem.path().to_owned()).collect();
        for problem in findings.problems {
            let replaced =
                reported.iter().any(|path| path == problem.path()) && self.leaf(&problem).is_none();
            if !replaced {
                let problem = self.placed(problem);
                self.problems.push(problem);
            }
        }
        self.problems.sort();
        for warning in findings.warnings {
            let warning = self.placed(warning);
            self.warnings.push(warning);
        }
        self.settings = Some(settings);
    }

    /// Where a value came from, without the cost of finding the line.
    fn origin_of(&self, leaf: &Leaf) -> Place {
        match (&leaf.variable, &self.document) {
            (Some(name), _) => Place::Environment(name.clone()),
            (None, Some(document)) => Place::File { file: document.file.clone(), position: None },
            (None, None) => Place::Nowhere,
        }
    }

    fn place_of(&self, leaf: &Leaf) -> Place {
        match (&leaf.variable, &self.document) {
            (Some(name), _) => Place::Environment(name.clone()),
            (None, Some(document)) => document.problem(&leaf.path, Spot::Value, "").place().clone(),
            (None, None) => Place::Nowhere,
        }
    }

    /// The value that a finding is about; for a list, its first item. The
    /// environment's values come last, and win.
    fn leaf(&self, problem: &Problem) -> Option<&Leaf> {
        let item = format!("{}[0]", problem.path());
        self.leaves.iter().rev().find(|leaf| {
            let at = leaf.path.to_string();
            at == problem.path() || at == item
        })
    }

    /// Adds to a finding where the value came from and what would set it.
    fn placed(&self, problem: Problem) -> Problem {
        let path = problem.path().to_owned();
        if path.is_empty() {
            return problem;
        }
        let place = self.leaf(&problem).map(|leaf| self.place_of(leaf)).unwrap_or_default();
        problem.set_by(names_beside(&path, &place)).at(place)
    }
}

/// The names that would set a path, but for the one already in the message.
fn names_beside(path: &str, place: &Place) -> Vec<String> {
    match place {
        Place::Environment(_) => Vec::new(),
        Place::Nowhere | Place::File { .. } => names::names_of(path),
    }
}

fn typed(leaves: &[Leaf]) -> Result<Settings, String> {
    let tree = compose(leaves).map_err(|error| error.to_string())?;
    serde_yaml::from_value(tree).map_err(|error| error.to_string())
}

/// Whether a message about this value must not repeat it.
fn holds_secret(leaf: &Leaf) -> bool {
    let path = leaf.path.to_string();
    let key = path.rsplit('.').next().unwrap_or_default();
    let key = key.split_once('[').map_or(key, |(list, _)| list);
    let set = !matches!(leaf.value, Node::Null);
    let secrets = ["secret_key", "shared_secret", "key", "previous_keys", "url", "jwks_url"];
    set && secrets.contains(&key)
}

/// A type error in words for people.
fn explain(leaf: &Leaf, error: &str) -> String {
    match (&leaf.value, error.contains("expected a string")) {
        (Node::Flag(_) | Node::Integer(_) | Node::Float(_), true) => {
            format!("must be a text, not {}: put it in quotes", leaf.value.kind())
        }
        (value, true) => format!("must be a text, not {}", value.kind()),
        (Node::Text(_), false) if holds_secret(leaf) => "is not a valid URL".to_owned(),
        (value, false) if holds_secret(leaf) => format!("must be a text, not {}", value.kind()),
        (_, false) => {
            let mut message = error.to_owned();
            for width in ["u16", "u32", "u64", "usize"] {
                message = message.replace(&format!("expected {width}"), "expected a whole number");
            }
            message.replace("expected a sequence", "expected a list")
        }
    }
}
