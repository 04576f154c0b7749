//! Values of JSON text put out of sight, the rest of the text left as it is.

use super::json_path::{JsonPaths, Place};
use super::raw::{Object, Unfit, elements, value};
use super::splice::Edits;

/// Put in the place of a value (A-45).
pub const MASK: &str = "\"***REDACTED***\"";

/// Deepest nesting that paths are followed into; what lies deeper is masked.
const DEEPEST: usize = 64;

/// The text with every value masked that a path points at; `None` where there
/// is none.
///
/// # Errors
/// [`Unfit`] when the text is no JSON.
pub fn masked(text: &[u8], paths: &JsonPaths) -> Result<Option<bytes::Bytes>, Unfit> {
    let whole = value(text)?;
    let mut found = Vec::new();
    find(whole, &paths.start(), paths, 0, &mut found)?;
    if found.is_empty() {
        return Ok(None);
    }
    let edits = found
        .into_iter()
        .fold(Edits::new(text), |edits, part| edits.replace(part, MASK.as_bytes()));
    edits.finish().map(Some)
}

fn find<'t>(
    part: &'t serde_json::value::RawValue,
    place: &Place,
    paths: &JsonPaths,
    depth: usize,
    found: &mut Vec<&'t serde_json::value::RawValue>,
) -> Result<(), Unfit> {
    if place.is_meant() {
        found.push(part);
        return Ok(());
    }
    if place.is_over() {
        return Ok(());
    }
    let first = part.get().as_bytes().first();
    if !matches!(first, Some(b'{' | b'[')) {
        return Ok(());
    }
    if depth >= DEEPEST {
        found.push(part);
        return Ok(());
    }
    if first == Some(&b'{') {
        for member in Object::read(part)?.members() {
            let next = place.member(paths, &member.name());
            find(member.value, &next, paths, depth + 1, found)?;
        }
    } else {
        for (index, item) in elements(part)?.into_iter().enumerate() {
            find(item, &place.item(paths, index), paths, depth + 1, found)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mask(text: &str, paths: &[&str]) -> Option<String> {
        let paths = JsonPaths::read(paths).unwrap();
        let done = masked(text.as_bytes(), &paths).unwrap();
        done.map(|bytes| String::from_utf8(bytes.to_vec()).unwrap())
    }

    #[test]
    fn only_what_is_meant_is_masked_and_the_rest_stays() {
        assert_eq!(
            mask(r#"{ "a": 1.00, "b" :[{"c":"x"},{"C": 2}], "d":{}}"#, &["$.b[*].c"]),
            Some(
                r#"{ "a": 1.00, "b" :[{"c":"***REDACTED***"},{"C": "***REDACTED***"}], "d":{}}"#
                    .to_owned()
            )
        );
        assert_eq!(
            mask(r#"{"x":{"deep":{"pin":1}}}"#, &["$..pin"]).unwrap(),
            r#"{"x":{"deep":{"pin":"***REDACTED***"}}}"#
        );
    }

    #[test]
    fn what_is_not_there_changes_nothing() {
        assert_eq!(mask(r#"{"a":1}"#, &["$.b"]), None);
        assert_eq!(mask("[1,2]", &["$.b"]), None);
        assert_eq!(mask("\"text\"", &["$.b"]), None);
    }

    #[test]
    fn a_member_that_comes_twice_is_masked_twice() {
        assert_eq!(
            mask(r#"{"a":1,"a":2}"#, &["$.a"]).unwrap(),
            r#"{"a":"***REDACTED***","a":"***REDACTED***"}"#
        );
    }

    #[test]
    fn what_lies_too_deep_is_hidden() {
        let deep = format!("{}1{}", "[".repeat(100), "]".repeat(100));
        assert!(mask(&deep, &["$..pin"]).unwrap().contains("REDACTED"));
        assert_eq!(mask(&deep, &["$.pin"]), None, "no path leads there");
    }
}
