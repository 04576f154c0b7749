//! Vectors V-105 to V-120 of the reference systems, each by its number.

use serde_json::{Value, json};

use crate::process::Service;

struct Calculator(Service);

impl Calculator {
    fn start() -> Self {
        Self(Service::patient())
    }

    /// The plain result of a call that must succeed, which is both the
    /// structured content and, as JSON, the only block of text.
    fn plain(&self, tool: &str, arguments: Value) -> Value {
        let reply = self.0.call(tool, arguments.clone());
        let result = &reply["result"];
        assert_eq!(result["isError"], json!(false), "{tool} {arguments}: {reply}");
        assert_eq!(result["content"].as_array().unwrap().len(), 1);
        assert_eq!(result["content"][0]["type"], "text");
        let text: Value =
            serde_json::from_str(result["content"][0]["text"].as_str().unwrap()).unwrap();
        assert_eq!(text, result["structuredContent"]);
        text
    }

    fn error(&self, tool: &str, arguments: Value) -> (i64, String) {
        let reply = self.0.call(tool, arguments.clone());
        assert_eq!(reply.get("result"), None, "{tool} {arguments}: {reply}");
        let error = &reply["error"];
        (error["code"].as_i64().unwrap(), error["message"].as_str().unwrap().to_owned())
    }

    fn calculate(&self, operator: &str, operands: &[&str], precision: Option<u32>) -> String {
        let mut arguments = json!({"operator": operator, "operands": operands});
        if let Some(precision) = precision {
            arguments["precision"] = json!(precision);
        }
        let plain = self.plain("exact_calculate", arguments);
        assert_eq!(plain["operation"], "arithmetic");
        assert_eq!(plain["unit"], Value::Null);
        plain["result"].as_str().unwrap().to_owned()
    }

    fn statistics(&self, function: &str, values: &[&str], sample: bool) -> String {
        let arguments = json!({"function": function, "values": values, "sample": sample});
        let plain = self.plain("exact_statistics", arguments);
        assert_eq!(plain["operation"], "statistics");
        assert_eq!(plain["unit"], Value::Null);
        plain["result"].as_str().unwrap().to_owned()
    }

    fn convert(&self, value: &str, from: &str, to: &str) -> String {
        let arguments = json!({"value": value, "from_unit": from, "to_unit": to});
        let plain = self.plain("exact_convert_units", arguments);
        assert_eq!(plain["operation"], "unit");
        assert_eq!(plain["unit"], to);
        plain["result"].as_str().unwrap().to_owned()
    }

    fn units(
        &self,
        operator: &str,
        left: [&str; 2],
        right: [&str; 2],
        wanted: Option<&str>,
    ) -> [String; 2] {
        let plain = self.plain("exact_unit_arithmetic", quantities(operator, left, right, wanted));
        assert_eq!(plain["operation"], "unit");
        ["result", "unit"].map(|member| plain[member].as_str().unwrap().to_owned())
    }
}

fn quantities(operator: &str, left: [&str; 2], right: [&str; 2], wanted: Option<&str>) -> Value {
    let mut arguments = json!({
        "operator": operator,
        "left": {"value": left[0], "unit": left[1]},
        "right": {"value": right[0], "unit": right[1]},
    });
    if let Some(wanted) = wanted {
        arguments["result_unit"] = json!(wanted);
    }
    arguments
}

fn refused(message: &str) -> (i64, String) {
    (-32602, message.to_owned())
}

#[test]
fn v105_sums() {
    let calculator = Calculator::start();
    assert_eq!(calculator.calculate("add", &["1.2", "2.3"], None), "3.5");
    assert_eq!(calculator.calculate("add", &["1.25", "2.75"], None), "4");
}

#[test]
fn v106_products() {
    let calculator = Calculator::start();
    assert_eq!(calculator.calculate("mul", &["7", "6"], None), "42");
    assert_eq!(calculator.calculate("mul", &["1100", "0.09290304"], None), "102.193344");
}

