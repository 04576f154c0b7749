//! Several backends' lists as one.

use bytes::Bytes;
use serde_json::value::RawValue;

use super::{Cursor, List};
use crate::protocol::mcp::meta as names;
use crate::protocol::number;
use crate::protocol::raw::{Object, Unfit, elements, quote};
use crate::translate::meta;

/// The member of `_meta` that names the backends whose part is missing.
pub(crate) const UNAVAILABLE: &str = "scopegate/unavailable";

/// One backend's page, filtered and renamed already.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Page<'a> {
    /// The backend's place in the scope.
    pub(crate) backend: usize,
    /// Its result.
    pub(crate) result: &'a RawValue,
}

/// How lists are put together.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Merge<'a> {
    pub(crate) list: List,
    /// The page the client asked for; the first one without.
    pub(crate) asked: Option<&'a Cursor>,
    /// Names of backends that did not answer. When none did, there is no list:
    /// an error must say so, or it would look like one without entries.
    pub(crate) unavailable: &'a [&'a str],
    /// Who answers, for a modern client; a legacy one without.
    pub(crate) modern: Option<&'a RawValue>,
}

/// One list made of several.
#[derive(Debug)]
pub(crate) struct Merged {
    /// The result.
    pub(crate) result: Bytes,
    /// Backends that gave the cursor they were asked by; their lists end here.
    pub(crate) stuck: Vec<usize>,
}

