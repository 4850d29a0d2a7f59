//! Key pairs from every form in which they come, against tokens that OpenSSL signed and the vectors of the RFCs.
#![allow(clippy::unwrap_used)]

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use proptest::prelude::*;
use token::{
    Algorithm, KeyError, KeyPair, KeySet, Malformed, PublicKey, Role, SessionClaims, StaticSecret,
    Verifier, VerifyError, mint,
};

fn now() -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(1_900_000_000)
}

fn claims() -> SessionClaims {
    SessionClaims::new("standup", now(), Duration::from_secs(60)).with_role(Role::Moderator)
}

fn file(name: &str) -> String {
    std::fs::read_to_string(format!("{}/tests/keys/{name}", env!("CARGO_MANIFEST_DIR"))).unwrap()
}

const ALGORITHMS: [Algorithm; 4] = [
    Algorithm::Rs256,
    Algorithm::Ps256,
    Algorithm::Es256,
    Algorithm::EdDsa,
];

fn stem(algorithm: Algorithm) -> &'static str {
    match algorithm {
        Algorithm::Rs256 | Algorithm::Ps256 => "rsa",
        Algorithm::Es256 => "p256",
        _ => "ed25519",
    }
}

fn pair(algorithm: Algorithm) -> KeyPair {
    KeyPair::from_pem(algorithm, &file(&format!("{}.pem", stem(algorithm)))).unwrap()
}

fn verify(key: &PublicKey, token: &str) -> Result<SessionClaims, VerifyError> {
    Verifier::new(key.clone())
        .verify::<SessionClaims>(token.trim(), now())
        .map(|verified| verified.claims)
}

