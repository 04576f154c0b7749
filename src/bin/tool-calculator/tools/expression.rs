//! `exact_evaluate`.

use std::collections::BTreeMap;

use scopegate::toolkit::{
    Annotations, CallContext, Descriptor, Tool, ToolError, ToolOutput, typed,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Outcome;
use crate::arguments::{Precision, number, wrong};
use crate::exact::Exact;
use crate::expression::{self, Problem};
use crate::limits::Bounds;
use crate::schema;

pub(super) struct Evaluate(pub(super) Bounds);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct EvaluateArguments {
    expression: String,
    #[serde(default)]
    variables: BTreeMap<String, String>,
    precision: Option<Precision>,
}

#[derive(Serialize)]
struct EvaluateOutcome<'a> {
    #[serde(flatten)]
    outcome: Outcome<'a>,
    exact: bool,
    steps: usize,
}

impl Tool for Evaluate {
    fn descriptor(&self) -> Descriptor {
        Descriptor {
            name: "exact_evaluate",
            title: "Exact expressions",
            description:
                "Computes an expression of decimal numbers and variables exactly: + - * / \
                          ^, parentheses, and the functions its argument lists. The result is \
                          rounded once, half to even, to `precision` significant digits, and \
                          `exact` tells whether that changed it. Roots that are not exact have \
                          50 digits more than that."
                    .into(),
            input_schema: schema::evaluate(&self.0),
            output_schema: Some(schema::evaluated()),
            annotations: Annotations::PURE,
        }
    }

    fn call(&self, arguments: Value, context: &CallContext) -> Result<ToolOutput, ToolError> {
        let EvaluateArguments { expression, variables, precision } = typed(arguments)?;
        let mut known: BTreeMap<&str, Exact> = BTreeMap::new();
        for (name, text) in &variables {
            known.insert(name, number(text, &["variables", name], &self.0)?);
        }
        let bounds = self.0.expression();
        let steps = expression::read(&expression, &bounds, |name| known.get(name).cloned())
            .map_err(refuse)?;
        let form = self.0.form(precision);
        let in_time = || !context.deadline.has_passed();
        let answer =
            expression::evaluate(steps, form.precision, &bounds, in_time).map_err(refuse)?;
        let result = answer.value.to_text(form)?;
        let exact = answer.exact && Exact::parse(&result).as_ref() == Some(&answer.value);
        ToolOutput::structured(&EvaluateOutcome {
            outcome: Outcome { operation: "expression", result, unit: None },
            exact,
            steps: answer.steps,
        })
    }
}

fn refuse(problem: Problem) -> ToolError {
    match problem {
        Problem::Text { .. } => wrong(&["expression"], problem.to_string(), "syntax"),
        Problem::Time => ToolError::Timeout,
        Problem::Undefined
        | Problem::Exponent
        | Problem::Places
        | Problem::Steps
        | Problem::Size => ToolError::refused(problem.to_string()),
    }
}
