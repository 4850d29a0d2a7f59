//! SDES: SRTP keys in SDP, `a=crypto` (RFC 4568).
//!
//! A [`Crypto`] is one line, whatever it says; [`Crypto::usable`] judges whether this library can do what
//! it asks. [`select`] picks one of several lines by the order of the side that answers.
//!
//! Keys are wiped when dropped and absent from `Debug`. They travel in clear text inside SDP: use SDES over
//! TLS, or where the network is trusted (RFC 4568 §7).
//!
//! Left out: key derivation rates other than 0 (`KDR`), turning protection off (`UNENCRYPTED_SRTP` and its
//! kin), FEC parameters. A line that asks for one of these is not usable, and another is chosen, as
//! RFC 4568 §6.3 has it.

use crate::sdp::AttributeError;
use crate::srtp::{MasterKey, Suite};
use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use std::fmt;
use std::str::FromStr;
use zeroize::Zeroizing;

/// Standard base64. Several phones leave the padding out, so it may be absent when reading.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// The keys of one line that are read; RFC 4568 sets no bound, and nobody sends more than one or two.
const MAX_KEYS: usize = 16;
/// The session parameters of one line that are read.
const MAX_PARAMETERS: usize = 16;

/// One `a=crypto` line.
///
/// ```text
/// crypto-attribute = "a=crypto:" tag 1*WSP crypto-suite 1*WSP key-params *(1*WSP session-param)
/// tag              = 1*9DIGIT
/// crypto-suite     = 1*(ALPHA / DIGIT / "_")
/// key-params       = key-param *(";" key-param)
/// key-param        = key-method ":" key-info
/// ```
///
/// ```
/// use rtp_core::sdes::Crypto;
///
/// let line: Crypto = "1 AES_CM_128_HMAC_SHA1_80 inline:WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz|2^20|1:4".parse()?;
/// assert_eq!(line.keys[0].lifetime, Some(1 << 20));
/// assert!(!format!("{line:?}").contains("WVNf"));
/// # Ok::<(), rtp_core::sdp::AttributeError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Crypto {
    /// Names this line in the answer; unique within its medium.
    pub tag: u32,
    /// The suite's name as written, known to us or not.
    pub suite: String,
    /// The keys: one, or several told apart by MKI.
    pub keys: Vec<InlineKey>,
    /// Session parameters as written; a leading `-` marks those that may be ignored (RFC 4568 §6.3.7).
    pub parameters: Vec<String>,
}

/// The key of an `a=crypto` line.
///
/// ```text
/// key-info  = "inline:" key-salt ["|" lifetime] ["|" mki]
/// lifetime  = ["2^"] 1*DIGIT               ; packets
/// mki       = mki-value ":" mki-length     ; the value in decimal, the length in bytes
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct InlineKey {
    /// Master key and salt in one piece.
    key_salt: Zeroizing<Vec<u8>>,
    /// SRTP packets after which a new key is due; `None` for the suite's default, 2^48.
    pub lifetime: Option<u64>,
    /// The master key identifier that packets carry.
    pub mki: Option<Mki>,
}

/// A master key identifier (RFC 3711 §3.1): a number, and how many bytes of each packet carry it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Mki {
    /// The value, network order on the wire.
    pub value: u128,
    /// Bytes, 1 to 128; the value's leading bytes are zero where it is longer than 16.
    pub length: u8,
}

impl Mki {
    /// From the bytes that packets carry; `None` for none, and for more than 16.
    fn from_bytes(bytes: &[u8]) -> Option<Mki> {
        let length = u8::try_from(bytes.len()).ok()?;
        (1..=16).contains(&length).then(|| Mki {
            value: bytes
                .iter()
                .fold(0, |value, byte| value << 8 | u128::from(*byte)),
            length,
        })
    }
}

impl InlineKey {
    /// Master key and salt as they were sent: of any length, until a suite judges them.
    #[must_use]
    pub fn key_salt(&self) -> &[u8] {
        &self.key_salt
    }
}

impl From<&MasterKey> for InlineKey {
    fn from(key: &MasterKey) -> InlineKey {
        InlineKey {
            key_salt: Zeroizing::new(key.key_salt().to_vec()),
            lifetime: None,
            mki: Mki::from_bytes(key.mki()),
        }
    }
}

