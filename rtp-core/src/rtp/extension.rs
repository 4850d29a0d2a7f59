//! Header extensions with several elements (RFC 8285): one-byte (`0xBEDE`) and two-byte (`0x100x`) form.

use super::packet::BufferTooSmall;

const ONE_BYTE: u16 = 0xbede;
const TWO_BYTE: u16 = 0x1000;

/// One element of a header extension.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Element<'p> {
    /// The local identifier that `a=extmap` gave it: 1–14 in the one-byte form, 1–255 in the two-byte form.
    pub id: u8,
    /// Its data: 1–16 bytes in the one-byte form, 0–255 in the two-byte form.
    pub data: &'p [u8],
}

/// Goes over the elements of a header extension; stops at the first that does not fit, as §4.2 asks.
#[derive(Debug, Clone)]
pub struct Elements<'p> {
    rest: &'p [u8],
    two_byte: bool,
}

impl<'p> Elements<'p> {
    pub(crate) fn new(profile: u16, data: &'p [u8]) -> Elements<'p> {
        let two_byte = profile & 0xfff0 == TWO_BYTE;
        let rest = if two_byte || profile == ONE_BYTE {
            data
        } else {
            &[]
        };
        Elements { rest, two_byte }
    }
}

impl<'p> Iterator for Elements<'p> {
    type Item = Element<'p>;

    fn next(&mut self) -> Option<Element<'p>> {
        loop {
            let (&head, after) = self.rest.split_first()?;
            if head == 0 {
                self.rest = after; // a padding byte
                continue;
            }
            let (id, len, data) = if self.two_byte {
                let (&len, data) = after.split_first()?;
                (head, usize::from(len), data)
            } else {
                // Identifier 15 ends the list (§4.2); identifier 0 with a length is skipped with its data.
                if head >> 4 == 15 {
                    self.rest = &[];
                    return None;
                }
                (head >> 4, usize::from(head & 0x0f) + 1, after)
            };
            if data.len() < len {
                self.rest = &[];
                return None;
            }
            let (data, rest) = data.split_at(len);
            self.rest = rest;
            if id != 0 {
                return Some(Element { id, data });
            }
        }
    }
}

/// Writes elements into a caller's buffer, in the one-byte form, for [`RtpHeader::extension`].
///
/// [`RtpHeader::extension`]: super::RtpHeader::extension
#[derive(Debug)]
pub struct ExtensionWriter<'b> {
    out: &'b mut [u8],
    len: usize,
}

impl<'b> ExtensionWriter<'b> {
    /// An empty list over `out`.
    #[must_use]
    pub fn new(out: &'b mut [u8]) -> ExtensionWriter<'b> {
        ExtensionWriter { out, len: 0 }
    }

    /// Adds an element.
    ///
    /// # Errors
    /// When the buffer is full, the identifier is not 1–14, or the data not 1–16 bytes: the one-byte form
    /// cannot say it.
    pub fn push(&mut self, id: u8, data: &[u8]) -> Result<(), BufferTooSmall> {
        let need = self.len + 1 + data.len();
        if !(1..=14).contains(&id) || !(1..=16).contains(&data.len()) || need > self.out.len() {
            return Err(BufferTooSmall {
                need,
                have: self.out.len(),
            });
        }
        self.out[self.len] = (id << 4) | (data.len() as u8 - 1);
        self.out[self.len + 1..need].copy_from_slice(data);
        self.len = need;
        Ok(())
    }

    /// What to put into [`RtpHeader::extension`](super::RtpHeader::extension); `None` when nothing was added.
    #[must_use]
    pub fn finish(self) -> Option<(u16, &'b [u8])> {
        (self.len > 0).then_some((ONE_BYTE, &self.out[..self.len]))
    }
}
