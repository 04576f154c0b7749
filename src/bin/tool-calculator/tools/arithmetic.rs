//! `exact_calculate`.

use scopegate::toolkit::{
    Annotations, CallContext, Descriptor, Tool, ToolError, ToolOutput, typed,
};
use serde::Deserialize;
use serde_json::Value;

use super::Outcome;
use crate::arguments::{Precision, numbers};
use crate::arithmetic::{self, Operator};
use crate::limits::Bounds;
use crate::schema;

pub(super) struct Calculate(pub(super) Bounds);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CalculateArguments {
    operator: Operator,
    operands: Vec<String>,
    precision: Option<Precision>,
}

impl Tool for Calculate {
    fn descriptor(&self) -> Descriptor {
        Descriptor {
            name: "exact_calculate",
            title: "Exact arithmetic",
            description: "Adds, subtracts, multiplies or divides decimal numbers exactly. \
                          The result is rounded once, half to even, to `precision` \
                          significant digits."
                .into(),
            input_schema: schema::calculate(&self.0),
            output_schema: Some(schema::result("arithmetic", false)),
            annotations: Annotations::PURE,
        }
    }

    fn call(&self, arguments: Value, context: &CallContext) -> Result<ToolOutput, ToolError> {
        let CalculateArguments { operator, operands, precision } = typed(arguments)?;
        let operands = numbers(&operands, "operands", &self.0)?;
        let value = arithmetic::compute(operator, &operands, &context.deadline)?;
        let result = value.to_text(self.0.form(precision))?;
        ToolOutput::structured(&Outcome { operation: "arithmetic", result, unit: None })
    }
}
