//! SRTP on its own: known packets, rollovers, replays, forgeries.
#![allow(clippy::unwrap_used)]

use rtp_core::rtp::{RtpHeader, Ssrc};
use rtp_core::srtp::{Inbound, MasterKey, Outbound, SrtpError, Suite};

const KEY: &str = "e1f97a0d3e018be0d64fa32c06de4139";
const SALT: &str = "0ec675ad498afeebb6960b3aabe6";

fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text
        .chars()
        .filter_map(|c| c.to_digit(16))
        .map(|d| d as u8)
        .collect();
    digits.chunks(2).map(|d| d[0] << 4 | d[1]).collect()
}

fn key() -> MasterKey {
    MasterKey::new(Suite::AesCm128HmacSha1_80, &hex(KEY), &hex(SALT)).unwrap()
}

fn every_key() -> Vec<MasterKey> {
    let mut suites = Suite::ALL.to_vec();
    suites.push(Suite::NullHmacSha1_80);
    suites
        .into_iter()
        .zip(0u8..)
        .map(|(suite, mut next)| {
            MasterKey::generate(suite, &mut |out: &mut [u8]| {
                for byte in out {
                    next = next.wrapping_mul(5).wrapping_add(17);
                    *byte = next;
                }
            })
        })
        .collect()
}

fn packet(sequence: u16, ssrc: u32, payload: &[u8]) -> Vec<u8> {
    let header = RtpHeader {
        sequence,
        timestamp: u32::from(sequence) * 160,
        ssrc: Ssrc(ssrc),
        ..RtpHeader::default()
    };
    let mut out = vec![0; 12 + payload.len()];
    header.write_packet(payload, &mut out).unwrap();
    out
}

fn protect(tx: &mut Outbound, packet: &[u8]) -> Vec<u8> {
    let mut buffer = packet.to_vec();
    buffer.resize(packet.len() + tx.rtp_overhead(), 0);
    let len = tx.protect_rtp(&mut buffer, packet.len()).unwrap();
    assert_eq!(len, buffer.len());
    buffer
}

fn protect_rtcp(tx: &mut Outbound, packet: &[u8]) -> Vec<u8> {
    let mut buffer = packet.to_vec();
    buffer.resize(packet.len() + tx.rtcp_overhead(), 0);
    let len = tx.protect_rtcp(&mut buffer, packet.len()).unwrap();
    assert_eq!(len, buffer.len());
    buffer
}

const REPORT: &str = "81c8000b cafebabe abababababababababababababababab";

/// The packets that libsrtp's own test driver checks.
#[test]
fn makes_and_reads_known_packets() {
    let plain = hex("800f1234 decafbad cafebabe abababababababababababababababab");
    let wire =
        hex("800f1234 decafbad cafebabe 4e55dc4ce79978d88ca4d215949d2402 b78d6acc99ea179b8dbb");
    assert_eq!(protect(&mut Outbound::new(&key()), &plain), wire);
    let mut copy = wire.clone();
    assert_eq!(
        Inbound::new(&key()).unprotect_rtp(&mut copy),
        Ok(&mut plain.clone()[..])
    );

    let report = hex(REPORT);
    let wire =
        hex("81c8000b cafebabe 7128035be487b9bdbef89041f977a5a8 80000001 993e08cd54d6c1230798");
    let mut tx = Outbound::new(&key());
    protect_rtcp(&mut tx, &report);
    assert_eq!(protect_rtcp(&mut tx, &report), wire, "the index is 1");
    let mut copy = wire.clone();
    assert_eq!(
        Inbound::new(&key()).unprotect_rtcp(&mut copy),
        Ok(&mut report.clone()[..])
    );
}

