//! Hierarchies of keys: what a parent can do, and what a child cannot.
#![allow(clippy::unwrap_used)]

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64URL;
use proptest::prelude::*;
use token::{
    Algorithm, DelegatedKey, Delegation, DelegationError, DerivedSecret, KeyError, KeyPair,
    KeyPath, KeySet, Malformed, MintError, SessionClaims, SigningKey, StaticSecret, TrustRoot,
    Verified, Verifier, VerifyError, inspect, mint,
};

fn at(seconds: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(1_900_000_000 + seconds)
}

fn path(text: &str) -> KeyPath {
    text.parse().unwrap()
}

fn token(session: &str, key: &dyn SigningKey) -> String {
    mint(
        &SessionClaims::new(session, at(0), Duration::from_secs(1_000_000)),
        key,
    )
    .unwrap()
}

fn verify(
    verifier: &Verifier,
    token: &str,
    seconds: u64,
) -> Result<Verified<SessionClaims>, VerifyError> {
    verifier.verify::<SessionClaims>(token, at(seconds))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn seed() -> [u8; 32] {
    std::array::from_fn(|index| index as u8)
}

fn root() -> DerivedSecret {
    DerivedSecret::root(Algorithm::Hs256, path("eu"), &seed()).unwrap()
}

#[test]
fn paths_have_one_text() {
    for text in ["a", "a/b/c", "a/%2F%25/ü", "1/2/3/4/5/6/7/8", "%252F"] {
        assert_eq!(path(text).to_string(), text);
    }
    assert_eq!(path("a/%2F%25/c").segments().nth(1), Some("/%"));
    assert_eq!(path("%252F").segments().next(), Some("%2F"));
    let long = "x".repeat(256);
    for wrong in [
        "",
        "/",
        "a/",
        "/a",
        "a//b",
        "a/%",
        "a/%2f",
        "a/%41",
        "a\n",
        "1/2/3/4/5/6/7/8/9",
        long.as_str(),
    ] {
        assert_eq!(
            wrong.parse::<KeyPath>(),
            Err(KeyError::BadPath),
            "{wrong:?}"
        );
    }
    assert!(path("a/b").starts_with(&path("a/b")) && path("a/b").starts_with(&path("a")));
    assert!(!path("a").starts_with(&path("a/b")) && !path("ab").starts_with(&path("a")));
}

/// The figures are those of another HKDF (Python's `cryptography`), from seed 00 01 02 … 1f.
#[test]
fn the_derivation_is_the_documented_one() {
    let shop = root().child("shop").unwrap();
    let desk = shop.child("desk/7").unwrap();
    assert_eq!(
        hex(shop.expose_seed()),
        "78b19c84813b4477e0e8562863e27d4325ff0429bafb0982a3902fd710e58d5b"
    );
    assert_eq!(
        hex(desk.expose_seed()),
        "1d91aa54d4ce5cba8b4f682e83a4c21123c8b937e051e90c9eed2ecdb791348f"
    );
    assert_eq!(
        root()
            .descend(&path("eu/shop/desk%2F7"))
            .unwrap()
            .expose_seed(),
        desk.expose_seed()
    );
    assert_eq!(
        root().descend(&path("us/shop")).unwrap_err(),
        KeyError::OutsideHierarchy
    );
    assert_eq!(
        shop.descend(&path("eu")).unwrap_err(),
        KeyError::OutsideHierarchy
    );

    let signing = [
        (
            Algorithm::Hs256,
            "45e6437b1f050502b68deb3da7856f37760760d27032d55aad260b1d7df71932",
        ),
        (
            Algorithm::Hs384,
            "e48db656a93bb5b13fb78d458f850931f440f0af5ccec4716f4c8125fd3a454527c54751c83d44ee4ccfae3c1028fb78",
        ),
        (
            Algorithm::Hs512,
            "f14a81a36cadc5aded4c901df7eda0b1f634c3d896702af3bd08dd8f23db0aebe7718c7e125b6965a1a6a1a396d1dde13923ca3581ddfa1ceed754b25a576578",
        ),
    ];
    for (algorithm, key) in signing {
        let node =
            DerivedSecret::root(algorithm, path("eu/shop/desk%2F7"), desk.expose_seed()).unwrap();
        let key: Vec<u8> = (0..key.len() / 2)
            .map(|at| u8::from_str_radix(&key[2 * at..2 * at + 2], 16).unwrap())
            .collect();
        let plain = StaticSecret::new(algorithm, &key).unwrap();
        assert!(verify(&Verifier::new(plain), &token("desk/7", &node), 0).is_ok());
    }
    let seed: [u8; 32] = [
        0xde, 0xcc, 0x8c, 0xd6, 0x8a, 0x37, 0x53, 0x94, 0x2d, 0x2d, 0xf8, 0xfe, 0xe6, 0x89, 0x63,
        0x2e, 0x59, 0xad, 0xd7, 0x6a, 0x76, 0xa8, 0x00, 0x2c, 0xc8, 0x5b, 0x53, 0xbd, 0x7a, 0xb3,
        0x69, 0x9b,
    ];
    let pair = KeyPair::from_ed25519_seed(&seed).unwrap();
    assert_eq!(
        desk.key_pair().unwrap().public_key().thumbprint(),
        pair.public_key().thumbprint()
    );
    let error = DerivedSecret::root(Algorithm::EdDsa, path("eu"), &seed).unwrap_err();
    assert_eq!(error, KeyError::WrongAlgorithm(Algorithm::EdDsa));
}

#[test]
fn a_parent_s_holder_verifies_every_child_and_no_one_else() {
    let shop = root().child("shop").unwrap();
    let desk = shop.child("desk").unwrap();
    let far = desk.child("phone").unwrap();
    for (node, text) in [
        (&root(), "eu"),
        (&shop, "eu/shop"),
        (&desk, "eu/shop/desk"),
        (&far, "eu/shop/desk/phone"),
    ] {
        let verified = verify(&Verifier::new(root()), &token("desk", node), 0).unwrap();
        assert_eq!(
            (verified.path, verified.kid.as_deref()),
            (Some(path(text)), Some(text))
        );
    }
    let unknown = |kid: &str| VerifyError::UnknownKey { kid: kid.into() };
    // Upwards and sideways nothing verifies.
    assert_eq!(
        verify(&Verifier::new(shop.clone()), &token("desk", &root()), 0).unwrap_err(),
        unknown("eu")
    );
    let cafe = root().child("cafe").unwrap();
    assert_eq!(
        verify(&Verifier::new(shop.clone()), &token("desk", &cafe), 0).unwrap_err(),
        unknown("eu/cafe")
    );

    // A child that claims a sibling's or its parent's place.
    for claimed in ["eu", "eu/cafe", "eu/shop/other"] {
        let liar =
            DerivedSecret::root(Algorithm::Hs256, path(claimed), desk.expose_seed()).unwrap();
        assert_eq!(
            verify(&Verifier::new(root()), &token("other", &liar), 0).unwrap_err(),
            VerifyError::Forged
        );
    }
    // The key of one session opens no other.
    let error = verify(&Verifier::new(root()), &token("till", &far), 0).unwrap_err();
    assert_eq!(
        error,
        VerifyError::WrongSession {
            expected: "desk".into(),
            found: "till".into()
        }
    );
    // Another algorithm of the same seed is another key.
    let other = DerivedSecret::root(Algorithm::Hs512, path("eu"), &seed()).unwrap();
    let refused = VerifyError::AlgorithmNotAllowed(Algorithm::Hs512);
    assert_eq!(
        verify(&Verifier::new(root()), &token("s", &other), 0).unwrap_err(),
        refused
    );
    // Without a path the token asks for no one here.
    let nameless = StaticSecret::new(Algorithm::Hs256, &[1; 32]).unwrap();
    let refused = VerifyError::AlgorithmNotAllowed(Algorithm::Hs256);
    assert_eq!(
        verify(&Verifier::new(root()), &token("s", &nameless), 0).unwrap_err(),
        refused
    );
    assert!(!format!("{:?}", root()).contains("seed"));
}

/// Cluster (EdDSA), application (ES256), session (EdDSA): each a pair of its own.
fn delegated() -> (DelegatedKey, DelegatedKey, DelegatedKey) {
    let cluster = DelegatedKey::root(path("eu"), root().key_pair().unwrap());
    let (pair, _) = KeyPair::generate(Algorithm::Es256).unwrap();
    let delegation = cluster
        .delegate("shop", pair.public_key(), at(0), at(1000))
        .unwrap();
    let shop = DelegatedKey::new(pair, delegation).unwrap();
    let (pair, _) = KeyPair::generate(Algorithm::EdDsa).unwrap();
    let delegation = shop
        .delegate("desk", pair.public_key(), at(100), at(500))
        .unwrap();
    // Over the wire as text.
    let delegation = Delegation::from_text(&delegation.to_text()).unwrap();
    assert_eq!(*delegation.path(), path("eu/shop/desk"));
    let desk = DelegatedKey::new(pair, delegation).unwrap();
    (cluster, shop, desk)
}

#[test]
fn the_root_s_public_key_verifies_every_descendant_while_the_chain_holds() {
    let (cluster, shop, desk) = delegated();
    let verifier = Verifier::new(TrustRoot::of(&cluster));
    for (key, text) in [
        (&cluster, "eu"),
        (&shop, "eu/shop"),
        (&desk, "eu/shop/desk"),
    ] {
        let verified = verify(&verifier, &token("desk", key), 200).unwrap();
        assert_eq!(
            (verified.path, verified.algorithm),
            (Some(path(text)), key.public_key().algorithm())
        );
    }
    // Five seconds of leeway on each end of each delegation.
    let text = token("desk", &desk);
    assert!(verify(&verifier, &text, 95).is_ok() && verify(&verifier, &text, 504).is_ok());
    let error = |seconds| verify(&verifier, &text, seconds).unwrap_err();
    assert_eq!(error(94), DelegationError::NotYetValid { in_s: 6 }.into());
    assert_eq!(error(505), DelegationError::Expired { since_s: 5 }.into());
    assert_eq!(
        error(505).to_string(),
        "the token's key was not delegated: a delegation expired 5 s ago"
    );
    assert!(
        verify(&verifier, &token("s", &shop), 505).is_ok(),
        "the parent's goes on"
    );
    assert_eq!(
        verify(&verifier, &token("s", &shop), 2000).unwrap_err(),
        DelegationError::Expired { since_s: 1000 }.into()
    );

    let depth = |depth| Verifier::new(TrustRoot::of(&cluster).with_max_depth(depth));
    assert!(verify(&depth(2), &text, 200).is_ok());
    assert_eq!(
        verify(&depth(1), &text, 200).unwrap_err(),
        DelegationError::TooDeep.into()
    );
    assert!(verify(&depth(0), &token("s", &cluster), 200).is_ok());

    // An intermediate key can be trusted by itself, its own chain and all.
    let middle = TrustRoot::new(path("eu/shop"), shop.public_key().clone());
    let error = verify(&Verifier::new(middle), &text, 200).unwrap_err();
    assert_eq!(
        error,
        DelegationError::Forged.into(),
        "the chain starts above the root that is trusted"
    );
    // The key of one session opens no other.
    let error = verify(&verifier, &token("till", &desk), 200).unwrap_err();
    assert_eq!(
        error,
        VerifyError::WrongSession {
            expected: "desk".into(),
            found: "till".into()
        }
    );
    // A set publishes the root's key, and a stranger's root verifies nothing.
    assert!(
        KeySet::new()
            .with(TrustRoot::of(&cluster))
            .to_jwks()
            .contains(r#""kid":"eu""#)
    );
    let stranger = DelegatedKey::root(path("eu"), KeyPair::generate(Algorithm::EdDsa).unwrap().0);
    let error = verify(&Verifier::new(TrustRoot::of(&stranger)), &text, 200).unwrap_err();
    assert_eq!(error, DelegationError::Forged.into());
}

/// A key of the attacker's choice that says of itself whatever the attacker likes.
fn forge(header: &str, signer: &DelegatedKey, claims: &str) -> String {
    // Only the crate's keys sign, so the signature is that of an honest token, moved: enough for chains, which are
    // judged before it.
    let honest = token("s", signer);
    let signature = honest.rsplit('.').next().unwrap();
    format!(
        "{}.{}.{signature}",
        BASE64URL.encode(header),
        BASE64URL.encode(claims)
    )
}

#[test]
fn chains_that_do_not_hold() {
    let (cluster, shop, desk) = delegated();
    let verifier = Verifier::new(TrustRoot::of(&cluster));
    let chain_of = |key: &DelegatedKey| -> Vec<String> {
        let header: serde_json::Value =
            serde_json::from_str(&inspect(&token("s", key), 8192).unwrap().header).unwrap();
        header["chain"]
            .as_array()
            .unwrap()
            .iter()
            .map(|item| item.as_str().unwrap().to_owned())
            .collect()
    };
    let links = chain_of(&desk);
    let with = |kid: &str, chain: &[&str]| {
        let header = serde_json::json!({"alg": "EdDSA", "kid": kid, "chain": chain});
        verify(&verifier, &forge(&header.to_string(), &desk, "{}"), 200).unwrap_err()
    };
    let full = [links[0].as_str(), links[1].as_str()];
    assert_eq!(
        with("eu/shop/desk", &full),
        VerifyError::Forged,
        "the chain holds, the signature is another's"
    );
    let broken = |kid: &str, chain: &[&str], reason: DelegationError| {
        assert_eq!(with(kid, chain), reason.into(), "{kid} {}", chain.len());
    };
    broken("eu/shop/desk", &full[1..], DelegationError::Forged);
    broken("eu/shop/desk", &full[..1], DelegationError::WrongPath);
    broken("eu/shop/desk", &[], DelegationError::WrongPath);
    broken("eu/shop/till", &full, DelegationError::WrongPath);
    broken("eu/shop", &full, DelegationError::WrongPath);
    broken(
        "eu/shop/desk",
        &[full[0], full[0], full[1]],
        DelegationError::Forged,
    );
    broken("eu/shop/desk", &["x.y.z"], DelegationError::Malformed);
    broken(
        "eu/shop/desk",
        &[&"a".repeat(5000)],
        DelegationError::Malformed,
    );
    let (cut, _) = full[0].rsplit_once('.').unwrap();
    broken(
        "eu/shop",
        &[&format!("{cut}.AAAA")],
        DelegationError::Forged,
    );
    // A token is no delegation, even one that the root itself signed and that has a key inside.
    broken(
        "eu/shop",
        &[&token("s", &cluster)],
        DelegationError::Malformed,
    );
    assert_eq!(
        with("us/shop", &full),
        VerifyError::UnknownKey {
            kid: "us/shop".into()
        }
    );
    // A delegation is no token, though the root signed it.
    let error = verify(&verifier, full[0], 200).unwrap_err();
    assert_eq!(error, VerifyError::Malformed(Malformed::Delegation));

    // A child that delegates further than one step down cannot: the path is its own and one segment.
    let (pair, _) = KeyPair::generate(Algorithm::EdDsa).unwrap();
    assert_eq!(
        shop.delegate("", pair.public_key(), at(0), at(1)),
        Err(MintError::BadPath)
    );
    assert_eq!(
        shop.delegate("x", pair.public_key(), at(1), at(1)),
        Err(MintError::NeverValid)
    );
    // With a wrong key, or none.
    let delegation = shop
        .delegate("till", pair.public_key(), at(0), at(1))
        .unwrap();
    let (other, _) = KeyPair::generate(Algorithm::EdDsa).unwrap();
    assert_eq!(
        DelegatedKey::new(other, delegation).unwrap_err(),
        KeyError::BadDelegation
    );
    assert_eq!(
        Delegation::from_text("").unwrap_err(),
        KeyError::BadDelegation
    );
    assert_eq!(
        Delegation::from_text(&token("s", &desk)).unwrap_err(),
        KeyError::BadDelegation
    );

    // A sibling's delegation under one's own root: an application that takes another's place.
    let cafe = DelegatedKey::root(
        path("eu/cafe"),
        KeyPair::generate(Algorithm::Es256).unwrap().0,
    );
    let (pair, _) = KeyPair::generate(Algorithm::EdDsa).unwrap();
    let stolen = cafe
        .delegate("desk", pair.public_key(), at(0), at(1000))
        .unwrap()
        .to_text();
    broken("eu/cafe/desk", &[full[0], &stolen], DelegationError::Forged);
}

/// An application that writes its own delegations, without this crate to hold it back.
#[test]
fn a_child_cannot_delegate_outside_its_own_path() {
    let shop_seed = [9; 32];
    let shop = ring::signature::Ed25519KeyPair::from_seed_unchecked(&shop_seed).unwrap();
    let sign = |header: serde_json::Value, claims: serde_json::Value| {
        let signed = format!(
            "{}.{}",
            BASE64URL.encode(header.to_string()),
            BASE64URL.encode(claims.to_string())
        );
        let signature = BASE64URL.encode(shop.sign(signed.as_bytes()));
        format!("{signed}.{signature}")
    };
    let cluster = DelegatedKey::root(path("eu"), root().key_pair().unwrap());
    let pair = KeyPair::from_ed25519_seed(&shop_seed).unwrap();
    let link = cluster
        .delegate("shop", pair.public_key(), at(0), at(1000))
        .unwrap()
        .to_text();
    let jwk: serde_json::Value = serde_json::from_str(&pair.public_key().to_jwk()).unwrap();
    let verifier = Verifier::new(TrustRoot::of(&cluster));
    let claims = serde_json::json!({"session": "desk", "iat": 1, "exp": 2_000_000_000});
    let try_path = |place: &str, typ: &str| {
        let content =
            serde_json::json!({"path": place, "jwk": jwk, "nbf": 0, "exp": 2_000_000_000});
        let own = sign(serde_json::json!({"alg": "EdDSA", "typ": typ}), content);
        let header = serde_json::json!({"alg": "EdDSA", "kid": place, "chain": [link, own]});
        verify(&verifier, &sign(header, claims.clone()), 200).map(|verified| verified.path)
    };
    assert_eq!(
        try_path("eu/shop/desk", "delegation+jwt"),
        Ok(Some(path("eu/shop/desk")))
    );
    assert_eq!(
        try_path("eu/shop/desk", "JWT"),
        Err(DelegationError::Malformed.into())
    );
    for outside in [
        "eu",
        "eu/cafe",
        "eu/cafe/desk",
        "eu/shop",
        "eu/shop/desk/phone",
    ] {
        assert_eq!(
            try_path(outside, "delegation+jwt"),
            Err(DelegationError::WrongPath.into()),
            "{outside}"
        );
    }
    assert!(matches!(
        try_path("us/shop/desk", "delegation+jwt"),
        Err(VerifyError::UnknownKey { .. })
    ));
}

#[test]
fn as_deep_as_a_path_goes() {
    let mut key = DelegatedKey::root(path("1"), KeyPair::generate(Algorithm::EdDsa).unwrap().0);
    let verifier = Verifier::new(TrustRoot::of(&key));
    for segment in 2..=8 {
        let (pair, _) = KeyPair::generate(Algorithm::EdDsa).unwrap();
        let delegation = key
            .delegate(&segment.to_string(), pair.public_key(), at(0), at(1000))
            .unwrap();
        key = DelegatedKey::new(pair, delegation).unwrap();
        let text = token("3", &key);
        assert!(
            verify(&verifier, &text, 0).is_ok(),
            "{segment}: {} bytes",
            text.len()
        );
    }
    let (pair, _) = KeyPair::generate(Algorithm::EdDsa).unwrap();
    assert_eq!(
        key.delegate("9", pair.public_key(), at(0), at(1000)),
        Err(MintError::BadPath)
    );
    assert_eq!(
        root()
            .descend(&path("eu/2/3/4/5/6/7/8"))
            .unwrap()
            .child("9")
            .unwrap_err(),
        KeyError::BadPath
    );
}

proptest! {
    #[test]
    fn any_segments_make_a_path_that_reads_back(segments in proptest::collection::vec("[^\\p{C}]{1,20}|[/%2F5]{1,9}", 1..=8)) {
        let mut path = KeyPath::root(segments[0].clone()).unwrap();
        for segment in &segments[1..] {
            path = path.child(segment.clone()).unwrap();
        }
        prop_assert_eq!(path.to_string().parse::<KeyPath>(), Ok(path.clone()));
        prop_assert!(path.segments().eq(segments.iter().map(String::as_str)));
    }

    #[test]
    fn different_paths_have_different_secrets(a in "[ab/%]{1,4}", b in "[ab/%]{1,4}", c in "[ab/%]{1,4}") {
        let deep = root().child(&a).unwrap().child(&b).unwrap();
        let flat = root().child(&format!("{a}{b}")).unwrap();
        prop_assert_ne!(deep.expose_seed(), flat.expose_seed());
        let other = root().child(&a).unwrap().child(&c).unwrap();
        prop_assert_eq!(deep.expose_seed() == other.expose_seed(), b == c);
    }

    #[test]
    fn any_flipped_bit_in_a_chain_is_refused(place: prop::sample::Index, bit in 0..7u8) {
        let (cluster, _, desk) = delegated();
        let mut bytes = token("desk", &desk).into_bytes();
        let place = place.index(bytes.len());
        bytes[place] ^= 1 << bit;
        let changed = String::from_utf8(bytes).unwrap();
        prop_assert!(verify(&Verifier::new(TrustRoot::of(&cluster)), &changed, 200).is_err());
    }
}
