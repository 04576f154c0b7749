//! Formats, filters, cursors and stories.
