//! Conditions in CEL, the Common Expression Language.
//!
//! A condition is read when the policy is loaded, and everything that can be
//! known to be wrong with it is said then: syntax, names that do not exist,
//! what could cost too much. What can only fail while it runs (a member that
//! the arguments do not have, a comparison of text with a number) is a
//! [`Failure`], and the call is denied for that.
//!
//! The `cel` crate has no budget of its own, so the cost is bounded by what is
//! accepted. Every accepted condition takes time linear in the arguments it looks
//! at, of which there are at most [`MOST_VALUES`]:
//!
//! - a text of at most [`MOST_TEXT`] bytes, and no loop in a loop;
//! - in a loop, nothing that goes over the arguments anew each time;
//! - what a loop collects is part of what it goes over: nothing can grow;
//! - regular expressions are literals, compiled once, of at most [`MOST_PATTERN`]
//!   bytes;
//! - loops, regular expressions, and what builds texts or lists look at arguments
//!   of at most [`MOST_BYTES`] only.

use std::cell::RefCell;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, LazyLock};

use cel::common::ast::{CallExpr, EntryExpr, Expr, IdedExpr, LiteralValue, operators};
use cel::common::types::{CelBool, CelString, STRING_TYPE};
use cel::common::value::CowVal;
use cel::context::VariableResolver;
use cel::{Context, Env, ExecutionError, Program, Value};

use super::variables::{self, Variables};

/// Longest text of a condition, in bytes. The parser and the evaluator go one
/// level deeper for each operator, so the text bounds the stack.
const MOST_TEXT: usize = 1024;

/// Most values (objects, their members, items) in arguments that a condition
/// looks at.
pub(in crate::policy) const MOST_VALUES: usize = 4096;

/// Most bytes of names and texts in arguments that is looked at by what takes more
/// than one look.
pub(in crate::policy) const MOST_BYTES: usize = 64 * 1024;

/// Largest regular expression, compiled, in bytes.
const MOST_PATTERN: usize = 64 * 1024;

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

/// What may be done to arguments in a loop: it takes no longer for large ones, or
/// no longer than what the loop goes over is.
const QUICK: [&str; 20] = [
    operators::CONDITIONAL,
    operators::LOGICAL_AND,
    operators::LOGICAL_OR,
    operators::LOGICAL_NOT,
    operators::SUBSTRACT,
    operators::MULTIPLY,
    operators::DIVIDE,
    operators::MODULO,
    operators::NEGATE,
    operators::EQUALS,
    operators::NOT_EQUALS,
    operators::GREATER,
    operators::GREATER_EQUALS,
    operators::LESS,
    operators::LESS_EQUALS,
    operators::INDEX,
    operators::OPT_INDEX,
    operators::NOT_STRICTLY_FALSE,
    "startsWith",
    "endsWith",
];

/// The regular expressions of a condition, by their texts.
type Patterns = Arc<[(Box<str>, regex::Regex)]>;

thread_local! {
    /// Those of the condition that is being evaluated on this thread: functions
    /// of the library are told of nothing but their arguments.
    static PATTERNS: RefCell<Option<Patterns>> = const { RefCell::new(None) };
}

static STANDARD: LazyLock<Arc<Env>> = LazyLock::new(|| {
    let mut env = Env::stdlib();
    let text = || STRING_TYPE;
    let declared =
        env.add_overload("matches", "matches", vec![text(), text()], matches).and_then(|()| {
            env.add_member_overload("matches", "matches_member", text(), vec![text()], matches)
        });
    // Only a second one of that name could be refused.
    debug_assert!(declared.is_ok());
    Arc::new(env)
});

