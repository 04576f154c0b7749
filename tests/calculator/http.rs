//! The HTTP client of these tests.

pub(crate) use support::http::{Connection, Response};
