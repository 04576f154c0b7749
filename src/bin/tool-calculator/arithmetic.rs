//! The four operators over a list of operands, from left to right.

use scopegate::toolkit::{Deadline, ToolError};
use serde::Deserialize;

use crate::exact::Exact;

/// An operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Operator {
    Add,
    Sub,
    Mul,
    Div,
}

/// The names of all operators, as the schema lists them.
pub(crate) const OPERATORS: [&str; 4] = ["add", "sub", "mul", "div"];

/// Applies an operator to operands, of which there is at least one.
pub(crate) fn compute(
    operator: Operator,
    operands: &[Exact],
    deadline: &Deadline,
) -> Result<Exact, ToolError> {
    if operands.len() < 2 && matches!(operator, Operator::Sub | Operator::Div) {
        return Err(ToolError::refused("sub and div require at least 2 operands"));
    }
    let mut operands = operands.iter();
    let mut result = operands.next().cloned().unwrap_or_else(|| Exact::new(0, 0));
    for operand in operands {
        deadline.check()?;
        result = apply(operator, &result, operand)?;
    }
    deadline.check()?;
    Ok(result)
}

/// Applies an operator to two numbers.
pub(crate) fn apply(operator: Operator, left: &Exact, right: &Exact) -> Result<Exact, ToolError> {
    match operator {
        Operator::Add => Ok(left.add(right)),
        Operator::Sub => Ok(left.subtract(right)),
        Operator::Mul => Ok(left.multiply(right)),
        Operator::Div => {
            left.divide(right).ok_or_else(|| ToolError::refused("Invalid arithmetic operation"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    use proptest::prelude::*;
    use scopegate::clock::Clock;

    #[test]
    fn a_passed_deadline_stops_the_work() {
        let (clock, hand) = Clock::manual(chrono::DateTime::UNIX_EPOCH);
        let deadline = Deadline::after(&clock, Duration::from_millis(250));
        let operands = vec![Exact::new(7, 0); 3];
        assert!(compute(Operator::Div, &operands, &deadline).is_ok());
        hand.advance(Duration::from_millis(250));
        assert_eq!(compute(Operator::Div, &operands, &deadline), Err(ToolError::Timeout));
    }

    fn number() -> impl Strategy<Value = Exact> {
        (any::<i64>(), -40_i64..40).prop_map(|(digits, exponent)| Exact::new(digits, exponent))
    }

    proptest! {
        #[test]
        fn whole_numbers_agree_with_the_machine(a in any::<i32>(), b in any::<i32>()) {
            let of = |operator| apply(operator, &Exact::new(a, 0), &Exact::new(b, 0));
            let (a, b) = (i64::from(a), i64::from(b));
            prop_assert_eq!(of(Operator::Add).unwrap(), Exact::new(a + b, 0));
            prop_assert_eq!(of(Operator::Sub).unwrap(), Exact::new(a - b, 0));
            prop_assert_eq!(of(Operator::Mul).unwrap(), Exact::new(a * b, 0));
            prop_assert_eq!(of(Operator::Div).is_err(), b == 0);
        }

        #[test]
        fn what_is_done_can_be_undone(a in number(), b in number()) {
            prop_assert_eq!(&a.add(&b).subtract(&b), &a);
            prop_assert_eq!(a.add(&b), b.add(&a));
            if !b.is_zero() {
                prop_assert_eq!(&a.multiply(&b).divide(&b).unwrap(), &a);
                prop_assert_eq!(&a.divide(&b).unwrap().multiply(&b), &a);
            }
        }
    }
}
