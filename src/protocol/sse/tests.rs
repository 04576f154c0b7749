use bytes::{Bytes, BytesMut};
use proptest::prelude::*;

use super::*;

const LARGE: usize = 1 << 20;

fn event(fields: &[(&str, &str)]) -> Event {
    let mut event = Event::default();
    for (name, value) in fields {
        let value = Bytes::copy_from_slice(value.as_bytes());
        match *name {
            "id" => event.id = Some(value),
            "event" => event.name = Some(value),
            "data" => event.data = Some(value),
            _ => event.retry = Some(std::str::from_utf8(&value).unwrap().parse().unwrap()),
        }
    }
    event
}

/// The items of a stream that comes in these chunks.
fn read<'a>(chunks: impl IntoIterator<Item = &'a [u8]>) -> Vec<Item> {
    let mut parser = Parser::new(LARGE);
    let mut items = Vec::new();
    for chunk in chunks {
        parser.feed(Bytes::copy_from_slice(chunk));
        items.extend(parser.by_ref().map(Result::unwrap));
    }
    items
}

fn events(text: &str) -> Vec<Event> {
    read([text.as_bytes()])
        .into_iter()
        .filter_map(|item| match item {
            Item::Event(event) => Some(event),
            Item::Comment(_) => None,
        })
        .collect()
}

#[test]
fn the_examples_of_the_standard() {
    assert_eq!(events("data: YHOO\ndata: +2\ndata: 10\n\n"), [event(&[("data", "YHOO\n+2\n10")])]);
    assert_eq!(
        events(
            ": test stream\n\ndata: first event\nid: 1\n\ndata:second event\nid\n\ndata:  third event\n\n"
        ),
        [
            event(&[("data", "first event"), ("id", "1")]),
            event(&[("data", "second event"), ("id", "")]),
            event(&[("data", " third event")]),
        ]
    );
    // The third block breaks off, and is discarded.
    assert_eq!(
        events("data\n\ndata\ndata\n\ndata:"),
        [event(&[("data", "")]), event(&[("data", "\n")])]
    );
    assert_eq!(
        events("data:test\n\ndata: test\n\n"),
        [event(&[("data", "test")]), event(&[("data", "test")])]
    );
}

#[test]
fn fields_as_they_may_come() {
    for (text, fields) in [
        ("event: endpoint\ndata: /x\n\n", &[("event", "endpoint"), ("data", "/x")][..]),
        ("event:\ndata: x\n\n", &[("event", ""), ("data", "x")]),
        (
            "event: a\nevent: b\nid: 1\nid: 2\ndata\n\n",
            &[("event", "b"), ("id", "2"), ("data", "")],
        ),
        ("id: a\0b\ndata: x\n\n", &[("data", "x")]),
        ("id: a\nid: \0\ndata: x\n\n", &[("id", "a"), ("data", "x")]),
        ("retry: 3000\n\n", &[("retry", "3000")]),
        (
            "retry: 3000\nretry: -1\nretry: 1.5\nretry:\nretry: 99999999999999999999\n\n",
            &[("retry", "3000")],
        ),
        ("id: e1\nretry: 3000\ndata: \n\n", &[("id", "e1"), ("retry", "3000"), ("data", "")]),
        ("id: e1\n\n", &[("id", "e1")]),
        ("Data: x\nunknown: y\ndata : z\nid: 1\n\n", &[("id", "1")]),
        ("data: a:b: c\n\n", &[("data", "a:b: c")]),
        ("\u{feff}data: x\n\n", &[("data", "x")]),
    ] {
        assert_eq!(events(text), [event(fields)], "{text:?}");
    }
    assert_eq!(events("\n\n: only a comment\n\nunknown: x\n\n\u{feff}data: x\n\n"), []);
}

#[test]
fn lines_end_in_three_ways_also_across_chunks() {
    let expected = [Item::Event(event(&[("data", "a\nb")])), Item::Event(event(&[("id", "1")]))];
    for end in ["\n", "\r\n", "\r"] {
        let text = "data: a|data: b||id: 1||".replace('|', end);
        assert_eq!(read([text.as_bytes()]), expected, "{end:?}");
        assert_eq!(read(text.as_bytes().chunks(1)), expected, "{end:?}, byte by byte");
    }
    // The blank line is known at its CR; the LF that follows is no second one.
    let mut parser = Parser::new(LARGE);
    parser.feed(Bytes::from_static(b"data: a\r\n\r"));
    assert!(parser.next().is_some());
    parser.feed(Bytes::from_static(b"\ndata: b\r\n\r\n"));
    assert_eq!(parser.next(), Some(Ok(Item::Event(event(&[("data", "b")])))));
    assert_eq!(parser.next(), None);
}

