//! Public keys and certificates in PEM files.
//!
//! A certificate is only the wrapping of a key here: its dates, names and
//! signature are not looked at, because the file itself was configured.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::key::{KeyFault, Material};

const SEQUENCE: u8 = 0x30;
const INTEGER: u8 = 0x02;
const BIT_STRING: u8 = 0x03;
const OBJECT: u8 = 0x06;
/// The `version` field of a certificate, absent in version 1.
const VERSION: u8 = 0xa0;

/// Object identifiers (RFC 8017, RFC 5480, RFC 8410), as DER writes them.
const RSA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01];
const EC: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01];
const P256: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07];
const P384: &[u8] = &[0x2b, 0x81, 0x04, 0x00, 0x22];
const ED25519: &[u8] = &[0x2b, 0x65, 0x70];

/// The first public key or certificate in `text`.
pub(super) fn read(text: &str) -> Result<Material, KeyFault> {
    let mut rest = text;
    while let Some((label, body, after)) = section(rest) {
        rest = after;
        let der = || decode(body).ok_or(KeyFault::Malformed);
        match label {
            "PUBLIC KEY" => return key_info(&der()?),
            "RSA PUBLIC KEY" => return rsa(&der()?),
            "CERTIFICATE" => return certificate(&der()?),
            other if other.ends_with("PRIVATE KEY") => return Err(KeyFault::Private),
            _ => {}
        }
    }
    Err(KeyFault::NotPem)
}

/// Label, body and what follows of the next PEM section.
fn section(text: &str) -> Option<(&str, &str, &str)> {
    let (_, after) = text.split_once("-----BEGIN ")?;
    let (label, after) = after.split_once("-----")?;
    let (body, after) = after.split_once("-----END ")?;
    Some((label, body, after))
}

fn decode(body: &str) -> Option<Vec<u8>> {
    let compact: String = body.split_ascii_whitespace().collect();
    STANDARD.decode(compact).ok()
}

/// `SubjectPublicKeyInfo`, RFC 5280 §4.1.
fn key_info(der: &[u8]) -> Result<Material, KeyFault> {
    let mut info = Der(Der(der).take(SEQUENCE)?);
    let mut algorithm = Der(info.take(SEQUENCE)?);
    let kind = algorithm.take(OBJECT)?;
    // The first byte counts unused bits; keys are whole bytes.
    let Some((0, bits)) = info.take(BIT_STRING)?.split_first() else {
        return Err(KeyFault::Malformed);
    };
    match kind {
        RSA => rsa(bits),
        EC => match algorithm.take(OBJECT)? {
            P256 if bits.len() == 65 => Material::point(bits),
            P384 if bits.len() == 97 => Material::point(bits),
            P256 | P384 => Err(KeyFault::Malformed),
            _ => Err(KeyFault::Unsupported),
        },
        ED25519 => Material::ed25519(bits),
        _ => Err(KeyFault::Unsupported),
    }
}

/// `RSAPublicKey`, RFC 8017 appendix A.1.1.
fn rsa(der: &[u8]) -> Result<Material, KeyFault> {
    let mut key = Der(Der(der).take(SEQUENCE)?);
    let modulus = key.take(INTEGER)?;
    Material::rsa(modulus, key.take(INTEGER)?)
}

/// `Certificate`, RFC 5280 §4.1. Walked field by field: looking for the first
/// familiar algorithm would find that of the authority's signature.
fn certificate(der: &[u8]) -> Result<Material, KeyFault> {
    let mut fields = Der(Der(Der(der).take(SEQUENCE)?).take(SEQUENCE)?);
    if fields.next_tag() == Some(VERSION) {
        fields.take(VERSION)?;
    }
    fields.take(INTEGER)?;
    for _signature_issuer_validity_subject in 0..4 {
        fields.take(SEQUENCE)?;
    }
    key_info(fields.0)
}

/// What is left to read of a DER structure.
struct Der<'a>(&'a [u8]);

