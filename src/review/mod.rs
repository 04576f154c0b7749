//! Asking a policy, and trying one before it goes live: explanations, what is
//! odd about it, cases, invariants, and the past decided anew. What is asked
//! over HTTP and on the command line is answered here by the same code, and by
//! the evaluator that decides calls.

mod asked;
mod cases;
mod command;
mod gate;
mod invariants;
mod junit;
mod past;
mod replay;
mod schema;
#[cfg(test)]
mod tests;

pub(crate) use asked::Asked;
pub(crate) use command::{Place, run};
pub(crate) use gate::{broken_invariants, failing_cases};

pub(crate) use crate::policy::Explanation;
