//! Exact numbers: a fraction times a power of ten.
//!
//! Every operation is exact. Nothing is reduced to lowest terms, for that
//! costs far more than it saves on the few operations of one call; rounding
//! happens once, at the end (see `round.rs`). Only expressions, which may be
//! long, reduce what has grown too large.

use std::cmp::Ordering;

use dashu_int::ops::{BitTest as _, Gcd as _, SquareRoot as _};
use dashu_int::{IBig, Sign, UBig};

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

    pub(crate) fn negate(&self) -> Self {
        Self { numerator: -&self.numerator, ..self.clone() }
    }

    /// This number × 10^`shift` as a fraction of whole numbers.
    pub(crate) fn ratio(&self, shift: i64) -> (IBig, UBig) {
        let exponent = self.exponent.saturating_add(shift);
        if exponent >= 0 {
            (&self.numerator * power_of_ten(exponent), self.denominator.clone())
        } else {
            (self.numerator.clone(), &self.denominator * power_of_ten(exponent.saturating_neg()))
        }
    }

    /// About how much room it takes: the bits of both parts, and four for each
    /// place that the power of ten moves the point.
    pub(crate) fn bits(&self) -> u64 {
        let bits = self.numerator.bit_len() + self.denominator.bit_len();
        let places = self.exponent.unsigned_abs().saturating_mul(4);
        u64::try_from(bits).unwrap_or(u64::MAX).saturating_add(places)
    }

    /// The same number in lowest terms, without a power of ten.
    pub(crate) fn reduced(&self) -> Self {
        let (over, under) = self.ratio(0);
        let (sign, magnitude) = over.into_parts();
        let common = (&magnitude).gcd(&under);
        Self {
            numerator: IBig::from_parts(sign, magnitude / &common),
            denominator: under / common,
            exponent: 0,
        }
    }

    /// The square root, and whether it is exact. One that is not has at least
    /// `digits` significant digits, cut off, and behind them a 1 that stands for
    /// the rest, so that no later rounding takes it for a tie. `None` below zero.
    pub(crate) fn root(&self, digits: i64) -> Option<(Self, bool)> {
        if self.is_zero() {
            return Some((Self::new(0, 0), true));
        }
        let odd = self.exponent.rem_euclid(2);
        let (sign, magnitude) = self.numerator.clone().into_parts();
        if sign == Sign::Negative {
            return None;
        }
        let over = magnitude * power_of_ten(odd);
        let common = (&over).gcd(&self.denominator);
        let (over, under) = (over / &common, &self.denominator / common);
        let exponent = (self.exponent - odd) / 2;
        let (numerator, denominator) = (over.sqrt(), under.sqrt());
        if &numerator * &numerator == over && &denominator * &denominator == under {
            return Some((Self { numerator: numerator.into(), denominator, exponent }, true));
        }
        let shift = (digits + 2 - leading_digit(&over, &under) / 2).max(0);
        let floor = (over * power_of_ten(2 * shift) / under).sqrt();
        let marked = floor * UBig::from(10_u8) + UBig::ONE;
        Some((Self::new(marked, exponent - shift - 1), false))
    }

    /// The numerator for an exponent that is not above this number's own.
    pub(crate) fn numerator_at(&self, exponent: i64) -> IBig {
        if self.exponent == exponent {
            return self.numerator.clone();
        }
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

/// The power of ten of the first digit of over/under, to within two.
pub(crate) fn leading_digit(over: &UBig, under: &UBig) -> i64 {
    let bits = |number: &UBig| i64::try_from(number.bit_len()).unwrap_or(i64::MAX);
    let power_of_two = bits(over).saturating_sub(bits(under));
    // log10(2), good to a billionth: exact enough for 10^8 bits.
    i64::try_from((i128::from(power_of_two) * 301_029_996).div_euclid(1_000_000_000))
        .unwrap_or(i64::MAX)
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

    #[test]
    fn lowest_terms_are_the_same_number() {
        let number = Exact::new(-50, -1).divide(&Exact::new(15, 2)).unwrap();
        let reduced = number.reduced();
        assert_eq!(number, reduced);
        assert_eq!((reduced.numerator, reduced.denominator), ((-1).into(), 300_u16.into()));
        assert_eq!(Exact::new(0, 7).reduced(), Exact::new(0, 0));
    }

    #[test]
    fn roots_of_squares_are_exact_and_others_say_so() {
        let root = |text: &str| Exact::parse(text).unwrap().root(30);
        for (square, expected) in
            [("0", "0"), ("6.25", "2.5"), ("0.0004", "0.02"), ("1000000", "1000")]
        {
            assert_eq!(root(square), Some((Exact::parse(expected).unwrap(), true)), "{square}");
        }
        let ninth = Exact::new(40, 0).divide(&Exact::new(90, 0)).unwrap();
        let two_thirds = Exact::new(2, 0).divide(&Exact::new(3, 0)).unwrap();
        assert_eq!(ninth.root(30), Some((two_thirds, true)));
        assert_eq!(root("-4"), None);
        for text in ["2", "0.1", "123456789", "0.00000000000000000000000000000000000000000002"] {
            let (found, exact) = root(text).unwrap();
            assert!(!exact, "{text}");
            // Its square is within a unit of the thirtieth digit.
            let off = found.multiply(&found).divide(&Exact::parse(text).unwrap()).unwrap();
            let off = off.subtract(&Exact::new(1, 0));
            assert!(off < Exact::new(1, -29) && off > Exact::new(-1, -29), "{text}");
        }
    }
}
