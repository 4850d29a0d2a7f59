//! SRTP beside three implementations that nobody here wrote, libsrtp among them: the same bytes out, and each reads
//! what the other made, over random packets, suites, rollovers and reorders.
//!
//! Sequence numbers go forward by up to 3000 at a time, so that every run passes several rollovers. What we
//! receive is reordered; what the Rust peers receive is not, because their index moves back on late packets.
//! libsrtp, which knows every suite and key identifiers, sends and receives reordered too.

#[path = "srtp_peers/libsrtp.rs"]
mod libsrtp;

use libsrtp::LibSrtp;
use rtp_core::rtp::{Rtp, RtpHeader, Ssrc};
use rtp_core::srtp::{Inbound, MasterKey, Outbound, Suite};

/// A generator that gives the same figures in every run.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    fn bytes(&mut self, len: usize) -> Vec<u8> {
        (0..len).map(|_| self.next() as u8).collect()
    }
}

/// Every suite, the one without encryption too.
fn suites() -> impl Iterator<Item = Suite> {
    Suite::ALL.iter().copied().chain([Suite::NullHmacSha1_80])
}

pub(crate) trait Peer {
    fn name(&self) -> &'static str;
    fn protect_rtp(&mut self, plain: &[u8]) -> Vec<u8>;
    fn unprotect_rtp(&mut self, wire: &[u8]) -> Option<Vec<u8>>;
    fn protect_rtcp(&mut self, plain: &[u8]) -> Vec<u8>;
    fn unprotect_rtcp(&mut self, wire: &[u8]) -> Option<Vec<u8>>;
}

struct Webrtc(webrtc_srtp::context::Context, webrtc_srtp::context::Context);

impl Webrtc {
    fn new(key: &MasterKey) -> Option<Webrtc> {
        use webrtc_srtp::context::Context;
        use webrtc_srtp::option::{srtcp_replay_protection, srtp_replay_protection};
        use webrtc_srtp::protection_profile::ProtectionProfile as Profile;
        let profile = match key.suite() {
            Suite::AesCm128HmacSha1_80 => Profile::Aes128CmHmacSha1_80,
            Suite::AesCm128HmacSha1_32 => Profile::Aes128CmHmacSha1_32,
            Suite::AeadAes128Gcm => Profile::AeadAes128Gcm,
            Suite::AeadAes256Gcm => Profile::AeadAes256Gcm,
            _ => return None,
        };
        let tx = Context::new(key.key(), key.salt(), profile, None, None).expect("a context");
        let rx = Context::new(
            key.key(),
            key.salt(),
            profile,
            Some(srtp_replay_protection(128)),
            Some(srtcp_replay_protection(128)),
        );
        Some(Webrtc(tx, rx.expect("a context")))
    }
}

impl Peer for Webrtc {
    fn name(&self) -> &'static str {
        "webrtc-srtp"
    }
    fn protect_rtp(&mut self, plain: &[u8]) -> Vec<u8> {
        self.0.encrypt_rtp(plain).expect("protects").to_vec()
    }
    fn unprotect_rtp(&mut self, wire: &[u8]) -> Option<Vec<u8>> {
        self.1.decrypt_rtp(wire).ok().map(|b| b.to_vec())
    }
    fn protect_rtcp(&mut self, plain: &[u8]) -> Vec<u8> {
        self.0.encrypt_rtcp(plain).expect("protects").to_vec()
    }
    fn unprotect_rtcp(&mut self, wire: &[u8]) -> Option<Vec<u8>> {
        self.1.decrypt_rtcp(wire).ok().map(|b| b.to_vec())
    }
}

struct Rtc(rtc_srtp::context::Context, rtc_srtp::context::Context);

