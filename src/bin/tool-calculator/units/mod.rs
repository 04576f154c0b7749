//! Units with their exact factors (C-51 and more), and what is computed with
//! them.

mod table;

use dashu_int::UBig;
use scopegate::toolkit::ToolError;

pub(crate) use self::table::UNITS;
use crate::arithmetic::{Operator, apply};
use crate::exact::Exact;

/// Powers of length, mass, time, temperature and data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Dimension([i8; 5]);

/// The base unit of each power in [`Dimension`].
const BASE: [&str; 5] = ["m", "g", "s", "K", "bit"];

/// A unit: `over` / `under` × 10^`exponent` base units of its dimension.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Unit {
    pub(crate) name: &'static str,
    pub(crate) dimension: Dimension,
    over: u64,
    under: u64,
    exponent: i64,
    /// How far its zero lies above the dimension's, in this unit, as digits
    /// and a power of ten.
    zero: Option<(u32, i64)>,
}

/// A value in a unit.
#[derive(Clone, Debug)]
pub(crate) struct Quantity {
    pub(crate) value: Exact,
    pub(crate) unit: Unit,
}

impl Unit {
    /// The unit of a name; case matters.
    pub(crate) fn named(name: &str) -> Option<Self> {
        UNITS.into_iter().find(|unit| unit.name == name)
    }

    fn factor(&self) -> Exact {
        Exact { denominator: UBig::from(self.under), ..Exact::new(self.over, self.exponent) }
    }

    fn zero(&self) -> Exact {
        self.zero
            .map_or_else(|| Exact::new(0, 0), |(digits, exponent)| Exact::new(digits, exponent))
    }

    /// So many base units, in this unit.
    fn express(&self, value: &Exact) -> Result<Exact, ToolError> {
        let steps = apply(Operator::Div, value, &self.factor())?;
        Ok(if self.zero.is_some() { steps.subtract(&self.zero()) } else { steps })
    }
}

impl Quantity {
    fn in_base(&self) -> Exact {
        let factor = self.unit.factor();
        match self.unit.zero {
            Some(_) => self.value.add(&self.unit.zero()).multiply(&factor),
            None => self.value.multiply(&factor),
        }
    }

    /// The value in another unit of the same dimension.
    pub(crate) fn convert(&self, to: &Unit) -> Result<Exact, ToolError> {
        if self.unit.dimension != to.dimension {
            return Err(ToolError::refused("incompatible units"));
        }
        to.express(&self.in_base())
    }
}

/// Applies an operator to two quantities; gives the value and its unit's
/// label (C-52).
pub(crate) fn compute(
    operator: Operator,
    left: &Quantity,
    right: &Quantity,
    wanted: Option<Unit>,
) -> Result<(Exact, String), ToolError> {
    // Whether 20 degC and 5 degC make 25 degC or 298.15 K, nobody can say.
    if [Some(left.unit), Some(right.unit), wanted].iter().flatten().any(|unit| unit.zero.is_some())
    {
        return Err(ToolError::refused("degC and degF can only be converted"));
    }
    let dimension = match operator {
        Operator::Add | Operator::Sub => {
            if left.unit.dimension != right.unit.dimension {
                return Err(ToolError::refused("incompatible units for add/sub"));
            }
            left.unit.dimension
        }
        Operator::Mul => left.unit.dimension.combine(right.unit.dimension, 1),
        Operator::Div => left.unit.dimension.combine(right.unit.dimension, -1),
    };
    let wanted = match operator {
        Operator::Add | Operator::Sub => Some(wanted.unwrap_or(left.unit)),
        Operator::Mul | Operator::Div => wanted,
    };
    if wanted.is_some_and(|unit| unit.dimension != dimension) {
        return Err(ToolError::refused("result unit incompatible"));
    }
    let value = apply(operator, &left.in_base(), &right.in_base())?;
    match wanted {
        Some(unit) => Ok((unit.express(&value)?, unit.name.to_owned())),
        None => Ok((value, dimension.label())),
    }
}

impl Dimension {
    fn combine(self, other: Self, sign: i8) -> Self {
        let mut powers = self.0;
        for (power, more) in powers.iter_mut().zip(other.0) {
            *power += sign * more;
        }
        Self(powers)
    }

