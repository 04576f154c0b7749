//! Conditions in CEL, the Common Expression Language.
//!
//! A condition is read when the policy is loaded, and everything that can be
//! known to be wrong with it is said then: syntax, names that do not exist,
//! what could cost too much. What can only fail while it runs (a member that
//! the arguments do not have, a comparison of text with a number) is a
//! [`Failure`], and the call is denied for that.
//!
//! The `cel` crate has no budget of its own, so the cost is bounded by what is
//! accepted: a text of at most [`MOST_TEXT`] bytes, no loop in a loop, no
//! regular expression that is not a literal or stands in a loop, and arguments
//! of at most [`MOST_VALUES`] values.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, LazyLock};

use cel::common::ast::{EntryExpr, Expr, IdedExpr, LiteralValue, operators};
use cel::common::value::CowVal;
use cel::context::VariableResolver;
use cel::{Context, Env, Program, Value};

use super::variables::{self, Variables};

/// Longest text of a condition, in bytes. The parser and the evaluator go one
/// level deeper for each operator, so the text bounds the stack.
const MOST_TEXT: usize = 1024;

/// Most values (objects, their members, items) in arguments that a condition
/// looks at.
pub(in crate::policy) const MOST_VALUES: usize = 4096;

/// Most bytes of names and texts in arguments that a loop goes over.
pub(in crate::policy) const MOST_LOOPED: usize = 64 * 1024;

/// Stack for reading conditions: a parser of unoptimised code needs much.
const STACK: usize = 32 * 1024 * 1024;

/// What conditions may call besides operators and macros.
const FUNCTIONS: [&str; 13] = [
    "size",
    "contains",
    "startsWith",
    "endsWith",
    "matches",
    "int",
    "uint",
    "double",
    "string",
    "bool",
    "type",
    "dyn",
    "@not_strictly_false",
];

static STANDARD: LazyLock<Arc<Env>> = LazyLock::new(|| Arc::new(Env::stdlib()));

/// A condition, compiled.
pub(in crate::policy) struct Condition {
    program: Program,
    text: Box<str>,
    reads: Vec<&'static str>,
    /// The members it names, of whatever.
    members: Vec<Box<str>>,
    loops: bool,
}

/// Why a condition came to nothing. Never holds a value of the arguments.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Failure {
    /// An operation failed, such as a comparison of text with a number.
    #[error("it cannot be evaluated: {0}")]
    Failed(&'static str),
    /// It came to something else than true or false.
    #[error("it is neither true nor false")]
    NotBoolean,
    /// The arguments hold too many values.
    #[error("the arguments hold too many values to be looked at")]
    TooLarge,
    /// A member has the name that is asked for in another case, or two have the
    /// same but for their case: a backend may go by the other.
    #[error("the arguments have a name in another case than the rule, or in two")]
    Varied,
    /// The arguments cannot be read, or something is not known.
    #[error("the arguments cannot be read")]
    Unreadable,
    /// The library panicked.
    #[error("it broke off")]
    Panicked,
}

impl Condition {
    /// Compiles a condition. Call it on a [`large_stack`].
    ///
    /// # Errors
    /// What is wrong with it.
    pub(in crate::policy) fn compile(text: &str) -> Result<Self, String> {
        if text.len() > MOST_TEXT {
            return Err(format!("is longer than {MOST_TEXT} bytes"));
        }
        let compiled = catch_unwind(|| STANDARD.compile(text));
        let program = match compiled {
            Ok(Ok(program)) => program,
            Ok(Err(errors)) => {
                let first = errors.errors.first().map(|error| error.msg.as_str());
                return Err(format!("is no CEL: {}", brief(first.unwrap_or("syntax error"))));
            }
            Err(_) => return Err("is no CEL: the parser broke off".to_owned()),
        };
        let mut judge = Judge::default();
        judge.look(program.expression(), &mut Vec::new(), 0)?;
        let Judge { reads, members, loops } = judge;
        Ok(Self { program, text: text.into(), reads, members, loops })
    }

