//! `exact_statistics` and `exact_regression`.

use scopegate::toolkit::{
    Annotations, CallContext, Descriptor, Tool, ToolError, ToolOutput, typed,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Outcome;
use crate::arguments::{Precision, number, numbers};
use crate::exact::Exact;
use crate::limits::Bounds;
use crate::regression::{self, Line};
use crate::schema;
use crate::statistics::{self, Choice, Function};

pub(super) struct Statistics(pub(super) Bounds);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct StatisticsArguments {
    function: Function,
    values: Vec<String>,
    precision: Option<Precision>,
    #[serde(default)]
    sample: bool,
    percent: Option<String>,
}

impl Tool for Statistics {
    fn descriptor(&self) -> Descriptor {
        Descriptor {
            name: "exact_statistics",
            title: "Exact statistics",
            description: "Computes the mean, median, variance, standard deviation, minimum, \
                          maximum, sum, count, percentile, mode, range or sum of squares of \
                          decimal numbers exactly. The result is rounded once, half to even, \
                          to `precision` significant digits; a count is never rounded. For \
                          correlation and lines see exact_regression."
                .into(),
            input_schema: schema::statistics(&self.0),
            output_schema: Some(schema::result("statistics", false)),
            annotations: Annotations::PURE,
        }
    }

    fn call(&self, arguments: Value, context: &CallContext) -> Result<ToolOutput, ToolError> {
        let StatisticsArguments { function, values, precision, sample, percent } =
            typed(arguments)?;
        let values = numbers(&values, "values", &self.0)?;
        let percent = percent.map(|text| number(&text, &["percent"], &self.0)).transpose()?;
        if percent
            .as_ref()
            .is_some_and(|percent| !(Exact::new(0, 0)..=Exact::new(100, 0)).contains(percent))
        {
            return Err(ToolError::refused("percent must be from 0 to 100"));
        }
        let choice = Choice { sample, percent };
        let form = self.0.form(precision);
        let result = statistics::compute(function, &values, &choice, form, &context.deadline)?;
        ToolOutput::structured(&Outcome { operation: "statistics", result, unit: None })
    }
}

pub(super) struct Regression(pub(super) Bounds);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RegressionArguments {
    x: Vec<String>,
    y: Vec<String>,
    at: Option<String>,
    precision: Option<Precision>,
}

#[derive(Serialize)]
struct RegressionOutcome {
    operation: &'static str,
    count: usize,
    #[serde(flatten)]
    line: Line,
}

impl Tool for Regression {
    fn descriptor(&self) -> Descriptor {
        Descriptor {
            name: "exact_regression",
            title: "Exact linear regression",
            description: "Fits a straight line through pairs of decimal numbers by least squares, \
                          exactly: slope, intercept, Pearson correlation, its square, and the \
                          line's value at an x. Each number is rounded once, half to even, to \
                          `precision` significant digits."
                .into(),
            input_schema: schema::regression(&self.0),
            output_schema: Some(schema::line()),
            annotations: Annotations::PURE,
        }
    }

    fn call(&self, arguments: Value, context: &CallContext) -> Result<ToolOutput, ToolError> {
        let RegressionArguments { x, y, at, precision } = typed(arguments)?;
        let (x, y) = (numbers(&x, "x", &self.0)?, numbers(&y, "y", &self.0)?);
        let at = at.map(|text| number(&text, &["at"], &self.0)).transpose()?;
        let form = self.0.form(precision);
        let line = regression::fit(&x, &y, at.as_ref(), form, &context.deadline)?;
        ToolOutput::structured(&RegressionOutcome { operation: "regression", count: x.len(), line })
    }
}
