//! The plain family with a static secret: what is let in, and what is refused for which reason.
#![allow(clippy::unwrap_used)]

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64URL;
use proptest::prelude::*;
use token::{
    Algorithm, KeyError, KeySet, Malformed, MintError, Role, SessionClaims, StaticSecret, Verifier,
    VerifierOptions, VerifyError, inspect, mint,
};

const SECRET: &[u8; 64] = b"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

fn at(seconds: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(1_900_000_000 + seconds)
}

fn secret() -> StaticSecret {
    StaticSecret::new(Algorithm::Hs256, SECRET).unwrap()
}

fn claims() -> SessionClaims {
    SessionClaims::new("standup", at(0), Duration::from_secs(60))
}

/// Signs any header and claims, as a forger who knows the secret would.
fn sign(header: &str, claims: &str) -> String {
    let signed = format!("{}.{}", BASE64URL.encode(header), BASE64URL.encode(claims));
    let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, SECRET);
    let tag = ring::hmac::sign(&key, signed.as_bytes());
    format!("{signed}.{}", BASE64URL.encode(tag))
}

fn refusal(token: &str, seconds: u64) -> VerifyError {
    Verifier::new(secret())
        .verify::<SessionClaims>(token, at(seconds))
        .unwrap_err()
}

const HS256: &str = r#"{"alg":"HS256"}"#;
const CLAIMS: &str = r#"{"session":"standup","iat":1900000000,"exp":1900000060}"#;