    /// Whether it holds.
    ///
    /// # Errors
    /// [`Failure`].
    pub(in crate::policy) fn holds(&self, variables: &Variables<'_>) -> Result<bool, Failure> {
        if self.reads("args") {
            variables.check_arguments(&self.members, self.loops)?;
        }
        if self.reads.iter().any(|name| variables.lacks(name)) {
            return Err(Failure::Unreadable);
        }
        let seen = Seen(variables);
        let mut context = Context::with_env(Arc::clone(&STANDARD));
        context.set_variable_resolver(&seen);
        match catch_unwind(AssertUnwindSafe(|| self.program.execute(&context))) {
            Ok(Ok(Value::Bool(holds))) => Ok(holds),
            Ok(Ok(_)) => Err(Failure::NotBoolean),
            Ok(Err(error)) => Err(Failure::Failed(kind(&error))),
            Err(_) => Err(Failure::Panicked),
        }
    }

    /// Whether it looks at a variable.
    pub(in crate::policy) fn reads(&self, variable: &str) -> bool {
        self.reads.contains(&variable)
    }

    /// As it is written.
    pub(in crate::policy) fn text(&self) -> &str {
        &self.text
    }
}

impl fmt::Debug for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Condition").field(&self.text).finish()
    }
}

/// Runs something on a thread whose stack is large enough for the parser.
pub(in crate::policy) fn large_stack<T: Send>(work: impl FnOnce() -> T + Send) -> Option<T> {
    std::thread::scope(|scope| {
        let builder = std::thread::Builder::new().name("policy".to_owned()).stack_size(STACK);
        builder.spawn_scoped(scope, work).ok()?.join().ok()
    })
}

/// The variables as the evaluator asks for them.
struct Seen<'v, 'q>(&'v Variables<'q>);

impl VariableResolver for Seen<'_, '_> {
    fn resolve<'b>(&'b self, name: &str) -> Option<CowVal<'b, 'b>> {
        self.0.get(name).map(CowVal::Borrowed)
    }
}

/// The kind of an error: its own text would quote values.
fn kind(error: &cel::ExecutionError) -> &'static str {
    use cel::ExecutionError as Error;
    #[expect(clippy::wildcard_enum_match_arm, reason = "the library may add kinds")]
    match error {
        Error::NoSuchKey(_) => "there is no such member",
        Error::UndeclaredReference(_) => "a name is not known",
        Error::NoSuchOverload(_)
        | Error::UnexpectedType { .. }
        | Error::ValuesNotComparable(..)
        | Error::UnsupportedBinaryOperator(..)
        | Error::NotSupportedAsMethod { .. }
        | Error::UnsupportedTargetType { .. }
        | Error::UnsupportedIndex(..) => "the types do not fit",
        Error::DivisionByZero(_) | Error::RemainderByZero(_) => "division by zero",
        Error::Overflow(..) => "a number is too large",
        Error::IndexOutOfBounds(_) => "there is no such item",
        _ => "an operation failed",
    }
}

/// The first line of a message of the parser.
fn brief(message: &str) -> &str {
    let line = message.lines().next().unwrap_or_default();
    &line[..line.floor_char_boundary(200)]
}

/// Looks through an expression for what can be known to be wrong.
#[derive(Default)]
struct Judge {
    reads: Vec<&'static str>,
    members: Vec<Box<str>>,
    loops: bool,
}

