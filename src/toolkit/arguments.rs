//! Reading a call's arguments: strictly as JSON, then by the input schema.
//!
//! The schema a tool advertises is the schema its arguments are judged by, so
//! the two cannot drift apart.

use std::borrow::Cow;
use std::fmt;

use jsonschema::Validator;
use jsonschema::error::{ValidationError, ValidationErrorKind};
use jsonschema::paths::LocationSegment;
use serde::de::{
    DeserializeOwned, DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor,
};
use serde_json::{Map, Number, Value};

use super::tool::{Detail, ToolError};

/// Longest member name or sentence that is echoed, in characters.
const LONGEST_ECHO: usize = 200;

/// Reads and judges arguments; at most `most` details are kept.
pub(super) fn read(text: &str, schema: &Validator, most: usize) -> Result<Value, ToolError> {
    let arguments =
        parse(text).map_err(|problem| ToolError::invalid(Vec::new(), problem, "json"))?;
    if schema.is_valid(&arguments) {
        return Ok(arguments);
    }
    let details = schema.iter_errors(&arguments).flat_map(|error| describe(&error)).take(most);
    Err(ToolError::InvalidArguments(details.collect()))
}

/// Takes arguments that fit the schema as what a tool works with. What does not
/// fit that, a number in an unusual form for instance, is told like any other
/// wrong shape.
///
/// # Errors
/// [`ToolError::InvalidArguments`].
pub fn typed<T: DeserializeOwned>(arguments: Value) -> Result<T, ToolError> {
    serde_json::from_value(arguments).map_err(|_| {
        tracing::warn!("arguments fit the schema but not the tool");
        ToolError::invalid(Vec::new(), "do not fit", "schema")
    })
}

/// Puts a schema's complaint into the reply's form, without any value.
fn describe(error: &ValidationError<'_>) -> Vec<Detail> {
    let path: Vec<Value> = error
        .instance_path()
        .segments()
        .map(|segment| match segment {
            LocationSegment::Property(name) => Value::from(shorten(&name)),
            LocationSegment::Index(index) => Value::from(index),
        })
        .collect();
    let rule: Cow<'static, str> = Cow::Owned(error.kind().keyword().to_owned());
    let at = |member: &str, msg: &str| {
        let mut loc = path.clone();
        loc.push(Value::from(shorten(member)));
        Detail { loc, msg: msg.to_owned(), rule: rule.clone() }
    };
    if let ValidationErrorKind::Required { property } = error.kind() {
        return vec![at(property.as_str().unwrap_or_default(), "is required")];
    }
    if let ValidationErrorKind::AdditionalProperties { unexpected } = error.kind() {
        return unexpected.iter().map(|name| at(name, "is not a known field")).collect();
    }
    let msg = shorten(&error.masked().to_string());
    vec![Detail { loc: path, msg, rule }]
}

fn shorten(text: &str) -> String {
    text.chars().take(LONGEST_ECHO).collect()
}

/// Reads JSON and refuses a member that appears twice in one object, which
/// two parsers could read differently.
fn parse(text: &str) -> Result<Value, String> {
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let value = Strict.deserialize(&mut deserializer).map_err(|error| error.to_string())?;
    deserializer.end().map_err(|error| error.to_string())?;
    Ok(value)
}

struct Strict;

impl<'de> DeserializeSeed<'de> for Strict {
    type Value = Value;
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Number::from_f64(value).map_or(Value::Null, Value::Number))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::String(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element_seed(Strict)? {
            list.push(item);
        }
        Ok(Value::Array(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let mut object = Map::new();
        while let Some(name) = members.next_key::<String>()? {
            if object.contains_key(&name) {
                return Err(A::Error::custom(format_args!("`{}` appears twice", shorten(&name))));
            }
            let value = members.next_value_seed(Strict)?;
            object.insert(name, value);
        }
        Ok(Value::Object(object))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn details(text: &str) -> Value {
        let schema = json!({
            "type": "object", "required": ["a"], "additionalProperties": false,
            "properties": {
                "a": {"type": "array", "items": {"type": "string", "pattern": "^[0-9]+$"}},
                "b": {"enum": ["x", "y"]}
            }
        });
        let validator = jsonschema::validator_for(&schema).unwrap();
        match read(text, &validator, 3) {
            Err(ToolError::InvalidArguments(details)) => serde_json::to_value(details).unwrap(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn each_complaint_names_its_place_and_rule() {
        assert_eq!(
            details("{}"),
            json!([{"loc": ["a"], "msg": "is required", "type": "required"}])
        );
        assert_eq!(
            details(r#"{"a":[],"c":1}"#),
            json!([{"loc": ["c"], "msg": "is not a known field", "type": "additionalProperties"}])
        );
        let found = details(r#"{"a":["1","private"]}"#);
        assert_eq!(found[0]["loc"], json!(["a", 1]));
        assert_eq!(found[0]["type"], "pattern");
        assert!(!found.to_string().contains("private"));
    }

    #[test]
    fn complaints_are_counted_and_values_never_repeated() {
        let found = details(r#"{"a":["k","l","m","n","o"],"b":"topsecret"}"#);
        assert_eq!(found.as_array().unwrap().len(), 3);
        assert!(!found.to_string().contains("topsecret"));
    }

    #[test]
    fn doubled_members_and_broken_json_are_refused() {
        assert!(details(r#"{"a":[],"a":["1"]}"#)[0]["msg"].to_string().contains("twice"));
        assert!(details(r#"{"a":[],"\u0061":["1"]}"#)[0]["msg"].to_string().contains("twice"));
        assert_eq!(details("{")[0]["type"], "json");
        assert_eq!(details(r#"{"a":1e999}"#)[0]["type"], "json");
        assert_eq!(details("null")[0]["type"], "type");
    }
}
