//! Feedback messages: NACK, PLI, FIR, REMB and transport-wide congestion control.
//!
//! Sources: RFC 4585 §6.2.1 (NACK), §6.3.1 (PLI); RFC 5104 §4.3.1 (FIR); draft-alvestrand-rmcat-remb-03 (REMB);
//! draft-holmer-rmcat-transport-wide-cc-extensions-01 (TWCC). They are written by the methods of
//! [`Writer`](super::Writer); what they mean for a call's video is for a relay to know.

use super::packet::{Feedback, packet_type};
use crate::rtp::Ssrc;

/// The most packets that one TWCC message is taken to report on.
const MAX_TWCC_PACKETS: usize = 2048;

/// What a feedback packet says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum FeedbackMessage<'p> {
    /// These packets are missing; see [`Feedback::nacked`].
    Nack,
    /// A picture was lost.
    PictureLoss,
    /// Full pictures are asked for; see [`Feedback::full_intra`].
    FullIntra,
    /// The receiver can take so many bits a second.
    MaximumBitrate {
        /// Bits a second.
        bits_per_second: u64,
    },
    /// When packets arrived.
    TransportWide(TransportWide<'p>),
    /// Something else.
    Other,
}

impl<'p> Feedback<'p> {
    /// What it says. A message that is cut short is [`FeedbackMessage::Other`].
    #[must_use]
    pub fn message(&self) -> FeedbackMessage<'p> {
        match (self.packet_type, self.format) {
            (packet_type::RTPFB, 1) => FeedbackMessage::Nack,
            (packet_type::RTPFB, 15) => TransportWide::parse(self.control)
                .map_or(FeedbackMessage::Other, FeedbackMessage::TransportWide),
            (packet_type::PSFB, 1) => FeedbackMessage::PictureLoss,
            (packet_type::PSFB, 4) => FeedbackMessage::FullIntra,
            (packet_type::PSFB, 15) => remb(self.control)
                .map_or(FeedbackMessage::Other, |bits_per_second| {
                    FeedbackMessage::MaximumBitrate { bits_per_second }
                }),
            _ => FeedbackMessage::Other,
        }
    }

    /// Whom a FIR asks for a full picture, with the sequence number of the request: a repeated number is a
    /// repeated request.
    pub fn full_intra(&self) -> impl Iterator<Item = (Ssrc, u8)> + use<'p> {
        let entries = if self.is_fir() { self.control } else { &[] };
        entries.chunks_exact(8).map(|entry| {
            let ssrc = u32::from_be_bytes([entry[0], entry[1], entry[2], entry[3]]);
            (Ssrc(ssrc), entry[4])
        })
    }
}

/// `REMB`, count, 6 bits of exponent, 18 of mantissa, SSRCs.
fn remb(control: &[u8]) -> Option<u64> {
    let &[b'R', b'E', b'M', b'B', _, a, b, c, ..] = control else {
        return None;
    };
    let mantissa = u64::from(a & 3) << 16 | u64::from(b) << 8 | u64::from(c);
    // Above 2^64 it is as good as unbounded.
    Some(mantissa.checked_shl(u32::from(a >> 2)).unwrap_or(u64::MAX))
}

/// A transport-wide feedback message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TransportWide<'p> {
    /// The transport-wide sequence number of the first packet reported on.
    pub base: u16,
    /// How many packets it reports on.
    pub count: u16,
    /// The time that arrivals count from, in multiples of 64 ms, 24 bits signed.
    pub reference: i32,
    /// Counts feedback messages.
    pub feedback_count: u8,
    chunks: &'p [u8],
}

impl<'p> TransportWide<'p> {
    fn parse(control: &'p [u8]) -> Option<TransportWide<'p>> {
        let &[a, b, c, d, e, f, g, feedback_count, ref chunks @ ..] = control else {
            return None;
        };
        Some(TransportWide {
            base: u16::from_be_bytes([a, b]),
            count: u16::from_be_bytes([c, d]),
            reference: i32::from_be_bytes([e, f, g, 0]) >> 8,
            feedback_count,
            chunks,
        })
    }

    /// The packets in order: the sequence number and, when it arrived, the time since the one that arrived
    /// before it (the first: since `reference`), in 250 µs. Ends where the message is cut short.
    pub fn packets(&self) -> impl Iterator<Item = (u16, Option<i16>)> + use<'p> {
        let count = usize::from(self.count).min(MAX_TWCC_PACKETS);
        // The deltas begin after the chunks that cover `count` packets.
        let mut covered = 0;
        let mut at = 0;
        while covered < count && at + 2 <= self.chunks.len() {
            covered += Chunk::read(self.chunks, at).len();
            at += 2;
        }
        let (chunks, mut deltas) = self.chunks.split_at(at.min(self.chunks.len()));
        let base = self.base;
        let symbols = chunks.chunks_exact(2).flat_map(|two| {
            let chunk = Chunk::read(two, 0);
            (0..chunk.len()).map(move |n| chunk.symbol(n))
        });
        symbols
            .take(count)
            .enumerate()
            .map_while(move |(n, symbol)| {
                let delta = match symbol {
                    1 => {
                        let (&small, rest) = deltas.split_first()?;
                        deltas = rest;
                        Some(i16::from(small))
                    }
                    2 => {
                        let (large, rest) = deltas.split_first_chunk::<2>()?;
                        deltas = rest;
                        Some(i16::from_be_bytes(*large))
                    }
                    _ => None,
                };
                Some((base.wrapping_add(n as u16), delta))
            })
    }
}

