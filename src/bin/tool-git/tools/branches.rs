//! `git_branches_tags`.

use gix_ref::Target;
use gix_ref::bstr::ByteSlice as _;
use scopegate::toolkit::ToolError;
use serde::{Deserialize, Serialize};

use crate::arguments::Call;
use crate::reader::Reader;
use crate::text::{hex, weight};

#[derive(Clone, Debug, Default, Deserialize)]
pub(crate) struct Arguments {
    pub(crate) repo: Option<String>,
    #[serde(default)]
    pub(crate) kind: Wanted,
    pub(crate) prefix: Option<String>,
    pub(crate) limit: Option<usize>,
}

/// Which references are listed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Wanted {
    #[default]
    All,
    Branches,
    Remotes,
    Tags,
}

#[derive(Debug, Serialize)]
pub(crate) struct Outcome {
    repo: String,
    /// All repositories there are.
    repositories: Vec<String>,
    head: Head,
    references: Vec<Reference>,
    next_cursor: Option<String>,
}

#[derive(Debug, Serialize)]
struct Head {
    branch: Option<String>,
    commit: Option<String>,
}

#[derive(Debug, Serialize)]
struct Reference {
    name: String,
    full_name: String,
    kind: &'static str,
    /// What it points to itself.
    object: String,
    /// The commit behind that, if there is one.
    commit: Option<String>,
    annotated: bool,
}

/// Where each kind lies.
const KINDS: [(Wanted, &str, &str); 3] = [
    (Wanted::Branches, "branch", "refs/heads/"),
    (Wanted::Remotes, "remote", "refs/remotes/"),
    (Wanted::Tags, "tag", "refs/tags/"),
];

pub(crate) fn run(call: &Call<'_>, arguments: &Arguments) -> Result<Outcome, ToolError> {
    let reader = call.reader(arguments.repo.as_deref())?;
    let mut page = call.full_page(arguments.limit);
    let mut references = Vec::new();
    let mut next_cursor = None;
    for (ordinal, (kind, short, full)) in (0_u64..).zip(names(&reader, arguments)?) {
        if ordinal < call.query.start().0 {
            continue;
        }
        let Some(reference) = read(&reader, kind, short, full)? else { continue };
        if !page.admit(2 * weight(&reference.full_name) + 180) {
            next_cursor = Some(call.query.next(&[], (ordinal, 0)));
            break;
        }
        references.push(reference);
    }
    let head = reader.follow("HEAD").ok().flatten();
    Ok(Outcome {
        repo: reader.repository.name.clone(),
        repositories: call.shelf.repositories.list().map(str::to_owned).collect(),
        head: Head {
            branch: reader
                .head_branch()
                .and_then(|name| name.strip_prefix("refs/heads/").map(str::to_owned)),
            commit: head.map(|id| hex(&id)),
        },
        references,
        next_cursor,
    })
}

/// Kind, short and full name of all that are asked for, in order. Those whose
/// names are not UTF-8 could not be asked for by name and are left out.
fn names(
    reader: &Reader<'_>,
    arguments: &Arguments,
) -> Result<Vec<(&'static str, String, String)>, ToolError> {
    let unreadable = |problem: &dyn std::fmt::Display| {
        tracing::warn!(%problem, "references cannot be read");
        ToolError::refused("The references cannot be read")
    };
    let platform = reader.references.iter().map_err(|error| unreadable(&error))?;
    let mut found = Vec::new();
    for reference in platform.all().map_err(|error| unreadable(&error))? {
        reader.deadline.check()?;
        let reference = match reference {
            Ok(reference) => reference,
            Err(error) => {
                // One that is broken does not hide the others.
                tracing::warn!(problem = %error, "a reference cannot be read");
                continue;
            }
        };
        let Ok(full) = reference.name.as_bstr().to_str() else { continue };
        let kind = KINDS.iter().find_map(|(wanted, kind, below)| {
            let short = full.strip_prefix(below)?;
            let is_wanted = arguments.kind == Wanted::All || arguments.kind == *wanted;
            is_wanted.then_some((*kind, short))
        });
        let Some((kind, short)) = kind else { continue };
        if !short.starts_with(arguments.prefix.as_deref().unwrap_or_default()) {
            continue;
        }
        // What a remote calls its HEAD is listed as the branch it stands for.
        if matches!(reference.target, Target::Symbolic(_)) && kind == "remote" {
            continue;
        }
        if found.len() >= reader.bounds.entries {
            return Err(reader.too_many());
        }
        found.push((kind, short.to_owned(), full.to_owned()));
    }
    Ok(found)
}

fn read(
    reader: &Reader<'_>,
    kind: &'static str,
    name: String,
    full_name: String,
) -> Result<Option<Reference>, ToolError> {
    // One that is broken does not hide the others.
    let object = match reader.follow(&full_name) {
        Ok(Some(object)) => object,
        Err(ToolError::Timeout) => return Err(ToolError::Timeout),
        Ok(None) | Err(_) => return Ok(None),
    };
    let resolved = match reader.peel(object) {
        Ok(resolved) => Some(resolved),
        Err(ToolError::Timeout) => return Err(ToolError::Timeout),
        // A tag may stand for a file, or for what is not there.
        Err(_) => None,
    };
    Ok(Some(Reference {
        name,
        full_name,
        kind,
        object: hex(&object),
        annotated: resolved.as_ref().is_some_and(|resolved| resolved.tag.is_some()),
        commit: resolved.map(|resolved| hex(&resolved.commit)),
    }))
}
