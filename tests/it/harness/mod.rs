//! A gateway in this process, callers with every kind of credential, and a
//! backend that does as it is told.

pub(crate) mod backend;
pub(crate) mod gateway;
pub(crate) mod http;
pub(crate) mod tokens;

pub(crate) use backend::{Backend, Script};
pub(crate) use gateway::{Builder, Gateway};
pub(crate) use http::Reply;
pub(crate) use tokens::{SECRET, Token};
