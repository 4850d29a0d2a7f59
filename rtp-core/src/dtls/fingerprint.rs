//! Whether a certificate is the one that the SDP names (RFC 8122 §5).

use crate::sdp::Fingerprint;
use sha1::Sha1;
use sha2::{Digest, Sha224, Sha256, Sha384, Sha512};

/// Its name, and what it makes of a certificate.
type Hash = (&'static str, fn(&[u8]) -> Vec<u8>);

/// Weakest first. MD2 and MD5 are no proof of anything and not read (RFC 8122 §5).
const HASHES: [Hash; 5] = [
    ("sha-1", |der| Sha1::digest(der).to_vec()),
    ("sha-224", |der| Sha224::digest(der).to_vec()),
    ("sha-256", |der| Sha256::digest(der).to_vec()),
    ("sha-384", |der| Sha384::digest(der).to_vec()),
    ("sha-512", |der| Sha512::digest(der).to_vec()),
];

/// The SHA-256 fingerprint of a certificate in DER.
pub(super) fn sha256(certificate: &[u8]) -> Fingerprint {
    Fingerprint {
        hash: "sha-256".to_owned(),
        value: Sha256::digest(certificate).to_vec(),
    }
}

/// Whether the certificate has one of the fingerprints. Only those of the strongest hash function count, so that a
/// weaker one beside it opens no door.
pub(super) fn matches(certificate: &[u8], expected: &[Fingerprint]) -> bool {
    let strength = |fingerprint: &Fingerprint| {
        HASHES
            .iter()
            .position(|(name, _)| fingerprint.hash.eq_ignore_ascii_case(name))
    };
    let Some(strongest) = expected.iter().filter_map(strength).max() else {
        return false;
    };
    let found = HASHES[strongest].1(certificate);
    expected
        .iter()
        .any(|one| strength(one) == Some(strongest) && one.value == found)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of((name, hash): Hash, certificate: &[u8]) -> Fingerprint {
        Fingerprint {
            hash: name.to_owned(),
            value: hash(certificate),
        }
    }

    #[test]
    fn every_hash_that_is_safe_enough_is_known() {
        for hash in HASHES {
            assert!(matches(b"ours", &[of(hash, b"ours")]), "{}", hash.0);
            assert!(!matches(b"ours", &[of(hash, b"theirs")]), "{}", hash.0);
        }
        assert!(!matches(b"ours", &[]));
        let md5 = Fingerprint {
            hash: "md5".to_owned(),
            value: vec![0; 16],
        };
        assert!(!matches(b"ours", std::slice::from_ref(&md5)));
        assert!(matches(b"ours", &[md5, sha256(b"ours")]));
    }

    #[test]
    fn one_of_several_certificates_is_enough_and_a_weaker_hash_is_not() {
        let good = sha256(b"ours");
        assert!(matches(b"ours", &[sha256(b"theirs"), good.clone()]));
        let weak = of(HASHES[0], b"ours");
        assert!(!matches(b"ours", &[weak, sha256(b"theirs")]));
    }
}
