//! Whom to trust for TLS, where that is nobody whom everybody trusts.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use redis::TlsCertificates;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;

/// Largest file of certificates, in bytes.
const LARGEST_FILE: u64 = 1024 * 1024;

/// The certificates in a file.
///
/// # Errors
/// A sentence that says why there are none.
pub(super) fn read(file: &Path) -> Result<TlsCertificates, String> {
    let shown = file.display();
    let mut text = Vec::new();
    File::open(file)
        .and_then(|open| open.take(LARGEST_FILE + 1).read_to_end(&mut text))
        .map_err(|error| format!("{shown} cannot be read: {error}"))?;
    if text.len() as u64 > LARGEST_FILE {
        return Err(format!("{shown} is larger than {LARGEST_FILE} bytes"));
    }
    let mut certificates = 0;
    for certificate in CertificateDer::pem_slice_iter(&text) {
        certificate.map_err(|error| format!("{shown} is no PEM: {error}"))?;
        certificates += 1;
    }
    // With none, nobody would be trusted, and nobody told why.
    if certificates == 0 {
        return Err(format!("{shown} holds no certificate"));
    }
    Ok(TlsCertificates { client_tls: None, root_cert: Some(text) })
}

#[cfg(test)]
mod tests {
    use super::super::Place;

    #[test]
    fn authorities_that_cannot_be_trusted_are_refused() {
        let file = |name: &str, text: &[u8]| {
            let name = format!("scopegate-{}-{name}.pem", std::process::id());
            let path = std::env::temp_dir().join(name);
            std::fs::write(&path, text).unwrap();
            path
        };
        let block = |body: &str| {
            format!("-----BEGIN CERTIFICATE-----\n{body}\n-----END CERTIFICATE-----\n")
        };
        let files = [
            (file("none", b""), "holds no certificate"),
            (file("broken", block("!!!").as_bytes()), "is no PEM"),
            (file("nonsense", block("bm9uc2Vuc2U=").as_bytes()), "trust anchors"),
            (file("large", &vec![b' '; 1024 * 1024 + 1]), "is larger than 1048576 bytes"),
            ("/nowhere/ca.pem".into(), "cannot be read"),
        ];
        for (path, complaint) in &files {
            let fault = Place::read("rediss://a:1", Some(path)).unwrap_err().to_string();
            assert!(fault.starts_with("redis.ca_file: ") && fault.contains(complaint), "{fault}");
            let _ = std::fs::remove_file(path);
        }
    }
}
