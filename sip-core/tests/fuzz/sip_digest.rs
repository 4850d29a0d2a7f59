//! Digest header values: what is read prints and reads back, the client answers or says why not, the server judges.

use std::time::{Duration, SystemTime};

use sip_core::auth::{
    Account, Attempt, Challenger, ClientAuth, DigestRequest, Ha1, ServerAuth, ServerAuthConfig,
    Verdict,
};
use sip_core::header::digest::{Challenge, Credentials};

/// One header value a line: each is read as a challenge and as credentials.
pub fn run(data: &[u8]) {
    let wall = SystemTime::UNIX_EPOCH + Duration::from_secs(1_900_000_000);
    let request = DigestRequest {
        method: "INVITE",
        uri: "sip:bob@biloxi.com",
        body: data,
    };
    let mut chance = |bytes: &mut [u8]| bytes.fill(7);
    let mut server = ServerAuth::new([1; 32], ServerAuthConfig::default());
    let mut challenges = Vec::new();
    for line in data.split(|byte| *byte == b'\n') {
        if let Ok(challenge) = Challenge::parse(line) {
            assert_eq!(
                Challenge::parse(challenge.to_string().as_bytes()).map(comparable),
                Ok(comparable(challenge.clone()))
            );
            challenges.push((Challenger::Server, challenge));
        }
        let Ok(credentials) = Credentials::parse(line) else {
            continue;
        };
        assert_eq!(
            Credentials::parse(credentials.to_string().as_bytes()),
            Ok(credentials.clone())
        );
        if let Ok(needed) = server.lookup(&credentials, &request, wall) {
            let ha1 = Ha1::from_password(
                needed.hash,
                needed.username,
                needed.realm,
                "a password that no seed knows",
            );
            let verdict = server.verify(&credentials, Some(&ha1), &request, wall);
            assert!(matches!(verdict, Verdict::Wrong), "{verdict:?}");
        }
    }
    let mut client = ClientAuth::new(Account::with_password("bob", "zanzibar"));
    let mut attempt = Attempt::none();
    // Whatever the challenges, it comes to an end.
    for round in 0.. {
        assert!(round <= 5);
        match client.retry(&attempt, &challenges, &request, &mut chance) {
            Ok(next) => attempt = next,
            Err(_) => break,
        }
        for (_, value) in attempt.headers() {
            assert!(!value.contains(['\r', '\n']));
            assert!(Credentials::parse(value.as_bytes()).is_ok(), "{value}");
        }
    }
}

/// A list of qualities of which we know none is written as no list: the one thing that does not come back.
fn comparable(mut challenge: Challenge) -> Challenge {
    challenge.qop = challenge.qop.filter(|qop| qop.auth || qop.auth_int);
    challenge
}
