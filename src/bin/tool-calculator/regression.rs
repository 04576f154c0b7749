//! The straight line through pairs of values by least squares, and how well it
//! fits them.

use scopegate::toolkit::{Deadline, ToolError};
use serde::Serialize;

use crate::exact::Exact;
use crate::round::Form;
use crate::scaled::Scaled;

/// What is found about the pairs; each number is rounded once.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Line {
    /// How much y grows with x.
    pub(crate) slope: String,
    /// The line's y where x is zero.
    pub(crate) intercept: String,
    /// Pearson's coefficient; none where all y are the same.
    pub(crate) correlation: Option<String>,
    /// Its square.
    pub(crate) r_squared: Option<String>,
    /// The line's y at the x that was asked for.
    pub(crate) prediction: Option<String>,
}

/// Fits a line. `x` and `y` are as long as each other.
pub(crate) fn fit(
    x: &[Exact],
    y: &[Exact],
    at: Option<&Exact>,
    form: Form,
    deadline: &Deadline,
) -> Result<Line, ToolError> {
    if x.len() != y.len() {
        return Err(ToolError::refused("x and y must have the same number of values"));
    }
    let (x, y) = (Scaled::new(x, deadline)?, Scaled::new(y, deadline)?);
    let (xx, xy) = (x.spread(&x, deadline)?, x.spread(&y, deadline)?);
    let Some(slope) = xy.divide(&xx) else {
        return Err(ToolError::refused("a line requires at least 2 different values of x"));
    };
    // (Σy − slope·Σx) / n
    let rest = y.sum().subtract(&slope.multiply(&x.sum()));
    let intercept = rest.over(x.values.len());
    let yy = y.spread(&y, deadline)?;
    deadline.check()?;
    let squared = xy.multiply(&xy).divide(&xx.multiply(&yy));
    let correlation = match &squared {
        Some(squared) => {
            let root = squared.root_to_text(form)?;
            Some(if xy < Exact::new(0, 0) { format!("-{root}") } else { root })
        }
        None => None,
    };
    deadline.check()?;
    let prediction = at.map(|at| intercept.add(&slope.multiply(at)).to_text(form)).transpose()?;
    Ok(Line {
        slope: slope.to_text(form)?,
        intercept: intercept.to_text(form)?,
        correlation,
        r_squared: squared.map(|squared| squared.to_text(form)).transpose()?,
        prediction,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    use scopegate::clock::Clock;

    fn line(x: &[&str], y: &[&str], at: &str) -> Result<Line, ToolError> {
        let read = |texts: &[&str]| -> Vec<Exact> {
            texts.iter().map(|text| Exact::parse(text).unwrap()).collect()
        };
        let deadline = Deadline::after(&Clock::system(), Duration::from_secs(30));
        let form = Form { precision: 28, longest: 4096 };
        fit(&read(x), &read(y), Exact::parse(at).as_ref(), form, &deadline)
    }

    #[test]
    fn points_on_a_line_give_the_line() {
        let found = line(&["0.5", "1", "100"], &["-1.5", "-3.5", "-399.5"], "2").unwrap();
        let text = |text: &str| Some(text.to_owned());
        assert_eq!((&*found.slope, &*found.intercept), ("-4", "0.5"));
        assert_eq!((found.correlation, found.r_squared), (text("-1"), text("1")));
        assert_eq!(found.prediction, text("-7.5"));
    }

    /// The first of Anscombe's quartet, whose figures every textbook has.
    #[test]
    fn a_known_set_gives_the_known_figures() {
        let x = ["10", "8", "13", "9", "11", "14", "6", "4", "12", "7", "5"];
        let y = [
            "8.04", "6.95", "7.58", "8.81", "8.33", "9.96", "7.24", "4.26", "10.84", "4.82", "5.68",
        ];
        let found = line(&x, &y, "").unwrap();
        assert!(found.slope.starts_with("0.50009090909090909"), "{found:?}");
        assert!(found.intercept.starts_with("3.00009090909090909"), "{found:?}");
        assert!(found.correlation.unwrap().starts_with("0.8164205163448"));
        assert!(found.r_squared.unwrap().starts_with("0.6665424595087"));
        assert_eq!(found.prediction, None);
    }

    #[test]
    fn what_has_no_answer_has_none() {
        let level = line(&["1", "2"], &["3", "3.0"], "9").unwrap();
        assert_eq!((&*level.slope, &*level.intercept), ("0", "3"));
        assert_eq!((level.correlation, level.r_squared), (None, None));
        let refused = |x: &[&str], y: &[&str]| line(x, y, "").unwrap_err().to_string();
        let upright = "a line requires at least 2 different values of x";
        assert_eq!(refused(&["1", "1.00"], &["3", "4"]), upright);
        assert_eq!(refused(&["1"], &["3"]), upright);
        assert!(refused(&["1", "2"], &["3"]).contains("same number"));
    }
}
