//! Tokens of other makers: what their SDKs wrote is read, what we write reads back, and no family is taken for another.
#![allow(clippy::unwrap_used)]

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use proptest::prelude::*;
use token::{
    Algorithm, AnyClaims, Atm0sClaims, Atm0sKind, Atm0sLegacyClaims, ClaimSet, DerivedSecret,
    KeyError, KeyPair, KeyPath, KeySet, Malformed, MintError, OpenTokConnect, OpenTokProject, Role,
    SessionClaims, StaticSecret, T1Secret, Verifier, VerifierOptions, VerifyError, VonageClaims,
    VonageConnect, mint, mint_t1,
};

const KEY: &str = "123456";
const SECRET: &[u8] = b"0123456789abcdef0123456789abcdef01234567";
const SESSION: &str = "1_MX4xMjM0NTZ-fjE5MDAwMDAwMDAwMDB-YWJjfmZwfg";
const APPLICATION: &str = "29f760f8-7ce1-46c9-ade3-f2dedee4fed5";

fn at(seconds: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(1_900_000_000 + seconds)
}

fn file(name: &str) -> String {
    let path = format!("{}/tests/{name}", env!("CARGO_MANIFEST_DIR"));
    std::fs::read_to_string(path).unwrap().trim().to_owned()
}

fn sdk(name: &str) -> String {
    file(&format!("tokens/{name}.txt"))
}

fn secret() -> StaticSecret {
    StaticSecret::new(Algorithm::Hs256, SECRET).unwrap()
}

fn t1() -> T1Secret {
    T1Secret::new(KEY, SECRET).unwrap()
}

fn vonage() -> KeyPair {
    KeyPair::from_pem(Algorithm::Rs256, &file("keys/rsa.pem")).unwrap()
}

/// A verifier of every family at once.
fn verifier() -> Verifier {
    let keys = KeySet::new()
        .with(secret())
        .with(vonage().public_key().clone());
    Verifier::new(keys).with_t1(t1())
}

fn any(token: &str, seconds: u64) -> Result<AnyClaims, VerifyError> {
    verifier()
        .verify_any(token, at(seconds))
        .map(|verified| verified.claims)
}

fn connect() -> OpenTokConnect {
    OpenTokConnect::new(KEY, SESSION, at(0), Duration::from_secs(3600))
}

#[test]
fn what_the_opentok_sdks_wrote_is_read() {
    let mut full = connect();
    full.role = Role::Moderator;
    full.connection_data = Some("sip=true".into());
    full.layout_classes = vec!["focus".into(), "small".into()];
    for (name, whole) in [
        ("opentok-node-connect", false),
        ("opentok-python-connect", true),
    ] {
        let AnyClaims::OpenTokConnect(mut claims) = any(&sdk(name), 0).unwrap() else {
            panic!("{name}")
        };
        let nonce = claims.nonce.take().unwrap();
        assert_eq!(nonce.fract() == 0.0, whole, "{name}: {nonce}");
        assert_eq!(claims, full, "{name}");
        assert_eq!(
            any(&sdk(name), 4000),
            Err(VerifyError::Expired { since_s: 400 })
        );
    }
    let AnyClaims::OpenTokConnect(plain) = any(&sdk("opentok-node-connect-plain"), 0).unwrap()
    else {
        panic!()
    };
    assert_eq!(
        (
            plain.role,
            plain.connection_data.as_deref(),
            plain.layout_classes.len()
        ),
        (Role::Publisher, None, 0)
    );
    assert_eq!(plain.expires_at(), at(86_400));

    let AnyClaims::OpenTokConnect(node) = any(&sdk("opentok-node-t1"), 0).unwrap() else {
        panic!()
    };
    let mut expected = connect();
    expected.connection_data = Some("sip=true&x y/ü".into());
    expected.nonce = Some(50_885.0);
    assert_eq!(node, expected, "with %20 for a space");
    let AnyClaims::OpenTokConnect(mut python) = any(&sdk("opentok-python-t1"), 0).unwrap() else {
        panic!()
    };
    assert!(python.nonce.take().is_some());
    full.connection_data = Some("sip=true&x y".into());
    assert_eq!(python, full, "with + for a space");

    for (name, id, life) in [
        ("opentok-node-project", false, 300),
        ("opentok-python-project", true, 180),
    ] {
        let AnyClaims::OpenTokProject(claims) = any(&sdk(name), 0).unwrap() else {
            panic!("{name}")
        };
        assert_eq!((claims.api_key.as_str(), claims.id.is_some()), (KEY, id));
        assert_eq!((claims.issued_at(), claims.expires_at()), (at(0), at(life)));
    }
}

