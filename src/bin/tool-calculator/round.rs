//! From an exact number to the text of the result: rounded once, half to
//! even, to a number of significant digits; no exponent, no trailing zeros.

use std::cmp::Ordering;

use dashu_int::ops::{BitTest as _, DivRem as _, SquareRoot as _};
use dashu_int::{Sign, UBig};
use scopegate::toolkit::ToolError;

use crate::exact::{Exact, leading_digit, power_of_ten};

/// How a result is written.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Form {
    /// Significant digits, at least one.
    pub(crate) precision: i64,
    /// Longest text, in characters.
    pub(crate) longest: usize,
}

/// Guard digits of the estimates below: a power of two tells the power of ten
/// to within two.
const SLACK: i64 = 4;

impl Exact {
    /// The number as text.
    pub(crate) fn to_text(&self, form: Form) -> Result<String, ToolError> {
        let (sign, magnitude) = self.numerator.clone().into_parts();
        if magnitude.is_zero() {
            return Ok("0".to_owned());
        }
        let leading = leading_digit(&magnitude, &self.denominator);
        refuse_unwritable(leading.saturating_add(self.exponent), form)?;
        let (digits, shift) = search(form.precision, form.precision - 1 - leading, |shift| {
            let (over, under) = scale(&magnitude, &self.denominator, shift);
            let (floor, rest) = over.div_rem(&under);
            let half = (rest << 1).cmp(&under);
            (floor, half)
        })?;
        write(sign, &digits, self.exponent.saturating_sub(shift), form)
    }

    /// The square root of the number as text; the number is not below zero.
    pub(crate) fn root_to_text(&self, form: Form) -> Result<String, ToolError> {
        let (_, magnitude) = self.numerator.clone().into_parts();
        if magnitude.is_zero() {
            return Ok("0".to_owned());
        }
        let leading = leading_digit(&magnitude, &self.denominator).saturating_add(self.exponent);
        refuse_unwritable(leading.div_euclid(2), form)?;
        let first = form.precision - 1 - leading.div_euclid(2);
        let (digits, shift) = search(form.precision, first, |shift| {
            // root(x) × 10^shift = root(x × 10^(2·shift))
            let (over, under) =
                scale(&magnitude, &self.denominator, self.exponent.saturating_add(2 * shift));
            let floor = (&over / &under).sqrt();
            // Compare with (floor + ½)², both sides times four.
            let middle: UBig = (&floor << 1) + UBig::ONE;
            let half = (over << 2).cmp(&(&middle * &middle * under));
            (floor, half)
        })?;
        write(Sign::Positive, &digits, -shift, form)
    }
}

/// Finds the shift at which the floor has exactly `precision` digits, starting
/// near it, and rounds there. Gives the digits and the shift.
fn search(
    precision: i64,
    first: i64,
    floor_at: impl Fn(i64) -> (UBig, Ordering),
) -> Result<(UBig, i64), ToolError> {
    let smallest = power_of_ten(precision - 1);
    let too_large = power_of_ten(precision);
    let mut shift = first;
    for _ in 0..=2 * SLACK {
        let (floor, half) = floor_at(shift);
        if floor >= too_large {
            shift -= 1;
        } else if floor < smallest {
            shift += 1;
        } else {
            let odd = floor.bit(0);
            let up = half == Ordering::Greater || (half == Ordering::Equal && odd);
            return Ok((if up { floor + UBig::ONE } else { floor }, shift));
        }
    }
    Err(ToolError::Internal("the estimate of a logarithm is off".to_owned()))
}

/// over/under × 10^shift as a fraction of whole numbers.
fn scale(over: &UBig, under: &UBig, shift: i64) -> (UBig, UBig) {
    if shift >= 0 {
        (over * power_of_ten(shift), under.clone())
    } else {
        (over.clone(), under * power_of_ten(-shift))
    }
}

/// Refuses a number whose text would be too long before the work of making
/// its digits.
fn refuse_unwritable(leading: i64, form: Form) -> Result<(), ToolError> {
    let longest = i64::try_from(form.longest).unwrap_or(i64::MAX);
    if leading.saturating_abs() > longest.saturating_add(SLACK) {
        return Err(too_long());
    }
    Ok(())
}

/// digits × 10^exponent without an exponent and without trailing zeros.
fn write(sign: Sign, digits: &UBig, exponent: i64, form: Form) -> Result<String, ToolError> {
    let all = digits.to_string();
    let digits = all.trim_end_matches('0');
    let trimmed = i64::try_from(all.len() - digits.len()).unwrap_or(i64::MAX);
    let exponent = exponent.saturating_add(trimmed);
    let minus = if sign == Sign::Negative { "-" } else { "" };
    let places = usize::try_from(exponent.unsigned_abs()).unwrap_or(usize::MAX);
    if places > form.longest.saturating_add(digits.len()) {
        return Err(too_long());
    }
    let text = if exponent >= 0 {
        format!("{minus}{digits}{}", "0".repeat(places))
    } else if let Some(point) = digits.len().checked_sub(places).filter(|&point| point > 0) {
        let (whole, fraction) = digits.split_at(point);
        format!("{minus}{whole}.{fraction}")
    } else {
        format!("{minus}0.{}{digits}", "0".repeat(places - digits.len()))
    };
    if text.len() > form.longest { Err(too_long()) } else { Ok(text) }
}

