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
