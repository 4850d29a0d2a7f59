//! Any text as a token, and any claims under a right signature: read or refused, and what is read mints again.

use std::time::{Duration, SystemTime};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD as BASE64URL};
use token::{
    Algorithm, DerivedSecret, KeyPair, KeyPath, KeySet, StaticSecret, T1Secret, TrustRoot,
    Verifier, VerifierOptions, inspect, mint,
};

const SECRET: &[u8; 32] = b"0123456789abcdef0123456789abcdef";

/// The whole input as a token; then as the claims, and as the header, of a signed one; then as the query of a `T1==`.
pub fn run(data: &[u8]) {
    let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_900_000_000);
    let (Ok(secret), Ok(t1)) = (
        StaticSecret::new(Algorithm::Hs256, SECRET),
        T1Secret::new("123456", SECRET),
    ) else {
        unreachable!("constants")
    };
    let mut options = VerifierOptions::default();
    options.require_expiry = false;
    let verifier = Verifier::with_options(keys(&secret), options).with_t1(t1);

    if let Ok(text) = std::str::from_utf8(data) {
        let _ = inspect(text, 8192);
        let _ = verifier.verify_any(text, now);
    }
    let header = r#"{"alg":"HS256"}"#;
    let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, SECRET);
    for (header, claims) in [(header.as_bytes(), data), (data, b"{}".as_slice())] {
        let signed = format!("{}.{}", BASE64URL.encode(header), BASE64URL.encode(claims));
        let tag = BASE64URL.encode(ring::hmac::sign(&key, signed.as_bytes()));
        if let Ok(read) = verifier.verify_any(&format!("{signed}.{tag}"), now) {
            // What was believed can be said again, unless it is more than its family lets us mint.
            if let Ok(again) = mint(&read.claims, &secret) {
                let second = verifier.verify_any(&again, now);
                assert_eq!(second.map(|second| second.claims), Ok(read.claims));
            }
        }
    }
    if let Ok(query) = std::str::from_utf8(data) {
        let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, SECRET);
        let tag = ring::hmac::sign(&key, query.as_bytes());
        let hex: String = tag
            .as_ref()
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        let text = format!(
            "T1=={}",
            STANDARD.encode(format!("partner_id=123456&sig={hex}:{query}"))
        );
        let _ = verifier.verify_any(&text, now);
    }
}

/// One key of each kind.
fn keys(secret: &StaticSecret) -> KeySet {
    let mut keys = KeySet::new().with(secret.clone());
    let Ok(path) = KeyPath::root("eu") else {
        unreachable!("a constant")
    };
    if let (Ok(derived), Ok(pair)) = (
        DerivedSecret::root(Algorithm::Hs384, path.clone(), SECRET),
        KeyPair::from_ed25519_seed(SECRET),
    ) {
        keys = keys
            .with(derived)
            .with(pair.public_key().clone())
            .with(TrustRoot::new(path, pair.public_key().clone()));
    }
    keys
}
