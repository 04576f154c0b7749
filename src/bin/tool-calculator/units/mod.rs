//! Units of length, mass and time, with their exact factors (C-51).

use scopegate::toolkit::ToolError;

use crate::arithmetic::{Operator, apply};
use crate::exact::Exact;

/// Powers of length, mass and time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Dimension([i8; 3]);

const LENGTH: Dimension = Dimension([1, 0, 0]);
const MASS: Dimension = Dimension([0, 1, 0]);
const TIME: Dimension = Dimension([0, 0, 1]);

/// The base unit of each power in [`Dimension`].
const BASE: [&str; 3] = ["m", "g", "s"];

/// A unit: `digits` × 10^`exponent` base units of its dimension.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Unit {
    pub(crate) name: &'static str,
    pub(crate) dimension: Dimension,
    digits: u32,
    exponent: i64,
}

const fn unit(name: &'static str, dimension: Dimension, digits: u32, exponent: i64) -> Unit {
    Unit { name, dimension, digits, exponent }
}

/// Every unit there is, as the schema lists them.
pub(crate) const UNITS: [Unit; 16] = [
    unit("m", LENGTH, 1, 0),
    unit("cm", LENGTH, 1, -2),
    unit("mm", LENGTH, 1, -3),
    unit("km", LENGTH, 1, 3),
    unit("in", LENGTH, 254, -4),
    unit("ft", LENGTH, 3048, -4),
    unit("yd", LENGTH, 9144, -4),
    unit("mi", LENGTH, 1_609_344, -3),
    unit("g", MASS, 1, 0),
    unit("kg", MASS, 1, 3),
    unit("mg", MASS, 1, -3),
    unit("lb", MASS, 45_359_237, -5),
    unit("s", TIME, 1, 0),
    unit("min", TIME, 60, 0),
    unit("h", TIME, 3600, 0),
    unit("day", TIME, 86_400, 0),
];

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
        Exact::new(self.digits, self.exponent)
    }

    /// So many base units, in this unit.
    fn express(&self, value: &Exact) -> Result<Exact, ToolError> {
        apply(Operator::Div, value, &self.factor())
    }
}

impl Quantity {
    fn in_base(&self) -> Exact {
        self.value.multiply(&self.unit.factor())
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
