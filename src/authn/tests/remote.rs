//! Keys that an issuer publishes: fetched from a real server on a free port.

use std::future::Future;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use actix_web::dev::ServerHandle;
use actix_web::http::StatusCode;
use actix_web::{App, HttpRequest, HttpResponse, HttpServer, web};
use futures_util::future::join_all;
use jsonwebtoken::Algorithm;
use serde_json::json;
use tokio::sync::Semaphore;
use url::Url;

use support::eventually::wait_until_async;

use super::support::*;
use crate::authn::Authenticator;
use crate::clock::ManualClock;
use crate::error::Reason;
use crate::settings::IssuerSettings;

/// An identity provider that can be told what to answer.
struct Provider {
    url: Url,
    state: Arc<State>,
    server: ServerHandle,
}

struct State {
    key_set: Mutex<(StatusCode, String)>,
    discovery: Mutex<String>,
    /// Requests for the key set.
    requests: AtomicUsize,
    /// One permit lets one answer out.
    gate: Semaphore,
}

const OPEN: usize = 1_000_000;

impl Provider {
    fn start() -> Self {
        let state = Arc::new(State {
            key_set: Mutex::new((StatusCode::SERVICE_UNAVAILABLE, String::new())),
            discovery: Mutex::default(),
            requests: AtomicUsize::new(0),
            gate: Semaphore::new(OPEN),
        });
        let data = web::Data::from(Arc::clone(&state));
        let server = HttpServer::new(move || {
            App::new().app_data(data.clone()).default_service(web::to(answer))
        })
        .workers(1)
        .disable_signals()
        .bind(("127.0.0.1", 0))
        .unwrap();
        let url = Url::parse(&format!("http://{}", server.addrs()[0])).unwrap();
        let server = server.run();
        let handle = server.handle();
        actix_web::rt::spawn(server);
        Self { url, state, server: handle }
    }

    fn publish(&self, signers: &[&Signer]) {
        self.answer(StatusCode::OK, &jwks(signers.iter().copied()));
    }

    fn answer(&self, status: StatusCode, body: &str) {
        *self.state.key_set.lock().unwrap() = (status, body.to_owned());
    }

    fn fail(&self) {
        self.answer(StatusCode::SERVICE_UNAVAILABLE, "");
    }

    fn requests(&self) -> usize {
        self.state.requests.load(Ordering::SeqCst)
    }

    fn issuer(&self) -> IssuerSettings {
        let settings = IssuerSettings {
            jwks_url: Some(self.url.join("/keys").unwrap()),
            max_token_age_minutes: 0,
            jwks_refresh_seconds: 300,
            jwks_cooldown_seconds: 30,
            jwks_stale_seconds: 600,
            ..issuer()
        };
        allowing(settings, &[Algorithm::ES256])
    }

    async fn stop(self) {
        self.server.stop(false).await;
    }
}

async fn answer(request: HttpRequest, state: web::Data<State>) -> HttpResponse {
    match request.path() {
        "/keys" => {
            state.requests.fetch_add(1, Ordering::SeqCst);
            state.gate.acquire().await.unwrap().forget();
            let (status, body) = state.key_set.lock().unwrap().clone();
            HttpResponse::build(status).insert_header(("location", "/elsewhere")).body(body)
        }
        "/.well-known/openid-configuration" => {
            HttpResponse::Ok().body(state.discovery.lock().unwrap().clone())
        }
        _ => HttpResponse::NotFound().finish(),
    }
}

/// An authenticator with its fetcher running.
fn running(settings: IssuerSettings) -> (Authenticator, Arc<ManualClock>) {
    let (authenticator, hand) = of(settings);
    actix_web::rt::spawn(authenticator.take_fetcher().unwrap().run());
    assert!(authenticator.take_fetcher().is_none());
    (authenticator, hand)
}

/// Waits for a condition, with a deadline.
async fn eventually(mut condition: impl FnMut() -> bool) {
    let look = || std::future::ready(condition());
    wait_until_async(Duration::from_secs(20), "the keys", look).await;
}

fn ready(authenticator: &Authenticator) -> bool {
    authenticator.key_health()[0].ready
}

