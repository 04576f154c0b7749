//! What the calculator does beyond the reference systems.

use serde_json::{Value, json};

use crate::process::Service;

fn result(service: &Service, tool: &str, arguments: Value) -> Value {
    let reply = service.call(tool, arguments.clone());
    let result = reply["result"]["structuredContent"].clone();
    assert!(result.is_object(), "{arguments}: {reply}");
    result
}

fn refusal(service: &Service, tool: &str, arguments: Value) -> String {
    let reply = service.call(tool, arguments.clone());
    assert_eq!(reply["error"]["code"], -32602, "{arguments}: {reply}");
    reply["error"]["message"].as_str().unwrap().to_owned()
}

#[test]
fn percentile_mode_range_and_squares() {
    let service = Service::patient();
    for (more, expected) in [
        (json!({"function": "percentile", "percent": "40"}), "29"),
        (json!({"function": "percentile", "percent": "33", "precision": 3}), "24.8"),
        (json!({"function": "mode"}), "15"),
        (json!({"function": "range"}), "35"),
        (json!({"function": "sum_of_squares"}), "5950"),
    ] {
        let mut arguments = more.clone();
        arguments["values"] = json!(["40", "15", "35", "20", "50"]);
        assert_eq!(result(&service, "exact_statistics", arguments)["result"], expected, "{more}");
    }
    let refused = |more: Value| {
        let mut arguments = more;
        arguments["values"] = json!(["1", "2"]);
        refusal(&service, "exact_statistics", arguments)
    };
    assert_eq!(refused(json!({"function": "percentile"})), "percentile requires percent");
    assert_eq!(
        refused(json!({"function": "mean", "percent": "5"})),
        "percent is of percentile only"
    );
    for percent in ["-0.1", "100.01"] {
        let refused = refused(json!({"function": "percentile", "percent": percent}));
        assert_eq!(refused, "percent must be from 0 to 100");
    }
}

#[test]
fn units_of_every_kind() {
    let service = Service::patient();
    for (value, from, to, expected) in [
        ("1", "acre", "m^2", "4046.8564224"),
        ("2.5", "ha", "km^2", "0.025"),
        ("1", "gal_us", "L", "3.785411784"),
        ("1", "gal_uk", "mL", "4546.09"),
        ("8", "floz_us", "cup_us", "1"),
        ("90", "km/h", "m/s", "25"),
        ("1", "kn", "km/h", "1.852"),
        ("100", "degC", "degF", "212"),
        ("-459.67", "degF", "K", "0"),
        ("1", "GiB", "GB", "1.073741824"),
        ("100", "Mbit", "MB", "12.5"),
        ("1", "kWh", "MJ", "3.6"),
        ("1", "BTU", "J", "1055.05585262"),
        ("1", "J", "eV", "6241509074460762607.776240981"),
        ("1", "atm", "mmHg", "759.9998917256112803761255688"),
        ("1", "psi", "Pa", "6894.757293168361336722673445"),
        ("1", "nmi", "m", "1852"),
        ("1", "week", "h", "168"),
        ("1", "st", "lb", "14"),
    ] {
        let arguments = json!({"value": value, "from_unit": from, "to_unit": to});
        let found = result(&service, "exact_convert_units", arguments);
        assert_eq!((&found["result"], &found["unit"]), (&json!(expected), &json!(to)), "{from}");
    }
    let product = |operator: &str, left: [&str; 2], right: [&str; 2], wanted: Option<&str>| {
        let mut arguments = json!({
            "operator": operator, "left": {"value": left[0], "unit": left[1]},
            "right": {"value": right[0], "unit": right[1]},
        });
        if let Some(wanted) = wanted {
            arguments["result_unit"] = json!(wanted);
        }
        arguments
    };
    let found = result(
        &service,
        "exact_unit_arithmetic",
        product("mul", ["3", "m"], ["4", "m"], Some("m^2")),
    );
    assert_eq!((&found["result"], &found["unit"]), (&json!("12"), &json!("m^2")));
    let found =
        result(&service, "exact_unit_arithmetic", product("div", ["1", "GB"], ["8", "s"], None));
    assert_eq!((&found["result"], &found["unit"]), (&json!("1000000000"), &json!("s^-1*bit")));
    let refused = refusal(
        &service,
        "exact_unit_arithmetic",
        product("sub", ["20", "degC"], ["5", "degC"], None),
    );
    assert_eq!(refused, "degC and degF can only be converted");
    let across = json!({"value": "1", "from_unit": "m^2", "to_unit": "m^3"});
    assert_eq!(refusal(&service, "exact_convert_units", across), "incompatible units");
}

