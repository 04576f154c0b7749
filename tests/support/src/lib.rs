//! What the tests of scopegate share: real servers as owned children, a
//! network that can be broken, and the one place that waits.
//!
//! A crate of its own, so that unit tests, `tests/it` and `tests/e2e` use the
//! same compiled code, each as much of it as it needs. Nothing here knows the
//! gateway. A helper that cannot do its work panics with a sentence that says
//! what to do: a test without its server has failed, never been skipped.
#![expect(clippy::panic, reason = "a test helper that cannot help fails the test, saying why")]

pub mod authority;
pub mod backend;
pub mod chaos;
pub mod eventually;
pub mod greeting;
pub mod http;
pub mod nginx;
pub mod node;
pub mod ports;
pub mod postgres;
pub mod process;
pub mod redis;
pub mod scratch;
pub mod tool;
