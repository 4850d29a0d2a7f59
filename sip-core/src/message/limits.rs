/// Bounds on what the parser and the framer accept. Passing one is a typed error, never a larger buffer.
///
/// ```
/// use sip_core::{Framer, Limits};
/// let mut limits = Limits::default();
/// limits.headers = 60;
/// limits.body = 16_384;
/// let framer = Framer::stream().with_limits(limits);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// Bytes from the start line to the empty line. Default 65,536: as much as one UDP datagram can hold.
    pub head: usize,
    /// Bytes of one header field, its folds included. Default 16,384: room for a STIR identity or a
    /// long History-Info, four times the URI length that real servers allow.
    pub line: usize,
    /// Header fields of one message, at most 250. Default 250.
    pub headers: usize,
    /// Body bytes. The framer refuses a larger one (413) before it waits for it; a parser that was
    /// given the body takes it. Default 1,048,576.
    pub body: usize,
    /// Bodies within bodies that [`crate::header::Multipart::of`] enters. Default 4.
    pub nesting: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            head: 65_536,
            line: 16_384,
            headers: 250,
            body: 1_048_576,
            nesting: 4,
        }
    }
}