impl fmt::Debug for InlineKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InlineKey")
            .field("lifetime", &self.lifetime)
            .field("mki", &self.mki)
            .finish_non_exhaustive()
    }
}

/// Why a line cannot be used. Choose another; without any, refuse the medium.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Unusable {
    /// The suite is unknown here.
    #[error("unknown crypto suite")]
    Suite,
    /// The key has another length than the suite takes.
    #[error("key and salt are of the wrong length for the suite")]
    KeyLength,
    /// Several keys, of which each packet would say which it is under.
    #[error("several keys in one line")]
    SeveralKeys,
    /// A key identifier longer than 16 bytes.
    #[error("a key identifier longer than 16 bytes")]
    Mki,
    /// A session parameter that must be understood and is not.
    #[error("a session parameter that is not supported")]
    Parameter,
}

impl Crypto {
    /// A line with one key.
    #[must_use]
    pub fn new(tag: u32, key: &MasterKey) -> Crypto {
        Crypto {
            tag,
            suite: key.suite().name().to_owned(),
            keys: vec![InlineKey::from(key)],
            parameters: Vec::new(),
        }
    }

    /// The master key, when suite, key and parameters are all something that we can do. With an identifier
    /// (`|1:4`) the key bears it, and every packet under it does (RFC 3711 §3.1).
    ///
    /// `WSH`, the window size hint, is advice and changes nothing (RFC 4568 §6.3.6).
    ///
    /// # Errors
    /// With the first reason why not.
    pub fn usable(&self) -> Result<MasterKey, Unusable> {
        let suite = Suite::from_name(&self.suite).ok_or(Unusable::Suite)?;
        let ignorable =
            |parameter: &String| parameter.starts_with('-') || parameter.starts_with("WSH=");
        if !self.parameters.iter().all(ignorable) {
            return Err(Unusable::Parameter);
        }
        let [line] = self.keys.as_slice() else {
            return Err(Unusable::SeveralKeys);
        };
        let key =
            MasterKey::from_key_salt(suite, &line.key_salt).map_err(|_| Unusable::KeyLength)?;
        match line.mki {
            None => Ok(key),
            Some(mki) => {
                let value = mki.value.to_be_bytes();
                let from = value.len().checked_sub(usize::from(mki.length));
                let bytes = from.and_then(|from| value.get(from..));
                Ok(key.with_mki(bytes.ok_or(Unusable::Mki)?))
            }
        }
    }
}

/// The line to answer with, of those offered, and its key.
///
/// The order of `suites`, ours, decides between suites; between lines of one suite the first wins
/// (RFC 4568 §5.1.1 lists them in the offerer's order of preference).
#[must_use]
pub fn select<'c>(offered: &'c [Crypto], suites: &[Suite]) -> Option<(&'c Crypto, MasterKey)> {
    suites.iter().find_map(|suite| {
        offered.iter().find_map(|line| {
            let key = line.usable().ok().filter(|key| key.suite() == *suite)?;
            Some((line, key))
        })
    })
}

fn fail(expected: &'static str) -> AttributeError {
    AttributeError {
        attribute: "crypto",
        expected,
    }
}

impl FromStr for Crypto {
    type Err = AttributeError;

    fn from_str(value: &str) -> Result<Crypto, AttributeError> {
        let mut fields = value.split_ascii_whitespace();
        let tag = fields
            .next()
            .filter(|tag| tag.len() <= 9)
            .and_then(decimal)
            .and_then(|tag| u32::try_from(tag).ok())
            .ok_or(fail("a tag of one to nine digits"))?;
        let suite = fields.next().ok_or(fail("a crypto suite"))?;
        let mut keys = Vec::new();
        for key in fields.next().ok_or(fail("inline: and a key"))?.split(';') {
            // Linphone and others end the list with a semicolon.
            if key.is_empty() && !keys.is_empty() {
                continue;
            }
            if keys.len() == MAX_KEYS {
                return Err(fail("fewer keys"));
            }
            keys.push(inline(key)?);
        }
        let parameters: Vec<String> = fields.take(MAX_PARAMETERS + 1).map(str::to_owned).collect();
        if parameters.len() > MAX_PARAMETERS {
            return Err(fail("fewer session parameters"));
        }
        Ok(Crypto {
            tag,
            suite: suite.to_owned(),
            keys,
            parameters,
        })
    }
}

