//! What the flags and the environment ask for.

use std::path::PathBuf;
use std::time::Duration;

use serde_json::json;
use url::{Host, Url};

use super::Arguments;
use super::token::{Issuer, Source};
use crate::secret::Secret;

/// The endpoint of a stack that `scripts/up` started (C-61).
const ENDPOINT: &str = "http://localhost:8000/calculator/sse";
/// Smallest limit of messages, in bytes.
const LEAST_LIMIT: usize = 64 * 1024;

/// A bridge that can be run.
#[derive(Clone, Debug)]
pub struct Options {
    pub(super) endpoint: Url,
    pub(super) source: Source,
    pub(super) max_message_bytes: usize,
    pub(super) max_in_flight: usize,
    pub(super) connect: Duration,
    pub(super) grace: Duration,
    log_level: String,
    /// What the operator should hear, once there is a log.
    pub(super) warnings: Vec<&'static str>,
}

/// Reads `--max-message-bytes`.
pub(super) fn message_limit(text: &str) -> Result<usize, String> {
    let limit: usize = text.parse().map_err(|_| "not a number of bytes".to_owned())?;
    if limit < LEAST_LIMIT { Err(format!("at least {LEAST_LIMIT}")) } else { Ok(limit) }
}

impl Options {
    /// Joins flags and environment; a flag wins.
    ///
    /// # Errors
    /// Everything that is wrong, a sentence each.
    pub fn read(arguments: Arguments, env: &[(String, String)]) -> Result<Self, Vec<String>> {
        let env = Environment(env);
        let (mut problems, mut warnings) = (Vec::new(), Vec::new());
        let endpoint = arguments.endpoint.clone().or_else(|| env.text("MCP_GATEWAY_SSE_ENDPOINT"));
        let endpoint = url("--endpoint", &endpoint.unwrap_or_else(|| ENDPOINT.to_owned()));
        let endpoint = endpoint.map_err(|problem| problems.push(problem)).ok();
        if arguments.token.is_some() {
            warnings.push(
                "the token is on the command line, where every user of this machine can read it; \
                 SCOPEGATE_TOKEN or --token-file keep it hidden",
            );
        }
        if endpoint.as_ref().is_some_and(is_exposed) {
            warnings.push("the token goes over plain http to another machine: use https");
        }
        let source = source(&arguments, &env).map_err(|problem| problems.push(problem)).ok();
        let (Some(endpoint), Some(source)) = (endpoint, source) else { return Err(problems) };
        Ok(Self {
            endpoint,
            source,
            max_message_bytes: arguments.max_message_bytes,
            max_in_flight: arguments.max_in_flight as usize,
            connect: Duration::from_secs(arguments.connect_seconds),
            grace: Duration::from_secs(arguments.grace_seconds),
            log_level: arguments.log_level,
            warnings,
        })
    }

    /// How much to log: a level's name, or `off`.
    #[must_use]
    pub fn log_level(&self) -> &str {
        &self.log_level
    }
}

/// Variables by name; an empty one is none.
struct Environment<'a>(&'a [(String, String)]);

impl Environment<'_> {
    fn text(&self, wanted: &str) -> Option<String> {
        let mut named = self.0.iter().filter(|(name, text)| name == wanted && !text.is_empty());
        named.next().map(|(_, text)| text.clone())
    }
}

fn source(arguments: &Arguments, env: &Environment<'_>) -> Result<Source, String> {
    let given = [
        arguments.token.clone().map(Source::Fixed),
        arguments.token_file.clone().map(Source::File),
        arguments.token_command.clone().map(Source::Command),
    ];
    if let Some(source) = given.into_iter().flatten().next() {
        return check(source);
    }
    if let Some(url) = &arguments.issuer_url {
        return issuer("--issuer-url", url, arguments, env);
    }
    let named = [
        env.text("SCOPEGATE_TOKEN_FILE").map(|path| Source::File(PathBuf::from(path))),
        env.text("SCOPEGATE_TOKEN_COMMAND").map(Source::Command),
        env.text("SCOPEGATE_TOKEN").map(|token| Source::Fixed(Secret::new(token.trim()))),
    ];
    let issuer_url = env.text("SCOPEGATE_ISSUER_URL");
    let mut named = named.into_iter().flatten();
    match (named.next(), named.next(), issuer_url) {
        (Some(source), None, None) => check(source),
        (None, None, Some(url)) => issuer("SCOPEGATE_ISSUER_URL", &url, arguments, env),
        (None, _, None) => Err("no token: give --token-file, --token-command or --issuer-url, or \
                                set SCOPEGATE_TOKEN (--help says more)"
            .to_owned()),
        _ => Err("several tokens: set one of SCOPEGATE_TOKEN, SCOPEGATE_TOKEN_FILE, \
                  SCOPEGATE_TOKEN_COMMAND and SCOPEGATE_ISSUER_URL, or give a flag"
            .to_owned()),
    }
}

fn check(source: Source) -> Result<Source, String> {
    let empty = match &source {
        Source::Fixed(token) => token.expose().trim().is_empty(),
        Source::File(path) => path.as_os_str().is_empty(),
        Source::Command(line) => line.trim().is_empty(),
        Source::Issuer(_) => false,
    };
    if empty { Err("the token, its file or its command is empty".to_owned()) } else { Ok(source) }
}

