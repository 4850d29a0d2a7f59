//! RTCP packets, written one after another into the caller's buffer.

use super::packet::{ReportBlock, SenderInfo, packet_type, sdes};
use crate::rtp::{BufferTooSmall, Ssrc};

/// Builds a compound packet. Start with a report (RFC 3550 §6.1), then an SDES with the CNAME.
#[derive(Debug)]
pub struct Writer<'b> {
    out: &'b mut [u8],
    len: usize,
}

impl<'b> Writer<'b> {
    /// An empty compound over `out`.
    #[must_use]
    pub fn new(out: &'b mut [u8]) -> Writer<'b> {
        Writer { out, len: 0 }
    }

    /// Bytes written so far.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether nothing has been written.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The compound packet.
    #[must_use]
    pub fn finish(self) -> &'b mut [u8] {
        &mut self.out[..self.len]
    }

    /// Adds an SR; only the first 31 blocks are written.
    ///
    /// # Errors
    /// When the buffer is full; then nothing has been added. The same holds for every method here.
    pub fn sender_report(
        &mut self,
        ssrc: Ssrc,
        info: &SenderInfo,
        blocks: &[ReportBlock],
    ) -> Result<(), BufferTooSmall> {
        let blocks = &blocks[..blocks.len().min(31)];
        let body = self.begin(
            packet_type::SR,
            blocks.len(),
            24 + blocks.len() * ReportBlock::LEN,
        )?;
        put(body, 0, ssrc.0);
        body[4..12].copy_from_slice(&info.ntp.0.to_be_bytes());
        put(body, 12, info.rtp_timestamp);
        put(body, 16, info.packets);
        put(body, 20, info.octets);
        write_blocks(&mut body[24..], blocks);
        Ok(())
    }

    /// Adds an RR; only the first 31 blocks are written.
    ///
    /// # Errors
    /// When the buffer is full.
    pub fn receiver_report(
        &mut self,
        ssrc: Ssrc,
        blocks: &[ReportBlock],
    ) -> Result<(), BufferTooSmall> {
        let blocks = &blocks[..blocks.len().min(31)];
        let body = self.begin(
            packet_type::RR,
            blocks.len(),
            4 + blocks.len() * ReportBlock::LEN,
        )?;
        put(body, 0, ssrc.0);
        write_blocks(&mut body[4..], blocks);
        Ok(())
    }

    /// Adds an SDES with one chunk and one item, the CNAME; its first 255 bytes are written.
    ///
    /// # Errors
    /// When the buffer is full.
    pub fn cname(&mut self, ssrc: Ssrc, cname: &str) -> Result<(), BufferTooSmall> {
        let text = &cname.as_bytes()[..cname.len().min(255)];
        // The item list ends with at least one zero, on a multiple of 4 bytes.
        let body = self.begin(
            packet_type::SDES,
            1,
            4 + (2 + text.len() + 1).div_ceil(4) * 4,
        )?;
        put(body, 0, ssrc.0);
        body[4] = sdes::CNAME;
        body[5] = text.len() as u8;
        body[6..6 + text.len()].copy_from_slice(text);
        body[6 + text.len()..].fill(0);
        Ok(())
    }

    /// Adds a BYE for one source; the reason's first 255 bytes are written, none when it is empty.
    ///
    /// # Errors
    /// When the buffer is full.
    pub fn goodbye(&mut self, ssrc: Ssrc, reason: &str) -> Result<(), BufferTooSmall> {
        let text = &reason.as_bytes()[..reason.len().min(255)];
        let extra = if text.is_empty() {
            0
        } else {
            (1 + text.len()).div_ceil(4) * 4
        };
        let body = self.begin(packet_type::BYE, 1, 4 + extra)?;
        put(body, 0, ssrc.0);
        if let [len, rest @ ..] = &mut body[4..] {
            *len = text.len() as u8;
            rest[..text.len()].copy_from_slice(text);
            rest[text.len()..].fill(0);
        }
        Ok(())
    }

    /// Adds a feedback packet (RFC 4585 §6.1): `packet_type` 205 or 206, `format` up to 31, and its control
    /// information, padded with zeros to a multiple of 4 bytes.
    ///
    /// # Errors
    /// When the buffer is full.
    pub fn feedback(
        &mut self,
        packet_type: u8,
        format: u8,
        sender: Ssrc,
        media: Ssrc,
        control: &[u8],
    ) -> Result<(), BufferTooSmall> {
        let body = self.begin(
            packet_type,
            usize::from(format),
            8 + control.len().div_ceil(4) * 4,
        )?;
        put(body, 0, sender.0);
        put(body, 4, media.0);
        body[8..8 + control.len()].copy_from_slice(control);
        body[8 + control.len()..].fill(0);
        Ok(())
    }