fn why(authenticator: &Authenticator) -> String {
    authenticator.key_health()[0].why.clone().unwrap_or_default()
}

fn lasting(signer: &Signer, user: &str) -> String {
    signer.sign(&claims(json!({ "sub": user, "exp": NOW + 1_000_000 })))
}

#[actix_web::test]
async fn the_first_call_waits_for_the_keys() {
    let provider = Provider::start();
    let key = Signer::fresh("k1");
    provider.publish(&[&key]);
    let (authenticator, _) = running(provider.issuer());
    let caller = ask_remote(&authenticator, &lasting(&key, "alice")).await.unwrap();
    assert_eq!(caller.user_id(), "alice");
    let health = &authenticator.key_health()[0];
    assert!(health.ready && health.why.is_none());
    assert_eq!((health.keys, health.generation), (1, 1));
    assert_eq!(health.age, Some(Duration::ZERO));
    provider.stop().await;
}

#[actix_web::test]
async fn an_issuer_that_is_down_at_start_is_found_later() {
    let provider = Provider::start();
    let key = Signer::fresh("k1");
    let (authenticator, hand) = running(provider.issuer());
    eventually(|| why(&authenticator).contains("503")).await;
    assert!(!ready(&authenticator));
    let refusal = ask_remote(&authenticator, &lasting(&key, "alice")).await.unwrap_err();
    assert_eq!(refusal.reason, Reason::KeysUnavailable);
    assert!(refusal.retry_after.unwrap() >= Duration::from_secs(1));

    provider.publish(&[&key]);
    pass(&hand, 60);
    eventually(|| ready(&authenticator)).await;
    assert!(ask_remote(&authenticator, &lasting(&key, "alice")).await.is_ok());
    provider.stop().await;
}

#[actix_web::test]
async fn nobody_listening_is_named() {
    let provider = Provider::start();
    let settings = provider.issuer();
    provider.stop().await;
    let (authenticator, _) = running(settings);
    eventually(|| why(&authenticator).contains("did not answer")).await;
    let token = lasting(&Signer::fresh("k1"), "alice");
    assert_eq!(reason(ask_remote(&authenticator, &token).await), Reason::KeysUnavailable);
}

#[actix_web::test]
async fn without_a_fetcher_nobody_waits() {
    let provider = Provider::start();
    let (authenticator, _) = of(provider.issuer());
    drop(authenticator.take_fetcher());
    let token = lasting(&Signer::fresh("k1"), "alice");
    assert_eq!(reason(ask(&authenticator, &token)), Reason::KeysUnavailable);
    provider.stop().await;
}

#[actix_web::test]
async fn a_new_key_is_fetched_when_it_is_first_seen_and_an_old_one_goes() {
    let provider = Provider::start();
    let (old, new) = (Signer::fresh("old"), Signer::fresh("new"));
    provider.publish(&[&old]);
    let (authenticator, _) = running(provider.issuer());
    eventually(|| ready(&authenticator)).await;
    let remembered = lasting(&old, "alice");
    assert!(ask_remote(&authenticator, &remembered).await.is_ok());

    provider.publish(&[&new]);
    // Nobody has told the gateway yet.
    assert!(ask_remote(&authenticator, &remembered).await.is_ok());
    assert!(ask_remote(&authenticator, &lasting(&new, "bob")).await.is_ok());
    assert_eq!(authenticator.key_health()[0].generation, 2);
    // The rotation binds on a remembered token, too.
    assert_eq!(reason(ask_remote(&authenticator, &remembered).await), Reason::InvalidToken);
    assert_eq!(provider.requests(), 2);
    provider.stop().await;
}

#[actix_web::test]
async fn rotation_is_also_seen_by_the_periodic_refresh() {
    let provider = Provider::start();
    let (old, new) = (Signer::fresh("k"), Signer::fresh("k"));
    provider.publish(&[&old]);
    let (authenticator, hand) = running(provider.issuer());
    eventually(|| ready(&authenticator)).await;
    assert!(ask(&authenticator, &lasting(&old, "alice")).is_ok());

    provider.publish(&[&new]);
    pass(&hand, 300);
    eventually(|| authenticator.key_health()[0].generation == 2).await;
    assert_eq!(reason(ask(&authenticator, &lasting(&old, "alice"))), Reason::InvalidToken);
    assert!(ask(&authenticator, &lasting(&new, "alice")).is_ok());
    provider.stop().await;
}