#[test]
fn text_is_bytes() {
    let whole = "data: größe €\n\n".as_bytes();
    assert_eq!(read(whole.chunks(1)), [Item::Event(event(&[("data", "größe €")]))]);
    let read = read([&b"data: \xff\xfe\n\n"[..]]);
    let [Item::Event(event)] = &read[..] else { panic!("{read:?}") };
    assert_eq!(event.data.as_deref(), Some(&b"\xff\xfe"[..]));
}

#[test]
fn comments_are_seen_at_once() {
    let mut parser = Parser::new(LARGE);
    parser.feed(Bytes::from_static(b"data: a\n: ping\n:\n"));
    assert_eq!(parser.next(), Some(Ok(Item::Comment(Bytes::from_static(b"ping")))));
    assert_eq!(parser.next(), Some(Ok(Item::Comment(Bytes::new()))));
    assert_eq!(parser.next(), None);
    parser.feed(Bytes::from_static(b"\n"));
    assert_eq!(parser.next(), Some(Ok(Item::Event(event(&[("data", "a")])))));
}

#[test]
fn what_breaks_off_is_told_apart() {
    let mut parser = Parser::new(LARGE);
    parser.feed(Bytes::from_static(b"id: 1\ndata: {\"a\""));
    assert_eq!(parser.next(), None);
    assert_eq!(parser.pending(), 15);
    assert_eq!(parser.finish(), Some(event(&[("id", "1"), ("data", "{\"a\"")])));
    assert_eq!(parser.finish(), None);
}

#[test]
fn an_event_inside_a_chunk_is_not_copied() {
    let chunk = Bytes::from(format!("event: message\ndata: {}\n\n", "x".repeat(100_000)));
    let within = chunk.as_ptr_range();
    let mut parser = Parser::new(LARGE);
    parser.feed(chunk);
    let Some(Ok(Item::Event(event))) = parser.next() else { panic!() };
    assert!(within.contains(&event.data.unwrap().as_ptr()));
}

#[test]
fn a_line_of_many_mebibytes_arrives_whole() {
    let data = "{\"a\":1}".repeat(16 << 17);
    let text = format!("data: {data}\n\n");
    let mut parser = Parser::new(text.len());
    let mut found = Vec::new();
    for chunk in text.as_bytes().chunks(16 * 1024) {
        parser.feed(Bytes::copy_from_slice(chunk));
        found.extend(parser.by_ref());
    }
    assert!(found == [Ok(Item::Event(event(&[("data", &data)])))]);
}

#[test]
fn events_beyond_the_limit_end_the_stream() {
    let limit = 10;
    let fault = Some(Err(Oversized { limit }));
    for text in ["data: 12345", "data: 1\nid: 2", "data:1\nfiller:1\n\n", ":comment of ten"] {
        let mut parser = Parser::new(limit);
        parser.feed(Bytes::copy_from_slice(text.as_bytes()));
        assert_eq!(parser.next(), fault, "{text:?}");
        parser.feed(Bytes::from_static(b"data:1\n\n"));
        assert_eq!((parser.next(), parser.finish()), (None, None), "{text:?}");
        let mut slow = Parser::new(limit);
        let found = text.bytes().find_map(|byte| {
            slow.feed(Bytes::copy_from_slice(&[byte]));
            slow.next()
        });
        assert_eq!(found, fault, "{text:?}, byte by byte");
    }
    let mut parser = Parser::new(limit);
    parser.feed(Bytes::from_static(b"data: 1234\n\n:comment 1\n:comment 2\ndata: 1234\n\n"));
    assert_eq!(parser.by_ref().flatten().count(), 4, "the limit is for each event");
}

#[test]
fn writing_keeps_line_breaks_inside_the_event() {
    assert_eq!(
        String::from_utf8(message_event(b"{\r\n\"a\":1}")).unwrap(),
        "event: message\ndata: {\ndata: \"a\":1}\n\n"
    );
    let mut out = BytesMut::new();
    let mut event = event(&[
        ("id", "a\n\0b"),
        ("event", "x\r\ndata: y"),
        ("retry", "5"),
        ("data", "1\r2\n\n3\n"),
    ]);
    write(&event, &mut out);
    assert_eq!(
        std::str::from_utf8(&out).unwrap(),
        "id: ab\nevent: xdata: y\nretry: 5\ndata: 1\ndata: 2\ndata: \ndata: 3\ndata: \n\n"
    );
    event = Event::default();
    out.clear();
    write(&event, &mut out);
    assert!(out.is_empty());
    comment(b"", &mut out);
    comment(b"two\nlines", &mut out);
    assert_eq!(std::str::from_utf8(&out).unwrap(), ": \n\n: two\n: lines\n\n");
}

