//! DTLS-SRTP handshakes between two of ours, on virtual time over a network that loses what it is told to. Every test
//! runs with every backend.
#![cfg(feature = "dtls")]
#![allow(clippy::disallowed_methods, clippy::unwrap_used)]

use rtp_core::dtls::{Backend, Certificate, DtlsError, Event, Handshake, HandshakeConfig, Role};
use rtp_core::sdp::Setup;
use rtp_core::srtp::Suite;
use rtp_core::transport::Keys;
use std::time::{Duration, Instant};

const MS: Duration = Duration::from_millis(1);

macro_rules! with_each_backend {
    ($($name:ident),* $(,)?) => {
        mod rust {
            $(#[test] fn $name() { super::$name(super::Backend::Rust) })*
        }
        #[cfg(feature = "dtls-openssl")]
        mod openssl {
            $(#[test] fn $name() { super::$name(super::Backend::OpenSsl) })*
        }
    };
}

with_each_backend!(
    both_ends_draw_the_same_keys,
    lost_datagrams_are_sent_again,
    no_key_comes_out_before_the_fingerprint_is_known,
    another_certificate_gets_nothing,
    silence_ends_at_the_time_limit,
    a_server_whose_client_vanishes_gives_up,
    garbage_is_passed_over,
    only_the_suites_that_are_allowed,
    datagrams_are_as_small_as_the_mtu,
    goodbye_is_said_and_heard,
    bad_keys_are_refused_and_none_is_shown,
    a_certificate_larger_than_any_is_an_end,
);

fn config(backend: Backend) -> HandshakeConfig {
    let mut config = HandshakeConfig::default();
    config.backend = backend;
    config
}

struct Pair {
    now: Instant,
    /// Time passes as the system's clock says: OpenSSL sends again by that one alone.
    real: bool,
    mtu: usize,
    client: Handshake,
    server: Handshake,
    certificates: (Certificate, Certificate),
}

impl Pair {
    fn new(backend: Backend) -> Pair {
        Pair::with(config(backend), config(backend))
    }

    fn with(client: HandshakeConfig, server: HandshakeConfig) -> Pair {
        let now = Instant::now();
        let certificates = (
            Certificate::generate().unwrap(),
            Certificate::generate().unwrap(),
        );
        Pair {
            now,
            real: false,
            mtu: client.mtu.max(server.mtu),
            client: Handshake::new(now, &certificates.0, Role::Client, client).unwrap(),
            server: Handshake::new(now, &certificates.1, Role::Server, server).unwrap(),
            certificates,
        }
    }

    fn trust(&mut self) {
        self.client.expect(&[self.certificates.1.fingerprint()]);
        self.server.expect(&[self.certificates.0.fingerprint()]);
    }

    /// Carries datagrams that `lost` does not want, and lets time pass when nobody speaks, until `limit` has passed.
    fn run(&mut self, limit: Duration, mut lost: impl FnMut(usize) -> bool) {
        let (end, mut count) = (self.now + limit, 0);
        loop {
            let mut spoke = false;
            for to_server in [true, false] {
                let (from, to) = match to_server {
                    true => (&mut self.client, &mut self.server),
                    false => (&mut self.server, &mut self.client),
                };
                while let Some(datagram) = from.poll_transmit() {
                    assert!(datagram.len() <= self.mtu);
                    spoke = true;
                    count += 1;
                    if !lost(count) {
                        to.receive(self.now, &datagram);
                    }
                }
            }
            if spoke {
                continue;
            }
            let wakes = [self.client.poll_timeout(), self.server.poll_timeout()];
            let Some(next) = wakes.into_iter().flatten().min().filter(|at| *at <= end) else {
                self.now = end;
                return;
            };
            self.now = next.max(self.now + MS);
            if self.real {
                std::thread::sleep(self.now.saturating_duration_since(Instant::now()));
            }
            self.client.handle_timeout(self.now);
            self.server.handle_timeout(self.now);
        }
    }

    fn keys(&mut self) -> (Keys, Keys) {
        match (self.client.poll_event(), self.server.poll_event()) {
            (Some(Event::Keys(client)), Some(Event::Keys(server))) => (client, server),
            other => panic!("no keys: {other:?}"),
        }
    }
}

fn both_ends_draw_the_same_keys(backend: Backend) {
    let mut pair = Pair::new(backend);
    pair.trust();
    pair.run(Duration::from_secs(5), |_| false);
    let (client, server) = pair.keys();
    assert_eq!(
        (&client.send, &client.receive),
        (&server.receive, &server.send)
    );
    assert_ne!(client.send, client.receive);
    assert!(pair.client.poll_event().is_none() && pair.server.poll_event().is_none());

    let mut other = Pair::new(backend);
    other.trust();
    other.run(Duration::from_secs(5), |_| false);
    assert_ne!(
        other.keys().0.send,
        client.send,
        "keys are this call's alone"
    );
}

fn lost_datagrams_are_sent_again(backend: Backend) {
    let lose = |drop, more| {
        let mut pair = Pair::new(backend);
        pair.real = backend != Backend::Rust;
        pair.trust();
        pair.run(Duration::from_secs(25), |n| {
            (drop..=drop + more).contains(&n)
        });
        pair.keys();
    };
    let most = if backend == Backend::Rust { 2 } else { 1 };
    // At once, since some wait for seconds.
    std::thread::scope(|scope| {
        for drop in 1..=12 {
            for more in 0..=most {
                scope.spawn(move || lose(drop, more));
            }
        }
    });
}

fn no_key_comes_out_before_the_fingerprint_is_known(backend: Backend) {
    let mut pair = Pair::new(backend);
    pair.client.expect(&[pair.certificates.1.fingerprint()]);
    // The client's offer is with us, its answer is not: the handshake arrives first.
    pair.run(Duration::from_secs(5), |_| false);
    assert!(pair.server.poll_event().is_none());
    pair.server.expect(&[pair.certificates.0.fingerprint()]);
    pair.keys();
}

fn another_certificate_gets_nothing(backend: Backend) {
    let stranger = Certificate::generate().unwrap();
    for late in [false, true] {
        let mut pair = Pair::new(backend);
        pair.client.expect(&[pair.certificates.1.fingerprint()]);
        if !late {
            pair.server.expect(&[stranger.fingerprint()]);
        }
        pair.run(Duration::from_secs(5), |_| false);
        if late {
            pair.server.expect(&[stranger.fingerprint()]);
        }
        assert_eq!(
            pair.server.poll_event(),
            Some(Event::Failed(DtlsError::WrongFingerprint))
        );
        assert_eq!(
            (pair.server.poll_event(), pair.server.poll_timeout()),
            (None, None)
        );
        // A correction comes too late: the association is dead.
        pair.server.expect(&[pair.certificates.0.fingerprint()]);
        assert!(pair.server.poll_event().is_none());
    }
    let mut pair = Pair::new(backend);
    pair.server.expect(&[]);
    pair.client.expect(&[pair.certificates.1.fingerprint()]);
    pair.run(Duration::from_secs(5), |_| false);
    assert_eq!(
        pair.server.poll_event(),
        Some(Event::Failed(DtlsError::WrongFingerprint))
    );
}

fn silence_ends_at_the_time_limit(backend: Backend) {
    let mut short = config(backend);
    short.timeout = Duration::from_secs(10);
    let mut pair = Pair::with(short, config(backend));
    pair.trust();
    let start = pair.now;
    pair.run(Duration::from_secs(60), |_| true);
    assert_eq!(
        pair.client.poll_event(),
        Some(Event::Failed(DtlsError::Timeout(Duration::from_secs(10))))
    );
    assert!(pair.client.poll_timeout().is_none());
    // Nobody called the server, so its time has not begun.
    assert!(pair.server.poll_event().is_none());
    assert!(pair.now >= start + Duration::from_secs(60));
}

fn a_server_whose_client_vanishes_gives_up(backend: Backend) {
    let mut pair = Pair::new(backend);
    pair.trust();
    pair.run(Duration::from_secs(60), |n| n > 2);
    let ends = (pair.client.poll_event(), pair.server.poll_event());
    assert!(
        matches!(ends, (Some(Event::Failed(_)), Some(Event::Failed(_)))),
        "{ends:?}"
    );
}

fn garbage_is_passed_over(backend: Backend) {
    let mut pair = Pair::new(backend);
    pair.trust();
    let mut seed = 1u32;
    for _ in 0..2000 {
        seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let length = (seed >> 8) as usize % 200;
        let mut junk = vec![0; length];
        for byte in &mut junk {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            *byte = (seed >> 24) as u8;
        }
        if let Some(first) = junk.first_mut() {
            *first = 20 + *first % 44;
        }
        pair.server.receive(pair.now, &junk);
        pair.client.receive(pair.now, &junk);
    }
    pair.run(Duration::from_secs(20), |_| false);
    pair.keys();
}

fn only_the_suites_that_are_allowed(backend: Backend) {
    let mut strict = config(backend);
    strict.suites = vec![Suite::AesCm128HmacSha1_80];
    let mut pair = Pair::with(config(backend), strict.clone());
    pair.trust();
    pair.run(Duration::from_secs(5), |_| false);
    if backend == Backend::Rust {
        // Both ends prefer a GCM suite, which the server does not allow.
        assert_eq!(
            pair.server.poll_event(),
            Some(Event::Failed(DtlsError::NoProfile))
        );
        return;
    }
    assert_eq!(pair.keys().0.send.suite(), Suite::AesCm128HmacSha1_80);

    let mut other = config(backend);
    other.suites = vec![Suite::AeadAes256Gcm];
    let mut pair = Pair::with(other, strict);
    pair.trust();
    pair.run(Duration::from_secs(5), |_| false);
    let no_profile = Some(Event::Failed(DtlsError::NoProfile));
    assert_eq!(pair.client.poll_event(), no_profile);
    assert_eq!(pair.server.poll_event(), no_profile);
}

fn datagrams_are_as_small_as_the_mtu(backend: Backend) {
    let mut small = config(backend);
    small.mtu = 400;
    let mut pair = Pair::with(small.clone(), small);
    pair.trust();
    pair.run(Duration::from_secs(5), |_| false);
    pair.keys();
    let mut none = config(backend);
    none.mtu = 20;
    let good = &pair.certificates.0;
    assert!(Handshake::new(pair.now, good, Role::Client, none).is_err());
}

fn goodbye_is_said_and_heard(backend: Backend) {
    let mut pair = Pair::new(backend);
    pair.trust();
    pair.run(Duration::from_secs(5), |_| false);
    pair.keys();
    pair.client.close();
    pair.run(Duration::from_secs(1), |_| false);
    assert_eq!(pair.server.poll_event(), Some(Event::Closed));
    assert!(pair.client.poll_event().is_none());
}

fn bad_keys_are_refused_and_none_is_shown(backend: Backend) {
    let good = Certificate::generate().unwrap();
    let bad = Certificate::from_der(good.der().to_vec(), b"no key at all".to_vec());
    let refused = Handshake::new(Instant::now(), &bad, Role::Client, config(backend));
    assert!(
        matches!(refused, Err(DtlsError::Certificate(_))),
        "{refused:?}"
    );
    let shown = format!("{good:?}");
    assert!(
        shown.contains("sha-256") && !shown.contains("key"),
        "{shown}"
    );
}

/// One with so many bytes in an extension that nobody knows.
fn large(bytes: usize) -> Certificate {
    let key = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).unwrap();
    let mut parameters = rcgen::CertificateParams::default();
    let extension = rcgen::CustomExtension::from_oid_content(&[1, 2, 3, 4], vec![0; bytes]);
    parameters.custom_extensions.push(extension);
    let certificate = parameters.self_signed(&key).unwrap();
    Certificate::from_der(certificate.der().to_vec(), key.serialize_der())
}

/// A peer may show anything before it is known to be the right one.
fn a_certificate_larger_than_any_is_an_end(backend: Backend) {
    for (bytes, taken) in [(15_000, true), (20_000, false)] {
        for theirs in [Role::Client, Role::Server] {
            let mut pair = Pair::new(backend);
            let (shown, mut wide) = (large(bytes), config(backend));
            wide.mtu = 4000;
            pair.mtu = 4000;
            let (now, certificates) = (pair.now, &mut pair.certificates);
            let made = Handshake::new(now, &shown, theirs, wide).unwrap();
            match theirs {
                Role::Client => (pair.client, certificates.0) = (made, shown),
                Role::Server => (pair.server, certificates.1) = (made, shown),
            }
            pair.trust();
            pair.run(Duration::from_secs(5), |_| false);
            let ours = match theirs {
                Role::Client => pair.server.poll_event(),
                Role::Server => pair.client.poll_event(),
            };
            let said = matches!(
                (taken, &ours),
                (true, Some(Event::Keys(_)))
                    | (false, Some(Event::Failed(DtlsError::PeerCertificate(_))))
            );
            assert!(said, "{bytes} bytes as {theirs:?}: {ours:?}");
        }
    }
}

#[test]
fn either_backend_speaks_to_the_other() {
    let other = config(Backend::default());
    for (client, server) in [
        (config(Backend::Rust), other.clone()),
        (other, config(Backend::Rust)),
    ] {
        let mut pair = Pair::with(client, server);
        pair.trust();
        pair.run(Duration::from_secs(5), |_| false);
        let (client, server) = pair.keys();
        assert_eq!((client.send, client.receive), (server.receive, server.send));
    }
}

#[test]
fn roles_follow_setup() {
    assert_eq!(Role::of(Setup::Active), Some(Role::Client));
    assert_eq!(Role::of(Setup::Passive), Some(Role::Server));
    assert_eq!(Role::of(Setup::ActPass), None);
    assert_eq!(Role::of(Setup::HoldConn), None);
}

#[test]
fn a_handshake_can_cross_threads() {
    fn is_send<T: Send>() {}
    is_send::<Handshake>();
    is_send::<Certificate>();
}
