//! `git_readonly`: the four operations of the reference system (C-59) as one
//! tool, over the code of the others.

use scopegate::toolkit::ToolError;
use serde::{Deserialize, Serialize};

use super::{blame, diff, log, search, show};
use crate::arguments::{Call, Place, Shelf};

#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Arguments {
    operation: Operation,
    /// A repository, and the path in it behind a slash.
    path: String,
    #[serde(rename = "ref")]
    revision: Option<String>,
    query: Option<String>,
    limit: Option<usize>,
}

#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
enum Operation {
    Log,
    Diff,
    Blame,
    Search,
}

#[derive(Debug, Serialize)]
pub(crate) struct Outcome {
    operation: Operation,
    result: Inner,
}

#[derive(Debug, Serialize)]
#[serde(untagged)]
enum Inner {
    Log(log::Outcome),
    Show(Box<show::Outcome>),
    Diff(diff::Outcome),
    Blame(blame::Outcome),
    Search(search::Outcome),
}

pub(crate) fn run(call: &Call<'_>, arguments: &Arguments) -> Result<Outcome, ToolError> {
    let (operation, limit) = (arguments.operation, arguments.limit);
    let place = place(call.shelf, &arguments.path, arguments.revision.clone())?;
    let result = match operation {
        Operation::Log => {
            let arguments = log::Arguments { place, limit, ..log::Arguments::default() };
            Inner::Log(log::run(call, &arguments)?)
        }
        Operation::Diff => {
            let style = diff::Style { limit, ..diff::Style::default() };
            if let Some((from, to)) = place.revision().split_once("..") {
                let merge_base = to.starts_with('.');
                let arguments = diff::Arguments {
                    from: or_head(from),
                    to: Some(or_head(to.trim_start_matches('.'))),
                    repo: place.repo,
                    path: place.path,
                    merge_base,
                    style,
                    ..diff::Arguments::default()
                };
                Inner::Diff(diff::run(call, &arguments)?)
            } else {
                let arguments = show::Arguments { place, style, parent: None };
                Inner::Show(Box::new(show::run(call, &arguments)?))
            }
        }
        Operation::Blame => {
            let arguments = blame::Arguments { place, limit, ..blame::Arguments::default() };
            Inner::Blame(blame::run(call, &arguments)?)
        }
        Operation::Search => {
            let wanted =
                arguments.query.clone().ok_or(ToolError::refused("search requires query"))?;
            let arguments = search::Arguments {
                place,
                query: wanted,
                kind: search::Kind::Content,
                regex: false,
                ignore_case: false,
                limit,
            };
            Inner::Search(search::run(call, &arguments)?)
        }
    };
    Ok(Outcome { operation, result })
}

fn or_head(text: &str) -> String {
    if text.is_empty() { "HEAD".to_owned() } else { text.to_owned() }
}

/// Parts `repository/path`.
fn place(shelf: &Shelf, path: &str, revision: Option<String>) -> Result<Place, ToolError> {
    let (repo, path) = match path.split_once('/') {
        Some((repo, path)) => (repo, Some(path.to_owned()).filter(|path| !path.is_empty())),
        None => (path, None),
    };
    shelf.repositories.find(Some(repo))?;
    Ok(Place { repo: Some(repo.to_owned()), revision, path, path_base64: None })
}
