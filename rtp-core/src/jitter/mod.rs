//! An adaptive jitter buffer for sound: packets go in as they come, and at each pull it says what to play.
//!
//! It knows no codec. [`JitterBuffer::pull`] hands out one payload at a time, or says what to do without one;
//! the caller decodes, conceals, stretches. It pulls whenever it has less sound left than its next tick needs,
//! so that packets of 10, 30 or 60 ms and clocks that drift need no special case: a sender that is too fast
//! fills the buffer and causes [`Playout::Shrink`], one that is too slow causes [`Playout::Stretch`].
//!
//! How the delay is found: a packet's *transit* is its arrival time minus its timestamp. The least transit of
//! the last seconds is the line that an undelayed packet keeps to; how far others lie above it is their
//! jitter. The target is the delay at which all but a few in a thousand of the last 512 packets would have
//! been in time. The playout delay is measured on the same line, at each pull, and steered to the target.
//!
//! Everything is bounded: delay, memory, and the work of a call. The same inputs give the same outputs. Once
//! every slot has held a packet of the usual size, nothing is allocated.

mod buffer;
mod delay;
mod slots;

pub use buffer::{Frame, JitterBuffer, JitterConfig, JitterStats, Playout, Push};
