//! Walking through the history, newest first, as `git log` does.

use std::cmp::Ordering;
use std::collections::{BinaryHeap, HashMap, HashSet};

use gix_hash::ObjectId;
use scopegate::toolkit::ToolError;

use crate::names::path::TreePath;
use crate::reader::{Found, Node, Reader};

/// Most bytes of commits that are kept until the walk comes to them. What most of
/// them are needed for, their parents and their date, is kept in any case.
const KEPT_BYTES: usize = 1024 * 1024;

/// A walk from one commit through its ancestors, ordered by the committers'
/// dates; of two with the same date, the one that was found first.
///
/// With a path it is git's default simplification: a commit counts if the
/// path differs from that in every parent, and of a merge that took the path
/// from one parent as it was, only that parent's side is followed.
pub(crate) struct Walk<'a> {
    reader: &'a Reader<'a>,
    path: Option<&'a TreePath>,
    first_parent: bool,
    queue: BinaryHeap<Queued>,
    seen: HashSet<ObjectId>,
    /// Parents that were read to be compared and are not in the queue yet.
    ready: HashMap<ObjectId, Node>,
    /// What was found in the folders on the way to the path.
    found: HashMap<(usize, ObjectId), Option<Found>>,
    order: u64,
    since: Option<i64>,
    until: Option<i64>,
    /// How many bytes of commits the queue keeps.
    kept: usize,
}

/// A commit the walk has come to.
pub(crate) struct Visited {
    pub(crate) node: Node,
    /// Its bytes, for [`Walk::data`].
    pub(crate) data: Option<Vec<u8>>,
    /// Whether it changes the path; always, without one.
    pub(crate) counts: bool,
}

impl<'a> Walk<'a> {
    pub(crate) fn new(
        reader: &'a Reader<'a>,
        from: ObjectId,
        path: Option<&'a TreePath>,
        first_parent: bool,
    ) -> Result<Self, ToolError> {
        let path = path.filter(|path| !path.is_root());
        let mut walk = Self {
            reader,
            path,
            first_parent,
            queue: BinaryHeap::new(),
            seen: HashSet::new(),
            ready: HashMap::new(),
            found: HashMap::new(),
            order: 0,
            since: None,
            until: None,
            kept: 0,
        };
        walk.queue(from)?;
        Ok(walk)
    }

    /// Leaves out what was committed before and after, in seconds since 1970.
    /// Nothing behind a commit that is too old is looked at, as in git.
    pub(crate) fn between(mut self, since: Option<i64>, until: Option<i64>) -> Self {
        (self.since, self.until) = (since, until);
        self
    }

    /// Whether there is no further commit.
    pub(crate) fn is_over(&self) -> bool {
        self.queue.is_empty()
    }

    /// The next commit; nothing when all were there.
    pub(crate) fn next(&mut self) -> Result<Option<Visited>, ToolError> {
        let Some(Queued { node, data, .. }) = self.queue.pop() else { return Ok(None) };
        self.kept -= data.as_ref().map_or(0, Vec::len);
        if self.since.is_some_and(|since| node.time < since) {
            return Ok(Some(Visited { node, data, counts: false }));
        }
        let mut parents = node.parents.clone();
        if self.first_parent {
            parents.truncate(1);
        }
        let mut counts = true;
        if let Some(path) = self.path {
            let here = self.at(&node.tree, path)?;
            if parents.is_empty() {
                counts = here.is_some();
            }
            for parent in parents.clone() {
                let read = self.reader.node(parent)?;
                let tree = read.tree;
                self.ready.insert(parent, read);
                if self.at(&tree, path)? == here {
                    counts = false;
                    parents = vec![parent];
                    break;
                }
            }
        }
        for parent in parents {
            self.queue(parent)?;
        }
        self.ready.clear();
        counts &= self.until.is_none_or(|until| node.time <= until);
        Ok(Some(Visited { node, data, counts }))
    }

    /// The bytes of a commit the walk has come to, read again if they were not
    /// kept.
    pub(crate) fn data(&self, id: ObjectId, kept: Option<Vec<u8>>) -> Result<Vec<u8>, ToolError> {
        kept.map_or_else(|| self.reader.commit(&id), Ok)
    }

    fn at(&mut self, tree: &ObjectId, path: &TreePath) -> Result<Option<Found>, ToolError> {
        self.reader.find_known(tree, path, &mut self.found)
    }

    fn queue(&mut self, id: ObjectId) -> Result<(), ToolError> {
        if self.seen.insert(id) {
            let (node, data) = if let Some(node) = self.ready.remove(&id) {
                (node, None)
            } else {
                let (node, data) = self.reader.node_and_data(id)?;
                (node, Some(data).filter(|data| self.kept + data.len() <= KEPT_BYTES))
            };
            self.kept += data.as_ref().map_or(0, Vec::len);
            self.order += 1;
            self.queue.push(Queued { node, data, order: self.order });
        }
        Ok(())
    }
}

struct Queued {
    node: Node,
    data: Option<Vec<u8>>,
    order: u64,
}

impl Ord for Queued {
    fn cmp(&self, other: &Self) -> Ordering {
        self.node.time.cmp(&other.node.time).then_with(|| other.order.cmp(&self.order))
    }
}

impl PartialOrd for Queued {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Queued {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Queued {}
