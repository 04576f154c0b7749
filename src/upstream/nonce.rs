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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nonces_differ_and_hold_no_colon() {
        let made: std::collections::HashSet<_> = (0..1000).map(|_| fresh().unwrap()).collect();
        assert_eq!(made.len(), 1000);
        assert!(made.iter().all(|nonce| nonce.len() == 12 && !nonce.contains(':')));
    }
}
