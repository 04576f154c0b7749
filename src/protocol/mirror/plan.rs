//! Which arguments of a tool have headers, from its input schema.

use serde_json::value::RawValue;

use crate::protocol::jsonrpc::MAX_DEPTH;
use crate::protocol::raw::{Object, Unfit, elements, text};

const ANNOTATION: &str = "x-mcp-header";

/// Keywords of JSON Schema whose value is a schema, or an array of schemas.
const SCHEMAS: &[&str] = &[
    "items",
    "prefixItems",
    "additionalItems",
    "unevaluatedItems",
    "contains",
    "additionalProperties",
    "unevaluatedProperties",
    "propertyNames",
    "contentSchema",
    "oneOf",
    "anyOf",
    "allOf",
    "not",
    "if",
    "then",
    "else",
];

/// Keywords of JSON Schema whose value holds schemas by name.
const NAMED_SCHEMAS: &[&str] =
    &["$defs", "definitions", "patternProperties", "dependentSchemas", "dependencies"];

/// One argument that has a header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Annotated {
    /// The header's name after `Mcp-Param-`, as the schema writes it.
    pub header: String,
    /// The names that lead from `arguments` to the value.
    pub path: Vec<String>,
}

/// Why a client over HTTP has to leave a tool out of its list.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Illegal {
    /// The annotation is no string, or empty, or not a token (RFC 9110 §5.6.2).
    #[error("`x-mcp-header` at {0} is no header name")]
    Name(String),
    /// Two arguments have the same header, case aside.
    #[error("`x-mcp-header` {0:?} appears twice")]
    Twice(String),
    /// The argument is not declared a string, an integer or a boolean.
    #[error("`x-mcp-header` at {0} is on a type that has no header")]
    Type(String),
    /// The annotation is not reached by `properties` alone.
    #[error("`x-mcp-header` at {0} is not reached by `properties` alone")]
    Unreachable(String),
    /// The schema nests too deep, or cannot be read the same way by everyone.
    #[error("the input schema at {0} cannot be read")]
    Schema(String),
}

/// The annotated arguments, in the order of the schema.
///
/// # Errors
/// [`Illegal`] makes the whole tool unusable for a client over HTTP.
pub fn plan(input_schema: &RawValue) -> Result<Vec<Annotated>, Illegal> {
    let mut found = Vec::new();
    walk(input_schema, &mut Vec::new(), true, 0, &mut found)?;
    Ok(found)
}

/// `reachable`: every step so far was a name under `properties`.
fn walk(
    schema: &RawValue,
    path: &mut Vec<String>,
    reachable: bool,
    depth: usize,
    found: &mut Vec<Annotated>,
) -> Result<(), Illegal> {
    // `true` and `false` are schemas too, and say nothing of headers.
    if !schema.get().starts_with('{') {
        return Ok(());
    }
    if depth > MAX_DEPTH {
        return Err(Illegal::Schema(place(path)));
    }
    let unreadable = |path: &[String]| Illegal::Schema(place(path));
    let object = Object::read(schema).map_err(|_| unreadable(path))?;
    if let Some(annotation) = object.exact(ANNOTATION).map_err(|_| unreadable(path))? {
        if !reachable || path.is_empty() {
            return Err(Illegal::Unreachable(place(path)));
        }
        let annotated = read(annotation, &object, path)?;
        if found.iter().any(|known| known.header.eq_ignore_ascii_case(&annotated.header)) {
            return Err(Illegal::Twice(annotated.header));
        }
        found.push(annotated);
    }
    for member in object.members() {
        let name = member.name();
        let beneath = |path: &mut Vec<String>, found: &mut Vec<Annotated>, schema: &RawValue| {
            walk(schema, path, false, depth + 1, found)
        };
        if name == "properties" && member.value.get().starts_with('{') {
            let properties = object.exact("properties").map_err(|_| unreadable(path))?;
            let properties =
                Object::read(properties.unwrap_or(member.value)).map_err(|_| unreadable(path))?;
            for property in properties.members() {
                path.push(property.name().into_owned());
                walk(property.value, path, reachable, depth + 1, found)?;
                path.pop();
            }
        } else if SCHEMAS.contains(&&*name) {
            match elements(member.value) {
                Ok(schemas) => {
                    for schema in schemas {
                        beneath(path, found, schema)?;
                    }
                }
                Err(_) => beneath(path, found, member.value)?,
            }
        } else if NAMED_SCHEMAS.contains(&&*name)
            && let Ok(schemas) = Object::read(member.value)
        {
            for schema in schemas.members() {
                beneath(path, found, schema.value)?;
            }
        }
    }
    Ok(())
}

fn read(annotation: &RawValue, schema: &Object<'_>, path: &[String]) -> Result<Annotated, Illegal> {
    let header = text(annotation)
        .filter(|name| !name.is_empty() && name.bytes().all(is_token))
        .ok_or_else(|| Illegal::Name(place(path)))?;
    let kind =
        schema.exact("type").and_then(|kind| kind.and_then(text).ok_or(Unfit::Missing("type")));
    match kind.as_deref() {
        Ok("string" | "integer" | "boolean") => {
            Ok(Annotated { header: header.into_owned(), path: path.to_vec() })
        }
        Ok(_) | Err(_) => Err(Illegal::Type(place(path))),
    }
}

/// RFC 9110 §5.6.2.
fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

/// A place in the arguments, for a person.
fn place(path: &[String]) -> String {
    const LONGEST: usize = 128;
    let mut place = format!("/{}", path.join("/"));
    place.truncate(place.floor_char_boundary(LONGEST));
    place
}
