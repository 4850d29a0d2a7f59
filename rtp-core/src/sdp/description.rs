//! A whole session description and its session-level lines.

use super::{Address, Attributes, Direction, Media, Text};

/// A session description (RFC 8866 §5): one session section, then a section a medium.
///
/// Fields are public: this is data, and an edit of one field changes one line of what is printed.
///
/// ```
/// use rtp_core::sdp::Description;
///
/// let text = "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n\
///             m=audio 4000 RTP/AVP 0\r\na=sendrecv\r\n";
/// let description = Description::parse(text)?;
/// assert_eq!(description.media[0].port, 4000);
/// assert_eq!(description.to_string(), text);
/// # Ok::<(), rtp_core::sdp::ParseError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Description {
    /// `o=`
    pub origin: Origin,
    /// `s=`, `-` when there is no name to show.
    pub name: Text,
    /// `i=`
    pub information: Option<Text>,
    /// `u=`
    pub uri: Option<Text>,
    /// `e=` lines.
    pub emails: Vec<Text>,
    /// `p=` lines.
    pub phones: Vec<Text>,
    /// `c=`, for every medium that has none of its own.
    pub connection: Option<Address>,
    /// `b=` lines.
    pub bandwidths: Vec<Bandwidth>,
    /// `t=` lines with what belongs to them; never empty once parsed.
    pub times: Vec<Timing>,
    /// `a=` lines of the session.
    pub attributes: Attributes,
    /// `m=` sections in order; the order is what offer and answer refer to (RFC 3264 §6).
    pub media: Vec<Media>,
}

impl Description {
    /// An empty session of this origin: `s=-`, `t=0 0` (RFC 3264 §5), no media.
    #[must_use]
    pub fn new(origin: Origin) -> Description {
        Description {
            origin,
            name: Text::from("-"),
            information: None,
            uri: None,
            emails: Vec::new(),
            phones: Vec::new(),
            connection: None,
            bandwidths: Vec::new(),
            times: vec![Timing::default()],
            attributes: Attributes::new(),
            media: Vec::new(),
        }
    }

    /// Where medium `index` is to be sent to: its own `c=`, else the session's.
    #[must_use]
    pub fn connection_of(&self, index: usize) -> Option<&Address> {
        self.media
            .get(index)
            .and_then(|media| media.connections.first())
            .or(self.connection.as_ref())
    }

    /// The direction of medium `index`: its own, else the session's, else `sendrecv` (RFC 8866 §6.7).
    #[must_use]
    pub fn direction_of(&self, index: usize) -> Direction {
        self.media
            .get(index)
            .and_then(|media| Direction::of(&media.attributes))
            .or_else(|| Direction::of(&self.attributes))
            .unwrap_or_default()
    }
}

/// The `o=` line (RFC 8866 §5.2).
///
/// ```text
/// origin-field = "o=" username SP sess-id SP sess-version SP nettype SP addrtype SP unicast-address CRLF
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Origin {
    /// The user, or `-`.
    pub username: String,
    /// The session id: decimal by the grammar, any token in the wild.
    pub session_id: String,
    /// The version, which rises by one with every change (RFC 3264 §8).
    pub version: String,
    /// The address of the creator, for uniqueness only: nothing is sent there.
    pub address: Address,
}

impl Origin {
    /// Of the user `-`.
    #[must_use]
    pub fn new(session_id: u64, version: u64, address: impl Into<Address>) -> Origin {
        Origin {
            username: "-".to_owned(),
            session_id: session_id.to_string(),
            version: version.to_string(),
            address: address.into(),
        }
    }
}

/// A `b=` line (RFC 8866 §5.8).
///
/// ```text
/// bandwidth-field = "b=" bwtype ":" bandwidth CRLF
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Bandwidth {
    /// `CT`, `AS` (kbit/s), `TIAS` (bit/s), `RS`, `RR` (bit/s), or another.
    pub kind: String,
    /// In the unit of its kind.
    pub value: u64,
}

/// A `t=` line (RFC 8866 §5.9) and the `r=` and `z=` lines after it, as text.
///
/// ```text
/// time-field = "t=" start-time SP stop-time CRLF
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Timing {
    /// Seconds since 1900 (NTP), 0 for no bound.
    pub start: u64,
    /// Seconds since 1900 (NTP), 0 for no bound.
    pub stop: u64,
    /// `r=` values.
    pub repeats: Vec<Text>,
    /// The `z=` value.
    pub zones: Option<Text>,
}
