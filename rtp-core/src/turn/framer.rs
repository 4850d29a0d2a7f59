//! Messages out of a stream (RFC 8656 §3.2, §12.5).

/// The longest message, in bytes: a STUN header and what its length can say.
const MAX_MESSAGE: usize = 20 + 65_535;

/// Bytes that may wait to be taken.
const MAX_WAITING: usize = 2 * MAX_MESSAGE;

/// Why a stream is of no use any more. Close it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FramingError {
    /// The bytes are neither STUN nor a channel's.
    #[error("the stream does not carry TURN")]
    NotTurn,
    /// Nobody took the messages.
    #[error("more bytes wait than may")]
    Full,
}

/// Cuts what a stream brings into messages. It keeps at most 128 KiB.
///
/// ```
/// let mut framer = rtp_core::turn::Framer::new();
/// // Five bytes on channel 0x4000, padded to eight, in two pieces.
/// framer.push(&[0x40, 0x00, 0, 5, b's', b'o'])?;
/// assert_eq!(framer.next_message()?, None);
/// framer.push(&[b'u', b'n', b'd', 0, 0, 0, 0x40])?;
/// assert_eq!(framer.next_message()?, Some(&b"\x40\x00\x00\x05sound"[..]));
/// assert_eq!(framer.next_message()?, None);
/// # Ok::<(), rtp_core::turn::FramingError>(())
/// ```
#[derive(Debug, Default)]
pub struct Framer {
    buffer: Vec<u8>,
    /// What has been taken.
    taken: usize,
    error: Option<FramingError>,
}

impl Framer {
    /// A stream at its beginning.
    #[must_use]
    pub fn new() -> Framer {
        Framer::default()
    }

    /// Takes bytes of the stream. Take the messages before the next ones come.
    ///
    /// # Errors
    /// When the stream is of no use any more, now or before.
    pub fn push(&mut self, bytes: &[u8]) -> Result<(), FramingError> {
        self.buffer.drain(..self.taken);
        self.taken = 0;
        if self.buffer.len() + bytes.len() > MAX_WAITING {
            self.error = self.error.or(Some(FramingError::Full));
        }
        match self.error {
            Some(error) => Err(error),
            None => {
                self.buffer.extend_from_slice(bytes);
                Ok(())
            }
        }
    }

    /// The next whole message, without padding.
    ///
    /// # Errors
    /// When what comes next is none. It stays so: nobody knows where the next one would begin.
    pub fn next_message(&mut self) -> Result<Option<&[u8]>, FramingError> {
        if let Some(error) = self.error {
            return Err(error);
        }
        let rest = &self.buffer[self.taken..];
        let [first, _, high, low, more @ ..] = rest else {
            return Ok(None);
        };
        let length = usize::from(u16::from_be_bytes([*high, *low]));
        let cookie = [0x21, 0x12, 0xa4, 0x42];
        let is_stun = first >> 6 == 0
            && length % 4 == 0
            && more.iter().zip(&cookie).all(|(byte, of)| byte == of);
        // Lengths to hand out, and to skip.
        let (whole, padded) = match first >> 6 {
            0 if is_stun => (20 + length, 20 + length),
            // Channels are 0x4000 to 0x4fff.
            1 if *first <= 0x4f => (4 + length, 4 + length.next_multiple_of(4)),
            _ => {
                self.error = Some(FramingError::NotTurn);
                return Err(FramingError::NotTurn);
            }
        };
        if rest.len() < padded {
            return Ok(None);
        }
        let at = self.taken;
        self.taken += padded;
        Ok(Some(&self.buffer[at..at + whole]))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::stun::{BINDING, Builder, Class, TransactionId};

    fn stream() -> (Vec<Vec<u8>>, Vec<u8>) {
        let stun = Builder::new(Class::Request, BINDING, TransactionId([7; 12])).finish(None);
        let mut messages = vec![stun];
        for length in 0..9u8 {
            let mut channel = vec![0x40, 0, 0, length];
            channel.resize(4 + usize::from(length), 0xee);
            messages.push(channel);
        }
        let mut bytes = Vec::new();
        for message in &messages {
            bytes.extend_from_slice(message);
            bytes.resize(bytes.len().next_multiple_of(4), 0xff);
        }
        (messages, bytes)
    }

    #[test]
    fn messages_come_out_whole_however_the_stream_is_cut() {
        let (messages, bytes) = stream();
        for piece in 1..=bytes.len() {
            let (mut framer, mut out) = (Framer::new(), Vec::new());
            for piece in bytes.chunks(piece) {
                framer.push(piece).unwrap();
                while let Some(message) = framer.next_message().unwrap() {
                    out.push(message.to_vec());
                }
            }
            assert_eq!(out, messages, "in pieces of {piece}");
        }
    }

    #[test]
    fn what_is_not_turn_ends_the_stream_for_good() {
        for wrong in [
            &b"\x16\x03\x01\x02\x00\x01\x00\x01"[..],
            &[0, 1, 0, 3, 0x21, 0x12, 0xa4, 0x42],
            &[0, 1, 0, 4, 0x21, 0x12, 0xa4, 0x43],
            &[0x50, 0, 0, 0],
            &[0x80, 0, 0, 0],
        ] {
            let mut framer = Framer::new();
            framer.push(&stream().1).unwrap();
            while framer.next_message().unwrap().is_some() {}
            framer.push(wrong).unwrap();
            assert_eq!(framer.next_message(), Err(FramingError::NotTurn));
            assert_eq!(framer.push(&stream().1), Err(FramingError::NotTurn));
            assert_eq!(framer.next_message(), Err(FramingError::NotTurn));
        }
    }

    #[test]
    fn it_keeps_no_more_than_it_says() {
        let mut framer = Framer::new();
        let full = (0..10_000).find(|_| framer.push(&[0x40; 64]).is_err());
        assert_eq!(full, Some(MAX_WAITING / 64));
        assert_eq!(framer.push(&[]), Err(FramingError::Full));
    }
}
