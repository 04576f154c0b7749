//! Reading one repository for one call: every object in bounds, and in time.

use std::collections::HashSet;
use std::fs;
use std::io::Read as _;

use gix_hash::{ObjectId, oid};
use gix_object::{CommitRef, Kind, TreeRefIter};
use gix_odb::{HandleArc, Header as _};
use gix_pack::cache::lru::MemoryCappedHashmap;
use scopegate::toolkit::{Deadline, ToolError};

use crate::jail;
use crate::limits::Bounds;
use crate::repositories::Repository;

/// How much is kept of the bases of deltas, for the objects that follow, in
/// bytes for each call at work.
const CACHED_BYTES: usize = 32 * 1024 * 1024;
/// Largest list of commits whose parents are not there, in bytes.
const SHALLOW_BYTES: u64 = 1_048_576;

/// A repository as one call sees it.
pub(crate) struct Reader<'a> {
    pub(crate) repository: &'a Repository,
    pub(crate) bounds: &'a Bounds,
    pub(crate) deadline: &'a Deadline,
    pub(crate) references: gix_ref::file::Store,
    odb: HandleArc,
    shallow: HashSet<ObjectId>,
}

/// What is needed of a commit to walk on.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub(crate) id: ObjectId,
    pub(crate) tree: ObjectId,
    pub(crate) parents: Vec<ObjectId>,
    /// Of its committer, in seconds since 1970.
    pub(crate) time: i64,
}

/// One entry of a tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) name: Vec<u8>,
    pub(crate) mode: Mode,
    pub(crate) id: ObjectId,
}

/// Kind and rights of an entry, in git's numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Mode(pub(crate) u16);

impl Mode {
    pub(crate) fn is_tree(self) -> bool {
        self.0 & 0o170_000 == 0o040_000
    }

    pub(crate) fn is_regular(self) -> bool {
        self.0 & 0o170_000 == 0o100_000
    }

    pub(crate) fn is_link(self) -> bool {
        self.0 & 0o170_000 == 0o120_000
    }

    pub(crate) fn is_submodule(self) -> bool {
        self.0 & 0o170_000 == 0o160_000
    }

    /// Whether there is a blob behind it.
    pub(crate) fn is_blob(self) -> bool {
        self.is_regular() || self.is_link()
    }

    /// As git writes it.
    pub(crate) fn text(self) -> String {
        format!("{:06o}", self.0)
    }

    /// In words.
    pub(crate) fn kind(self) -> &'static str {
        if self.is_tree() {
            "directory"
        } else if self.is_link() {
            "symlink"
        } else if self.is_submodule() {
            "submodule"
        } else if self.0 & 0o111 != 0 {
            "executable"
        } else {
            "file"
        }
    }
}

/// What lies at a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) mode: Mode,
    pub(crate) id: ObjectId,
}

/// A blob, or its size when that is too large to look into it.
#[derive(Clone, Debug)]
pub(crate) enum Blob {
    Bytes(Vec<u8>),
    TooLarge(u64),
}

impl<'a> Reader<'a> {
    /// Begins to read, after the repository's folder has been checked.
    pub(crate) fn new(
        repository: &'a Repository,
        bounds: &'a Bounds,
        deadline: &'a Deadline,
    ) -> Result<Self, ToolError> {
        let refused = |breach: jail::Breach| {
            tracing::error!(repository = repository.name, %breach, "repository is not served");
            ToolError::refused(format!("The repository {breach}"))
        };
        jail::check(&repository.git_dir).map_err(refused)?;
        let odb: HandleArc = repository.objects.to_cache_arc();
        let odb = odb.with_pack_cache(|| Box::new(MemoryCappedHashmap::new(CACHED_BYTES)));
        let shallow = read_shallow(repository)?;
        let git_dir = repository.git_dir.clone();
        let mut references = gix_ref::file::Store::at(git_dir, gix_hash::Kind::Sha1);
        // Read, not mapped: it may be written to while it is in use.
        references.set_packed_buffer_mmap_threshold(u64::MAX);
        Ok(Self { repository, bounds, deadline, references, odb, shallow })
    }

    /// Kind and size of an object; nothing where there is none.
    pub(crate) fn header(&self, id: &oid) -> Result<Option<(Kind, u64)>, ToolError> {
        self.deadline.check()?;
        let header = self.odb.try_header(id).map_err(|error| damaged(id, &error))?;
        Ok(header.map(|header| (header.kind(), header.size())))
    }

    /// An object of a kind. What is larger than the store may allocate is an
    /// error of its.
    fn object(&self, id: &oid, kind: Kind) -> Result<Vec<u8>, ToolError> {
        self.deadline.check()?;
        let mut buffer = Vec::new();
        let found = gix_object::Find::try_find(&self.odb, id, &mut buffer)
            .map_err(|error| damaged(id, &error))?
            .ok_or_else(|| missing(id))?
            .kind;
        if found != kind {
            return Err(ToolError::refused(format!("{} is a {found}, not a {kind}", id.to_hex())));
        }
        Ok(buffer)
    }

    /// The bytes of a commit.
    pub(crate) fn commit(&self, id: &oid) -> Result<Vec<u8>, ToolError> {
        self.object(id, Kind::Commit)
    }

