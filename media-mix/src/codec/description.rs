//! What a codec is, said once: SDP, RTP and the E-model all read it from here.

use crate::Rate;

/// One codec as SDP, RTP and the E-model see it.
///
/// Build one for a codec of your own with [`Description::new`] and set the fields that differ.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Description {
    /// Encoding name of `a=rtpmap`, compared without regard to case (RFC 8866 section 6.6).
    pub name: &'static str,
    /// Clock rate of `a=rtpmap`, Hz: what RTP timestamps count. For G.722 it is 8000 although the codec samples
    /// at 16000 (RFC 3551 section 4.5.2).
    pub clock_rate: u32,
    /// Channels of `a=rtpmap`; always 2 for Opus, whatever is in the packets (RFC 7587 section 7).
    pub rtp_channels: u8,
    /// Rate of the PCM that the decoder gives and the encoder takes.
    pub rate: Rate,
    /// Channels of that PCM, interleaved.
    pub channels: u8,
    /// The static payload type of RFC 3551 table 4, if there is one.
    pub payload_type: Option<u8>,
    /// Parameters to offer in `a=fmtp`; empty for none.
    pub fmtp: &'static str,
    /// Frame durations that the encoder takes, ms, shortest first.
    pub frame_ms: &'static [u8],
    /// The frame duration to use when nobody asks for another, ms.
    pub ptime_ms: u8,
    /// Bits a second at the default options, without packet headers.
    pub bitrate: u32,
    /// Delay that encoder and decoder add together beyond the frame itself, in samples at [`Self::rate`].
    pub delay_samples: u32,
    /// Whether one packet may carry a copy of the one before it.
    pub fec: bool,
    /// Equipment impairment factor Ie (ITU-T G.113 appendix I; for codecs it does not list, see the codec's module).
    pub ie: f32,
    /// The same on the wideband scale (ITU-T G.107.1; G.113 appendix IV), `None` for a codec of narrow band.
    pub ie_wideband: Option<f32>,
    /// Packet-loss robustness Bpl with this crate's concealment, on the scale of [`Self::ie_wideband`] where there is
    /// one. G.113 appendix I has G.711's; the others' are fitted to scores of speech, see the codec's module.
    pub bpl: f32,
}

impl Description {
    /// A mono codec without a static payload type, fmtp or FEC, framed in 20 ms, and with Ie 0 and Bpl 10.
    pub fn new(name: &'static str, clock_rate: u32, rate: Rate) -> Self {
        Description {
            name,
            clock_rate,
            rtp_channels: 1,
            rate,
            channels: 1,
            payload_type: None,
            fmtp: "",
            frame_ms: &[20],
            ptime_ms: 20,
            bitrate: 64_000,
            delay_samples: 0,
            fec: false,
            ie: 0.0,
            ie_wideband: None,
            bpl: 10.0,
        }
    }

    /// Whether `a=rtpmap:… name/clock_rate/channels` means this codec. Leave out channels as 1, as SDP does.
    pub fn matches(&self, name: &str, clock_rate: u32, channels: u8) -> bool {
        self.clock_rate == clock_rate
            && self.rtp_channels == channels
            && self.name.eq_ignore_ascii_case(name)
    }

    /// Samples of PCM in a frame of `ms` milliseconds, all channels together.
    pub fn frame_samples(&self, ms: usize) -> usize {
        self.rate.samples(ms) * usize::from(self.channels)
    }

    /// RTP clock units in a frame of `ms` milliseconds.
    pub fn rtp_units(&self, ms: usize) -> u32 {
        (u64::from(self.clock_rate) * ms as u64 / 1000) as u32
    }
}
