//! Exact numbers: a fraction times a power of ten.
//!
//! Every operation is exact. Nothing is reduced to lowest terms, for that
//! costs far more than it saves on the few operations of one call; rounding
//! happens once, at the end (see `round.rs`).

use std::cmp::Ordering;

use dashu_int::{IBig, UBig};

/// numerator / denominator × 10^exponent, with a denominator above zero.
#[derive(Clone, Debug)]
pub(crate) struct Exact {
    pub(crate) numerator: IBig,
    pub(crate) denominator: UBig,
    pub(crate) exponent: i64,
}

impl Exact {
    /// A whole number times a power of ten.
    pub(crate) fn new(numerator: impl Into<IBig>, exponent: i64) -> Self {
        Self { numerator: numerator.into(), denominator: UBig::ONE, exponent }
    }

    /// Reads `[+-]digits[.digits]` or `[+-].digits`; `None` for anything else.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (negative, unsigned) = match text.as_bytes().first()? {
            b'-' => (true, &text[1..]),
            b'+' => (false, &text[1..]),
            _ => (false, text),
        };
        let (whole, fraction) = match unsigned.split_once('.') {
            Some((_, "")) => return None,
            Some(parts) => parts,
            None if unsigned.is_empty() => return None,
            None => (unsigned, ""),
        };
        let digits = [whole, fraction].concat();
        if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        let magnitude = IBig::from(UBig::from_str_radix(&digits, 10).ok()?);
        let numerator = if negative { -magnitude } else { magnitude };
        Some(Self::new(numerator, -i64::try_from(fraction.len()).ok()?))
    }

    pub(crate) fn is_zero(&self) -> bool {
        self.numerator.is_zero()
    }

    pub(crate) fn add(&self, other: &Self) -> Self {
        let exponent = self.exponent.min(other.exponent);
        let left = self.numerator_at(exponent);
        let right = other.numerator_at(exponent);
        if self.denominator == other.denominator {
            let denominator = self.denominator.clone();
            return Self { numerator: left + right, denominator, exponent };
        }
        Self {
            numerator: left * &other.denominator + right * &self.denominator,
            denominator: &self.denominator * &other.denominator,
            exponent,
        }
    }

    pub(crate) fn subtract(&self, other: &Self) -> Self {
        self.add(&other.negate())
    }

    pub(crate) fn multiply(&self, other: &Self) -> Self {
        Self {
            numerator: &self.numerator * &other.numerator,
            denominator: &self.denominator * &other.denominator,
            exponent: self.exponent.saturating_add(other.exponent),
        }
    }

    /// `None` when `other` is zero.
    pub(crate) fn divide(&self, other: &Self) -> Option<Self> {
        if other.is_zero() {
            return None;
        }
        let (sign, divisor) = other.numerator.clone().into_parts();
        Some(Self {
            numerator: &self.numerator * &other.denominator * sign,
            denominator: &self.denominator * divisor,
            exponent: self.exponent.saturating_sub(other.exponent),
        })
    }

    fn negate(&self) -> Self {
        Self { numerator: -&self.numerator, ..self.clone() }
    }

    /// The numerator for an exponent that is not above this number's own.
    pub(crate) fn numerator_at(&self, exponent: i64) -> IBig {
        &self.numerator * power_of_ten(self.exponent.saturating_sub(exponent))
    }
}

impl PartialEq for Exact {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Exact {}

impl PartialOrd for Exact {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Exact {
    fn cmp(&self, other: &Self) -> Ordering {
        self.subtract(other).numerator.cmp(&IBig::ZERO)
    }
}

/// 10^exponent; one for an exponent below zero, which no caller has.
pub(crate) fn power_of_ten(exponent: i64) -> UBig {
    UBig::from(10_u8).pow(usize::try_from(exponent).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_read_exactly_and_strictly() {
        let number = |text: &str| Exact::parse(text).unwrap();
        assert_eq!(number("+1.50"), Exact::new(15, -1));
        assert_eq!(number("-.5"), Exact::new(-5, -1));
        assert_eq!(number("007"), Exact::new(7, 0));
        assert_eq!(number("-0"), Exact::new(0, 0));
        for bad in ["", "+", ".", "1.", "1e3", "1_000", " 1", "1 ", "--1", "٣", "1.2.3", "0x1"] {
            assert!(Exact::parse(bad).is_none(), "{bad:?}");
        }
    }

    #[test]
    fn fractions_stay_exact() {
        let third = Exact::new(1, 0).divide(&Exact::new(-3, 0)).unwrap();
        let whole = third.add(&third).add(&third);
        assert_eq!(whole, Exact::new(-1, 0));
        assert_eq!(third.multiply(&Exact::new(3, 2)), Exact::new(-100, 0));
        assert!(third.divide(&Exact::new(0, 5)).is_none());
        assert!(third < Exact::new(0, 0));
    }
}