#[test]
fn a_line_through_points() {
    let service = Service::patient();
    let pairs = json!({"x": ["1", "2", "3"], "y": ["1", "3", "2"], "at": "4", "precision": 5});
    assert_eq!(
        result(&service, "exact_regression", pairs),
        json!({"operation": "regression", "count": 3, "slope": "0.5", "intercept": "1",
               "correlation": "0.5", "r_squared": "0.25", "prediction": "3"})
    );
    let uneven = json!({"x": ["1", "2"], "y": ["1"]});
    assert!(refusal(&service, "exact_regression", uneven).contains("same number"));
    let upright = json!({"x": ["1", "1"], "y": ["1", "2"]});
    assert!(refusal(&service, "exact_regression", upright).contains("different values of x"));
}

#[test]
fn expressions() {
    let service = Service::patient();
    let evaluate = |arguments| result(&service, "exact_evaluate", arguments);
    assert_eq!(
        evaluate(json!({"expression": "net * (1 + rate/100)",
                        "variables": {"net": "19.99", "rate": "7.7"}})),
        json!({"operation": "expression", "result": "21.52923", "unit": null,
               "exact": true, "steps": 3})
    );
    let third = evaluate(json!({"expression": "1/3", "precision": 5}));
    assert_eq!((&third["result"], &third["exact"]), (&json!("0.33333"), &json!(false)));
    let root = evaluate(json!({"expression": "sqrt(16) + sqrt(2)", "precision": 50}));
    let expected = "5.4142135623730950488016887242096980785696718753769";
    assert_eq!((&root["result"], &root["exact"]), (&json!(expected), &json!(false)));

    let refused = |arguments| refusal(&service, "exact_evaluate", arguments);
    for (expression, sentence) in [
        ("1/0", "Invalid arithmetic operation"),
        ("sqrt(-1)", "Invalid arithmetic operation"),
        ("2^0.5", "an exponent must be a whole number from -10000 to 10000"),
        ("(9^9999)^9", "a number on the way exceeds the size limit"),
        ("9^9999", "output exceeds size limit"),
    ] {
        let found = refused(json!({"expression": expression, "precision": 3}));
        assert_eq!(found, sentence, "{expression}");
    }
    let reply = service.call("exact_evaluate", json!({"expression": "secret + 1"}));
    assert_eq!(
        reply["error"]["data"]["details"],
        json!([{"loc": ["expression"], "msg": "this variable has no value, at character 1",
                "type": "syntax"}])
    );
    for (arguments, rule) in [
        (json!({"expression": ""}), "minLength"),
        (json!({"expression": "1".repeat(1001)}), "maxLength"),
        (json!({"expression": "a", "variables": {"a b": "1"}}), "propertyNames"),
        (json!({"expression": "a", "variables": {"a": "1e3"}}), "pattern"),
        (json!({"expression": "a", "variables": {"a": "1".repeat(201)}}), "maxLength"),
    ] {
        let reply = service.call("exact_evaluate", arguments.clone());
        assert_eq!(reply["error"]["data"]["details"][0]["type"], rule, "{arguments}: {reply}");
    }
}

#[test]
fn the_limits_of_expressions_can_be_set_and_time_is_one() {
    let service = Service::start(&[
        ("REQUEST_TIMEOUT_MS", "20000"),
        ("MAX_EXPRESSION_CHARS", "20"),
        ("MAX_EXPRESSION_DEPTH", "2"),
        ("MAX_EXPRESSION_STEPS", "3"),
        ("MAX_VARIABLES", "1"),
    ]);
    let refused = |arguments| refusal(&service, "exact_evaluate", arguments);
    assert_eq!(refused(json!({"expression": "1+1+1+1+1"})), "the expression takes too many steps");
    for shape in [
        json!({"expression": "1".repeat(21)}),
        json!({"expression": "(((1)))"}),
        json!({"expression": "1", "variables": {"a": "1", "b": "2"}}),
    ] {
        assert_eq!(refused(shape.clone()), "Invalid params", "{shape}");
    }
    let brief = Service::start(&[
        ("REQUEST_TIMEOUT_MS", "1"),
        ("MAX_EXPRESSION_CHARS", "16384"),
        ("MAX_EXPRESSION_STEPS", "100000"),
    ]);
    let heavy = format!("0{}", "+(7^9999-3^9999)*(7^9999+3^9999)".repeat(400));
    let reply = brief.call("exact_evaluate", json!({"expression": heavy}));
    assert_eq!(reply["error"], json!({"code": -32003, "message": "Timeout"}));
}

#[test]
fn compute_knows_the_new_operations() {
    let service = Service::patient();
    for (operation, params, member, expected) in [
        ("expression", json!({"expression": "2^10"}), "result", "1024"),
        ("exact_evaluate", json!({"expression": "2^10"}), "result", "1024"),
        ("regression", json!({"x": ["0", "1"], "y": ["1", "3"]}), "slope", "2"),
    ] {
        let body = json!({"operation": operation, "params": params}).to_string();
        let reply = service.send("POST", "/v1/compute", &[], body.as_bytes());
        assert_eq!((reply.status, &reply.json()[member]), (200, &json!(expected)), "{operation}");
    }
}