#[test]
fn every_suite_goes_there_and_back() {
    for key in every_key() {
        let suite = key.suite();
        let (mut tx, mut rx) = (Outbound::new(&key), Inbound::new(&key));
        for len in [0, 1, 15, 16, 17, 160, 1200] {
            let plain = packet(len as u16, 7, &vec![0x5a; len]);
            let mut wire = protect(&mut tx, &plain);
            assert_eq!(wire.len(), plain.len() + suite.rtp_tag_len());
            if suite != Suite::NullHmacSha1_80 && len > 4 {
                assert_ne!(wire[12..12 + len], plain[12..], "{suite:?} {len}");
            }
            assert_eq!(
                rx.unprotect_rtp(&mut wire).unwrap(),
                plain,
                "{suite:?} {len}"
            );
        }
        let mut report = protect_rtcp(&mut tx, &hex(REPORT));
        assert_eq!(report.len(), 24 + 4 + suite.rtcp_tag_len());
        assert_eq!(rx.unprotect_rtcp(&mut report).unwrap(), hex(REPORT));
    }
}

#[test]
fn header_extensions_and_csrcs_stay_in_the_clear() {
    let csrcs = [Ssrc(1), Ssrc(2)];
    let header = RtpHeader {
        csrcs: &csrcs,
        extension: Some((0xbede, &[0x10, 0xff, 0, 0])),
        ..RtpHeader::default()
    };
    let mut plain = vec![0; 100];
    let len = header.write_packet(&[9; 20], &mut plain).unwrap();
    plain.truncate(len);
    let mut wire = protect(&mut Outbound::new(&key()), &plain);
    assert_eq!(wire[..len - 20], plain[..len - 20]);
    assert_eq!(
        Inbound::new(&key()).unprotect_rtp(&mut wire).unwrap(),
        plain
    );
}

#[test]
fn rollovers_are_followed_and_late_packets_around_them_are_read() {
    let (mut tx, mut rx) = (Outbound::new(&key()), Inbound::new(&key()));
    let mut late = Vec::new();
    // Every packet around a rollover, every thousandth elsewhere.
    let around = |n: &u32| n % 65_536 > 65_500 || n % 65_536 < 40 || n.is_multiple_of(1000);
    for n in (0..200_000u32).filter(around) {
        let plain = packet(n as u16, 7, &n.to_be_bytes());
        let mut wire = protect(&mut tx, &plain);
        if n % 65_536 == 65_530 {
            late.push((plain, wire));
            continue;
        }
        assert_eq!(rx.unprotect_rtp(&mut wire).unwrap(), plain);
        if n % 65_536 == 20 {
            for (plain, mut wire) in late.drain(..) {
                assert_eq!(rx.unprotect_rtp(&mut wire).unwrap(), plain);
            }
        }
    }
    assert_eq!(tx.rollover(Ssrc(7)), Some(3));
    assert_eq!(rx.rollover(Ssrc(7)), Some(3));
}

#[test]
fn a_rollover_counter_can_be_handed_over() {
    let mut tx = Outbound::new(&key());
    tx.set_rollover(Ssrc(7), 41).unwrap();
    let plain = packet(65_535, 7, b"taken over");
    let wire = protect(&mut tx, &plain);
    let mut rx = Inbound::new(&key());
    assert_eq!(
        rx.unprotect_rtp(&mut wire.clone()),
        Err(SrtpError::Authentication)
    );
    rx.set_rollover(Ssrc(7), 41).unwrap();
    assert_eq!(rx.unprotect_rtp(&mut wire.clone()).unwrap(), plain);
    let next = packet(0, 7, b"and on");
    let mut wire = protect(&mut tx, &next);
    assert_eq!(rx.unprotect_rtp(&mut wire).unwrap(), next);
    assert_eq!(rx.rollover(Ssrc(7)), Some(42));
}

