//! DTLS-SRTP handshakes with peers that speak one version alone, that describe their certificate by any hash, or show one on
//! RSA.
#![cfg(feature = "dtls")]
#![allow(clippy::disallowed_methods, clippy::unwrap_used)]

use rtp_core::dtls::{Backend, Certificate, DtlsError, Event, Handshake, HandshakeConfig, Role};
use rtp_core::sdp::Fingerprint;
use rtp_core::transport::Keys;
use std::sync::Arc;
use std::time::{Duration, Instant};

const LIMIT: Duration = Duration::from_secs(8);

const BACKENDS: &[Backend] = &[
    Backend::Rust,
    #[cfg(feature = "dtls-openssl")]
    Backend::OpenSsl,
];

fn config(backend: Backend) -> HandshakeConfig {
    let mut config = HandshakeConfig::default();
    (config.backend, config.timeout) = (backend, LIMIT);
    config
}

/// A peer that speaks one version.
struct Fixed {
    dtls: dimpl::Dtls,
    keys: Option<Vec<u8>>,
    sent: Vec<Vec<u8>>,
}

impl Fixed {
    /// With the certificate whose fingerprint it returns.
    fn new(now: Instant, is_13: bool, role: Role) -> (Fixed, Fingerprint) {
        let key = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).unwrap();
        let shown = rcgen::CertificateParams::default().self_signed(&key);
        let (shown, key) = (shown.unwrap().der().to_vec(), key.serialize_der());
        let fingerprint = Certificate::from_der(shown.clone(), key.clone()).fingerprint();
        let config = Arc::new(dimpl::Config::builder().build().unwrap());
        let pair = dimpl::DtlsCertificate {
            certificate: shown,
            private_key: key,
        };
        let mut dtls = match is_13 {
            true => dimpl::Dtls::new_13(config, pair, now),
            false => dimpl::Dtls::new_12(config, pair, now),
        };
        dtls.set_active(role == Role::Client);
        let mut fixed = Fixed {
            dtls,
            keys: None,
            sent: Vec::new(),
        };
        fixed.handle_timeout(now);
        (fixed, fingerprint)
    }

    fn handle_timeout(&mut self, now: Instant) {
        // What it cannot make sense of is its own affair.
        let _ = self.dtls.handle_timeout(now);
        let mut buffer = vec![0; 20_000];
        loop {
            match self.dtls.poll_output(&mut buffer) {
                dimpl::Output::Packet(packet) => self.sent.push(packet.to_vec()),
                dimpl::Output::KeyingMaterial(material, _) => self.keys = Some(material.to_vec()),
                dimpl::Output::Timeout(_) => break,
                _ => {}
            }
        }
    }

    fn receive(&mut self, now: Instant, datagram: &[u8]) {
        let _ = self.dtls.handle_packet(datagram);
        self.handle_timeout(now);
    }
}

/// Runs until ours has something to tell, and both have said all.
fn run(mut now: Instant, ours: &mut Handshake, peer: &mut Fixed) -> Option<Event> {
    let end = now + 2 * LIMIT;
    let mut said = None;
    while now < end {
        while let Some(datagram) = ours.poll_transmit() {
            peer.receive(now, &datagram);
        }
        let sent = std::mem::take(&mut peer.sent);
        for datagram in &sent {
            ours.receive(now, datagram);
        }
        said = said.or_else(|| ours.poll_event());
        if !sent.is_empty() {
            continue;
        }
        if said.is_some() {
            break;
        }
        now += Duration::from_millis(100);
        peer.handle_timeout(now);
        if ours.poll_timeout().is_some_and(|at| at <= now) {
            ours.handle_timeout(now);
        }
    }
    said
}

/// In the order of RFC 5764 §4.2.
fn material(keys: &Keys, role: Role) -> Vec<u8> {
    let (client, server) = match role {
        Role::Client => (&keys.send, &keys.receive),
        Role::Server => (&keys.receive, &keys.send),
    };
    [client.key(), server.key(), client.salt(), server.salt()].concat()
}

#[test]
fn a_peer_that_speaks_one_version_is_spoken_to_in_it_or_given_up() {
    let certificate = Certificate::generate().unwrap();
    for &backend in BACKENDS {
        for is_13 in [false, true] {
            for (role, theirs) in [(Role::Client, Role::Server), (Role::Server, Role::Client)] {
                let now = Instant::now();
                let (mut peer, fingerprint) = Fixed::new(now, is_13, theirs);
                let mut ours = Handshake::new(now, &certificate, role, config(backend)).unwrap();
                ours.expect(&[fingerprint]);
                let said = run(now, &mut ours, &mut peer);
                let case = format!("{backend:?} as {role:?}, 1.3: {is_13}");
                // OpenSSL's DTLS ends at 1.2.
                if is_13 && backend != Backend::Rust {
                    assert!(matches!(said, Some(Event::Failed(_))), "{case}: {said:?}");
                    assert_eq!(peer.keys, None);
                    continue;
                }
                let Some(Event::Keys(keys)) = said else {
                    panic!("{case}: {said:?}")
                };
                let known = if is_13 {
                    dimpl::ProtocolVersion::DTLS1_3
                } else {
                    dimpl::ProtocolVersion::DTLS1_2
                };
                assert_eq!(peer.dtls.protocol_version(), Some(known), "{case}");
                assert_eq!(Some(material(&keys, role)), peer.keys, "{case}");
            }
        }
    }
}

