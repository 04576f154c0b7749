//! `document_generate`.

use std::fmt::Write as _;
use std::sync::Arc;

use aws_lc_rs::digest::{SHA256, digest};
use chrono::SecondsFormat;
use scopegate::files::{FileKind, KeepError, Store, UserId};
use scopegate::secret::hex;
use scopegate::toolkit::{
    Annotations, CallContext, Deadline, Descriptor, Tool, ToolError, ToolOutput, typed,
};
use serde::Serialize;
use serde_json::{Value, json};

use crate::limits::Bounds;
use crate::markdown::tree::{Document, ImageKind};
use crate::markdown::{self, ReadError};
use crate::options::{Asked, Options};
use crate::pdf::{self, Fonts, WriteError};
use crate::resources::uri_of;
use crate::schema::{self, LARGEST_CONTENT};
use crate::{docx, html, limits};

/// What cannot be made (C-57).
const FAILED: i32 = -32002;

/// Most characters that a warning names.
const MOST_NAMED: usize = 20;

/// The tool, with all it needs.
pub(crate) struct Generator {
    pub(crate) bounds: Bounds,
    pub(crate) fonts: Fonts,
    /// Without it, everything is made and nothing kept.
    pub(crate) store: Option<Arc<Store>>,
    /// How clients reach the gateway, without a slash at the end.
    pub(crate) public_url: String,
}

/// A document that was made.
pub(crate) struct Made {
    pub(crate) bytes: Vec<u8>,
    /// Of a PDF.
    pub(crate) pages: Option<usize>,
    warnings: Vec<String>,
}

#[derive(Serialize)]
struct Outcome {
    format: &'static str,
    filename: String,
    size_bytes: usize,
    download_url: String,
    uri: String,
    sha256: String,
    expires_at: String,
    pages: Option<usize>,
    warnings: Vec<String>,
}

impl Tool for Generator {
    fn descriptor(&self) -> Descriptor {
        Descriptor {
            name: "document_generate",
            title: "Generate a document",
            description: "Makes a PDF, DOCX or HTML file of Markdown and keeps it for a time. The \
                          answer says where it can be downloaded; resources/read reads it, too."
                .into(),
            input_schema: schema::input(),
            output_schema: Some(schema::output()),
            annotations: Annotations {
                // It adds a file, and each call another one.
                read_only_hint: false,
                destructive_hint: false,
                idempotent_hint: false,
                open_world_hint: false,
            },
        }
    }

    fn call(&self, arguments: Value, context: &CallContext) -> Result<ToolOutput, ToolError> {
        let user = context.user_id.as_deref();
        let user: UserId = user
            .ok_or(ToolError::refused("Missing X-User-ID header"))?
            .parse()
            .map_err(|_| ToolError::refused("Invalid user id"))?;
        let mut asked: Asked = typed(arguments)?;
        if asked.content.len() > LARGEST_CONTENT {
            return Err(ToolError::refused("Content exceeds maximum size"));
        }
        let options = &mut asked.options;
        for line in [&mut options.title, &mut options.header, &mut options.footer] {
            *line = one_line(line);
        }
        let store = self.store.as_ref().ok_or_else(|| failed("no folder is configured"))?;
        let made = self.make(&asked, &context.deadline)?;
        context.deadline.check()?;
        let kind = asked.kind();
        let kept = store.keep(&user, kind, &made.bytes).map_err(|error| {
            let sentence = error.to_string();
            match error {
                KeepError::Disk(error) => {
                    ToolError::Internal(format!("the folder of files: {error}"))
                }
                KeepError::TooMany(..) | KeepError::TooLarge(..) | KeepError::Full => {
                    failed(&sentence)
                }
            }
        })?;
        let outcome = Outcome {
            format: kind.extension(),
            filename: kept.name.to_string(),
            size_bytes: made.bytes.len(),
            download_url: format!("{}/files/{user}/{}", self.public_url, kept.name),
            uri: uri_of(&user, kept.name),
            sha256: hex(digest(&SHA256, &made.bytes).as_ref()),
            expires_at: kept.expires.to_rfc3339_opts(SecondsFormat::Secs, true),
            pages: made.pages,
            warnings: made.warnings,
        };
        output(&outcome, kind, &asked.options)
    }
}

