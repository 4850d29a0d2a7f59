//! RTCP (RFC 3550 §6): compound packets read without a copy and written into the caller's buffer, the
//! wall-clock pair that sender reports need, and the transmission interval.
//!
//! Reduced-size packets (RFC 5506) are read like compound ones. What is not understood is handed out as
//! [`Packet::Other`] with its bytes, so that a relay can pass it on.

mod clock;
mod feedback;
mod interval;
mod packet;
mod write;
mod write_feedback;
mod xr;

pub use clock::{Epoch, NtpTime};
pub(crate) use clock::{from_short, to_short};
pub use feedback::{FeedbackMessage, TransportWide};
pub use interval::{Interval, IntervalParameters};
pub use packet::{
    Compound, Feedback, Goodbye, Packet, ReceiverReport, ReportBlock, RtcpError, SdesChunk,
    SdesItem, SenderInfo, SenderReport, SourceDescription, packet_type, sdes,
};
pub use write::Writer;
pub use xr::{ExtendedReport, VoipMetrics, XrBlock};
