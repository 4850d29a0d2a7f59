//! Whether a certificate is the one that the SDP names (RFC 8122 §5).

use crate::sdp::Fingerprint;
use ring::digest::{Algorithm, SHA1_FOR_LEGACY_USE_ONLY, SHA256, SHA384, SHA512, digest};

/// Weakest first. MD2 and MD5 are no proof of anything and not read (RFC 8122 §5).
const HASHES: [(&str, &Algorithm); 4] = [
    ("sha-1", &SHA1_FOR_LEGACY_USE_ONLY),
    ("sha-256", &SHA256),
    ("sha-384", &SHA384),
    ("sha-512", &SHA512),
];

/// The SHA-256 fingerprint of a certificate in DER.
pub(super) fn sha256(certificate: &[u8]) -> Fingerprint {
    Fingerprint {
        hash: "sha-256".to_owned(),
        value: digest(&SHA256, certificate).as_ref().to_vec(),
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
    let found = digest(HASHES[strongest].1, certificate);
    expected
        .iter()
        .any(|one| strength(one) == Some(strongest) && one.value == found.as_ref())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(hash: &str, algorithm: &'static Algorithm, certificate: &[u8]) -> Fingerprint {
        Fingerprint {
            hash: hash.to_owned(),
            value: digest(algorithm, certificate).as_ref().to_vec(),
        }
    }

    #[test]
    fn every_hash_that_is_safe_enough_is_known() {
        for (name, algorithm) in HASHES {
            assert!(matches(b"ours", &[of(name, algorithm, b"ours")]), "{name}");
            assert!(
                !matches(b"ours", &[of(name, algorithm, b"theirs")]),
                "{name}"
            );
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
        let weak = of("sha-1", &SHA1_FOR_LEGACY_USE_ONLY, b"ours");
        assert!(!matches(b"ours", &[weak, sha256(b"theirs")]));
    }
}