#[test]
fn what_the_vonage_sdk_wrote_is_read() {
    let AnyClaims::Vonage(server) = any(&sdk("vonage-python-application"), 0).unwrap() else {
        panic!()
    };
    assert_eq!(
        (
            server.application_id.as_str(),
            &server.connect,
            server.expires_at()
        ),
        (APPLICATION, &None, at(900))
    );
    let AnyClaims::Vonage(client) = any(&sdk("vonage-python-client"), 0).unwrap() else {
        panic!()
    };
    assert_eq!(
        (client.subject.as_deref(), client.acl_paths.as_slice()),
        (Some("video"), &["/session/**".to_owned()][..])
    );
    let connect = client.connect.unwrap();
    assert_eq!(
        (connect.session_id.as_str(), connect.role),
        (SESSION, Role::Moderator)
    );
    assert_eq!(connect.connection_data.as_deref(), Some("sip=true"));
}

/// A holder of a connect token, which any visitor is given, must not reach what a project token opens; and so on.
#[test]
fn no_family_is_taken_for_another() {
    let verifier = verifier();
    fn opens<C: ClaimSet>(verifier: &Verifier, token: &str) -> bool {
        verifier.verify::<C>(token, at(0)).is_ok()
    }
    let own = mint(
        &SessionClaims::new(SESSION, at(0), Duration::from_secs(60)),
        &secret(),
    )
    .unwrap();
    let atm0s = mint(
        &Atm0sClaims::new(Atm0sKind::WebRtc, at(0), Duration::from_secs(60)),
        &secret(),
    )
    .unwrap();
    let tokens = [
        ("session", own),
        ("opentok-connect", sdk("opentok-node-connect")),
        ("opentok-connect", sdk("opentok-python-connect")),
        ("opentok-project", sdk("opentok-node-project")),
        ("opentok-project", sdk("opentok-python-project")),
        ("vonage", sdk("vonage-python-application")),
        ("vonage", sdk("vonage-python-client")),
        ("atm0s", atm0s),
    ];
    for (family, token) in &tokens {
        let found = verifier.verify_any(token, at(0)).unwrap().claims;
        assert_eq!(found.family(), *family);
        let opened = [
            ("session", opens::<SessionClaims>(&verifier, token)),
            ("opentok-connect", opens::<OpenTokConnect>(&verifier, token)),
            ("opentok-project", opens::<OpenTokProject>(&verifier, token)),
            ("vonage", opens::<VonageClaims>(&verifier, token)),
            ("atm0s", opens::<Atm0sClaims>(&verifier, token)),
            ("atm0s-legacy", opens::<Atm0sLegacyClaims>(&verifier, token)),
        ];
        for (other, open) in opened {
            assert_eq!(open, other == *family, "a token of {family} as {other}");
        }
    }
    let error = verifier
        .verify::<OpenTokProject>(&sdk("opentok-node-connect"), at(0))
        .unwrap_err();
    assert_eq!(error, VerifyError::Malformed(Malformed::OtherFamily));
    // A JWT is no T1 text, nor the other way round.
    assert!(
        verifier
            .verify::<OpenTokConnect>(&sdk("opentok-node-t1"), at(0))
            .is_err()
    );
}

