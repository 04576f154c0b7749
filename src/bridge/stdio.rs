//! Standard input and output, each on a thread of its own: a client that
//! does not read, or does not write, holds nothing else up.

use std::io::{self, BufReader};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use bytes::Bytes;
use tokio::sync::{mpsc, oneshot};

use super::framing::{self, Frame, Framing, Reader};

/// Bytes asked of the system at once.
const PIECE: usize = 256 * 1024;
/// Messages read ahead.
const AHEAD: usize = 8;
/// Messages waiting for a client that does not read.
const BEHIND: usize = 16;

/// What the client says.
#[derive(Debug)]
pub(super) struct Input {
    frames: mpsc::Receiver<io::Result<Frame>>,
}

/// What the client is told. Cheap to clone.
#[derive(Clone, Debug)]
pub(super) struct Output {
    /// `None` after the last one.
    messages: mpsc::Sender<Option<Bytes>>,
    headers: Arc<AtomicBool>,
}

/// Becomes ready when everything has been written.
pub(super) type Written = oneshot::Receiver<()>;

impl Input {
    /// Begins to read messages of at most `limit` bytes.
    ///
    /// # Errors
    /// When no thread can be started.
    pub(super) fn start(limit: usize) -> io::Result<Self> {
        let (sender, frames) = mpsc::channel(AHEAD);
        thread::Builder::new().name("stdin".to_owned()).spawn(move || {
            let mut reader = Reader::new(BufReader::with_capacity(PIECE, io::stdin()), limit);
            while let Some(frame) = reader.next().transpose() {
                let last = frame.is_err();
                if sender.blocking_send(frame).is_err() || last {
                    return;
                }
            }
        })?;
        Ok(Self { frames })
    }

    /// The next message; `None` when the client has closed its end.
    pub(super) async fn next(&mut self) -> Option<io::Result<Frame>> {
        self.frames.recv().await
    }
}

impl Output {
    /// Begins to write.
    ///
    /// # Errors
    /// When no thread can be started.
    pub(super) fn start() -> io::Result<(Self, Written)> {
        let (messages, mut waiting) = mpsc::channel::<Option<Bytes>>(BEHIND);
        let headers = Arc::new(AtomicBool::new(false));
        let (tell, written) = oneshot::channel();
        let form = Arc::clone(&headers);
        thread::Builder::new().name("stdout".to_owned()).spawn(move || {
            let mut out = io::stdout().lock();
            while let Some(message) = waiting.blocking_recv().flatten() {
                let framing =
                    if form.load(Ordering::Acquire) { Framing::Headers } else { Framing::Lines };
                if framing::write(&mut out, framing, &message).is_err() {
                    break;
                }
            }
            let _ = tell.send(());
        })?;
        Ok((Self { messages, headers }, written))
    }

    /// The form of the messages from now on.
    pub(super) fn set_framing(&self, framing: Framing) {
        self.headers.store(framing == Framing::Headers, Ordering::Release);
    }

    /// Hands a message over, waiting while too many are unread. Nobody is
    /// left to tell when the client no longer reads.
    pub(super) async fn send(&self, message: Bytes) {
        let _ = self.messages.send(Some(message)).await;
    }

    /// Lets the thread end after what was handed over.
    pub(super) async fn finish(&self) {
        let _ = self.messages.send(None).await;
    }

    /// Waits until the client no longer reads.
    pub(super) async fn closed(&self) {
        self.messages.closed().await;
    }
}