impl Rtc {
    fn new(key: &MasterKey) -> Option<Rtc> {
        use rtc_crypto::RTCCryptoProvider;
        use rtc_srtp::context::Context;
        use rtc_srtp::option::{srtcp_replay_protection, srtp_replay_protection};
        use rtc_srtp::protection_profile::ProtectionProfile as Profile;
        let profile = match key.suite() {
            Suite::AesCm128HmacSha1_80 => Profile::Aes128CmHmacSha1_80,
            Suite::AesCm128HmacSha1_32 => Profile::Aes128CmHmacSha1_32,
            Suite::AesCm256HmacSha1_80 => Profile::Aes256CmHmacSha1_80,
            Suite::AesCm256HmacSha1_32 => Profile::Aes256CmHmacSha1_32,
            Suite::AeadAes128Gcm => Profile::AeadAes128Gcm,
            Suite::AeadAes256Gcm => Profile::AeadAes256Gcm,
            _ => return None,
        };
        let provider = rtc_crypto::providers::RingProvider::new();
        let context =
            |rtp, rtcp| Context::new(key.key(), key.salt(), profile, rtp, rtcp, provider.crypto());
        let tx = context(None, None).ok()?;
        let rx = context(
            Some(srtp_replay_protection(128)),
            Some(srtcp_replay_protection(128)),
        );
        Some(Rtc(tx, rx.expect("a context")))
    }
}

impl Peer for Rtc {
    fn name(&self) -> &'static str {
        "rtc-srtp"
    }
    fn protect_rtp(&mut self, plain: &[u8]) -> Vec<u8> {
        self.0.encrypt_rtp(plain).expect("protects").to_vec()
    }
    fn unprotect_rtp(&mut self, wire: &[u8]) -> Option<Vec<u8>> {
        self.1.decrypt_rtp(wire).ok().map(|b| b.to_vec())
    }
    fn protect_rtcp(&mut self, plain: &[u8]) -> Vec<u8> {
        self.0.encrypt_rtcp(plain).expect("protects").to_vec()
    }
    fn unprotect_rtcp(&mut self, wire: &[u8]) -> Option<Vec<u8>> {
        self.1.decrypt_rtcp(wire).ok().map(|b| b.to_vec())
    }
}

fn peers(key: &MasterKey) -> Vec<Box<dyn Peer>> {
    let webrtc = Webrtc::new(key).map(|p| Box::new(p) as Box<dyn Peer>);
    let rtc = Rtc::new(key).map(|p| Box::new(p) as Box<dyn Peer>);
    let libsrtp = LibSrtp::new(key).map(|p| Box::new(p) as Box<dyn Peer>);
    webrtc.into_iter().chain(rtc).chain(libsrtp).collect()
}

fn packet(random: &mut Random, sequence: u16) -> Vec<u8> {
    let csrcs: Vec<Ssrc> = (0..random.below(4)).map(|n| Ssrc(n as u32)).collect();
    let words = random.below(4) as usize;
    let data = random.bytes(words * 4);
    let header = RtpHeader {
        marker: random.below(2) == 1,
        payload_type: random.below(64) as u8,
        sequence,
        timestamp: random.next() as u32,
        ssrc: Ssrc(0xfeed_beef),
        csrcs: &csrcs,
        extension: (random.below(2) == 1).then_some((0x1234, &data[..])),
    };
    let len = 1 + random.below(1200) as usize;
    let payload = random.bytes(len);
    let mut out = vec![0; header.len() + payload.len()];
    header.write_packet(&payload, &mut out).expect("room");
    out
}

fn report(random: &mut Random) -> Vec<u8> {
    let words = 1 + random.below(60);
    let mut bytes = vec![0x80, 201, 0, words as u8, 0xfe, 0xed, 0xbe, 0xef];
    bytes.extend(random.bytes(4 * (words as usize - 1)));
    bytes
}

fn ours(tx: &mut Outbound, plain: &[u8], rtcp: bool) -> Vec<u8> {
    let mut buffer = plain.to_vec();
    buffer.resize(plain.len() + 40, 0);
    let len = if rtcp {
        tx.protect_rtcp(&mut buffer, plain.len())
    } else {
        tx.protect_rtp(&mut buffer, plain.len())
    };
    buffer.truncate(len.expect("protects"));
    buffer
}

