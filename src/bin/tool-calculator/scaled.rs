//! Values as whole numbers of one common scale, so that sums over them need no
//! fractions.

use std::cmp::Ordering;

use dashu_int::ops::DivRem as _;
use dashu_int::{IBig, UBig};
use scopegate::toolkit::{Deadline, ToolError};

use crate::exact::{Exact, power_of_ten};

/// How many values pass between two looks at the clock. A step takes some
/// microseconds at most, and a look as long as a small step.
const STEPS_PER_LOOK: usize = 32;

/// Values as whole numbers times one power of ten, and their sum.
pub(crate) struct Scaled {
    pub(crate) values: Vec<IBig>,
    pub(crate) exponent: i64,
    sum: IBig,
}

impl Scaled {
    pub(crate) fn new(values: &[Exact], deadline: &Deadline) -> Result<Self, ToolError> {
        let exponent = values.iter().map(|value| value.exponent).min().unwrap_or(0);
        let mut whole = Vec::with_capacity(values.len());
        let mut sum = IBig::ZERO;
        for some in values.chunks(STEPS_PER_LOOK) {
            deadline.check()?;
            for value in some {
                let value = value.numerator_at(exponent);
                sum += &value;
                whole.push(value);
            }
        }
        Ok(Self { values: whole, exponent, sum })
    }

    pub(crate) fn sum(&self) -> Exact {
        Exact::new(self.sum.clone(), self.exponent)
    }

    /// Σxy, pair by pair.
    pub(crate) fn product_sum(
        &self,
        other: &Self,
        deadline: &Deadline,
    ) -> Result<Exact, ToolError> {
        let mut sum = IBig::ZERO;
        let others = other.values.chunks(STEPS_PER_LOOK);
        for (left, right) in self.values.chunks(STEPS_PER_LOOK).zip(others) {
            deadline.check()?;
            for (left, right) in left.iter().zip(right) {
                sum += left * right;
            }
        }
        Ok(Exact::new(sum, self.exponent.saturating_add(other.exponent)))
    }

    /// n·Σxy − Σx·Σy: n² times the covariance of the pairs.
    pub(crate) fn spread(&self, other: &Self, deadline: &Deadline) -> Result<Exact, ToolError> {
        let products = self.product_sum(other, deadline)?;
        let sums = self.sum().multiply(&other.sum());
        Ok(Exact::new(self.values.len(), 0).multiply(&products).subtract(&sums))
    }

    /// The spread over n², or over n·(n−1) for a sample.
    pub(crate) fn variance(&self, sample: bool, deadline: &Deadline) -> Result<Exact, ToolError> {
        let count = self.values.len();
        let divisor = if sample { count.saturating_sub(1).max(1) } else { count };
        Ok(self.spread(self, deadline)?.over(count).over(divisor))
    }

    pub(crate) fn median(mut self, deadline: &Deadline) -> Result<Exact, ToolError> {
        deadline.check()?;
        self.values.sort_unstable();
        let middle = self.values.len() / 2;
        let upper = self.at(middle);
        if self.values.len() % 2 == 1 {
            return Ok(Exact::new(upper, self.exponent));
        }
        let lower = self.at(middle.saturating_sub(1));
        Ok(Exact::new(lower + upper, self.exponent).over(2))
    }

    /// Between the closest ranks, on a straight line: rank (n−1)·percent/100,
    /// counted from zero. Percent lies between 0 and 100.
    pub(crate) fn percentile(
        mut self,
        percent: &Exact,
        deadline: &Deadline,
    ) -> Result<Exact, ToolError> {
        deadline.check()?;
        self.values.sort_unstable();
        let last = self.values.len().saturating_sub(1);
        let exponent = percent.exponent.min(0);
        let (_, over) = (percent.numerator_at(exponent) * IBig::from(last)).into_parts();
        let under = power_of_ten(exponent.saturating_neg()) * UBig::from(100_u8);
        let (rank, rest) = over.div_rem(&under);
        let rank = usize::try_from(&rank).unwrap_or(last).min(last);
        let lower = self.at(rank);
        let upper = self.at((rank + 1).min(last));
        Ok(Exact {
            numerator: &lower * &under + (upper - lower) * IBig::from(rest),
            denominator: under,
            exponent: self.exponent,
        })
    }

    /// The value that is there most often; of several such, the least.
    pub(crate) fn mode(mut self, deadline: &Deadline) -> Result<Exact, ToolError> {
        deadline.check()?;
        self.values.sort_unstable();
        let most = self.values.chunk_by(PartialEq::eq).reduce(|best, next| {
            if next.len().cmp(&best.len()) == Ordering::Greater { next } else { best }
        });
        let value = most.and_then(|equal| equal.first()).cloned().unwrap_or_default();
        Ok(Exact::new(value, self.exponent))
    }

    /// The least and the greatest value.
    pub(crate) fn extremes(&self) -> (Exact, Exact) {
        let of =
            |value: Option<&IBig>| Exact::new(value.cloned().unwrap_or_default(), self.exponent);
        (of(self.values.iter().min()), of(self.values.iter().max()))
    }

    fn at(&self, index: usize) -> IBig {
        self.values.get(index).cloned().unwrap_or_default()
    }
}