#[test]
fn what_we_mint_reads_back() {
    let mut claims = connect();
    claims.role = Role::Subscriber;
    claims.connection_data = Some("a&b=c d+e%".into());
    claims.layout_classes = vec!["x".into(), "y".into()];
    for nonce in [None, Some(0.25), Some(77.0)] {
        claims.nonce = nonce;
        let jwt = mint(&claims, &secret()).unwrap();
        assert_eq!(any(&jwt, 0), Ok(AnyClaims::OpenTokConnect(claims.clone())));
        let old = mint_t1(&claims, &t1()).unwrap();
        assert!(old.starts_with("T1=="));
        assert_eq!(any(&old, 0), Ok(AnyClaims::OpenTokConnect(claims.clone())));
    }
    let project = OpenTokProject::new(KEY, at(0), Duration::from_secs(180));
    assert_eq!(
        any(&mint(&project, &secret()).unwrap(), 0),
        Ok(AnyClaims::OpenTokProject(project))
    );

    let server = VonageClaims::new(APPLICATION, at(0), Duration::from_secs(900));
    let client = server
        .clone()
        .with_connect(VonageConnect::new(SESSION, Role::PublisherOnly));
    for claims in [server, client] {
        assert_eq!(
            any(&mint(&claims, &vonage()).unwrap(), 0),
            Ok(AnyClaims::Vonage(claims))
        );
    }

    let whip = Atm0sClaims::new(Atm0sKind::Whip, at(0), Duration::from_secs(60))
        .with_room("r")
        .with_peer("p");
    assert_eq!(
        any(&mint(&whip, &secret()).unwrap(), 0),
        Ok(AnyClaims::Atm0s(whip))
    );
    let whep = Atm0sClaims::new(Atm0sKind::Whep, at(0), Duration::from_secs(60));
    assert_eq!(mint(&whep, &secret()), Err(MintError::EmptyClaim("room")));

    let mut legacy = Atm0sLegacyClaims::new("Sip", 1_900_000_000_000);
    legacy.room = Some("r".into());
    let token = mint(&legacy, &secret()).unwrap();
    assert_eq!(any(&token, 0), Err(VerifyError::MissingClaim("exp")));
    let mut options = VerifierOptions::default();
    options.require_expiry = false;
    let lax = Verifier::with_options(secret(), options);
    assert_eq!(
        lax.verify::<AnyClaims>(&token, at(0)).unwrap().claims,
        AnyClaims::Atm0sLegacy(legacy)
    );
}

#[test]
fn what_the_vendor_would_refuse_is_not_minted() {
    let month = Duration::from_secs(30 * 86_400 + 1);
    let long = OpenTokConnect::new(KEY, SESSION, at(0), month);
    assert_eq!(
        mint(&long, &secret()),
        Err(MintError::LivesTooLong { max_s: 2_592_000 })
    );
    let mut claims = connect();
    claims.connection_data = Some("x".repeat(1025));
    let error = MintError::ClaimTooLong {
        claim: "connection_data",
        len: 1025,
        max: 1024,
    };
    assert_eq!(mint(&claims, &secret()), Err(error.clone()));
    assert_eq!(mint_t1(&claims, &t1()), Err(error));
    assert_eq!(
        mint_t1(&connect(), &T1Secret::new("654321", SECRET).unwrap()),
        Err(MintError::OtherApiKey)
    );
    assert_eq!(
        T1Secret::new("1&sig=", SECRET).unwrap_err(),
        KeyError::BadApiKey
    );
    assert_eq!(T1Secret::new(KEY, b"").unwrap_err(), KeyError::BadApiKey);
    assert!(!format!("{:?}", t1()).contains("0123"));
}

#[test]
fn t1_texts_are_refused_for_their_reasons() {
    let sealed = |plain: &str| format!("T1=={}", STANDARD.encode(plain));
    let sign = |query: &str| {
        let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, SECRET);
        let tag = ring::hmac::sign(&key, query.as_bytes());
        let hex: String = tag
            .as_ref()
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        sealed(&format!("partner_id={KEY}&sig={hex}:{query}"))
    };
    let good = "session_id=s&create_time=1900000000";
    let Ok(AnyClaims::OpenTokConnect(claims)) = any(&sign(good), 0) else {
        panic!()
    };
    assert_eq!(
        claims.expires_at(),
        at(86_400),
        "a day where it does not say"
    );
    let malformed = |reason| Err(VerifyError::Malformed(reason));
    for query in [
        "session_id=s",
        "create_time=1",
        "session_id=s&create_time=x",
        "session_id=s&create_time=inf",
        "session_id=s&create_time=1900000000&role=king",
        "session_id=s&session_id=t&create_time=1900000000",
        "session_id=%&create_time=1900000000",
        "session_id=%ff&create_time=1900000000",
        "session_id",
        "",
    ] {
        assert_eq!(
            any(&sign(query), 0),
            malformed(Malformed::OtherFamily),
            "{query}"
        );
    }
    assert_eq!(any("T1==!", 0), malformed(Malformed::Base64("content")));
    for plain in ["", "x", "partner_id=123456:q", "partner_id=123456&sig=00:q"] {
        assert_eq!(
            any(&sealed(plain), 0),
            malformed(Malformed::Parts),
            "{plain}"
        );
    }
    let zeros = "0".repeat(40);
    assert_eq!(
        any(&sealed(&format!("partner_id={KEY}&sig={zeros}:{good}")), 0),
        Err(VerifyError::Forged)
    );
    let unknown = any(&sealed(&format!("partner_id=7&sig={zeros}:{good}")), 0);
    assert_eq!(unknown, Err(VerifyError::UnknownKey { kid: "7".into() }));
    let long = format!("T1=={}", "A".repeat(9000));
    assert_eq!(
        any(&long, 0),
        malformed(Malformed::TooLong {
            len: 9004,
            max: 8192
        })
    );
    // A verifier without such a secret takes none.
    let none = Verifier::new(secret())
        .verify_any(&sign(good), at(0))
        .unwrap_err();
    assert_eq!(none, VerifyError::UnknownKey { kid: KEY.into() });
}