fn inline(key: &str) -> Result<InlineKey, AttributeError> {
    let info = match key.split_at_checked(7) {
        Some((method, info)) if method.eq_ignore_ascii_case("inline:") => info,
        _ => return Err(fail("the key method inline:")),
    };
    let mut parts = info.split('|');
    let key_salt = parts.next().unwrap_or_default();
    let key_salt = BASE64
        .decode(key_salt)
        .map(Zeroizing::new)
        .ok()
        .filter(|bytes| !bytes.is_empty())
        .ok_or(fail("a key in base64"))?;
    let (mut lifetime, mut mki) = (None, None);
    for part in parts {
        match part.split_once(':') {
            Some((value, length)) if mki.is_none() => {
                let length = decimal(length).filter(|length| (1..=128).contains(length));
                let value = digits(value).and_then(|value| value.parse().ok());
                let (Some(value), Some(length)) =
                    (value, length.and_then(|length| u8::try_from(length).ok()))
                else {
                    return Err(fail("a key identifier and its length of 1 to 128"));
                };
                if length < 16 && value >> (8 * u32::from(length)) != 0 {
                    return Err(fail("a key identifier that fits its length"));
                }
                mki = Some(Mki { value, length });
            }
            None if lifetime.is_none() && mki.is_none() => {
                let packets = match part.strip_prefix("2^") {
                    Some(exponent) => {
                        decimal(exponent).and_then(|n| 1u64.checked_shl(u32::try_from(n).ok()?))
                    }
                    None => decimal(part),
                };
                lifetime = Some(
                    packets
                        .filter(|n| *n > 0)
                        .ok_or(fail("a lifetime in packets"))?,
                );
            }
            _ => return Err(fail("at most one lifetime and one key identifier")),
        }
    }
    Ok(InlineKey {
        key_salt,
        lifetime,
        mki,
    })
}

fn digits(text: &str) -> Option<&str> {
    Some(text).filter(|text| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()))
}

fn decimal(text: &str) -> Option<u64> {
    digits(text)?.parse().ok()
}

