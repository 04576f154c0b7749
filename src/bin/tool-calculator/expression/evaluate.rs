//! The machine that does the steps.

use super::functions::{Function, Towards, modulo, places, small, whole};
use super::read::Step;
use super::{Bounds, LARGEST_POWER, Problem};
use crate::exact::Exact;

/// Largest number on the way, in bits of its numerator and denominator, a
/// power of ten counted as its digits: some 30,000 decimal digits.
const MOST_BITS: u64 = 100_000;

/// Digits a root has beyond those of the result.
const GUARD: i64 = 50;

/// What an expression comes to.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) value: Exact,
    /// Whether every step was exact: roots need not be.
    pub(crate) exact: bool,
    /// Operations that were done.
    pub(crate) steps: usize,
}

/// Does the steps. `precision` is what the result will be rounded to;
/// `in_time` is asked before each operation.
///
/// # Errors
/// [`Problem`].
pub(crate) fn evaluate(
    steps: Vec<Step>,
    precision: i64,
    bounds: &Bounds,
    in_time: impl Fn() -> bool,
) -> Result<Answer, Problem> {
    let mut machine = Machine {
        stack: Vec::new(),
        exact: true,
        steps: 0,
        most: bounds.steps,
        root_digits: precision.saturating_add(GUARD),
        in_time,
    };
    for step in steps {
        machine.step(step)?;
    }
    let value = machine.pop()?;
    Ok(Answer { value, exact: machine.exact, steps: machine.steps })
}

struct Machine<T> {
    stack: Vec<Exact>,
    exact: bool,
    steps: usize,
    most: usize,
    root_digits: i64,
    in_time: T,
}

impl<T: Fn() -> bool> Machine<T> {
    fn step(&mut self, step: Step) -> Result<(), Problem> {
        let value = match step {
            Step::Push(value) => {
                self.stack.push(value);
                return Ok(());
            }
            Step::Negate => {
                self.count()?;
                self.pop()?.negate()
            }
            Step::Power => self.power()?,
            Step::Call(function, count) => self.call(function, count)?,
            Step::Add => {
                let (left, right) = self.two()?;
                left.add(&right)
            }
            Step::Subtract => {
                let (left, right) = self.two()?;
                left.subtract(&right)
            }
            Step::Multiply => {
                let (left, right) = self.two()?;
                left.multiply(&right)
            }
            Step::Divide => {
                let (left, right) = self.two()?;
                left.divide(&right).ok_or(Problem::Undefined)?
            }
        };
        self.stack.push(fitting(value)?);
        Ok(())
    }

    /// By squaring; each multiplication counts.
    fn power(&mut self) -> Result<Exact, Problem> {
        let exponent = small(&self.pop()?).ok_or(Problem::Exponent)?;
        let base = self.pop()?;
        let times = u32::try_from(exponent.unsigned_abs()).map_err(|_| Problem::Exponent)?;
        if times > LARGEST_POWER {
            return Err(Problem::Exponent);
        }
        self.count()?;
        let one = Exact::new(1, 0);
        let base = if exponent < 0 { one.divide(&base).ok_or(Problem::Undefined)? } else { base };
        let mut result = one;
        for place in (0..u32::BITS - times.leading_zeros()).rev() {
            self.count()?;
            result = fitting(result.multiply(&result))?;
            if times >> place & 1 == 1 {
                self.count()?;
                result = fitting(result.multiply(&base))?;
            }
        }
        Ok(result)
    }

    fn call(&mut self, function: Function, count: usize) -> Result<Exact, Problem> {
        self.count()?;
        match function {
            Function::Abs => {
                let value = self.pop()?;
                Ok(if value < Exact::new(0, 0) { value.negate() } else { value })
            }
            Function::Floor => Ok(whole(&self.pop()?, Towards::Below, 0)),
            Function::Ceil => Ok(whole(&self.pop()?, Towards::Above, 0)),
            Function::Trunc => Ok(whole(&self.pop()?, Towards::Zero, 0)),
            Function::Round => {
                let places = if count == 2 { places(&self.pop()?)? } else { 0 };
                Ok(whole(&self.pop()?, Towards::Nearest, places))
            }
            Function::Mod => {
                let divisor = self.pop()?;
                modulo(&self.pop()?, &divisor)
            }
            Function::Sqrt => {
                let value = self.pop()?;
                let (root, exact) = value.root(self.root_digits).ok_or(Problem::Undefined)?;
                self.exact &= exact;
                Ok(root)
            }
            Function::Min => self.fold(count, Ord::min),
            Function::Max => self.fold(count, Ord::max),
            Function::Sum => self.fold(count, |left, right| left.add(&right)),
            Function::Mean => {
                let sum = self.fold(count, |left, right| left.add(&right))?;
                sum.divide(&Exact::new(count, 0)).ok_or(Problem::Undefined)
            }
        }
    }

    /// The last so many values, two by two.
    fn fold(&mut self, count: usize, two: fn(Exact, Exact) -> Exact) -> Result<Exact, Problem> {
        let mut value = self.pop()?;
        for _ in 1..count {
            self.count()?;
            let next = self.pop()?;
            value = fitting(two(next, value))?;
        }
        Ok(value)
    }

    fn two(&mut self) -> Result<(Exact, Exact), Problem> {
        self.count()?;
        let right = self.pop()?;
        Ok((self.pop()?, right))
    }

    fn count(&mut self) -> Result<(), Problem> {
        self.steps += 1;
        if self.steps > self.most {
            return Err(Problem::Steps);
        }
        if (self.in_time)() { Ok(()) } else { Err(Problem::Time) }
    }

    /// The reader writes an operation only behind its operands, so there is
    /// always a value.
    fn pop(&mut self) -> Result<Exact, Problem> {
        self.stack.pop().ok_or(Problem::Undefined)
    }
}

/// The number, in lowest terms where it is large; no larger than allowed.
fn fitting(number: Exact) -> Result<Exact, Problem> {
    if number.bits() <= MOST_BITS {
        return Ok(number);
    }
    let reduced = number.reduced();
    if reduced.bits() <= MOST_BITS { Ok(reduced) } else { Err(Problem::Size) }
}