#[actix_web::test]
async fn unchanged_keys_keep_remembered_tokens() {
    let provider = Provider::start();
    let key = Signer::fresh("k1");
    provider.publish(&[&key]);
    let mut settings = auth(provider.issuer(), vec![]);
    settings.token_cache_seconds = 100_000;
    let (clock, hand) = clock();
    let authenticator = Authenticator::new(&settings, clock).unwrap();
    actix_web::rt::spawn(authenticator.take_fetcher().unwrap().run());
    let token = lasting(&key, "alice");
    let first = ask_remote(&authenticator, &token).await.unwrap();
    pass(&hand, 300);
    eventually(|| provider.requests() == 2).await;
    eventually(|| authenticator.key_health()[0].age == Some(Duration::ZERO)).await;
    assert_eq!(authenticator.key_health()[0].generation, 1);
    let again = ask(&authenticator, &token).unwrap();
    assert!(std::ptr::eq(first.user_id(), again.user_id()), "not verified again");
    provider.stop().await;
}

#[actix_web::test]
async fn unknown_key_ids_cannot_hammer_the_issuer() {
    let provider = Provider::start();
    let key = Signer::fresh("k1");
    provider.publish(&[&key]);
    let (authenticator, hand) = running(provider.issuer());
    eventually(|| ready(&authenticator)).await;
    assert_eq!(provider.requests(), 1);

    let stranger = Signer::fresh("");
    let tokens: Vec<_> =
        (0..40).map(|n| lasting(&stranger.named(&format!("made-up-{n}")), "eve")).collect();
    let all = join_all(tokens.iter().map(|token| ask_remote(&authenticator, token))).await;
    assert!(all.into_iter().all(|result| reason(result) == Reason::InvalidToken));
    assert_eq!(provider.requests(), 2);
    for token in &tokens {
        assert_eq!(reason(ask(&authenticator, token)), Reason::InvalidToken);
    }
    assert_eq!(provider.requests(), 2);

    pass(&hand, 29);
    assert_eq!(reason(ask(&authenticator, &tokens[0])), Reason::InvalidToken);
    assert_eq!(provider.requests(), 2);
    pass(&hand, 1);
    assert_eq!(reason(ask_remote(&authenticator, &tokens[0]).await), Reason::InvalidToken);
    assert_eq!(provider.requests(), 3);
    // What no key of this issuer could have signed is no reason to ask.
    pass(&hand, 30);
    let secret = Signer::secret(SECRET, Algorithm::HS256).named("made-up");
    let rsa = Signer::pem(fixture!("rsa_private.pem"), Algorithm::RS256).named("k1");
    for signer in [secret, rsa] {
        assert_eq!(reason(ask(&authenticator, &lasting(&signer, "eve"))), Reason::InvalidToken);
    }
    assert_eq!(provider.requests(), 3);
    provider.stop().await;
}

#[actix_web::test]
async fn calls_while_the_issuer_is_down_cannot_hammer_it() {
    let provider = Provider::start();
    let (authenticator, _) = running(provider.issuer());
    eventually(|| why(&authenticator).contains("503")).await;
    let before = provider.requests();
    let token = lasting(&Signer::fresh("k1"), "alice");
    for _ in 0..20 {
        assert_eq!(reason(ask_remote(&authenticator, &token).await), Reason::KeysUnavailable);
    }
    assert!(provider.requests() <= before + 1, "one on demand at most");
    provider.stop().await;
}

#[actix_web::test]
async fn one_fetch_serves_all_who_wait() {
    let provider = Provider::start();
    let key = Signer::fresh("k1");
    provider.publish(&[&key]);
    provider.state.gate.forget_permits(OPEN);
    let (authenticator, _) = running(provider.issuer());
    let tokens: Vec<_> = (0..30).map(|n| lasting(&key, &format!("user{n}"))).collect();
    let calls = join_all(tokens.iter().map(|token| ask_remote(&authenticator, token)));
    let open = async {
        eventually(|| provider.requests() == 1).await;
        provider.state.gate.add_permits(1);
    };
    let (results, ()) = futures_util::future::join(calls, open).await;
    assert!(results.iter().all(Result::is_ok));
    assert_eq!(provider.requests(), 1);
    provider.stop().await;
}

