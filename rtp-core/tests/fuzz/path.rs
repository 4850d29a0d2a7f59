//! The media path: any datagrams from anywhere in any order, with and without keys.
#![allow(clippy::disallowed_methods)]

use rtp_core::rtcp::Epoch;
use rtp_core::srtp::{MasterKey, Outbound, Suite};
use rtp_core::transport::{Config, Keys, MediaPath, OutFrame, PacketBuf, Path, RtcpMode};
use std::net::SocketAddr;
use std::time::{Duration, Instant, SystemTime};

/// One input: a byte of settings, then records: what, wait in 20 ms, length, bytes.
pub(crate) fn fuzz(data: &[u8]) {
    let Some((&settings, mut rest)) = data.split_first() else {
        return;
    };
    let mut now = Instant::now();
    let peer = SocketAddr::from(([192, 0, 2, 1], 4000));
    let mut config = Config::new(peer, Epoch::new(now, SystemTime::UNIX_EPOCH));
    if settings & 1 == 1 {
        config.rtcp = RtcpMode::Mux;
    }
    if settings & 2 == 2 {
        let key = |byte| {
            MasterKey::generate(Suite::AesCm128HmacSha1_80, &mut |out: &mut [u8]| {
                out.fill(byte)
            })
        };
        config.keys = Some(Keys {
            send: key(1),
            receive: key(2),
        });
    }
    (config.stun, config.dtls) = (settings & 4 == 4, settings & 8 == 8);
    let secure = config.keys.is_some() || config.dtls;
    let key = MasterKey::generate(Suite::AesCm128HmacSha1_80, &mut |out: &mut [u8]| {
        out.fill(2)
    });
    let (mut peers, mut genuine) = (Outbound::new(&key), false);
    let mut path = MediaPath::new(now, config, Box::new(|out| out.fill(7)));
    let mut out = PacketBuf::new();
    while let [what, wait, len, after @ ..] = rest {
        now += Duration::from_millis(20) * u32::from(*wait);
        let (bytes, left) = after.split_at(usize::from(*len).min(after.len()));
        rest = left;
        let from = SocketAddr::from(([192, 0, 2, what & 3], 4000 + u16::from(what >> 2 & 3)));
        match what >> 4 {
            0..=7 => {
                path.receive(now, Path::rtp(from), &mut bytes.to_vec());
            }
            8..=11 => {
                path.receive(now, Path::rtcp(from), &mut bytes.to_vec());
            }
            12 => path.set_direction(now, what & 1 == 1, what & 2 == 2),
            14 if settings & 2 == 2 => {
                // What the peer itself protects, and whoever repeats it.
                let mut packet = [bytes, &[0; 16]].concat();
                if let Ok(len) = peers.protect_rtp(&mut packet, bytes.len()) {
                    genuine = true;
                    path.receive(now, Path::rtp(from), &mut packet[..len].to_vec());
                    path.receive(now, Path::rtp(peer), &mut packet[..len]);
                }
            }
            13 => path.set_remote(now, from, None),
            _ => {
                let frame = OutFrame {
                    payload_type: *what,
                    marker: false,
                    timestamp: u32::from(*wait) * 160,
                    payload: bytes,
                };
                let _ = path.send(now, frame, &mut out);
            }
        }
        path.handle_timeout(now);
        while path.poll_transmit(&mut out).is_some() {}
        if what & 1 == 0 {
            while path.poll_event().is_some() {}
        }
        assert!(path.poll_timeout().is_none_or(|at| at > now));
    }
    let stats = path.stats();
    assert!(
        !secure || genuine || stats.packets_received == 0,
        "without the key nothing is believed"
    );
    assert!(stats.handed_on == 0 || settings & 12 != 0);
    assert!(stats.loss() <= 1.0);
    assert!(std::iter::from_fn(|| path.poll_event()).count() <= 32);
}
