//! The load of the benchmark's streaming part, which wrk cannot make: it knows
//! nothing of the first byte of an event.
//!
//! `stream_load first ADDRESS CONNECTIONS COUNT SECOND_MS` sends the request
//! over and over on each kept connection, `COUNT` times each, and prints how
//! long the first event took every time.
//!
//! `stream_load hold ADDRESS` sends each request on a connection of its own,
//! prints `open` when each has brought its first event, and holds them until
//! its input ends. Then it prints how many have lasted that long.
//!
//! Requests come in on the standard input, byte for byte: each after a line
//! with its length, and a line with `0` after the last.

use std::io::{self, BufRead, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Longest wait for anything to be read.
const PATIENCE: Duration = Duration::from_secs(30);

/// Requests of each connection that come first and are not counted.
const WARM_UP: usize = 5;

/// Between two looks at the streams that are held.
const LOOK: Duration = Duration::from_secs(1);

#[expect(clippy::disallowed_methods, reason = "not the gateway: it measures real time")]
fn now() -> Instant {
    Instant::now()
}

fn requests() -> io::Result<Vec<Vec<u8>>> {
    let mut input = io::stdin().lock();
    let mut found = Vec::new();
    loop {
        let mut line = String::new();
        input.read_line(&mut line)?;
        let length = line.trim().parse().map_err(io::Error::other)?;
        if length == 0 {
            return Ok(found);
        }
        let mut request = vec![0; length];
        input.read_exact(&mut request)?;
        found.push(request);
    }
}

fn connect(address: &str) -> io::Result<TcpStream> {
    let connection = TcpStream::connect(address)?;
    connection.set_nodelay(true)?;
    connection.set_read_timeout(Some(PATIENCE))?;
    Ok(connection)
}

fn find(text: &[u8], wanted: &[u8]) -> Option<usize> {
    text.windows(wanted.len()).position(|window| window == wanted)
}

/// Reads on until the text satisfies; the time that took the last byte.
fn read_until(
    connection: &mut TcpStream,
    text: &mut Vec<u8>,
    satisfied: impl Fn(&[u8]) -> bool,
) -> io::Result<Instant> {
    let mut buffer = [0; 16 * 1024];
    while !satisfied(text) {
        let length = connection.read(&mut buffer)?;
        if length == 0 {
            return Err(ErrorKind::UnexpectedEof.into());
        }
        text.extend_from_slice(&buffer[..length]);
    }
    Ok(now())
}

/// Whether a first event has begun to arrive, in an answer that is a stream.
fn has_event(text: &[u8]) -> bool {
    find(text, b"\r\n\r\n").is_some_and(|head| find(&text[head..], b"data:").is_some())
}

/// The times of the first event and of the end.
fn one(connection: &mut TcpStream, request: &[u8]) -> io::Result<(Duration, Duration)> {
    let mut text = Vec::with_capacity(16 * 1024);
    let begun = now();
    connection.write_all(request)?;
    let first = read_until(connection, &mut text, has_event)?;
    let end = read_until(connection, &mut text, |text| text.ends_with(b"\r\n0\r\n\r\n"))?;
    if !text.starts_with(b"HTTP/1.1 200") || find(&text, b"\"isError\":false").is_none() {
        return Err(io::Error::other(String::from_utf8_lossy(&text).into_owned()));
    }
    Ok((first - begun, end - begun))
}

#[derive(Default)]
struct Seen {
    first: Vec<u128>,
    errors: usize,
    /// First events that came together with those that come later.
    held_back: usize,
    last_error: String,
}

fn caller(address: &str, request: &[u8], count: usize, second: Duration) -> Seen {
    let mut seen = Seen::default();
    let mut connection = None;
    for index in 0..count + WARM_UP {
        let result = connection.take().map_or_else(|| connect(address), Ok).and_then(|mut c| {
            let times = one(&mut c, request)?;
            connection = Some(c);
            Ok(times)
        });
        match result {
            Ok((first, end)) if index >= WARM_UP => {
                seen.first.push(first.as_micros());
                seen.held_back += usize::from(end.saturating_sub(first) < second / 2);
            }
            Ok(_) => {}
            Err(error) => {
                seen.errors += 1;
                seen.last_error = error.to_string();
            }
        }
    }
    seen
}

fn first(address: &str, connections: usize, count: usize, second: Duration) -> io::Result<()> {
    let request = requests()?.into_iter().next().ok_or(ErrorKind::InvalidInput)?;
    let seen: Vec<Seen> = std::thread::scope(|scope| {
        let callers: Vec<_> = (0..connections)
            .map(|_| scope.spawn(|| caller(address, &request, count, second)))
            .collect();
        callers.into_iter().filter_map(|caller| caller.join().ok()).collect()
    });
    let times: Vec<_> = seen.iter().flat_map(|seen| &seen.first).collect();
    let errors: usize = seen.iter().map(|seen| seen.errors).sum();
    let held_back: usize = seen.iter().map(|seen| seen.held_back).sum();
    let said = seen.iter().map(|seen| &seen.last_error).find(|said| !said.is_empty());
    println!(
        "{}",
        serde_json::json!({
            "first_us": times, "errors": errors, "held_back": held_back, "said": said,
        })
    );
    Ok(())
}

fn hold(address: &str) -> io::Result<()> {
    let mut streams = Vec::new();
    for request in requests()? {
        let mut connection = connect(address)?;
        connection.write_all(&request)?;
        let mut text = Vec::new();
        read_until(&mut connection, &mut text, has_event)
            .map_err(|e| io::Error::other(format!("{e}: {}", String::from_utf8_lossy(&text))))?;
        connection.set_nonblocking(true)?;
        streams.push(connection);
    }
    println!("open");
    let over = Arc::new(AtomicBool::new(false));
    let waiter = std::thread::spawn({
        let (over, looker) = (Arc::clone(&over), std::thread::current());
        move || {
            let _ = io::stdin().lock().read_to_end(&mut Vec::new());
            over.store(true, Ordering::Release);
            looker.unpark();
        }
    });
    let mut alive = streams.len();
    while !over.load(Ordering::Acquire) {
        std::thread::park_timeout(LOOK);
        alive = streams.iter_mut().map(|stream| usize::from(drained(stream))).sum();
    }
    println!("{alive}");
    drop(streams);
    waiter.join().map_err(|_| io::Error::other("the input could not be read"))
}

/// Reads what has come; `false` when the stream is over.
fn drained(stream: &mut TcpStream) -> bool {
    let mut buffer = [0; 4096];
    loop {
        match stream.read(&mut buffer) {
            Ok(0) => return false,
            Ok(_) => {}
            Err(error) => return error.kind() == ErrorKind::WouldBlock,
        }
    }
}

fn main() -> io::Result<()> {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
    match arguments.as_slice() {
        ["first", address, connections, count, second] => {
            let number = |text: &str| text.parse::<usize>().map_err(io::Error::other);
            let second = Duration::from_millis(second.parse().map_err(io::Error::other)?);
            first(address, number(connections)?, number(count)?, second)
        }
        ["hold", address] => hold(address),
        _ => Err(io::Error::new(
            ErrorKind::InvalidInput,
            "see the head of tests/bench/stream_load.rs",
        )),
    }
}
