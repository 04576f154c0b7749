//! What a `completion/complete` request says of arguments: the one that is being
//! completed, and those that are settled already.

use serde_json::value::RawValue;

use super::raw::{Object, Unfit, value};

/// The arguments of a prompt or a resource template, as far as they are known.
#[derive(Debug)]
pub struct Completion<'a> {
    /// The name, as it is written, and what there is of the value.
    argument: Option<(&'a RawValue, &'a RawValue)>,
    /// `context.arguments`.
    settled: Option<&'a RawValue>,
}

impl<'a> Completion<'a> {
    /// Reads a whole message.
    ///
    /// # Errors
    /// [`Unfit`]: it is no such message, or can be read in two ways.
    pub fn read(message: &'a [u8]) -> Result<Self, Unfit> {
        let params = Object::read(value(message)?)?.get("params")?;
        let params = Object::read(params.ok_or(Unfit::Missing("params"))?)?;
        let argument = match params.get("argument")? {
            None => None,
            Some(argument) => {
                let argument = Object::read(argument)?;
                let name = argument.get("name")?.ok_or(Unfit::Missing("name"))?;
                if !name.get().starts_with('"') {
                    return Err(Unfit::Missing("name"));
                }
                Some((name, argument.get("value")?.ok_or(Unfit::Missing("value"))?))
            }
        };
        let settled = match params.get("context")? {
            None => None,
            Some(context) => Object::read(context)?.get("arguments")?,
        };
        Ok(Self { argument, settled })
    }

    /// All of them as one object, as the prompt itself would be called.
    ///
    /// # Errors
    /// [`Unfit`]: those that are settled are no object.
    pub fn arguments(&self) -> Result<String, Unfit> {
        let mut text = String::from("{");
        let mut add = |name: &RawValue, value: &RawValue| {
            text.push_str(if text.len() > 1 { "," } else { "" });
            text.push_str(name.get());
            text.push(':');
            text.push_str(value.get());
        };
        if let Some(settled) = self.settled {
            for member in Object::read(settled)?.members() {
                add(member.key, member.value);
            }
        }
        if let Some((name, value)) = self.argument {
            add(name, value);
        }
        text.push('}');
        Ok(text)
    }

    /// The value that is being completed, and an object of just that argument.
    #[must_use]
    pub fn argument(&self) -> Option<(&'a RawValue, String)> {
        let (name, value) = self.argument?;
        Some((value, format!("{{{}:{}}}", name.get(), value.get())))
    }

    /// Those that are settled.
    #[must_use]
    pub fn settled(&self) -> Option<&'a RawValue> {
        self.settled
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arguments(params: &str) -> Result<String, Unfit> {
        let message = format!(r#"{{"jsonrpc":"2.0","id":1,"params":{params}}}"#);
        Completion::read(message.as_bytes())?.arguments()
    }

    #[test]
    fn settled_arguments_and_the_one_in_hand_are_one_object() {
        for (params, expected) in [
            (r#"{"ref":{}}"#, "{}"),
            (r#"{"argument":{"name":"to","value":"bo"}}"#, r#"{"to":"bo"}"#),
            (r#"{"context":{"arguments":{"a":"1"}}}"#, r#"{"a":"1"}"#),
            (
                r#"{"argument":{"value":"bo","name":"t\u006f"},"context":{"arguments":{ "a":"1", "b":2}}}"#,
                r#"{"a":"1","b":2,"t\u006f":"bo"}"#,
            ),
        ] {
            assert_eq!(arguments(params).unwrap(), expected, "{params}");
        }
    }

    #[test]
    fn what_can_be_read_in_two_ways_is_refused() {
        for params in [
            r#"{"argument":{"name":"a","value":"1"},"argument":{"name":"b","value":"1"}}"#,
            r#"{"argument":{"name":"a","Name":"b","value":"1"}}"#,
            r#"{"argument":{"name":"a","value":"1","VALUE":"2"}}"#,
            r#"{"context":{"arguments":{}},"Context":{}}"#,
            r#"{"argument":{"name":7,"value":"1"}}"#,
            r#"{"argument":[]}"#,
            r#"{"context":{"arguments":"x"}}"#,
        ] {
            assert!(arguments(params).is_err(), "{params}");
        }
    }
}
