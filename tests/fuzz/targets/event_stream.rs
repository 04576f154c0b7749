//! However a stream is cut into chunks, the same events come out, and what was
//! read is written so that it reads the same.

#![no_main]

use bytes::{Bytes, BytesMut};
use libfuzzer_sys::fuzz_target;
use scopegate_fuzz::protocol::sse::{Item, Oversized, Parser, comment, message_event, write};

// Chunk size and limit are taken from the input's first bytes, so that short
// inputs reach every corner.
fuzz_target!(|input: &[u8]| {
    let [step, limit, text @ ..] = input else { return };
    let limits = [usize::from(*limit), 1 << 20];
    for limit in limits {
        let whole = read(text, text.len(), limit);
        let pieces = read(text, usize::from(step % 7) + 1, limit);
        assert_eq!(whole, pieces);
    }
    let (items, rest) = read(text, text.len(), 1 << 20);
    let items: Vec<Item> = items.into_iter().map(Result::unwrap).collect();
    let mut out = BytesMut::new();
    for item in &items {
        match item {
            Item::Event(event) => write(event, &mut out),
            Item::Comment(text) => comment(text, &mut out),
        }
    }
    let (again, none) = read(&out, out.len(), 2 << 20);
    let again: Vec<Item> = again.into_iter().map(Result::unwrap).collect();
    assert_eq!(items, again);
    assert_eq!(none, None);
    if let Some(event) = rest {
        assert!(
            event.id.is_some()
                || event.name.is_some()
                || event.retry.is_some()
                || event.data.is_some()
        );
    }
    let message = message_event(text);
    let (one, _) = read(&message, 5, 4 << 20);
    assert_eq!(one.len(), 1);
});

type Read = (Vec<Result<Item, Oversized>>, Option<scopegate_fuzz::protocol::sse::Event>);

fn read(text: &[u8], step: usize, limit: usize) -> Read {
    let mut parser = Parser::new(limit);
    let mut items = Vec::new();
    for chunk in text.chunks(step.max(1)) {
        parser.feed(Bytes::copy_from_slice(chunk));
        items.extend(parser.by_ref());
    }
    (items, parser.finish())
}
