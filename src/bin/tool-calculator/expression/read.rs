//! From words to steps: precedence climbing that writes each step when its
//! operands are written.

use super::functions::Function;
use super::lex::{Word, Words};
use super::{Bounds, Problem};
use crate::exact::Exact;

/// What the machine does next.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Step {
    Push(Exact),
    Negate,
    Add,
    Subtract,
    Multiply,
    Divide,
    Power,
    /// A function of the last so many values.
    Call(Function, usize),
}

/// How tightly operators bind.
const SUM: u8 = 0;
const PRODUCT: u8 = 1;

/// Reads an expression; `variable` knows the values of names.
///
/// # Errors
/// [`Problem::Text`], [`Problem::Steps`].
pub(crate) fn read(
    text: &str,
    bounds: &Bounds,
    variable: impl Fn(&str) -> Option<Exact>,
) -> Result<Vec<Step>, Problem> {
    let mut words = Words::of(text, bounds)?;
    let (word, at) = words.take()?;
    let mut reader =
        Reader { words, word, at, depth: 0, operations: 0, steps: Vec::new(), bounds, variable };
    reader.expression(SUM)?;
    if reader.word == Word::End {
        Ok(reader.steps)
    } else {
        Err(reader.wrong("an operator was expected"))
    }
}

struct Reader<'a, V> {
    words: Words<'a>,
    word: Word<'a>,
    at: usize,
    depth: usize,
    operations: usize,
    steps: Vec<Step>,
    bounds: &'a Bounds,
    variable: V,
}

impl<'a, V: Fn(&str) -> Option<Exact>> Reader<'a, V> {
    /// An operand, and all operators that bind at least as tightly as `least`.
    fn expression(&mut self, least: u8) -> Result<(), Problem> {
        self.signed()?;
        loop {
            let (binding, step) = match self.word {
                Word::Plus => (SUM, Step::Add),
                Word::Minus => (SUM, Step::Subtract),
                Word::Times => (PRODUCT, Step::Multiply),
                Word::Over => (PRODUCT, Step::Divide),
                Word::Number(_)
                | Word::Name(_)
                | Word::Power
                | Word::Open
                | Word::Close
                | Word::Comma
                | Word::End => return Ok(()),
            };
            if binding < least {
                return Ok(());
            }
            self.advance()?;
            // The operators are read from left to right.
            self.expression(binding + 1)?;
            self.operation(step)?;
        }
    }

    fn signed(&mut self) -> Result<(), Problem> {
        let minus = self.word == Word::Minus;
        if !minus && self.word != Word::Plus {
            return self.power();
        }
        self.advance()?;
        self.nested(Self::signed)?;
        if minus { self.operation(Step::Negate) } else { Ok(()) }
    }

    fn power(&mut self) -> Result<(), Problem> {
        self.operand()?;
        if self.word != Word::Power {
            return Ok(());
        }
        self.advance()?;
        self.nested(Self::signed)?;
        self.operation(Step::Power)
    }

    fn operand(&mut self) -> Result<(), Problem> {
        let at = self.at;
        match self.advance()? {
            Word::Number(number) => {
                self.steps.push(Step::Push(number));
                Ok(())
            }
            Word::Open => {
                self.nested(|reader| reader.expression(SUM))?;
                self.close()
            }
            Word::Name(name) if self.word == Word::Open => {
                let function = Function::named(name)
                    .ok_or(Problem::Text { what: "there is no such function", at })?;
                self.advance()?;
                let count = self.arguments()?;
                if !function.takes(count) {
                    return Err(Problem::Text {
                        what: "this function takes another number of arguments",
                        at,
                    });
                }
                self.operation(Step::Call(function, count))
            }
            Word::Name(name) => {
                let value = (self.variable)(name)
                    .ok_or(Problem::Text { what: "this variable has no value", at })?;
                self.steps.push(Step::Push(value));
                Ok(())
            }
            Word::End => Err(Problem::Text { what: "the expression ends too early", at }),
            Word::Plus
            | Word::Minus
            | Word::Times
            | Word::Over
            | Word::Power
            | Word::Close
            | Word::Comma => Err(Problem::Text { what: "a number or a name was expected", at }),
        }
    }

    /// Arguments and the parenthesis behind them; gives how many there are.
    fn arguments(&mut self) -> Result<usize, Problem> {
        let mut count = 0;
        loop {
            self.nested(|reader| reader.expression(SUM))?;
            count += 1;
            if self.word != Word::Comma {
                self.close()?;
                return Ok(count);
            }
            self.advance()?;
        }
    }

    fn close(&mut self) -> Result<(), Problem> {
        if self.word != Word::Close {
            return Err(self.wrong("a closing parenthesis was expected"));
        }
        self.advance()?;
        Ok(())
    }

    fn nested(
        &mut self,
        inner: impl FnOnce(&mut Self) -> Result<(), Problem>,
    ) -> Result<(), Problem> {
        self.depth += 1;
        if self.depth > self.bounds.depth {
            return Err(self.wrong("the expression nests too deep"));
        }
        inner(self)?;
        self.depth -= 1;
        Ok(())
    }

    fn operation(&mut self, step: Step) -> Result<(), Problem> {
        self.operations += 1;
        if self.operations > self.bounds.steps {
            return Err(Problem::Steps);
        }
        self.steps.push(step);
        Ok(())
    }

    /// Takes the word that is next.
    fn advance(&mut self) -> Result<Word<'a>, Problem> {
        let (word, at) = self.words.take()?;
        self.at = at;
        Ok(std::mem::replace(&mut self.word, word))
    }

    fn wrong(&self, what: &'static str) -> Problem {
        Problem::Text { what, at: self.at }
    }
}