    /// Writes a header for a body of `len` bytes (a multiple of 4) and returns the body.
    pub(super) fn begin(
        &mut self,
        kind: u8,
        count: usize,
        len: usize,
    ) -> Result<&mut [u8], BufferTooSmall> {
        let need = self.len + 4 + len;
        let have = self.out.len();
        let too_small = BufferTooSmall { need, have };
        let words = u16::try_from(len / 4).map_err(|_| too_small)?;
        let packet = self.out.get_mut(self.len..need).ok_or(too_small)?;
        self.len = need;
        packet[0] = 0x80 | (count as u8 & 0x1f);
        packet[1] = kind;
        packet[2..4].copy_from_slice(&words.to_be_bytes());
        Ok(&mut packet[4..])
    }
}

fn put(body: &mut [u8], at: usize, value: u32) {
    body[at..at + 4].copy_from_slice(&value.to_be_bytes());
}

fn write_blocks(mut out: &mut [u8], blocks: &[ReportBlock]) {
    for block in blocks {
        let (this, rest) = out.split_at_mut(ReportBlock::LEN);
        put(this, 0, block.ssrc.0);
        let lost = block.cumulative_lost.clamp(-0x80_0000, 0x7f_ffff);
        put(this, 4, lost.cast_unsigned() & 0xff_ffff);
        this[4] = block.fraction_lost;
        put(this, 8, block.highest_sequence);
        put(this, 12, block.jitter);
        put(this, 16, block.last_sr);
        put(this, 20, block.delay_since_last_sr);
        out = rest;
    }
}

#[cfg(test)]
mod tests {
    use super::super::packet::{Compound, Packet};
    use super::*;
    use crate::rtcp::NtpTime;

    #[test]
    fn what_is_written_is_read_back() {
        let me = Ssrc(0x0102_0304);
        let info = SenderInfo {
            ntp: NtpTime(0x1122_3344_5566_7788),
            rtp_timestamp: 99,
            packets: 7,
            octets: 1120,
        };
        let block = ReportBlock {
            ssrc: Ssrc(0xdead_beef),
            fraction_lost: 64,
            cumulative_lost: -5,
            highest_sequence: 0x0001_ffff,
            jitter: 33,
            last_sr: 0x3344_5566,
            delay_since_last_sr: 65_536,
        };
        for name in ["", "a", "ab", "abc", "abcd", "someone@example.org"] {
            let mut buffer = [0xaa; 256];
            let mut writer = Writer::new(&mut buffer);
            writer.sender_report(me, &info, &[block, block]).unwrap();
            writer.cname(me, name).unwrap();
            writer.receiver_report(me, &[block]).unwrap();
            writer
                .feedback(packet_type::RTPFB, 1, me, block.ssrc, &[0, 9, 0, 5])
                .unwrap();
            writer.goodbye(me, name).unwrap();
            let bytes = writer.finish();
            let compound = Compound::parse(bytes).unwrap();
            let packets: Vec<_> = compound.packets().collect();
            assert_eq!(packets.len(), 5);
            let Packet::SenderReport(sr) = packets[0] else {
                panic!()
            };
            assert_eq!((sr.ssrc, sr.info), (me, info));
            assert_eq!(sr.blocks().collect::<Vec<_>>(), [block, block]);
            let Packet::SourceDescription(description) = packets[1] else {
                panic!()
            };
            let chunk = description.chunks().next().unwrap();
            let item = chunk.items().next().unwrap();
            assert_eq!(
                (chunk.ssrc, item.kind, item.text),
                (me, sdes::CNAME, name.as_bytes())
            );
            let Packet::ReceiverReport(rr) = packets[2] else {
                panic!()
            };
            assert_eq!(rr.blocks().collect::<Vec<_>>(), [block]);
            let Packet::Feedback(nack) = packets[3] else {
                panic!()
            };
            assert_eq!(nack.nacked().collect::<Vec<_>>(), [9, 10, 12]);
            let Packet::Goodbye(bye) = packets[4] else {
                panic!()
            };
            assert_eq!(bye.sources().collect::<Vec<_>>(), [me]);
            assert_eq!(bye.reason(), name.as_bytes());
        }
    }

    #[test]
    fn a_full_buffer_gets_nothing_half_written() {
        let mut buffer = [0; 40];
        let mut writer = Writer::new(&mut buffer);
        writer
            .sender_report(Ssrc(1), &SenderInfo::default(), &[])
            .unwrap();
        assert!(writer.cname(Ssrc(1), "far too long a name").is_err());
        assert_eq!(writer.len(), 28);
        assert!(Compound::parse(writer.finish()).is_ok());
    }
}