/// A packet status chunk: a run of one symbol, 14 one-bit or 7 two-bit symbols.
#[derive(Clone, Copy)]
struct Chunk(u16);

impl Chunk {
    fn read(bytes: &[u8], at: usize) -> Chunk {
        Chunk(u16::from_be_bytes([bytes[at], bytes[at + 1]]))
    }

    fn len(self) -> usize {
        match self.0 >> 14 {
            0 | 1 => usize::from(self.0 & 0x1fff),
            2 => 14,
            _ => 7,
        }
    }

    fn symbol(self, n: usize) -> u16 {
        match self.0 >> 14 {
            0 | 1 => self.0 >> 13 & 3,
            2 => self.0 >> (13 - n) & 1,
            _ => self.0 >> (12 - 2 * n) & 3,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rtcp::{Compound, Packet, Writer};

    fn message(kind: u8, format: u8, control: &[u8], check: impl Fn(Feedback<'_>)) {
        let mut out = [0; 256];
        let mut writer = Writer::new(&mut out);
        writer
            .feedback(kind, format, Ssrc(1), Ssrc(2), control)
            .unwrap();
        let compound = Compound::parse(writer.finish()).unwrap();
        let Some(Packet::Feedback(feedback)) = compound.packets().next() else {
            panic!()
        };
        check(feedback);
    }

    #[test]
    fn tells_messages_apart() {
        message(205, 1, &[0, 9, 0x80, 1], |f| {
            assert_eq!(f.message(), FeedbackMessage::Nack);
            assert_eq!(f.nacked().collect::<Vec<_>>(), [9, 10, 25]);
        });
        message(206, 1, &[], |f| {
            assert_eq!(f.message(), FeedbackMessage::PictureLoss);
        });
        message(206, 4, &[0, 0, 0, 7, 42, 0, 0, 0], |f| {
            assert_eq!(f.message(), FeedbackMessage::FullIntra);
            assert_eq!(f.full_intra().collect::<Vec<_>>(), [(Ssrc(7), 42)]);
        });
        // 0x20000 << 3 = 1 Mbit/s and a bit.
        message(206, 15, b"REMB\x01\x0e\x00\x00\x00\x00\x00\x02", |f| {
            let bits_per_second = 0x20000 << 3;
            assert_eq!(
                f.message(),
                FeedbackMessage::MaximumBitrate { bits_per_second }
            );
        });
        message(206, 15, b"nope", |f| {
            assert_eq!(f.message(), FeedbackMessage::Other);
        });
        message(205, 15, &[0, 1, 0, 2], |f| {
            assert_eq!(f.message(), FeedbackMessage::Other);
        });
    }

    #[test]
    fn reads_transport_wide_arrivals() {
        // Base 100: a run of two small deltas, then two-bit symbols: missing, large, small, and the rest missing.
        let control = [
            0,
            100,
            0,
            7,
            0xff,
            0xff,
            0xfe,
            3, // base, count, reference −2, feedback count
            0x20,
            2, // run of symbol 1, twice
            0b1100_1001,
            0, // 00 10 01 00 …
            4,
            8,
            0xff,
            0xfe,
            12,
            0, // deltas 4, 8, −2, 12
        ];
        message(205, 15, &control, |f| {
            let FeedbackMessage::TransportWide(report) = f.message() else {
                panic!()
            };
            assert_eq!((report.reference, report.feedback_count), (-2, 3));
            let got: Vec<_> = report.packets().collect();
            assert_eq!(
                got,
                [
                    (100, Some(4)),
                    (101, Some(8)),
                    (102, None),
                    (103, Some(-2)),
                    (104, Some(12)),
                    (105, None),
                    (106, None)
                ]
            );
        });
        // A run of 8191 packets in a message without deltas ends at once.
        message(
            205,
            15,
            &[0, 0, 0xff, 0xff, 0, 0, 0, 0, 0x3f, 0xff, 0, 0],
            |f| {
                let FeedbackMessage::TransportWide(report) = f.message() else {
                    panic!()
                };
                assert!(report.packets().count() <= 2);
            },
        );
    }
}
