//! Lines of the journal as rows for PostgreSQL's `COPY`.
//!
//! Measured, of a row's cost in the server: letting it take the JSON apart
//! (`json_to_record`) costs 12.5 µs, `COPY` of columns 7 µs; taking it apart
//! here costs a tenth of the difference.

use std::borrow::Cow;
use std::sync::LazyLock;

use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::StoreError;
use super::ship::Batch;

/// Members of a line that are columns of `audit_events`, sorted, as those of a
/// line are.
pub(super) const COLUMNS: [&str; 37] = [
    "agent",
    "arguments",
    "arguments_digest",
    "backend",
    "call_id",
    "client_addr",
    "client_name",
    "client_version",
    "decision",
    "detail",
    "duration_us",
    "endpoint_path",
    "error_code",
    "event_id",
    "http_status",
    "is_error",
    "issuer",
    "kind",
    "method",
    "policy_digest",
    "policy_generation",
    "quota_us",
    "reason",
    "request_id",
    "result_bytes",
    "result_digest",
    "rule_path",
    "scope",
    "session",
    "surface",
    "tenant",
    "time",
    "tool",
    "trace_id",
    "turn",
    "upstream_us",
    "user_id",
];

/// The statement the rows are for.
pub(super) fn statement() -> &'static str {
    static SQL: LazyLock<String> = LazyLock::new(|| {
        let columns = COLUMNS.join(", ");
        format!("COPY audit_events (chain_id, seq, line, {columns}) FROM STDIN")
    });
    &SQL
}

/// The rows of a batch, in `COPY`'s text format.
///
/// # Errors
/// [`StoreError::Rejected`] when a line is no object.
pub(super) fn rows(batch: &Batch) -> Result<Vec<u8>, StoreError> {
    // Each line twice, but for the names of members; the chain's id; separators.
    let mut rows = Vec::with_capacity(batch.lines.len() * 2 + batch.count * 64);
    for (line, seq) in batch.lines.split('\n').zip(batch.first_seq..) {
        let members: Members<'_> = serde_json::from_str(line)
            .map_err(|_| StoreError::Rejected("a line is no event".to_owned()))?;
        push_text(&mut rows, &batch.chain_id);
        rows.push(b'\t');
        rows.extend_from_slice(seq.to_string().as_bytes());
        rows.push(b'\t');
        push_text(&mut rows, line);
        for member in members.0 {
            rows.push(b'\t');
            push_value(&mut rows, member);
        }
        rows.push(b'\n');
    }
    Ok(rows)
}

/// Whether columns (as text, in the order of [`COLUMNS`]) are what a line says.
pub(super) fn fits(line: &str, columns: &[Option<&str>]) -> bool {
    let Ok(members) = serde_json::from_str::<Members<'_>>(line) else { return false };
    let same = |(member, column): (Option<&RawValue>, Option<&str>)| {
        let text = member.map_or("null", RawValue::get);
        match (text.strip_prefix('"').and_then(|text| text.strip_suffix('"')), column) {
            (None, None) => text == "null",
            (None, Some(column)) => text == column,
            (Some(_), None) => false,
            (Some(inside), Some(column)) => {
                inside == column
                    || memchr::memchr(b'\\', inside.as_bytes()).is_some()
                        && serde_json::from_str::<String>(text).is_ok_and(|text| text == column)
            }
        }
    };
    members.0.into_iter().zip(columns.iter().copied()).all(same)
}

/// The members of a line, in the order of [`COLUMNS`].
struct Members<'a>([Option<&'a RawValue>; COLUMNS.len()]);

/// A member's name; one that is written with escapes is none of ours.
struct Name<'a>(Cow<'a, str>);

impl<'de: 'a, 'a> Deserialize<'de> for Name<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct NameVisitor;
        impl<'de> Visitor<'de> for NameVisitor {
            type Value = Name<'de>;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a name")
            }
            fn visit_borrowed_str<E>(self, name: &'de str) -> Result<Self::Value, E> {
                Ok(Name(Cow::Borrowed(name)))
            }
            fn visit_str<E>(self, name: &str) -> Result<Self::Value, E> {
                Ok(Name(Cow::Owned(name.to_owned())))
            }
        }
        deserializer.deserialize_str(NameVisitor)
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Members<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct MembersVisitor;
        impl<'de> Visitor<'de> for MembersVisitor {
            type Value = Members<'de>;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an event")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut found = [None; COLUMNS.len()];
                let mut next = 0;
                while let Some(Name(name)) = map.next_key::<Name<'de>>()? {
                    // Lines are sorted: the next one is seldom far.
                    let places = (next..COLUMNS.len()).chain(0..next);
                    let Some(place) = places.into_iter().find(|&place| COLUMNS[place] == name)
                    else {
                        map.next_value::<IgnoredAny>()?;
                        continue;
                    };
                    found[place] = Some(map.next_value()?);
                    next = (place + 1) % COLUMNS.len();
                }
                Ok(Members(found))
            }
        }
        deserializer.deserialize_map(MembersVisitor)
    }
}

