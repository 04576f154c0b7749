//! The gateway from outside: one binary, HTTP only.

mod harness;

mod access_matrix;
mod audit;
mod authn;
mod bad_input;
mod forward;
mod mcp;
mod quota;
mod rest;