#[test]
fn nothing_is_taken_twice_and_no_keystream_is_used_twice() {
    let (mut tx, mut rx) = (Outbound::new(&key()), Inbound::new(&key()));
    let first = protect(&mut tx, &packet(100, 7, b"first"));
    rx.unprotect_rtp(&mut first.clone()).unwrap();
    assert_eq!(
        rx.unprotect_rtp(&mut first.clone()),
        Err(SrtpError::Replayed)
    );
    for n in 101..=300 {
        let mut wire = protect(&mut tx, &packet(n, 7, b"more"));
        rx.unprotect_rtp(&mut wire).unwrap();
    }
    assert_eq!(rx.unprotect_rtp(&mut first.clone()), Err(SrtpError::TooOld));
    let mut again = packet(300, 7, b"other text, same number");
    let len = again.len();
    again.resize(len + 10, 0);
    assert_eq!(tx.protect_rtp(&mut again, len), Err(SrtpError::Replayed));

    let report = protect_rtcp(&mut tx, &hex(REPORT));
    rx.unprotect_rtcp(&mut report.clone()).unwrap();
    assert_eq!(
        rx.unprotect_rtcp(&mut report.clone()),
        Err(SrtpError::Replayed)
    );
}

#[test]
fn a_single_changed_bit_is_noticed_and_leaves_no_trace() {
    for key in every_key() {
        let mut tx = Outbound::new(&key);
        let wire = protect(&mut tx, &packet(5, 7, &[1; 20]));
        let report = protect_rtcp(&mut tx, &hex(REPORT));
        let mut rx = Inbound::new(&key);
        for bit in 0..wire.len() * 8 {
            let mut forged = wire.clone();
            forged[bit / 8] ^= 1 << (bit % 8);
            let before = forged.clone();
            assert!(rx.unprotect_rtp(&mut forged).is_err(), "bit {bit}");
            if !cfg!(feature = "ring") {
                assert_eq!(forged, before, "nothing is decrypted before it is verified");
            }
        }
        for bit in 0..report.len() * 8 {
            let mut forged = report.clone();
            forged[bit / 8] ^= 1 << (bit % 8);
            assert!(rx.unprotect_rtcp(&mut forged).is_err(), "bit {bit}");
        }
        assert_eq!(rx.streams(), 0);
        assert!(rx.unprotect_rtp(&mut wire.clone()).is_ok());
    }
}

#[test]
fn a_flood_of_forged_sources_makes_no_state_and_a_real_one_is_bounded() {
    let mut rx = Inbound::new(&key()).with_max_streams(3);
    for ssrc in 0..10_000 {
        let mut forged = packet(1, ssrc, &[0; 30]);
        assert_eq!(
            rx.unprotect_rtp(&mut forged),
            Err(SrtpError::Authentication)
        );
    }
    assert_eq!(rx.streams(), 0);
    for ssrc in 0..4 {
        let mut wire = protect(&mut Outbound::new(&key()), &packet(1, ssrc, b"real"));
        let got = rx.unprotect_rtp(&mut wire);
        assert_eq!(got.is_ok(), ssrc < 3, "{ssrc}");
        if ssrc == 3 {
            assert_eq!(got, Err(SrtpError::TooManyStreams));
        }
    }
    rx.forget(Ssrc(0));
    let mut wire = protect(&mut Outbound::new(&key()), &packet(1, 3, b"real"));
    assert!(rx.unprotect_rtp(&mut wire).is_ok());
}

#[test]
fn what_is_too_short_is_malformed_not_a_panic() {
    let mut rx = Inbound::new(&key());
    for len in 0..40 {
        let mut bytes = vec![0x80; len];
        assert!(rx.unprotect_rtp(&mut bytes).is_err());
        let mut bytes = vec![0x80; len];
        assert!(rx.unprotect_rtcp(&mut bytes).is_err());
        let mut tx = Outbound::new(&key());
        let mut bytes = vec![0x00; len];
        assert!(tx.protect_rtp(&mut bytes, len).is_err());
        assert!(tx.protect_rtcp(&mut bytes, len).is_err());
        assert_eq!(
            tx.protect_rtp(&mut bytes, len + 1),
            Err(SrtpError::Malformed)
        );
    }
    let mut tight = packet(1, 1, b"no room for a tag");
    let len = tight.len();
    assert_eq!(
        Outbound::new(&key()).protect_rtp(&mut tight, len),
        Err(SrtpError::BufferTooSmall {
            need: len + 10,
            have: len
        })
    );
}

