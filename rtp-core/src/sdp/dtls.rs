//! Who a DTLS peer is and who starts: `a=fingerprint` and `a=setup`.

use super::AttributeError;
use std::fmt;
use std::str::FromStr;

/// `a=fingerprint` (RFC 8122 §5): the hash of a certificate, which ties the DTLS handshake to this
/// description.
///
/// ```text
/// fingerprint-attribute = "fingerprint" ":" hash-func SP fingerprint
/// fingerprint           = 2UHEX *(":" 2UHEX)
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Fingerprint {
    /// The hash function in lower case: `sha-256`.
    pub hash: String,
    /// The hash.
    pub value: Vec<u8>,
}

impl FromStr for Fingerprint {
    type Err = AttributeError;

    /// Lower-case digits and hash names in any case are read too.
    fn from_str(value: &str) -> Result<Fingerprint, AttributeError> {
        let fail = |expected| AttributeError {
            attribute: "fingerprint",
            expected,
        };
        let mut fields = value.split_ascii_whitespace();
        let hash = fields
            .next()
            .ok_or(fail("a hash function"))?
            .to_ascii_lowercase();
        let digits = fields.next().ok_or(fail("a fingerprint"))?;
        let mut value = Vec::with_capacity(32);
        for pair in digits.split(':') {
            // The longest hash that has a name (SHA-512) has 64 bytes.
            if value.len() == 64
                || pair.len() != 2
                || !pair.bytes().all(|digit| digit.is_ascii_hexdigit())
            {
                return Err(fail("pairs of hexadecimal digits between colons"));
            }
            value.push(u8::from_str_radix(pair, 16).map_err(|_| fail("hexadecimal digits"))?);
        }
        Ok(Fingerprint { hash, value })
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ", self.hash)?;
        for (at, byte) in self.value.iter().enumerate() {
            write!(f, "{}{byte:02X}", if at > 0 { ":" } else { "" })?;
        }
        Ok(())
    }
}

/// `a=setup` (RFC 4145 §4, RFC 5763 §5): who opens the connection; for DTLS the active side is the client.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Setup {
    /// I start.
    Active,
    /// You start.
    Passive,
    /// I can do either; choose.
    ActPass,
    /// Not now.
    HoldConn,
}

impl Setup {
    /// As written in SDP.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Setup::Active => "active",
            Setup::Passive => "passive",
            Setup::ActPass => "actpass",
            Setup::HoldConn => "holdconn",
        }
    }
}

impl FromStr for Setup {
    type Err = AttributeError;

    fn from_str(value: &str) -> Result<Setup, AttributeError> {
        [
            Setup::Active,
            Setup::Passive,
            Setup::ActPass,
            Setup::HoldConn,
        ]
        .into_iter()
        .find(|setup| value.trim().eq_ignore_ascii_case(setup.name()))
        .ok_or(AttributeError {
            attribute: "setup",
            expected: "active, passive, actpass or holdconn",
        })
    }
}

impl fmt::Display for Setup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_and_prints() {
        let text = "sha-256 12:DF:3E:5D:49:6B:19:E5:7C:AB:4A:AD:B9:B1:3F:82:18:3B:54:02:12:DF:3E:5D:49:6B:19:E5:7C:AB:4A:AD";
        let fingerprint: Fingerprint = text.parse().unwrap();
        assert_eq!(
            (fingerprint.value.len(), fingerprint.to_string().as_str()),
            (32, text)
        );
        assert_eq!(
            text.to_ascii_lowercase().replace("sha", "SHA").parse(),
            Ok(fingerprint)
        );
        for bad in [
            "",
            "sha-256",
            "sha-256 1",
            "sha-256 12:3",
            "sha-256 +1",
            "sha-256 12:é",
        ] {
            assert!(bad.parse::<Fingerprint>().is_err(), "{bad}");
        }
        assert!(
            format!("sha-512 {}00", "00:".repeat(64))
                .parse::<Fingerprint>()
                .is_err()
        );
        for text in ["active", "passive", "actpass", "holdconn"] {
            assert_eq!(text.parse::<Setup>().unwrap().to_string(), text);
        }
        assert!("both".parse::<Setup>().is_err());
    }
}