    /// Base units with their powers, such as `m*s^-1`; `1` for none.
    fn label(self) -> String {
        let parts: Vec<String> = BASE
            .iter()
            .zip(self.0)
            .filter(|(_, power)| *power != 0)
            .map(|(base, power)| match power {
                1 => (*base).to_owned(),
                _ => format!("{base}^{power}"),
            })
            .collect();
        if parts.is_empty() { "1".to_owned() } else { parts.join("*") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use proptest::sample::select;

    fn quantity(value: i64, unit: &str) -> Quantity {
        Quantity { value: Exact::new(value, 0), unit: Unit::named(unit).unwrap() }
    }

    #[test]
    fn labels_name_base_units_in_a_fixed_order() {
        let label = |operator, left, right| {
            compute(operator, &quantity(6, left), &quantity(2, right), None).unwrap().1
        };
        assert_eq!(label(Operator::Mul, "m", "ft"), "m^2");
        assert_eq!(label(Operator::Mul, "day", "lb"), "g*s");
        assert_eq!(label(Operator::Div, "s", "m"), "m^-1*s");
        assert_eq!(label(Operator::Div, "kg", "mg"), "1");
        assert_eq!(label(Operator::Sub, "h", "min"), "h");
        assert_eq!(label(Operator::Mul, "B", "degR"), "K*bit");
        assert_eq!(label(Operator::Div, "J", "m^3"), "m^-1*g*s^-2");
    }

    #[test]
    fn names_are_not_given_twice() {
        let names: std::collections::BTreeSet<&str> = UNITS.iter().map(|unit| unit.name).collect();
        assert_eq!(names.len(), UNITS.len());
    }

    #[test]
    fn derived_units_are_made_of_the_others() {
        let of = |operator, left: &str, right: &str, wanted: &str| {
            compute(operator, &quantity(1, left), &quantity(1, right), Unit::named(wanted))
        };
        for side in ["m", "cm", "mm", "km", "in", "ft", "yd", "mi"] {
            let area = format!("{side}^2");
            assert_eq!(of(Operator::Mul, side, side, &area).unwrap().0, Exact::new(1, 0), "{side}");
            if let Some(volume) = Unit::named(&format!("{side}^3")) {
                let made = of(Operator::Mul, side, &area, volume.name).unwrap().0;
                assert_eq!(made, Exact::new(1, 0), "{side}");
            }
        }
        for (way, time, speed) in
            [("m", "s", "m/s"), ("km", "h", "km/h"), ("mi", "h", "mph"), ("nmi", "h", "kn")]
        {
            assert_eq!(of(Operator::Div, way, time, speed).unwrap().0, Exact::new(1, 0), "{speed}");
        }
        assert_eq!(of(Operator::Mul, "Pa", "m^3", "J").unwrap().0, Exact::new(1, 0));
        assert_eq!(of(Operator::Mul, "acre", "ft", "ft^3").unwrap().0, Exact::new(43_560, 0));
    }

    #[test]
    fn scales_with_a_zero_of_their_own_are_converted_and_not_computed_with() {
        let convert = |value, from: &str, to: &str| {
            quantity(value, from).convert(&Unit::named(to).unwrap()).unwrap()
        };
        assert_eq!(convert(-40, "degC", "degF"), Exact::new(-40, 0));
        assert_eq!(convert(212, "degF", "degC"), Exact::new(100, 0));
        assert_eq!(convert(0, "K", "degC"), Exact::new(-27_315, -2));
        assert_eq!(convert(0, "degF", "degR"), Exact::new(45_967, -2));
        for (left, right, wanted) in
            [("degC", "K", None), ("K", "degF", None), ("K", "K", Unit::named("degC"))]
        {
            let refused = compute(Operator::Sub, &quantity(9, left), &quantity(1, right), wanted);
            let expected = ToolError::refused("degC and degF can only be converted");
            assert_eq!(refused.unwrap_err(), expected);
        }
    }

    #[test]
    fn a_value_of_zero_divides_nothing() {
        let refused = compute(Operator::Div, &quantity(1, "m"), &quantity(0, "s"), None);
        assert_eq!(refused.unwrap_err(), ToolError::refused("Invalid arithmetic operation"));
    }

    proptest! {
        #[test]
        fn there_and_back_is_where_it_was(value in any::<i64>(), from in select(&UNITS[..]), to in select(&UNITS[..])) {
            let start = Quantity { value: Exact::new(value, -3), unit: from };
            match start.convert(&to) {
                Ok(there) => {
                    let back = Quantity { value: there, unit: to }.convert(&from).unwrap();
                    prop_assert_eq!(back, start.value);
                }
                Err(_) => prop_assert!(from.dimension != to.dimension),
            }
        }
    }
}
