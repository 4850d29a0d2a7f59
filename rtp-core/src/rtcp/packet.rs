//! RTCP packets, read (RFC 3550 §6.4–6.7, RFC 4585 §6.1).
//!
//! A whole compound packet is checked once, in [`Compound::parse`]; after that its parts are slices.

use super::clock::NtpTime;
use super::xr::ExtendedReport;
use crate::rtp::Ssrc;

/// RTCP packet types.
pub mod packet_type {
    /// Sender report.
    pub const SR: u8 = 200;
    /// Receiver report.
    pub const RR: u8 = 201;
    /// Source description.
    pub const SDES: u8 = 202;
    /// Goodbye.
    pub const BYE: u8 = 203;
    /// Application-defined.
    pub const APP: u8 = 204;
    /// Transport-layer feedback (RFC 4585): NACK, TWCC.
    pub const RTPFB: u8 = 205;
    /// Payload-specific feedback (RFC 4585): PLI, FIR, REMB.
    pub const PSFB: u8 = 206;
    /// Extended report (RFC 3611).
    pub const XR: u8 = 207;
}

/// SDES item types (RFC 3550 §6.5).
pub mod sdes {
    /// Canonical name: binds the streams of one participant together.
    pub const CNAME: u8 = 1;
    /// The participant's name.
    pub const NAME: u8 = 2;
    /// The name of the application.
    pub const TOOL: u8 = 6;
}

/// Why bytes are not an RTCP packet. All of them mean: drop it and count it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum RtcpError {
    /// Fewer bytes than a header, or than the header promises.
    #[error("cut short")]
    TooShort,
    /// The version is not 2.
    #[error("RTCP version {0}, not 2")]
    Version(u8),
    /// The packet type is outside 192–223 (RFC 5761 §4): not RTCP.
    #[error("packet type {0} is not RTCP")]
    PacketType(u8),
    /// Padding elsewhere than in the last packet, or of an impossible size (RFC 3550 §6.4.1).
    #[error("padding does not fit")]
    Padding,
    /// The body is too small for what its count promises.
    #[error("packet of type {0} is shorter than its count says")]
    Count(u8),
}

/// A compound (or reduced-size) RTCP packet whose framing has been checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Compound<'p> {
    bytes: &'p [u8],
}

impl<'p> Compound<'p> {
    /// Checks version, lengths, padding and counts of every packet in it (RFC 3550 A.2).
    ///
    /// # Errors
    /// When any of the packets is malformed: then nothing in the compound can be trusted.
    pub fn parse(bytes: &'p [u8]) -> Result<Compound<'p>, RtcpError> {
        let mut rest = bytes;
        loop {
            let (_, after) = split(rest)?;
            if after.is_empty() {
                return Ok(Compound { bytes });
            }
            rest = after;
        }
    }

    /// The packets, in order.
    pub fn packets(&self) -> impl Iterator<Item = Packet<'p>> + use<'p> {
        let mut rest = self.bytes;
        std::iter::from_fn(move || {
            let (packet, after) = split(rest).ok()?;
            rest = after;
            Some(packet)
        })
    }

    /// The bytes, as they came.
    #[must_use]
    pub fn as_bytes(&self) -> &'p [u8] {
        self.bytes
    }
}

