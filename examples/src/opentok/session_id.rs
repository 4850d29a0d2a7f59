//! Session ids as the SDKs read them: they refuse to make a token for a session of another API key.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// The longest id that is looked at, bytes: what tokens hold.
const LONGEST: usize = 512;

/// The name of a session: `1_` and, in base64url, fields between tildes, the second of which is the API key.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct SessionName(String);

impl SessionName {
    /// A new name, which nobody can guess.
    pub fn new(api_key: &str, location: &str, unix_ms: u64, chance: [u8; 16]) -> Self {
        let chance: String = chance.iter().map(|byte| format!("{byte:02x}")).collect();
        let fields = format!("1~{api_key}~{location}~{unix_ms}~{chance}~fp~");
        Self(format!("1_{}", URL_SAFE_NO_PAD.encode(fields)))
    }

    /// Reads a name and checks whose it is.
    ///
    /// # Errors
    /// Why it is not a session's, or not one of `api_key`.
    pub fn parse(text: &str, api_key: &str) -> Result<Self, String> {
        let encoded = text
            .strip_prefix("1_")
            .or_else(|| text.strip_prefix("2_"))
            .filter(|_| text.len() <= LONGEST)
            .ok_or("the session id does not begin with 1_ or is too long")?;
        let fields = URL_SAFE_NO_PAD
            .decode(encoded.trim_end_matches('='))
            .map_err(|_| "the session id is not base64url")?;
        let fields =
            String::from_utf8(fields).map_err(|_| "the session id holds no readable fields")?;
        match fields.split('~').nth(1) {
            Some(key) if key == api_key => Ok(Self(text.to_owned())),
            _ => Err("the session id is not one of this API key".into()),
        }
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for SessionName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_read_back_by_its_own_key_only() {
        let name = SessionName::new("100", "", 1_700_000_000_000, [7; 16]);
        assert_eq!(SessionName::parse(name.as_str(), "100"), Ok(name.clone()));
        assert!(SessionName::parse(name.as_str(), "10").is_err());
        for bad in [
            "",
            "1_",
            "1_!!",
            "3_MX4xMDB-",
            "1_\u{e9}",
            &"1_a".repeat(400),
        ] {
            assert!(SessionName::parse(bad, "100").is_err(), "{bad}");
        }
    }
}
