//! Client and server against each other, every value over the wire's text.
#![allow(clippy::disallowed_methods)]

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use proptest::prelude::*;

use super::*;
use crate::header::digest::{
    Algorithm, AlgorithmParam, Challenge, Credentials, HashAlgorithm, Qop, QopOptions,
};

const KEY: [u8; 32] = [0x5a; 32];
const INVITE: DigestRequest<'static> = DigestRequest {
    method: "INVITE",
    uri: "sip:alice@biloxi.com;transport=tcp",
    body: b"v=0\r\n",
};

fn wall(seconds: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(1_900_000_000 + seconds)
}

/// A generator that gives different bytes each time.
fn chance() -> impl FnMut(&mut [u8]) {
    let mut next = 0u64;
    move |bytes| {
        for byte in bytes {
            next = next
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            *byte = (next >> 56) as u8;
        }
    }
}

fn bob() -> ClientAuth {
    ClientAuth::new(Account::with_password("bob", "zanz\"ibar"))
}

fn server() -> ServerAuth {
    ServerAuth::new(KEY, ServerAuthConfig::default())
}

fn stored(hash: HashAlgorithm) -> Ha1 {
    Ha1::from_password(hash, "bob", "the \"realm\"", "zanz\"ibar")
}

/// The challenges of the server as the client receives them.
fn received(challenges: &[Challenge]) -> Vec<(Challenger, Challenge)> {
    challenges
        .iter()
        .map(|challenge| (Challenger::Server, challenge.to_string().parse().unwrap()))
        .collect()
}

fn challenged(
    server: &ServerAuth,
    stale: bool,
    at: u64,
    chance: &mut dyn FnMut(&mut [u8]),
) -> Vec<(Challenger, Challenge)> {
    received(&server.challenge(
        "the \"realm\"",
        &[HashAlgorithm::Md5],
        stale,
        wall(at),
        chance,
    ))
}

/// The first credentials of an attempt as the server receives them.
fn sent(attempt: &Attempt) -> Credentials {
    attempt.headers().next().unwrap().1.parse().unwrap()
}

fn judge(
    server: &mut ServerAuth,
    attempt: &Attempt,
    request: &DigestRequest<'_>,
    at: u64,
) -> Verdict {
    let credentials = sent(attempt);
    match server.lookup(&credentials, request, wall(at)) {
        Err(verdict) => verdict,
        Ok(needed) => server.verify(&credentials, Some(&stored(needed.hash)), request, wall(at)),
    }
}

#[test]
fn every_algorithm_and_protection_is_understood_by_the_other_side() {
    for hash in HashAlgorithm::ALL {
        for session in [false, true] {
            for qop in [
                QopOptions::AUTH,
                QopOptions {
                    auth: false,
                    auth_int: true,
                },
            ] {
                let mut chance = chance();
                let mut config = ServerAuthConfig::default();
                (config.session, config.qop) = (session, qop);
                let mut server = ServerAuth::new(KEY, config);
                let mut client = bob();
                let challenges = received(&server.challenge(
                    "the \"realm\"",
                    &[hash],
                    false,
                    wall(0),
                    &mut chance,
                ));
                let attempt = client
                    .retry(&Attempt::none(), &challenges, &INVITE, &mut chance)
                    .unwrap();
                let credentials = sent(&attempt);
                assert_eq!(
                    credentials.algorithm,
                    AlgorithmParam::Known(Algorithm { hash, session })
                );
                let int = credentials.protection.as_ref().unwrap().qop == Qop::AuthInt;
                assert_eq!(int, qop.auth_int);
                assert_eq!(judge(&mut server, &attempt, &INVITE, 1), Verdict::Ok);

                // The next request reuses the nonce, and a body is covered by auth-int alone.
                let bye = DigestRequest {
                    method: "BYE",
                    uri: "sip:alice@10.0.0.1",
                    body: b"one",
                };
                let changed = DigestRequest {
                    body: b"two",
                    ..bye
                };
                let attempt = client.attempt(&bye);
                assert_eq!(sent(&attempt).protection.unwrap().nc, 2);
                let verdict = judge(&mut server, &attempt, &changed, 2);
                assert_eq!(verdict, if int { Verdict::Wrong } else { Verdict::Ok });
                let attempt = client.attempt(&bye);
                assert_eq!(judge(&mut server, &attempt, &bye, 3), Verdict::Ok);
                assert_eq!(
                    judge(&mut server, &attempt, &bye, 3),
                    Verdict::Stale(StaleReason::Replayed)
                );
            }
        }
    }
}

