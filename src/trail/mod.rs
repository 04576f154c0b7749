//! Reading the audit trail: filters in words, exports, and a call's story. What
//! an administrator asks over HTTP and on the command line is answered here by
//! the same code.

mod cef;
mod command;
mod csv;
mod cursor;
mod explain;
mod export;
mod filters;
mod tail;
#[cfg(test)]
mod tests;
mod text;

pub(crate) use command::run;
pub(crate) use cursor::{Cursor, Cursors};
pub(crate) use export::{Export, Format};
pub(crate) use filters::{Filters, when};
