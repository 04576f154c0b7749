//! JSON numbers compared by value, without a type that could round them.

/// A number: its digits without zeros at either end, and the power of ten of
/// the last of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decimal {
    negative: bool,
    digits: String,
    exponent: i64,
}

/// Longest whole number written out, in digits.
const LONGEST: usize = 40;

impl Decimal {
    /// Reads a number in the grammar of JSON (RFC 8259 §6); `None` for
    /// anything else, and for exponents beyond 64 bits.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (negative, rest) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let (mantissa, exponent) = match rest.split_once(['e', 'E']) {
            Some((mantissa, exponent)) => (mantissa, read_exponent(exponent)?),
            None => (rest, 0),
        };
        let (whole, fraction) = match mantissa.split_once('.') {
            Some((whole, fraction)) if !fraction.is_empty() => (whole, fraction),
            Some(_) => return None,
            None => (mantissa, ""),
        };
        let all_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        let leading_zero = whole.len() > 1 && whole.starts_with('0');
        if whole.is_empty() || leading_zero || !all_digits(whole) || !all_digits(fraction) {
            return None;
        }
        let digits = format!("{whole}{fraction}");
        let digits = digits.trim_start_matches('0');
        let kept = digits.trim_end_matches('0');
        if kept.is_empty() {
            return Some(Self { negative: false, digits: String::new(), exponent: 0 });
        }
        let dropped = i64::try_from(digits.len() - kept.len()).ok()?;
        let exponent =
            exponent.checked_sub(i64::try_from(fraction.len()).ok()?)?.checked_add(dropped)?;
        Some(Self { negative, digits: kept.to_owned(), exponent })
    }

    /// The number written out without fraction or exponent; `None` when it is
    /// no whole number, or one of more than 40 digits.
    #[must_use]
    pub fn integer(&self) -> Option<String> {
        if self.digits.is_empty() {
            return Some("0".to_owned());
        }
        let zeros = usize::try_from(self.exponent).ok().filter(|zeros| *zeros <= LONGEST)?;
        if self.digits.len() + zeros > LONGEST {
            return None;
        }
        let sign = if self.negative { "-" } else { "" };
        Some(format!("{sign}{}{}", self.digits, "0".repeat(zeros)))
    }
}

/// A whole number of 64 bits, however it is spelled.
#[must_use]
pub fn integer(text: &str) -> Option<i64> {
    Decimal::parse(text)?.integer()?.parse().ok()
}

fn read_exponent(text: &str) -> Option<i64> {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    text.parse().ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn spellings_of_one_value_are_equal() {
        for (one, other) in [
            ("42", "42.0"),
            ("42", "4.2e1"),
            ("42", "420E-1"),
            ("-0", "0"),
            ("0", "0e99"),
            ("9007199254740993", "9007199254740993.00"),
            ("1e-400", "0.1e-399"),
        ] {
            assert_eq!(Decimal::parse(one), Decimal::parse(other), "{one} {other}");
        }
        for (one, other) in
            [("42", "-42"), ("9007199254740993", "9007199254740992"), ("1e-400", "0"), ("1", "10")]
        {
            assert_ne!(Decimal::parse(one), Decimal::parse(other), "{one} {other}");
        }
    }

    #[test]
    fn what_is_no_number_of_json_is_none() {
        for text in [
            "",
            "-",
            "+1",
            "01",
            ".5",
            "1.",
            "1e",
            "1e+",
            "0x1",
            " 1",
            "1 ",
            "NaN",
            "1_0",
            "١",
            "1e99999999999999999999",
        ] {
            assert_eq!(Decimal::parse(text), None, "{text:?}");
        }
    }

    #[test]
    fn whole_numbers_are_written_out() {
        for (text, expected) in [
            ("42.0", Some("42")),
            ("-4.2e1", Some("-42")),
            ("1e3", Some("1000")),
            ("-0.0", Some("0")),
            ("18446744073709551616", Some("18446744073709551616")),
            ("42.5", None),
            ("1e400", None),
            ("1e-400", None),
        ] {
            assert_eq!(Decimal::parse(text).unwrap().integer().as_deref(), expected, "{text}");
        }
        assert_eq!(integer("-32602.0"), Some(-32602));
        assert_eq!(integer("9223372036854775808"), None);
    }

    proptest! {
        #[test]
        fn integers_are_read_as_they_are(number in any::<i64>(), zeros in 0_usize..5) {
            prop_assert_eq!(integer(&number.to_string()), Some(number));
            let text = format!("{number}.{}", "0".repeat(zeros + 1));
            prop_assert_eq!(integer(&text), Some(number));
        }
    }
}
