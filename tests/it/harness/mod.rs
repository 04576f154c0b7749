//! A gateway in this process, callers with every kind of credential, and a
//! backend that does as it is told.

pub mod backend;
pub mod gateway;
pub mod http;
pub mod tokens;

pub use backend::{Backend, Script};
pub use gateway::{Builder, Gateway};
pub use http::Reply;
pub use tokens::Token;
