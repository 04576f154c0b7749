//! What the backend has seen.

use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// Pause between two looks.
const PAUSE: Duration = Duration::from_millis(20);

/// Waits until the backend at this URL is at work on a call with this tag.
pub(crate) async fn running(url: &str, tag: &str) -> std::io::Result<()> {
    loop {
        let report = report(url).await?;
        let calls = report["calls"].as_array();
        let mut ours = calls.into_iter().flatten().filter(|call| call["arguments"]["tag"] == tag);
        if ours.any(|call| call["state"] == "running") {
            return Ok(());
        }
        tokio::time::sleep(PAUSE).await;
    }
}

async fn report(url: &str) -> std::io::Result<Value> {
    let rest = url.strip_prefix("http://").unwrap_or(url);
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    let mut stream = TcpStream::connect(authority).await?;
    let request = format!("GET /{path} HTTP/1.0\r\nHost: {authority}\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    let body = answer.split_once("\r\n\r\n").map_or("", |(_, body)| body);
    Ok(serde_json::from_str(body)?)
}