/// The value of the `a=crypto` line: it holds the key, so it is for SDP and not for logs.
impl fmt::Display for Crypto {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} ", self.tag, self.suite)?;
        for (at, key) in self.keys.iter().enumerate() {
            let base64 = Zeroizing::new(BASE64.encode(&*key.key_salt));
            write!(f, "{}inline:{}", if at > 0 { ";" } else { "" }, *base64)?;
            match key.lifetime {
                Some(packets) if packets.is_power_of_two() => {
                    write!(f, "|2^{}", packets.trailing_zeros())?
                }
                Some(packets) => write!(f, "|{packets}")?,
                None => {}
            }
            if let Some(mki) = key.mki {
                write!(f, "|{}:{}", mki.value, mki.length)?;
            }
        }
        self.parameters
            .iter()
            .try_for_each(|parameter| write!(f, " {parameter}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz";

    #[test]
    fn reads_and_prints_the_lines_of_rfc_4568() {
        for line in [
            "1 AES_CM_128_HMAC_SHA1_80 inline:WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz|2^20|1:4 FEC_ORDER=FEC_SRTP",
            "2 F8_128_HMAC_SHA1_80 inline:MTIzNDU2Nzg5QUJDREUwMTIzNDU2Nzg5QUJjZGVm|2^20|1:4;inline:QUJjZGVmMTIzNDU2Nzg5QUJDREUwMTIzNDU2Nzg5|2^20|2:4 FEC_ORDER=FEC_SRTP",
            "1 AES_CM_128_HMAC_SHA1_80 inline:PS1uQCVeeCFCanVmcjkpPywjNWhcYD0mXXtxaVBR|2^20|1:32",
            "1 AES_CM_128_HMAC_SHA1_32 inline:NzB4d1BINUAvLEw6UzF3WSJ+PSdFcGdUJShpX1Zj|1066:4",
        ] {
            let crypto: Crypto = line.parse().unwrap();
            assert_eq!(crypto.to_string(), line);
        }
    }

    #[test]
    fn refuses_what_is_no_line() {
        for line in [
            "",
            "1",
            "1 AES_CM_128_HMAC_SHA1_80",
            "x AES inline:AAAA",
            "1234567890 AES inline:AAAA",
            "1 AES outline:AAAA",
            "1 AES inline:",
            "1 AES inline:*",
            "1 AES inline:AAAA|2^64",
            "1 AES inline:AAAA|0",
            "1 AES inline:AAAA|1:0",
            "1 AES inline:AAAA|1:129",
            "1 AES inline:AAAA|256:1",
            "1 AES inline:AAAA|1:1|2:1",
            "1 AES inline:AAAA|1|2",
            "1 AES inline:é|1|2",
            "1 AES inlin\u{e9}:AAAA",
        ] {
            assert!(line.parse::<Crypto>().is_err(), "{line:?}");
        }
    }

    #[test]
    fn judges_what_it_can_do() {
        let judge = |line: String| {
            line.parse::<Crypto>()
                .unwrap()
                .usable()
                .map(|key| key.suite())
        };
        let suite = "AES_CM_128_HMAC_SHA1_80";
        assert_eq!(
            judge(format!("1 {suite} inline:{KEY}")),
            Ok(Suite::AesCm128HmacSha1_80)
        );
        assert_eq!(
            judge(format!("1 {suite} inline:{KEY}|2^31 WSH=64 -X=1")),
            Ok(Suite::AesCm128HmacSha1_80)
        );
        assert_eq!(judge(format!("1 ROT13 inline:{KEY}")), Err(Unusable::Suite));
        assert_eq!(
            judge(format!("1 {suite} inline:AAAA")),
            Err(Unusable::KeyLength)
        );
        assert_eq!(
            judge(format!("1 {suite} inline:{KEY}|1:1")),
            Ok(Suite::AesCm128HmacSha1_80)
        );
        assert_eq!(
            judge(format!("1 {suite} inline:{KEY}|1:17")),
            Err(Unusable::Mki)
        );
        assert_eq!(
            judge(format!("1 {suite} inline:{KEY}|1:1;inline:{KEY}|2:1")),
            Err(Unusable::SeveralKeys)
        );
        assert_eq!(
            judge(format!("1 {suite} inline:{KEY} KDR=1")),
            Err(Unusable::Parameter)
        );
        assert_eq!(
            judge(format!("1 {suite} inline:{KEY} UNENCRYPTED_SRTP")),
            Err(Unusable::Parameter)
        );
    }

    #[test]
    fn a_key_identifier_goes_into_the_key_and_back_into_a_line() {
        for (mki, bytes) in [
            ("1:4", &[0, 0, 0, 1][..]),
            ("258:2", &[1, 2]),
            ("0:1", &[0]),
            ("340282366920938463463374607431768211455:16", &[0xff; 16]),
        ] {
            let text = format!("7 AES_CM_128_HMAC_SHA1_80 inline:{KEY}|{mki}");
            let key = text.parse::<Crypto>().unwrap().usable().unwrap();
            assert_eq!(key.mki(), bytes, "{mki}");
            assert_eq!(Crypto::new(7, &key).to_string(), text);
        }
    }

    #[test]
    fn reads_keys_without_padding() {
        let key = MasterKey::from_key_salt(Suite::AesCm256HmacSha1_80, &[7; 46]).unwrap();
        let line = Crypto::new(1, &key).to_string();
        assert!(line.ends_with("=="));
        assert_eq!(
            line.trim_end_matches('=')
                .parse::<Crypto>()
                .unwrap()
                .usable(),
            Ok(key)
        );
    }

    #[test]
    fn our_order_of_suites_decides_then_theirs_of_lines() {
        let line =
            |tag, suite| Crypto::new(tag, &MasterKey::from_key_salt(suite, &[1; 30]).unwrap());
        let (a, b) = (Suite::AesCm128HmacSha1_80, Suite::AesCm128HmacSha1_32);
        let offered = [line(1, b), line(2, a), line(3, a)];
        let tag = |suites: &[Suite]| select(&offered, suites).map(|(line, _)| line.tag);
        assert_eq!(tag(&[a, b]), Some(2));
        assert_eq!(tag(&[b, a]), Some(1));
        assert_eq!(tag(&[Suite::AesCm256HmacSha1_80]), None);
    }

    #[test]
    fn debug_shows_no_key() {
        let key = MasterKey::from_key_salt(Suite::AesCm128HmacSha1_80, &[65; 30]).unwrap();
        let shown = format!("{:?}", Crypto::new(1, &key));
        assert!(!shown.contains("QUFB") && !shown.contains("65"), "{shown}");
    }
}
