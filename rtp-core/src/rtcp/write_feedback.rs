//! Feedback messages written; [`super::feedback`] reads them and names the sources.

use super::packet::packet_type;
use super::write::Writer;
use crate::rtp::{BufferTooSmall, Ssrc};

/// The most packets that one NACK names.
const MAX_NACKED: usize = 256;
/// The most sources that one REMB names.
const MAX_REMB: usize = 255;

impl Writer<'_> {
    /// Adds a NACK for these sequence numbers, which go forward; 16 that follow the first share its entry
    /// (RFC 4585 §6.2.1). Only the first 256 are named.
    ///
    /// # Errors
    /// When the buffer is full; then nothing has been added. The same holds for every method here.
    pub fn nack(&mut self, sender: Ssrc, media: Ssrc, lost: &[u16]) -> Result<(), BufferTooSmall> {
        let mut entries = [[0; 4]; MAX_NACKED];
        let mut count = 0;
        let mut open: Option<(u16, u16)> = None;
        let mut close = |entry: Option<(u16, u16)>| {
            if let Some((first, mask)) = entry {
                let [a, b] = first.to_be_bytes();
                let [c, d] = mask.to_be_bytes();
                entries[count] = [a, b, c, d];
                count += 1;
            }
        };
        for &sequence in lost.iter().take(MAX_NACKED) {
            match &mut open {
                Some((first, _)) if *first == sequence => {}
                Some((first, mask)) if (1..=16).contains(&sequence.wrapping_sub(*first)) => {
                    *mask |= 1 << (sequence.wrapping_sub(*first) - 1);
                }
                _ => close(open.replace((sequence, 0))),
            }
        }
        close(open);
        let control = entries[..count].as_flattened();
        self.feedback(packet_type::RTPFB, 1, sender, media, control)
    }

    /// Adds a picture loss indication (RFC 4585 §6.3.1).
    ///
    /// # Errors
    /// When the buffer is full.
    pub fn picture_loss(&mut self, sender: Ssrc, media: Ssrc) -> Result<(), BufferTooSmall> {
        self.feedback(packet_type::PSFB, 1, sender, media, &[])
    }

    /// Adds a full intra request to one source (RFC 5104 §4.3.1). `sequence` goes on with each new request,
    /// and stays for a repeated one.
    ///
    /// # Errors
    /// When the buffer is full.
    pub fn full_intra(
        &mut self,
        sender: Ssrc,
        media: Ssrc,
        sequence: u8,
    ) -> Result<(), BufferTooSmall> {
        let [a, b, c, d] = media.0.to_be_bytes();
        // The media source of the packet itself is unused and 0.
        let control = [a, b, c, d, sequence, 0, 0, 0];
        self.feedback(packet_type::PSFB, 4, sender, Ssrc(0), &control)
    }

    /// Adds a REMB: what the receiver can take in bits a second, rounded down to 18 significant bits, for
    /// these sources, of which the first 255 are named.
    ///
    /// # Errors
    /// When the buffer is full.
    pub fn maximum_bitrate(
        &mut self,
        sender: Ssrc,
        bits_per_second: u64,
        sources: &[Ssrc],
    ) -> Result<(), BufferTooSmall> {
        let sources = &sources[..sources.len().min(MAX_REMB)];
        let exponent = (64 - bits_per_second.leading_zeros()).saturating_sub(18);
        let [.., high, middle, low] = (bits_per_second >> exponent).to_be_bytes();
        let count = sources.len() as u8;
        let mut control = [0; 8 + 4 * MAX_REMB];
        let first = [exponent as u8 & 0x3f, high & 3];
        control[..8].copy_from_slice(&[
            b'R',
            b'E',
            b'M',
            b'B',
            count,
            first[0] << 2 | first[1],
            middle,
            low,
        ]);
        for (out, source) in control[8..].chunks_exact_mut(4).zip(sources) {
            out.copy_from_slice(&source.0.to_be_bytes());
        }
        let control = &control[..8 + 4 * sources.len()];
        self.feedback(packet_type::PSFB, 15, sender, Ssrc(0), control)
    }

    /// Adds transport-wide feedback on consecutive packets from `base` on: for each that arrived, the time
    /// since the one that arrived before it (the first: since `reference`), in 250 µs.
    ///
    /// `reference` is in 64 ms, of which 24 bits count. Returns how many packets it reports on: as many of
    /// `arrivals` as one message takes, 448; go on from there with another.
    ///
    /// # Errors
    /// When the buffer is full.
    pub fn transport_wide(
        &mut self,
        (sender, media): (Ssrc, Ssrc),
        (reference, feedback_count): (i32, u8),
        base: u16,
        arrivals: &[Option<i16>],
    ) -> Result<usize, BufferTooSmall> {
        const MAX: usize = 448;
        let arrivals = &arrivals[..arrivals.len().min(MAX)];
        let mut control = [0; 8 + MAX / 7 * 2 + MAX * 2];
        control[..2].copy_from_slice(&base.to_be_bytes());
        control[2..4].copy_from_slice(&(arrivals.len() as u16).to_be_bytes());
        let [_, a, b, c] = reference.to_be_bytes();
        control[4..8].copy_from_slice(&[a, b, c, feedback_count]);
        let mut at = 8;
        // Two-bit symbols throughout: runs would save a few bytes where nothing is lost.
        for seven in arrivals.chunks(7) {
            let symbols = seven
                .iter()
                .enumerate()
                .fold(0xc000u16, |chunk, (n, arrival)| {
                    let symbol = match arrival {
                        None => 0,
                        Some(0..=255) => 1,
                        Some(_) => 2,
                    };
                    chunk | symbol << (12 - 2 * n)
                });
            control[at..at + 2].copy_from_slice(&symbols.to_be_bytes());
            at += 2;
        }
        for delta in arrivals.iter().flatten() {
            match u8::try_from(*delta) {
                Ok(small) => {
                    control[at] = small;
                    at += 1;
                }
                Err(_) => {
                    control[at..at + 2].copy_from_slice(&delta.to_be_bytes());
                    at += 2;
                }
            }
        }
        self.feedback(packet_type::RTPFB, 15, sender, media, &control[..at])?;
        Ok(arrivals.len())
    }
}