fn too_long() -> ToolError {
    ToolError::refused("output exceeds size limit")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn text(number: &Exact, precision: i64) -> String {
        number.to_text(Form { precision, longest: 4096 }).unwrap()
    }

    fn read(text: &str) -> Exact {
        Exact::parse(text).unwrap()
    }

    #[test]
    fn halves_go_to_the_even_neighbour() {
        for (number, precision, expected) in [
            ("0.125", 2, "0.12"),
            ("0.135", 2, "0.14"),
            ("0.1250000000000001", 2, "0.13"),
            ("-2.5", 1, "-2"),
            ("-3.5", 1, "-4"),
            ("9.5", 1, "10"),
            ("995", 2, "1000"),
            ("99.949", 3, "99.9"),
        ] {
            assert_eq!(text(&read(number), precision), expected, "{number}");
        }
    }

    #[test]
    fn texts_have_no_exponent_no_trailing_zeros_and_no_negative_zero() {
        for (number, expected) in [
            ("100", "100"),
            ("-0", "0"),
            ("-0.000", "0"),
            ("1.500", "1.5"),
            ("0.0010", "0.001"),
            ("-120.0", "-120"),
            (".5", "0.5"),
        ] {
            assert_eq!(text(&read(number), 28), expected);
        }
    }

    #[test]
    fn a_precision_of_a_hundred_is_honoured() {
        let third = Exact::new(1, 0).divide(&Exact::new(3, 0)).unwrap();
        assert_eq!(text(&third, 100), format!("0.{}", "3".repeat(100)));
        let root = Exact::new(2, 0).root_to_text(Form { precision: 100, longest: 4096 }).unwrap();
        assert_eq!(
            root,
            "1.4142135623730950488016887242096980785696718753769480731766797379907324784621\
             07038850387534327641573"
        );
    }

    #[test]
    fn what_would_be_too_long_is_refused_before_it_is_made() {
        let form = Form { precision: 28, longest: 100 };
        let refused = Err(ToolError::refused("output exceeds size limit"));
        assert_eq!(Exact::new(1, 100).to_text(form), refused);
        assert_eq!(Exact::new(1, 99).to_text(form).unwrap().len(), 100);
        assert_eq!(Exact::new(-1, 99).to_text(form), refused);
        assert_eq!(Exact::new(1, -98).to_text(form).unwrap().len(), 100);
        assert_eq!(Exact::new(1, -99).to_text(form), refused);
        assert_eq!(Exact::new(1, i64::MAX).to_text(form), refused);
        assert_eq!(Exact::new(1, i64::MIN).to_text(form), refused);
        assert_eq!(Exact::new(1, i64::MIN).root_to_text(form), refused);
    }

    #[test]
    fn the_tie_of_a_root_goes_to_the_even_neighbour() {
        let root = |text: &str, precision| {
            read(text).root_to_text(Form { precision, longest: 4096 }).unwrap()
        };
        assert_eq!(root("6.25", 1), "2"); // 2.5
        assert_eq!(root("12.25", 1), "4"); // 3.5
        assert_eq!(root("12.2500000001", 1), "4");
        assert_eq!(root("6.2500000001", 1), "3");
        assert_eq!(root("0.0004", 5), "0.02");
        assert_eq!(root("1000000", 2), "1000");
        assert_eq!(root("99.9", 2), "10");
    }

    proptest! {
        /// Against plain integer arithmetic: q = round(n × 10^k / d), half to
        /// even, with k chosen so that q has at most 18 digits.
        #[test]
        fn quotients_agree_with_integer_arithmetic(n in 1_i128..1_000_000_000, d in 1_i128..1_000_000) {
            let quotient = Exact::new(n, 0).divide(&Exact::new(d, 0)).unwrap();
            let found = read(&text(&quotient, 12));
            // Scale so that the quotient has exactly twelve digits.
            let mut k = 0_u32;
            while n * 10_i128.pow(k) / d < 10_i128.pow(11) { k += 1; }
            let over = n * 10_i128.pow(k);
            let (floor, rest) = (over / d, over % d);
            let up = match (2 * rest).cmp(&d) {
                Ordering::Greater => 1,
                Ordering::Equal => floor % 2,
                Ordering::Less => 0,
            };
            prop_assert_eq!(found, Exact::new(floor + up, -i64::from(k)));
        }

        /// A text that fits the precision comes back as the same number.
        #[test]
        fn what_fits_is_not_changed(digits in "-?[1-9][0-9]{0,30}(\\.[0-9]{1,30})?") {
            let number = read(&digits);
            let back = text(&number, 62);
            prop_assert_eq!(&read(&back), &number);
            prop_assert_eq!(text(&read(&back), 62), back);
        }

        /// The root of a square is the number itself.
        #[test]
        fn the_root_of_a_square_is_the_number(n in 1_u64.., scale in 0_i64..30) {
            let number = Exact::new(n, -scale);
            let root = number.multiply(&number).root_to_text(Form { precision: 40, longest: 99 });
            prop_assert_eq!(read(&root.unwrap()), number);
        }
    }
}