impl Generator {
    /// Makes a document, and keeps nothing of it.
    pub(crate) fn make(&self, asked: &Asked, deadline: &Deadline) -> Result<Made, ToolError> {
        let is_late = || deadline.has_passed();
        let document = markdown::read(&asked.content, &self.bounds.text, &is_late).map_err(
            |error| match error {
                ReadError::Refused(sentence) => ToolError::refused(sentence),
                ReadError::Late => ToolError::Timeout,
            },
        )?;
        let made = self.write(&document, asked.kind(), &asked.options, &is_late)?;
        if made.bytes.len() > self.bounds.document_bytes {
            let most = self.bounds.document_bytes;
            return Err(failed(&format!("the document has more than {most} bytes")));
        }
        Ok(made)
    }

    fn write(
        &self,
        document: &Document,
        kind: FileKind,
        options: &Options,
        is_late: markdown::IsLate<'_>,
    ) -> Result<Made, ToolError> {
        let mut warnings = document.warnings.clone();
        let (bytes, pages) = match kind {
            FileKind::Html => (html::write(document, options), None),
            FileKind::Docx => {
                let bytes = docx::write(document, options)
                    .map_err(|error| ToolError::Internal(error.to_string()))?;
                if document.images.iter().any(|image| image.kind == ImageKind::Webp) {
                    warnings.push("Not every program shows WebP images in DOCX".to_owned());
                }
                (bytes, None)
            }
            FileKind::Pdf => {
                let most = self.bounds.pages;
                let pdf =
                    pdf::write(document, options, &self.fonts, most, is_late).map_err(|error| {
                        match error {
                            WriteError::Refused(sentence) => ToolError::refused(sentence),
                            WriteError::Late => ToolError::Timeout,
                            WriteError::Failed(what) => ToolError::Internal(what),
                        }
                    })?;
                if !pdf.missing.is_empty() {
                    warnings.push(missing(&pdf.missing));
                }
                (pdf.bytes, Some(pdf.pages))
            }
        };
        Ok(Made { bytes, pages, warnings })
    }
}

/// The result as data, the same as text, and a link to the file.
fn output(outcome: &Outcome, kind: FileKind, options: &Options) -> Result<ToolOutput, ToolError> {
    let mut output = ToolOutput::structured(outcome)?;
    let mut link = json!({
        "type": "resource_link",
        "uri": outcome.uri,
        "name": outcome.filename,
        "mimeType": kind.media_type(),
        "size": outcome.size_bytes,
    });
    if !options.title.is_empty() {
        link["title"] = json!(options.title);
    }
    if outcome.size_bytes as u64 <= limits::READABLE_BYTES {
        output.content.push(link);
    }
    Ok(output)
}

fn failed(why: &str) -> ToolError {
    ToolError::Failed { code: FAILED, message: format!("Generation failed: {why}") }
}

/// A text without line breaks and other control characters.
fn one_line(text: &str) -> String {
    let seen = |one: char| if one.is_control() { ' ' } else { one };
    let seen = |one: char| match one {
        // What XML cannot hold.
        '\u{FFFE}' | '\u{FFFF}' => char::REPLACEMENT_CHARACTER,
        other => seen(other),
    };
    text.chars().map(seen).collect::<String>().trim().to_owned()
}

fn missing(characters: &std::collections::BTreeSet<char>) -> String {
    let mut named = String::new();
    for character in characters.iter().take(MOST_NAMED) {
        let separator = if named.is_empty() { "" } else { ", " };
        // Writing to a string cannot fail.
        let _ = write!(named, "{separator}{character} (U+{:04X})", u32::from(*character));
    }
    let more = characters.len().saturating_sub(MOST_NAMED);
    if more > 0 {
        let _ = write!(named, " and {more} more");
    }
    format!("No font has these characters, so they show as boxes: {named}")
}
