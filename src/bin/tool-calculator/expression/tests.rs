use proptest::prelude::*;

use super::evaluate::Answer;
use super::*;
use crate::exact::Exact;
use crate::round::Form;

const BOUNDS: Bounds = Bounds { longest: 1000, digits: 200, depth: 32, steps: 1000 };

fn value_of(name: &str) -> Option<Exact> {
    match name {
        "x" => Some(Exact::new(-25, -1)),
        "_y1" => Some(Exact::new(4, 0)),
        "max" => Some(Exact::new(9, 0)),
        _ => None,
    }
}

fn run(text: &str) -> Result<Answer, Problem> {
    evaluate(read(text, &BOUNDS, value_of)?, 28, &BOUNDS, || true)
}

fn shown(text: &str) -> String {
    let answer = run(text).unwrap_or_else(|problem| panic!("{text}: {problem}"));
    answer.value.to_text(Form { precision: 28, longest: 4096 }).unwrap()
}

#[test]
fn operators_bind_as_in_school_and_in_python() {
    for (text, expected) in [
        ("1+2*3", "7"),
        ("(1+2)*3", "9"),
        ("10-4-3", "3"),
        ("100/5/2", "10"),
        ("100/5*2", "40"),
        ("2^3^2", "512"),
        ("2**10", "1024"),
        ("-2^2", "-4"),
        ("(-2)^2", "4"),
        ("2^-1", "0.5"),
        ("2^-3^2", "0.001953125"),
        ("2*-3", "-6"),
        ("1--+-1", "0"),
        ("0^0", "1"),
        ("0.1+0.2", "0.3"),
        ("1/3*3", "1"),
        (" \t1\r\n+\n.5 ", "1.5"),
        ("x*_y1", "-10"),
        ("max+max(max, 1)", "18"),
        ("1.10^100/1.1^99", "1.1"),
    ] {
        assert_eq!(shown(text), expected, "{text}");
    }
}

#[test]
fn functions_do_what_their_names_say() {
    for (text, expected) in [
        ("abs(x)", "2.5"),
        ("floor(x)", "-3"),
        ("ceil(x)", "-2"),
        ("trunc(x)", "-2"),
        ("floor(2.5)+ceil(2.5)+trunc(2.5)", "7"),
        ("floor(-3)+ceil(-3)", "-6"),
        ("round(2.5)", "2"),
        ("round(3.5)", "4"),
        ("round(-2.5)", "-2"),
        ("round(-2.51)", "-3"),
        ("round(0.125, 2)", "0.12"),
        ("round(1/3, 3)", "0.333"),
        ("round(1250, -2)", "1200"),
        ("round(-0.4)", "0"),
        ("mod(7, 3)", "1"),
        ("mod(-7, 3)", "2"),
        ("mod(7, -3)", "-2"),
        ("mod(0.3, 0.1)", "0"),
        ("sqrt(6.25)", "2.5"),
        ("sqrt(1/9)*3", "1"),
        ("sqrt(0)", "0"),
        ("sqrt(2)", "1.414213562373095048801688724"),
        ("min(3, -1, 2)", "-1"),
        ("max(3)", "3"),
        ("sum(1, 2, 3.5)", "6.5"),
        ("mean(1, 2, 4, 3)", "2.5"),
    ] {
        assert_eq!(shown(text), expected, "{text}");
    }
}

#[test]
fn only_roots_are_not_exact() {
    assert!(run("1/3+2^-100").unwrap().exact);
    assert!(run("sqrt(1/4)").unwrap().exact);
    assert!(!run("sqrt(2)*0").unwrap().exact);
}

#[test]
fn what_is_no_expression_is_told_with_its_place() {
    for (text, what, at) in [
        ("", "ends too early", 1),
        ("1+", "ends too early", 3),
        ("1 2", "an operator", 3),
        ("2x", "an operator", 2),
        ("x(2)", "no such function", 1),
        ("1+pow(2, 3)", "no such function", 3),
        ("sqrt(1, 2)", "number of arguments", 1),
        ("mod(1)", "number of arguments", 1),
        ("sum()", "a number or a name", 5),
        ("(1", "closing", 3),
        ("(1,2)", "closing", 3),
        ("1)", "an operator", 2),
        ("*1", "a number or a name", 1),
        ("z + 1", "has no value", 1),
        ("sqrt", "has no value", 1),
        ("1e3", "an operator", 2),
        ("1.2.3", "not a decimal", 1),
        ("1.", "not a decimal", 1),
        ("1 + 2 % 3", "means nothing", 7),
        ("1 + é", "means nothing", 5),
        ("é", "means nothing", 1),
    ] {
        match run(text) {
            Err(Problem::Text { what: found, at: place }) => {
                assert!(found.contains(what) && place == at, "{text}: {found}, {place}");
            }
            other => panic!("{text}: {other:?}"),
        }
    }
}

