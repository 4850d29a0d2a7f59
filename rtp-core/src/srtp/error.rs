//! Why a packet was not protected or not believed.

/// What SRTP refused. On the way in, every one means: drop the packet and count it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum SrtpError {
    /// Not an RTP or RTCP packet, or too short to carry a tag.
    #[error("not a protected packet")]
    Malformed,
    /// The tag is wrong: forged, damaged, or under another key.
    #[error("the authentication tag is wrong")]
    Authentication,
    /// It carries another master key identifier than the key's, or none.
    #[error("the packet is under a key that is not ours")]
    UnknownKey,
    /// Seen before.
    #[error("replayed")]
    Replayed,
    /// Too far behind the newest to tell whether it was seen before.
    #[error("older than the replay window")]
    TooOld,
    /// An authenticated SRTCP packet that is not encrypted although the suite encrypts.
    #[error("RTCP came unencrypted under a suite that encrypts")]
    NotEncrypted,
    /// Authenticated, but of one source more than is remembered.
    #[error("too many sources under one key")]
    TooManyStreams,
    /// The index space of the key is used up: agree on a new key (RFC 3711 §9.2).
    #[error("the key has protected all the packets that it may")]
    KeyExhausted,
    /// The buffer has no room for the tag.
    #[error("the buffer holds {have} bytes, {need} are needed")]
    BufferTooSmall {
        /// Bytes needed.
        need: usize,
        /// Bytes there.
        have: usize,
    },
}
