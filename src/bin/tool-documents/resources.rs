//! The documents of a user as resources.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chrono::SecondsFormat;
use scopegate::files::{FileKind, FileName, Store, UserId};
use scopegate::toolkit::{Resources, ToolError};
use serde_json::{Value, json};
use std::io::Read as _;

use crate::limits::READABLE_BYTES;

/// How the address of a document begins.
const SCHEME: &str = "document:///";

/// Most resources in a list: those that are there for longest.
const MOST_LISTED: usize = 1000;

/// The address of a document.
pub(crate) fn uri_of(user: &UserId, name: FileName) -> String {
    format!("{SCHEME}{user}/{name}")
}

/// Reads what [`Generator`](crate::tool::Generator) has kept.
pub(crate) struct Documents(pub(crate) Arc<Store>);

impl Resources for Documents {
    fn list(&self, user: Option<&str>) -> Result<Vec<Value>, ToolError> {
        // Whoever has no folder has nothing in it.
        let Some(Ok(user)) = user.map(str::parse::<UserId>) else { return Ok(Vec::new()) };
        let listed = self.0.shelf().list(&user, self.0.clock().now()).map_err(disk)?;
        let listed = listed.into_iter().filter(|entry| entry.size <= READABLE_BYTES);
        let resource = |entry: scopegate::files::Entry| {
            let until = entry.expires.to_rfc3339_opts(SecondsFormat::Secs, true);
            json!({
                "uri": uri_of(&user, entry.name),
                "name": entry.name.to_string(),
                "mimeType": entry.name.kind().media_type(),
                "size": entry.size,
                "description": format!("A generated document, kept until {until}"),
            })
        };
        Ok(listed.take(MOST_LISTED).map(resource).collect())
    }

    fn read(&self, user: Option<&str>, uri: &str) -> Result<Option<Value>, ToolError> {
        let Some(path) = uri.strip_prefix(SCHEME) else { return Ok(None) };
        let Some((owner, name)) = path.split_once('/') else { return Ok(None) };
        // Somebody else's is not there.
        if user != Some(owner) {
            return Ok(None);
        }
        let (Ok(user), Ok(name)) = (owner.parse::<UserId>(), name.parse::<FileName>()) else {
            return Ok(None);
        };
        let opened = self.0.shelf().open(&user, name, self.0.clock().now()).map_err(disk)?;
        let Some(opened) = opened else { return Ok(None) };
        if opened.entry.size > READABLE_BYTES {
            return Err(ToolError::refused("The document is too large; use its download_url"));
        }
        let mut bytes = Vec::new();
        opened.file.take(READABLE_BYTES).read_to_end(&mut bytes).map_err(disk)?;
        let mut contents = json!({ "uri": uri, "mimeType": name.kind().media_type() });
        match (name.kind(), String::from_utf8(bytes)) {
            (FileKind::Html, Ok(text)) => contents["text"] = json!(text),
            (_, Ok(text)) => contents["blob"] = json!(STANDARD.encode(text)),
            (_, Err(bytes)) => contents["blob"] = json!(STANDARD.encode(bytes.as_bytes())),
        }
        Ok(Some(contents))
    }
}

#[expect(clippy::needless_pass_by_value, reason = "for map_err")]
fn disk(error: std::io::Error) -> ToolError {
    ToolError::Internal(format!("the folder of files: {error}"))
}
