//! The statistics functions, on whole numbers of one common scale.

use dashu_int::{IBig, UBig};
use scopegate::toolkit::{Deadline, ToolError};
use serde::Deserialize;

use crate::exact::Exact;
use crate::round::Form;

/// What is computed over the values.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Function {
    Mean,
    Median,
    Variance,
    Stdev,
    Min,
    Max,
    Sum,
    Count,
}

/// The names of all functions, as the schema lists them.
pub(crate) const FUNCTIONS: [&str; 8] =
    ["mean", "median", "variance", "stdev", "min", "max", "sum", "count"];

/// Computes a function over at least one value. `sample` divides the variance
/// by one less than the number of values.
pub(crate) fn compute(
    function: Function,
    values: &[Exact],
    sample: bool,
    form: Form,
    deadline: &Deadline,
) -> Result<String, ToolError> {
    // A count is not a measurement: it is never rounded.
    if function == Function::Count {
        return Ok(values.len().to_string());
    }
    if values.len() < 2 && matches!(function, Function::Variance | Function::Stdev) {
        return Err(ToolError::refused("variance and stdev require at least 2 values"));
    }
    let scaled = Scaled::new(values, deadline)?;
    match function {
        Function::Mean => scaled.sum(deadline)?.over(values.len()).to_text(form),
        Function::Sum => scaled.sum(deadline)?.to_text(form),
        Function::Variance => scaled.variance(sample, deadline)?.to_text(form),
        Function::Stdev => {
            let variance = scaled.variance(sample, deadline)?;
            deadline.check()?;
            variance.root_to_text(form)
        }
        Function::Median => scaled.median(deadline)?.to_text(form),
        Function::Min => scaled.extreme(|values| values.iter().min()).to_text(form),
        Function::Max => scaled.extreme(|values| values.iter().max()).to_text(form),
        Function::Count => Ok(values.len().to_string()),
    }
}

/// Values as whole numbers times one power of ten.
struct Scaled {
    values: Vec<IBig>,
    exponent: i64,
}

impl Scaled {
    fn new(values: &[Exact], deadline: &Deadline) -> Result<Self, ToolError> {
        let exponent = values.iter().map(|value| value.exponent).min().unwrap_or(0);
        let mut whole = Vec::with_capacity(values.len());
        for value in values {
            deadline.check()?;
            whole.push(value.numerator_at(exponent));
        }
        Ok(Self { values: whole, exponent })
    }

    fn sum(&self, deadline: &Deadline) -> Result<Exact, ToolError> {
        let mut sum = IBig::ZERO;
        for value in &self.values {
            deadline.check()?;
            sum += value;
        }
        Ok(Exact::new(sum, self.exponent))
    }

    /// (n·Σx² − (Σx)²) / n², or over n·(n−1) for a sample.
    fn variance(&self, sample: bool, deadline: &Deadline) -> Result<Exact, ToolError> {
        let sum = self.sum(deadline)?.numerator;
        let mut squares = IBig::ZERO;
        for value in &self.values {
            deadline.check()?;
            squares += value * value;
        }
        let count = self.values.len();
        let divisor = if sample { count.saturating_sub(1).max(1) } else { count };
        Ok(Exact {
            numerator: squares * IBig::from(count) - &sum * &sum,
            denominator: UBig::from(count) * UBig::from(divisor),
            exponent: self.exponent.saturating_mul(2),
        })
    }

    fn median(mut self, deadline: &Deadline) -> Result<Exact, ToolError> {
        deadline.check()?;
        self.values.sort_unstable();
        let middle = self.values.len() / 2;
        let upper = self.values.get(middle).cloned().unwrap_or_default();
        if self.values.len() % 2 == 1 {
            return Ok(Exact::new(upper, self.exponent));
        }
        let lower = self.values.get(middle.saturating_sub(1)).cloned().unwrap_or_default();
        Ok(Exact::new(lower + upper, self.exponent).over(2))
    }

    fn extreme(&self, of: impl Fn(&[IBig]) -> Option<&IBig>) -> Exact {
        Exact::new(of(&self.values).cloned().unwrap_or_default(), self.exponent)
    }
}

impl Exact {
    /// This number divided by a count above zero.
    fn over(mut self, count: usize) -> Self {
        self.denominator *= UBig::from(count.max(1));
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    use proptest::prelude::*;
    use scopegate::clock::Clock;

    fn run(function: Function, values: &[&str], sample: bool) -> Result<String, ToolError> {
        let (clock, _hand) = Clock::manual(chrono::DateTime::UNIX_EPOCH);
        let deadline = Deadline::after(&clock, Duration::from_secs(1));
        let values: Vec<_> = values.iter().map(|text| Exact::parse(text).unwrap()).collect();
        compute(function, &values, sample, Form { precision: 28, longest: 4096 }, &deadline)
    }

    #[test]
    fn values_of_different_scales_are_compared_as_numbers() {
        let values = ["1", "0.5", "10", "-3.25", "2.000"];
        assert_eq!(run(Function::Min, &values, false).unwrap(), "-3.25");
        assert_eq!(run(Function::Max, &values, false).unwrap(), "10");
        assert_eq!(run(Function::Median, &values, false).unwrap(), "1");
        assert_eq!(run(Function::Sum, &values, false).unwrap(), "10.25");
    }

    #[test]
    fn equal_values_do_not_vary() {
        assert_eq!(run(Function::Stdev, &["0.1", "0.10", ".1"], true).unwrap(), "0");
        assert_eq!(run(Function::Variance, &["7", "7"], false).unwrap(), "0");
    }

    #[test]
    fn a_passed_deadline_stops_every_function_that_works() {
        let (clock, hand) = Clock::manual(chrono::DateTime::UNIX_EPOCH);
        let deadline = Deadline::after(&clock, Duration::from_secs(1));
        hand.advance(Duration::from_secs(1));
        let values = vec![Exact::new(1, 0); 3];
        let form = Form { precision: 28, longest: 4096 };
        for function in [Function::Mean, Function::Median, Function::Stdev, Function::Min] {
            assert_eq!(compute(function, &values, false, form, &deadline), Err(ToolError::Timeout));
        }
    }

    proptest! {
        /// Σ(x−m)² over whole numbers with a whole mean needs no library.
        #[test]
        fn variance_agrees_with_its_definition(half in prop::collection::vec(-1000_i64..1000, 1..20), mean in -50_i64..50) {
            // Pairs mean ± x have the mean `mean`.
            let values: Vec<i64> = half.iter().flat_map(|x| [mean + x, mean - x]).collect();
            let squares: i64 = values.iter().map(|x| (x - mean).pow(2)).sum();
            let texts: Vec<String> = values.iter().map(i64::to_string).collect();
            let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
            let expected = Exact::new(squares, 0).divide(&Exact::new(values.len(), 0)).unwrap();
            let expected = expected.to_text(Form { precision: 28, longest: 4096 }).unwrap();
            prop_assert_eq!(run(Function::Variance, &texts, false).unwrap(), expected);
            prop_assert_eq!(run(Function::Mean, &texts, false).unwrap(), mean.to_string());
        }
    }
}
