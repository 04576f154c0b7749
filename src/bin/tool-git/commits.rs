//! Commits as the tools show them.

use gix_hash::oid;
use gix_object::CommitRef;
use scopegate::toolkit::ToolError;
use serde::Serialize;

use crate::reader::{Reader, parse_commit};
use crate::text::{Message, Person, encoding, hex, shorten, weight};

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
    /// A commit; of its subject and its body, at most so many characters each.
    pub(crate) fn of(id: &oid, commit: &CommitRef<'_>, longest: usize) -> Self {
        let encoding = encoding(commit);
        let message = Message::of(commit);
        let (body, whole) = shorten(&message.body, longest);
        Self {
            id: hex(id),
            parents: commit.parents().map(|parent| hex(&parent)).collect(),
            author: Person::author_of(commit),
            committer: Person::read(commit.committer, encoding),
            subject: shorten(&message.subject, longest).0.to_owned(),
            body: body.to_owned(),
            body_truncated: !whole,
        }
    }

    /// Reads a commit.
    pub(crate) fn read(reader: &Reader<'_>, id: &oid, longest: usize) -> Result<Self, ToolError> {
        Ok(Self::of(id, &parse_commit(id, &reader.commit(id)?)?, longest))
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
