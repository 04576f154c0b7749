//! The four tools (C-48).

use std::sync::Arc;

use scopegate::toolkit::{Annotations, CallContext, Descriptor, Tool, ToolError, ToolOutput};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::arguments::{Precision, number, numbers, typed, wrong};
use crate::arithmetic::{self, Operator};
use crate::limits::Bounds;
use crate::schema;
use crate::statistics::{self, Function};
use crate::units::{self, Quantity, Unit};

/// All tools, in the order they are listed.
pub(crate) fn all(bounds: Bounds) -> Vec<Arc<dyn Tool>> {
    vec![
        Arc::new(Calculate(bounds)),
        Arc::new(Statistics(bounds)),
        Arc::new(ConvertUnits(bounds)),
        Arc::new(UnitArithmetic(bounds)),
    ]
}

/// What every tool answers (C-49).
#[derive(Serialize)]
struct Outcome<'a> {
    operation: &'static str,
    result: String,
    unit: Option<&'a str>,
}

struct Calculate(Bounds);

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
        let result = value.to_text(self.0.form(precision.map(|precision| precision.0)))?;
        ToolOutput::structured(&Outcome { operation: "arithmetic", result, unit: None })
    }
}

struct Statistics(Bounds);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct StatisticsArguments {
    function: Function,
    values: Vec<String>,
    precision: Option<Precision>,
    #[serde(default)]
    sample: bool,
}

impl Tool for Statistics {
    fn descriptor(&self) -> Descriptor {
        Descriptor {
            name: "exact_statistics",
            title: "Exact statistics",
            description: "Computes the mean, median, variance, standard deviation, minimum, \
                          maximum, sum or count of decimal numbers exactly. The result is \
                          rounded once, half to even, to `precision` significant digits; a \
                          count is never rounded."
                .into(),
            input_schema: schema::statistics(&self.0),
            output_schema: Some(schema::result("statistics", false)),
            annotations: Annotations::PURE,
        }
    }

    fn call(&self, arguments: Value, context: &CallContext) -> Result<ToolOutput, ToolError> {
        let StatisticsArguments { function, values, precision, sample } = typed(arguments)?;
        let values = numbers(&values, "values", &self.0)?;
        let form = self.0.form(precision.map(|precision| precision.0));
        let result = statistics::compute(function, &values, sample, form, &context.deadline)?;
        ToolOutput::structured(&Outcome { operation: "statistics", result, unit: None })
    }
}

struct ConvertUnits(Bounds);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ConvertArguments {
    value: String,
    from_unit: String,
    to_unit: String,
    precision: Option<Precision>,
}

impl Tool for ConvertUnits {
    fn descriptor(&self) -> Descriptor {
        Descriptor {
            name: "exact_convert_units",
            title: "Exact unit conversion",
            description: "Converts a value between units of length, mass or time with the \
                          exact factor. The result is rounded once, half to even, to \
                          `precision` significant digits."
                .into(),
            input_schema: schema::convert_units(&self.0),
            output_schema: Some(schema::result("unit", true)),
            annotations: Annotations::PURE,
        }
    }

    fn call(&self, arguments: Value, context: &CallContext) -> Result<ToolOutput, ToolError> {
        let ConvertArguments { value, from_unit, to_unit, precision } = typed(arguments)?;
        let value = number(&value, &["value"], &self.0)?;
        let from = Quantity { value, unit: unit(&from_unit, &["from_unit"])? };
        let to = unit(&to_unit, &["to_unit"])?;
        context.deadline.check()?;
        let form = self.0.form(precision.map(|precision| precision.0));
        let result = from.convert(&to)?.to_text(form)?;
        ToolOutput::structured(&Outcome { operation: "unit", result, unit: Some(to.name) })
    }
}

struct UnitArithmetic(Bounds);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct UnitArguments {
    operator: Operator,
    left: QuantityArgument,
    right: QuantityArgument,
    result_unit: Option<String>,
    precision: Option<Precision>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct QuantityArgument {
    value: String,
    unit: String,
}

impl QuantityArgument {
    fn read(&self, side: &str, bounds: &Bounds) -> Result<Quantity, ToolError> {
        Ok(Quantity {
            value: number(&self.value, &[side, "value"], bounds)?,
            unit: unit(&self.unit, &[side, "unit"])?,
        })
    }
}

impl Tool for UnitArithmetic {
    fn descriptor(&self) -> Descriptor {
        Descriptor {
            name: "exact_unit_arithmetic",
            title: "Exact arithmetic with units",
            description: "Adds, subtracts, multiplies or divides two values with units of \
                          length, mass or time exactly. The result is rounded once, half to \
                          even, to `precision` significant digits."
                .into(),
            input_schema: schema::unit_arithmetic(&self.0),
            output_schema: Some(schema::result("unit", true)),
            annotations: Annotations::PURE,
        }
    }

    fn call(&self, arguments: Value, context: &CallContext) -> Result<ToolOutput, ToolError> {
        let UnitArguments { operator, left, right, result_unit, precision } = typed(arguments)?;
        let left = left.read("left", &self.0)?;
        let right = right.read("right", &self.0)?;
        let wanted = result_unit.map(|name| unit(&name, &["result_unit"])).transpose()?;
        context.deadline.check()?;
        let (value, label) = units::compute(operator, &left, &right, wanted)?;
        let result = value.to_text(self.0.form(precision.map(|precision| precision.0)))?;
        ToolOutput::structured(&Outcome { operation: "unit", result, unit: Some(&label) })
    }
}

fn unit(name: &str, loc: &[&str]) -> Result<Unit, ToolError> {
    let loc = || loc.iter().map(|&member| Value::from(member)).collect();
    Unit::named(name).ok_or_else(|| wrong(loc(), "is not a known unit", "enum"))
}