#[test]
fn every_form_of_a_key_is_the_same_key() {
    for algorithm in ALGORITHMS {
        let stem = stem(algorithm);
        let pair = pair(algorithm);
        let public = PublicKey::from_pem(algorithm, &file(&format!("{stem}.pub.pem"))).unwrap();
        assert_eq!(*pair.public_key(), public);
        assert_eq!(
            public.to_pem(),
            file(&format!("{stem}.pub.pem")),
            "byte for byte what OpenSSL writes"
        );

        // JWKs of RSA without `alg` are RS256.
        let mut jwk = file(&format!("{stem}.jwk.json"));
        if algorithm == Algorithm::Ps256 {
            jwk = jwk.replacen('{', r#"{"alg":"PS256","#, 1);
        }
        let from_jwk = KeyPair::from_jwk(&jwk).unwrap();
        assert_eq!(*from_jwk.public_key(), public);
        assert_eq!(PublicKey::from_jwk(&jwk).unwrap(), public);
        assert_eq!(PublicKey::from_jwk(&public.to_jwk()).unwrap(), public);
        assert!(!public.to_jwk().contains("\"d\""));

        for signer in [&pair, &from_jwk] {
            assert_eq!(
                verify(&public, &mint(&claims(), signer).unwrap()),
                Ok(claims())
            );
        }
    }
    let pkcs1 = KeyPair::from_pem(Algorithm::Rs256, &file("rsa.pkcs1.pem")).unwrap();
    assert_eq!(pkcs1.public_key(), pair(Algorithm::Rs256).public_key());
    let pkcs1 = PublicKey::from_pem(Algorithm::Ps256, &file("rsa.pkcs1.pub.pem")).unwrap();
    assert_eq!(pkcs1, *pair(Algorithm::Ps256).public_key());
    let sec1 = KeyPair::from_pem(Algorithm::Es256, &file("p256.sec1.pem")).unwrap();
    assert_eq!(sec1.public_key(), pair(Algorithm::Es256).public_key());
}

#[test]
fn tokens_that_openssl_signed_are_right_and_a_changed_one_is_not() {
    for algorithm in ALGORITHMS {
        let token = file(&format!("openssl.{algorithm}.jwt"));
        let public = pair(algorithm).public_key().clone();
        assert_eq!(verify(&public, &token), Ok(claims()), "{algorithm}");
        let (head, tail) = token.split_at(token.find('.').unwrap() + 10);
        let changed = format!(
            "{head}{}{}",
            if tail.starts_with('A') { 'B' } else { 'A' },
            &tail[1..]
        );
        assert!(verify(&public, &changed).is_err());
        // A right signature by another pair of the kind.
        let other = match algorithm {
            Algorithm::Es256 | Algorithm::EdDsa => KeyPair::generate(algorithm).unwrap().0,
            _ => continue,
        };
        assert_eq!(verify(other.public_key(), &token), Err(VerifyError::Forged));
    }
}

#[test]
fn an_rsa_key_keeps_to_its_one_padding() {
    let token = mint(&claims(), &pair(Algorithm::Ps256)).unwrap();
    let refused = Err(VerifyError::AlgorithmNotAllowed(Algorithm::Ps256));
    assert_eq!(verify(pair(Algorithm::Rs256).public_key(), &token), refused);
}

/// The classic: the public key, which everyone has, used as the secret of an HMAC.
#[test]
fn a_public_key_is_no_secret() {
    for algorithm in ALGORITHMS {
        let public = pair(algorithm).public_key().clone();
        for bytes in [public.to_pem(), public.to_jwk()] {
            let forger = StaticSecret::new(Algorithm::Hs256, bytes.as_bytes()).unwrap();
            let token = mint(&claims(), &forger).unwrap();
            assert_eq!(
                verify(&public, &token),
                Err(VerifyError::AlgorithmNotAllowed(Algorithm::Hs256))
            );
        }
    }
}

/// RFC 8037 appendix A: the JWK, its thumbprint, and the signature. The payload there is not JSON.
#[test]
fn vectors_of_rfc_8037() {
    let jwk = r#"{"kty":"OKP","crv":"Ed25519",
        "d":"nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A",
        "x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#;
    let pair = KeyPair::from_jwk(jwk).unwrap();
    assert_eq!(
        pair.public_key().thumbprint(),
        "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"
    );
    let token = "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc.hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg";
    let error = verify(pair.public_key(), token).unwrap_err();
    assert!(
        matches!(error, VerifyError::Malformed(Malformed::Claims { .. })),
        "the signature is right: {error:?}"
    );
    assert_eq!(
        verify(pair.public_key(), &token.replace("RXhh", "RXhi")),
        Err(VerifyError::Forged)
    );
}

/// RFC 7515 appendix A.3.
#[test]
fn vector_of_rfc_7515_es256() {
    let jwk = r#"{"kty":"EC","crv":"P-256",
        "x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
        "y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0",
        "d":"jpsQnnGQmL-YBIffH1136cspYG6-0iY7X1fCE9-E9LI"}"#;
    let pair = KeyPair::from_jwk(jwk).unwrap();
    let token = "eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ.DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q";
    let error = verify(pair.public_key(), token).unwrap_err();
    assert!(
        matches!(
            error,
            VerifyError::Malformed(Malformed::Claims { line: 3, .. })
        ),
        "{error:?}"
    );
}

/// RFC 7638 section 3.1.
#[test]
fn thumbprint_of_rfc_7638() {
    let jwk = r#"{"kty":"RSA","n":"0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw","e":"AQAB","alg":"RS256","kid":"2011-04-29"}"#;
    let key = PublicKey::from_jwk(jwk).unwrap();
    assert_eq!(
        key.thumbprint(),
        "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs"
    );
    assert_eq!(
        (key.algorithm(), key.kid()),
        (Algorithm::Rs256, Some("2011-04-29"))
    );
}

