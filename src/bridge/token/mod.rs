//! The bearer token: where it comes from, and having another one in time.

mod command;
mod expiry;
mod file;
mod issuer;
mod source;

pub(super) use issuer::Issuer;
pub(super) use source::Source;

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use awc::http::header::HeaderValue;

use super::single::Single;
use crate::clock::Clock;
use crate::secret::Secret;

/// A token is renewed when a fifth of its life is left, or a minute.
const MARGIN_SECONDS: i64 = 60;
/// Pause after a renewal that brought nothing new.
const PAUSE: Duration = Duration::from_secs(5);
/// Longest token, in bytes.
const MAX_TOKEN: usize = 64 * 1024;

/// A token as it was fetched.
#[derive(Clone, Debug)]
pub(super) struct Token {
    /// The value of the `Authorization` header.
    bearer: HeaderValue,
    /// Seconds since the Unix epoch; `None` when nobody says.
    expires: Option<i64>,
    /// When a new one should be fetched.
    renew: Option<i64>,
}

/// Holds the token that is in use, and renews it.
pub(super) struct Keeper {
    source: Source,
    client: awc::Client,
    clock: Clock,
    token: RefCell<Option<Token>>,
    renewal: Single<Result<Token, String>>,
    /// Reading of the monotonic clock before which no renewal begins by itself.
    not_before: Cell<Duration>,
}

impl Token {
    /// Reads what a source gave: the token itself, or the answer of a token
    /// endpoint (RFC 6749 §5.1) with the token inside.
    fn read(text: &str, clock: &Clock) -> Result<Self, String> {
        let now = clock.unix_seconds();
        let (token, told) = expiry::read(text, now)?;
        if token.expose().len() > MAX_TOKEN {
            return Err(format!("the token is longer than {MAX_TOKEN} bytes"));
        }
        let plausible = |byte: u8| byte.is_ascii_graphic();
        if token.expose().is_empty() || !token.expose().bytes().all(plausible) {
            return Err("the token is empty, or holds characters no token has".to_owned());
        }
        let mut bearer = HeaderValue::from_str(&format!("Bearer {}", token.expose()))
            .map_err(|_| "the token fits no header".to_owned())?;
        bearer.set_sensitive(true);
        let expires = told.or_else(|| expiry::of_jwt(token.expose()));
        let renew = expires.map(|at| at - ((at - now) / 5).clamp(1, MARGIN_SECONDS));
        Ok(Self { bearer, expires, renew })
    }
}

impl Keeper {
    pub(super) fn new(source: Source, client: awc::Client, clock: Clock) -> Self {
        Self {
            source,
            client,
            clock,
            token: RefCell::new(None),
            renewal: Single::new(),
            not_before: Cell::new(Duration::ZERO),
        }
    }

    /// The token to send now. One that will expire soon is renewed while it
    /// still serves; one that has expired is waited for.
    ///
    /// # Errors
    /// A sentence saying why there is none.
    pub(super) async fn current(self: &Rc<Self>) -> Result<HeaderValue, String> {
        let Some(token) = self.token.borrow().clone() else {
            return self.renew().await.map(|token| token.bearer);
        };
        let now = self.clock.unix_seconds();
        let past = |moment: Option<i64>| moment.is_some_and(|moment| now >= moment);
        if !self.source.renews() || !past(token.renew) {
            return Ok(token.bearer);
        }
        if past(token.expires) {
            return self.renew().await.map(|token| token.bearer);
        }
        if self.clock.monotonic() >= self.not_before.get() {
            self.not_before.set(self.clock.monotonic() + PAUSE);
            let keeper = Rc::clone(self);
            tokio::task::spawn_local(async move {
                if let Err(why) = keeper.renew().await {
                    tracing::warn!("the token expires soon and cannot be renewed: {why}");
                }
            });
        }
        Ok(token.bearer)
    }

    /// Another token than the one that was refused.
    ///
    /// # Errors
    /// A sentence saying why there is none.
    pub(super) async fn instead_of(&self, refused: &HeaderValue) -> Result<HeaderValue, String> {
        let held = self.token.borrow().as_ref().map(|token| token.bearer.clone());
        if let Some(other) = held.filter(|held| held != refused) {
            return Ok(other);
        }
        if !self.source.renews() {
            return Err("it was given as it stands (--token)".to_owned());
        }
        let token = self.renew().await?;
        if token.bearer == *refused {
            return Err(format!("{} still gives the same one", self.source.name()));
        }
        Ok(token.bearer)
    }

