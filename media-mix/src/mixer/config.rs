//! Bounds and habits of a mixer.

use crate::level::Level;

/// How often [`Mixer::tick`](super::Mixer::tick) is called.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TickLength {
    /// Every 10 ms.
    Ms10,
    /// Every 20 ms.
    #[default]
    Ms20,
}

impl TickLength {
    /// In milliseconds.
    pub const fn ms(self) -> usize {
        match self {
            TickLength::Ms10 => 10,
            TickLength::Ms20 => 20,
        }
    }
}

/// Bounds and habits of a mixer. Every field has a default.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct MixerConfig {
    /// Default 20 ms.
    pub tick: TickLength,
    /// Sources at most. Default 1024; no more than 4096 are taken, so that sums cannot overflow.
    pub max_sources: usize,
    /// Listeners at most. Default 4096.
    pub max_listeners: usize,
    /// PCM that a source's ring holds, ms. Default 200: enough for three 60 ms packets, little enough to stay prompt.
    pub ring_ms: usize,
    /// How many talkers are mixed, the loudest first; the rest are not heard. Default `None`: all.
    pub max_talkers: Option<usize>,
    /// A source this loud or louder speaks. Default -50 dBov.
    pub speaks_from: Level,
    /// For how long it still speaks after it fell silent, ms. Default 400: a pause between words.
    pub hangover_ms: usize,
    /// For how long a listener keeps an encoder of its own after it last needed one, ms. Default 500.
    pub own_encoder_ms: usize,
}

impl Default for MixerConfig {
    fn default() -> Self {
        MixerConfig {
            tick: TickLength::Ms20,
            max_sources: 1024,
            max_listeners: 4096,
            ring_ms: 200,
            max_talkers: None,
            speaks_from: Level::from_wire(50),
            hangover_ms: 400,
            own_encoder_ms: 500,
        }
    }
}
