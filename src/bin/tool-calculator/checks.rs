//! What `--self-test` computes.

use scopegate::toolkit::Check;
use serde_json::{Value, json};

/// One check a line: what, tool, arguments, expectation.
pub(crate) fn all() -> Vec<Check> {
    vec![
        Check::gives(
            "adds decimals exactly",
            "exact_calculate",
            json!({"operator": "add", "operands": ["1.2", "2.3"]}),
            arithmetic("3.5"),
        ),
        Check::gives(
            "rounds a quotient once",
            "exact_calculate",
            json!({"operator": "div", "operands": ["2", "3"], "precision": 3}),
            arithmetic("0.667"),
        ),
        Check::gives(
            "rounds halves to even",
            "exact_calculate",
            json!({"operator": "add", "operands": ["0.125"], "precision": 2}),
            arithmetic("0.12"),
        ),
        Check::refuses(
            "refuses to divide by zero",
            "exact_calculate",
            json!({"operator": "div", "operands": ["1", "0"]}),
            "Invalid arithmetic operation",
        ),
        Check::refuses(
            "refuses an exponent",
            "exact_calculate",
            json!({"operator": "add", "operands": ["1e3"]}),
            "Invalid params",
        ),
        Check::gives(
            "takes the root of a variance",
            "exact_statistics",
            json!({"function": "stdev", "values": ["2", "4", "4", "4", "5", "5", "7", "9"],
                   "sample": true}),
            json!({
                "operation": "statistics", "result": "2.138089935299395077476427847", "unit": null
            }),
        ),
        Check::gives(
            "converts miles",
            "exact_convert_units",
            json!({"value": "1", "from_unit": "mi", "to_unit": "km"}),
            unit("1.609344", "km"),
        ),
        Check::gives(
            "divides lengths by times",
            "exact_unit_arithmetic",
            json!({"operator": "div", "left": {"value": "100", "unit": "m"},
                   "right": {"value": "10", "unit": "s"}}),
            unit("10", "m*s^-1"),
        ),
        Check::gives(
            "finds a percentile between two ranks",
            "exact_statistics",
            json!({"function": "percentile", "values": ["40", "15", "35", "20", "50"],
                   "percent": "40"}),
            json!({"operation": "statistics", "result": "29", "unit": null}),
        ),
        Check::gives(
            "converts temperatures with their zero",
            "exact_convert_units",
            json!({"value": "98.6", "from_unit": "degF", "to_unit": "degC"}),
            unit("37", "degC"),
        ),
        Check::gives(
            "fits a line",
            "exact_regression",
            json!({"x": ["1", "2", "3"], "y": ["2.5", "4.5", "6.5"], "at": "10"}),
            json!({
                "operation": "regression", "count": 3, "slope": "2", "intercept": "0.5",
                "correlation": "1", "r_squared": "1", "prediction": "20.5"
            }),
        ),
        Check::gives(
            "evaluates an expression",
            "exact_evaluate",
            json!({"expression": "(a + 0.1) ^ 2 - sqrt(b)", "variables": {"a": "0.2", "b": "6.25"}}),
            json!({
                "operation": "expression", "result": "-2.41", "unit": null,
                "exact": true, "steps": 7
            }),
        ),
        Check::refuses(
            "refuses an expression of too many digits",
            "exact_evaluate",
            json!({"expression": "9 ^ 9999 ^ 9"}),
            "an exponent must be a whole number from -10000 to 10000",
        ),
    ]
}

fn arithmetic(result: &str) -> Value {
    json!({"operation": "arithmetic", "result": result, "unit": null})
}

fn unit(result: &str, unit: &str) -> Value {
    json!({"operation": "unit", "result": result, "unit": unit})
}
