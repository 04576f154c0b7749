//! A TCP proxy that a test puts before a server to break the network.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// The proxy. It runs on a thread of its own, so that it works whatever the
/// test's runtime does, and ends with all its connections when dropped.
#[derive(Debug)]
pub struct Chaos {
    address: SocketAddr,
    mode: watch::Sender<Mode>,
    accepted: Arc<AtomicUsize>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    Pass,
    Delay(Duration),
    BlackHole,
    Cut,
}

impl Chaos {
    /// Starts a proxy before the server on `port` of 127.0.0.1, passing
    /// everything on.
    ///
    /// # Panics
    /// When no port is to be had.
    #[must_use]
    pub fn before(port: u16) -> Self {
        let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
        listener.set_nonblocking(true).expect("a socket that need not block");
        let address = listener.local_addr().expect("an address");
        let (mode, watched) = watch::channel(Mode::Pass);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.expect("a runtime");
        let accepted = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&accepted);
        std::thread::spawn(move || runtime.block_on(serve(listener, port, watched, &count)));
        Self { address, mode, accepted }
    }

    /// Where to connect instead of the server.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// How many connections it has accepted so far.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.accepted.load(Ordering::Relaxed)
    }

    /// Breaks every connection, and each new one at once.
    pub fn cut(&self) {
        self.mode.send_replace(Mode::Cut);
    }

    /// Keeps and accepts connections, but passes nothing on until
    /// [`restore`](Self::restore), as when a cable is pulled.
    pub fn black_hole(&self) {
        self.mode.send_replace(Mode::BlackHole);
    }

    /// Passes everything on `by` later than it came, in each direction.
    pub fn delay(&self, by: Duration) {
        self.mode.send_replace(Mode::Delay(by));
    }

    /// Passes everything on again. What lay in the black hole arrives now.
    pub fn restore(&self) {
        self.mode.send_replace(Mode::Pass);
    }
}

/// Accepts until the [`Chaos`] is dropped; the end of this thread's runtime
/// then closes the connections.
async fn serve(
    listener: std::net::TcpListener,
    port: u16,
    mut mode: watch::Receiver<Mode>,
    accepted: &AtomicUsize,
) {
    let listener = TcpListener::from_std(listener).expect("a listener for the runtime");
    let watched = mode.clone();
    loop {
        let client = tokio::select! {
            client = listener.accept() => client,
            gone = async { while mode.changed().await.is_ok() {} } => return gone,
        };
        accepted.fetch_add(1, Ordering::Relaxed);
        if let Ok((client, _)) = client
            && *watched.borrow() != Mode::Cut
        {
            tokio::spawn(relay(client, port, watched.clone()));
        }
    }
}

async fn relay(client: TcpStream, port: u16, mut mode: watch::Receiver<Mode>) {
    let watched = mode.clone();
    let talking = async {
        let server = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await?;
        client.set_nodelay(true)?;
        server.set_nodelay(true)?;
        let (from_client, to_client) = client.into_split();
        let (from_server, to_server) = server.into_split();
        tokio::try_join!(
            copy(from_client, to_server, watched.clone()),
            copy(from_server, to_client, watched)
        )
    };
    tokio::select! {
        // One side broke the connection, which breaks the other.
        _ended = talking => {}
        _cut = mode.wait_for(|mode| *mode == Mode::Cut) => {}
    }
}

async fn copy(
    mut from: impl AsyncReadExt + Unpin,
    mut to: impl AsyncWriteExt + Unpin,
    mut mode: watch::Receiver<Mode>,
) -> io::Result<()> {
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let size = from.read(&mut buffer).await?;
        let now = *mode.borrow_and_update();
        match now {
            Mode::Pass => {}
            Mode::Delay(by) => tokio::time::sleep(by).await,
            Mode::BlackHole | Mode::Cut => {
                let open = mode.wait_for(|mode| matches!(mode, Mode::Pass | Mode::Delay(_))).await;
                drop(open.map_err(io::Error::other)?);
            }
        }
        if size == 0 {
            return to.shutdown().await;
        }
        to.write_all(&buffer[..size]).await?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Write};
    use std::net::TcpStream as Stream;
    use std::time::Instant;

    /// A server that sends back what it gets, on a thread of its own.
    fn echo() -> u16 {
        let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                std::thread::spawn(move || io::copy(&mut stream.try_clone().unwrap(), &mut stream));
            }
        });
        port
    }

    fn ask(stream: &mut Stream) -> io::Result<()> {
        stream.write_all(b"ping")?;
        stream.read_exact(&mut [0; 4])
    }

    fn connect(chaos: &Chaos) -> Stream {
        let stream = Stream::connect(("127.0.0.1", chaos.port())).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        stream
    }

    #[test]
    fn a_cut_breaks_old_and_new_connections_until_restored() {
        let chaos = Chaos::before(echo());
        let mut old = connect(&chaos);
        ask(&mut old).unwrap();
        chaos.cut();
        assert!(ask(&mut old).is_err());
        assert!(ask(&mut connect(&chaos)).is_err());
        chaos.restore();
        ask(&mut connect(&chaos)).unwrap();
    }

    #[test]
    fn a_black_hole_keeps_everything_until_restored() {
        let chaos = Chaos::before(echo());
        let mut stream = connect(&chaos);
        ask(&mut stream).unwrap();
        chaos.black_hole();
        stream.write_all(b"ping").unwrap();
        stream.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
        assert_eq!(
            stream.read_exact(&mut [0; 4]).unwrap_err().kind(),
            io::ErrorKind::WouldBlock,
            "nothing arrives, nothing breaks"
        );
        chaos.restore();
        stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        stream.read_exact(&mut [0; 4]).unwrap();
    }

    #[test]
    #[expect(clippy::disallowed_methods, reason = "what is tested is a delay")]
    fn a_delay_holds_each_direction() {
        let chaos = Chaos::before(echo());
        let mut stream = connect(&chaos);
        chaos.delay(Duration::from_millis(30));
        let start = Instant::now();
        ask(&mut stream).unwrap();
        assert!(start.elapsed() >= Duration::from_millis(60));
    }

    #[test]
    fn it_ends_when_dropped() {
        let chaos = Chaos::before(echo());
        let mut stream = connect(&chaos);
        ask(&mut stream).unwrap();
        drop(chaos);
        assert!(ask(&mut stream).is_err());
    }
}