#[test]
fn a_key_of_the_wrong_size_is_refused() {
    for suite in Suite::ALL {
        let (key, salt) = (vec![1; suite.key_len()], vec![2; suite.salt_len()]);
        assert!(MasterKey::new(*suite, &key, &salt).is_ok());
        assert!(MasterKey::new(*suite, &key[1..], &salt).is_err());
        assert!(MasterKey::new(*suite, &key, &[]).is_err());
        assert!(MasterKey::from_key_salt(*suite, &key).is_err());
    }
}

#[test]
fn gcm_puts_the_tag_before_the_rtcp_index() {
    for suite in [Suite::AeadAes128Gcm, Suite::AeadAes256Gcm] {
        let key = MasterKey::generate(suite, &mut |out: &mut [u8]| out.fill(0x42));
        let mut tx = Outbound::new(&key);
        let report = hex(REPORT);
        for index in 0..3u32 {
            let wire = protect_rtcp(&mut tx, &report);
            assert_eq!(wire.len(), report.len() + 16 + 4);
            assert_eq!(wire[wire.len() - 4..], (1 << 31 | index).to_be_bytes());
            assert_ne!(wire[8..24], report[8..24]);
        }
    }
}

#[test]
fn rtcp_that_says_it_is_not_encrypted_is_refused() {
    for key in every_key() {
        let mut wire = protect_rtcp(&mut Outbound::new(&key), &hex(REPORT));
        let word = match key.suite() {
            Suite::AeadAes128Gcm | Suite::AeadAes256Gcm => wire.len() - 4,
            suite => wire.len() - suite.rtcp_tag_len() - 4,
        };
        assert_eq!(wire[word] >> 7 == 1, key.suite() != Suite::NullHmacSha1_80);
        wire[word] ^= 0x80;
        assert_eq!(
            Inbound::new(&key).unprotect_rtcp(&mut wire),
            Err(SrtpError::Authentication),
            "the bit is signed"
        );
    }
}

#[test]
fn a_new_key_goes_on_with_the_counter_or_from_zero() {
    for (before, after) in every_key().into_iter().zip(every_key().into_iter().rev()) {
        if before == after {
            continue;
        }
        for restart in [false, true] {
            let mut tx = Outbound::new(&before);
            let mut rx = Inbound::new(&before);
            for counter in [7, 8] {
                tx.set_rollover(Ssrc(7), counter).unwrap();
                rx.set_rollover(Ssrc(7), counter).unwrap();
                let mut wire = protect(&mut tx, &packet(1000, 7, b"before"));
                rx.unprotect_rtp(&mut wire).unwrap();
            }
            let old = protect(&mut tx, &packet(1001, 7, b"on its way"));
            rx.rekey(&after);
            if restart {
                tx = Outbound::new(&after);
            } else {
                tx.rekey(&after);
            }
            // Under the old key: refused, without harm.
            assert!(rx.unprotect_rtp(&mut old.clone()).is_err());
            for n in 1002..1010 {
                let plain = packet(n, 7, b"after");
                let mut wire = protect(&mut tx, &plain);
                assert_eq!(rx.unprotect_rtp(&mut wire).unwrap(), plain, "{restart}");
            }
            assert_eq!(rx.rollover(Ssrc(7)), Some(if restart { 0 } else { 8 }));
        }
    }
}