#[test]
fn the_same_rtp_bytes_as_the_peers_and_both_read_each_other() {
    let mut compared = 0;
    for (seed, suite) in (1u64..).zip(suites().flat_map(|s| [s; 4])) {
        let mut random = Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let key = MasterKey::generate(suite, &mut |out: &mut [u8]| {
            out.fill_with(|| random.next() as u8);
        });
        for mut peer in peers(&key) {
            let (mut tx, mut rx) = (Outbound::new(&key), Inbound::new(&key));
            let mut sequence = random.below(0x8000) as u16;
            let mut waiting: Vec<(Vec<u8>, Vec<u8>)> = Vec::new();
            for n in 0..150 {
                let plain = packet(&mut random, sequence);
                let theirs = peer.protect_rtp(&plain);
                assert_eq!(
                    ours(&mut tx, &plain, false),
                    theirs,
                    "{} {suite:?} packet {n}",
                    peer.name()
                );
                assert_eq!(
                    peer.unprotect_rtp(&theirs).as_deref(),
                    Some(&plain[..]),
                    "{} {suite:?} packet {n}",
                    peer.name()
                );
                waiting.push((plain, theirs));
                // What we receive, up to five places out of order.
                if waiting.len() == 5 || n == 149 {
                    while !waiting.is_empty() {
                        let at = random.below(waiting.len() as u64) as usize;
                        let (plain, mut wire) = waiting.swap_remove(at);
                        let got = rx.unprotect_rtp(&mut wire);
                        // Steps of up to 3000 leave the window; the index must be right all the same.
                        match got {
                            Ok(got) => assert_eq!(got, plain),
                            Err(error) => {
                                assert_eq!(error, rtp_core::srtp::SrtpError::TooOld);
                            }
                        }
                    }
                }
                compared += 1;
                sequence = sequence.wrapping_add(1 + random.below(3000) as u16);
            }
            let heard = rx.rollover(Ssrc(0xfeed_beef));
            assert!(heard >= Some(2), "{heard:?}");
            assert_eq!(heard, tx.rollover(Ssrc(0xfeed_beef)));
        }
    }
    assert!(compared >= 5000, "{compared}");
}

#[test]
fn the_same_rtcp_bytes_as_the_peers_and_both_read_each_other() {
    let mut compared = 0;
    for (seed, suite) in (1u64..).zip(suites()) {
        let mut random = Random(seed.wrapping_mul(0x2545_f491_4f6c_dd1d));
        let key = MasterKey::generate(suite, &mut |out: &mut [u8]| {
            out.fill_with(|| random.next() as u8);
        });
        for mut peer in peers(&key) {
            let (mut tx, mut rx) = (Outbound::new(&key), Inbound::new(&key));
            // RFC 3711 §3.4 begins at index 0, the peers at 1.
            let first = report(&mut random);
            let mut wire = ours(&mut tx, &first, true);
            assert_eq!(rx.unprotect_rtcp(&mut wire).expect("ours"), first);
            for n in 0..100 {
                let plain = report(&mut random);
                let mut theirs = peer.protect_rtcp(&plain);
                let wire = ours(&mut tx, &plain, true);
                assert_eq!(wire, theirs, "{} {suite:?} packet {n}", peer.name());
                let read = peer.unprotect_rtcp(&wire);
                assert_eq!(read.as_deref(), Some(&plain[..]), "{}", peer.name());
                assert_eq!(rx.unprotect_rtcp(&mut theirs).expect("theirs"), plain);
                compared += 1;
            }
        }
    }
    assert!(compared >= 1000, "{compared}");
}

/// The same in another order: at most `reach` wait at a time.
fn shuffled<T>(random: &mut Random, mut from: Vec<T>, reach: usize) -> Vec<T> {
    from.reverse();
    let mut waiting = Vec::new();
    let mut out = Vec::with_capacity(from.len());
    while !from.is_empty() || !waiting.is_empty() {
        while waiting.len() < reach && !from.is_empty() {
            waiting.extend(from.pop());
        }
        out.push(waiting.swap_remove(random.below(waiting.len() as u64) as usize));
    }
    out
}

