//! Expressions of the calculator: whatever is read is computed within its
//! bounds, in one way, and nothing panics.

#![no_main]

use libfuzzer_sys::fuzz_target;

// The target uses less of them than the service does.
#[allow(dead_code)]
#[path = "../../../src/bin/tool-calculator/exact.rs"]
mod exact;
#[allow(dead_code, unused_imports)]
#[path = "../../../src/bin/tool-calculator/expression/mod.rs"]
mod expression;

use exact::Exact;
use expression::{Bounds, Problem, evaluate, read};

const BOUNDS: Bounds = Bounds { longest: 1000, digits: 200, depth: 32, steps: 1000 };

/// With room for what is put around a text.
const WIDER: Bounds = Bounds { longest: 1010, digits: 200, depth: 34, steps: 1002 };

/// The value, whether it is exact, and the steps it took.
fn run(text: &str, bounds: &Bounds) -> Result<(Exact, bool, usize), Problem> {
    let value = |name: &str| match name {
        "a" => Exact::parse("-12.50"),
        "b_1" => Exact::parse("3"),
        _ => None,
    };
    let answer = evaluate(read(text, bounds, value)?, 28, bounds, || true)?;
    Ok((answer.value, answer.exact, answer.steps))
}

fuzz_target!(|text: &str| {
    let outcome = run(text, &BOUNDS);
    if let Err(Problem::Text { at, .. }) = outcome {
        assert!(at >= 1 && at <= text.chars().count() + 1, "{at}");
    }
    let Ok((value, exact, steps)) = outcome else { return };
    assert!(steps <= BOUNDS.steps);
    // A parenthesis changes nothing, and a sign only the sign.
    let again = run(&format!("({text})"), &WIDER).expect("the same in parentheses");
    assert_eq!(again, (value.clone(), exact, steps));
    let (negative, ..) = run(&format!("-({text})"), &WIDER).expect("the same with a sign");
    assert!(negative.add(&value).is_zero());
    assert_eq!(value.reduced(), value);
});
