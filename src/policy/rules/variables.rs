//! What conditions can ask about.

use std::sync::OnceLock;

use cel::Value;
use cel::common::value::Val;
use chrono::{Datelike, Timelike};

use super::condition::{Failure, MOST_BYTES, MOST_VALUES};
use super::same;
use super::spelling::{self, Spellings};
use crate::policy::question::Question;

/// The names conditions know.
pub(super) const NAMES: [&str; 9] =
    ["args", "caller", "tenant", "agent", "scope", "tool", "time", "client", "session"];

/// The members of those that always have the same ones.
pub(super) fn fields(root: &str) -> Option<&'static [&'static str]> {
    match root {
        "caller" => Some(&["id", "issuer", "roles", "groups", "email"]),
        "tool" => Some(&["name", "kind", "server", "inner", "operation", "method"]),
        "time" => Some(&["unix", "date", "year", "month", "day", "hour", "minute", "weekday"]),
        "client" => Some(&["name", "version"]),
        "session" => Some(&["id"]),
        _ => None,
    }
}

/// Members that the audit trail does not keep, so that conditions which look at
/// them cannot be evaluated anew.
pub(super) fn unrecorded(root: &str, field: &str) -> Option<&'static str> {
    let mut known = all_unrecorded(root).iter().copied();
    known
        .find(|name| name.strip_prefix(root).and_then(|rest| rest.strip_prefix('.')) == Some(field))
}

/// All such members of a variable.
pub(super) fn all_unrecorded(root: &str) -> &'static [&'static str] {
    if root == "caller" { &["caller.groups", "caller.email"] } else { &[] }
}

/// The variables of one decision, each made when it is first asked for.
pub(in crate::policy) struct Variables<'a> {
    question: &'a Question<'a>,
    /// `read`, `write`, or empty.
    operation: &'static str,
    made: [OnceLock<Option<Box<dyn Val>>>; NAMES.len()],
    looked: OnceLock<Result<Looked<'a>, Failure>>,
    on_top: OnceLock<Spellings<'a>>,
}

impl<'a> Variables<'a> {
    pub(in crate::policy) fn new(question: &'a Question<'a>, operation: &'static str) -> Self {
        let (made, looked, on_top) = Default::default();
        Self { question, operation, made, looked, on_top }
    }

    /// The variable of that name.
    pub(super) fn get(&self, name: &str) -> Option<&dyn Val> {
        let place = NAMES.iter().position(|known| *known == name)?;
        let made = self.made[place].get_or_init(|| Box::<dyn Val>::try_from(self.make(name)?).ok());
        made.as_deref()
    }

    /// Whether nobody knows any more what a variable was.
    pub(super) fn lacks(&self, name: &str) -> bool {
        let Some(call) = self.question.call.filter(|call| call.past) else { return false };
        match name {
            "caller.groups" | "caller.email" | "session" => true,
            "client" => call.client.is_none(),
            _ => false,
        }
    }

    /// Whether a condition that names these members can look at the arguments;
    /// one that is `bounded`, at small ones only.
    pub(super) fn check_arguments(
        &self,
        members: &[Box<str>],
        bounded: bool,
    ) -> Result<(), Failure> {
        let looked = self.looked.get_or_init(|| {
            let arguments = self.question.arguments().ok_or(Failure::Unreadable)?;
            let mut looked = Looked::default();
            looked.at(arguments)?;
            Ok(looked)
        });
        let looked = looked.as_ref().map_err(|failure| *failure)?;
        if bounded && looked.bytes > MOST_BYTES {
            return Err(Failure::TooLarge);
        }
        if members.iter().any(|name| looked.spellings.vary_from(name)) {
            return Err(Failure::Varied);
        }
        Ok(())
    }

    /// Whether all these arguments have these values.
    pub(super) fn equal(&self, wanted: &[(Box<str>, serde_json::Value)]) -> Result<bool, Failure> {
        let arguments = self.question.arguments().ok_or(Failure::Unreadable)?;
        let Some(members) = arguments.as_object() else { return Ok(false) };
        let mut equal = true;
        for (name, wanted) in wanted {
            let varies = if spelling::is_small(members) {
                spelling::varies(members, name)
            } else {
                self.on_top.get_or_init(|| Spellings::of(members)).vary_from(name)
            };
            if varies {
                return Err(Failure::Varied);
            }
            equal &= match members.get(&**name) {
                Some(found) => same(found, wanted)?,
                None => false,
            };
        }
        Ok(equal)
    }

