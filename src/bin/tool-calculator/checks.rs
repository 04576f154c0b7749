//! What `--self-test` computes.

use scopegate::protocol::codes;
use scopegate::toolkit::{Check, Expect};
use serde_json::{Value, json};

/// One check a line: what, tool, arguments, expectation.
pub(crate) fn all() -> Vec<Check> {
    let refused = |message| Expect::Error(codes::INVALID_PARAMS, message);
    vec![
        check(
            "adds decimals exactly",
            "exact_calculate",
            json!({"operator": "add", "operands": ["1.2", "2.3"]}),
            arithmetic("3.5"),
        ),
        check(
            "rounds a quotient once",
            "exact_calculate",
            json!({"operator": "div", "operands": ["2", "3"], "precision": 3}),
            arithmetic("0.667"),
        ),
        check(
            "rounds halves to even",
            "exact_calculate",
            json!({"operator": "add", "operands": ["0.125"], "precision": 2}),
            arithmetic("0.12"),
        ),
        check(
            "refuses to divide by zero",
            "exact_calculate",
            json!({"operator": "div", "operands": ["1", "0"]}),
            refused("Invalid arithmetic operation"),
        ),
        check(
            "refuses an exponent",
            "exact_calculate",
            json!({"operator": "add", "operands": ["1e3"]}),
            refused("Invalid params"),
        ),
        check(
            "takes the root of a variance",
            "exact_statistics",
            json!({"function": "stdev", "values": ["2", "4", "4", "4", "5", "5", "7", "9"],
                   "sample": true}),
            Expect::Result(json!({
                "operation": "statistics", "result": "2.138089935299395077476427847", "unit": null
            })),
        ),
        check(
            "converts miles",
            "exact_convert_units",
            json!({"value": "1", "from_unit": "mi", "to_unit": "km"}),
            unit("1.609344", "km"),
        ),
        check(
            "divides lengths by times",
            "exact_unit_arithmetic",
            json!({"operator": "div", "left": {"value": "100", "unit": "m"},
                   "right": {"value": "10", "unit": "s"}}),
            unit("10", "m*s^-1"),
        ),
        check(
            "finds a percentile between two ranks",
            "exact_statistics",
            json!({"function": "percentile", "values": ["40", "15", "35", "20", "50"],
                   "percent": "40"}),
            Expect::Result(json!({"operation": "statistics", "result": "29", "unit": null})),
        ),
        check(
            "converts temperatures with their zero",
            "exact_convert_units",
            json!({"value": "98.6", "from_unit": "degF", "to_unit": "degC"}),
            unit("37", "degC"),
        ),
        check(
            "fits a line",
            "exact_regression",
            json!({"x": ["1", "2", "3"], "y": ["2.5", "4.5", "6.5"], "at": "10"}),
            Expect::Result(json!({
                "operation": "regression", "count": 3, "slope": "2", "intercept": "0.5",
                "correlation": "1", "r_squared": "1", "prediction": "20.5"
            })),
        ),
        check(
            "evaluates an expression",
            "exact_evaluate",
            json!({"expression": "(a + 0.1) ^ 2 - sqrt(b)", "variables": {"a": "0.2", "b": "6.25"}}),
            Expect::Result(json!({
                "operation": "expression", "result": "-2.41", "unit": null,
                "exact": true, "steps": 7
            })),
        ),
        check(
            "refuses an expression of too many digits",
            "exact_evaluate",
            json!({"expression": "9 ^ 9999 ^ 9"}),
            refused("an exponent must be a whole number from -10000 to 10000"),
        ),
        check(
            "knows no other tool",
            "exact_guess",
            json!({}),
            Expect::Error(codes::tool::NOT_FOUND, "Tool not found: exact_guess"),
        ),
    ]
}

fn check(what: &'static str, tool: &'static str, arguments: Value, expect: Expect) -> Check {
    Check { what, tool, arguments, expect }
}

fn arithmetic(result: &str) -> Expect {
    Expect::Result(json!({"operation": "arithmetic", "result": result, "unit": null}))
}

fn unit(result: &str, unit: &str) -> Expect {
    Expect::Result(json!({"operation": "unit", "result": result, "unit": unit}))
}