#[test]
fn what_is_minted_is_what_the_family_says() {
    let text = mint(
        &claims().with_role(Role::Subscriber).with_data("sip=true"),
        &secret(),
    )
    .unwrap();
    let seen = inspect(&text, 8192).unwrap();
    assert_eq!(seen.header, r#"{"alg":"HS256","typ":"JWT"}"#);
    assert_eq!(
        seen.claims,
        r#"{"session":"standup","role":"subscriber","data":"sip=true","iat":1900000000,"exp":1900000060}"#
    );
    assert_eq!(
        (seen.algorithm.as_str(), seen.kid, seen.signature_len),
        ("HS256", None, 32)
    );
}

#[test]
fn every_algorithm_keeps_to_itself() {
    for algorithm in [Algorithm::Hs256, Algorithm::Hs384, Algorithm::Hs512] {
        let secret = StaticSecret::new(algorithm, SECRET).unwrap().with_kid("k1");
        let text = mint(&claims(), &secret).unwrap();
        let verified = Verifier::new(secret)
            .verify::<SessionClaims>(&text, at(1))
            .unwrap();
        assert_eq!(
            (verified.algorithm, verified.kid.as_deref()),
            (algorithm, Some("k1"))
        );
        assert_eq!(verified.claims, claims());
        for other in [Algorithm::Hs256, Algorithm::Hs384, Algorithm::Hs512] {
            if other != algorithm {
                let verifier = Verifier::new(StaticSecret::new(other, SECRET).unwrap());
                let error = verifier.verify::<SessionClaims>(&text, at(1)).unwrap_err();
                assert_eq!(error, VerifyError::AlgorithmNotAllowed(algorithm));
            }
        }
    }
}

/// RFC 7515 appendix A.1.
#[test]
fn the_rfc_s_own_token_has_a_right_signature_and_other_claims() {
    let key = BASE64URL
        .decode("AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow")
        .unwrap();
    let token = "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ.dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
    let right = Verifier::new(StaticSecret::new(Algorithm::Hs256, &key).unwrap());
    let error = right.verify::<SessionClaims>(token, at(0)).unwrap_err();
    assert!(
        matches!(
            error,
            VerifyError::Malformed(Malformed::Claims { line: 3, .. })
        ),
        "{error:?}"
    );
    assert_eq!(refusal(token, 0), VerifyError::Forged);
}

#[test]
fn time_is_judged_to_the_second_and_with_leeway() {
    let text = mint(&claims().not_before(at(10)), &secret()).unwrap();
    let with = |leeway| {
        let mut options = VerifierOptions::default();
        options.leeway = Duration::from_secs(leeway);
        Verifier::with_options(secret(), options)
    };
    let table = [
        (0, 9, Err(VerifyError::NotYetValid { in_s: 1 })),
        (0, 10, Ok(())),
        (0, 59, Ok(())),
        (0, 60, Err(VerifyError::Expired { since_s: 0 })),
        (5, 4, Err(VerifyError::NotYetValid { in_s: 6 })),
        (5, 5, Ok(())),
        (5, 64, Ok(())),
        (5, 65, Err(VerifyError::Expired { since_s: 5 })),
        (5, 4000, Err(VerifyError::Expired { since_s: 3940 })),
    ];
    for (leeway, seconds, expected) in table {
        let found = with(leeway)
            .verify::<SessionClaims>(&text, at(seconds))
            .map(|_| ());
        assert_eq!(found, expected, "leeway {leeway}, at {seconds}");
    }
    // A clock before 1970 expires nothing, and enters nothing that is not yet valid.
    let before = UNIX_EPOCH - Duration::from_secs(5);
    let error = with(0).verify::<SessionClaims>(&text, before).unwrap_err();
    assert_eq!(
        error,
        VerifyError::NotYetValid {
            in_s: 1_900_000_010
        }
    );
}

#[test]
fn numeric_dates_may_have_fractions_and_extremes() {
    let with = |exp: &str| {
        sign(
            HS256,
            &format!(r#"{{"session":"s","iat":1.5,"exp":{exp}}}"#),
        )
    };
    let read = |exp: &str| Verifier::new(secret()).verify::<SessionClaims>(&with(exp), at(0));
    let exp = |seconds| UNIX_EPOCH + Duration::from_secs(seconds);
    assert_eq!(
        read("1900000060.75").unwrap().claims.expires_at(),
        exp(1_900_000_060)
    );
    assert_eq!(
        read("1.9000001e9").unwrap().claims.expires_at(),
        exp(1_900_000_100)
    );
    assert!(read("18446744073709551615").is_ok());
    assert!(read("1e300").is_ok());
    assert!(matches!(read("-1e300"), Err(VerifyError::Expired { .. })));
    assert!(matches!(
        read("-1"),
        Err(VerifyError::Expired {
            since_s: 1_900_000_000
        })
    ));
    for wrong in ["\"1900000060\"", "null", "true", "[]", "1e999"] {
        assert!(
            matches!(
                read(wrong),
                Err(VerifyError::Malformed(Malformed::Claims { .. }))
            ),
            "{wrong}"
        );
    }
}

#[test]
fn each_refusal_has_its_reason() {
    use Malformed::*;
    let forged = |header: &str| refusal(&sign(header, CLAIMS), 0);
    assert!(
        Verifier::new(secret())
            .verify::<SessionClaims>(&sign(HS256, CLAIMS), at(0))
            .is_ok()
    );

    for none in ["none", "None", "NONE", "nOnE"] {
        assert_eq!(
            forged(&format!(r#"{{"alg":"{none}"}}"#)),
            VerifyError::Unsigned
        );
    }
    let unsigned = format!(
        "{}.{}.",
        BASE64URL.encode(r#"{"alg":"none"}"#),
        BASE64URL.encode(CLAIMS)
    );
    assert_eq!(refusal(&unsigned, 0), VerifyError::Unsigned);
    assert_eq!(
        forged(r#"{"alg":"XS256"}"#),
        VerifyError::UnknownAlgorithm("XS256".into())
    );
    assert_eq!(
        forged(r#"{"alg":"hs256"}"#),
        VerifyError::UnknownAlgorithm("hs256".into())
    );
    assert_eq!(
        forged(&format!(r#"{{"alg":"{}"}}"#, "x".repeat(99))),
        VerifyError::UnknownAlgorithm("x".repeat(32))
    );
    assert_eq!(
        forged(r#"{"alg":"HS384"}"#),
        VerifyError::AlgorithmNotAllowed(Algorithm::Hs384)
    );
    assert_eq!(
        forged(r#"{"alg":"HS256","crit":["exp"]}"#),
        VerifyError::CriticalExtension
    );
    assert_eq!(
        forged(r#"{"alg":"HS256","crit":null}"#),
        VerifyError::CriticalExtension
    );
    for header in [
        "",
        "{}",
        "[]",
        r#"["HS256",null,null,null]"#,
        "null",
        r#"{"alg":1}"#,
        r#"{"alg":"HS256","alg":"HS256"}"#,
        "{\"alg\":\"HS256\"}x",
    ] {
        assert_eq!(forged(header), VerifyError::Malformed(Header), "{header}");
    }
    assert_eq!(refusal("", 0), VerifyError::Malformed(Parts));
    assert_eq!(refusal("a.b", 0), VerifyError::Malformed(Parts));
    assert_eq!(refusal("a.b.c.d", 0), VerifyError::Malformed(Parts));
    assert_eq!(
        refusal("e30=.e30.e30", 0),
        VerifyError::Malformed(Base64("header"))
    );
    assert_eq!(
        refusal(&"a".repeat(8193), 0),
        VerifyError::Malformed(TooLong {
            len: 8193,
            max: 8192
        })
    );
    let good = sign(HS256, CLAIMS);
    assert_eq!(
        refusal(&format!("{good}="), 0),
        VerifyError::Malformed(Base64("signature"))
    );
    assert_eq!(
        refusal(&format!(" {good}"), 0),
        VerifyError::Malformed(Base64("header"))
    );
    let end = good.rfind('.').unwrap();
    assert_eq!(
        refusal(&good[..=end], 0),
        VerifyError::Forged,
        "an empty signature"
    );
    assert_eq!(
        refusal(&good[..end + 9], 0),
        VerifyError::Forged,
        "a short signature"
    );

    // Claims are parsed after the signature: a forger learns nothing of them.
    assert_eq!(
        refusal(&format!("{}.{}.AAAA", BASE64URL.encode(HS256), "!!"), 0),
        VerifyError::Forged
    );
    for wrong in [
        "",
        "{}",
        "[1]",
        r#"["s","publisher",null,null,null,[],null,1,null,1900000001]"#,
        r#"{"session":"s"}"#,
        r#"{"session":1,"iat":1,"exp":1900000001}"#,
        "{\"session\":",
    ] {
        assert!(
            matches!(
                refusal(&sign(HS256, wrong), 0),
                VerifyError::Malformed(Claims { .. })
            ),
            "{wrong}"
        );
    }
    // Depth is skipped without recursion where it is not asked for, and refused where it is.
    let (open, close) = ("[".repeat(2000), "]".repeat(2000));
    let ignored = format!(r#"{{"session":"s","iat":1,"exp":1900000001,"x":{open}1{close}}}"#);
    assert!(
        Verifier::new(secret())
            .verify::<SessionClaims>(&sign(HS256, &ignored), at(0))
            .is_ok()
    );
    for deep in [
        format!(r#"{{"session":{open}1{close}}}"#),
        format!(r#"{{"aud":{open}1{close}}}"#),
    ] {
        assert!(matches!(
            refusal(&sign(HS256, &deep), 0),
            VerifyError::Malformed(Claims { .. })
        ));
    }
    let header = format!(r#"{{"alg":"HS256","crit":{open}1{close}}}"#);
    assert_eq!(forged(&header), VerifyError::Malformed(Header));
    let role = r#"{"session":"s","role":"king","iat":1,"exp":1900000001}"#;
    assert!(matches!(
        refusal(&sign(HS256, role), 0),
        VerifyError::Malformed(Claims { .. })
    ));
}

#[test]
fn the_right_token_at_the_wrong_door() {
    let claims = claims().with_role(Role::Subscriber);
    assert_eq!(claims.require_session("standup"), Ok(()));
    let error = claims.require_session("retro").unwrap_err();
    assert_eq!(
        error.to_string(),
        r#"the token is for session "standup", not for "retro""#
    );
    assert_eq!(claims.require_role(&[Role::Subscriber]), Ok(()));
    let error = claims
        .require_role(&[Role::Publisher, Role::Moderator])
        .unwrap_err();
    assert_eq!(error.to_string(), "role `subscriber` does not allow this");
}

#[test]
fn audience_and_issuer_are_judged_when_asked_for() {
    let mut options = VerifierOptions::default();
    options.audience = Some("gateway".into());
    options.issuers = vec!["app".into(), "ops".into()];
    let verifier = Verifier::with_options(secret(), options);
    let judge = |claims: &SessionClaims| {
        let text = mint(claims, &secret()).unwrap();
        assert!(
            Verifier::new(secret())
                .verify::<SessionClaims>(&text, at(0))
                .is_ok(),
            "not asked for"
        );
        verifier.verify::<SessionClaims>(&text, at(0)).map(|_| ())
    };
    assert_eq!(judge(&claims()), Err(VerifyError::MissingClaim("aud")));
    assert_eq!(
        judge(&claims().with_audience("other")),
        Err(VerifyError::WrongAudience)
    );
    assert_eq!(
        judge(&claims().with_audience("gateway")),
        Err(VerifyError::MissingClaim("iss"))
    );
    let both = claims().with_audience("x").with_audience("gateway");
    assert_eq!(
        judge(&both.clone().with_issuer("eve")),
        Err(VerifyError::WrongIssuer)
    );
    assert_eq!(judge(&both.with_issuer("ops")), Ok(()));
}

#[test]
fn keys_rotate_by_name() {
    let key = |byte: u8, kid: Option<&str>| {
        let key = StaticSecret::new(Algorithm::Hs256, &[byte; 32]).unwrap();
        match kid {
            Some(kid) => key.with_kid(kid),
            None => key,
        }
    };
    let set = KeySet::new()
        .with(key(1, Some("old")))
        .with(key(2, Some("new")))
        .with(key(3, None));
    let verifier = Verifier::new(set);
    let try_with = |byte, kid| {
        let text = mint(&claims(), &key(byte, kid)).unwrap();
        verifier
            .verify::<SessionClaims>(&text, at(0))
            .map(|verified| verified.kid)
    };
    assert_eq!(try_with(1, Some("old")), Ok(Some("old".into())));
    assert_eq!(try_with(2, Some("new")), Ok(Some("new".into())));
    assert_eq!(
        try_with(2, Some("old")),
        Err(VerifyError::Forged),
        "a name binds"
    );
    assert_eq!(
        try_with(2, None),
        Ok(Some("new".into())),
        "no name may be any key"
    );
    assert_eq!(
        try_with(3, Some("unheard of")),
        Ok(None),
        "an unnamed key may be of any name"
    );
    assert_eq!(try_with(4, Some("unheard of")), Err(VerifyError::Forged));
    let named_only = Verifier::new(key(1, Some("old")));
    let text = mint(&claims(), &key(1, Some("gone"))).unwrap();
    let error = named_only
        .verify::<SessionClaims>(&text, at(0))
        .unwrap_err();
    assert_eq!(error, VerifyError::UnknownKey { kid: "gone".into() });
    let error = Verifier::new(KeySet::new())
        .verify::<SessionClaims>(&text, at(0))
        .unwrap_err();
    assert_eq!(error, VerifyError::UnknownKey { kid: "gone".into() });
}

#[test]
fn what_no_one_would_accept_is_not_minted() {
    let never = SessionClaims::new("s", at(0), Duration::from_millis(999));
    assert_eq!(mint(&never, &secret()), Err(MintError::NeverValid));
    assert_eq!(
        mint(&claims().not_before(at(60)), &secret()),
        Err(MintError::NeverValid)
    );
    assert_eq!(
        mint(&SessionClaims::new("", at(0), Duration::MAX), &secret()),
        Err(MintError::EmptyClaim("session"))
    );
    let long = mint(&claims().with_data("x".repeat(1025)), &secret());
    assert_eq!(
        long,
        Err(MintError::ClaimTooLong {
            claim: "data",
            len: 1025,
            max: 1024
        })
    );
    let error = StaticSecret::new(Algorithm::Hs512, &[0; 63]).unwrap_err();
    assert_eq!(
        error,
        KeyError::TooShort {
            algorithm: Algorithm::Hs512,
            len: 63,
            min: 64
        }
    );
    assert!(StaticSecret::of_any_length(Algorithm::Hs256, b"insecure").is_ok());
    assert!(StaticSecret::of_any_length(Algorithm::Hs256, b"").is_err());
    // For ever is as long as the clock goes, and what it says can be asked for.
    let ever = SessionClaims::new("s", at(0), Duration::MAX);
    let text = mint(&ever, &secret()).unwrap();
    assert!(
        Verifier::new(secret())
            .verify::<SessionClaims>(&text, at(0))
            .unwrap()
            .claims
            .expires_at()
            > at(0)
    );
}

#[test]
fn no_secret_in_debug() {
    let verifier = Verifier::new(secret());
    let text = format!("{:?} {verifier:?}", secret());
    assert!(!text.contains("0123") && !text.contains("48, 49"), "{text}");
}

fn any_text() -> impl Strategy<Value = String> {
    "\\PC{1,40}"
}

prop_compose! {
    fn any_claims()(
        session in any_text(), role in 0..4usize, data in proptest::option::of(any_text()),
        subject in proptest::option::of(any_text()), issuer in proptest::option::of(any_text()),
        audience in proptest::collection::vec(any_text(), 0..3), id in proptest::option::of(any_text()),
        life in 1..100_000u64, nbf in proptest::option::of(0..1u64),
    ) -> SessionClaims {
        let mut claims = SessionClaims::new(session, at(0), Duration::from_secs(life)).with_role(Role::ALL[role]);
        claims.data = data;
        claims.subject = subject;
        claims.issuer = issuer;
        claims.audience = audience;
        claims.id = id;
        match nbf {
            Some(nbf) => claims.not_before(at(nbf)),
            None => claims,
        }
    }
}

proptest! {
    #[test]
    fn minted_claims_come_back(claims in any_claims(), which in 0..3usize) {
        let secret = StaticSecret::new([Algorithm::Hs256, Algorithm::Hs384, Algorithm::Hs512][which], SECRET).unwrap();
        let text = mint(&claims, &secret).unwrap();
        let verified = Verifier::new(secret).verify::<SessionClaims>(&text, at(0)).unwrap();
        prop_assert_eq!(verified.claims, claims);
    }

    /// Any change of the text at all, not only of what the bits mean.
    #[test]
    fn any_flipped_bit_is_refused(claims in any_claims(), place: prop::sample::Index, bit in 0..7u8) {
        let text = mint(&claims, &secret()).unwrap();
        let mut bytes = text.clone().into_bytes();
        let place = place.index(bytes.len());
        bytes[place] ^= 1 << bit;
        let changed = String::from_utf8(bytes).unwrap();
        prop_assert!(Verifier::new(secret()).verify::<SessionClaims>(&changed, at(0)).is_err());
    }

    #[test]
    fn any_text_is_refused_without_harm(text in "\\PC{0,60}", dotted in "[A-Za-z0-9_.-]{0,120}") {
        prop_assert!(Verifier::new(secret()).verify::<SessionClaims>(&text, at(0)).is_err());
        prop_assert!(Verifier::new(secret()).verify::<SessionClaims>(&dotted, at(0)).is_err());
    }

    #[test]
    fn any_signed_claims_are_read_or_refused(json in "[ -~]{0,80}") {
        let _ = Verifier::new(secret()).verify::<SessionClaims>(&sign(HS256, &json), at(0));
    }
}
