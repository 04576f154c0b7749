//! Pages: how much one answer holds, and how the next one begins.

use aws_lc_rs::digest;
use gix_hash::ObjectId;
use scopegate::toolkit::ToolError;
use serde_json::Value;

use crate::limits::Bounds;
use crate::names::cursor::Cursor;
use crate::reader::Reader;
use crate::text::hex;

/// What a page still has room for.
#[derive(Debug)]
pub(crate) struct Page {
    items: usize,
    bytes: usize,
    is_empty: bool,
}

impl Page {
    /// Room for as many items as were asked for, within the limits.
    pub(crate) fn new(bounds: &Bounds, limit: Option<usize>, default: usize) -> Self {
        let items = limit.unwrap_or(default).clamp(1, bounds.page_items);
        Self { items, bytes: bounds.page_bytes, is_empty: true }
    }

    /// Takes room for an item, if there is some; an empty page takes any.
    pub(crate) fn admit(&mut self, weight: usize) -> bool {
        let weight = weight.saturating_add(32);
        if self.items == 0 || (weight > self.bytes && !self.is_empty) {
            return false;
        }
        self.items -= 1;
        self.bytes = self.bytes.saturating_sub(weight);
        self.is_empty = false;
        true
    }

    pub(crate) fn is_full(&self) -> bool {
        self.items == 0 || self.bytes == 0
    }

    /// The bytes that are left.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }
}

/// A call as its cursors see it: all of its arguments that say what is asked
/// for, and how far the pages before it got.
#[derive(Clone, Debug)]
pub(crate) struct Query {
    digest: u64,
    cursor: Option<Cursor>,
}

impl Query {
    /// Reads the cursor among a call's arguments.
    ///
    /// # Errors
    /// [`ToolError::Refused`] for one of another call, or of none.
    pub(crate) fn new(tool: &str, arguments: &Value) -> Result<Self, ToolError> {
        let mut members: Vec<(&String, &Value)> = arguments
            .as_object()
            .into_iter()
            .flatten()
            .filter(|(name, _)| !matches!(name.as_str(), "cursor" | "limit"))
            .collect();
        members.sort_by_key(|(name, _)| *name);
        let mut context = digest::Context::new(&digest::SHA256);
        context.update(tool.as_bytes());
        for (name, value) in members {
            context.update(format!("\n{name}={value}").as_bytes());
        }
        let mut first = [0; 8];
        for (to, from) in first.iter_mut().zip(context.finish().as_ref()) {
            *to = *from;
        }
        let digest = u64::from_be_bytes(first);
        let cursor = match arguments.get("cursor").and_then(Value::as_str) {
            Some(text) => Some(Cursor::parse(text)?),
            None => None,
        };
        if cursor.as_ref().is_some_and(|cursor| cursor.query != digest) {
            return Err(ToolError::refused("cursor belongs to a call with other arguments"));
        }
        Ok(Self { digest, cursor })
    }

    /// Where this page begins.
    pub(crate) fn start(&self) -> (u64, u64) {
        self.cursor.as_ref().map_or((0, 0), |cursor| cursor.at)
    }

    /// The commit a revision names; on a further page the one it named for
    /// the first.
    pub(crate) fn commit(
        &self,
        reader: &Reader<'_>,
        index: usize,
        revision: &str,
    ) -> Result<ObjectId, ToolError> {
        match &self.cursor {
            None => Ok(reader.resolve(revision)?.commit),
            Some(cursor) => match cursor.commits.get(index) {
                Some(id) => reader.commit_by_id(id),
                None => Err(ToolError::refused("cursor is not one of this service")),
            },
        }
    }

    /// The cursor of the page behind this one.
    pub(crate) fn next(&self, commits: &[ObjectId], at: (u64, u64)) -> String {
        let commits = commits.iter().map(|id| hex(id)).collect();
        Cursor { query: self.digest, commits, at }.to_text()
    }
}
