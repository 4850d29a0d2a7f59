use super::*;
use proptest::prelude::*;

#[test]
fn reads_the_challenges_of_rfc_3261_and_8760() {
    // RFC 3261 section 20.44.
    let challenge = Challenge::parse(
        b"Digest realm=\"atlanta.com\",\r\n domain=\"sip:boxesbybob.com\", qop=\"auth\",\r\n \
          nonce=\"f84f1cec41e6cbe5aea9c8e88d359\",\r\n opaque=\"\", stale=FALSE, algorithm=MD5",
    )
    .unwrap();
    let mut expected = Challenge::new("atlanta.com", "f84f1cec41e6cbe5aea9c8e88d359");
    expected.domain = Some("sip:boxesbybob.com".into());
    expected.opaque = Some(String::new());
    expected.algorithm = AlgorithmParam::Known(Algorithm::MD5);
    expected.qop = Some(QopOptions::AUTH);
    assert_eq!(challenge, expected);

    let challenge: Challenge =
        r#"DIGEST realm="a", nonce=abc==, algorithm="sha-512-256-SESS", stale="True",
        qop="auth , auth-int,auth-conf", x-new=1"#
            .parse()
            .unwrap();
    assert_eq!(challenge.nonce, "abc==");
    assert!(challenge.stale);
    assert_eq!(
        challenge.algorithm,
        AlgorithmParam::Known(Algorithm::SHA_512_256_SESS)
    );
    assert_eq!(
        challenge.qop,
        Some(QopOptions {
            auth: true,
            auth_int: true
        })
    );

    let challenge: Challenge = r#"Digest realm="a", nonce="n", algorithm=AKAv1-MD5, qop="x""#
        .parse()
        .unwrap();
    assert_eq!(
        challenge.algorithm,
        AlgorithmParam::Other("AKAv1-MD5".into())
    );
    assert_eq!(challenge.algorithm.algorithm(), None);
    assert_eq!(challenge.qop, Some(QopOptions::default()));
}

#[test]
fn reads_the_credentials_of_rfc_3261() {
    // RFC 3261 section 25.1, with the parameters of section 22.4's form.
    let text = r#"Digest username="bob", realm="biloxi.com", nonce="dcd98b7102dd2f0e8b11d0f600bfb0c093", uri="sip:bob@biloxi.com", qop=auth, nc=0000000a, cnonce="0a4f113b", response="6629fae49393a05397450978507c4ef1", opaque="5ccc069c403ebaf9f0171e9517f40e41""#;
    let credentials = Credentials::parse(text.as_bytes()).unwrap();
    assert_eq!(credentials.username, "bob");
    assert_eq!(credentials.uri, "sip:bob@biloxi.com");
    assert_eq!(credentials.algorithm, AlgorithmParam::Absent);
    assert_eq!(
        credentials.protection,
        Some(Protection {
            qop: Qop::Auth,
            nc: 10,
            cnonce: "0a4f113b".into()
        })
    );
    assert_eq!(
        Credentials::parse(credentials.to_string().as_bytes()),
        Ok(credentials)
    );

    // Without qop, a stray cnonce says nothing.
    let old: Credentials = r#"Digest username=b,realm=r,nonce=n,uri="u",response=x,cnonce=c"#
        .parse()
        .unwrap();
    assert_eq!(old.protection, None);
}

