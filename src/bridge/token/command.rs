//! A token from a program such as `gcloud auth print-access-token`.

use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use super::file::{capped, on_a_thread};
use super::trimmed;
use crate::secret::Secret;

/// Longest time for the command; it may ask a person.
const PATIENCE: Duration = Duration::from_mins(1);
/// Pause between two looks whether it has ended.
const PAUSE: Duration = Duration::from_millis(10);

/// Runs a command line with `sh` and takes what it prints. Its standard input
/// is empty, since ours is the protocol's; its standard error is ours.
pub(super) async fn run(line: &str) -> Result<Secret, String> {
    let fault = |why: &str| format!("the token command {why}");
    let mut child = Command::new("sh")
        .args(["-c", line])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|error| fault(&format!("cannot be started: {error}")))?;
    let Some(stdout) = child.stdout.take() else { return Err(fault("prints nothing")) };
    let finished = tokio::time::timeout(PATIENCE, async {
        let printed = on_a_thread(move || capped(stdout)).await;
        (printed, ended(&mut child).await)
    })
    .await;
    let Ok((printed, status)) = finished else {
        let _ = child.kill();
        let _ = child.wait();
        return Err(fault(&format!("does not end within {} s", PATIENCE.as_secs())));
    };
    match (printed, status) {
        (Some(Ok(text)), Ok(status)) if status.success() => {
            trimmed(&text).map_err(|why| fault(&why))
        }
        (_, Ok(status)) if !status.success() => Err(fault(&format!("fails: {status}"))),
        (Some(Err(error)), _) | (_, Err(error)) => Err(fault(&format!("cannot be read: {error}"))),
        (None | Some(Ok(_)), Ok(_)) => Err(fault("cannot be read")),
    }
}

async fn ended(child: &mut Child) -> std::io::Result<ExitStatus> {
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(status);
        }
        tokio::time::sleep(PAUSE).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_a_command_prints_is_the_token() {
        assert_eq!(run("echo ' abc '").await.unwrap().expose(), "abc");
        assert!(run("echo abc; exit 3").await.unwrap_err().contains("exit status: 3"));
        assert!(run("printf '\\377'").await.unwrap_err().contains("UTF-8"));
        // It must not eat the protocol.
        assert_eq!(run("cat; echo end").await.unwrap().expose(), "end");
    }
}