/// One RTCP packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Packet<'p> {
    /// SR: a sender's clocks and counters, and what it receives.
    SenderReport(SenderReport<'p>),
    /// RR: what a mere receiver receives.
    ReceiverReport(ReceiverReport<'p>),
    /// SDES: who is behind the SSRCs.
    SourceDescription(SourceDescription<'p>),
    /// BYE: sources that leave.
    Goodbye(Goodbye<'p>),
    /// RTPFB or PSFB (RFC 4585 §6.1).
    Feedback(Feedback<'p>),
    /// XR (RFC 3611).
    ExtendedReport(ExtendedReport<'p>),
    /// Anything else: APP, what is not known.
    Other {
        /// The packet type.
        packet_type: u8,
        /// The count or subtype of the header, 0–31.
        count: u8,
        /// What follows the four header bytes, without padding.
        body: &'p [u8],
    },
}

/// SR (RFC 3550 §6.4.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SenderReport<'p> {
    /// Who reports.
    pub ssrc: Ssrc,
    /// Its clocks and counters.
    pub info: SenderInfo,
    blocks: &'p [u8],
}

/// RR (RFC 3550 §6.4.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReceiverReport<'p> {
    /// Who reports.
    pub ssrc: Ssrc,
    blocks: &'p [u8],
}

/// The sender's part of an SR.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SenderInfo {
    /// When the report was made.
    pub ntp: NtpTime,
    /// The same moment on the clock of the RTP timestamps.
    pub rtp_timestamp: u32,
    /// RTP packets sent, modulo 2³².
    pub packets: u32,
    /// Payload bytes sent, modulo 2³².
    pub octets: u32,
}

/// What a receiver says of one source.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ReportBlock {
    /// The source reported on.
    pub ssrc: Ssrc,
    /// Share lost since the last report, in 1/256.
    pub fraction_lost: u8,
    /// Packets lost in all, 24 bits signed; negative when there were doubles.
    pub cumulative_lost: i32,
    /// Highest sequence number received, with its cycles in the upper half.
    pub highest_sequence: u32,
    /// Interarrival jitter in ticks of the RTP clock.
    pub jitter: u32,
    /// The middle 32 bits of the last SR's NTP time, 0 when there was none.
    pub last_sr: u32,
    /// Time since that SR arrived, in 1/65536 s.
    pub delay_since_last_sr: u32,
}

impl ReportBlock {
    pub(crate) const LEN: usize = 24;

    fn read(b: &[u8]) -> Option<ReportBlock> {
        Some(ReportBlock {
            ssrc: Ssrc(be32(b, 0)?),
            fraction_lost: *b.get(4)?,
            cumulative_lost: be32(b, 4)?.cast_signed() << 8 >> 8,
            highest_sequence: be32(b, 8)?,
            jitter: be32(b, 12)?,
            last_sr: be32(b, 16)?,
            delay_since_last_sr: be32(b, 20)?,
        })
    }
}

fn read_blocks<'p>(bytes: &'p [u8]) -> impl ExactSizeIterator<Item = ReportBlock> + use<'p> {
    bytes
        .chunks_exact(ReportBlock::LEN)
        .map(|block| ReportBlock::read(block).unwrap_or_default())
}

impl<'p> SenderReport<'p> {
    /// The report blocks, at most 31.
    pub fn blocks(&self) -> impl ExactSizeIterator<Item = ReportBlock> + use<'p> {
        read_blocks(self.blocks)
    }
}

impl<'p> ReceiverReport<'p> {
    /// The report blocks, at most 31.
    pub fn blocks(&self) -> impl ExactSizeIterator<Item = ReportBlock> + use<'p> {
        read_blocks(self.blocks)
    }
}

/// SDES (RFC 3550 §6.5).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SourceDescription<'p> {
    count: u8,
    body: &'p [u8],
}

/// What an SDES says of one source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SdesChunk<'p> {
    /// The source.
    pub ssrc: Ssrc,
    items: &'p [u8],
}

/// One item of a chunk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SdesItem<'p> {
    /// Its type, one of [`sdes`] or another.
    pub kind: u8,
    /// Its text: UTF-8 by the RFC, anything in the field.
    pub text: &'p [u8],
}

impl<'p> SourceDescription<'p> {
    /// The chunks; ends at the first that is cut short.
    pub fn chunks(&self) -> impl Iterator<Item = SdesChunk<'p>> + use<'p> {
        let mut rest = self.body;
        (0..self.count).map_while(move |_| {
            let ssrc = Ssrc(be32(rest, 0)?);
            let items = &rest[4..];
            let mut at = 0;
            while *items.get(at)? != 0 {
                at += 2 + usize::from(*items.get(at + 1)?);
            }
            // The list ends with one to four zeros, up to a multiple of 4 bytes.
            let next = (at / 4 + 1) * 4;
            rest = items.get(next..).unwrap_or(&[]);
            Some(SdesChunk {
                ssrc,
                items: &items[..at],
            })
        })
    }
}

impl<'p> SdesChunk<'p> {
    /// The items.
    pub fn items(&self) -> impl Iterator<Item = SdesItem<'p>> + use<'p> {
        let mut rest = self.items;
        std::iter::from_fn(move || {
            let (&kind, after) = rest.split_first()?;
            let (&len, after) = after.split_first()?;
            let text = after.get(..usize::from(len))?;
            rest = &after[usize::from(len)..];
            Some(SdesItem { kind, text })
        })
    }
}

/// BYE (RFC 3550 §6.6).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Goodbye<'p> {
    sources: &'p [u8],
    reason: &'p [u8],
}

impl<'p> Goodbye<'p> {
    /// The sources that leave, at most 31.
    pub fn sources(&self) -> impl ExactSizeIterator<Item = Ssrc> + use<'p> {
        self.sources
            .chunks_exact(4)
            .map(|four| Ssrc(be32(four, 0).unwrap_or_default()))
    }

    /// Why they leave; empty when not said.
    #[must_use]
    pub fn reason(&self) -> &'p [u8] {
        self.reason
    }
}

