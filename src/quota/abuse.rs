//! The limit of abuse: attempts that are denied, of one caller, and attempts
//! without a valid token, of one address.
//!
//! It has nothing to do with quotas: a denied call costs none. It is counted
//! in each gateway by itself, so that nobody can make the gateway talk to
//! Redis by knocking.
//!
//! A caller who was denied too often has all its calls refused until the
//! limit has recovered by one attempt; it is not charged meanwhile, so that
//! who stops trying is served again. Of an address only those attempts are
//! turned away that fail anyway: many callers may come from it, and a token
//! that is valid always passes.

use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::check::{Check, Of, Rule};
use super::error::QuotaError;
use super::gcra::Gcra;
use super::memory::Memory;
use super::name::Name;
use crate::error::{Reason, Refusal};
use crate::policy::Rate;
use crate::settings::RateSettings;

/// For how many callers an address may stand.
const CALLERS_AT_ADDRESS: u32 = 10;

#[derive(Debug)]
pub(super) struct Abuse {
    attempts: Memory,
    /// Whether there may be anything in it: usually there is not, and then
    /// nobody has to look.
    any: AtomicBool,
    caller: Gcra,
    address: Gcra,
}

impl Abuse {
    pub(super) fn new(settings: RateSettings) -> Result<Self, QuotaError> {
        let RateSettings { per_minute, burst } = settings;
        let rate = |times: u32| {
            let (count, burst) = (per_minute.saturating_mul(times), burst.saturating_mul(times));
            Rate::per_minute(count, burst)
                .map(|rate| Gcra::new(&rate, 1))
                .map_err(|problem| QuotaError::Rate { limit: "abuse", problem })
        };
        let any = AtomicBool::new(false);
        Ok(Self {
            attempts: Memory::new(),
            any,
            caller: rate(1)?,
            address: rate(CALLERS_AT_ADDRESS)?,
        })
    }

    /// Whether the caller was denied too often.
    pub(super) fn bars(&self, caller: &str, now: u64) -> Result<(), Refusal> {
        if !self.any.load(Ordering::Acquire) {
            return Ok(());
        }
        let check = self.of_caller(caller);
        let seen = self.attempts.look(std::slice::from_ref(&check), now).seen;
        let backlog = seen.first().map_or(0, |seen| seen.value);
        if self.caller.admits(backlog) { Ok(()) } else { Err(barred(self.caller.wait(backlog))) }
    }

    /// The caller was denied something.
    pub(super) fn denied(&self, caller: &str, now: u64) {
        // A full table forgets nobody, and bars nobody new.
        let _ = self.attempts.decide(&[self.of_caller(caller)], now);
        // Afterwards, so that a sweep either finds it or comes before this.
        self.any.store(true, Ordering::Release);
    }

    /// Somebody at this address had no valid token. What it is to be told,
    /// where that came too often.
    pub(super) fn stranger(&self, address: IpAddr, now: u64) -> Option<Refusal> {
        let address = narrowed(address).to_string();
        let check = self.check("address", &address, self.address);
        let outcome = self.attempts.decide(&[check], now).ok().filter(|it| !it.admitted)?;
        let backlog = outcome.seen.first().map_or(0, |seen| seen.value);
        Some(barred(self.address.wait(backlog)))
    }

    pub(super) fn purge(&self, now: u64) {
        self.any.store(false, Ordering::Release);
        if self.attempts.purge(now) > 0 {
            self.any.store(true, Ordering::Release);
        }
    }

    fn of_caller(&self, caller: &str) -> Check {
        self.check("caller", caller, self.caller)
    }

    fn check(&self, kind: &'static str, who: &str, gcra: Gcra) -> Check {
        let name = Name { kind, mark: "", parts: [who, "", "", "", ""] };
        Check { rule: Rule::Rate(gcra), key: self.attempts.key(&name), of: Of::Call }
    }
}

/// Of IPv6, who has one address has the other 2^64 of its network, too.
fn narrowed(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => IpAddr::V6((u128::from(address) >> 64 << 64).into()),
        address @ IpAddr::V4(_) => address,
    }
}

fn barred(wait: Duration) -> Refusal {
    let refusal = Refusal::new(Reason::AbuseLimited, "too many attempts were denied before");
    refusal.after(wait)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000;

    fn abuse() -> Abuse {
        Abuse::new(RateSettings { per_minute: 60, burst: 3 }).unwrap()
    }

    #[test]
    fn who_is_denied_too_often_is_barred_until_it_stops() {
        let abuse = abuse();
        for _ in 0..3 {
            assert!(abuse.bars("ada", 0).is_ok());
            abuse.denied("ada", 0);
        }
        let refusal = abuse.bars("ada", 0).unwrap_err();
        assert_eq!(refusal.reason, Reason::AbuseLimited);
        assert_eq!(refusal.retry_after, Some(Duration::from_secs(1)));
        assert!(abuse.bars("bob", 0).is_ok());
        for _ in 0..100 {
            abuse.denied("ada", 0);
        }
        assert!(abuse.bars("ada", SECOND).is_ok(), "more attempts do not bar it for longer");
        abuse.denied("ada", SECOND);
        assert!(abuse.bars("ada", SECOND).is_err(), "one more does");
    }

    #[test]
    fn an_address_stands_for_ten_and_a_network_for_one() {
        let abuse = abuse();
        let from = |text: &str| text.parse().unwrap();
        for host in 0..30 {
            assert!(abuse.stranger(from(&format!("2001:db8::{host:x}")), 0).is_none());
        }
        let told = abuse.stranger(from("2001:db8::ffff"), 0).unwrap();
        assert_eq!(told.reason, Reason::AbuseLimited);
        assert!(abuse.stranger(from("2001:db8:0:1::1"), 0).is_none());
        assert!(abuse.stranger(from("192.0.2.1"), 0).is_none());
        assert_eq!(narrowed(from("::ffff:192.0.2.1")), from("192.0.2.1"));
    }
}
