//! Random parts of ids towards backends.

use std::cell::RefCell;

use aws_lc_rs::rand::{SecureRandom, SystemRandom};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::error::{Reason, Refusal};

/// Random bytes of a nonce.
const SIZE: usize = 9;

/// Random bytes fetched at a time.
const STOCK: usize = SIZE * 64;

thread_local! {
    static RANDOM: RefCell<(Vec<u8>, usize)> = const { RefCell::new((Vec::new(), 0)) };
}

/// Twelve characters that nobody has used before.
///
/// # Errors
/// [`Reason::Internal`] when the operating system has no random numbers.
pub(super) fn fresh() -> Result<String, Refusal> {
    RANDOM.with_borrow_mut(|(stock, at)| {
        if *at + SIZE > stock.len() {
            stock.resize(STOCK, 0);
            SystemRandom::new()
                .fill(stock)
                .map_err(|_| Refusal::new(Reason::Internal, "no random numbers"))?;
            *at = 0;
        }
        let nonce = URL_SAFE_NO_PAD.encode(&stock[*at..*at + SIZE]);
        *at += SIZE;
        Ok(nonce)
    })
}

/// Marks requests whose answers nobody gets as they come; not a character of
/// [`fresh`].
const FOR_WHOLE: char = '.';

/// A nonce of a request whose answer is read and judged before it is passed
/// on.
///
/// # Errors
/// As [`fresh`].
pub(super) fn for_whole() -> Result<String, Refusal> {
    Ok(format!("{FOR_WHOLE}{}", fresh()?))
}

/// Whether [`for_whole`] made it.
pub(super) fn is_for_whole(nonce: &str) -> bool {
    nonce.starts_with(FOR_WHOLE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nonces_of_answers_that_are_judged_first_are_told_apart() {
        assert!(is_for_whole(&for_whole().unwrap()));
        assert!((0..1000).all(|_| !is_for_whole(&fresh().unwrap())));
    }

    #[test]
    fn nonces_differ_and_hold_no_colon() {
        let made: std::collections::HashSet<_> = (0..1000).map(|_| fresh().unwrap()).collect();
        assert_eq!(made.len(), 1000);
        assert!(made.iter().all(|nonce| nonce.len() == 12 && !nonce.contains(':')));
    }
}