#[actix_web::test]
async fn only_so_many_wait_for_a_fetch() {
    let provider = Provider::start();
    let key = Signer::fresh("k1");
    provider.publish(&[&key]);
    provider.state.gate.forget_permits(OPEN);
    let (authenticator, _) = running(provider.issuer());
    let token = lasting(&key, "alice");
    let mut calls: Vec<_> =
        (0..256).map(|_| Box::pin(ask_remote(&authenticator, &token))).collect();
    for call in &mut calls {
        assert!(futures_util::poll!(call).is_pending());
    }
    assert_eq!(reason(ask(&authenticator, &token)), Reason::KeysUnavailable);
    // A place is given back by those who leave early.
    drop(calls.pop());
    let mut late = Box::pin(ask_remote(&authenticator, &token));
    assert!(futures_util::poll!(&mut late).is_pending());
    provider.state.gate.add_permits(1);
    assert!(late.await.is_ok());
    assert!(join_all(calls).await.iter().all(Result::is_ok));
    provider.stop().await;
}

#[actix_web::test]
async fn stale_keys_serve_while_the_issuer_is_down_but_not_for_ever() {
    let provider = Provider::start();
    let key = Signer::fresh("k1");
    provider.publish(&[&key]);
    let (authenticator, hand) = running(provider.issuer());
    eventually(|| ready(&authenticator)).await;
    let remembered = lasting(&key, "alice");
    assert!(ask(&authenticator, &remembered).is_ok());

    provider.fail();
    pass(&hand, 300);
    eventually(|| why(&authenticator).contains("503")).await;
    assert!(ready(&authenticator));
    assert!(ask(&authenticator, &remembered).is_ok());
    assert!(ask(&authenticator, &lasting(&key, "bob")).is_ok());
    // Whether this key is made up nobody can say now.
    let unknown = ask_remote(&authenticator, &lasting(&key.named("k2"), "eve")).await;
    assert_eq!(reason(unknown), Reason::KeysUnavailable);

    pass(&hand, 600);
    assert!(ask(&authenticator, &lasting(&key, "bob")).is_ok());
    assert!(ask(&authenticator, &remembered).is_ok());
    pass(&hand, 1);
    assert_eq!(reason(ask_remote(&authenticator, &remembered).await), Reason::KeysUnavailable);
    assert!(!ready(&authenticator));

    provider.publish(&[&key]);
    pass(&hand, 60);
    eventually(|| ready(&authenticator)).await;
    assert!(ask(&authenticator, &remembered).is_ok());
    provider.stop().await;
}

#[actix_web::test]
async fn strange_keys_in_a_set_are_skipped() {
    let provider = Provider::start();
    let key = Signer::fresh("k1");
    let mut encryption = Signer::fresh("enc").jwk();
    encryption["use"] = json!("enc");
    let mut wrapping = Signer::fresh("wrap").jwk();
    wrapping["key_ops"] = json!(["wrapKey"]);
    let mut off_curve = Signer::fresh("off").jwk();
    off_curve["x"] = off_curve["y"].clone();
    let document = json!({ "extra": 1, "keys": [
        {}, 7, "key", null,
        { "kty": "AKP", "alg": "ML-DSA-65", "kid": "pq", "pub": "AAAA" },
        { "kty": "EC", "crv": "P-521", "x": "AA", "y": "AA" },
        { "kty": "EC", "crv": "P-256", "x": "AA", "y": "AA" },
        { "kty": "RSA", "n": "AQAB", "e": "AQAB" },
        { "kty": "oct", "k": "AAAA" },
        encryption, wrapping, off_curve, key.jwk(),
    ]});
    provider.answer(StatusCode::OK, &document.to_string());
    let (authenticator, _) = running(provider.issuer());
    assert!(ask_remote(&authenticator, &lasting(&key, "alice")).await.is_ok());
    assert_eq!(authenticator.key_health()[0].keys, 1);
    provider.stop().await;
}

