//! The git service over real HTTP, compared with git itself.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on ends")]
#![expect(clippy::needless_pass_by_value, reason = "a test writes its JSON in place")]

#[path = "../calculator/http.rs"]
mod http;
mod process;
#[path = "../calculator/registry.rs"]
mod registry;
mod repository;
mod sample;

mod answers;
mod blame;
mod contract;
mod jail;
mod large;
mod life;
mod limits;
mod pages;
mod patches;
mod sandbox;
mod search;
