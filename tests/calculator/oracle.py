"""Answers the calls of tests/calculator/oracle.rs by other means: fractions, and a
decimal context that rounds once. One JSON list of calls comes in, one of answers
goes out; a text is the sentence of a refusal."""
import json
import math
import re
import sys
from decimal import ROUND_HALF_EVEN, Context, Decimal
from fractions import Fraction as F

sys.set_int_max_str_digits(0)


class Refused(Exception):
    pass


def shown(fraction, digits):
    if fraction == 0:
        return "0"
    # Division in one context is rounded correctly, once.
    context = Context(prec=digits, rounding=ROUND_HALF_EVEN, Emax=999999, Emin=-999999)
    number = context.divide(Decimal(fraction.numerator), Decimal(fraction.denominator))
    text = format(number, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def root(fraction, digits):
    """The root as text, and whether it is exact."""
    if fraction < 0:
        raise ZeroDivisionError
    if fraction == 0:
        return "0", True
    over, under = math.isqrt(fraction.numerator), math.isqrt(fraction.denominator)
    if F(over, under) ** 2 == fraction:
        text = shown(F(over, under), digits)
        return text, F(text) == F(over, under)
    # An integer root with a sticky digit is enough to round right.
    lead = len(str(fraction.numerator)) - len(str(fraction.denominator))
    scale = digits + 20 + abs(lead)
    floor = math.isqrt(fraction.numerator * 10 ** (2 * scale) // fraction.denominator)
    return shown(F(floor * 10 + 1, 10 ** (scale + 1)), digits), False


def apply(operator, left, right):
    if operator == "add":
        return left + right
    if operator == "sub":
        return left - right
    if operator == "mul":
        return left * right
    return left / right


def calculate(a):
    result, *rest = map(F, a["operands"])
    for number in rest:
        result = apply(a["operator"], result, number)
    return {"result": shown(result, a["precision"]), "unit": None}


def variance(numbers, count):
    mean = sum(numbers) / len(numbers)
    return sum((n - mean) ** 2 for n in numbers) / count


def statistics(a):
    numbers = sorted(map(F, a["values"]))
    count, name = len(numbers), a["function"]
    if name == "stdev":
        text, _ = root(variance(numbers, count - a["sample"]), a["precision"])
        return {"result": text, "unit": None}
    if name == "percentile":
        rank = (count - 1) * F(a["percent"]) / 100
        below = math.floor(rank)
        above = min(below + 1, count - 1)
        value = numbers[below] + (rank - below) * (numbers[above] - numbers[below])
    else:
        value = {
            "mean": lambda: sum(numbers) / count,
            "median": lambda: (numbers[(count - 1) // 2] + numbers[count // 2]) / 2,
            "variance": lambda: variance(numbers, count - a["sample"]),
            "min": lambda: numbers[0],
            "max": lambda: numbers[-1],
            "sum": lambda: sum(numbers),
            "mode": lambda: max(numbers, key=numbers.count),
            "range": lambda: numbers[-1] - numbers[0],
            "sum_of_squares": lambda: sum(n * n for n in numbers),
        }[name]()
    return {"result": shown(value, a["precision"]), "unit": None}


def regression(a):
    x, y, digits = list(map(F, a["x"])), list(map(F, a["y"])), a["precision"]
    mean_x, mean_y = sum(x) / len(x), sum(y) / len(y)
    xx = sum((one - mean_x) ** 2 for one in x)
    yy = sum((one - mean_y) ** 2 for one in y)
    xy = sum((one - mean_x) * (other - mean_y) for one, other in zip(x, y))
    if xx == 0:
        raise Refused("a line requires at least 2 different values of x")
    slope = xy / xx
    intercept = mean_y - slope * mean_x
    squared = xy * xy / (xx * yy) if yy else None
    return {
        "slope": shown(slope, digits),
        "intercept": shown(intercept, digits),
        "correlation": ("-" if xy < 0 else "") + root(squared, digits)[0] if yy else None,
        "r_squared": shown(squared, digits) if yy else None,
        "prediction": shown(intercept + slope * F(a["at"]), digits),
    }


# Units from their definitions: powers of (metre, gram, second, kelvin, bit), factor.
METRE, GRAM, SECOND, KELVIN, BIT = [tuple(int(i == n) for i in range(5)) for n in range(5)]
INCH, POUND, HOUR = F("0.0254"), F("453.59237"), F(3600)
FOOT, MILE, NEWTON = 12 * INCH, 63360 * INCH, F(1000)
ENERGY, PRESSURE, SPEED = (2, 1, -2, 0, 0), (-1, 1, -2, 0, 0), (1, 0, -1, 0, 0)
LENGTHS = {"m": 1, "cm": F("0.01"), "mm": F("0.001"), "km": 1000, "in": INCH, "ft": FOOT,
           "yd": 3 * FOOT, "mi": MILE}
GALLON_US, GALLON_UK = 231 * INCH**3, F("4.54609") / 1000
UNITS = {name: (METRE, F(size)) for name, size in LENGTHS.items()}
UNITS |= {f"{name}^2": ((2, 0, 0, 0, 0), F(size) ** 2) for name, size in LENGTHS.items()}
UNITS |= {f"{name}^3": ((3, 0, 0, 0, 0), F(LENGTHS[name]) ** 3)
          for name in ("m", "cm", "mm", "in", "ft", "yd")}
for powers, units in {
    METRE: {"um": F(1, 10**6), "nm": F(1, 10**9), "nmi": 1852},
    GRAM: {"g": 1, "kg": 1000, "mg": F(1, 1000), "ug": F(1, 10**6), "t": 10**6,
           "oz": POUND / 16, "lb": POUND, "st": 14 * POUND},
    SECOND: {"s": 1, "ms": F(1, 1000), "us": F(1, 10**6), "ns": F(1, 10**9), "min": 60,
             "h": HOUR, "day": 24 * HOUR, "week": 168 * HOUR},
    (2, 0, 0, 0, 0): {"ha": 10000, "acre": 43560 * FOOT**2},
    (3, 0, 0, 0, 0): {"L": F(1, 1000), "mL": F(1, 10**6), "gal_us": GALLON_US,
                      "qt_us": GALLON_US / 4, "pt_us": GALLON_US / 8, "cup_us": GALLON_US / 16,
                      "floz_us": GALLON_US / 128, "gal_uk": GALLON_UK, "pt_uk": GALLON_UK / 8,
                      "floz_uk": GALLON_UK / 160},
    SPEED: {"m/s": 1, "km/h": 1000 / HOUR, "ft/s": FOOT, "mph": MILE / HOUR, "kn": 1852 / HOUR},
    KELVIN: {"K": 1, "degC": 1, "degF": F(5, 9), "degR": F(5, 9)},
    BIT: {f"{prefix}bit": 1000**n for n, prefix in enumerate(["", "k", "M", "G", "T"])}
    | {f"{prefix}B": 8 * 1000**n for n, prefix in enumerate(["", "k", "M", "G", "T", "P"])}
    | {f"{prefix}iB": 8 * 1024 ** (n + 1) for n, prefix in enumerate("KMGTP")},
    ENERGY: {"J": NEWTON, "kJ": 1000 * NEWTON, "MJ": 10**6 * NEWTON, "Wh": 3600 * NEWTON,
             "kWh": 3600000 * NEWTON, "MWh": 3600000000 * NEWTON, "cal": F("4.184") * NEWTON,
             "kcal": 4184 * NEWTON, "BTU": F("1055.05585262") * NEWTON,
             "eV": F("1.602176634") / 10**19 * NEWTON},
    PRESSURE: {"Pa": NEWTON, "hPa": 100 * NEWTON, "kPa": 1000 * NEWTON, "MPa": 10**6 * NEWTON,
               "bar": 10**5 * NEWTON, "mbar": 100 * NEWTON, "atm": 101325 * NEWTON,
               "psi": POUND * F("9.80665") / INCH**2, "mmHg": F("13.5951") * F("9.80665") * NEWTON},
}.items():
    UNITS |= {name: (powers, F(size)) for name, size in units.items()}
ZEROS = {"degC": F("273.15"), "degF": F("459.67")}


def convert(a):
    (powers, size), (wanted, step) = UNITS[a["from_unit"]], UNITS[a["to_unit"]]
    if powers != wanted:
        raise Refused("incompatible units")
    kelvins = (F(a["value"]) + ZEROS.get(a["from_unit"], 0)) * size
    value = kelvins / step - ZEROS.get(a["to_unit"], 0)
    return {"result": shown(value, a["precision"]), "unit": a["to_unit"]}


def quantities(a):
    left, right = a["left"], a["right"]
    if left["unit"] in ZEROS or right["unit"] in ZEROS:
        raise Refused("degC and degF can only be converted")
    (powers, size), (others, step) = UNITS[left["unit"]], UNITS[right["unit"]]
    if a["operator"] in ("add", "sub") and powers != others:
        raise Refused("incompatible units for add/sub")
    value = apply(a["operator"], F(left["value"]) * size, F(right["value"]) * step)
    if a["operator"] in ("add", "sub"):
        return {"result": shown(value / size, a["precision"]), "unit": left["unit"]}
    sign = 1 if a["operator"] == "mul" else -1
    made = [one + sign * other for one, other in zip(powers, others)]
    parts = [base if power == 1 else f"{base}^{power}"
             for base, power in zip(("m", "g", "s", "K", "bit"), made) if power]
    return {"result": shown(value, a["precision"]), "unit": "*".join(parts) or "1"}


FUNCTIONS = {
    "abs": abs, "min": min, "max": max,
    "floor": lambda x: F(math.floor(x)), "ceil": lambda x: F(math.ceil(x)),
    "trunc": lambda x: F(math.trunc(x)), "round": lambda x, places=0: round(F(x), int(places)),
    "mod": lambda x, y: x % y, "sum": lambda *xs: sum(xs), "mean": lambda *xs: sum(xs) / len(xs),
}


def evaluate(a):
    text, digits = a["expression"].replace("^", "**"), a["precision"]
    inner = re.fullmatch(r"sqrt\((.*)\)", text)
    code = inner[1] if inner else text
    code = re.sub(r"(?<![\w.])(\d+(?:\.\d+)?|\.\d+)", r'F("\1")', code)
    names = {name: F(value) for name, value in a["variables"].items()}
    value = F(eval(code, {"__builtins__": {}, "F": F, **FUNCTIONS, **names}))
    if inner:
        shown_root, exact = root(value, digits)
        return {"result": shown_root, "unit": None, "exact": exact}
    result = shown(value, digits)
    return {"result": result, "unit": None, "exact": F(result) == value}


TOOLS = {
    "exact_calculate": calculate, "exact_statistics": statistics, "exact_regression": regression,
    "exact_convert_units": convert, "exact_unit_arithmetic": quantities,
    "exact_evaluate": evaluate,
}
answers = []
for case in json.load(sys.stdin):
    try:
        answers.append(TOOLS[case["tool"]](case["arguments"]))
    except ZeroDivisionError:
        answers.append("Invalid arithmetic operation")
    except Refused as refused:
        answers.append(str(refused))
json.dump(answers, sys.stdout)