#[test]
fn unescapes_when_reading_and_escapes_when_writing() {
    let challenge: Challenge = "Digest realm=\"say \\\"hi\\\" \\\\ \\é\\x\", nonce=\"\""
        .parse()
        .unwrap();
    assert_eq!(challenge.realm, r#"say "hi" \ éx"#);
    assert_eq!(
        challenge.to_string(),
        r#"Digest realm="say \"hi\" \\ éx", nonce="""#
    );
    let folded: Challenge = "Digest realm=\"a\r\n\t b\", nonce=n".parse().unwrap();
    assert_eq!(folded.realm, "a b");
}

#[test]
fn a_line_end_in_a_value_starts_no_header_field() {
    let challenge = Challenge::new("a\r\nContact: <sip:eve@example.com>", "n\0");
    let text = challenge.to_string();
    assert_eq!(
        text,
        r#"Digest realm="a  Contact: <sip:eve@example.com>", nonce="n ""#
    );
}

#[test]
fn says_what_is_wrong_and_where() {
    use DigestParseErrorKind::*;
    let table: &[(&[u8], DigestParseErrorKind, usize)] = &[
        (b"", OtherScheme, 0),
        (b"Dig", OtherScheme, 0),
        (b"Basic realm=\"a\"", OtherScheme, 0),
        (b"Digestive realm=\"a\"", OtherScheme, 0),
        (b"Digest", Missing("realm"), 6),
        (b"Digest realm=\"a\"", Missing("nonce"), 16),
        (
            b"Digest realm=\"a\", nonce=\"n\" stale=true",
            ExpectedComma,
            28,
        ),
        (b"Digest realm=\"a\"x, nonce=\"n\"", ExpectedComma, 16),
        (b"Digest realm", ExpectedEquals, 12),
        (b"Digest realm nonce", ExpectedEquals, 13),
        (b"Digest realm=", ExpectedValue, 13),
        (b"Digest realm=,", ExpectedValue, 13),
        (b"Digest =\"a\"", ExpectedName, 7),
        (b"Digest \"a\"", ExpectedName, 7),
        (b"Digest realm=\"a", UnterminatedQuote, 15),
        (b"Digest realm=\"a\\", UnterminatedQuote, 16),
        (b"Digest realm=\"a\\\"", UnterminatedQuote, 17),
        (b"Digest realm=\"a\rb\"", ControlCharacter, 15),
        (b"Digest realm=\"a\r\nb\"", ControlCharacter, 15),
        (b"Digest realm=\"a\\\0\"", ControlCharacter, 16),
        (b"Digest realm=\"\x7f\"", ControlCharacter, 14),
        (b"Digest realm=\"a\xff\"", NotUtf8, 15),
        (b"Digest realm=\"a\", nonce=n, REALM=\"b\"", Duplicate, 27),
    ];
    for (value, kind, offset) in table {
        let found = Challenge::parse(value).unwrap_err();
        assert_eq!(
            (found.kind, found.offset),
            (*kind, *offset),
            "{}",
            value.escape_ascii()
        );
    }
    let base = r#"Digest username=u, realm=r, nonce=n, uri=u, response=x"#;
    let table = [
        (", qop=auth, cnonce=c", Missing("nc")),
        (", qop=auth, nc=00000001", Missing("cnonce")),
        (", qop=auth-conf, nc=00000001, cnonce=c", UnknownQop),
        (", nc=1", BadNonceCount),
        (", nc=0000000A", BadNonceCount),
        (", nc=+0000001", BadNonceCount),
        (", nc=000000001", BadNonceCount),
        (", nc=00000001, nc=00000001", Duplicate),
        (", qop=auth, qop=auth", Duplicate),
    ];
    for (rest, kind) in table {
        let text = format!("{base}{rest}");
        assert_eq!(
            Credentials::parse(text.as_bytes()).unwrap_err().kind,
            kind,
            "{rest}"
        );
    }
    for name in ["username", "realm", "nonce", "uri", "response"] {
        let text = base.replacen(&format!("{name}="), "other=", 1);
        assert_eq!(
            Credentials::parse(text.as_bytes()).unwrap_err().kind,
            Missing(name)
        );
    }
}

#[test]
fn empty_list_elements_are_stepped_over() {
    assert!(Challenge::parse(b"Digest ,realm=a,, ,nonce=n , ").is_ok());
}

fn text() -> impl Strategy<Value = String> {
    "[ -~\\t\u{e4}\u{4e16}\u{1f600}]{0,24}"
}

fn algorithm() -> impl Strategy<Value = AlgorithmParam> {
    prop_oneof![
        Just(AlgorithmParam::Absent),
        (0..3usize, any::<bool>()).prop_map(|(hash, session)| {
            AlgorithmParam::Known(Algorithm {
                hash: HashAlgorithm::ALL[hash],
                session,
            })
        }),
        text().prop_map(|name| AlgorithmParam::from_value(&name)),
    ]
}

proptest! {
    #[test]
    fn challenges_survive_the_wire(
        realm in text(), nonce in text(), opaque in proptest::option::of(text()), domain in proptest::option::of(text()),
        stale: bool, algorithm in algorithm(), qop in proptest::option::of(1..4u8),
    ) {
        let qop = qop.map(|bits| QopOptions { auth: bits & 1 > 0, auth_int: bits & 2 > 0 });
        let challenge = Challenge { realm, nonce, opaque, domain, stale, algorithm, qop };
        prop_assert_eq!(Challenge::parse(challenge.to_string().as_bytes()), Ok(challenge));
    }

    #[test]
    fn credentials_survive_the_wire(
        username in text(), realm in text(), nonce in text(), uri in text(), response in text(),
        algorithm in algorithm(), opaque in proptest::option::of(text()),
        protection in proptest::option::of((any::<bool>(), any::<u32>(), text())),
    ) {
        let protection = protection.map(|(int, nc, cnonce)| {
            Protection { qop: if int { Qop::AuthInt } else { Qop::Auth }, nc, cnonce }
        });
        let credentials = Credentials { username, realm, nonce, uri, response, algorithm, opaque, protection };
        prop_assert_eq!(Credentials::parse(credentials.to_string().as_bytes()), Ok(credentials));
    }

    #[test]
    fn what_parses_prints_stably(value in "Digest( |,|=|\"|\\\\|\r\n|\t|realm|nonce|[ -~]|\u{e4}){0,40}") {
        let value = value.replacen("Digest", "Digest realm=r, nonce=n, ", 1);
        if let Ok(challenge) = Challenge::parse(value.as_bytes()) {
            prop_assert_eq!(Challenge::parse(challenge.to_string().as_bytes()), Ok(challenge));
        }
    }

    #[test]
    fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = Challenge::parse(&bytes);
        let _ = Credentials::parse(&bytes);
    }
}
