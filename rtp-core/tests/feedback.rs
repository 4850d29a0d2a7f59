//! Feedback through a media path: with a report around it, without one, and under SRTP.
#![allow(clippy::unwrap_used, clippy::disallowed_methods)] // a test may

use rtp_core::rtcp::{Compound, Epoch, FeedbackMessage, Packet};
use rtp_core::rtp::Ssrc;
use rtp_core::srtp::{MasterKey, Suite};
use rtp_core::transport::{
    Component, Config, Keys, MediaPath, OutFrame, PacketBuf, Path, Received, RtcpMode, SendError,
};
use std::net::SocketAddr;
use std::time::{Duration, Instant, SystemTime};

fn address(host: u8) -> SocketAddr {
    SocketAddr::from(([192, 0, 2, host], 4000))
}

fn path(now: Instant, host: u8, peer: u8, secure: bool, reduced_size: bool) -> MediaPath {
    let mut config = Config::new(address(peer), Epoch::new(now, SystemTime::UNIX_EPOCH));
    let key = |n: u8| MasterKey::generate(Suite::AeadAes128Gcm, &mut |out: &mut [u8]| out.fill(n));
    config.keys = secure.then(|| Keys {
        send: key(host),
        receive: key(peer),
    });
    config.rtcp = RtcpMode::Mux;
    config.reduced_size = reduced_size;
    MediaPath::new(now, config, Box::new(move |out: &mut [u8]| out.fill(host)))
}

/// What came, packet by packet.
fn kinds(compound: &Compound<'_>) -> Vec<&'static str> {
    compound
        .packets()
        .map(|packet| match packet {
            Packet::SenderReport(_) => "SR",
            Packet::ReceiverReport(_) => "RR",
            Packet::SourceDescription(_) => "SDES",
            Packet::Feedback(feedback) => match feedback.message() {
                FeedbackMessage::Nack => "NACK",
                FeedbackMessage::PictureLoss => "PLI",
                _ => "feedback",
            },
            _ => "other",
        })
        .collect()
}

#[test]
fn feedback_has_a_report_around_it_unless_both_agreed_on_reduced_size() {
    for secure in [false, true] {
        for (reduced, expected) in [
            (false, &["RR", "SDES", "NACK", "PLI"][..]),
            (true, &["NACK", "PLI"]),
        ] {
            let now = Instant::now();
            let mut a = path(now, 1, 2, secure, reduced);
            let mut b = path(now, 2, 1, secure, reduced);
            let mut packet = PacketBuf::new();
            // Bob speaks, so that Alice knows whom she complains about.
            let frame = OutFrame {
                payload_type: 0,
                marker: true,
                timestamp: 0,
                payload: &[0xd5; 160],
            };
            let _to = b.send(now, frame, &mut packet).unwrap();
            let got = a.receive(now, Path::rtp(address(2)), packet.as_mut_slice());
            assert!(matches!(got, Received::Rtp(_)), "{got:?}");

            let transmit = a
                .send_feedback(
                    now,
                    |writer, us, peer| {
                        writer.nack(us, peer, &[5, 6, 30])?;
                        writer.picture_loss(us, peer)
                    },
                    &mut packet,
                )
                .unwrap();
            assert_eq!(
                (transmit.to, transmit.component),
                (address(2), Component::Rtp)
            );
            let heard = b.ssrc();
            match b.receive(now, Path::rtp(address(1)), packet.as_mut_slice()) {
                Received::Rtcp(compound) => {
                    assert_eq!(kinds(&compound), expected, "secure {secure}");
                    let nack = compound.packets().find_map(|packet| match packet {
                        Packet::Feedback(f) if f.message() == FeedbackMessage::Nack => Some(f),
                        _ => None,
                    });
                    let nack = nack.unwrap();
                    assert_eq!((nack.sender, nack.media), (a.ssrc(), heard));
                    assert_eq!(nack.nacked().collect::<Vec<_>>(), [5, 6, 30]);
                }
                other => panic!("{other:?}"),
            }
            assert_eq!(a.stats().reports_sent, 1);
        }
    }
}

#[test]
fn feedback_that_cannot_go_changes_nothing() {
    let now = Instant::now();
    let mut a = path(now, 1, 2, false, true);
    let mut packet = PacketBuf::new();
    let huge = a.send_feedback(
        now,
        |writer, us, peer| writer.feedback(205, 15, us, peer, &[0; 1600]),
        &mut packet,
    );
    assert!(matches!(huge, Err(SendError::TooLarge { len }) if len > 1500));
    assert_eq!(a.stats().reports_sent, 0);
    a.set_rtcp_mode(now, RtcpMode::Off);
    let off = a.send_feedback(
        now,
        |writer, us, _| writer.picture_loss(us, Ssrc(1)),
        &mut packet,
    );
    assert_eq!(off, Err(SendError::NoRemote));
    a.close(now + Duration::from_secs(1), "");
    let closed = a.send_feedback(
        now,
        |writer, us, _| writer.picture_loss(us, Ssrc(1)),
        &mut packet,
    );
    assert_eq!(closed, Err(SendError::Closed));
}