/// What a hash function makes of a certificate.
type Hash = fn(&[u8]) -> Vec<u8>;

#[test]
fn every_hash_of_rfc_8122_but_the_broken_ones_vouches_for_a_certificate() {
    use sha2::{Digest, Sha224, Sha256, Sha384, Sha512};
    let [ours, theirs] = [(); 2].map(|()| Certificate::generate().unwrap());
    let hashes: [(&str, Hash, bool); 6] = [
        ("sha-1", |der| sha1::Sha1::digest(der).to_vec(), true),
        ("SHA-224", |der| Sha224::digest(der).to_vec(), true),
        ("sha-256", |der| Sha256::digest(der).to_vec(), true),
        ("sha-384", |der| Sha384::digest(der).to_vec(), true),
        ("SHA-512", |der| Sha512::digest(der).to_vec(), true),
        ("md5", |der| md5::Md5::digest(der).to_vec(), false),
    ];
    for &backend in BACKENDS {
        for (hash, of, is_safe) in hashes {
            for shown in [&ours, &theirs] {
                let now = Instant::now();
                let mut client =
                    Handshake::new(now, &theirs, Role::Client, config(backend)).unwrap();
                client.expect(&[ours.fingerprint()]);
                let mut server = Handshake::new(now, &ours, Role::Server, config(backend)).unwrap();
                let (hash, value) = (hash.to_owned(), of(shown.der()));
                server.expect(&[Fingerprint { hash, value }]);
                for _ in 0..10 {
                    while let Some(datagram) = client.poll_transmit() {
                        server.receive(now, &datagram);
                    }
                    while let Some(datagram) = server.poll_transmit() {
                        client.receive(now, &datagram);
                    }
                }
                let said = server.poll_event();
                if is_safe && shown.der() == theirs.der() {
                    assert!(matches!(said, Some(Event::Keys(_))), "{said:?}");
                } else {
                    assert_eq!(said, Some(Event::Failed(DtlsError::WrongFingerprint)));
                }
            }
        }
    }
}

#[cfg(feature = "dtls-openssl")]
#[test]
fn a_certificate_of_ours_on_rsa_serves_in_both_roles_by_openssl_alone() {
    use openssl::{asn1::Asn1Time, hash::MessageDigest, pkey::PKey, rsa::Rsa, x509::X509};
    let key = PKey::from_rsa(Rsa::generate(2048).unwrap()).unwrap();
    let mut made = X509::builder().unwrap();
    made.set_not_before(&Asn1Time::days_from_now(0).unwrap())
        .unwrap();
    made.set_not_after(&Asn1Time::days_from_now(2).unwrap())
        .unwrap();
    made.set_pubkey(&key).unwrap();
    made.sign(&key, MessageDigest::sha256()).unwrap();
    let made = made.build().to_der().unwrap();
    let rsa = Certificate::from_der(made, key.private_key_to_pkcs8().unwrap());
    let other = Certificate::generate().unwrap();
    let now = Instant::now();
    for (client, server) in [(&rsa, &other), (&other, &rsa), (&rsa, &rsa)] {
        let start = |ours, theirs: &Certificate, role| {
            let mut made = Handshake::new(now, ours, role, config(Backend::OpenSsl)).unwrap();
            made.expect(&[theirs.fingerprint()]);
            made
        };
        let mut asking = start(client, server, Role::Client);
        let mut answering = start(server, client, Role::Server);
        for _ in 0..10 {
            while let Some(datagram) = asking.poll_transmit() {
                answering.receive(now, &datagram);
            }
            while let Some(datagram) = answering.poll_transmit() {
                asking.receive(now, &datagram);
            }
        }
        let both = (asking.poll_event(), answering.poll_event());
        assert!(
            matches!(both, (Some(Event::Keys(_)), Some(Event::Keys(_)))),
            "{both:?}"
        );
    }
    let refused = Handshake::new(now, &rsa, Role::Client, config(Backend::Rust));
    assert!(
        matches!(refused, Err(DtlsError::Certificate(_))),
        "{refused:?}"
    );
}