#[test]
fn what_has_no_answer_is_refused() {
    for text in ["1/0", "1/(x-x)", "0^-1", "sqrt(-1)", "mod(1, 0)"] {
        assert_eq!(run(text).unwrap_err(), Problem::Undefined, "{text}");
    }
    for text in ["2^0.5", "2^10001", "2^-10001", "2^(10^30)"] {
        assert_eq!(run(text).unwrap_err(), Problem::Exponent, "{text}");
    }
    for text in ["round(1, 0.5)", "round(1, 1001)", "round(1, -1001)"] {
        assert_eq!(run(text).unwrap_err(), Problem::Places, "{text}");
    }
}

#[test]
fn everything_is_bounded() {
    let nested = |depth: usize| format!("{}1{}", "(".repeat(depth), ")".repeat(depth));
    assert_eq!(shown(&nested(32)), "1");
    for deep in [nested(33), "-".repeat(33) + "1", "2^".repeat(33) + "1"] {
        let Err(Problem::Text { what, .. }) = run(&deep) else { panic!("{deep}") };
        assert_eq!(what, "the expression nests too deep");
    }
    assert!(matches!(run(&"1".repeat(1001)), Err(Problem::Text { at: 1001, .. })));
    assert!(matches!(run(&"1".repeat(201)), Err(Problem::Text { at: 1, .. })));
    assert_eq!(shown(&"7".repeat(20)), "77777777777777777777");
    assert!(matches!(run(&format!("{} + 1", "v".repeat(33))), Err(Problem::Text { .. })));
    assert_eq!(run("9^9999^2").unwrap_err(), Problem::Exponent);
    assert_eq!(run("(9^9999)^9").unwrap_err(), Problem::Size);
    assert_eq!(run("(10^-9999)^9").unwrap_err(), Problem::Size);
    let few = Bounds { steps: 10, ..BOUNDS };
    let steps = |text: &str| evaluate(read(text, &few, value_of)?, 28, &few, || true);
    assert_eq!(steps("1+1+1+1+1+1+1+1+1+1+1").unwrap().steps, 10);
    assert_eq!(steps("1+1+1+1+1+1+1+1+1+1+1+1").unwrap_err(), Problem::Steps);
    assert_eq!(steps("sum(1,1,1,1,1,1,1,1,1,1)").unwrap().steps, 10);
    assert_eq!(steps("sum(1,1,1,1,1,1,1,1,1,1,1)").unwrap_err(), Problem::Steps);
    assert_eq!(steps("2^255").unwrap_err(), Problem::Steps);
    assert_eq!(
        evaluate(read("1+1", &BOUNDS, value_of).unwrap(), 28, &BOUNDS, || false).unwrap_err(),
        Problem::Time
    );
}

#[test]
fn what_is_large_only_in_its_writing_is_made_small() {
    // Without lowest terms, each factor would add to both parts.
    let factors = "*(999999999999/999999999998)*(999999999998/999999999999)".repeat(17);
    assert_eq!(shown(&format!("(9^9000/9^9000){factors}")), "1");
}

proptest! {
    /// Nothing makes it fail in another way than by a [`Problem`].
    #[test]
    fn any_text_ends_well(text in "[-+*/^(), .0-9a-z_]{0,60}") {
        if let Ok(answer) = run(&text) {
            prop_assert!(answer.steps <= BOUNDS.steps);
            // One more level, step or digit may be one too many.
            if let Ok(doubled) = run(&format!("2*({text})")) {
                prop_assert_eq!(doubled.value, answer.value.add(&answer.value));
            }
        }
    }

    /// Sums and products of whole numbers need no library.
    #[test]
    fn whole_numbers_agree_with_the_machine(a in -999_i64..999, b in -999_i64..999, c in 1_i64..99) {
        let of = |text: String| run(&text).unwrap().value;
        prop_assert_eq!(of(format!("{a}-{b}*{c}")), Exact::new(a - b * c, 0));
        prop_assert_eq!(of(format!("mod({a}, {c})")), Exact::new(a.rem_euclid(c), 0));
        prop_assert_eq!(of(format!("floor({a}/{c})")), Exact::new(a.div_euclid(c), 0));
        prop_assert_eq!(of(format!("({a})^3")), Exact::new(a.pow(3), 0));
    }
}
