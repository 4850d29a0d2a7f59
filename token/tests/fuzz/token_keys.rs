//! Any text as a key in each of its forms: taken or refused, and what is taken writes itself as it was read.

use token::{
    Algorithm, ApiKeyHash, ApiKeyText, Delegation, KeyPair, KeyPath, KeySet, PublicKey,
    StaticSecret, mint,
};

/// The whole input as every form of a key.
pub fn run(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    for algorithm in Algorithm::ALL {
        if let Ok(key) = PublicKey::from_pem(algorithm, text) {
            public(&key);
            assert_eq!(
                PublicKey::from_pem(algorithm, &key.to_pem()).as_ref(),
                Ok(&key)
            );
        }
        if let Ok(pair) = KeyPair::from_pem(algorithm, text) {
            private(&pair);
        }
    }
    if let Ok(key) = PublicKey::from_jwk(text) {
        public(&key);
    }
    if let Ok(pair) = KeyPair::from_jwk(text) {
        private(&pair);
    }
    let _ = StaticSecret::from_jwk(text);
    if let Ok(set) = KeySet::from_jwks(text) {
        let again = KeySet::from_jwks(&set.to_jwks()).map(|again| again.iter().count());
        assert_eq!(again, Ok(set.iter().count()));
    }
    if let Ok(path) = text.parse::<KeyPath>() {
        assert_eq!(path.to_string(), text);
    }
    if let Ok(delegation) = Delegation::from_text(text) {
        assert_eq!(Delegation::from_text(&delegation.to_text()), Ok(delegation));
    }
    if let (Ok(key), Ok(hash)) = (text.parse::<ApiKeyText>(), text.parse::<ApiKeyHash>()) {
        let _ = hash.matches(&key);
    }
}

fn public(key: &PublicKey) {
    assert_eq!(PublicKey::from_jwk(&key.to_jwk()).as_ref(), Ok(key));
    assert_eq!(key.thumbprint().len(), 43);
}

/// A key that was taken signs, and its public half agrees.
fn private(pair: &KeyPair) {
    use std::time::{Duration, SystemTime};
    let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_900_000_000);
    let claims = token::SessionClaims::new("s", now, Duration::from_secs(60));
    if let Ok(text) = mint(&claims, pair) {
        let verifier = token::Verifier::new(pair.public_key().clone());
        assert_eq!(
            verifier
                .verify::<token::SessionClaims>(&text, now)
                .map(|verified| verified.claims),
            Ok(claims)
        );
    }
}