#[test]
fn after_a_new_key_each_source_decides_for_itself() {
    let keys = every_key();
    let (mut tx, mut rx) = (Outbound::new(&keys[0]), Inbound::new(&keys[0]));
    for ssrc in [7, 8] {
        tx.set_rollover(Ssrc(ssrc), 3).unwrap();
        rx.set_rollover(Ssrc(ssrc), 3).unwrap();
        rx.unprotect_rtp(&mut protect(&mut tx, &packet(1000, ssrc, b"before")))
            .unwrap();
    }
    rx.rekey(&keys[1]);
    tx.rekey(&keys[1]);
    // 7 goes on; 8 has been taken over by somebody who knows nothing of its counter.
    let mut other = Outbound::new(&keys[1]);
    for n in 1001..1010 {
        rx.unprotect_rtp(&mut protect(&mut tx, &packet(n, 7, b"after")))
            .unwrap();
        rx.unprotect_rtp(&mut protect(&mut other, &packet(n, 8, b"after")))
            .unwrap();
    }
    assert_eq!(rx.rollover(Ssrc(7)), Some(3));
    assert_eq!(rx.rollover(Ssrc(8)), Some(0));
}

#[test]
fn a_new_key_far_behind_the_old_sequence_number_is_no_rollover() {
    for key in every_key() {
        let (mut tx, mut rx) = (Outbound::new(&key), Inbound::new(&key));
        rx.unprotect_rtp(&mut protect(&mut tx, &packet(60_000, 7, b"before")))
            .unwrap();
        // Another machine takes over: from its own random number on, in its own first cycle.
        let next = MasterKey::generate(key.suite(), &mut |out: &mut [u8]| out.fill(0x77));
        rx.rekey(&next);
        let mut other = Outbound::new(&next);
        for n in 5..20 {
            let mut wire = protect(&mut other, &packet(n, 7, b"after"));
            rx.unprotect_rtp(&mut wire).unwrap();
        }
        assert_eq!(rx.rollover(Ssrc(7)), Some(0));
    }
}

#[test]
fn a_key_identifier_lies_where_the_suite_has_it() {
    for key in every_key() {
        let gcm = matches!(key.suite(), Suite::AeadAes128Gcm | Suite::AeadAes256Gcm);
        let mki = [0, 0, 0, 9];
        let named = key.clone().with_mki(&mki);
        assert_eq!(named.mki(), mki);
        let (mut bare_tx, mut tx) = (Outbound::new(&key), Outbound::new(&named));
        let mut rx = Inbound::new(&named);
        for rtcp in [false, true] {
            let plain = if rtcp {
                hex(REPORT)
            } else {
                packet(1, 7, b"sound")
            };
            let (bare, wire) = if rtcp {
                (
                    protect_rtcp(&mut bare_tx, &plain),
                    protect_rtcp(&mut tx, &plain),
                )
            } else {
                (protect(&mut bare_tx, &plain), protect(&mut tx, &plain))
            };
            // The same bytes with the identifier in between: before the tag, or at the end.
            let tag = match (gcm, rtcp) {
                (true, _) => 0,
                (false, false) => key.suite().rtp_tag_len(),
                (false, true) => key.suite().rtcp_tag_len(),
            };
            let at = bare.len() - tag;
            assert_eq!(wire, [&bare[..at], &mki, &bare[at..]].concat());
            let mut unprotect = |mut bytes: Vec<u8>| {
                if rtcp {
                    rx.unprotect_rtcp(&mut bytes).map(|b| b.to_vec())
                } else {
                    rx.unprotect_rtp(&mut bytes).map(|b| b.to_vec())
                }
            };
            assert_eq!(unprotect(bare), Err(SrtpError::UnknownKey));
            let mut other = wire.clone();
            other[at + 3] ^= 1;
            assert_eq!(unprotect(other), Err(SrtpError::UnknownKey));
            assert_eq!(unprotect(wire[..10].to_vec()).ok(), None);
            assert_eq!(unprotect(wire), Ok(plain));
        }
    }
}