fn push_value(rows: &mut Vec<u8>, value: Option<&RawValue>) {
    let text = value.map_or("null", RawValue::get);
    match text.strip_prefix('"').and_then(|text| text.strip_suffix('"')) {
        None if text == "null" => rows.extend_from_slice(b"\\N"),
        None => push_text(rows, text),
        // JSON without escapes holds nothing that `COPY` would read otherwise.
        Some(inside) if memchr::memchr(b'\\', inside.as_bytes()).is_none() => {
            rows.extend_from_slice(inside.as_bytes());
        }
        Some(inside) => match serde_json::from_str::<String>(text) {
            Ok(text) => push_text(rows, &text),
            Err(_) => push_text(rows, inside),
        },
    }
}

/// Text as `COPY` reads it.
fn push_text(rows: &mut Vec<u8>, text: &str) {
    let mut rest = text.as_bytes();
    let special = |byte: &u8| matches!(byte, b'\\' | b'\t' | b'\n' | b'\r');
    let next = |text: &[u8]| {
        // Without an early end, many bytes are looked at at once.
        let block = text.chunks(64).position(|it| it.iter().fold(false, |f, b| f | special(b)))?;
        text[block * 64..].iter().position(special).map(|at| block * 64 + at)
    };
    while let Some(at) = next(rest) {
        rows.extend_from_slice(&rest[..at]);
        rows.extend_from_slice(match rest[at] {
            b'\t' => b"\\t",
            b'\n' => b"\\n",
            b'\r' => b"\\r",
            _ => b"\\\\",
        });
        rest = &rest[at + 1..];
    }
    rows.extend_from_slice(rest);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(line: &str) -> Result<Vec<String>, StoreError> {
        let batch = Batch {
            chain_id: "c".to_owned(),
            cursor: 7,
            first_seq: 7,
            count: 1,
            lines: line.to_owned(),
        };
        let rows = String::from_utf8(rows(&batch)?).unwrap();
        let row = rows.strip_suffix('\n').unwrap();
        Ok(row.split('\t').map(ToOwned::to_owned).collect())
    }

    fn value(line: &str, column: &str) -> String {
        let at = COLUMNS.iter().position(|name| *name == column).unwrap();
        row(line).unwrap()[3 + at].clone()
    }

    #[test]
    fn columns_are_sorted_so_that_a_line_is_read_in_one_pass() {
        assert!(COLUMNS.is_sorted());
    }

    #[test]
    fn a_row_has_the_line_and_a_value_or_null_for_each_column() {
        let line = r#"{"kind":"outcome","is_error":true,"result_bytes":5,"seq":7}"#;
        let fields = row(line).unwrap();
        assert_eq!(fields.len(), 3 + COLUMNS.len());
        assert_eq!(fields[..3], ["c", "7", line]);
        assert_eq!(value(line, "kind"), "outcome");
        assert_eq!(value(line, "is_error"), "true");
        assert_eq!(value(line, "result_bytes"), "5");
        assert_eq!(fields.iter().filter(|field| *field == "\\N").count(), COLUMNS.len() - 3);
    }

    #[test]
    fn members_out_of_order_and_unknown_ones_do_no_harm() {
        let line = r#"{"user_id":"ann","zzz":[1,{"a":2}],"agent":"x","time":"t"}"#;
        assert_eq!((value(line, "user_id"), value(line, "agent")), ("ann".into(), "x".into()));
    }

    #[test]
    fn what_copy_would_misread_is_escaped() {
        let line = r#"{"detail":"a\tb\\N\nc\rd\"e"}"#;
        assert_eq!(value(line, "detail"), r#"a\tb\\N\nc\rd"e"#);
        assert_eq!(row(line).unwrap()[2], line.replace('\\', "\\\\"));
        assert_eq!(value(r#"{"detail":"\\."}"#, "detail"), r"\\.");
        assert_eq!(value(r#"{"detail":""}"#, "detail"), "");
        assert_eq!(value(r#"{"detail":null}"#, "detail"), r"\N");
        assert_eq!(value(r#"{"detail":{"a":1}}"#, "detail"), r#"{"a":1}"#);
    }

    #[test]
    fn a_line_that_is_no_object_is_rejected() {
        for line in ["", "7", "[]", "{", "{\"a\":}"] {
            assert!(matches!(row(line), Err(StoreError::Rejected(_))), "{line}");
        }
    }
}
