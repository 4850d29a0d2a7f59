//! Any bytes, in any order.

use super::pair::*;
use proptest::prelude::*;
use rtp_core::rtp::{Rtp, RtpHeader, Ssrc};
use rtp_core::srtp::{Inbound, MasterKey, Outbound, SrtpError, Suite};
use rtp_core::transport::{Path, RtcpMode};
use std::net::SocketAddr;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Any bytes from anywhere, with and without keys: no panic, no event flood, no state.
    #[test]
    fn survives_any_bytes(
        secure in any::<bool>(),
        mux in any::<bool>(),
        packets in proptest::collection::vec(
            (any::<bool>(), 0u8..3, proptest::collection::vec(any::<u8>(), 0..80)), 0..100),
    ) {
        let mut pair = Pair::new(secure, |c| if mux { c.rtcp = RtcpMode::Mux });
        for (n, (rtcp, from, mut bytes)) in packets.into_iter().enumerate() {
            if let Some(first) = bytes.first_mut().filter(|_| n % 3 > 0) {
                *first = 0x80 | (*first & 0x3f);
            }
            let from = SocketAddr::from(([192, 0, 2, from], 4000));
            let path = if rtcp { Path::rtcp(from) } else { Path::rtp(from) };
            let now = pair.now + MS * n as u32;
            pair.b.receive(now, path, &mut bytes);
            pair.b.handle_timeout(now);
            if secure {
                prop_assert_eq!(pair.b.inbound().unwrap().streams(), 0);
            }
        }
        prop_assert!(events(&mut pair.b).len() <= 32);
        prop_assert!(pair.b.stats().loss() <= 1.0);
    }

    /// Protect, reorder, double, lose: what is in the window arrives once, as it was sent.
    #[test]
    fn srtp_survives_reorder_and_replay(
        start in any::<u16>(),
        moves in proptest::collection::vec((0usize..100, any::<bool>(), any::<bool>()), 1..400),
        suite in 0usize..Suite::ALL.len(),
    ) {
        let suite = Suite::ALL[suite];
        let master = MasterKey::generate(suite, &mut *random(5));
        let mut tx = Outbound::new(&master);
        let mut rx = Inbound::new(&master);
        let mut packets: Vec<(usize, Vec<u8>)> = Vec::new();
        for n in 0..moves.len() {
            let header = RtpHeader {
                // Below half of the space, as we always begin: before that a receiver may guess wrong.
                sequence: (start & 0x7fff).wrapping_add((n as u16).wrapping_mul(200)),
                timestamp: n as u32,
                ssrc: Ssrc(77),
                ..RtpHeader::default()
            };
            let mut packet = vec![0; 100];
            let len = header.write_packet(&(n as u32).to_be_bytes(), &mut packet).unwrap();
            let len = tx.protect_rtp(&mut packet, len).unwrap();
            packet.truncate(len);
            packets.push((n, packet));
        }
        // Each may be late by up to a hundred places; at 200 numbers a step that stays well below half the space.
        let mut order: Vec<(usize, usize)> = moves.iter().enumerate().map(|(n, m)| (n + m.0, n)).collect();
        order.sort_unstable();
        let mut seen = std::collections::HashSet::new();
        let mut top = None;
        for (_, n) in order {
            if moves[n].1 {
                continue;
            }
            for _ in 0..1 + usize::from(moves[n].2) {
                let mut copy = packets[n].1.clone();
                match rx.unprotect_rtp(&mut copy) {
                    Ok(plain) => {
                        let rtp = Rtp::parse(plain).unwrap();
                        prop_assert_eq!(rtp.payload, (n as u32).to_be_bytes());
                        prop_assert!(seen.insert(n), "played twice");
                    }
                    Err(SrtpError::Replayed) => prop_assert!(seen.contains(&n)),
                    Err(SrtpError::TooOld) => prop_assert!(top.is_some_and(|t: usize| t > n)),
                    Err(other) => prop_assert!(false, "{:?}", other),
                }
            }
            top = top.max(Some(n));
            // The newest is always taken, however late the others were.
            prop_assert!(seen.contains(&top.unwrap()));
        }
    }
}
