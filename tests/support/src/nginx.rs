//! nginx with a configuration made from a template.

use std::path::Path;

use crate::process::{Account, Server, find, on_free_port};
use crate::scratch::Scratch;

/// Where Debian keeps it, out of an ordinary user's `PATH`.
const FOLDERS: [&str; 2] = ["/usr/sbin", "/usr/local/sbin"];

/// An nginx of the test's own on 127.0.0.1.
#[derive(Debug)]
pub struct Nginx {
    server: Server,
    port: u16,
}

impl Nginx {
    /// Renders `template` (see [`render`]) and starts nginx with it. The
    /// template finds its port under the name `port_name`, next to what
    /// `substitutions` says. Relative paths in it, as for `pid` and the
    /// temporary files of bodies, mean the folder nginx is started in.
    ///
    /// # Panics
    /// When nginx is not installed, or the template is not there, has a name
    /// left, or does not please nginx.
    #[must_use]
    pub fn start(template: &Path, port_name: &str, substitutions: &[(&str, &str)]) -> Self {
        let text = std::fs::read_to_string(template)
            .unwrap_or_else(|error| panic!("cannot read {}: {error}", template.display()));
        let folders = FOLDERS.map(Into::into);
        let program = find("nginx", &folders, "nginx-light");
        let (server, port) = on_free_port(|port| {
            let port = port.to_string();
            let substitutions = [substitutions, &[(port_name, port.as_str())]].concat();
            let scratch = Scratch::new("sg-nginx");
            // As root, nginx would want to become somebody else by itself.
            let account = Account::unprivileged(&scratch);
            let configuration = scratch.path().join("nginx.conf");
            std::fs::write(&configuration, render(&text, &substitutions)).expect("our own folder");
            let prefix = format!("{}/", scratch.path().display());
            let arguments =
                ["-e", "stderr", "-p", &prefix, "-c", "nginx.conf", "-g", "daemon off;"];
            if let Some(account) = account {
                account.give(&configuration);
            }
            Server::start(scratch, account, "TERM", &program, arguments)
        });
        Self { server, port }
    }

    /// `http://127.0.0.1:PORT`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Its port.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The process, its folder and its log.
    #[must_use]
    pub fn server(&self) -> &Server {
        &self.server
    }
}

/// Puts values in for `${NAME}`, where NAME is capital letters, digits and
/// underscores; nginx's own variables are in small letters and stay.
///
/// # Panics
/// When the template has a name for which there is no value.
#[must_use]
pub fn render(template: &str, substitutions: &[(&str, &str)]) -> String {
    let mut parts = template.split("${");
    let mut text = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let Some((name, rest)) = part.split_once('}').filter(|(name, _)| is_name(name)) else {
            text.push_str("${");
            text.push_str(part);
            continue;
        };
        let value = substitutions.iter().find(|(known, _)| *known == name);
        let (_, value) = value.unwrap_or_else(|| panic!("no value for ${{{name}}}"));
        text.push_str(value);
        text.push_str(rest);
    }
    text
}

fn is_name(name: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_';
    !name.is_empty() && name.bytes().all(plain)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Write};

    #[test]
    fn only_capital_names_are_put_in() {
        let text = render("listen ${PORT}; set $a ${host}; ${PORT}${", &[("PORT", "80")]);
        assert_eq!(text, "listen 80; set $a ${host}; 80${");
    }

    #[test]
    #[should_panic(expected = "no value for ${BACKEND}")]
    fn a_forgotten_name_is_named() {
        let _ = render("pass ${BACKEND};", &[("PORT", "80")]);
    }

    #[test]
    fn it_answers_by_the_template() {
        let scratch = Scratch::new("sg-template");
        let template = scratch.path().join("nginx.conf.template");
        let text = "pid nginx.pid; events {} http { access_log off; \
                    client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path fastcgi; \
                    uwsgi_temp_path uwsgi; scgi_temp_path scgi; \
                    server { listen 127.0.0.1:${PORT}; return 200 ${WORD}; } }";
        std::fs::write(&template, text).unwrap();
        let nginx = Nginx::start(&template, "PORT", &[("WORD", "welcome")]);
        let mut stream = std::net::TcpStream::connect(("127.0.0.1", nginx.port())).unwrap();
        stream.write_all(b"GET / HTTP/1.0\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("welcome"), "{answer}");
        assert_eq!(nginx.url(), format!("http://127.0.0.1:{}", nginx.port()));
        assert!(nginx.server().exit_code().is_none());
    }
}
