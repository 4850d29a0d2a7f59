//! Codecs as SDP names them, and when two of them are one.

use super::fmtp;

/// A codec as SDP describes it: data that the application copies from its codec registry.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Codec {
    /// The encoding name of `a=rtpmap`, compared without regard to letter case: `PCMU`, `opus`.
    pub name: String,
    /// Hz of the RTP timestamp: 8000 for G.722 (RFC 3551 §4.5.2), 48000 for Opus (RFC 7587 §4.1).
    pub clock_rate: u32,
    /// Channels of `a=rtpmap`: 2 for Opus whatever it carries (RFC 7587 §7).
    pub channels: u8,
    /// The value of `a=fmtp`, when there is one.
    pub fmtp: Option<String>,
    /// The payload type that our offers give it, when free; without, RFC 3551's, or a dynamic one.
    pub payload_type: Option<u8>,
}

impl Codec {
    /// One channel, no `fmtp`, no preferred payload type.
    #[must_use]
    pub fn new(name: &str, clock_rate: u32) -> Codec {
        Codec {
            name: name.to_owned(),
            clock_rate,
            channels: 1,
            fmtp: None,
            payload_type: None,
        }
    }

    /// With so many channels.
    #[must_use]
    pub fn with_channels(self, channels: u8) -> Codec {
        Codec { channels, ..self }
    }

    /// With these format parameters.
    #[must_use]
    pub fn with_fmtp(self, parameters: &str) -> Codec {
        Codec {
            fmtp: Some(parameters.to_owned()),
            ..self
        }
    }

    /// With a payload type to prefer in offers, 0 to 127.
    #[must_use]
    pub fn with_payload_type(self, payload_type: u8) -> Codec {
        Codec {
            payload_type: Some(payload_type),
            ..self
        }
    }

    /// What RFC 3551 §6 assigns to a payload type (audio, tables 4 and 5).
    ///
    /// ```
    /// use rtp_core::negotiate::Codec;
    /// assert_eq!(Codec::of_static(9), Some(Codec::new("G722", 8000).with_payload_type(9)));
    /// assert_eq!(Codec::of_static(96), None);
    /// ```
    #[must_use]
    pub fn of_static(payload_type: u8) -> Option<Codec> {
        STATIC.iter().find(|row| row.0 == payload_type).map(
            |&(number, name, clock_rate, channels)| {
                Codec::new(name, clock_rate)
                    .with_channels(channels)
                    .with_payload_type(number)
            },
        )
    }

    /// The payload type that RFC 3551 assigns to this codec.
    #[must_use]
    pub fn static_payload_type(&self) -> Option<u8> {
        STATIC
            .iter()
            .find(|row| {
                row.1.eq_ignore_ascii_case(&self.name)
                    && (row.2, row.3) == (self.clock_rate, self.channels)
            })
            .map(|row| row.0)
    }

    /// Whether both are the same codec and their parameters can work together.
    #[must_use]
    pub fn matches(&self, other: &Codec) -> bool {
        self.same_encoding(other)
            && fmtp::compatible(&self.name, self.fmtp.as_deref(), other.fmtp.as_deref())
    }

    fn same_encoding(&self, other: &Codec) -> bool {
        self.name.eq_ignore_ascii_case(&other.name)
            && self.clock_rate == other.clock_rate
            // Phones exist that write opus/48000; it is never anything but opus/48000/2.
            && (self.channels == other.channels || self.is("opus"))
    }

    pub(super) fn is(&self, name: &str) -> bool {
        self.name.eq_ignore_ascii_case(name)
    }

    /// DTMF by RFC 4733.
    pub(super) fn is_telephone_event(&self) -> bool {
        self.is(TELEPHONE_EVENT)
    }

    /// Whether it carries the conversation; the others only accompany it.
    pub(super) fn is_speech(&self) -> bool {
        !(self.is_telephone_event() || self.is("CN") || self.is("red") || self.is("tone"))
    }
}

pub(super) const TELEPHONE_EVENT: &str = "telephone-event";

/// Payload type, name, clock rate in Hz, channels.
const STATIC: &[(u8, &str, u32, u8)] = &[
    (0, "PCMU", 8_000, 1),
    (3, "GSM", 8_000, 1),
    (4, "G723", 8_000, 1),
    (5, "DVI4", 8_000, 1),
    (6, "DVI4", 16_000, 1),
    (7, "LPC", 8_000, 1),
    (8, "PCMA", 8_000, 1),
    (9, "G722", 8_000, 1),
    (10, "L16", 44_100, 2),
    (11, "L16", 44_100, 1),
    (12, "QCELP", 8_000, 1),
    (13, "CN", 8_000, 1),
    (14, "MPA", 90_000, 1),
    (15, "G728", 8_000, 1),
    (16, "DVI4", 11_025, 1),
    (17, "DVI4", 22_050, 1),
    (18, "G729", 8_000, 1),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_static_types_both_ways() {
        for row in STATIC {
            let codec = Codec::of_static(row.0).unwrap();
            assert_eq!(codec.static_payload_type(), Some(row.0));
        }
        assert_eq!(Codec::new("pcmu", 8_000).static_payload_type(), Some(0));
        assert_eq!(Codec::new("PCMU", 16_000).static_payload_type(), None);
    }

    #[test]
    fn opus_needs_no_channels_to_be_opus() {
        let ours = Codec::new("opus", 48_000).with_channels(2);
        assert!(ours.matches(&Codec::new("OPUS", 48_000)));
        assert!(!ours.matches(&Codec::new("opus", 8_000)));
        assert!(!Codec::new("L16", 44_100).matches(&Codec::new("L16", 44_100).with_channels(2)));
    }
}
