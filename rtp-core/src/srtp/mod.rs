//! SRTP and SRTCP (RFC 3711).

mod key;
mod suite;

pub use key::{KeyLengthError, MasterKey};
pub use suite::{Cipher, Suite};
