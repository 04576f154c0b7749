//! The functions of one list of values.

use dashu_int::UBig;
use scopegate::toolkit::{Deadline, ToolError};
use serde::Deserialize;

use crate::exact::Exact;
use crate::round::Form;
use crate::scaled::Scaled;

/// What is computed over the values.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Function {
    Mean,
    Median,
    Variance,
    Stdev,
    Min,
    Max,
    Sum,
    Count,
    Percentile,
    Mode,
    Range,
    SumOfSquares,
}

/// The names of all functions, as the schema lists them.
pub(crate) const FUNCTIONS: [&str; 12] = [
    "mean",
    "median",
    "variance",
    "stdev",
    "min",
    "max",
    "sum",
    "count",
    "percentile",
    "mode",
    "range",
    "sum_of_squares",
];

/// What a function may be told beside its values.
#[derive(Clone, Debug, Default)]
pub(crate) struct Choice {
    /// Divide the variance by one less than the number of values.
    pub(crate) sample: bool,
    /// Which percentile, from 0 to 100.
    pub(crate) percent: Option<Exact>,
}

/// Computes a function over at least one value.
pub(crate) fn compute(
    function: Function,
    values: &[Exact],
    choice: &Choice,
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
    let percent = match (function, &choice.percent) {
        (Function::Percentile, Some(percent)) => percent,
        (Function::Percentile, None) => {
            return Err(ToolError::refused("percentile requires percent"));
        }
        (_, Some(_)) => return Err(ToolError::refused("percent is of percentile only")),
        (_, None) => &Exact::new(0, 0),
    };
    let sample = choice.sample;
    let scaled = Scaled::new(values, deadline)?;
    match function {
        Function::Mean => scaled.sum().over(values.len()).to_text(form),
        Function::Sum => scaled.sum().to_text(form),
        Function::Variance => scaled.variance(sample, deadline)?.to_text(form),
        Function::Stdev => {
            let variance = scaled.variance(sample, deadline)?;
            deadline.check()?;
            variance.root_to_text(form)
        }
        Function::Median => scaled.median(deadline)?.to_text(form),
        Function::Min => scaled.extremes().0.to_text(form),
        Function::Max => scaled.extremes().1.to_text(form),
        Function::Range => {
            let (least, greatest) = scaled.extremes();
            greatest.subtract(&least).to_text(form)
        }
        Function::Mode => scaled.mode(deadline)?.to_text(form),
        Function::Percentile => scaled.percentile(percent, deadline)?.to_text(form),
        Function::SumOfSquares => scaled.product_sum(&scaled, deadline)?.to_text(form),
        Function::Count => Ok(values.len().to_string()),
    }
}

impl Exact {
    /// This number divided by a count above zero.
    pub(crate) fn over(mut self, count: usize) -> Self {
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
        let choice = Choice { sample, percent: None };
        compute(function, &values, &choice, Form { precision: 28, longest: 4096 }, &deadline)
    }

    fn percentile(percent: &str, values: &[&str]) -> String {
        let deadline = Deadline::after(&Clock::system(), Duration::from_secs(30));
        let values: Vec<_> = values.iter().map(|text| Exact::parse(text).unwrap()).collect();
        let choice = Choice { sample: false, percent: Exact::parse(percent) };
        let form = Form { precision: 28, longest: 4096 };
        compute(Function::Percentile, &values, &choice, form, &deadline).unwrap()
    }

    #[test]
    fn percentiles_lie_on_the_line_between_two_ranks() {
        let values = ["40", "15", "35", "20", "50"];
        for (percent, expected) in [
            ("0", "15"),
            ("5", "16"),
            ("25", "20"),
            ("40", "29"),
            ("50", "35"),
            ("99.99", "49.996"),
            ("100", "50"),
            ("100.00", "50"),
        ] {
            assert_eq!(percentile(percent, &values), expected, "{percent}");
        }
        assert_eq!(percentile("37.5", &["-2.5"]), "-2.5");
        assert_eq!(percentile("50", &["-1", "0.5"]), "-0.25");
        assert_eq!(percentile("-0", &["3", "1"]), "1");
    }

    #[test]
    fn the_mode_is_the_least_of_the_most_frequent() {
        assert_eq!(run(Function::Mode, &["3", "1.0", "3", "1", "2"], false).unwrap(), "1");
        assert_eq!(run(Function::Mode, &["3", "1", "2", "2.00"], false).unwrap(), "2");
        assert_eq!(run(Function::Mode, &["-7"], false).unwrap(), "-7");
    }

    #[test]
    fn range_and_squares() {
        assert_eq!(run(Function::Range, &["-1.5", "2", "0"], false).unwrap(), "3.5");
        assert_eq!(run(Function::SumOfSquares, &["-1.5", "2", "0"], false).unwrap(), "6.25");
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
        let choice = Choice::default();
        for function in [Function::Mean, Function::Median, Function::Stdev, Function::Mode] {
            let outcome = compute(function, &values, &choice, form, &deadline);
            assert_eq!(outcome, Err(ToolError::Timeout));
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