    fn make(&self, name: &str) -> Option<Value> {
        let Question { who, what, call, .. } = self.question;
        let text = |text: Option<&str>| Value::from(text.unwrap_or_default());
        let texts = |texts: &[String]| {
            Value::from(texts.iter().map(|text| Value::from(text.as_str())).collect::<Vec<_>>())
        };
        let number = |number: i64| Value::Int(number);
        let members = |members: Vec<(&str, Value)>| {
            Value::from(members.into_iter().collect::<std::collections::HashMap<_, _>>())
        };
        let call = call.as_ref()?;
        Some(match name {
            "args" => value(self.question.arguments()?),
            "caller" => members(vec![
                ("id", text(Some(who.user_id))),
                ("issuer", text(Some(who.issuer))),
                ("roles", texts(who.roles)),
                ("groups", texts(who.groups)),
                ("email", text(who.email)),
            ]),
            "tenant" => text(who.tenant),
            "agent" => text(who.only_agent()),
            "scope" => text(Some(what.scope)),
            "tool" => members(vec![
                ("name", text(Some(what.name))),
                ("kind", text(Some(what.kind.word()))),
                ("server", text(what.server)),
                ("inner", text(Some(what.inner))),
                ("operation", text(Some(self.operation))),
                ("method", text(Some(call.method))),
            ]),
            "time" => {
                let now = call.now;
                members(vec![
                    ("unix", number(now.timestamp())),
                    ("date", Value::from(now.format("%Y-%m-%d").to_string())),
                    ("year", number(now.year().into())),
                    ("month", number(now.month().into())),
                    ("day", number(now.day().into())),
                    ("hour", number(now.hour().into())),
                    ("minute", number(now.minute().into())),
                    ("weekday", number(now.weekday().number_from_monday().into())),
                ])
            }
            "client" => members(vec![
                ("name", text(call.client.map(|(name, _)| name))),
                ("version", text(call.client.map(|(_, version)| version))),
            ]),
            "session" => members(vec![(
                "id",
                Value::from(call.session.map(ToString::to_string).unwrap_or_default()),
            )]),
            _ => return None,
        })
    }
}

/// What there is in arguments.
#[derive(Default)]
struct Looked<'a> {
    values: usize,
    /// Of names and texts.
    bytes: usize,
    spellings: Spellings<'a>,
}

impl<'a> Looked<'a> {
    fn at(&mut self, value: &'a serde_json::Value) -> Result<(), Failure> {
        self.values += 1;
        if self.values > MOST_VALUES {
            return Err(Failure::TooLarge);
        }
        match value {
            serde_json::Value::Array(items) => items.iter().try_for_each(|item| self.at(item)),
            serde_json::Value::Object(members) => {
                // More than may be are not put into tables first.
                if self.values + members.len() > MOST_VALUES {
                    return Err(Failure::TooLarge);
                }
                if spelling::has_twins(members) {
                    return Err(Failure::Varied);
                }
                self.spellings.add(members);
                members.iter().try_for_each(|(name, member)| {
                    self.bytes += name.len();
                    self.at(member)
                })
            }
            serde_json::Value::String(text) => {
                self.bytes += text.len();
                Ok(())
            }
            serde_json::Value::Null | serde_json::Value::Bool(_) | serde_json::Value::Number(_) => {
                Ok(())
            }
        }
    }
}

/// JSON as CEL sees it: whole numbers that fit are `int` (or `uint`), all
/// others `double`.
fn value(json: &serde_json::Value) -> Value {
    match json {
        serde_json::Value::Null => Value::Null,
        serde_json::Value::Bool(flag) => Value::Bool(*flag),
        serde_json::Value::Number(number) => match (number.as_i64(), number.as_u64()) {
            (Some(number), _) => Value::Int(number),
            (None, Some(number)) => Value::UInt(number),
            (None, None) => Value::Float(number.as_f64().unwrap_or(f64::NAN)),
        },
        serde_json::Value::String(text) => Value::from(text.as_str()),
        serde_json::Value::Array(items) => Value::from(items.iter().map(value).collect::<Vec<_>>()),
        serde_json::Value::Object(members) => Value::from(
            members
                .iter()
                .map(|(name, member)| (name.as_str(), value(member)))
                .collect::<std::collections::HashMap<_, _>>(),
        ),
    }
}
