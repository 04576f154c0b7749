//! `git_show`.

use gix_object::TagRef;
use scopegate::toolkit::ToolError;
use serde::{Deserialize, Serialize};

use super::diff::{Changes, Style, compare};
use crate::arguments::{Call, Place};
use crate::commits::Commit;
use crate::reader::{Reader, damaged};
use crate::text::{Person, decode, hex, shorten};

/// Longest message, in characters.
const LONGEST_MESSAGE: usize = 20_000;

#[derive(Clone, Debug, Default, Deserialize)]
pub(crate) struct Arguments {
    #[serde(flatten)]
    pub(crate) place: Place,
    /// From 1; a merge is compared with this one.
    pub(crate) parent: Option<usize>,
    #[serde(flatten)]
    pub(crate) style: Style,
}

#[derive(Debug, Serialize)]
pub(crate) struct Outcome {
    repo: String,
    #[serde(rename = "ref")]
    revision: String,
    commit: Commit,
    tag: Option<Tag>,
    /// With which parent it is compared; none for a first commit.
    compared_with: Option<String>,
    #[serde(flatten)]
    changes: Changes,
}

/// An annotated tag.
#[derive(Debug, Serialize)]
struct Tag {
    id: String,
    name: String,
    tagger: Option<Person>,
    message: String,
}

pub(crate) fn run(call: &Call<'_>, arguments: &Arguments) -> Result<Outcome, ToolError> {
    let path = arguments.place.path()?;
    let (reader, id) = call.open(&arguments.place)?;
    let node = reader.node(id)?;
    let parent = match arguments.parent {
        None => node.parents.first(),
        Some(number) => Some(
            number
                .checked_sub(1)
                .and_then(|index| node.parents.get(index))
                .ok_or(ToolError::refused("The commit has no such parent"))?,
        ),
    };
    let old = parent.map(|parent| reader.node(*parent)).transpose()?.map(|parent| parent.tree);
    let trees = (old.as_ref(), Some(&node.tree));
    let changes = compare(call, &reader, trees, &path, &arguments.style, &[id])?;
    Ok(Outcome {
        repo: reader.repository.name.clone(),
        revision: arguments.place.revision().to_owned(),
        commit: Commit::read(&reader, &id, LONGEST_MESSAGE)?,
        tag: tag(&reader, arguments.place.revision())?,
        compared_with: parent.map(|parent| hex(parent)),
        changes,
    })
}

/// The annotated tag a revision names, if it names one.
fn tag(reader: &Reader<'_>, revision: &str) -> Result<Option<Tag>, ToolError> {
    let Some(id) = reader.resolve(revision)?.tag else { return Ok(None) };
    let data = reader.tag(&id)?;
    let tag =
        TagRef::from_bytes(&data, gix_hash::Kind::Sha1).map_err(|error| damaged(&id, &error))?;
    let message = decode(tag.message, None);
    Ok(Some(Tag {
        id: hex(&id),
        name: decode(tag.name, None),
        tagger: tag.tagger.map(|line| Person::read(line, None)),
        message: shorten(&message, LONGEST_MESSAGE).0.to_owned(),
    }))
}
