//! How loud the phone says that its packets are (RFC 6464): where a session mixes its loudest alone, those who are too quiet
//! need not be decoded.

use super::Leg;
use media_mix::{Level, Mixer};
use rtp_core::negotiate::AudioStream;
use rtp_core::rtp::Rtp;

/// The name of the header extension in `a=extmap`.
pub(crate) const AUDIO_LEVEL: &str = "urn:ietf:params:rtp-hdrext:ssrc-audio-level";

/// Packets whose level is remembered until they are played: two and a half seconds of 20 ms.
const KEPT: usize = 128;

/// What packets said, by sequence number, and what was left out.
pub(super) struct Levels {
    /// The extension's id, while it is agreed on.
    id: Option<u8>,
    /// By the sequence number's low bits: the number, and the level in -dBov.
    said: Box<[Option<(u16, u8)>]>,
    /// Of the last frame that was left out.
    last: Level,
    /// Ticks of the RTP clock that were pulled and not decoded, beyond those of the mixer's ticks so far.
    ahead: u32,
    /// Frames left out since the beginning.
    pub(super) left_out: u64,
}

impl Levels {
    pub(super) fn new() -> Self {
        Self {
            id: None,
            said: Box::default(),
            last: Level::SILENCE,
            ahead: 0,
            left_out: 0,
        }
    }

    /// Takes up what SDP agreed on. Only a room that chooses among talkers has use for it.
    pub(super) fn agree(&mut self, stream: &AudioStream, mixer: &Mixer) {
        let mut agreed = stream.extensions.iter();
        let agreed = agreed.find(|extension| extension.uri == AUDIO_LEVEL);
        self.id = agreed
            .filter(|_| mixer.chooses_talkers())
            .and_then(|extension| u8::try_from(extension.id).ok());
        if self.id.is_some() && self.said.is_empty() {
            self.said = vec![None; KEPT].into();
        }
    }

    /// Notes what a packet says of itself: the low seven bits of one byte; the highest says whether it is speech.
    pub(super) fn note(&mut self, rtp: &Rtp<'_>) {
        let Some(id) = self.id else { return };
        let said = rtp.elements().find(|element| element.id == id);
        let level = said.and_then(|element| element.data.first().copied());
        let place = usize::from(rtp.sequence) % KEPT;
        if let Some(place) = self.said.get_mut(place) {
            *place = level.map(|level| (rtp.sequence, level & 0x7f));
        }
    }

    fn of(&self, sequence: u16) -> Option<Level> {
        let (number, level) = (*self.said.get(usize::from(sequence) % KEPT)?)?;
        (number == sequence).then(|| Level::from_wire(level))
    }
}

impl Leg {
    /// Whether this tick is still one of a long frame that was left out; the mixer hears of its level again.
    pub(super) fn is_left_out(&mut self, mixer: &mut Mixer) -> bool {
        let tick = self.tick_units();
        if self.levels.ahead < tick {
            return false;
        }
        self.levels.ahead -= tick;
        mixer.worth_decoding(self.source, self.levels.last);
        true
    }

    /// Whether a frame is too quiet to be mixed. Its time passes all the same; `true` also says how far, by
    /// [`Leg::is_left_out`].
    pub(super) fn leave_out(&mut self, sequence: u16, units: u32, mixer: &mut Mixer) -> bool {
        let Some(level) = self.levels.of(sequence) else {
            return false;
        };
        if mixer.worth_decoding(self.source, level) {
            self.levels.ahead = 0;
            return false;
        }
        self.levels.last = level;
        self.levels.left_out += 1;
        // An unknown length would stop the clock.
        self.levels.ahead = self.levels.ahead.saturating_add(units.max(1));
        // A decoder that missed so much starts from silence.
        self.stopped();
        true
    }

    /// A tick of the mixer on the RTP clock.
    fn tick_units(&self) -> u32 {
        self.jitter.config().clock_rate / 1000 * self.tick_ms
    }
}
