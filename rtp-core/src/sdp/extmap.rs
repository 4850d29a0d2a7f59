//! What RTP header extensions mean: `a=extmap`, and which feedback RTCP may carry: `a=rtcp-fb`.

use super::{AttributeError, Direction};
use std::fmt;
use std::str::FromStr;

/// `a=extmap` (RFC 8285 §8).
///
/// ```text
/// extmap       = mapentry SP extensionname [SP extensionattributes]
/// mapentry     = "extmap:" 1*5DIGIT ["/" direction]
/// extensionname = URI
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ExtMap {
    /// The id on the wire: 1 to 14 in one-byte headers, 1 to 255 in two-byte headers, 4096 and more only in
    /// an offer that lets the answer choose.
    pub id: u16,
    /// Who sends it, when not both.
    pub direction: Option<Direction>,
    /// What it is.
    pub uri: String,
    /// Its parameters, as written.
    pub attributes: Option<String>,
}

impl FromStr for ExtMap {
    type Err = AttributeError;

    fn from_str(value: &str) -> Result<ExtMap, AttributeError> {
        let fail = |expected| AttributeError {
            attribute: "extmap",
            expected,
        };
        let (entry, rest) = value
            .trim()
            .split_once(' ')
            .ok_or(fail("an id and a URI"))?;
        let (id, direction) = match entry.split_once('/') {
            None => (entry, None),
            Some((id, name)) => {
                let direction = Direction::ALL
                    .into_iter()
                    .find(|direction| direction.name() == name);
                (id, Some(direction.ok_or(fail("a direction"))?))
            }
        };
        let id = id.parse().ok().filter(|id| *id > 0).ok_or(fail("an id"))?;
        let rest = rest.trim();
        let (uri, attributes) = match rest.split_once(' ') {
            None => (rest, None),
            Some((uri, attributes)) => (uri, Some(attributes.trim().to_owned())),
        };
        Ok(ExtMap {
            id,
            direction,
            uri: uri.to_owned(),
            attributes,
        })
    }
}

impl fmt::Display for ExtMap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.id)?;
        if let Some(direction) = self.direction {
            write!(f, "/{direction}")?;
        }
        write!(f, " {}", self.uri)?;
        self.attributes
            .iter()
            .try_for_each(|attributes| write!(f, " {attributes}"))
    }
}

/// `a=rtcp-fb` (RFC 4585 §4.2).
///
/// ```text
/// rtcp-fb-syntax = "a=rtcp-fb:" rtcp-fb-pt SP rtcp-fb-val
/// rtcp-fb-pt     = "*" / fmt
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct RtcpFeedback {
    /// The payload type; `None` for all (`*`).
    pub payload_type: Option<u8>,
    /// `nack`, `nack pli`, `ccm fir`, `transport-cc`, as written.
    pub value: String,
}

impl FromStr for RtcpFeedback {
    type Err = AttributeError;

    fn from_str(value: &str) -> Result<RtcpFeedback, AttributeError> {
        let fail = |expected| AttributeError {
            attribute: "rtcp-fb",
            expected,
        };
        let (number, value) = value
            .trim()
            .split_once(' ')
            .ok_or(fail("a payload type and a feedback"))?;
        let payload_type = match number {
            "*" => None,
            number => Some(
                number
                    .parse()
                    .ok()
                    .filter(|n| *n <= 127)
                    .ok_or(fail("a payload type"))?,
            ),
        };
        Ok(RtcpFeedback {
            payload_type,
            value: value.trim().to_owned(),
        })
    }
}

impl fmt::Display for RtcpFeedback {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.payload_type {
            None => write!(f, "* {}", self.value),
            Some(number) => write!(f, "{number} {}", self.value),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_and_prints_extensions() {
        for text in [
            "1 urn:ietf:params:rtp-hdrext:ssrc-audio-level",
            "2/sendonly http://example.com/082005/ext.htm#xmeta short",
            "4096/recvonly urn:x",
        ] {
            assert_eq!(text.parse::<ExtMap>().unwrap().to_string(), text);
        }
        for bad in ["", "1", "0 urn:x", "x urn:x", "1/up urn:x", "65536 urn:x"] {
            assert!(bad.parse::<ExtMap>().is_err(), "{bad}");
        }
    }

    #[test]
    fn reads_and_prints_feedback() {
        for text in ["* nack", "96 nack pli", "111 transport-cc"] {
            assert_eq!(text.parse::<RtcpFeedback>().unwrap().to_string(), text);
        }
        for bad in ["", "96", "128 nack", "x nack"] {
            assert!(bad.parse::<RtcpFeedback>().is_err(), "{bad}");
        }
    }
}