impl Judge {
    fn look(
        &mut self,
        node: &IdedExpr,
        local: &mut Vec<String>,
        loops: usize,
    ) -> Result<(), String> {
        match &node.expr {
            Expr::Unspecified => Err("is empty".to_owned()),
            Expr::Literal(_) => Ok(()),
            Expr::Ident(name) => self.name(name, local),
            Expr::Select(select) => {
                if let Expr::Ident(root) = &select.operand.expr
                    && !local.contains(root)
                    && let Some(fields) = variables::fields(root)
                    && !fields.contains(&select.field.as_str())
                {
                    return Err(format!(
                        "`{root}` has no `{}`; it has {}",
                        select.field,
                        fields.join(", ")
                    ));
                }
                if let Expr::Ident(root) = &select.operand.expr
                    && !local.contains(root)
                    && let Some(name) = variables::unrecorded(root, &select.field)
                {
                    self.reads.push(name);
                }
                self.member(&select.field);
                self.look(&select.operand, local, loops)
            }
            Expr::Call(call) => {
                let name = call.func_name.as_str();
                let operator = name.starts_with(['_', '!', '-', '@']);
                if !operator && !FUNCTIONS.contains(&name) {
                    return Err(format!("`{name}` is no function of conditions"));
                }
                if name == "matches" {
                    pattern(call.args.last(), loops)?;
                }
                // `args["name"]`, and `"name" in args`.
                let named = match name {
                    operators::INDEX | operators::OPT_INDEX => call.args.get(1),
                    operators::IN => call.args.first(),
                    _ => None,
                };
                if let Some(Expr::Literal(LiteralValue::String(text))) =
                    named.map(|named| &named.expr)
                {
                    self.member(text.inner());
                }
                for part in call.target.as_deref().into_iter().chain(&call.args) {
                    self.look(part, local, loops)?;
                }
                Ok(())
            }
            Expr::List(list) => {
                list.elements.iter().try_for_each(|item| self.look(item, local, loops))
            }
            Expr::Map(map) => map.entries.iter().try_for_each(|entry| match &entry.expr {
                EntryExpr::MapEntry(entry) => {
                    self.look(&entry.key, local, loops)?;
                    self.look(&entry.value, local, loops)
                }
                EntryExpr::StructField(_) => Err("builds a structure".to_owned()),
            }),
            Expr::Struct(_) => Err("builds a structure".to_owned()),
            Expr::Comprehension(each) => {
                if loops > 0 {
                    return Err("has a loop in a loop, which may take too long".to_owned());
                }
                self.loops = true;
                self.look(&each.iter_range, local, loops)?;
                self.look(&each.accu_init, local, loops)?;
                let known = local.len();
                local.push(each.iter_var.clone());
                local.extend(each.iter_var2.clone());
                local.push(each.accu_var.clone());
                for part in [&each.loop_cond, &each.loop_step, &each.result] {
                    self.look(part, local, loops + 1)?;
                }
                local.truncate(known);
                Ok(())
            }
        }
    }

    fn member(&mut self, name: &str) {
        if !self.members.iter().any(|known| **known == *name) {
            self.members.push(name.into());
        }
    }

    fn name(&mut self, name: &str, local: &[String]) -> Result<(), String> {
        if local.iter().any(|known| known == name) {
            return Ok(());
        }
        match variables::NAMES.into_iter().find(|known| *known == name) {
            Some(known) => {
                if !self.reads.contains(&known) {
                    self.reads.push(known);
                }
                Ok(())
            }
            None => Err(format!(
                "`{name}` is not known here; there are {}",
                variables::NAMES.join(", ")
            )),
        }
    }
}

/// A regular expression is compiled each time it is looked at, so it must be
/// the policy's own.
fn pattern(argument: Option<&IdedExpr>, loops: usize) -> Result<(), String> {
    if loops > 0 {
        return Err("has `matches` in a loop, which may take too long".to_owned());
    }
    match argument.map(|argument| &argument.expr) {
        Some(Expr::Literal(LiteralValue::String(text))) => {
            regex::Regex::new(text.inner()).map(drop).map_err(|error| {
                let text = error.to_string();
                format!("has a wrong regular expression: {}", text.lines().last().unwrap_or(""))
            })
        }
        _ => Err("`matches` takes its regular expression as a literal only".to_owned()),
    }
}
