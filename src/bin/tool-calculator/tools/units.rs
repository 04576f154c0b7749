//! `exact_convert_units` and `exact_unit_arithmetic`.

use scopegate::toolkit::{
    Annotations, CallContext, Descriptor, Tool, ToolError, ToolOutput, typed,
};
use serde::Deserialize;
use serde_json::Value;

use super::Outcome;
use crate::arguments::{Precision, number, wrong};
use crate::arithmetic::Operator;
use crate::limits::Bounds;
use crate::schema;
use crate::units::{self, Quantity, Unit};

pub(super) struct ConvertUnits(pub(super) Bounds);

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
            description: "Converts a value between units of length, area, volume, mass, time, \
                          speed, temperature, data, energy or pressure with the exact factor. \
                          The result is rounded once, half to even, to `precision` significant \
                          digits."
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
        let form = self.0.form(precision);
        let result = from.convert(&to)?.to_text(form)?;
        ToolOutput::structured(&Outcome { operation: "unit", result, unit: Some(to.name) })
    }
}

pub(super) struct UnitArithmetic(pub(super) Bounds);

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
            description: "Adds, subtracts, multiplies or divides two values with units \
                          exactly; degC and degF can only be converted. The result is rounded \
                          once, half to even, to `precision` significant digits."
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
        let result = value.to_text(self.0.form(precision))?;
        ToolOutput::structured(&Outcome { operation: "unit", result, unit: Some(&label) })
    }
}

fn unit(name: &str, loc: &[&str]) -> Result<Unit, ToolError> {
    Unit::named(name).ok_or_else(|| wrong(loc, "is not a known unit", "enum"))
}