#[cfg(test)]
mod tests {
    use crate::rtcp::{Compound, Feedback, FeedbackMessage, Packet, Writer};
    use crate::rtp::{BufferTooSmall, Ssrc};

    const US: Ssrc = Ssrc(1);
    const PEER: Ssrc = Ssrc(2);

    fn read(
        write: impl Fn(&mut Writer<'_>) -> Result<(), BufferTooSmall>,
        check: impl Fn(Feedback<'_>),
    ) {
        let mut out = [0; 2048];
        let mut writer = Writer::new(&mut out);
        write(&mut writer).unwrap();
        let compound = Compound::parse(writer.finish()).unwrap();
        let Some(Packet::Feedback(feedback)) = compound.packets().next() else {
            panic!()
        };
        check(feedback);
        assert!(write(&mut Writer::new(&mut [0; 8])).is_err());
    }

    #[test]
    fn a_nack_names_what_is_lost_and_nothing_else() {
        for lost in [
            &[][..],
            &[7],
            &[7, 7, 8, 23],
            &[7, 24, 25],
            &[65_530, 65_535, 0, 10, 11, 500],
        ] {
            let mut expected = lost.to_vec();
            expected.dedup();
            read(
                |writer| writer.nack(US, PEER, lost),
                |feedback| {
                    assert_eq!(feedback.message(), FeedbackMessage::Nack);
                    assert_eq!(feedback.nacked().collect::<Vec<_>>(), expected);
                },
            );
        }
    }

    #[test]
    fn pictures_are_asked_for() {
        read(
            |writer| writer.picture_loss(US, PEER),
            |feedback| assert_eq!(feedback.message(), FeedbackMessage::PictureLoss),
        );
        read(
            |writer| writer.full_intra(US, PEER, 9),
            |feedback| {
                assert_eq!(feedback.message(), FeedbackMessage::FullIntra);
                assert_eq!(feedback.full_intra().collect::<Vec<_>>(), [(PEER, 9)]);
            },
        );
    }

    #[test]
    fn a_bitrate_keeps_18_bits() {
        for (bits, kept) in [
            (0, 0),
            (64_000, 64_000),
            (0x3ffff, 0x3ffff),
            (0x40001, 0x40000),
            (2_500_000, 2_500_000),
            (u64::MAX, 0x3ffff << 46),
        ] {
            read(
                |writer| writer.maximum_bitrate(US, bits, &[PEER, US]),
                |feedback| {
                    let bits_per_second = kept;
                    assert_eq!(
                        feedback.message(),
                        FeedbackMessage::MaximumBitrate { bits_per_second }
                    );
                },
            );
        }
    }

    #[test]
    fn arrivals_are_read_as_they_were_written() {
        let steps = [
            Some(0),
            None,
            Some(255),
            Some(256),
            Some(-1),
            None,
            Some(i16::MIN),
            Some(3),
        ];
        for len in [0, 1, 6, 7, 8, 15, 448, 1000] {
            let arrivals: Vec<_> = steps.iter().cycle().take(len).copied().collect();
            read(
                |writer| {
                    let said = writer.transport_wide((US, PEER), (-5, 3), 65_500, &arrivals)?;
                    assert_eq!(said, len.min(448));
                    Ok(())
                },
                |feedback| {
                    let FeedbackMessage::TransportWide(report) = feedback.message() else {
                        panic!()
                    };
                    assert_eq!((report.reference, report.feedback_count), (-5, 3));
                    let got: Vec<_> = report.packets().collect();
                    let sequences = (0..).map(|n| 65_500u16.wrapping_add(n));
                    let expected: Vec<_> =
                        sequences.zip(arrivals.iter().take(448).copied()).collect();
                    assert_eq!(got, expected);
                },
            );
        }
    }
}