#[test]
fn v107_differences_and_quotients() {
    let calculator = Calculator::start();
    assert_eq!(calculator.calculate("sub", &["10", "3", "2"], None), "5");
    assert_eq!(calculator.calculate("div", &["10", "4"], None), "2.5");
    let third = calculator.calculate("div", &["1", "3"], None);
    assert_eq!(third, "0.3333333333333333333333333333");
}

#[test]
fn v108_precision_and_half_even() {
    let calculator = Calculator::start();
    assert_eq!(calculator.calculate("div", &["2", "3"], Some(3)), "0.667");
    assert_eq!(calculator.calculate("add", &["0.125"], Some(2)), "0.12");
    assert_eq!(calculator.calculate("add", &["0.135"], Some(2)), "0.14");
}

#[test]
fn v109_no_exponent_and_no_negative_zero() {
    let calculator = Calculator::start();
    assert_eq!(calculator.calculate("add", &["100", "0"], None), "100");
    assert_eq!(calculator.calculate("add", &["-0", "0"], None), "0");
}

#[test]
fn v110_refused_arithmetic() {
    let calculator = Calculator::start();
    let error = |operator, operands: &[&str]| {
        calculator.error("exact_calculate", json!({"operator": operator, "operands": operands}))
    };
    assert_eq!(error("div", &["1", "0"]), refused("Invalid arithmetic operation"));
    assert_eq!(error("sub", &["5"]), refused("sub and div require at least 2 operands"));
    assert_eq!(error("add", &["1e3"]), refused("Invalid params"));
}

#[test]
fn v111_mean_median_count() {
    let calculator = Calculator::start();
    assert_eq!(calculator.statistics("mean", &["1", "2", "3", "4"], false), "2.5");
    assert_eq!(calculator.statistics("median", &["3", "1", "2", "4"], false), "2.5");
    assert_eq!(calculator.statistics("count", &["3", "1", "2"], false), "3");
}

const SPREAD: [&str; 8] = ["2", "4", "4", "4", "5", "5", "7", "9"];

#[test]
fn v112_variance_and_stdev() {
    let calculator = Calculator::start();
    assert_eq!(calculator.statistics("variance", &SPREAD, false), "4");
    assert_eq!(calculator.statistics("stdev", &SPREAD, false), "2");
}

#[test]
fn v113_variance_and_stdev_of_a_sample() {
    let calculator = Calculator::start();
    let variance = calculator.statistics("variance", &SPREAD, true);
    assert_eq!(variance, "4.571428571428571428571428571");
    let stdev = calculator.statistics("stdev", &SPREAD, true);
    assert_eq!(stdev, "2.138089935299395077476427847");
}

#[test]
fn v114_variance_of_one_value() {
    let calculator = Calculator::start();
    for function in ["variance", "stdev"] {
        assert_eq!(
            calculator.error("exact_statistics", json!({"function": function, "values": ["1"]})),
            refused("variance and stdev require at least 2 values")
        );
    }
}

#[test]
fn v115_conversions() {
    let calculator = Calculator::start();
    assert_eq!(calculator.convert("1500", "m", "km"), "1.5");
    assert_eq!(calculator.convert("1", "mi", "km"), "1.609344");
    assert_eq!(calculator.convert("1", "ft", "in"), "12");
    assert_eq!(calculator.convert("1", "lb", "g"), "453.59237");
    assert_eq!(calculator.convert("1", "day", "h"), "24");
}

#[test]
fn v116_conversion_across_dimensions() {
    let calculator = Calculator::start();
    let arguments = json!({"value": "1", "from_unit": "m", "to_unit": "kg"});
    assert_eq!(calculator.error("exact_convert_units", arguments), refused("incompatible units"));
}

#[test]
fn v117_sums_of_quantities() {
    let calculator = Calculator::start();
    assert_eq!(calculator.units("add", ["2", "m"], ["3", "ft"], None), ["2.9144", "m"]);
    assert_eq!(calculator.units("add", ["2.5", "m"], ["30", "cm"], Some("m")), ["2.8", "m"]);
}

