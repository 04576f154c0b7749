//! One plain HTTP/1.1 request to a running gateway. A container image has
//! no other client, and needs none.

use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream, ToSocketAddrs};
use std::time::Duration;

use url::Url;

use crate::clock::Clock;

/// Longest time for the whole check.
const PATIENCE: Duration = Duration::from_secs(3);

/// Longest status line read, in bytes.
const LONGEST_STATUS_LINE: usize = 512;

/// Whom to ask, and for what.
#[derive(Debug)]
pub(super) struct Target {
    authority: String,
    path: String,
}

/// Why the gateway does not count as healthy.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unhealthy {
    #[error("{0}")]
    Io(#[from] io::Error),
    #[error("the name has no address")]
    NoAddress,
    #[error("no answer within {} s", PATIENCE.as_secs())]
    Silent,
    #[error("the answer is not HTTP")]
    NotHttp,
    #[error("it answered with status {0}")]
    Status(u16),
}

/// The health URL of a gateway that listens at an address.
pub(super) fn url_of(listen: SocketAddr) -> String {
    let ip = match listen.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        ip @ (IpAddr::V4(_) | IpAddr::V6(_)) => ip,
    };
    format!("http://{}/health", SocketAddr::new(ip, listen.port()))
}

impl Target {
    /// From `http://HOST[:PORT]/PATH`.
    pub(super) fn parse(url: &str) -> Option<Self> {
        let url = Url::parse(url).ok().filter(|url| url.scheme() == "http")?;
        let authority = format!("{}:{}", url.host_str()?, url.port().unwrap_or(80));
        Some(Self { authority, path: url.path().to_owned() })
    }
}

/// Asks once.
///
/// # Errors
/// When there is no answer with a status from 200 to 299 in time.
pub(super) fn ask(target: &Target, clock: &Clock) -> Result<(), Unhealthy> {
    let deadline = clock.monotonic() + PATIENCE;
    let left = || {
        let left = deadline.saturating_sub(clock.monotonic());
        if left.is_zero() { Err(Unhealthy::Silent) } else { Ok(left) }
    };
    let address = target.authority.to_socket_addrs()?.next().ok_or(Unhealthy::NoAddress)?;
    let mut stream = TcpStream::connect_timeout(&address, left()?)?;
    stream.set_write_timeout(Some(left()?))?;
    let request = format!(
        "GET {} HTTP/1.1\r\nHost: {}\r\nUser-Agent: scopegate-healthcheck\r\n\
         Connection: close\r\n\r\n",
        target.path, target.authority
    );
    stream.write_all(request.as_bytes())?;
    let mut head = Vec::new();
    let mut piece = [0_u8; 256];
    while !head.contains(&b'\n') && head.len() < LONGEST_STATUS_LINE {
        stream.set_read_timeout(Some(left()?))?;
        match stream.read(&mut piece) {
            Ok(0) => break,
            Ok(count) => head.extend_from_slice(&piece[..count]),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                return Err(Unhealthy::Silent);
            }
            Err(error) => return Err(error.into()),
        }
    }
    match status(&head).ok_or(Unhealthy::NotHttp)? {
        200..=299 => Ok(()),
        other => Err(Unhealthy::Status(other)),
    }
}

/// The status in `HTTP/1.1 200 OK`.
fn status(head: &[u8]) -> Option<u16> {
    let line = head.split(|&byte| byte == b'\n').next()?;
    let rest = std::str::from_utf8(line).ok()?.strip_prefix("HTTP/1.")?;
    rest.get(1..)?.trim().split(' ').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    /// Answers one connection and hands back what it was asked.
    fn asked(answer: &'static [u8]) -> (Result<(), Unhealthy>, String) {
        let (listen, server) = super::super::answering::once(answer);
        let url = url_of(listen);
        let result = ask(&Target::parse(&url).unwrap(), &Clock::system());
        (result, server.join().unwrap())
    }

    #[test]
    fn a_good_answer_is_healthy() {
        let (result, request) = asked(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok");
        assert!(result.is_ok(), "{result:?}");
        assert!(request.starts_with("GET /health HTTP/1.1\r\nHost: 127.0.0.1:"), "{request}");
    }

    #[test]
    fn every_other_answer_is_not() {
        let shown = |answer| asked(answer).0.unwrap_err().to_string();
        assert_eq!(
            shown(b"HTTP/1.1 503 Service Unavailable\r\n\r\n"),
            "it answered with status 503"
        );
        assert_eq!(shown(b"SSH-2.0-OpenSSH\r\n"), "the answer is not HTTP");
        assert_eq!(shown(b""), "the answer is not HTTP");
        assert_eq!(shown(&[b'x'; 600]), "the answer is not HTTP");
    }

    #[test]
    fn nobody_listening_is_not_healthy() {
        // Held on one loopback address, the port is nobody's on the other.
        let held = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = held.local_addr().unwrap().port();
        let url = url_of(SocketAddr::from(([127, 0, 0, 2], port)));
        let result = ask(&Target::parse(&url).unwrap(), &Clock::system());
        assert!(matches!(result, Err(Unhealthy::Io(_))), "{result:?}");
    }

    #[test]
    fn urls_are_understood() {
        assert_eq!(url_of("0.0.0.0:8080".parse().unwrap()), "http://127.0.0.1:8080/health");
        assert_eq!(url_of("[::]:8080".parse().unwrap()), "http://[::1]:8080/health");
        assert_eq!(url_of("10.1.2.3:80".parse().unwrap()), "http://10.1.2.3:80/health");
        assert_eq!(Target::parse("http://h/x").unwrap().authority, "h:80");
        assert!(Target::parse("https://h/x").is_none());
        assert!(Target::parse("nonsense").is_none());
    }
}