/// A feedback packet (RFC 4585 §6.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Feedback<'p> {
    /// 205 (transport layer) or 206 (payload specific).
    pub packet_type: u8,
    /// The FMT field: which message.
    pub format: u8,
    /// Who sends it.
    pub sender: Ssrc,
    /// Whose media it is about.
    pub media: Ssrc,
    /// The feedback control information.
    pub control: &'p [u8],
}

impl Feedback<'_> {
    /// Generic NACK (RFC 4585 §6.2.1).
    #[must_use]
    pub fn is_nack(&self) -> bool {
        self.packet_type == packet_type::RTPFB && self.format == 1
    }

    /// Picture loss indication (RFC 4585 §6.3.1).
    #[must_use]
    pub fn is_pli(&self) -> bool {
        self.packet_type == packet_type::PSFB && self.format == 1
    }

    /// Full intra request (RFC 5104 §4.3.1).
    #[must_use]
    pub fn is_fir(&self) -> bool {
        self.packet_type == packet_type::PSFB && self.format == 4
    }

    /// The sequence numbers that a generic NACK asks for: each entry names one and a mask of the 16 after.
    pub fn nacked(&self) -> impl Iterator<Item = u16> {
        let entries = if self.is_nack() { self.control } else { &[] };
        entries.chunks_exact(4).flat_map(|entry| {
            let first = u16::from_be_bytes([entry[0], entry[1]]);
            let mask = u16::from_be_bytes([entry[2], entry[3]]);
            std::iter::once(first).chain(
                (0..16u16)
                    .filter(move |bit| mask >> bit & 1 == 1)
                    .map(move |bit| first.wrapping_add(bit + 1)),
            )
        })
    }
}

/// Takes one packet off the front of a compound.
fn split(bytes: &[u8]) -> Result<(Packet<'_>, &[u8]), RtcpError> {
    let &[first, kind, high, low, ..] = bytes else {
        return Err(RtcpError::TooShort);
    };
    if first >> 6 != 2 {
        return Err(RtcpError::Version(first >> 6));
    }
    if !(192..=223).contains(&kind) {
        return Err(RtcpError::PacketType(kind));
    }
    let len = 4 * (usize::from(u16::from_be_bytes([high, low])) + 1);
    if bytes.len() < len {
        return Err(RtcpError::TooShort);
    }
    let (packet, after) = bytes.split_at(len);
    let mut body = &packet[4..];
    if first & 0x20 != 0 {
        let padding = usize::from(packet[len - 1]);
        if !after.is_empty() || padding == 0 || padding % 4 != 0 || padding > body.len() {
            return Err(RtcpError::Padding);
        }
        body = &body[..body.len() - padding];
    }
    let count = first & 0x1f;
    let short = RtcpError::Count(kind);
    let blocks = usize::from(count) * ReportBlock::LEN;
    let packet = match kind {
        packet_type::SR => Packet::SenderReport(SenderReport {
            ssrc: Ssrc(be32(body, 0).ok_or(short)?),
            info: SenderInfo {
                ntp: NtpTime(
                    u64::from(be32(body, 4).ok_or(short)?) << 32
                        | u64::from(be32(body, 8).ok_or(short)?),
                ),
                rtp_timestamp: be32(body, 12).ok_or(short)?,
                packets: be32(body, 16).ok_or(short)?,
                octets: be32(body, 20).ok_or(short)?,
            },
            blocks: body.get(24..24 + blocks).ok_or(short)?,
        }),
        packet_type::RR => Packet::ReceiverReport(ReceiverReport {
            ssrc: Ssrc(be32(body, 0).ok_or(short)?),
            blocks: body.get(4..4 + blocks).ok_or(short)?,
        }),
        packet_type::SDES => Packet::SourceDescription(SourceDescription { count, body }),
        packet_type::BYE => {
            let sources = body.get(..4 * usize::from(count)).ok_or(short)?;
            let reason = match body[sources.len()..].split_first() {
                Some((&len, text)) => text.get(..usize::from(len)).ok_or(short)?,
                None => &[],
            };
            Packet::Goodbye(Goodbye { sources, reason })
        }
        packet_type::RTPFB | packet_type::PSFB => Packet::Feedback(Feedback {
            packet_type: kind,
            format: count,
            sender: Ssrc(be32(body, 0).ok_or(short)?),
            media: Ssrc(be32(body, 4).ok_or(short)?),
            control: &body[8..],
        }),
        packet_type::XR => Packet::ExtendedReport(ExtendedReport {
            ssrc: Ssrc(be32(body, 0).ok_or(short)?),
            blocks: &body[4..],
        }),
        packet_type => Packet::Other {
            packet_type,
            count,
            body,
        },
    };
    Ok((packet, after))
}

fn be32(bytes: &[u8], at: usize) -> Option<u32> {
    let four = bytes.get(at..at.checked_add(4)?)?;
    Some(u32::from_be_bytes(four.try_into().ok()?))
}