fn issuer(
    name: &str,
    text: &str,
    arguments: &Arguments,
    env: &Environment<'_>,
) -> Result<Source, String> {
    let url = url(name, text)?;
    let or = |flag: &Option<String>, variable: &str, otherwise: &str| {
        let named = || env.text(variable);
        flag.clone().or_else(named).unwrap_or_else(|| otherwise.to_owned())
    };
    let roles = or(&arguments.roles, "SCOPEGATE_ROLES", "developer");
    let roles: Vec<&str> = roles.split(',').map(str::trim).filter(|r| !r.is_empty()).collect();
    let mut wanted = json!({
        "user_id": or(&arguments.user_id, "SCOPEGATE_USER_ID", "demo"),
        "roles": roles,
        "expires_in_seconds": arguments.expires_in_seconds,
    });
    let workspace = or(&arguments.workspace, "SCOPEGATE_WORKSPACE", "demo");
    let api_version = or(&arguments.api_version, "SCOPEGATE_API_VERSION", "");
    for (member, text) in [("workspace", workspace), ("api_version", api_version)] {
        if !text.is_empty() {
            wanted[member] = json!(text);
        }
    }
    let admin = arguments.issuer_admin_token.clone();
    let admin = admin.or_else(|| env.text("JWT_ISSUER_ADMIN_TOKEN").map(Secret::new));
    Ok(Source::Issuer(Issuer::new(url, &wanted, admin)))
}

fn url(name: &str, text: &str) -> Result<Url, String> {
    let url = Url::parse(text).map_err(|error| format!("{name}: {error}"))?;
    if !matches!(url.scheme(), "http" | "https") || url.host().is_none() {
        return Err(format!("{name}: must be an http or https URL"));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(format!("{name}: must hold no user name or password"));
    }
    if url.fragment().is_some() {
        return Err(format!("{name}: must hold no fragment"));
    }
    Ok(url)
}

/// Whether what goes there can be read on its way.
fn is_exposed(url: &Url) -> bool {
    let loopback = match url.host() {
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => true,
    };
    url.scheme() == "http" && !loopback
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Line {
        #[command(flatten)]
        bridge: Arguments,
    }

    fn read(line: &str, env: &[(&str, &str)]) -> Result<Options, Vec<String>> {
        let words = std::iter::once("bridge").chain(line.split_whitespace());
        let line = Line::try_parse_from(words).map_err(|error| vec![error.to_string()])?;
        let env: Vec<_> = env.iter().map(|&(n, v)| (n.to_owned(), v.to_owned())).collect();
        Options::read(line.bridge, &env)
    }

    #[test]
    fn a_source_is_needed_and_a_flag_wins() {
        assert!(read("", &[]).unwrap_err()[0].starts_with("no token"));
        assert!(read("", &[("SCOPEGATE_TOKEN", "")]).unwrap_err()[0].starts_with("no token"));
        let token = [("SCOPEGATE_TOKEN", "abc")];
        let options = read("", &token).unwrap();
        assert!(matches!(&options.source, Source::Fixed(token) if token.expose() == "abc"));
        assert_eq!(options.endpoint.as_str(), ENDPOINT);
        let options = read("--token-file f", &token).unwrap();
        assert!(matches!(options.source, Source::File(_)));
        let both = [token[0], ("SCOPEGATE_ISSUER_URL", "http://localhost:8010")];
        assert!(read("", &both).unwrap_err()[0].starts_with("several tokens"));
        let both = [token[0], ("SCOPEGATE_TOKEN_FILE", "f")];
        assert!(read("", &both).unwrap_err()[0].starts_with("several tokens"));
        assert!(read("--token a --token-file f", &[]).unwrap_err()[0].contains("cannot be used"));
    }

    #[test]
    fn the_issuer_is_asked_what_the_flags_say() {
        let line = "--issuer-url http://localhost:8010 --user-id ann --roles a,,b --api-version 2";
        let shown = format!("{:?}", read(line, &[("SCOPEGATE_WORKSPACE", "w")]).unwrap().source);
        for part in
            ["/token", r#"\"user_id\":\"ann\""#, r#"[\"a\",\"b\"]"#, r#"\"workspace\":\"w\""#]
        {
            assert!(shown.contains(part), "{part} in {shown}");
        }
        let line = "--issuer-url http://localhost:8010/other --issuer-admin-token topsecret";
        let shown = format!("{:?}", read(line, &[]).unwrap());
        assert!(shown.contains("/other") && !shown.contains("topsecret"), "{shown}");
    }

    #[test]
    fn everything_wrong_is_said_at_once_and_risks_are_warned_of() {
        let problems = read("--endpoint ftp://x", &[]).unwrap_err();
        assert_eq!(problems.len(), 2, "{problems:?}");
        for endpoint in ["http://u:p@h/x", "x", "http://h/x#y"] {
            let line = format!("--token a --endpoint {endpoint}");
            assert_eq!(read(&line, &[]).unwrap_err().len(), 1);
        }
        let warnings = |line| read(line, &[("SCOPEGATE_TOKEN", "abc")]).unwrap().warnings.len();
        assert_eq!(warnings("--endpoint http://127.0.0.1:1/x/mcp"), 0);
        assert_eq!(warnings("--endpoint https://example.com/x/mcp"), 0);
        assert_eq!(warnings("--endpoint http://example.com/x/mcp --token a"), 2);
        assert!(read("--token a --max-message-bytes 5", &[]).is_err());
    }
}
