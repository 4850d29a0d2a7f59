//! Telephony codecs, sample rate conversion, and an exact N-way mixer in which nobody hears themselves.
//!
//! The crate holds no socket, clock, thread or lock. Payloads and PCM come in, PCM and payloads go out, and the caller
//! says when a tick of 10 or 20 ms has passed:
//!
//! 1. decode what arrived ([`codec::Decoder::decode`]), or make up what did not ([`codec::Decoder::conceal`]);
//! 2. [`Mixer::push`] it, until [`Mixer::buffered`] reaches [`Mixer::wanted`];
//! 3. [`Mixer::tick`];
//! 4. take what each listener hears: PCM from [`Mixer::heard_by`], payloads from [`Mixer::payload`];
//! 5. send it, and wait for the next tick.
//!
//! Three people on phones of three kinds, each at the rate of its own codec:
//!
//! ```
//! use media_mix::{Mixer, Rate, Tone};
//!
//! let mut mixer = Mixer::default();
//! let rates = [Rate::Khz8, Rate::Khz16, Rate::Khz48];
//! let mut people = Vec::new();
//! for (rate, hz) in rates.into_iter().zip([440.0, 660.0, 1020.0]) {
//!     let (source, listener) = mixer.add_participant(rate)?;
//!     people.push((rate, source, listener, Tone::new(rate, hz, -20.0)));
//! }
//!
//! for (rate, source, _, voice) in &mut people {
//!     let mut frame = vec![0; rate.samples(20)];
//!     voice.fill(&mut frame);
//!     let _ = mixer.push(*source, &frame);
//! }
//! let tick = mixer.tick();
//! assert!(tick.sources.iter().all(|source| source.speaking));
//!
//! for (rate, _, listener, _) in &people {
//!     // 20 ms of the two others, at this one's rate.
//!     assert_eq!(mixer.heard_by(*listener, *rate).len(), rate.samples(20));
//! }
//! # Ok::<(), media_mix::MixerError>(())
//! ```
//!
//! Around the mixer: [`Resampler`], concealment ([`plc`]), time [`stretch()`] and [`shrink`], [`ComfortNoise`], WAV files
//! ([`wav`]), Ogg Opus ([`ogg`]), [`Player`], [`Recorder`] and [`tap()`], tones ([`Tone`], [`ProgressTone`]), detectors ([`Level`],
//! [`VoiceDetector`], [`DtmfDetector`], [`SilenceClock`]) and stages ([`GainControl`], [`NoiseGate`]).
//!
//! PCM is 16-bit; voices are mono, and have a place between left and right for those who listen in stereo. What the crate deliberately leaves out: packets, jitter buffers, SDP (those are
//! `rtp-core`'s), file systems and devices.
//!
//! # Features
//!
//! None by default: everything builds with nothing but `cargo`. MSRV 1.89.
//!
//! - `opus`: Opus by libopus, built from source; needs cmake and a C compiler.
//! - `audiopus`: Opus by the system's libopus. With either, [`codec::opus::Library`] says which is used.
//! - `futures`: taps as `futures::Stream` and `Sink`.
//! - `rubato`: `VariableResampler`, for 44.1 kHz and for clocks that drift.
//!
//! # Unsafe code
//!
//! Denied, but for one call in `simd.rs` into loops compiled for AVX2, after asking whether the machine has it. Every one
//! of them is tested to give the same bits as its plain form.

#![deny(unsafe_code)]
#![warn(missing_docs)]

pub mod codec;
mod comfort;
mod dtmf;
mod dynamics;
mod error;
mod kernels;
mod level;
mod math;
pub mod mixer;
pub mod ogg;
mod player;
pub mod plc;
mod progress;
mod rate;
mod recorder;
mod resample;
mod simd;
mod stretch;
mod tap;
mod tone;
mod vad;
pub mod wav;

pub use codec::{Codec, CodecOptions, Decoder, Description, Encoder, Registry};
pub use comfort::{ComfortNoise, NoiseAnalyser};
pub use dtmf::{DtmfDetector, Key};
pub use dynamics::{GainControl, NoiseGate, SilenceClock};
pub use error::{CodecError, UnsupportedRate};
pub use level::Level;
pub use mixer::{
    Audience, Chime, ListenerId, Mixer, MixerConfig, MixerError, Push, SourceId, SourceReport,
    SourceStats, Tick, TickLength,
};
pub use player::{Clip, Player};
pub use progress::{Country, Progress, ProgressTone};
pub use rate::Rate;
pub use recorder::{Recorded, Recorder};
pub use resample::Resampler;
#[cfg(feature = "rubato")]
pub use resample::VariableResampler;
pub use stretch::{shrink, stretch};
#[cfg(feature = "futures")]
pub use tap::{TapAbandoned, TapSink, TapStream};
pub use tap::{TapReader, TapWriter, tap};
pub use tone::Tone;
pub use vad::VoiceDetector;

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
