//! The schemas of the tool; arguments are judged by the first.

use serde_json::{Value, json};

/// Largest Markdown text, in bytes (C-56).
pub(crate) const LARGEST_CONTENT: usize = 524_288;

/// Largest margin, in millimetres. Two of them leave something of every page.
const LARGEST_MARGIN: u32 = 60;

/// Of the arguments. That of `content` sets no length, so that a text that is
/// too long gets the sentence for it (C-57).
pub(crate) fn input() -> Value {
    let margin = |side: &str| {
        json!({
            "type": "number", "minimum": 0, "maximum": LARGEST_MARGIN, "default": 25.4,
            "description": format!("The {side} margin."),
        })
    };
    json!({
        "type": "object",
        "additionalProperties": false,
        "required": ["content", "format"],
        "properties": {
            "content": {
                "type": "string",
                "description": "Markdown: CommonMark with tables, task lists, footnotes and strike-through; at most 524288 bytes. Images must be data URIs: nothing is fetched.",
            },
            "format": {
                "type": "string", "enum": ["pdf", "docx", "html"],
                "description": "What to make.",
            },
            "title": {
                "type": "string", "maxLength": 200, "default": "",
                "description": "The title, shown above the text.",
            },
            "page_size": {
                "type": "string", "enum": ["A3", "A4", "A5", "Letter", "Legal"],
                "default": "A4", "description": "The size of a page; of no use to html.",
            },
            "orientation": {
                "type": "string", "enum": ["portrait", "landscape"],
                "default": "portrait", "description": "How a page lies.",
            },
            "margins_mm": {
                "type": "object", "additionalProperties": false,
                "properties": {
                    "top": margin("top"), "right": margin("right"),
                    "bottom": margin("bottom"), "left": margin("left"),
                },
                "description": "The margins of a page in millimetres; an inch each by default.",
            },
            "toc": {
                "type": "boolean", "default": false,
                "description": "Begin with a table of contents, of headings down to the third level.",
            },
            "header": {
                "type": "string", "maxLength": 200, "default": "",
                "description": "One line above each page. {page}, {pages} and {title} stand for numbers and title.",
            },
            "footer": {
                "type": "string", "maxLength": 200, "default": "{page} / {pages}",
                "description": "One line below each page, like header.",
            },
            "language": {
                "type": "string", "pattern": "^[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8}){0,3}$",
                "default": "en", "description": "The language of the text (BCP 47), for readers that speak and for Chinese and Japanese letters.",
            },
            "direction": {
                "type": "string", "enum": ["auto", "ltr", "rtl"], "default": "auto",
                "description": "Whether text runs from left to right. auto: each paragraph as its first letter does.",
            },
        },
    })
}

/// Of the result.
pub(crate) fn output() -> Value {
    json!({
        "type": "object",
        "additionalProperties": false,
        "required": ["format", "filename", "size_bytes", "download_url", "uri", "sha256", "expires_at", "pages", "warnings"],
        "properties": {
            "format": {"type": "string", "enum": ["pdf", "docx", "html"]},
            "filename": {"type": "string", "description": "The name of the file."},
            "size_bytes": {"type": "integer", "description": "Its size."},
            "download_url": {
                "type": "string", "format": "uri",
                "description": "Where it can be had, with the token of its owner.",
            },
            "uri": {
                "type": "string",
                "description": "What resources/read reads it by.",
            },
            "sha256": {"type": "string", "description": "Of the file, in hexadecimal. The same arguments give the same file."},
            "expires_at": {"type": "string", "format": "date-time", "description": "When it is removed."},
            "pages": {"type": ["integer", "null"], "description": "How many there are; of pdf."},
            "warnings": {
                "type": "array", "items": {"type": "string"},
                "description": "What of the text is not in the document, and why.",
            },
        },
    })
}
