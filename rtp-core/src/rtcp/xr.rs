//! Extended reports (RFC 3611): blocks read, and the VoIP metrics block (§4.7) read and written.

use super::packet::packet_type;
use super::write::Writer;
use crate::rtp::{BufferTooSmall, Ssrc};

/// The block type of VoIP metrics.
const VOIP_METRICS: u8 = 7;
/// Bytes of a VoIP metrics block after its header.
const VOIP_METRICS_LEN: usize = 32;

/// XR.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ExtendedReport<'p> {
    /// Who reports.
    pub ssrc: Ssrc,
    pub(crate) blocks: &'p [u8],
}

/// One block of an XR.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct XrBlock<'p> {
    /// Its type (RFC 3611 §4 and the registry).
    pub block_type: u8,
    /// The byte whose meaning depends on the type.
    pub specific: u8,
    /// What follows its four header bytes.
    pub content: &'p [u8],
}

impl<'p> ExtendedReport<'p> {
    /// The blocks; ends at the first that is cut short.
    pub fn blocks(&self) -> impl Iterator<Item = XrBlock<'p>> + use<'p> {
        let mut rest = self.blocks;
        std::iter::from_fn(move || {
            let &[block_type, specific, high, low, ref after @ ..] = rest else {
                return None;
            };
            let len = 4 * usize::from(u16::from_be_bytes([high, low]));
            let (content, after) = after.split_at_checked(len)?;
            rest = after;
            Some(XrBlock {
                block_type,
                specific,
                content,
            })
        })
    }
}

/// What a receiver says of how a call sounds (RFC 3611 §4.7). Where a figure is unknown it is 127, as the RFC
/// has it for the scores.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct VoipMetrics {
    /// The source reported on.
    pub ssrc: Ssrc,
    /// Share of packets lost, in 1/256.
    pub loss_rate: u8,
    /// Share of packets thrown away by the jitter buffer, in 1/256.
    pub discard_rate: u8,
    /// Share of packets lost or thrown away within bursts, in 1/256.
    pub burst_density: u8,
    /// The same in the gaps between bursts.
    pub gap_density: u8,
    /// Mean length of bursts in milliseconds.
    pub burst_duration: u16,
    /// Mean length of gaps in milliseconds.
    pub gap_duration: u16,
    /// The last round trip in milliseconds.
    pub round_trip: u16,
    /// Delay within the end system in milliseconds, its jitter buffer included.
    pub end_system_delay: u16,
    /// Rating factor R, 0–100.
    pub r_factor: u8,
    /// Mean opinion score times 10, listening quality.
    pub mos_lq: u8,
    /// Mean opinion score times 10, conversational quality.
    pub mos_cq: u8,
    /// Gmin: good packets in a row that end a burst. The RFC's default is 16.
    pub gmin: u8,
    /// Mean delay of the jitter buffer in milliseconds.
    pub jitter_nominal: u16,
    /// The most that it was.
    pub jitter_maximum: u16,
    /// The most that it may be.
    pub jitter_absolute: u16,
}

impl XrBlock<'_> {
    /// The VoIP metrics, when this block holds them.
    #[must_use]
    pub fn voip_metrics(&self) -> Option<VoipMetrics> {
        let c: &[u8; VOIP_METRICS_LEN] = self.content.try_into().ok()?;
        if self.block_type != VOIP_METRICS {
            return None;
        }
        let two = |at: usize| u16::from_be_bytes([c[at], c[at + 1]]);
        Some(VoipMetrics {
            ssrc: Ssrc(u32::from_be_bytes([c[0], c[1], c[2], c[3]])),
            loss_rate: c[4],
            discard_rate: c[5],
            burst_density: c[6],
            gap_density: c[7],
            burst_duration: two(8),
            gap_duration: two(10),
            round_trip: two(12),
            end_system_delay: two(14),
            // 16 and 17 are signal and noise level, 18 the residual echo: not measured here.
            gmin: c[19],
            r_factor: c[20],
            mos_lq: c[22],
            mos_cq: c[23],
            jitter_nominal: two(26),
            jitter_maximum: two(28),
            jitter_absolute: two(30),
        })
    }
}

impl Writer<'_> {
    /// Adds an XR with one VoIP metrics block. Levels, echo and the external R are written as unknown (127).
    ///
    /// # Errors
    /// When the buffer is full.
    pub fn voip_metrics(
        &mut self,
        ssrc: Ssrc,
        metrics: &VoipMetrics,
    ) -> Result<(), BufferTooSmall> {
        let body = self.begin(packet_type::XR, 0, 8 + VOIP_METRICS_LEN)?;
        body[..4].copy_from_slice(&ssrc.0.to_be_bytes());
        body[4..8].copy_from_slice(&[VOIP_METRICS, 0, 0, (VOIP_METRICS_LEN / 4) as u8]);
        let c = &mut body[8..];
        c.fill(0);
        c[..4].copy_from_slice(&metrics.ssrc.0.to_be_bytes());
        c[4] = metrics.loss_rate;
        c[5] = metrics.discard_rate;
        c[6] = metrics.burst_density;
        c[7] = metrics.gap_density;
        c[16..19].fill(127);
        c[19] = metrics.gmin;
        c[20] = metrics.r_factor;
        c[21] = 127;
        c[22] = metrics.mos_lq;
        c[23] = metrics.mos_cq;
        for (at, value) in [
            (8, metrics.burst_duration),
            (10, metrics.gap_duration),
            (12, metrics.round_trip),
            (14, metrics.end_system_delay),
            (26, metrics.jitter_nominal),
            (28, metrics.jitter_maximum),
            (30, metrics.jitter_absolute),
        ] {
            c[at..at + 2].copy_from_slice(&value.to_be_bytes());
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rtcp::{Compound, Packet};

    #[test]
    fn metrics_are_read_back_and_unknown_blocks_passed_over() {
        let metrics = VoipMetrics {
            ssrc: Ssrc(9),
            loss_rate: 12,
            discard_rate: 3,
            burst_density: 90,
            gap_density: 1,
            burst_duration: 500,
            gap_duration: 30_000,
            round_trip: 64,
            end_system_delay: 60,
            r_factor: 88,
            mos_lq: 42,
            mos_cq: 41,
            gmin: 16,
            jitter_nominal: 40,
            jitter_maximum: 120,
            jitter_absolute: 500,
        };
        let mut out = [0; 256];
        let mut writer = Writer::new(&mut out);
        writer.voip_metrics(Ssrc(7), &metrics).unwrap();
        let bytes = writer.finish();
        assert_eq!(bytes.len(), 44);
        let compound = Compound::parse(bytes).unwrap();
        let Some(Packet::ExtendedReport(report)) = compound.packets().next() else {
            panic!()
        };
        assert_eq!(report.ssrc, Ssrc(7));
        let block = report.blocks().next().unwrap();
        assert_eq!(block.voip_metrics(), Some(metrics));

        // Receiver reference time (type 4) before a block that is cut short.
        let other = [
            0x80, 207, 0, 5, 0, 0, 0, 7, 4, 0, 0, 2, 1, 2, 3, 4, 5, 6, 7, 8, 7, 0, 0, 8,
        ];
        let compound = Compound::parse(&other).unwrap();
        let Some(Packet::ExtendedReport(report)) = compound.packets().next() else {
            panic!()
        };
        let blocks: Vec<_> = report.blocks().collect();
        assert_eq!(blocks.len(), 1);
        assert_eq!((blocks[0].block_type, blocks[0].content.len()), (4, 8));
        assert_eq!(blocks[0].voip_metrics(), None);
    }
}
