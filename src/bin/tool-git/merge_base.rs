//! The commit at which two histories part.

use std::collections::hash_map::Entry;
use std::collections::{BinaryHeap, HashMap};

use gix_hash::ObjectId;
use scopegate::toolkit::ToolError;

use crate::reader::{Node, Reader};

const ONE: u8 = 1;
const OTHER: u8 = 2;
/// Below a common ancestor: no better one lies here.
const STALE: u8 = 4;

/// The best common ancestor, the newest of several; nothing for histories
/// that have none.
pub(crate) fn merge_base(
    reader: &Reader<'_>,
    one: ObjectId,
    other: ObjectId,
) -> Result<Option<ObjectId>, ToolError> {
    if one == other {
        return Ok(Some(one));
    }
    let mut flags: HashMap<ObjectId, u8> = HashMap::new();
    let mut nodes: HashMap<ObjectId, Node> = HashMap::new();
    let mut queue = BinaryHeap::new();
    for (id, flag) in [(one, ONE), (other, OTHER)] {
        let node = reader.node(id)?;
        queue.push((node.time, id));
        nodes.insert(id, node);
        flags.insert(id, flag);
    }
    let mut found: Vec<(i64, ObjectId)> = Vec::new();
    let mut left = reader.bounds.commits;
    while queue.iter().any(|(_, id)| flags.get(id).is_some_and(|flag| flag & STALE == 0)) {
        // Looking through the queue takes long where it is long.
        reader.deadline.check()?;
        let Some((time, id)) = queue.pop() else { break };
        left = left.checked_sub(1).ok_or_else(|| too_far(reader))?;
        let mut flag = flags.get(&id).copied().unwrap_or(0);
        if flag & (ONE | OTHER) == ONE | OTHER {
            if flag & STALE == 0 && !found.iter().any(|(_, known)| *known == id) {
                found.push((time, id));
            }
            flag |= STALE;
        }
        let parents = nodes.get(&id).map(|node| node.parents.clone()).unwrap_or_default();
        for parent in parents {
            let known = flags.entry(parent).or_insert(0);
            if *known & flag == flag {
                continue;
            }
            *known |= flag;
            let time = match nodes.entry(parent) {
                Entry::Occupied(known) => known.get().time,
                Entry::Vacant(new) => new.insert(reader.node(parent)?).time,
            };
            queue.push((time, parent));
        }
    }
    let fresh = |(_, id): &&(i64, ObjectId)| flags.get(id).is_some_and(|flag| flag & STALE == 0);
    Ok(found.iter().find(fresh).or(found.first()).map(|(_, id)| *id))
}

fn too_far(reader: &Reader<'_>) -> ToolError {
    ToolError::refused(format!(
        "The common ancestor lies more than {} commits back",
        reader.bounds.commits
    ))
}
