//! SRTP and SRTCP: privacy and integrity for RTP (RFC 3711), in place and without allocation.
//!
//! [`Outbound`] protects what one side sends, [`Inbound`] unprotects what it receives; each direction has
//! its own [`MasterKey`]. One table of [`Suite`]s drives SDES, DTLS and the cipher.
//!
//! What this does that matters for safety:
//!
//! - **Verify first.** Nothing is decrypted, remembered or answered before the tag has been verified: a
//!   forged packet costs one HMAC and leaves no trace, a flood of forged SSRCs makes no state.
//! - **Replays** fall into a window of 128 for SRTP and for SRTCP. It cannot be turned off.
//! - **Late packets** never move the index back, so that one reordered packet around a rollover cannot
//!   silence the stream.
//! - **Keys** are wiped when dropped and appear in no `Debug` output. (The key that `ring` expands for GCM is its
//!   own, and it has no way to wipe it.)
//!
//! Left out: a key derivation rate other than 0 and AES-f8, which nobody offers.

mod error;
mod gcm;
mod inbound;
mod key;
mod mki;
mod outbound;
mod session;
mod stream;
mod suite;

pub use error::SrtpError;
pub use inbound::Inbound;
pub use key::{KeyLengthError, MasterKey};
pub use outbound::Outbound;
pub use suite::{Cipher, Suite};

/// Bytes that protection adds to an RTCP packet besides its tag: the E bit and the index (RFC 3711 §3.4).
const RTCP_INDEX_LEN: usize = 4;
/// Sources that one direction remembers unless told otherwise. A call has one or two.
const DEFAULT_MAX_STREAMS: usize = 32;
