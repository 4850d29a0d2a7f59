//! Lines that belong together: `a=group`, and whose track they carry: `a=msid`.

use super::AttributeError;
use std::fmt;
use std::str::FromStr;

/// `a=group` (RFC 5888 §5), for instance `BUNDLE` (RFC 9143).
///
/// ```text
/// group-attribute    = "a=group:" semantics *(SP identification-tag)
/// identification-tag = token                ; the a=mid of a line
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Group {
    /// `BUNDLE`, `LS`, `FID`, or another.
    pub semantics: String,
    /// The `a=mid` of its lines, in order.
    pub mids: Vec<String>,
}

impl FromStr for Group {
    type Err = AttributeError;

    fn from_str(value: &str) -> Result<Group, AttributeError> {
        let mut fields = value.split_ascii_whitespace();
        let semantics = fields.next().ok_or(AttributeError {
            attribute: "group",
            expected: "semantics",
        })?;
        Ok(Group {
            semantics: semantics.to_owned(),
            mids: fields.map(str::to_owned).collect(),
        })
    }
}

impl fmt::Display for Group {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.semantics)?;
        self.mids.iter().try_for_each(|mid| write!(f, " {mid}"))
    }
}

/// `a=msid` (RFC 8830 §2): which track of which stream a line carries.
///
/// ```text
/// msid-value = msid-id [ SP msid-appdata ]
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Msid {
    /// The media stream; `-` for none.
    pub stream: String,
    /// The track within it.
    pub track: Option<String>,
}

impl FromStr for Msid {
    type Err = AttributeError;

    fn from_str(value: &str) -> Result<Msid, AttributeError> {
        let mut fields = value.split_ascii_whitespace();
        let stream = fields.next().ok_or(AttributeError {
            attribute: "msid",
            expected: "a stream",
        })?;
        Ok(Msid {
            stream: stream.to_owned(),
            track: fields.next().map(str::to_owned),
        })
    }
}

impl fmt::Display for Msid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.stream)?;
        self.track
            .iter()
            .try_for_each(|track| write!(f, " {track}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_and_prints() {
        for text in ["BUNDLE 0 1 audio", "LS"] {
            assert_eq!(text.parse::<Group>().unwrap().to_string(), text);
        }
        for text in ["-", "stream track"] {
            assert_eq!(text.parse::<Msid>().unwrap().to_string(), text);
        }
        assert!(" ".parse::<Group>().is_err());
        assert!("".parse::<Msid>().is_err());
    }
}
