//! The `Mcp-Session-Id`: a session, sealed.
//!
//! base64url without padding (so visible ASCII, as MCP asks) of: version 1,
//! key id, nonce, and the session under AES-256-GCM. Version, key id, caller
//! and scope are authenticated with it: the same characters presented by
//! another caller, or for another scope, do not open.

use aws_lc_rs::aead::{Aad, Nonce};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::capabilities::brief;
use super::contents::Opened;
use super::error::SealError;
use super::ids::CallerKey;
use super::keys::{ID, KeyRing};
use super::wire;

/// Longest session id, in bytes.
pub(super) const LONGEST: usize = 4096;

/// Version, key id and nonce.
const VERSION: u8 = 1;
const NONCE: usize = 12;
const HEAD: usize = 1 + ID + NONCE;

/// Seals a session. When it is too long, its capabilities are made brief.
///
/// # Errors
/// [`SealError::TooLarge`], or [`SealError::Seal`].
pub(super) fn seal(ring: &KeyRing, session: &mut Opened) -> Result<String, SealError> {
    let token = seal_as_it_is(ring, session)?;
    if token.len() <= LONGEST {
        return Ok(token);
    }
    session.capabilities = brief(&session.capabilities);
    let token = seal_as_it_is(ring, session)?;
    if token.len() <= LONGEST { Ok(token) } else { Err(SealError::TooLarge) }
}

fn seal_as_it_is(ring: &KeyRing, session: &Opened) -> Result<String, SealError> {
    let key = ring.current();
    let mut bytes = wire::encode(session, HEAD).ok_or(SealError::Seal)?;
    let bound = Aad::from(bound_to(key.id, &session.scope, session.caller));
    let (nonce, tag) = key
        .seal
        .seal_in_place_separate_tag(bound, &mut bytes[HEAD..])
        .map_err(|_| SealError::Seal)?;
    bytes[0] = VERSION;
    bytes[1..=ID].copy_from_slice(&key.id);
    bytes[1 + ID..HEAD].copy_from_slice(nonce.as_ref());
    bytes.extend_from_slice(tag.as_ref());
    Ok(URL_SAFE_NO_PAD.encode(bytes))
}

/// Opens a session id for a scope and a caller; `None` when it was not made
/// by [`seal`] for both.
pub(super) fn open(ring: &KeyRing, token: &str, scope: &str, caller: CallerKey) -> Option<Opened> {
    if token.len() > LONGEST {
        return None;
    }
    let bytes = URL_SAFE_NO_PAD.decode(token).ok()?;
    let (&[VERSION], rest) = bytes.split_first_chunk()? else { return None };
    let (&id, rest) = rest.split_first_chunk()?;
    let (&nonce, sealed) = rest.split_first_chunk::<NONCE>()?;
    ring.with_id(id).find_map(|key| {
        let mut sealed = sealed.to_vec();
        let bound = Aad::from(bound_to(id, scope, caller));
        let nonce = Nonce::assume_unique_for_key(nonce);
        let plain = key.seal.open_in_place(nonce, bound, &mut sealed).ok()?;
        wire::decode(plain, scope, caller)
    })
}

/// What a seal is bound to. The scope comes last, where its length needs not
/// be told.
fn bound_to(id: [u8; ID], scope: &str, caller: CallerKey) -> Vec<u8> {
    let mut bound = Vec::with_capacity(1 + ID + 32 + scope.len());
    bound.push(VERSION);
    bound.extend_from_slice(&id);
    bound.extend_from_slice(caller.as_bytes());
    bound.extend_from_slice(scope.as_bytes());
    bound
}