#[test]
fn messages_are_told_by_name_and_data() {
    assert!(event(&[("data", "{}")]).is_message());
    assert!(Event::message(Bytes::from_static(b"{}")).is_message());
    assert!(event(&[("event", ""), ("data", "{}")]).is_message());
    assert!(!event(&[("event", "endpoint"), ("data", "/x")]).is_message());
    assert!(!event(&[("id", "1"), ("data", "")]).is_message());
}

/// The standard's algorithm on a whole text, in the plainest way.
fn by_the_book(text: &[u8]) -> Vec<Item> {
    let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
    let mut lines: Vec<Vec<u8>> = vec![Vec::new()];
    let mut bytes = text.iter().copied().peekable();
    while let Some(byte) = bytes.next() {
        match byte {
            b'\r' => {
                bytes.next_if_eq(&b'\n');
                lines.push(Vec::new());
            }
            b'\n' => lines.push(Vec::new()),
            byte => lines.last_mut().unwrap().push(byte),
        }
    }
    lines.pop();
    let mut items = Vec::new();
    let mut event = Event::default();
    for line in lines {
        if line.is_empty() {
            let done = std::mem::take(&mut event);
            if done != Event::default() {
                items.push(Item::Event(done));
            }
            continue;
        }
        let (name, value) = match line.iter().position(|byte| *byte == b':') {
            Some(colon) => (&line[..colon], &line[colon + 1..]),
            None => (&line[..], &[][..]),
        };
        let value = Bytes::copy_from_slice(value.strip_prefix(b" ").unwrap_or(value));
        match name {
            b"" => items.push(Item::Comment(value)),
            b"data" => {
                event.data = Some(match event.data.take() {
                    Some(data) => [&data[..], b"\n", &value].concat().into(),
                    None => value,
                });
            }
            b"event" => event.name = Some(value),
            b"id" if !value.contains(&0) => event.id = Some(value),
            b"retry" => {
                let text = String::from_utf8_lossy(&value).into_owned();
                if text.bytes().all(|byte| byte.is_ascii_digit()) {
                    event.retry = text.parse().ok().or(event.retry);
                }
            }
            _ => {}
        }
    }
    items
}

/// Streams in which the grammar's corners are frequent.
fn streams() -> impl Strategy<Value = Vec<u8>> {
    const PIECES: &[&[u8]] = &[
        b"data",
        b"data: ",
        b"id:",
        b"event: ",
        b"retry: ",
        b"12",
        b":",
        b" ",
        b"\n",
        b"\r",
        b"\r\n",
        b"\n\n",
        b"\0",
        b"\xef\xbb\xbf",
        b"\xc3\xa9\xe2\x82\xac",
        b"\xff",
        b"{\"a\":1}",
    ];
    let pieces = prop::sample::select(PIECES);
    prop::collection::vec(pieces, 0..60).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn any_chunking_gives_what_the_standard_says(
        text in streams(),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..8),
    ) {
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(text.len() + 1)).collect();
        cuts.extend([0, text.len()]);
        cuts.sort_unstable();
        let chunks = cuts.windows(2).map(|cut| &text[cut[0]..cut[1]]);
        prop_assert_eq!(read(chunks), by_the_book(&text));
    }

    #[test]
    fn what_was_read_is_written_so_that_it_reads_the_same(text in streams()) {
        let items = read([&text[..]]);
        let mut out = BytesMut::new();
        for item in &items {
            match item {
                Item::Event(event) => write(event, &mut out),
                Item::Comment(text) => comment(text, &mut out),
            }
        }
        prop_assert_eq!(read([&out[..]]), items);
    }

    #[test]
    fn no_event_can_write_a_second_one(
        id in any::<Option<Vec<u8>>>(),
        name in any::<Option<Vec<u8>>>(),
        data in any::<Option<Vec<u8>>>(),
    ) {
        let event = Event {
            id: id.map(Bytes::from),
            name: name.map(Bytes::from),
            retry: None,
            data: data.map(Bytes::from),
        };
        let mut out = BytesMut::new();
        write(&event, &mut out);
        let expected = usize::from(event != Event::default());
        prop_assert_eq!(read([&out[..]]).len(), expected);
    }
}
