//! The document service over real HTTP; what it makes, read by other programs.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on ends")]
#![expect(clippy::needless_pass_by_value, reason = "a test writes its JSON in place")]

#[path = "../calculator/http.rs"]
mod http;
mod readers;
mod service;

mod bounds;
mod chance;
mod contract;
mod docx;
mod faults;
mod files;
mod html;
mod life;
mod pdf;
mod same;
mod scripts;

/// A text with everything in it.
const SAMPLE: &str = include_str!("sample.md");
/// What the tests call a red pixel.
const PIXEL: &str = "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8BQDwAEhQGAhKmMIQAAAABJRU5ErkJggg==";
