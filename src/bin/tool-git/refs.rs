//! References, and finding the commit a revision names.

use gix_hash::ObjectId;
use gix_object::{Kind, TagRef};
use gix_ref::bstr::ByteSlice as _;
use gix_ref::{FullName, Target};
use scopegate::toolkit::ToolError;

use crate::names::Fault;
use crate::names::revision::{Base, Revision, Step};
use crate::reader::{Reader, damaged};

/// Longest chain of symbolic references, and of tags on tags.
const DEEPEST: usize = 8;

/// What a revision names.
#[derive(Clone, Debug)]
pub(crate) struct Resolved {
    pub(crate) commit: ObjectId,
    /// The annotated tag on the way to it, the outermost.
    pub(crate) tag: Option<ObjectId>,
}

impl From<Fault> for ToolError {
    fn from(fault: Fault) -> Self {
        Self::refused(fault.0)
    }
}

impl Reader<'_> {
    /// The commit that a revision names.
    pub(crate) fn resolve(&self, text: &str) -> Result<Resolved, ToolError> {
        let revision = Revision::parse(text)?;
        let object = match revision.base {
            Base::Head => self
                .follow("HEAD")?
                .ok_or(ToolError::refused("HEAD names a branch without commits"))?,
            Base::Id(hex) => ObjectId::from_hex(hex.as_bytes())
                .map_err(|_| ToolError::refused("ref is not an id"))?,
            Base::Name(name) => self.by_name(name)?.ok_or_else(unknown)?,
            Base::NameOrPrefix(text) => match self.by_name(text)? {
                Some(object) => object,
                None => self.by_prefix(text)?.ok_or_else(unknown)?,
            },
        };
        let mut resolved = self.peel(object)?;
        for step in revision.steps {
            resolved.tag = None;
            resolved.commit = self.step(resolved.commit, step)?;
        }
        Ok(resolved)
    }

    /// A commit by its id, as a cursor holds it.
    pub(crate) fn commit_by_id(&self, hex: &str) -> Result<ObjectId, ToolError> {
        let id = ObjectId::from_hex(hex.as_bytes())
            .map_err(|_| ToolError::refused("cursor is not one of this service"))?;
        match self.header(&id)? {
            Some((Kind::Commit, _)) => Ok(id),
            _ => Err(ToolError::refused("cursor is not one of this repository")),
        }
    }

    fn step(&self, from: ObjectId, step: Step) -> Result<ObjectId, ToolError> {
        let none = || ToolError::refused("ref goes back beyond the first commit");
        let mut at = from;
        match step {
            Step::Back(generations) => {
                for _ in 0..generations {
                    at = *self.node(at)?.parents.first().ok_or_else(none)?;
                }
            }
            Step::Parent(0) => {}
            Step::Parent(number) => {
                let index = usize::try_from(number - 1).unwrap_or(usize::MAX);
                at = *self.node(at)?.parents.get(index).ok_or_else(none)?;
            }
        }
        Ok(at)
    }

    /// Where git looks for a short name, in its order.
    fn by_name(&self, name: &str) -> Result<Option<ObjectId>, ToolError> {
        if name.starts_with("refs/")
            && let Some(object) = self.follow(name)?
        {
            return Ok(Some(object));
        }
        for (before, after) in [
            ("refs/", ""),
            ("refs/tags/", ""),
            ("refs/heads/", ""),
            ("refs/remotes/", ""),
            ("refs/remotes/", "/HEAD"),
        ] {
            if let Some(object) = self.follow(&format!("{before}{name}{after}"))? {
                return Ok(Some(object));
            }
        }
        Ok(None)
    }

    /// The object behind a reference of this full name, or of `HEAD`. A
    /// symbolic one may only lead to another below `refs/`.
    pub(crate) fn follow(&self, name: &str) -> Result<Option<ObjectId>, ToolError> {
        let Ok(mut name) = FullName::try_from(name) else { return Ok(None) };
        for _ in 0..DEEPEST {
            self.deadline.check()?;
            let found = self.references.try_find(name.as_ref().as_partial_name());
            let found = found.map_err(|error| {
                tracing::warn!(problem = %error, "a reference cannot be read");
                ToolError::refused("The reference cannot be read")
            })?;
            // The store tries further names where there is none of this.
            let Some(found) = found.filter(|found| found.name == name) else { return Ok(None) };
            match found.target {
                Target::Object(id) => return Ok(Some(id)),
                Target::Symbolic(next) if next.as_bstr().starts_with(b"refs/") => name = next,
                Target::Symbolic(_) => {
                    return Err(ToolError::refused("The reference leads out of refs/"));
                }
            }
        }
        Err(ToolError::refused("The reference leads to too many others"))
    }

    /// The full name `HEAD` stands for, if it stands for a branch.
    pub(crate) fn head_branch(&self) -> Option<String> {
        let head = self.references.try_find("HEAD").ok()??;
        match head.target {
            Target::Symbolic(name) => Some(name.as_bstr().to_str_lossy().into_owned()),
            Target::Object(_) => None,
        }
    }

    /// The commit below an object: itself, or what tags stand for.
    pub(crate) fn peel(&self, object: ObjectId) -> Result<Resolved, ToolError> {
        let mut at = object;
        let mut tag = None;
        for _ in 0..DEEPEST {
            match self.header(&at)? {
                None => return Err(unknown()),
                Some((Kind::Commit, _)) => return Ok(Resolved { commit: at, tag }),
                Some((Kind::Tag, _)) => {
                    tag.get_or_insert(at);
                    let data = self.tag(&at)?;
                    at = TagRef::from_bytes(&data, gix_hash::Kind::Sha1)
                        .map_err(|error| damaged(&at, &error))?
                        .target();
                }
                Some((kind, _)) => {
                    return Err(ToolError::refused(format!("ref names a {kind}, not a commit")));
                }
            }
        }
        Err(ToolError::refused("ref names a tag on too many tags"))
    }
}

fn unknown() -> ToolError {
    ToolError::refused("ref names no commit of this repository")
}