#[actix_web::test]
async fn answers_that_are_no_key_set_change_nothing() {
    let provider = Provider::start();
    let key = Signer::fresh("k1");
    provider.publish(&[&key]);
    let (authenticator, hand) = running(provider.issuer());
    eventually(|| ready(&authenticator)).await;
    let large = format!("{}{}", jwks([&key]), " ".repeat(256 * 1024));
    let answers = [
        (StatusCode::OK, "<html>", "is not a JSON Web Key Set"),
        (StatusCode::OK, "", "is not a JSON Web Key Set"),
        (StatusCode::OK, r#"{"keys":{}}"#, "is not a JSON Web Key Set"),
        (StatusCode::OK, large.as_str(), "larger than"),
        (StatusCode::FOUND, "", "302"),
        (StatusCode::NO_CONTENT, "", "204"),
        (StatusCode::NOT_FOUND, "", "404"),
    ];
    for (status, body, expected) in answers {
        provider.answer(status, body);
        pass(&hand, 30);
        let stranger = lasting(&key.named("unknown"), "eve");
        assert_eq!(reason(ask_remote(&authenticator, &stranger).await), Reason::KeysUnavailable);
        assert!(why(&authenticator).contains(expected), "{}", why(&authenticator));
        assert!(ask(&authenticator, &lasting(&key, "alice")).is_ok());
    }
    assert_eq!(authenticator.key_health()[0].generation, 1);
    provider.stop().await;
}

/// An issuer that takes back all its keys means it.
#[actix_web::test]
async fn an_empty_set_revokes_every_key() {
    let provider = Provider::start();
    let key = Signer::fresh("k1");
    provider.publish(&[&key]);
    let (authenticator, hand) = running(provider.issuer());
    eventually(|| ready(&authenticator)).await;
    provider.publish(&[]);
    pass(&hand, 300);
    eventually(|| !ready(&authenticator)).await;
    assert_eq!(why(&authenticator), "the key set holds no usable key");
    assert_eq!(
        reason(ask_remote(&authenticator, &lasting(&key, "alice")).await),
        Reason::InvalidToken
    );
    provider.stop().await;
}

#[actix_web::test]
async fn discovery_leads_to_the_keys_of_exactly_this_issuer() {
    let provider = Provider::start();
    let key = Signer::fresh("k1");
    provider.publish(&[&key]);
    let name = provider.url.as_str().to_owned();
    let settings = IssuerSettings {
        issuer: name.clone(),
        jwks_url: None,
        oidc_discovery: true,
        ..provider.issuer()
    };
    let keys = provider.url.join("/keys").unwrap();
    let refused = [
        (json!({}), "is no discovery document"),
        (json!({ "issuer": "https://other.test", "jwks_uri": keys }), "of another issuer"),
        (json!({ "issuer": name.trim_end_matches('/'), "jwks_uri": keys }), "of another issuer"),
        (json!({ "issuer": name, "jwks_uri": "http://idp.test/keys" }), "must be an https URL"),
        (json!({ "issuer": name, "jwks_uri": "/keys" }), "is no discovery document"),
    ];
    for (document, expected) in refused {
        *provider.state.discovery.lock().unwrap() = document.to_string();
        let (authenticator, _) = running(settings.clone());
        eventually(|| why(&authenticator).contains(expected)).await;
        assert_eq!(provider.requests(), 0);
    }
    let good = json!({ "issuer": name, "jwks_uri": keys, "more": true });
    *provider.state.discovery.lock().unwrap() = good.to_string();
    let (authenticator, _) = running(settings);
    let token = key.sign(&claims(json!({ "iss": name })));
    assert!(ask_remote(&authenticator, &token).await.is_ok());
    provider.stop().await;
}

#[actix_web::test]
async fn the_fetcher_ends_with_its_authenticator() {
    let provider = Provider::start();
    let (authenticator, _) = of(provider.issuer());
    let fetcher = actix_web::rt::spawn(authenticator.take_fetcher().unwrap().run());
    eventually(|| provider.requests() > 0).await;
    drop(authenticator);
    let ended = deadline(fetcher).await;
    assert!(ended.is_ok());
    provider.stop().await;
}

async fn deadline<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(20), future).await.expect("in time")
}