#[test]
fn libsrtp_agrees_on_reordered_packets_around_rollovers_with_and_without_key_identifiers() {
    for (seed, suite) in (1u64..).zip(suites()) {
        for mki in [&[][..], &[7], &[0, 0, 0, 9]] {
            let mut random = Random((seed + mki.len() as u64).wrapping_mul(0xd134_2543_de82_ef95));
            let key = MasterKey::generate(suite, &mut |out: &mut [u8]| {
                out.fill_with(|| random.next() as u8);
            })
            .with_mki(mki);
            let Some(mut peer) = LibSrtp::new(&key) else {
                return;
            };
            let (mut tx, mut rx) = (Outbound::new(&key), Inbound::new(&key));
            let what = format!("{suite:?} with an identifier of {}", mki.len());
            // Around the first rollover, the long way to the second in order, and around that.
            let near = |rollover: u32| (0..60).map(|n| (rollover << 16) - 30 + n).collect();
            let way = (1..5).map(|n| (1 << 16) + n * 13_000).collect();
            let parts: [(Vec<u32>, usize); 3] = [(near(1), 4), (way, 1), (near(2), 4)];
            for (indices, reach) in parts {
                let plain = indices.iter().map(|i| packet(&mut random, *i as u16));
                let plain = plain.collect();
                let mut wire = Vec::new();
                for plain in shuffled(&mut random, plain, reach) {
                    let theirs = peer.protect_rtp(&plain);
                    assert_eq!(ours(&mut tx, &plain, false), theirs, "{what}");
                    wire.push((plain, theirs));
                }
                for (plain, mut wire) in shuffled(&mut random, wire, reach) {
                    let read = peer.unprotect_rtp(&wire);
                    assert_eq!(read.as_ref(), Some(&plain), "{what}");
                    assert_eq!(peer.unprotect_rtp(&wire), None, "{what}: twice");
                    let mut again = wire.clone();
                    assert_eq!(
                        *rx.unprotect_rtp(&mut wire).expect("theirs"),
                        plain,
                        "{what}"
                    );
                    assert!(rx.unprotect_rtp(&mut again).is_err(), "{what}: twice");
                }
            }
            assert_eq!(rx.rollover(Ssrc(0xfeed_beef)), Some(2), "{what}");

            let first = report(&mut random);
            ours(&mut tx, &first, true); // Index 0, which libsrtp leaves out.
            let reports: Vec<_> = (0..40).map(|_| report(&mut random)).collect();
            let mut wire = Vec::new();
            for plain in reports {
                let theirs = peer.protect_rtcp(&plain);
                assert_eq!(ours(&mut tx, &plain, true), theirs, "{what}");
                wire.push((plain, theirs));
            }
            // Before 2.8 it looks for a report's identifier where RTP's tag would begin.
            let finds = mki.is_empty() || suite.rtp_tag_len() == suite.rtcp_tag_len();
            for (plain, mut wire) in shuffled(&mut random, wire, 8) {
                if finds {
                    let read = peer.unprotect_rtcp(&wire);
                    assert_eq!(read.as_ref(), Some(&plain), "{what}");
                }
                let read = rx.unprotect_rtcp(&mut wire).expect("theirs");
                assert_eq!(*read, plain, "{what}");
            }
        }
    }
}

#[test]
fn what_the_peers_refuse_we_refuse() {
    let mut random = Random(42);
    let keys = suites().map(|suite| {
        MasterKey::generate(suite, &mut |out: &mut [u8]| {
            out.fill(0x3c);
        })
    });
    for (key, mut peer) in
        keys.flat_map(|key| peers(&key).into_iter().map(move |p| (key.clone(), p)))
    {
        let mut tx = Outbound::new(&key);
        for n in 0..50u16 {
            let plain = packet(&mut random, n + 1);
            let good = ours(&mut tx, &plain, false);
            let mut bad = good.clone();
            let bit = random.below(bad.len() as u64 * 8) as usize;
            bad[bit / 8] ^= 1 << (bit % 8);
            let name = peer.name();
            assert!(peer.unprotect_rtp(&bad).is_none(), "{name} bit {bit}");
            let mut rx = Inbound::new(&key);
            assert!(rx.unprotect_rtp(&mut bad).is_err(), "bit {bit}");
            assert_eq!(rx.streams(), 0);
            assert!(Rtp::parse(rx.unprotect_rtp(&mut good.clone()).expect("good")).is_ok());
        }
    }
}