    /// The bytes of an annotated tag.
    pub(crate) fn tag(&self, id: &oid) -> Result<Vec<u8>, ToolError> {
        self.object(id, Kind::Tag)
    }

    /// What is needed of a commit to walk on.
    pub(crate) fn node(&self, id: ObjectId) -> Result<Node, ToolError> {
        self.node_and_data(id).map(|(node, _)| node)
    }

    /// The same, and the bytes of the commit.
    pub(crate) fn node_and_data(&self, id: ObjectId) -> Result<(Node, Vec<u8>), ToolError> {
        let data = self.commit(&id)?;
        let commit = parse_commit(&id, &data)?;
        let parents =
            if self.shallow.contains(&id) { Vec::new() } else { commit.parents().collect() };
        // A date that cannot be read is the beginning of time, as for git.
        let time = commit.time().map_or(0, |time| time.seconds);
        let tree = commit.tree();
        drop(commit);
        Ok((Node { id, tree, parents, time }, data))
    }

    /// The entries of a tree, in its own order.
    pub(crate) fn tree(&self, id: &oid) -> Result<Vec<Entry>, ToolError> {
        let data = self.object(id, Kind::Tree)?;
        TreeRefIter::from_bytes(&data, gix_hash::Kind::Sha1)
            .map(|entry| {
                let entry = entry.map_err(|error| damaged(id, &error))?;
                Ok(Entry {
                    name: entry.filename.to_vec(),
                    mode: Mode(entry.mode.value()),
                    id: entry.oid.to_owned(),
                })
            })
            .collect()
    }

    /// The entry of a name in a tree.
    pub(crate) fn entry(&self, tree: &oid, name: &[u8]) -> Result<Option<Found>, ToolError> {
        let data = self.object(tree, Kind::Tree)?;
        for entry in TreeRefIter::from_bytes(&data, gix_hash::Kind::Sha1) {
            let entry = entry.map_err(|error| damaged(tree, &error))?;
            if entry.filename == name {
                let mode = Mode(entry.mode.value());
                return Ok(Some(Found { mode, id: entry.oid.to_owned() }));
            }
        }
        Ok(None)
    }

    /// A blob's bytes, unless there are too many.
    pub(crate) fn blob(&self, id: &oid) -> Result<Blob, ToolError> {
        let (_, size) = self.header(id)?.ok_or_else(|| missing(id))?;
        if size > self.bounds.blob_bytes {
            return Ok(Blob::TooLarge(size));
        }
        self.object(id, Kind::Blob).map(Blob::Bytes)
    }

    /// The object whose id begins so, if it is the only one.
    pub(crate) fn by_prefix(&self, hex: &str) -> Result<Option<ObjectId>, ToolError> {
        self.deadline.check()?;
        let Ok(prefix) = gix_hash::Prefix::from_hex(hex) else { return Ok(None) };
        // All that begin so, for only one of them may be a commit.
        let mut all = HashSet::new();
        self.odb.lookup_prefix(prefix, Some(&mut all)).map_err(|error| {
            ToolError::Internal(format!("looking up an abbreviated id: {error}"))
        })?;
        let mut commits = Vec::new();
        for id in all.iter().take(1000) {
            if matches!(self.header(id)?, Some((Kind::Commit | Kind::Tag, _))) {
                commits.push(*id);
            }
        }
        match (commits.as_slice(), all.len()) {
            ([only], _) => Ok(Some(*only)),
            ([], 0) => Ok(None),
            ([], _) => Ok(all.iter().next().copied()),
            _ => Err(ToolError::refused("ref is an abbreviated id that fits several commits")),
        }
    }
}

/// Reads the parts of a commit.
pub(crate) fn parse_commit<'a>(id: &oid, data: &'a [u8]) -> Result<CommitRef<'a>, ToolError> {
    CommitRef::from_bytes(data, gix_hash::Kind::Sha1).map_err(|error| damaged(id, &error))
}

fn missing(id: &oid) -> ToolError {
    ToolError::refused(format!("The object {} is not in the repository", id.to_hex()))
}

/// What a library says may name folders; callers hear the id only.
pub(crate) fn damaged(id: &oid, error: &dyn std::fmt::Display) -> ToolError {
    tracing::warn!(object = %id.to_hex(), problem = %error, "an object cannot be read");
    ToolError::refused(format!("The object {} cannot be read", id.to_hex()))
}

/// The commits at which the history of a shallow clone ends.
fn read_shallow(repository: &Repository) -> Result<HashSet<ObjectId>, ToolError> {
    let file = match fs::File::open(repository.git_dir.join("shallow")) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(HashSet::new()),
        Err(error) => return Err(ToolError::Internal(format!("shallow: {error}"))),
    };
    let mut text = Vec::new();
    file.take(SHALLOW_BYTES)
        .read_to_end(&mut text)
        .map_err(|error| ToolError::Internal(format!("shallow: {error}")))?;
    Ok(text
        .split(|byte| *byte == b'\n')
        .filter_map(|line| ObjectId::from_hex(line.trim_ascii()).ok())
        .collect())
}
