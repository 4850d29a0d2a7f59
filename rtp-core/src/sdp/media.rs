//! A media section.

use super::{Address, Attributes, Bandwidth, Text};
use std::convert::Infallible;
use std::fmt;
use std::str::FromStr;

/// A media section (RFC 8866 §5.14).
///
/// ```text
/// media-field = "m=" media SP port ["/" integer] SP proto 1*(SP fmt) CRLF
/// media       = token
/// port        = 1*DIGIT
/// proto       = token *("/" token)
/// fmt         = token
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Media {
    /// What it carries.
    pub kind: MediaKind,
    /// The port; 0 refuses or removes the stream (RFC 3264 §6, §8.2).
    pub port: u16,
    /// How many port pairs, when said (layered or multicast media).
    pub port_count: Option<u32>,
    /// The transport protocol.
    pub protocol: Protocol,
    /// The formats in order of preference: payload types for RTP. Never empty once parsed.
    pub formats: Vec<String>,
    /// `i=`
    pub information: Option<Text>,
    /// `c=` lines: one as a rule.
    pub connections: Vec<Address>,
    /// `b=` lines.
    pub bandwidths: Vec<Bandwidth>,
    /// `a=` lines.
    pub attributes: Attributes,
}

impl Media {
    /// A section without formats and attributes.
    #[must_use]
    pub fn new(kind: MediaKind, port: u16, protocol: Protocol) -> Media {
        Media {
            kind,
            port,
            port_count: None,
            protocol,
            formats: Vec::new(),
            information: None,
            connections: Vec::new(),
            bandwidths: Vec::new(),
            attributes: Attributes::new(),
        }
    }

    /// The formats that are RTP payload types (0 to 127), in order; others are passed over.
    pub fn payload_types(&self) -> impl Iterator<Item = u8> + '_ {
        self.formats
            .iter()
            .filter_map(|format| format.parse().ok().filter(|n| *n <= 127))
    }
}

macro_rules! names {
    ($(#[$doc:meta])* $type:ident { $($(#[$vdoc:meta])* $variant:ident = $name:literal,)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum $type {
            $($(#[$vdoc])* $variant,)*
            /// Another, as written.
            Other(String),
        }

        impl $type {
            /// As written in SDP.
            #[must_use]
            pub fn as_str(&self) -> &str {
                match self {
                    $($type::$variant => $name,)*
                    $type::Other(name) => name,
                }
            }
        }

        impl FromStr for $type {
            type Err = Infallible;
            fn from_str(name: &str) -> Result<$type, Infallible> {
                Ok(match name {
                    $($name => $type::$variant,)*
                    other => $type::Other(other.to_owned()),
                })
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }
    };
}

names! {
    /// What a medium carries (RFC 8866 §8.2.2).
    MediaKind {
        /// Sound.
        Audio = "audio",
        /// Pictures that move.
        Video = "video",
        /// Real-time text (RFC 4103).
        Text = "text",
        /// Data (RFC 8841), far-end camera control, and others.
        Application = "application",
        /// Messages (RFC 4975).
        Message = "message",
        /// Fax (T.38).
        Image = "image",
    }
}

names! {
    /// The transport protocol of a medium (RFC 8866 §8.2.3).
    Protocol {
        /// RTP in the clear (RFC 3551).
        RtpAvp = "RTP/AVP",
        /// RTP in the clear with early feedback (RFC 4585).
        RtpAvpf = "RTP/AVPF",
        /// SRTP, keyed by SDES as a rule (RFC 3711).
        RtpSavp = "RTP/SAVP",
        /// SRTP with early feedback (RFC 5124).
        RtpSavpf = "RTP/SAVPF",
        /// SRTP keyed by DTLS (RFC 5764).
        UdpTlsRtpSavp = "UDP/TLS/RTP/SAVP",
        /// SRTP keyed by DTLS with early feedback: what browsers speak.
        UdpTlsRtpSavpf = "UDP/TLS/RTP/SAVPF",
    }
}
