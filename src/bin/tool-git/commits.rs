//! Commits as the tools show them.

use gix_hash::oid;
use scopegate::toolkit::ToolError;
use serde::Serialize;

use crate::reader::{Reader, parse_commit};
use crate::text::{Message, Person, decode, hex, shorten, weight};

/// Longest body of a message in a list, in characters.
pub(crate) const LISTED_BODY: usize = 4000;

/// A commit.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Commit {
    pub(crate) id: String,
    pub(crate) parents: Vec<String>,
    pub(crate) author: Person,
    pub(crate) committer: Person,
    pub(crate) subject: String,
    pub(crate) body: String,
    pub(crate) body_truncated: bool,
}

impl Commit {
    /// Reads a commit, and its whole message; of its body, at most so many
    /// characters become part of it.
    pub(crate) fn read_with_message(
        reader: &Reader<'_>,
        id: &oid,
        longest: usize,
    ) -> Result<(Self, String), ToolError> {
        let data = reader.commit(id)?;
        let commit = parse_commit(id, &data)?;
        let encoding = commit.encoding.map(|name| &**name);
        let message = Message::of(&commit);
        let (body, whole) = shorten(&message.body, longest);
        let one = Self {
            id: hex(id),
            parents: commit.parents().map(|parent| hex(&parent)).collect(),
            author: Person::read(commit.author, encoding),
            committer: Person::read(commit.committer, encoding),
            subject: shorten(&message.subject, longest).0.to_owned(),
            body: body.to_owned(),
            body_truncated: !whole,
        };
        Ok((one, decode(commit.message, encoding)))
    }

    /// The same without the message.
    pub(crate) fn read(reader: &Reader<'_>, id: &oid, longest: usize) -> Result<Self, ToolError> {
        Self::read_with_message(reader, id, longest).map(|(commit, _)| commit)
    }

    /// Its length in JSON, about.
    pub(crate) fn weight(&self) -> usize {
        self.author.weight()
            + self.committer.weight()
            + weight(&self.subject)
            + weight(&self.body)
            + self.parents.len() * 43
            + 160
    }
}