#[test]
fn wrong_credentials_end_after_one_try_and_name_realm_and_user() {
    let (mut chance, mut server) = (chance(), server());
    let mut client = ClientAuth::new(Account::with_password("bob", "guess"));
    let challenges = challenged(&server, false, 0, &mut chance);
    let attempt = client
        .retry(&Attempt::none(), &challenges, &INVITE, &mut chance)
        .unwrap();
    let verdict = judge(&mut server, &attempt, &INVITE, 0);
    assert_eq!(verdict, Verdict::Wrong);
    let again = challenged(&server, verdict.is_stale(), 0, &mut chance);
    let error = client
        .retry(&attempt, &again, &INVITE, &mut chance)
        .unwrap_err();
    assert_eq!(
        error,
        AuthError::Rejected {
            realm: "the \"realm\"".into(),
            username: "bob".into()
        }
    );
    assert_eq!(
        error.to_string(),
        r#"realm "the \"realm\"" refuses the password of user "bob""#
    );
}

#[test]
fn a_stale_nonce_is_replaced_without_asking() {
    let (mut chance, mut server, mut client) = (chance(), server(), bob());
    let challenges = challenged(&server, false, 0, &mut chance);
    let attempt = client
        .retry(&Attempt::none(), &challenges, &INVITE, &mut chance)
        .unwrap();
    assert_eq!(
        judge(&mut server, &attempt, &INVITE, 300),
        Verdict::Ok,
        "exactly as old as may be"
    );
    let attempt = client.attempt(&INVITE);
    let verdict = judge(&mut server, &attempt, &INVITE, 301);
    assert_eq!(verdict, Verdict::Stale(StaleReason::Expired));
    let again = challenged(&server, verdict.is_stale(), 301, &mut chance);
    let attempt = client
        .retry(&attempt, &again, &INVITE, &mut chance)
        .unwrap();
    assert_eq!(sent(&attempt).protection.unwrap().nc, 1);
    assert_eq!(judge(&mut server, &attempt, &INVITE, 301), Verdict::Ok);
}

#[test]
fn a_reused_nonce_refused_without_stale_gets_one_try_with_the_new_one() {
    let (mut chance, server, mut client) = (chance(), server(), bob());
    let challenges = challenged(&server, false, 0, &mut chance);
    let first = client
        .retry(&Attempt::none(), &challenges, &INVITE, &mut chance)
        .unwrap();
    drop(first); // accepted
    let reuse = client.attempt(&INVITE);
    let same = client.retry(&reuse, &challenges, &INVITE, &mut chance);
    assert!(
        matches!(same, Err(AuthError::Rejected { .. })),
        "the same nonce again is no news"
    );
    let fresh = client
        .retry(
            &reuse,
            &challenged(&server, false, 1, &mut chance),
            &INVITE,
            &mut chance,
        )
        .unwrap();
    let end = client.retry(
        &fresh,
        &challenged(&server, false, 2, &mut chance),
        &INVITE,
        &mut chance,
    );
    assert!(matches!(end, Err(AuthError::Rejected { .. })));
}