/// Whether a text matches a regular expression of the condition.
#[expect(clippy::needless_pass_by_value, reason = "the library's type of functions")]
fn matches<'b, 'v>(arguments: Vec<CowVal<'b, 'v>>) -> Result<CowVal<'b, 'v>, ExecutionError> {
    let fault = || ExecutionError::function_error("matches", "takes two texts");
    let [text, pattern] = arguments.as_slice() else { return Err(fault()) };
    let text = text.as_ref().downcast_ref::<CelString<'_>>().ok_or_else(fault)?;
    let pattern = pattern.as_ref().downcast_ref::<CelString<'_>>().ok_or_else(fault)?;
    let found = PATTERNS.with_borrow(|patterns| {
        let mut known = patterns.iter().flat_map(|patterns| patterns.iter());
        let (_, regex) = known.find(|(known, _)| **known == *pattern.inner())?;
        Some(regex.is_match(text.inner()))
    });
    found.map(|found| CowVal::owned(CelBool::from(found))).ok_or_else(fault)
}

/// A condition, compiled.
pub(in crate::policy) struct Condition {
    program: Program,
    text: Box<str>,
    reads: Vec<&'static str>,
    /// The members it names, of whatever.
    members: Vec<Box<str>>,
    /// It looks at small arguments only.
    bounded: bool,
    patterns: Patterns,
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
    /// The arguments hold too many values, or too many bytes.
    #[error("the arguments are too large to be looked at")]
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
        let Judge { reads, members, bounded, patterns, .. } = judge;
        Ok(Self { program, text: text.into(), reads, members, bounded, patterns: patterns.into() })
    }

    /// Whether it holds.
    ///
    /// # Errors
    /// [`Failure`].
    pub(in crate::policy) fn holds(&self, variables: &Variables<'_>) -> Result<bool, Failure> {
        if self.reads("args") {
            variables.check_arguments(&self.members, self.bounded)?;
        }
        if self.reads.iter().any(|name| variables.lacks(name)) {
            return Err(Failure::Unreadable);
        }
        let seen = Seen(variables);
        let mut context = Context::with_env(Arc::clone(&STANDARD));
        context.set_variable_resolver(&seen);
        if !self.patterns.is_empty() {
            PATTERNS.set(Some(Arc::clone(&self.patterns)));
        }
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
fn kind(error: &ExecutionError) -> &'static str {
    use ExecutionError as Error;
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
    bounded: bool,
    patterns: Vec<(Box<str>, regex::Regex)>,
    /// What the loop collects in, while one is looked at.
    collects_in: Option<String>,
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
            Expr::Ident(name) => {
                // Whoever takes the whole may look at any part of it.
                if !local.contains(name) {
                    self.reads.extend(variables::all_unrecorded(name));
                }
                self.name(name, local)
            }
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
                if let Expr::Ident(root) = &select.operand.expr {
                    return self.name(root, local);
                }
                self.look(&select.operand, local, loops)
            }
            Expr::Call(call) => {
                let name = call.func_name.as_str();
                let operator = name.starts_with(['_', '!', '-', '@']);
                if !operator && !FUNCTIONS.contains(&name) {
                    return Err(format!("`{name}` is no function of conditions"));
                }
                if name == "matches" {
                    self.pattern(call.args.last(), loops)?;
                }
                self.bounded |= matches!(name, operators::ADD | "string");
                if let Some(element) = self.collected(call) {
                    is_part(element, local)?;
                    return self.look(element, local, loops);
                }
                if loops > 0 {
                    is_quick(call)?;
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
                self.bounded = true;
                self.look(&each.iter_range, local, loops)?;
                self.look(&each.accu_init, local, loops)?;
                let known = local.len();
                local.push(each.iter_var.clone());
                local.extend(each.iter_var2.clone());
                local.push(each.accu_var.clone());
                self.collects_in = Some(each.accu_var.clone());
                for part in [&each.loop_cond, &each.loop_step, &each.result] {
                    self.look(part, local, loops + 1)?;
                }
                local.truncate(known);
                Ok(())
            }
        }
    }

    /// What is appended to what a loop collects, where the call does that.
    fn collected<'e>(&self, call: &'e CallExpr) -> Option<&'e IdedExpr> {
        let [into, list] = call.args.as_slice() else { return None };
        match (&into.expr, &list.expr) {
            (Expr::Ident(name), Expr::List(list))
                if call.func_name == operators::ADD && self.collects_in.as_ref() == Some(name) =>
            {
                list.elements.first()
            }
            _ => None,
        }
    }

    /// A regular expression must be the policy's own.
    fn pattern(&mut self, argument: Option<&IdedExpr>, loops: usize) -> Result<(), String> {
        if loops > 0 {
            return Err("has `matches` in a loop, which may take too long".to_owned());
        }
        let Some(Expr::Literal(LiteralValue::String(text))) = argument.map(|it| &it.expr) else {
            return Err("`matches` takes its regular expression as a literal only".to_owned());
        };
        let text = text.inner();
        let regex = regex::RegexBuilder::new(text).size_limit(MOST_PATTERN).build();
        let regex = regex.map_err(|error| {
            let error = error.to_string();
            format!("has a wrong regular expression: {}", error.lines().last().unwrap_or(""))
        })?;
        self.bounded = true;
        self.patterns.push((text.into(), regex));
        Ok(())
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

/// Whether an expression looks at the arguments, and not only at what a loop goes
/// over.
fn looks_at_arguments(node: &IdedExpr) -> bool {
    any(node, &|expr| matches!(expr, Expr::Ident(name) if name == "args"))
}

/// Whether it holds of a part of an expression.
fn any(node: &IdedExpr, holds: &dyn Fn(&Expr) -> bool) -> bool {
    let inside = |part: &IdedExpr| any(part, holds);
    holds(&node.expr)
        || match &node.expr {
            Expr::Unspecified | Expr::Literal(_) | Expr::Ident(_) | Expr::Struct(_) => false,
            Expr::Select(select) => inside(&select.operand),
            Expr::Call(call) => call.target.as_deref().into_iter().chain(&call.args).any(inside),
            Expr::List(list) => list.elements.iter().any(inside),
            Expr::Map(map) => map.entries.iter().any(|entry| match &entry.expr {
                EntryExpr::MapEntry(entry) => inside(&entry.key) || inside(&entry.value),
                EntryExpr::StructField(field) => inside(&field.value),
            }),
            Expr::Comprehension(each) => {
                [&each.iter_range, &each.accu_init, &each.loop_cond, &each.loop_step, &each.result]
                    .into_iter()
                    .any(inside)
            }
        }
}

/// What a call in a loop does to the arguments must not take long each time.
fn is_quick(call: &CallExpr) -> Result<(), String> {
    let parts = || call.target.as_deref().into_iter().chain(&call.args);
    let name = call.func_name.as_str();
    let looking = parts().filter(|part| looks_at_arguments(part)).count();
    // Of two texts or lists the shorter one says how long they are compared.
    let compares = matches!(name, operators::EQUALS | operators::NOT_EQUALS);
    if looking > 0 && !QUICK.contains(&name) || compares && looking > 1 {
        let name = name.trim_matches(['_', '@']);
        return Err(format!(
            "has `{name}` with `args` in a loop, which may take too long; take what the loop \
             goes over"
        ));
    }
    Ok(())
}

/// What a loop collects must be part of what it goes over, or a number: texts and
/// lists could grow with each further loop.
fn is_part(element: &IdedExpr, local: &[String]) -> Result<(), String> {
    let grows = |expr: &Expr| match expr {
        Expr::List(_) | Expr::Map(_) => true,
        Expr::Call(call) => matches!(call.func_name.as_str(), operators::ADD | "string"),
        Expr::Ident(name) => !local.contains(name),
        Expr::Unspecified
        | Expr::Literal(_)
        | Expr::Select(_)
        | Expr::Struct(_)
        | Expr::Comprehension(_) => false,
    };
    if any(element, &grows) {
        return Err("collects more in a loop than parts of what it goes over".to_owned());
    }
    Ok(())
}