impl Merge<'_> {
    /// Puts pages together, in their order. Entries stay byte for byte; what
    /// else backends say of their own list is not said of the whole. A modern
    /// list may be kept as long as the shortest-lived part of it, by nobody
    /// but the caller.
    ///
    /// # Errors
    /// [`Unfit`] when a page holds no such list, or could be read two ways.
    pub(crate) fn of(&self, pages: &[Page<'_>]) -> Result<Merged, Unfit> {
        let mut entries: Vec<&str> = Vec::new();
        let mut ttl: Option<i64> = None;
        for page in pages {
            let object = Object::read(page.result)?;
            let member = self.list.member();
            let found = object.get(member)?.ok_or(Unfit::Missing(member))?;
            entries.extend(elements(found)?.into_iter().map(RawValue::get));
            let says = object.get("ttlMs")?.and_then(|says| number::integer(says.get()));
            let says = says.unwrap_or(0).max(0);
            ttl = Some(ttl.map_or(says, |ttl| ttl.min(says)));
        }
        let results: Vec<_> = pages.iter().map(|page| (page.backend, page.result)).collect();
        let (next, stuck) = Cursor::after(self.asked, &results)?;
        let mut members: Vec<(&str, Vec<u8>)> = Vec::new();
        if self.modern.is_some() {
            members.push(("resultType", b"\"complete\"".to_vec()));
            members.push(("ttlMs", ttl.unwrap_or(0).to_string().into_bytes()));
            members.push(("cacheScope", b"\"private\"".to_vec()));
        }
        let notes = self.notes();
        if !notes.is_empty() {
            members.push(("_meta", meta::object(&notes)));
        }
        members.push((self.list.member(), meta::array(&entries)));
        members.extend(next.map(|next| ("nextCursor", quote(&next.encode()).into_bytes())));
        Ok(Merged { result: meta::object(&members).into(), stuck })
    }

    fn notes(&self) -> Vec<(&'static str, Vec<u8>)> {
        let mut notes = Vec::new();
        if let Some(info) = self.modern {
            notes.push((names::SERVER_INFO, info.get().as_bytes().to_vec()));
        }
        if !self.unavailable.is_empty() {
            let quoted: Vec<String> = self.unavailable.iter().map(|name| quote(name)).collect();
            notes.push((UNAVAILABLE, meta::array(&quoted)));
        }
        notes
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::raw::text;
    use crate::translate::raw;

    fn pages<'a>(results: &[&'a str]) -> Vec<Page<'a>> {
        let page = |(backend, result): (usize, &&'a str)| Page { backend, result: raw(result) };
        results.iter().enumerate().map(page).collect()
    }

    const LEGACY: Merge<'_> =
        Merge { list: List::Tools, asked: None, unavailable: &[], modern: None };

    #[test]
    fn entries_of_all_backends_stay_byte_for_byte() {
        let found = pages(&[
            r#"{"tools":[ {"name":"a","n":9223372036854775808} ],"x":1}"#,
            r#"{"tools":[]}"#,
            r#"{"tools":[{"name":"b","x":[ 1e-400 ]},7],"nextCursor":null}"#,
        ]);
        let merged = LEGACY.of(&found).unwrap();
        assert_eq!(
            merged.result,
            r#"{"tools":[{"name":"a","n":9223372036854775808},{"name":"b","x":[ 1e-400 ]},7]}"#
        );
        assert!(merged.stuck.is_empty());
        assert_eq!(LEGACY.of(&[]).unwrap().result, r#"{"tools":[]}"#);
        assert!(LEGACY.of(&pages(&["{}"])).is_err());
    }

    #[test]
    fn modern_lists_are_private_and_live_as_long_as_their_shortest_part() {
        let merge = Merge {
            modern: Some(raw(r#"{"name":"g"}"#)),
            unavailable: &["git", "a\"b"],
            list: List::Resources,
            asked: None,
        };
        let found = pages(&[
            r#"{"resources":[{"uri":"a"}],"ttlMs":300000,"cacheScope":"public","resultType":"complete"}"#,
            r#"{"resources":[],"ttlMs":1000.0,"cacheScope":"private"}"#,
        ]);
        assert_eq!(
            merge.of(&found).unwrap().result,
            r#"{"resultType":"complete","ttlMs":1000,"cacheScope":"private","_meta":{"io.modelcontextprotocol/serverInfo":{"name":"g"},"scopegate/unavailable":["git","a\"b"]},"resources":[{"uri":"a"}]}"#
        );
        let unsaid = pages(&[r#"{"resources":[],"ttlMs":5}"#, r#"{"resources":[]}"#]);
        let result = merge.of(&unsaid).unwrap().result;
        assert!(std::str::from_utf8(&result).unwrap().contains(r#""ttlMs":0"#));
        let legacy = Merge { unavailable: &["git"], ..LEGACY };
        assert_eq!(
            legacy.of(&[]).unwrap().result,
            r#"{"_meta":{"scopegate/unavailable":["git"]},"tools":[]}"#
        );
    }

    #[test]
    fn paging_visits_every_page_of_every_backend_once() {
        let backends: [&[&str]; 3] = [&["a1", "a2", "a3"], &["b1"], &["c1", "c2"]];
        let page = |backend: usize, at: usize| {
            let names = backends[backend];
            let next = if at + 1 < names.len() {
                format!(r#","nextCursor":"{}""#, at + 1)
            } else {
                String::new()
            };
            format!(r#"{{"tools":[{{"name":"{}"}}]{next}}}"#, names[at])
        };
        let mut seen = Vec::new();
        let mut asked: Option<Cursor> = None;
        for round in 0.. {
            assert!(round < 10, "paging does not end");
            let wanted: Vec<(usize, usize)> = match &asked {
                None => (0..3).map(|backend| (backend, 0)).collect(),
                Some(cursor) => cursor
                    .pending()
                    .map(|(backend, at)| (backend, text(at).unwrap().parse().unwrap()))
                    .collect(),
            };
            let texts: Vec<_> =
                wanted.iter().map(|&(backend, at)| (backend, page(backend, at))).collect();
            let found: Vec<_> = texts
                .iter()
                .map(|(backend, text)| Page { backend: *backend, result: raw(text) })
                .collect();
            let merged = Merge { asked: asked.as_ref(), ..LEGACY }.of(&found).unwrap();
            let result: serde_json::Value = serde_json::from_slice(&merged.result).unwrap();
            for tool in result["tools"].as_array().unwrap() {
                seen.push(tool["name"].as_str().unwrap().to_owned());
            }
            match result["nextCursor"].as_str() {
                Some(next) => asked = Some(Cursor::decode(next).unwrap()),
                None => break,
            }
        }
        assert_eq!(seen, ["a1", "b1", "c1", "a2", "c2", "a3"]);
    }
}