impl<'a> Der<'a> {
    fn next_tag(&self) -> Option<u8> {
        self.0.first().copied()
    }

    /// The contents of the next element, which must have this tag.
    fn take(&mut self, tag: u8) -> Result<&'a [u8], KeyFault> {
        let [found, length, rest @ ..] = self.0 else { return Err(KeyFault::Malformed) };
        let (length, rest) = match *length {
            short @ 0..=0x7f => (usize::from(short), rest),
            long @ 0x81..=0x83 => {
                let (digits, rest) =
                    rest.split_at_checked(usize::from(long & 0x7f)).ok_or(KeyFault::Malformed)?;
                (digits.iter().fold(0, |sum, &digit| (sum << 8) | usize::from(digit)), rest)
            }
            _ => return Err(KeyFault::Malformed),
        };
        let (contents, rest) = rest.split_at_checked(length).ok_or(KeyFault::Malformed)?;
        if *found != tag {
            return Err(KeyFault::Malformed);
        }
        self.0 = rest;
        Ok(contents)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    macro_rules! fixture {
        ($name:literal) => {
            include_str!(concat!("../../tests/fixtures/keys/", $name))
        };
    }

    fn kind(text: &str) -> &'static str {
        match read(text).unwrap() {
            Material::Rsa { .. } => "rsa",
            Material::P256(_) => "p256",
            Material::P384(_) => "p384",
            Material::Ed25519(_) => "ed25519",
        }
    }

    #[test]
    fn every_supported_kind_of_public_key_is_read() {
        assert_eq!(kind(fixture!("rsa_public.pem")), "rsa");
        assert_eq!(kind(fixture!("rsa_public_pkcs1.pem")), "rsa");
        assert_eq!(kind(fixture!("p256_public.pem")), "p256");
        assert_eq!(kind(fixture!("p384_public.pem")), "p384");
        assert_eq!(kind(fixture!("ed25519_public.pem")), "ed25519");
    }

    /// The RSA certificate is signed by an Ed25519 authority: the key counts,
    /// not the signature.
    #[test]
    fn a_certificate_gives_its_own_key() {
        assert_eq!(kind(fixture!("rsa_certificate.pem")), "rsa");
        assert_eq!(kind(fixture!("p256_certificate.pem")), "p256");
        assert_eq!(kind(fixture!("ed25519_certificate.pem")), "ed25519");
    }

    #[test]
    fn what_is_no_usable_public_key_is_named() {
        assert_eq!(read("").unwrap_err(), KeyFault::NotPem);
        assert_eq!(read("not a key").unwrap_err(), KeyFault::NotPem);
        assert_eq!(read(fixture!("rsa_private.pem")).unwrap_err(), KeyFault::Private);
        assert_eq!(read(fixture!("p521_public.pem")).unwrap_err(), KeyFault::Unsupported);
        assert_eq!(read(fixture!("rsa1024_public.pem")).unwrap_err(), KeyFault::RsaSize);
        let broken = "-----BEGIN PUBLIC KEY-----\nMCow\n-----END PUBLIC KEY-----\n";
        assert_eq!(read(broken).unwrap_err(), KeyFault::Malformed);
        let letters = "-----BEGIN PUBLIC KEY-----\n!!!\n-----END PUBLIC KEY-----\n";
        assert_eq!(read(letters).unwrap_err(), KeyFault::Malformed);
    }

    #[test]
    fn a_cut_or_altered_key_never_panics() {
        let whole = decode(section(fixture!("rsa_certificate.pem")).unwrap().1).unwrap();
        for end in 0..whole.len().min(200) {
            assert!(certificate(&whole[..end]).is_err());
            let mut altered = whole.clone();
            altered[end] ^= 0xff;
            let _ = certificate(&altered);
        }
        let mut off_curve = decode(section(fixture!("p256_public.pem")).unwrap().1).unwrap();
        let last = off_curve.len() - 1;
        off_curve[last] ^= 1;
        assert_eq!(key_info(&off_curve).unwrap_err(), KeyFault::Malformed);
    }
}
