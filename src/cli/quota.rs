//! Limits of a running gateway, asked for over its admin API.

use std::io::{Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand};
use url::{Url, form_urlencoded};

/// Longest wait for the gateway.
const PATIENCE: Duration = Duration::from_secs(10);

/// Longest answer that is read, in bytes.
const LONGEST: u64 = 4 * 1024 * 1024;

/// The environment variable that holds the admin's token.
const TOKEN: &str = "SCOPEGATE_TOKEN";

/// What to do.
#[derive(Debug, Subcommand)]
pub(super) enum Quota {
    /// Print how a user stands with every limit, as JSON
    Show(Asked),
    /// Forget what a user has used of its own rates, and of the budgets of the
    /// day, the turn and the job
    Reset(Asked),
}

/// Whom it is about.
#[derive(Debug, Args)]
pub(super) struct Asked {
    /// The user id of the token
    #[arg(long)]
    user: String,
    /// The issuer of the token; needed where several are configured
    #[arg(long)]
    issuer: Option<String>,
    /// A role of the token; may be given several times
    #[arg(long = "role", value_name = "ROLE")]
    roles: Vec<String>,
    /// The workspace of the token
    #[arg(long)]
    tenant: Option<String>,
    /// The agent of the token
    #[arg(long)]
    agent: Option<String>,
    /// A session, as the audit trail has it, to whose turn calls belong
    #[arg(long)]
    session: Option<String>,
    /// A turn that calls name [default: the turn of those that name none]
    #[arg(long)]
    turn: Option<String>,
    /// A job that calls name
    #[arg(long)]
    job: Option<String>,
    /// The gateway; http only [default: the address in server.listen]
    #[arg(long, value_name = "URL")]
    url: Option<String>,
    /// A file with the token of an admin.
    #[arg(
        long,
        value_name = "FILE",
        help = "A file with the token of an admin [default: the token in SCOPEGATE_TOKEN]"
    )]
    token_file: Option<PathBuf>,
}

/// Asks, and writes the answer.
///
/// # Errors
/// When the gateway cannot be asked, or refuses.
pub(super) fn run(
    quota: &Quota,
    listen: &str,
    env: &[(String, String)],
    out: &mut dyn Write,
) -> anyhow::Result<()> {
    let (method, asked) = match quota {
        Quota::Show(asked) => ("GET", asked),
        Quota::Reset(asked) => ("DELETE", asked),
    };
    let token = token(asked, env)?;
    let url = Url::parse(asked.url.as_deref().unwrap_or(listen))?;
    let (Some(host), "http") = (url.host_str(), url.scheme()) else {
        anyhow::bail!("--url: must be http://HOST:PORT");
    };
    let authority = format!("{host}:{}", url.port().unwrap_or(80));
    let mut query = form_urlencoded::Serializer::new(String::new());
    query.append_pair("user", &asked.user);
    let roles = (!asked.roles.is_empty()).then(|| asked.roles.join(","));
    let optional = [
        ("issuer", asked.issuer.as_ref()),
        ("roles", roles.as_ref()),
        ("tenant", asked.tenant.as_ref()),
        ("agent", asked.agent.as_ref()),
        ("session", asked.session.as_ref()),
        ("turn", asked.turn.as_ref()),
        ("job", asked.job.as_ref()),
    ];
    for (name, value) in optional {
        if let Some(value) = value {
            query.append_pair(name, value);
        }
    }
    // HTTP/1.0: an answer in one piece.
    let request = format!(
        "{method} /admin/quotas?{} HTTP/1.0\r\nHost: {authority}\r\n\
         Authorization: Bearer {token}\r\nContent-Length: 0\r\n\r\n",
        query.finish()
    );
    let (status, body) = exchange(&authority, request.as_bytes())?;
    anyhow::ensure!(status == 200, "the gateway answered with status {status}: {body}");
    writeln!(out, "{body}")?;
    Ok(())
}

fn token(asked: &Asked, env: &[(String, String)]) -> anyhow::Result<String> {
    let found = match &asked.token_file {
        Some(file) => Some(std::fs::read_to_string(file)?),
        None => env.iter().find(|(name, _)| name == TOKEN).map(|(_, token)| token.clone()),
    };
    let token = found.unwrap_or_default().trim().to_owned();
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~+/=".contains(&byte);
    anyhow::ensure!(
        !token.is_empty() && token.bytes().all(plain),
        "no token of an admin: set {TOKEN}, or give --token-file"
    );
    Ok(token)
}

fn exchange(authority: &str, request: &[u8]) -> anyhow::Result<(u16, String)> {
    let address = authority.to_socket_addrs()?.next();
    let address = address.ok_or_else(|| anyhow::anyhow!("{authority} has no address"))?;
    let mut stream = TcpStream::connect_timeout(&address, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    stream.write_all(request)?;
    let mut answer = Vec::new();
    stream.take(LONGEST).read_to_end(&mut answer)?;
    let text = String::from_utf8_lossy(&answer);
    let (head, body) =
        text.split_once("\r\n\r\n").ok_or_else(|| anyhow::anyhow!("the answer is not HTTP"))?;
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
    let status = status.ok_or_else(|| anyhow::anyhow!("the answer is not HTTP"))?;
    Ok((status, body.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked() -> Asked {
        Asked {
            user: "ada & co".to_owned(),
            issuer: None,
            roles: vec!["dev".to_owned(), "ops".to_owned()],
            tenant: Some("a,b".to_owned()),
            agent: None,
            session: None,
            turn: None,
            job: None,
            url: None,
            token_file: None,
        }
    }

    /// Answers one request with `answer`; what the command wrote, and what it
    /// asked.
    fn runs(quota: &Quota, answer: &'static [u8]) -> (anyhow::Result<String>, String) {
        let (listen, server) = super::super::answering::once(answer);
        let listen = format!("http://{listen}");
        let env = [(TOKEN.to_owned(), "aa.bb-c_c\n".to_owned())];
        let mut out = Vec::new();
        let ran = run(quota, &listen, &env, &mut out);
        (ran.map(|()| String::from_utf8(out).unwrap()), server.join().unwrap())
    }

    #[test]
    fn a_user_is_asked_about_and_the_answer_printed() {
        let (out, request) = runs(&Quota::Show(asked()), b"HTTP/1.1 200 OK\r\n\r\n{\"limits\":[]}");
        assert_eq!(out.unwrap(), "{\"limits\":[]}\n");
        let line = request.lines().next().unwrap();
        assert_eq!(line, "GET /admin/quotas?user=ada+%26+co&roles=dev%2Cops&tenant=a%2Cb HTTP/1.0");
        assert!(request.contains("\r\nAuthorization: Bearer aa.bb-c_c\r\n"), "{request}");
    }

    #[test]
    fn a_refusal_is_a_failure_and_does_not_show_the_token() {
        let (out, request) =
            runs(&Quota::Reset(asked()), b"HTTP/1.1 403 Forbidden\r\n\r\n{\"error\":\"no\"}");
        assert!(request.starts_with("DELETE "));
        let error = out.unwrap_err().to_string();
        assert!(error.contains("403") && !error.contains("aa.bb"), "{error}");
    }

    #[test]
    fn without_a_token_nobody_is_asked() {
        let error = run(&Quota::Show(asked()), "http://127.0.0.1:1", &[], &mut Vec::new());
        assert!(error.unwrap_err().to_string().contains(TOKEN));
        let odd = [(TOKEN.to_owned(), "a\r\nX-Evil: 1".to_owned())];
        assert!(run(&Quota::Show(asked()), "http://127.0.0.1:1", &odd, &mut Vec::new()).is_err());
    }
}
