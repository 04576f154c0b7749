//! Tests of the room as a whole, from a header to a caller.

mod algorithms;
mod claims;
mod memory;
mod problems;
mod remote;
mod support;
mod vectors;
