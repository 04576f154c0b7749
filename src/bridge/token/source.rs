//! Where a token comes from.

use std::path::PathBuf;

use super::{Issuer, command, file};
use crate::secret::Secret;

/// One of four places.
#[derive(Clone, Debug)]
pub(in crate::bridge) enum Source {
    /// The token itself.
    Fixed(Secret),
    /// A file, read again for each renewal.
    File(PathBuf),
    /// A command line, run again for each renewal.
    Command(String),
    /// An issuer, asked again for each renewal.
    Issuer(Issuer),
}

impl Source {
    /// Whether asking again may bring another token.
    pub(super) fn renews(&self) -> bool {
        !matches!(self, Self::Fixed(_))
    }

    /// What to call it in messages.
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Fixed(_) => "the token",
            Self::File(_) => "the token file",
            Self::Command(_) => "the token command",
            Self::Issuer(_) => "the issuer",
        }
    }

    /// What the source gives now.
    ///
    /// # Errors
    /// A sentence saying why it gives nothing.
    pub(super) async fn fetch(&self, client: &awc::Client) -> Result<Secret, String> {
        match self {
            Self::Fixed(token) => Ok(token.clone()),
            Self::File(path) => file::read(path.clone()).await,
            Self::Command(line) => command::run(line).await,
            Self::Issuer(issuer) => issuer.ask(client).await,
        }
    }
}
