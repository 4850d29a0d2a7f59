//! What a tick found.

use super::SourceId;
use crate::level::Level;

/// What a source did in one tick.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SourceReport {
    /// Which source.
    pub source: SourceId,
    /// What it sent, before mute and gain.
    pub level: Level,
    /// It is loud enough, or was a moment ago, and is not muted.
    pub speaking: bool,
    /// It is part of the mix: not muted, and among the loudest if their number is limited.
    pub mixed: bool,
}

/// What [`Mixer::tick`](super::Mixer::tick) found.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Tick<'m> {
    /// Ticks so far, this one included.
    pub number: u64,
    /// Every source, in no particular order.
    pub sources: &'m [SourceReport],
    /// Encoders that ran for more than one listener, or might have.
    pub shared_encoders: usize,
    /// Encoders that ran for one listener alone.
    pub own_encoders: usize,
}