    async fn renew(&self) -> Result<Token, String> {
        self.renewal
            .run(async {
                let text = self.source.fetch(&self.client).await?;
                let token = Token::read(text.expose(), &self.clock)
                    .map_err(|why| format!("{}: {why}", self.source.name()))?;
                tracing::debug!(
                    source = self.source.name(),
                    expires = token.expires,
                    "token fetched"
                );
                self.token.replace(Some(token.clone()));
                Ok(token)
            })
            .await
    }
}

/// What a source gave, without the white space around it.
fn trimmed(text: &[u8]) -> Result<Secret, String> {
    let text = std::str::from_utf8(text).map_err(|_| "what it gives is not UTF-8".to_owned())?;
    Ok(Secret::new(text.trim()))
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;

    use super::*;
    use crate::outbound;

    fn keeper(source: Source) -> (Rc<Keeper>, std::sync::Arc<crate::clock::ManualClock>) {
        let (clock, hand) = Clock::manual(DateTime::from_timestamp(1_000_000, 0).unwrap());
        let limits = outbound::Limits {
            connect: Duration::from_secs(1),
            connections: 1,
            keep_alive: Duration::from_secs(1),
        };
        (Rc::new(Keeper::new(source, outbound::client(limits), clock)), hand)
    }

    #[test]
    fn what_cannot_be_a_token_is_refused_without_being_repeated() {
        let (clock, _) = Clock::manual(DateTime::from_timestamp(1_000_000, 0).unwrap());
        for text in ["", "two words", "line\nbreak", "größe"] {
            let why = Token::read(text, &clock).unwrap_err();
            assert!(text.is_empty() || !why.contains(text), "{why}");
        }
        assert!(Token::read(&"x".repeat(MAX_TOKEN + 1), &clock).is_err());
        let token = Token::read("secret-token", &clock).unwrap();
        assert!(!format!("{token:?}").contains("secret-token"));
    }

    #[tokio::test]
    async fn a_token_given_as_it_stands_is_never_another_one() {
        let (keeper, _) = keeper(Source::Fixed(Secret::new("abc")));
        let bearer = keeper.current().await.unwrap();
        assert_eq!(bearer, "Bearer abc");
        assert!(keeper.instead_of(&bearer).await.unwrap_err().contains("--token"));
    }

    #[actix_web::test]
    async fn a_file_is_read_again_before_its_token_expires_and_after_a_refusal() {
        let scratch = support::scratch::Scratch::new("sg-token");
        let path = scratch.path().join("token");
        let write = |token: &str, expires: i64| {
            let text = format!(r#"{{"access_token":"{token}","expires_at_epoch":{expires}}}"#);
            std::fs::write(&path, text).unwrap();
        };
        write("one", 1_000_100);
        let (keeper, hand) = keeper(Source::File(path.clone()));
        assert_eq!(keeper.current().await.unwrap(), "Bearer one");

        // Nothing is due before four fifths of its life are over.
        write("two", 1_000_200);
        hand.advance(Duration::from_secs(79));
        assert_eq!(keeper.current().await.unwrap(), "Bearer one");
        // Then the old one serves while the new one is fetched.
        hand.advance(Duration::from_secs(2));
        assert_eq!(keeper.current().await.unwrap(), "Bearer one");
        support::eventually::wait_until_async(Duration::from_secs(5), "the renewal", || async {
            keeper.current().await.unwrap() == "Bearer two"
        })
        .await;

        // One that has expired is not sent.
        write("three", 1_000_400);
        hand.advance(Duration::from_secs(200));
        assert_eq!(keeper.current().await.unwrap(), "Bearer three");

        let refused = HeaderValue::from_static("Bearer three");
        let why = keeper.instead_of(&refused).await.unwrap_err();
        assert!(why.contains("still gives the same"), "{why}");
        write("four", 1_000_400);
        assert_eq!(keeper.instead_of(&refused).await.unwrap(), "Bearer four");
        std::fs::remove_file(&path).unwrap();
        let why = keeper.instead_of(&HeaderValue::from_static("Bearer four")).await.unwrap_err();
        assert!(why.contains("token file"), "{why}");
    }
}
