//! In which order Redis does things.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;

/// A connection on which Redis tells what it does.
pub(super) struct Monitor(BufReader<TcpStream>);

/// Ends what a monitor hears.
const END: &str = "this is the end of it";

impl Monitor {
    pub(super) fn of(port: u16) -> Self {
        let mut stream = BufReader::new(TcpStream::connect(("127.0.0.1", port)).unwrap());
        stream.get_mut().write_all(b"MONITOR\r\n").unwrap();
        let mut line = String::new();
        stream.read_line(&mut line).unwrap();
        assert_eq!(line, "+OK\r\n");
        Self(stream)
    }

    pub(super) fn end(port: u16) {
        let mut stream = BufReader::new(TcpStream::connect(("127.0.0.1", port)).unwrap());
        write!(stream.get_mut(), "ECHO \"{END}\"\r\n").unwrap();
        stream.read_line(&mut String::new()).unwrap();
    }

    /// The names of leases in the order in which scripts were run with them.
    pub(super) fn order(self) -> Vec<String> {
        let mut order = Vec::new();
        for line in self.0.lines() {
            let line = line.unwrap();
            if line.contains(END) {
                return order;
            }
            // `TIME [DB ADDRESS] "EVALSHA" "HASH" "KEYS" "KEY" … "NOW" "LEASE" …`
            let words: Vec<&str> = line.split('"').skip(1).step_by(2).collect();
            if let [command, _, keys, rest @ ..] = &words[..]
                && command.eq_ignore_ascii_case("evalsha")
            {
                let keys: usize = keys.parse().unwrap();
                order.push(rest[keys + 1].to_owned());
            }
        }
        panic!("Redis hung up");
    }
}