#[test]
fn generated_pairs_come_back_from_their_pem() {
    for algorithm in [Algorithm::Es256, Algorithm::EdDsa] {
        let (pair, pem) = KeyPair::generate(algorithm).unwrap();
        let again = KeyPair::from_pem(algorithm, &pem).unwrap();
        assert_eq!(again.public_key(), pair.public_key());
        assert_ne!(
            KeyPair::generate(algorithm).unwrap().0.public_key(),
            pair.public_key()
        );
        let debug = format!("{pair:?}");
        assert!(debug.contains(&pair.public_key().thumbprint()));
        assert!(!pem.lines().any(|line| debug.contains(line)));
    }
    assert_eq!(
        KeyPair::generate(Algorithm::Rs256).unwrap_err(),
        KeyError::WrongAlgorithm(Algorithm::Rs256)
    );
    assert_eq!(
        KeyPair::generate(Algorithm::Hs256).unwrap_err(),
        KeyError::WrongAlgorithm(Algorithm::Hs256)
    );
}

#[test]
fn keys_that_are_refused_say_why() {
    let private = |algorithm, name: &str| KeyPair::from_pem(algorithm, &file(name)).unwrap_err();
    let public = |algorithm, name: &str| PublicKey::from_pem(algorithm, &file(name)).unwrap_err();
    assert_eq!(
        private(Algorithm::EdDsa, "ed25519.pub.pem"),
        KeyError::WrongLabel
    );
    assert_eq!(
        public(Algorithm::EdDsa, "ed25519.pem"),
        KeyError::WrongLabel
    );
    assert_eq!(
        private(Algorithm::EdDsa, "encrypted.pem"),
        KeyError::Encrypted
    );
    assert!(matches!(
        private(Algorithm::EdDsa, "p256.pem"),
        KeyError::Rejected(_)
    ));
    assert!(matches!(
        private(Algorithm::Rs256, "rsa1024.pem"),
        KeyError::Rejected(_)
    ));
    assert_eq!(
        private(Algorithm::EdDsa, "rsa.pkcs1.pem"),
        KeyError::WrongAlgorithm(Algorithm::EdDsa)
    );
    assert_eq!(
        private(Algorithm::Hs256, "rsa.pem"),
        KeyError::WrongAlgorithm(Algorithm::Hs256)
    );
    assert_eq!(
        public(Algorithm::Rs256, "rsa1024.pub.pem"),
        KeyError::RsaSize { bits: 1024 }
    );
    assert_eq!(
        public(Algorithm::Es256, "p384.pub.pem"),
        KeyError::UnsupportedKey
    );
    assert_eq!(
        public(Algorithm::Es256, "ed25519.pub.pem"),
        KeyError::WrongAlgorithm(Algorithm::Es256)
    );
    assert_eq!(
        public(Algorithm::Hs512, "ed25519.pub.pem"),
        KeyError::WrongAlgorithm(Algorithm::Hs512)
    );
    for wrong in [
        "",
        "x",
        "-----BEGIN PUBLIC KEY-----",
        "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
    ] {
        assert_eq!(
            PublicKey::from_pem(Algorithm::EdDsa, wrong).unwrap_err(),
            KeyError::NotPem
        );
    }
    let jwk = |json: &str| PublicKey::from_jwk(json).unwrap_err();
    let x = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo";
    assert_eq!(jwk("[]"), KeyError::NotJwk);
    assert_eq!(jwk(r#"{"kty":"OKP","crv":"Ed25519"}"#), KeyError::NotJwk);
    assert_eq!(
        jwk(r#"{"kty":"OKP","crv":"Ed25519","x":"AAAA"}"#),
        KeyError::NotJwk
    );
    assert_eq!(
        jwk(&format!(r#"{{"kty":"OKP","crv":"X25519","x":"{x}"}}"#)),
        KeyError::UnsupportedKey
    );
    assert_eq!(
        jwk(&format!(
            r#"{{"kty":"OKP","crv":"Ed25519","x":"{x}","use":"enc"}}"#
        )),
        KeyError::UnsupportedKey
    );
    let alg = format!(r#"{{"kty":"OKP","crv":"Ed25519","x":"{x}","alg":"HS256"}}"#);
    assert_eq!(jwk(&alg), KeyError::WrongAlgorithm(Algorithm::Hs256));
    let mismatched = format!(r#"{{"kty":"OKP","crv":"Ed25519","x":"{x}","d":"{x}"}}"#);
    assert!(matches!(
        KeyPair::from_jwk(&mismatched).unwrap_err(),
        KeyError::Rejected(_)
    ));
}

#[test]
fn a_set_goes_out_and_comes_in_without_secrets() {
    let named = |algorithm, kid: &str| pair(algorithm).with_kid(kid);
    let pairs = [
        named(Algorithm::Es256, "a"),
        named(Algorithm::EdDsa, "b"),
        named(Algorithm::Ps256, "c"),
    ];
    let secret = StaticSecret::new(Algorithm::Hs256, &[0x61; 32])
        .unwrap()
        .with_kid("s");
    let set = pairs.iter().fold(KeySet::new().with(secret), |set, pair| {
        set.with(pair.public_key().clone())
    });
    let json = set.to_jwks();
    assert!(!json.contains("oct") && !json.contains("YWFh"), "{json}");

    let read = KeySet::from_jwks(&json).unwrap();
    assert_eq!(read.iter().count(), 3);
    let verifier = Verifier::new(read);
    for pair in &pairs {
        let token = mint(&claims(), pair).unwrap();
        let verified = verifier.verify::<SessionClaims>(&token, now()).unwrap();
        assert_eq!(
            (verified.algorithm, verified.kid.as_deref()),
            (pair.algorithm(), pair.public_key().kid())
        );
    }

    // What we cannot use is passed over; a secret that someone published is not trusted.
    let strange = r#"{"keys":[{"kty":"new"},{"kty":"EC","crv":"P-521","x":"","y":""},7,
        {"kty":"oct","k":"YWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWE","alg":"HS256"}]}"#;
    assert_eq!(KeySet::from_jwks(strange).unwrap().iter().count(), 0);
    assert_eq!(KeySet::from_jwks("{}").unwrap_err(), KeyError::NotJwk);
    let many = format!(r#"{{"keys":[{}]}}"#, vec!["{}"; 65].join(","));
    assert_eq!(
        KeySet::from_jwks(&many).unwrap_err(),
        KeyError::TooManyKeys { max: 64 }
    );
    let oct = r#"{"kty":"oct","k":"YWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWE","kid":"s"}"#;
    assert_eq!(StaticSecret::from_jwk(oct).unwrap().kid(), Some("s"));
}

proptest! {
    #[test]
    fn any_flipped_bit_is_refused(which in 0..4usize, place: prop::sample::Index, bit in 0..7u8) {
        let algorithm = ALGORITHMS[which];
        let token = file(&format!("openssl.{algorithm}.jwt"));
        let mut bytes = token.trim().as_bytes().to_vec();
        let place = place.index(bytes.len());
        bytes[place] ^= 1 << bit;
        let changed = String::from_utf8(bytes).unwrap();
        prop_assert!(verify(pair(algorithm).public_key(), &changed).is_err());
    }

    /// Damaged keys are refused or are other keys; none panics.
    #[test]
    fn any_damaged_key_is_harmless(which in 0..4usize, place: prop::sample::Index, byte in 0..128u8) {
        let algorithm = ALGORITHMS[which];
        for name in [format!("{}.pem", stem(algorithm)), format!("{}.pub.pem", stem(algorithm)), "p256.sec1.pem".into()] {
            let mut bytes = file(&name).into_bytes();
            let place = place.index(bytes.len());
            bytes[place] = byte;
            let text = String::from_utf8(bytes).unwrap();
            let _ = KeyPair::from_pem(algorithm, &text);
            if let Ok(key) = PublicKey::from_pem(algorithm, &text) {
                let _ = verify(&key, &file(&format!("openssl.{algorithm}.jwt")));
            }
        }
    }
}
