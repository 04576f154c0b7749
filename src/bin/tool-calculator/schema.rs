//! The schemas the tools advertise, which are the schemas their arguments
//! are judged by.

use serde_json::{Value, json};

use crate::arithmetic::OPERATORS;
use crate::limits::Bounds;
use crate::statistics::FUNCTIONS;
use crate::units::UNITS;

/// C-50, with ASCII digits spelled out: `\d` means more in some languages.
const NUMBER: &str = r"^[+-]?([0-9]+(\.[0-9]+)?|\.[0-9]+)$";
/// The text of a result.
const RESULT: &str = r"^-?(0|[1-9][0-9]*)(\.[0-9]*[1-9])?$";

/// Of `exact_calculate`.
pub(crate) fn calculate(bounds: &Bounds) -> Value {
    object(
        &["operator", "operands"],
        json!({
            "operator": operator(),
            "operands": list(bounds, "Operands, applied from left to right. sub and div need at least two."),
            "precision": precision(bounds),
        }),
    )
}

/// Of `exact_statistics`.
pub(crate) fn statistics(bounds: &Bounds) -> Value {
    object(
        &["function", "values"],
        json!({
            "function": {
                "type": "string", "enum": FUNCTIONS,
                "description": "What to compute. variance and stdev need at least two values.",
            },
            "values": list(bounds, "The values, in any order."),
            "precision": precision(bounds),
            "sample": {
                "type": "boolean", "default": false,
                "description": "For variance and stdev: divide by one less than the number of values.",
            },
        }),
    )
}

/// Of `exact_convert_units`.
pub(crate) fn convert_units(bounds: &Bounds) -> Value {
    object(
        &["value", "from_unit", "to_unit"],
        json!({
            "value": number(bounds),
            "from_unit": unit("The unit the value is in."),
            "to_unit": unit("The unit of the result; of the same dimension."),
            "precision": precision(bounds),
        }),
    )
}

/// Of `exact_unit_arithmetic`.
pub(crate) fn unit_arithmetic(bounds: &Bounds) -> Value {
    let quantity = |role: &str| {
        let mut schema = object(
            &["value", "unit"],
            json!({"value": number(bounds), "unit": unit("The unit the value is in.")}),
        );
        schema["description"] = json!(role);
        schema
    };
    object(
        &["operator", "left", "right"],
        json!({
            "operator": operator(),
            "left": quantity("The left operand."),
            "right": quantity("The right operand."),
            "result_unit": unit(
                "The unit of the result. Without it add and sub answer in the left unit, \
                 mul and div in base units.",
            ),
            "precision": precision(bounds),
        }),
    )
}

/// The result of every tool (C-49).
pub(crate) fn result(operation: &str, has_unit: bool) -> Value {
    let unit = if has_unit {
        json!({"type": "string", "description": "A unit, or base units with powers such as m*s^-1; 1 for none."})
    } else {
        json!({"type": "null"})
    };
    object(
        &["operation", "result", "unit"],
        json!({
            "operation": {"type": "string", "const": operation},
            "result": {
                "type": "string", "pattern": RESULT,
                "description": "The number, rounded once, half to even; no exponent, no trailing zeros.",
            },
            "unit": unit,
        }),
    )
}

#[expect(clippy::needless_pass_by_value, reason = "callers write the value in place")]
fn object(required: &[&str], properties: Value) -> Value {
    json!({
        "type": "object",
        "properties": properties,
        "required": required,
        "additionalProperties": false,
    })
}

fn operator() -> Value {
    json!({"type": "string", "enum": OPERATORS, "description": "What to do with the operands."})
}

fn number(bounds: &Bounds) -> Value {
    json!({
        "type": "string",
        "pattern": NUMBER,
        // The digits, a sign and a point; the digits alone are counted later.
        "maxLength": bounds.max_number_digits + 2,
        "description": format!(
            "A decimal number as text, such as \"-12.50\": at most {} digits, no exponent.",
            bounds.max_number_digits
        ),
    })
}

fn list(bounds: &Bounds, description: &str) -> Value {
    json!({
        "type": "array", "items": number(bounds),
        "minItems": 1, "maxItems": bounds.max_list_items,
        "description": description,
    })
}

fn precision(bounds: &Bounds) -> Value {
    json!({
        "type": "integer", "minimum": 1, "maximum": bounds.max_precision,
        "default": bounds.default_precision,
        "description": "Significant digits of the result.",
    })
}

fn unit(description: &str) -> Value {
    let names: Vec<&str> = UNITS.iter().map(|unit| unit.name).collect();
    json!({"type": "string", "enum": names, "description": description})
}
