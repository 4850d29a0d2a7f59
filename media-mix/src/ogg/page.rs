//! One page of RFC 3533 section 6, filled packet by packet.

/// Segments of a page at most.
const SEGMENTS: usize = 255;
/// Bytes before the segment table.
const HEADER: usize = 27;

/// The first page of a stream, and the last.
pub(super) const FIRST: u8 = 2;
pub(super) const LAST: u8 = 4;

/// A page that is being filled.
#[derive(Debug, Default)]
pub(super) struct Page {
    lacing: Vec<u8>,
    body: Vec<u8>,
    out: Vec<u8>,
}

impl Page {
    /// Whether there is nothing in it.
    pub(super) fn is_empty(&self) -> bool {
        self.lacing.is_empty()
    }

    /// Adds a packet as a whole; `false` when it does not fit any more, or ever.
    pub(super) fn add(&mut self, packet: &[u8]) -> bool {
        // A packet ends with a segment of less than 255 bytes, be it empty.
        let segments = packet.len() / 255 + 1;
        if self.lacing.len() + segments > SEGMENTS {
            return false;
        }
        self.lacing.extend(std::iter::repeat_n(255, segments - 1));
        self.lacing.push((packet.len() % 255) as u8);
        self.body.extend_from_slice(packet);
        true
    }

    /// The page as bytes; it is empty afterwards.
    pub(super) fn close(&mut self, flags: u8, granule: u64, serial: u32, number: u32) -> &[u8] {
        let out = &mut self.out;
        out.clear();
        out.reserve(HEADER + self.lacing.len() + self.body.len());
        out.extend_from_slice(b"OggS");
        out.extend_from_slice(&[0, flags]);
        out.extend_from_slice(&granule.to_le_bytes());
        out.extend_from_slice(&serial.to_le_bytes());
        out.extend_from_slice(&number.to_le_bytes());
        out.extend_from_slice(&[0; 4]);
        out.push(self.lacing.len() as u8);
        out.append(&mut self.lacing);
        out.append(&mut self.body);
        let sum = checksum(out);
        out[22..26].copy_from_slice(&sum.to_le_bytes());
        out
    }
}

/// CRC-32 by x^32 + x^26 + x^23 + … + 1 (0x04C11DB7), most significant bit first, from 0, not inverted (RFC 3533
/// section 6, field 7).
fn checksum(bytes: &[u8]) -> u32 {
    const TABLE: [u32; 256] = {
        let mut table = [0; 256];
        let mut n = 0;
        while n < 256 {
            let mut sum = (n as u32) << 24;
            let mut bit = 0;
            while bit < 8 {
                sum = (sum << 1) ^ if sum >> 31 == 1 { 0x04C1_1DB7 } else { 0 };
                bit += 1;
            }
            table[n] = sum;
            n += 1;
        }
        table
    };
    bytes.iter().fold(0, |sum, &byte| {
        (sum << 8) ^ TABLE[usize::from((sum >> 24) as u8 ^ byte)]
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packets_are_laced_by_255_and_only_whole_ones_are_taken() {
        let mut page = Page::default();
        assert!(page.is_empty());
        assert!(page.add(&[1; 254]) && page.add(&[2; 255]) && page.add(&[]));
        assert!(!page.add(&vec![3; 255 * 251]), "252 segments");
        assert!(page.add(&vec![3; 255 * 250]), "251 segments: full");
        assert!(!page.add(&[]));
        let bytes = page.close(FIRST, 7, 9, 1).to_vec();
        assert_eq!(bytes[26], 255);
        assert_eq!(bytes[27..31], [254, 255, 0, 0]);
        assert_eq!(bytes.len(), 27 + 255 + 254 + 255 + 255 * 250);
        assert!(page.is_empty());
    }

    #[test]
    fn the_checksum_is_that_of_the_polynomial() {
        // CRC-32/MPEG-2 with an initial value of 0: for one byte it is the table's entry.
        assert_eq!(checksum(&[1]), 0x04C1_1DB7);
        assert_eq!(checksum(&[]), 0);
        assert_eq!(checksum(b"123456789"), 0x89A1_897F);
    }
}