#[test]
fn endless_challenges_end() {
    // `stale=true` for ever, and a new realm each time.
    for new_realm in [false, true] {
        let (mut chance, mut client, mut attempt) = (chance(), bob(), Attempt::none());
        let mut rounds = 0;
        let error = loop {
            let mut challenge = Challenge::new(
                if new_realm {
                    format!("r{rounds}")
                } else {
                    "r".into()
                },
                format!("n{rounds}"),
            );
            challenge.stale = true;
            match client.retry(
                &attempt,
                &[(Challenger::Server, challenge)],
                &INVITE,
                &mut chance,
            ) {
                Ok(next) => attempt = next,
                Err(error) => break error,
            }
            rounds += 1;
        };
        assert!(matches!(error, AuthError::TooManyRounds { .. }));
        assert_eq!(rounds, 5);
    }
}

#[test]
fn topmost_supported_challenge_is_answered_unless_the_strongest_is_wanted() {
    let mut chance = chance();
    let offer = |algorithms: &[&str]| -> Vec<_> {
        let challenge =
            |name: &&str| format!(r#"Digest realm="r", nonce="n", qop="auth", algorithm={name}"#);
        algorithms
            .iter()
            .map(|name| (Challenger::Server, challenge(name).parse().unwrap()))
            .collect()
    };
    let strongest = ClientAuthOptions {
        preference: Preference::Strongest,
        ..ClientAuthOptions::default()
    };
    let table: &[(&[&str], ClientAuthOptions, Algorithm)] = &[
        (
            &["MD5", "SHA-256"],
            ClientAuthOptions::default(),
            Algorithm::MD5,
        ),
        (
            &["AKAv1-MD5", "SHA-256", "MD5"],
            ClientAuthOptions::default(),
            Algorithm::SHA_256,
        ),
        (
            &["MD5", "SHA-512-256", "SHA-256"],
            strongest.clone(),
            Algorithm::SHA_512_256,
        ),
        (
            &["MD5-sess", "SHA-256-sess"],
            strongest,
            Algorithm::SHA_256_SESS,
        ),
    ];
    for (algorithms, options, expected) in table {
        let mut client =
            ClientAuth::with_options(Account::with_password("bob", "p"), options.clone());
        let attempt = client
            .retry(&Attempt::none(), &offer(algorithms), &INVITE, &mut chance)
            .unwrap();
        assert_eq!(attempt.credentials().count(), 1, "one answer a realm");
        assert_eq!(
            sent(&attempt).algorithm.algorithm(),
            Some(*expected),
            "{algorithms:?}"
        );
    }
    // An account of HA1s answers what it has, and says when it has nothing.
    let ha1 = Ha1::from_password(HashAlgorithm::Sha256, "bob", "r", "p");
    let mut client = ClientAuth::new(Account::with_ha1("bob", [ha1]));
    let attempt = client
        .retry(
            &Attempt::none(),
            &offer(&["MD5", "SHA-256"]),
            &INVITE,
            &mut chance,
        )
        .unwrap();
    assert_eq!(
        sent(&attempt).algorithm.algorithm(),
        Some(Algorithm::SHA_256)
    );
    let error = client
        .retry(&Attempt::none(), &offer(&["MD5"]), &INVITE, &mut chance)
        .unwrap_err();
    assert_eq!(
        error,
        AuthError::NoSecret {
            realm: "r".into(),
            username: "bob".into()
        }
    );
    let error = client
        .retry(
            &Attempt::none(),
            &offer(&["AKAv2-MD5"]),
            &INVITE,
            &mut chance,
        )
        .unwrap_err();
    assert_eq!(
        error,
        AuthError::Unsupported {
            realm: "r".into(),
            algorithm: "AKAv2-MD5".into()
        }
    );
    let error = client
        .retry(&Attempt::none(), &[], &INVITE, &mut chance)
        .unwrap_err();
    assert_eq!(error, AuthError::NoChallenge);
}

#[test]
fn a_proxy_and_a_server_are_both_answered() {
    let (mut chance, mut client) = (chance(), bob());
    let proxy = [(Challenger::Proxy, Challenge::new("p", "n1"))];
    let server = [
        (Challenger::Server, Challenge::new("s", "n2")),
        (Challenger::Server, Challenge::new("t", "n3")),
    ];
    let attempt = client
        .retry(&Attempt::none(), &proxy, &INVITE, &mut chance)
        .unwrap();
    let attempt = client
        .retry(&attempt, &server, &INVITE, &mut chance)
        .unwrap();
    let names: Vec<_> = attempt.headers().map(|(name, _)| name).collect();
    assert_eq!(
        names,
        ["Proxy-Authorization", "Authorization", "Authorization"]
    );
    // One realm of two refusing is enough to end it.
    let error = client.retry(
        &attempt,
        &[(Challenger::Server, Challenge::new("t", "n4"))],
        &INVITE,
        &mut chance,
    );
    assert_eq!(
        error.unwrap_err(),
        AuthError::Rejected {
            realm: "t".into(),
            username: "bob".into()
        }
    );
}

#[test]
fn remembered_realms_are_bounded() {
    let (mut chance, mut client) = (chance(), bob());
    for n in 0..20 {
        let challenge = [(Challenger::Server, Challenge::new(format!("r{n}"), "n"))];
        client
            .retry(&Attempt::none(), &challenge, &INVITE, &mut chance)
            .unwrap();
    }
    let realms: Vec<_> = client
        .attempt(&INVITE)
        .credentials()
        .map(|(_, c)| c.realm.clone())
        .collect();
    assert_eq!(
        realms,
        (12..20).map(|n| format!("r{n}")).collect::<Vec<_>>()
    );
    // As many challenges in one response do not make more work or memory.
    let many: Vec<_> = (0..50)
        .map(|n| (Challenger::Server, Challenge::new(format!("m{n}"), "n")))
        .collect();
    assert_eq!(
        client
            .retry(&Attempt::none(), &many, &INVITE, &mut chance)
            .unwrap()
            .credentials()
            .count(),
        8
    );
}

/// Also with very many realms of which none can be answered: to compare each with each would take minutes.
#[test]
fn a_response_full_of_strange_realms_costs_little() {
    let (mut chance, mut client) = (chance(), bob());
    let strange = |n| {
        let mut challenge = Challenge::new(format!("r{n}"), "n");
        challenge.algorithm = AlgorithmParam::Other("NEW".into());
        (Challenger::Server, challenge)
    };
    let many: Vec<_> = (0..200_000).map(strange).collect();
    let error = client
        .retry(&Attempt::none(), &many, &INVITE, &mut chance)
        .unwrap_err();
    assert_eq!(
        error,
        AuthError::Unsupported {
            realm: "r0".into(),
            algorithm: "NEW".into()
        }
    );
}

#[test]
fn challenges_list_what_the_store_has() {
    let mut chance = chance();
    let names = |server: &ServerAuth,
                 hashes: &[HashAlgorithm],
                 chance: &mut dyn FnMut(&mut [u8])|
     -> Vec<_> {
        server
            .challenge("r", hashes, false, wall(0), chance)
            .iter()
            .map(|c| c.algorithm.algorithm().unwrap())
            .collect()
    };
    let all = HashAlgorithm::ALL;
    assert_eq!(
        names(&server(), &all, &mut chance),
        [Algorithm::SHA_512_256, Algorithm::SHA_256, Algorithm::MD5]
    );
    let config = ServerAuthConfig {
        md5_first: true,
        ..ServerAuthConfig::default()
    };
    let browsers = ServerAuth::new(KEY, config);
    assert_eq!(
        names(&browsers, &all, &mut chance),
        [Algorithm::MD5, Algorithm::SHA_512_256, Algorithm::SHA_256]
    );
    assert_eq!(
        names(&browsers, &all[1..2], &mut chance),
        [Algorithm::SHA_256]
    );
    assert!(names(&browsers, &[], &mut chance).is_empty());
}

#[test]
fn another_node_with_the_key_accepts_and_one_without_it_says_stale() {
    let (mut chance, mut client) = (chance(), bob());
    let config = ServerAuthConfig {
        home: 3,
        ..ServerAuthConfig::default()
    };
    let first = ServerAuth::new(KEY, config);
    let challenges = challenged(&first, false, 0, &mut chance);
    let attempt = client
        .retry(&Attempt::none(), &challenges, &INVITE, &mut chance)
        .unwrap();
    let mut second = server();
    assert_eq!(second.home_of(&sent(&attempt)), Some(3));
    assert_eq!(judge(&mut second, &attempt, &INVITE, 10), Verdict::Ok);

    let config = ServerAuthConfig {
        only_home: true,
        ..ServerAuthConfig::default()
    };
    let mut neighbour = ServerAuth::new(KEY, config);
    assert_eq!(
        judge(&mut neighbour, &attempt, &INVITE, 10),
        Verdict::Stale(StaleReason::Elsewhere)
    );
    assert_eq!(neighbour.tracked_nonces(), 0);

    let mut stranger = ServerAuth::new([1; 32], ServerAuthConfig::default());
    assert_eq!(stranger.home_of(&sent(&attempt)), None);
    assert_eq!(
        judge(&mut stranger, &attempt, &INVITE, 10),
        Verdict::Stale(StaleReason::Foreign)
    );
    // Its user need not be known for that, but a wrong response is wrong whatever the nonce.
    let credentials = sent(&attempt);
    let wrong = Ha1::from_password(HashAlgorithm::Md5, "bob", "the \"realm\"", "other");
    assert_eq!(
        stranger.verify(&credentials, Some(&wrong), &INVITE, wall(10)),
        Verdict::Wrong
    );
    assert_eq!(stranger.tracked_nonces(), 0, "no state for strangers");
}

#[test]
fn verdicts_that_need_no_password() {
    let mut chance = chance();
    let attempt = |server: &ServerAuth, chance: &mut dyn FnMut(&mut [u8])| {
        let challenges = challenged(server, false, 0, chance);
        sent(
            &bob()
                .retry(&Attempt::none(), &challenges, &INVITE, chance)
                .unwrap(),
        )
    };
    let mut server = server();
    let good = attempt(&server, &mut chance);
    let mut ask = |change: &dyn Fn(&mut Credentials)| {
        let mut credentials = good.clone();
        change(&mut credentials);
        let early = server.lookup(&credentials, &INVITE, wall(0)).err();
        let verdict = server.verify(&credentials, None, &INVITE, wall(0));
        assert!(early.is_none_or(|early| early == verdict));
        verdict
    };
    assert_eq!(ask(&|_| {}), Verdict::Wrong, "no such user");
    let malformed = Verdict::Malformed;
    assert_eq!(
        ask(&|c| c.uri = "sip:alice@biloxi.com".into()),
        malformed(Malformed::UriMismatch)
    );
    assert_eq!(
        ask(&|c| c.algorithm = AlgorithmParam::Other("x".into())),
        malformed(Malformed::UnknownAlgorithm)
    );
    assert_eq!(
        ask(&|c| c.response.push('0')),
        malformed(Malformed::ResponseLength)
    );
    assert_eq!(
        ask(&|c| c.algorithm = AlgorithmParam::Known(Algorithm::SHA_256)),
        malformed(Malformed::ResponseLength)
    );
    assert_eq!(
        ask(&|c| c.protection.as_mut().unwrap().nc = 0),
        malformed(Malformed::ZeroNonceCount)
    );
    let no_qop = |c: &mut Credentials| {
        c.protection = None;
        c.algorithm = AlgorithmParam::Known(Algorithm::MD5_SESS);
    };
    assert_eq!(ask(&no_qop), malformed(Malformed::QopMissing));

    let wrong_realm = Ha1::from_password(HashAlgorithm::Md5, "bob", "elsewhere", "zanz\"ibar");
    assert_eq!(
        server.verify(&good, Some(&wrong_realm), &INVITE, wall(0)),
        Verdict::Ha1Mismatch
    );

    let mut config = ServerAuthConfig::default();
    (config.qop, config.uri_check) = (
        QopOptions {
            auth: false,
            auth_int: true,
        },
        UriCheck::Ignore,
    );
    let mut strict = ServerAuth::new(KEY, config);
    assert_eq!(
        strict.verify(&good, None, &INVITE, wall(0)),
        Verdict::Malformed(Malformed::QopNotOffered),
        "a protection weaker than offered"
    );
    let rewritten = DigestRequest {
        uri: "sip:alice@10.0.0.1",
        ..INVITE
    };
    let credentials = attempt(&strict, &mut chance);
    assert_eq!(
        strict.verify(
            &credentials,
            Some(&stored(HashAlgorithm::Md5)),
            &rewritten,
            wall(0)
        ),
        Verdict::Ok
    );
}

#[test]
fn a_client_without_qop_is_let_in_once_a_nonce() {
    let (mut chance, mut server, mut client) = (chance(), server(), bob());
    let mut challenges = challenged(&server, false, 0, &mut chance);
    challenges[0].1.qop = None;
    let attempt = client
        .retry(&Attempt::none(), &challenges, &INVITE, &mut chance)
        .unwrap();
    assert_eq!(sent(&attempt).protection, None);
    assert_eq!(judge(&mut server, &attempt, &INVITE, 0), Verdict::Ok);
    assert_eq!(
        judge(&mut server, &attempt, &INVITE, 0),
        Verdict::Stale(StaleReason::Replayed)
    );
}

#[test]
fn secrets_stay_out_of_debug() {
    let (mut chance, server, mut client) = (chance(), server(), bob());
    let challenges = challenged(&server, false, 0, &mut chance);
    client
        .retry(&Attempt::none(), &challenges, &INVITE, &mut chance)
        .unwrap();
    let digits = String::from_utf8(stored(HashAlgorithm::Md5).hex().to_vec()).unwrap();
    let text = format!("{client:?} {server:?} {:?}", client.account());
    assert!(
        !text.contains("zanz") && !text.contains(&digits) && !text.contains("90, 90"),
        "{text}"
    );
}

#[test]
fn both_sides_are_send() {
    fn send<T: Send + Sync>() {}
    send::<ClientAuth>();
    send::<ServerAuth>();
    send::<Attempt>();
    send::<Ha1>();
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    /// Against a model that remembers everything: nothing is accepted twice, whatever the order, the table's size
    /// and the clock; and with room enough, counts within the window are accepted once.
    #[test]
    fn no_request_is_accepted_twice(
        max in 1..6usize,
        steps in proptest::collection::vec((0..8usize, 1..90u32, 0..40u64), 1..100),
    ) {
        let mut chance = chance();
        let mut config = ServerAuthConfig::default();
        (config.max_nonces, config.nonce_lifetime) = (max, Duration::from_secs(100));
        let mut server = ServerAuth::new(KEY, config);
        let stored = stored(HashAlgorithm::Md5);
        let mut now = 0;
        let mut nonces: Vec<_> = (0..8).map(|_| challenged(&server, false, 0, &mut chance)).collect();
        let mut accepted = std::collections::HashSet::new();
        for (which, nc, pass) in steps {
            now += pass;
            if pass == 0 {
                nonces[which] = challenged(&server, false, now, &mut chance);
            }
            let mut client = bob();
            client.retry(&Attempt::none(), &nonces[which], &INVITE, &mut chance).unwrap();
            for _ in 2..nc {
                client.attempt(&INVITE);
            }
            let credentials = sent(&client.attempt(&INVITE));
            let protection = credentials.protection.clone().unwrap();
            let verdict = server.verify(&credentials, Some(&stored), &INVITE, wall(now));
            prop_assert!(matches!(verdict, Verdict::Ok | Verdict::Stale(_)), "{verdict:?}");
            if verdict == Verdict::Ok {
                prop_assert!(accepted.insert((credentials.nonce, protection.nc)));
            }
            prop_assert!(server.tracked_nonces() <= max);
        }
        prop_assert!(!accepted.is_empty() || now > 100);
    }
}