#[test]
fn v118_products_and_quotients_of_quantities() {
    let calculator = Calculator::start();
    assert_eq!(calculator.units("mul", ["2", "m"], ["3", "m"], None), ["6", "m^2"]);
    assert_eq!(calculator.units("div", ["100", "m"], ["10", "s"], None), ["10", "m*s^-1"]);
    assert_eq!(calculator.units("div", ["10", "kg"], ["2", "kg"], None), ["5", "1"]);
}

#[test]
fn v119_refused_quantities() {
    let calculator = Calculator::start();
    let error = |arguments| calculator.error("exact_unit_arithmetic", arguments);
    assert_eq!(
        error(quantities("add", ["1", "m"], ["1", "s"], None)),
        refused("incompatible units for add/sub")
    );
    assert_eq!(
        error(quantities("mul", ["2", "m"], ["3", "m"], Some("m"))),
        refused("result unit incompatible")
    );
    assert_eq!(
        error(quantities("add", ["2", "m"], ["3", "m"], Some("kg"))),
        refused("result unit incompatible")
    );
}

#[test]
fn v120_wrong_secret_and_unknown_tool() {
    let calculator = Calculator::start();
    let message = json!({"jsonrpc": "2.0", "id": "a", "method": "tools/list"}).to_string();
    let headers = [("content-type", "application/json"), ("x-gateway-auth", "wrong")];
    let reply = calculator.0.connect().send("POST", "/mcp", &headers, message.as_bytes());
    assert_eq!(
        reply.json(),
        json!({"jsonrpc": "2.0", "id": "a",
               "error": {"code": -32004, "message": "Unauthorized gateway request"}})
    );
    assert_eq!(
        calculator.error("no_such_tool", json!({})),
        (-32001, "Tool not found: no_such_tool".to_owned())
    );
}

/// C-50: precision above 28 really has an effect.
#[test]
fn a_precision_of_a_hundred_gives_a_hundred_digits() {
    let calculator = Calculator::start();
    let third = calculator.calculate("div", &["1", "3"], Some(100));
    assert_eq!(third, format!("0.{}", "3".repeat(100)));
    let long = "1".repeat(99);
    assert_eq!(
        calculator.calculate("add", &[&long, "1"], Some(100)),
        format!("{}2", "1".repeat(98))
    );
}

/// C-54: the same results without a protocol.
#[test]
fn compute_gives_the_plain_result() {
    let calculator = Calculator::start();
    let post = |operation: &str, params: Value| {
        let body = json!({"operation": operation, "params": params}).to_string();
        let reply = calculator.0.send("POST", "/v1/compute", &[], body.as_bytes());
        (reply.status, reply.json())
    };
    let sum = json!({"operator": "add", "operands": ["1.2", "2.3"]});
    let expected = json!({"operation": "arithmetic", "result": "3.5", "unit": null});
    assert_eq!(post("arithmetic", sum.clone()), (200, expected.clone()));
    assert_eq!(post("exact_calculate", sum), (200, expected));
    assert_eq!(
        post("statistics", json!({"function": "sum", "values": ["1", "2"]})).1["result"],
        "3"
    );
    let convert = json!({"value": "1", "from_unit": "km", "to_unit": "m"});
    assert_eq!(
        post("unit", convert).1,
        json!({"operation": "unit", "result": "1000", "unit": "m"})
    );
    let product = quantities("mul", ["2", "m"], ["3", "s"], None);
    assert_eq!(post("unit", product).1, json!({"operation": "unit", "result": "6", "unit": "m*s"}));

    let zero = json!({"operator": "div", "operands": ["1", "0"]});
    assert_eq!(post("arithmetic", zero), (400, json!({"error": "Invalid arithmetic operation"})));
    assert_eq!(post("guess", json!({})), (400, json!({"error": "unknown operation"})));
    let (status, shape) = post("arithmetic", json!({"operator": "add", "operands": []}));
    assert_eq!((status, &shape["error"]), (400, &json!("Invalid params")));
    for broken in ["", "[]", "{", r#"{"operation":"arithmetic"}"#, r#"{"operation":1,"params":{}}"#]
    {
        assert_eq!(calculator.0.send("POST", "/v1/compute", &[], broken.as_bytes()).status, 400);
    }
}