/// The session of each family is bound to the key of a session.
#[test]
fn the_key_of_a_session_mints_for_that_session_in_every_family() {
    let path = KeyPath::root("eu").unwrap();
    let root = DerivedSecret::root(Algorithm::Hs256, path, &[3; 32]).unwrap();
    let node = root.child("shop").unwrap().child(SESSION).unwrap();
    let verifier = Verifier::new(root);
    let judge = |token: String| {
        verifier
            .verify_any(&token, at(0))
            .map(|verified| verified.claims.family())
    };
    assert_eq!(
        judge(mint(&connect(), &node).unwrap()),
        Ok("opentok-connect")
    );
    let other = OpenTokConnect::new(KEY, "2_other", at(0), Duration::from_secs(60));
    let wrong = VerifyError::WrongSession {
        expected: SESSION.into(),
        found: "2_other".into(),
    };
    assert_eq!(judge(mint(&other, &node).unwrap()), Err(wrong));
    let project = OpenTokProject::new(KEY, at(0), Duration::from_secs(60));
    assert_eq!(
        judge(mint(&project, &node).unwrap()),
        Err(VerifyError::MissingClaim("session"))
    );
    let anywhere = Atm0sClaims::new(Atm0sKind::WebRtc, at(0), Duration::from_secs(60));
    assert_eq!(
        judge(mint(&anywhere, &node).unwrap()),
        Err(VerifyError::MissingClaim("session"))
    );
}

proptest! {
    #[test]
    fn connect_tokens_survive_both_forms(
        session in "\\PC{1,40}", data in proptest::option::of("\\PC{0,40}"), role in 0..4usize,
        classes in proptest::collection::vec("[a-z&=%+]{1,8}", 0..3), nonce in proptest::option::of(0..1_000_000u32),
        life in 1..2_000_000u64,
    ) {
        let mut claims = OpenTokConnect::new(KEY, session, at(0), Duration::from_secs(life));
        (claims.role, claims.connection_data, claims.layout_classes) = (Role::ALL[role], data, classes);
        claims.nonce = nonce.map(f64::from);
        let expected = Ok(AnyClaims::OpenTokConnect(claims.clone()));
        prop_assert_eq!(any(&mint(&claims, &secret()).unwrap(), 0), expected.clone());
        prop_assert_eq!(any(&mint_t1(&claims, &t1()).unwrap(), 0), expected);
    }

    #[test]
    fn any_flipped_bit_of_a_t1_text_is_refused(place: prop::sample::Index, bit in 0..7u8) {
        let text = sdk("opentok-python-t1");
        let mut bytes = text.clone().into_bytes();
        let place = place.index(bytes.len());
        bytes[place] ^= 1 << bit;
        let changed = String::from_utf8(bytes).unwrap();
        // Hexadecimal digits of the signature may change their case; nothing else may change.
        if let Ok(claims) = any(&changed, 0) {
            let plain = |text: &str| STANDARD.decode(&text[4..]).unwrap().to_ascii_lowercase();
            prop_assert_eq!(plain(&changed), plain(&text));
            prop_assert_eq!(Ok(claims), any(&text, 0));
        }
    }

    #[test]
    fn any_t1_text_is_refused_without_harm(plain in "[ -~]{0,80}", head: bool, bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..60)) {
        let plain = if head { format!("partner_id={KEY}&sig={}:{plain}", "0".repeat(40)) } else { plain };
        for content in [STANDARD.encode(plain), STANDARD.encode(bytes)] {
            let refused = any(&format!("T1=={content}"), 0).is_err();
            prop_assert!(refused);
        }
    }
}
