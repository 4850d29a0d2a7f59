//! What a payload type means: `a=rtpmap` and `a=fmtp`.

use super::AttributeError;
use std::fmt;
use std::str::FromStr;

/// `a=rtpmap` (RFC 8866 §6.6).
///
/// ```text
/// rtpmap-value    = payload-type SP encoding-name "/" clock-rate [ "/" encoding-params ]
/// payload-type    = zero-based-integer
/// encoding-name   = token
/// clock-rate      = integer
/// encoding-params = channels
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct RtpMap {
    /// The payload type, 0 to 127.
    pub payload_type: u8,
    /// The encoding name; compared without regard to letter case.
    pub encoding: String,
    /// Hz of the RTP timestamp.
    pub clock_rate: u32,
    /// Channels, when said; 1 by default.
    pub channels: Option<u8>,
}

impl FromStr for RtpMap {
    type Err = AttributeError;

    fn from_str(value: &str) -> Result<RtpMap, AttributeError> {
        let fail = |expected| AttributeError {
            attribute: "rtpmap",
            expected,
        };
        let (payload_type, rest) = payload_type(value).ok_or(fail("a payload type and a space"))?;
        let mut parts = rest.trim().split('/');
        let encoding = parts
            .next()
            .filter(|name| !name.is_empty())
            .ok_or(fail("an encoding name"))?;
        let clock_rate = parts
            .next()
            .and_then(|rate| rate.trim().parse().ok())
            .filter(|rate| *rate > 0)
            .ok_or(fail("a clock rate"))?;
        let channels = match parts.next().map(str::trim) {
            None | Some("") => None,
            Some(channels) => Some(
                channels
                    .parse()
                    .ok()
                    .filter(|n| *n > 0)
                    .ok_or(fail("a number of channels"))?,
            ),
        };
        Ok(RtpMap {
            payload_type,
            encoding: encoding.to_owned(),
            clock_rate,
            channels,
        })
    }
}

impl fmt::Display for RtpMap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} {}/{}",
            self.payload_type, self.encoding, self.clock_rate
        )?;
        match self.channels {
            Some(channels) => write!(f, "/{channels}"),
            None => Ok(()),
        }
    }
}

/// `a=fmtp` (RFC 8866 §6.15) of an RTP payload type.
///
/// ```text
/// fmtp-value             = fmt SP format-specific-params
/// format-specific-params = byte-string
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Fmtp {
    /// The payload type, 0 to 127.
    pub payload_type: u8,
    /// The parameters as written, for instance `useinbandfec=1;stereo=0`.
    pub parameters: String,
}

impl FromStr for Fmtp {
    type Err = AttributeError;

    fn from_str(value: &str) -> Result<Fmtp, AttributeError> {
        let (payload_type, rest) = payload_type(value).ok_or(AttributeError {
            attribute: "fmtp",
            expected: "a payload type and a space",
        })?;
        Ok(Fmtp {
            payload_type,
            parameters: rest.trim().to_owned(),
        })
    }
}

impl fmt::Display for Fmtp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.payload_type, self.parameters)
    }
}

/// The number before the first space, and what follows.
fn payload_type(value: &str) -> Option<(u8, &str)> {
    let (number, rest) = value.trim_start().split_once(' ')?;
    Some((number.parse().ok().filter(|n| *n <= 127)?, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_and_prints_rtpmap() {
        for (text, channels) in [("0 PCMU/8000", None), ("96 opus/48000/2", Some(2))] {
            let map: RtpMap = text.parse().unwrap();
            assert_eq!(map.channels, channels);
            assert_eq!(map.to_string(), text);
        }
        assert_eq!(
            "0  PCMU/8000/ ".parse::<RtpMap>().unwrap().to_string(),
            "0 PCMU/8000"
        );
        for bad in [
            "",
            "0",
            "0 ",
            "128 a/8000",
            "x a/8000",
            "0 a",
            "0 a/0",
            "0 /8000",
            "0 a/8000/0",
            "0 a/9999999999",
        ] {
            assert!(bad.parse::<RtpMap>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn reads_and_prints_fmtp() {
        let fmtp: Fmtp = "101 0-16".parse().unwrap();
        assert_eq!((fmtp.payload_type, fmtp.parameters.as_str()), (101, "0-16"));
        assert_eq!(fmtp.to_string(), "101 0-16");
        assert!("red".parse::<Fmtp>().is_err());
    }
}
