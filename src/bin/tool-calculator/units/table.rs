//! Every unit, with its factor as its definition gives it: none is rounded.
//!
//! Inch and pound by the agreement of 1959, calorie (thermochemical), BTU (International
//! Table), electronvolt and the rest by the SI brochure (9th edition) and NIST SP 811.

use super::{Dimension, Unit};

const LENGTH: Dimension = Dimension([1, 0, 0, 0, 0]);
const MASS: Dimension = Dimension([0, 1, 0, 0, 0]);
const TIME: Dimension = Dimension([0, 0, 1, 0, 0]);
const TEMPERATURE: Dimension = Dimension([0, 0, 0, 1, 0]);
const DATA: Dimension = Dimension([0, 0, 0, 0, 1]);
const AREA: Dimension = Dimension([2, 0, 0, 0, 0]);
const VOLUME: Dimension = Dimension([3, 0, 0, 0, 0]);
const SPEED: Dimension = Dimension([1, 0, -1, 0, 0]);
const ENERGY: Dimension = Dimension([2, 1, -2, 0, 0]);
const PRESSURE: Dimension = Dimension([-1, 1, -2, 0, 0]);

/// `over` × 10^`exponent` base units.
const fn unit(name: &'static str, dimension: Dimension, over: u64, exponent: i64) -> Unit {
    ratio(name, dimension, (over, 1), exponent)
}

/// The same with a factor that no decimal can write.
const fn ratio(
    name: &'static str,
    dimension: Dimension,
    (over, under): (u64, u64),
    exponent: i64,
) -> Unit {
    Unit { name, dimension, over, under, exponent, zero: None }
}

/// A scale whose zero lies `digits` × 10^-2 of its steps above absolute zero.
const fn scale(name: &'static str, step: (u64, u64), digits: u32) -> Unit {
    Unit { zero: Some((digits, -2)), ..ratio(name, TEMPERATURE, step, 0) }
}

/// Every unit there is, as the schema lists them.
pub(crate) const UNITS: [Unit; 97] = [
    unit("m", LENGTH, 1, 0),
    unit("cm", LENGTH, 1, -2),
    unit("mm", LENGTH, 1, -3),
    unit("km", LENGTH, 1, 3),
    unit("um", LENGTH, 1, -6),
    unit("nm", LENGTH, 1, -9),
    unit("in", LENGTH, 254, -4),
    unit("ft", LENGTH, 3048, -4),
    unit("yd", LENGTH, 9144, -4),
    unit("mi", LENGTH, 1_609_344, -3),
    unit("nmi", LENGTH, 1852, 0),
    unit("g", MASS, 1, 0),
    unit("kg", MASS, 1, 3),
    unit("mg", MASS, 1, -3),
    unit("ug", MASS, 1, -6),
    unit("t", MASS, 1, 6),
    unit("oz", MASS, 28_349_523_125, -9),
    unit("lb", MASS, 45_359_237, -5),
    unit("st", MASS, 635_029_318, -5),
    unit("s", TIME, 1, 0),
    unit("ms", TIME, 1, -3),
    unit("us", TIME, 1, -6),
    unit("ns", TIME, 1, -9),
    unit("min", TIME, 60, 0),
    unit("h", TIME, 3600, 0),
    unit("day", TIME, 86_400, 0),
    unit("week", TIME, 604_800, 0),
    unit("m^2", AREA, 1, 0),
    unit("cm^2", AREA, 1, -4),
    unit("mm^2", AREA, 1, -6),
    unit("km^2", AREA, 1, 6),
    unit("ha", AREA, 1, 4),
    unit("in^2", AREA, 64_516, -8),
    unit("ft^2", AREA, 9_290_304, -8),
    unit("yd^2", AREA, 83_612_736, -8),
    unit("mi^2", AREA, 2_589_988_110_336, -6),
    unit("acre", AREA, 40_468_564_224, -7),
    unit("m^3", VOLUME, 1, 0),
    unit("cm^3", VOLUME, 1, -6),
    unit("mm^3", VOLUME, 1, -9),
    unit("L", VOLUME, 1, -3),
    unit("mL", VOLUME, 1, -6),
    unit("in^3", VOLUME, 16_387_064, -12),
    unit("ft^3", VOLUME, 28_316_846_592, -12),
    unit("yd^3", VOLUME, 764_554_857_984, -12),
    unit("gal_us", VOLUME, 3_785_411_784, -12),
    unit("qt_us", VOLUME, 946_352_946, -12),
    unit("pt_us", VOLUME, 473_176_473, -12),
    unit("cup_us", VOLUME, 2_365_882_365, -13),
    unit("floz_us", VOLUME, 295_735_295_625, -16),
    unit("gal_uk", VOLUME, 454_609, -8),
    unit("pt_uk", VOLUME, 56_826_125, -11),
    unit("floz_uk", VOLUME, 284_130_625, -13),
    unit("m/s", SPEED, 1, 0),
    ratio("km/h", SPEED, (5, 18), 0),
    unit("ft/s", SPEED, 3048, -4),
    unit("mph", SPEED, 44_704, -5),
    ratio("kn", SPEED, (463, 900), 0),
    unit("K", TEMPERATURE, 1, 0),
    scale("degC", (1, 1), 27_315),
    scale("degF", (5, 9), 45_967),
    ratio("degR", TEMPERATURE, (5, 9), 0),
    unit("bit", DATA, 1, 0),
    unit("kbit", DATA, 1, 3),
    unit("Mbit", DATA, 1, 6),
    unit("Gbit", DATA, 1, 9),
    unit("Tbit", DATA, 1, 12),
    unit("B", DATA, 8, 0),
    unit("kB", DATA, 8, 3),
    unit("MB", DATA, 8, 6),
    unit("GB", DATA, 8, 9),
    unit("TB", DATA, 8, 12),
    unit("PB", DATA, 8, 15),
    unit("KiB", DATA, 1 << 13, 0),
    unit("MiB", DATA, 1 << 23, 0),
    unit("GiB", DATA, 1 << 33, 0),
    unit("TiB", DATA, 1 << 43, 0),
    unit("PiB", DATA, 1 << 53, 0),
    unit("J", ENERGY, 1, 3),
    unit("kJ", ENERGY, 1, 6),
    unit("MJ", ENERGY, 1, 9),
    unit("Wh", ENERGY, 36, 5),
    unit("kWh", ENERGY, 36, 8),
    unit("MWh", ENERGY, 36, 11),
    unit("cal", ENERGY, 4184, 0),
    unit("kcal", ENERGY, 4184, 3),
    unit("BTU", ENERGY, 105_505_585_262, -5),
    unit("eV", ENERGY, 1_602_176_634, -25),
    unit("Pa", PRESSURE, 1, 3),
    unit("hPa", PRESSURE, 1, 5),
    unit("kPa", PRESSURE, 1, 6),
    unit("MPa", PRESSURE, 1, 9),
    unit("bar", PRESSURE, 1, 8),
    unit("mbar", PRESSURE, 1, 5),
    unit("atm", PRESSURE, 101_325, 3),
    // A pound's weight in standard gravity on a square inch.
    ratio("psi", PRESSURE, (44_482_216_152_605, 64_516), -2),
    unit("mmHg", PRESSURE, 133_322_387_415, -6),
];
