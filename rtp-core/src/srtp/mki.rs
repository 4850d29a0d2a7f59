//! The master key identifier: which of several keys a packet is under (RFC 3711 §3.1, RFC 4568 §6.1).
//!
//! It lies before the tag in counter mode, where the tag ends a packet, and at the very end in GCM, where the
//! tag belongs to the ciphertext (RFC 7714 §8.3, §9.4). It is not signed, and needs not be: a packet with the
//! wrong one is refused, and a packet with the right one still has to verify.

/// Puts `mki` into the first `len` bytes of `buffer`, before the `after` last of them; returns the new length.
/// The caller has made sure that there is room.
pub(crate) fn insert(mki: &[u8], buffer: &mut [u8], len: usize, after: usize) -> usize {
    if mki.is_empty() {
        return len;
    }
    let at = len - after;
    buffer.copy_within(at..len, at + mki.len());
    buffer[at..at + mki.len()].copy_from_slice(mki);
    len + mki.len()
}

/// Takes `mki` out of a packet that has it before its `after` last bytes; returns the length without, or
/// `None`, with the bytes untouched, when it is another or the packet too short.
pub(crate) fn strip(mki: &[u8], packet: &mut [u8], after: usize) -> Option<usize> {
    if mki.is_empty() {
        return Some(packet.len());
    }
    let len = packet.len();
    let at = len.checked_sub(after + mki.len())?;
    if packet[at..at + mki.len()] != *mki {
        return None;
    }
    packet.copy_within(len - after..len, at);
    Some(len - mki.len())
}
