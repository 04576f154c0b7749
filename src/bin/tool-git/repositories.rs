//! The configured repositories.

use std::path::PathBuf;
use std::sync::Arc;

use gix_odb::store::init;
use scopegate::toolkit::{Environment, ToolError};

use crate::jail;
use crate::limits::{Bounds, OBJECT_BYTES};

/// Variable and option that name the repositories.
pub(crate) const VARIABLE: &str = "GIT_REPOSITORIES";
/// Longest name of one, in bytes.
pub(crate) const LONGEST_NAME: usize = 64;
/// Most of them.
const MOST: usize = 1000;

/// One repository that is served.
pub(crate) struct Repository {
    pub(crate) name: String,
    /// The folder with `objects` and `refs`.
    pub(crate) git_dir: PathBuf,
    pub(crate) objects: Arc<gix_odb::Store>,
}

/// All of them, in the order they were configured.
pub(crate) struct Repositories(Vec<Repository>);

impl Repositories {
    /// Opens what the environment names; what is wrong with a repository is a
    /// problem of the environment.
    pub(crate) fn read(env: &mut Environment, bounds: &Bounds) -> Self {
        let mut opened: Vec<Repository> = Vec::new();
        for text in env.list(VARIABLE) {
            match Repository::open(&text, bounds) {
                Ok(one) if opened.iter().any(|other| other.name == one.name) => {
                    env.problem(format!("two repositories are named {}", one.name));
                }
                Ok(_) if opened.len() == MOST => {
                    env.problem(format!("there are more than {MOST} repositories"));
                    break;
                }
                Ok(one) => opened.push(one),
                Err(problem) => env.problem(problem),
            }
        }
        Self(opened)
    }

    /// The one of this name; without a name, the only one.
    ///
    /// # Errors
    /// [`ToolError::Refused`], naming those there are.
    pub(crate) fn find(&self, name: Option<&str>) -> Result<&Repository, ToolError> {
        match (name, self.0.as_slice()) {
            (_, []) => Err(ToolError::refused("No repository is configured")),
            (None, [only]) => Ok(only),
            (None, _) => {
                Err(ToolError::refused(format!("repo is required, one of: {}", self.names())))
            }
            (Some(name), all) => all.iter().find(|one| one.name == name).ok_or_else(|| {
                ToolError::refused(format!("Unknown repository; there are: {}", self.names()))
            }),
        }
    }

    /// All names, in order.
    pub(crate) fn list(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|one| one.name.as_str())
    }

    /// The folders that must be readable.
    pub(crate) fn folders(&self) -> Vec<PathBuf> {
        self.0.iter().map(|one| one.git_dir.clone()).collect()
    }

    fn names(&self) -> String {
        self.list().take(20).collect::<Vec<_>>().join(", ")
    }
}

impl Repository {
    /// Opens `name=path`.
    fn open(text: &str, bounds: &Bounds) -> Result<Self, String> {
        let Some((name, path)) = text.split_once('=').filter(|(_, path)| !path.is_empty()) else {
            return Err(format!("{VARIABLE}: {text:?} must be NAME=PATH"));
        };
        if !is_name(name) {
            return Err(format!(
                "{VARIABLE}: the name {name:?} must be letters, digits, '.', '_' and '-', begin \
                 with a letter or digit and have at most {LONGEST_NAME}"
            ));
        }
        let git_dir = jail::git_dir(path.as_ref())
            .map_err(|breach| format!("{VARIABLE}: {path} {breach}"))?;
        let limit = bounds.blob_bytes.max(OBJECT_BYTES);
        let options = init::Options {
            slots: init::Slots::Given(1024),
            // It names packs, by paths that may lead anywhere; each pack has an
            // index of its own, too.
            use_multi_pack_index: false,
            alloc_limit_bytes: usize::try_from(limit).ok(),
            current_dir: Some(git_dir.clone()),
            ..init::Options::default()
        };
        // Nothing replaces an object by another (`refs/replace`).
        let store = gix_odb::Store::at_opts(
            git_dir.join("objects"),
            gix_hash::Kind::Sha1,
            &mut std::iter::empty(),
            options,
        )
        .map_err(|error| format!("{VARIABLE}: {path} cannot be opened: {error}"))?;
        Ok(Self { name: name.to_owned(), git_dir, objects: Arc::new(store) })
    }
}

fn is_name(name: &str) -> bool {
    name.len() <= LONGEST_NAME
        && name.starts_with(|c: char| c.is_ascii_alphanumeric())
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b))
}
