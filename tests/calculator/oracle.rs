//! Results against an independent oracle: Python's `fractions` and `decimal`,
//! in one process for all cases.

use std::io::{Read as _, Write as _};
use std::process::{Command, Stdio};

use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;
use serde_json::{Value, json};

use crate::process::Service;

/// How many random calls are compared.
const CASES: usize = 400;

/// Computes with exact fractions and rounds once with a decimal context of
/// the precision asked for; a root is taken from far more digits than asked.
const ORACLE: &str = r#"
import json, sys
from fractions import Fraction
from decimal import Decimal, Context, ROUND_HALF_EVEN, localcontext
import math
def shown(fraction, digits):
    if fraction == 0: return "0"
    # Division in one context is rounded correctly, once.
    ctx = Context(prec=digits, rounding=ROUND_HALF_EVEN, Emax=99999, Emin=-99999)
    return plain(ctx.divide(Decimal(fraction.numerator), Decimal(fraction.denominator)))
def plain(number):
    text = format(number, "f")
    if "." in text: text = text.rstrip("0").rstrip(".")
    return "0" if text in ("-0", "") else text
def root(fraction, digits):
    if fraction == 0: return "0"
    # An integer root with a sticky digit is enough to round right.
    scale = 4 * digits + 2000
    whole = fraction.numerator * 10 ** (2 * scale) // fraction.denominator
    floor = math.isqrt(whole)
    exact = floor * floor * fraction.denominator == fraction.numerator * 10 ** (2 * scale)
    sticky = floor * 10 + (0 if exact else 1)
    return shown(Fraction(sticky, 10 ** (scale + 1)), digits)
def arithmetic(operator, numbers):
    result = numbers[0]
    for number in numbers[1:]:
        if operator == "add": result += number
        elif operator == "sub": result -= number
        elif operator == "mul": result *= number
        else: result /= number
    return result
def statistics(name, numbers, sample):
    count = len(numbers)
    ordered = sorted(numbers)
    mean = sum(numbers) / count
    if name == "mean": return mean
    if name == "median":
        return ordered[count // 2] if count % 2 else (ordered[count // 2 - 1] + ordered[count // 2]) / 2
    if name == "min": return ordered[0]
    if name == "max": return ordered[-1]
    if name == "sum": return sum(numbers)
    return sum((n - mean) ** 2 for n in numbers) / (count - 1 if sample else count)
sys.set_int_max_str_digits(0)
answers = []
for case in json.load(sys.stdin):
    a = case["arguments"]
    try:
        if case["tool"] == "exact_calculate":
            answers.append(shown(arithmetic(a["operator"], [Fraction(t) for t in a["operands"]]), a["precision"]))
        elif a["function"] == "stdev":
            numbers = [Fraction(t) for t in a["values"]]
            answers.append(root(statistics("variance", numbers, a["sample"]), a["precision"]))
        else:
            numbers = [Fraction(t) for t in a["values"]]
            answers.append(shown(statistics(a["function"], numbers, a["sample"]), a["precision"]))
    except ZeroDivisionError:
        answers.append(None)
json.dump(answers, sys.stdout)
"#;

/// Texts of numbers: short ones that tie and cancel, and long ones.
fn number() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => "[+-]?[0-9]{1,3}(\\.[0-9]{1,3})?",
        2 => "-?\\.[05]{1,4}",
        3 => "-?[0-9]{1,30}\\.[0-9]{1,30}",
        1 => "-?[0-9]{90,100}(\\.[0-9]{90,100})?",
    ]
}

fn call() -> impl Strategy<Value = Value> {
    let precision = prop_oneof![2 => 1_u32..5, 2 => Just(28), 2 => 29_u32..=100];
    let operators = prop::sample::select(vec!["add", "sub", "mul", "div"]);
    let functions =
        prop::sample::select(vec!["mean", "median", "variance", "stdev", "min", "max", "sum"]);
    let arithmetic = (operators, prop::collection::vec(number(), 2..6), precision.clone())
        .prop_map(|(operator, operands, precision)| {
            json!({"tool": "exact_calculate", "arguments":
                   {"operator": operator, "operands": operands, "precision": precision}})
        });
    let statistics = (functions, prop::collection::vec(number(), 2..12), precision, any::<bool>())
        .prop_map(|(function, values, precision, sample)| {
            json!({"tool": "exact_statistics", "arguments": {"function": function,
                       "values": values, "precision": precision, "sample": sample}})
        });
    prop_oneof![arithmetic, statistics]
}

fn ask_python(cases: &[Value]) -> Vec<Value> {
    let mut python = Command::new("python3")
        .args(["-c", ORACLE])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("python3 is needed as the oracle");
    let input = serde_json::to_vec(cases).unwrap();
    python.stdin.take().unwrap().write_all(&input).unwrap();
    let mut output = String::new();
    python.stdout.take().unwrap().read_to_string(&mut output).unwrap();
    assert!(python.wait().unwrap().success());
    serde_json::from_str(&output).unwrap()
}

#[test]
fn random_calls_agree_with_python() {
    let mut runner = TestRunner::deterministic();
    let cases: Vec<Value> =
        (0..CASES).map(|_| call().new_tree(&mut runner).unwrap().current()).collect();
    let expected = ask_python(&cases);
    assert_eq!(expected.len(), CASES);
    let service = Service::patient();
    let mut refused = 0;
    for (case, expected) in cases.iter().zip(&expected) {
        let reply = service.call(case["tool"].as_str().unwrap(), case["arguments"].clone());
        if expected.is_null() {
            assert_eq!(reply["error"]["message"], "Invalid arithmetic operation", "{case}");
            refused += 1;
        } else {
            assert_eq!(&reply["result"]["structuredContent"]["result"], expected, "{case}");
        }
    }
    assert!(refused < CASES / 4, "{refused} cases divide by zero");
}
