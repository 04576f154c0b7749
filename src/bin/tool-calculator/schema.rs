//! The schemas the tools advertise, which are the schemas their arguments
//! are judged by.

use serde_json::{Value, json};

use crate::arithmetic::OPERATORS;
use crate::expression::{FUNCTIONS as EXPRESSION_FUNCTIONS, LONGEST_NAME};
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
                "description": "What to compute. variance and stdev need at least two values. \
                                mode is the least of the most frequent values, sum_of_squares \
                                that of the values as they are.",
            },
            "values": list(bounds, "The values, in any order."),
            "precision": precision(bounds),
            "sample": {
                "type": "boolean", "default": false,
                "description": "For variance and stdev: divide by one less than the number of values.",
            },
            "percent": described(
                number(bounds),
                "For percentile, which needs it: from 0 to 100; between two ranks on a straight \
                 line. 50 is the median.",
            ),
        }),
    )
}

/// Of `exact_regression`.
pub(crate) fn regression(bounds: &Bounds) -> Value {
    object(
        &["x", "y"],
        json!({
            "x": list(bounds, "The x of each pair; at least two of them differ."),
            "y": list(bounds, "The y of each pair, in the same order."),
            "at": described(number(bounds), "An x to tell the line's value at."),
            "precision": precision(bounds),
        }),
    )
}

/// Of `exact_evaluate`.
pub(crate) fn evaluate(bounds: &Bounds) -> Value {
    let functions: Vec<&str> = EXPRESSION_FUNCTIONS.iter().map(|(.., shape)| *shape).collect();
    object(
        &["expression"],
        json!({
            "expression": {
                "type": "string", "minLength": 1, "maxLength": bounds.max_expression_chars,
                "description": format!(
                    "Such as \"(a + 1.5) * 2 ^ 10\". Operators: + - * / and ^ (or **), which takes \
                     whole exponents. Functions: {}; round without places rounds to a whole \
                     number, half to even.",
                    functions.join(", ")
                ),
            },
            "variables": {
                "type": "object",
                "propertyNames": {
                    "pattern": "^[A-Za-z_][A-Za-z0-9_]*$", "maxLength": LONGEST_NAME,
                },
                "additionalProperties": number(bounds),
                "maxProperties": bounds.max_variables,
                "description": "The values of the names in the expression.",
            },
            "precision": precision(bounds),
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
        let schema = object(
            &["value", "unit"],
            json!({"value": number(bounds), "unit": unit("The unit the value is in.")}),
        );
        described(schema, role)
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

/// The result of `exact_regression`.
pub(crate) fn line() -> Value {
    let nullable = |description: &str| json!({"type": ["string", "null"], "pattern": RESULT, "description": description});
    let number = |description: &str| json!({"type": "string", "pattern": RESULT, "description": description});
    object(
        &["operation", "count", "slope", "intercept", "correlation", "r_squared", "prediction"],
        json!({
            "operation": {"type": "string", "const": "regression"},
            "count": {"type": "integer", "minimum": 2, "description": "How many pairs there are."},
            "slope": number("How much y grows with x."),
            "intercept": number("The line's y where x is 0."),
            "correlation": nullable("Pearson's coefficient; null where all y are the same."),
            "r_squared": nullable("Its square."),
            "prediction": nullable("The line's y at the x that was asked for."),
        }),
    )
}

/// The result of `exact_evaluate`.
pub(crate) fn evaluated() -> Value {
    let mut schema = result("expression", false);
    schema["properties"]["exact"] = json!({
        "type": "boolean",
        "description": "Whether the result is the value itself, and not rounded.",
    });
    schema["properties"]["steps"] = json!({
        "type": "integer", "minimum": 0, "description": "Operations it took.",
    });
    schema["required"] = json!(["operation", "result", "unit", "exact", "steps"]);
    schema
}

/// The result of every tool with one number (C-49).
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

fn described(mut schema: Value, description: &str) -> Value {
    schema["description"] = json!(description);
    schema
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
