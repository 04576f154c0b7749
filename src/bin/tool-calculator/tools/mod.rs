//! The six tools (C-48 and two more).

mod arithmetic;
mod expression;
mod statistics;
mod units;

use std::sync::Arc;

use scopegate::toolkit::Tool;
use serde::Serialize;

use crate::limits::Bounds;

/// All tools, in the order they are listed.
pub(crate) fn all(bounds: Bounds) -> Vec<Arc<dyn Tool>> {
    vec![
        Arc::new(arithmetic::Calculate(bounds)),
        Arc::new(statistics::Statistics(bounds)),
        Arc::new(units::ConvertUnits(bounds)),
        Arc::new(units::UnitArithmetic(bounds)),
        Arc::new(statistics::Regression(bounds)),
        Arc::new(expression::Evaluate(bounds)),
    ]
}

/// What the tools with one number answer (C-49).
#[derive(Serialize)]
struct Outcome<'a> {
    operation: &'static str,
    result: String,
    unit: Option<&'a str>,
}
