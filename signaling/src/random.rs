//! Random bytes, as the application hands them in.

use std::fmt;
use std::sync::Arc;

type Fill = dyn Fn(&mut [u8]) + Send + Sync;

/// A source of random bytes for one machine.
type Boxed = Box<dyn FnMut(&mut [u8]) + Send>;

/// A cryptographic source of random bytes that any thread may ask, such as the operating system's.
///
/// Tags, branches, SSRCs, the order of retries and SRTP keys come from it; a test may replay one.
#[derive(Clone)]
pub struct Random(Arc<Fill>);

impl Random {
    /// Wraps a function that fills a slice with bytes nobody can foresee.
    pub fn new(fill: impl Fn(&mut [u8]) + Send + Sync + 'static) -> Self {
        Self(Arc::new(fill))
    }

    /// A source of its own for a machine that takes one.
    pub fn boxed(&self) -> Boxed {
        let fill = self.0.clone();
        Box::new(move |bytes| fill(bytes))
    }

    /// A name that nobody can guess and that is not drawn twice: 122 random bits as a UUID of version 4 (RFC 9562).
    pub fn uuid(&self) -> String {
        let mut bytes = [0; 16];
        (self.0)(&mut bytes);
        bytes[6] = bytes[6] & 0x0f | 0x40;
        bytes[8] = bytes[8] & 0x3f | 0x80;
        let mut text = String::with_capacity(36);
        for (at, byte) in bytes.iter().enumerate() {
            if matches!(at, 4 | 6 | 8 | 10) {
                text.push('-');
            }
            text.push_str(&format!("{byte:02x}"));
        }
        text
    }

    /// A number of 62 bits: what every implementation can read as a session id in SDP.
    pub(crate) fn number(&self) -> u64 {
        let mut bytes = [0; 8];
        (self.0)(&mut bytes);
        u64::from_be_bytes(bytes) >> 2
    }
}

impl fmt::Debug for Random {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Random")
    }
}

#[cfg(test)]
mod tests {
    use super::Random;

    #[test]
    fn names_are_uuids_of_version_4() {
        let ones = Random::new(|bytes| bytes.fill(0xff));
        assert_eq!(ones.uuid(), "ffffffff-ffff-4fff-bfff-ffffffffffff");
        let zeros = Random::new(|bytes| bytes.fill(0));
        assert_eq!(zeros.uuid(), "00000000-0000-4000-8000-000000000000");
    }
}
