//! The functions of expressions.

use dashu_int::ops::{BitTest as _, DivRem as _};
use dashu_int::{IBig, Sign};

use super::{MOST_PLACES, Problem};
use crate::exact::Exact;

/// A function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Function {
    Abs,
    Ceil,
    Floor,
    Max,
    Mean,
    Min,
    Mod,
    Round,
    Sqrt,
    Sum,
    Trunc,
}

/// Every function by its name, with how it is written for the schema.
pub(crate) const FUNCTIONS: [(&str, Function, &str); 11] = [
    ("abs", Function::Abs, "abs(x)"),
    ("ceil", Function::Ceil, "ceil(x)"),
    ("floor", Function::Floor, "floor(x)"),
    ("max", Function::Max, "max(x, ...)"),
    ("mean", Function::Mean, "mean(x, ...)"),
    ("min", Function::Min, "min(x, ...)"),
    ("mod", Function::Mod, "mod(x, y)"),
    ("round", Function::Round, "round(x, places)"),
    ("sqrt", Function::Sqrt, "sqrt(x)"),
    ("sum", Function::Sum, "sum(x, ...)"),
    ("trunc", Function::Trunc, "trunc(x)"),
];

impl Function {
    pub(super) fn named(name: &str) -> Option<Self> {
        FUNCTIONS.iter().find(|(known, ..)| *known == name).map(|(_, function, _)| *function)
    }

    pub(super) fn takes(self, count: usize) -> bool {
        match self {
            Self::Abs | Self::Ceil | Self::Floor | Self::Sqrt | Self::Trunc => count == 1,
            Self::Mod => count == 2,
            Self::Round => matches!(count, 1 | 2),
            Self::Max | Self::Mean | Self::Min | Self::Sum => count >= 1,
        }
    }
}

/// To which whole number a fraction goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Towards {
    Below,
    Above,
    Zero,
    /// The nearest one; of two equally near ones the even one.
    Nearest,
}

/// A number as a whole multiple of 10^-`places`.
pub(super) fn whole(number: &Exact, towards: Towards, places: i64) -> Exact {
    let (over, under) = number.ratio(places);
    let (sign, magnitude) = over.into_parts();
    let (floor, rest) = magnitude.div_rem(&under);
    let negative = sign == Sign::Negative;
    let away = match towards {
        Towards::Zero => false,
        Towards::Below => negative && !rest.is_zero(),
        Towards::Above => !negative && !rest.is_zero(),
        Towards::Nearest => {
            let twice = rest << 1;
            twice > under || (twice == under && floor.bit(0))
        }
    };
    let digits = IBig::from_parts(sign, floor);
    let one = IBig::from(if negative { -1 } else { 1 });
    Exact::new(if away { digits + one } else { digits }, -places)
}

/// The remainder of a division that rounds down: it has the divisor's sign.
pub(super) fn modulo(number: &Exact, divisor: &Exact) -> Result<Exact, Problem> {
    let quotient = number.divide(divisor).ok_or(Problem::Undefined)?;
    Ok(number.subtract(&whole(&quotient, Towards::Below, 0).multiply(divisor)))
}

/// How many places `round` was asked for.
pub(super) fn places(number: &Exact) -> Result<i64, Problem> {
    let places = small(number).ok_or(Problem::Places)?;
    if places.abs() > MOST_PLACES { Err(Problem::Places) } else { Ok(places) }
}

/// A whole number that fits the machine's.
pub(super) fn small(number: &Exact) -> Option<i64> {
    let digits = whole(number, Towards::Zero, 0);
    (digits == *number).then(|| i64::try_from(&digits.numerator).ok()).flatten()
}
