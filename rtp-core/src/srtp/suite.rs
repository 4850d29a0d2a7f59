//! The one table of cipher suites: it drives SDES (`a=crypto` names), the DTLS-SRTP profiles and the
//! cipher itself, so that the three can never disagree.
//!
//! Sources: RFC 3711 (AES counter mode, HMAC-SHA1), RFC 4568 §6.2 and RFC 6188 §2 (names),
//! RFC 7714 (GCM), RFC 5764 §4.1.2 (profile numbers). Left out: AES-f8 and AES-192, which nobody offers.

/// What a suite encrypts with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Cipher {
    /// No encryption, only a tag: for tests and for gateways that must read what they relay.
    Null,
    /// AES in counter mode with HMAC-SHA1 (RFC 3711 §4.1.1, §4.2.1).
    AesCm,
    /// AES in Galois/counter mode, which makes its own tag (RFC 7714).
    AesGcm,
}

/// A row of the table.
struct Row {
    suite: Suite,
    name: &'static str,
    cipher: Cipher,
    key: u8,
    salt: u8,
    auth_key: u8,
    rtp_tag: u8,
    rtcp_tag: u8,
    profile: Option<u16>,
}

macro_rules! suites {
    ($($(#[$doc:meta])* $variant:ident = $name:literal, $cipher:ident, key $key:literal, salt $salt:literal,
       auth $auth:literal, tags $rtp:literal $rtcp:literal, profile $profile:expr;)*) => {
        /// A cipher suite: what SDES names, DTLS numbers and SRTP computes with.
        ///
        /// The order of the variants is the order of preference that [`Suite::ALL`] keeps: the suite that
        /// every phone knows comes first.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[non_exhaustive]
        pub enum Suite { $($(#[$doc])* $variant,)* }

        const TABLE: &[Row] = &[$(Row {
            suite: Suite::$variant, name: $name, cipher: Cipher::$cipher, key: $key, salt: $salt,
            auth_key: $auth, rtp_tag: $rtp, rtcp_tag: $rtcp, profile: $profile,
        },)*];

        impl Suite {
            /// Every suite that protects, in order of preference. [`Suite::NullHmacSha1_80`] is not among
            /// them: it must be asked for by name, never offered by accident.
            pub const ALL: &'static [Suite] = {
                const ALL: [Suite; TABLE.len() - 1] = {
                    let mut all = [TABLE[0].suite; TABLE.len() - 1];
                    let mut at = 0;
                    while at < all.len() {
                        all[at] = TABLE[at].suite;
                        at += 1;
                    }
                    all
                };
                &ALL
            };
        }
    };
}

suites! {
    /// `AES_CM_128_HMAC_SHA1_80`, mandatory to implement (RFC 4568 §6.2.1).
    AesCm128HmacSha1_80 = "AES_CM_128_HMAC_SHA1_80", AesCm, key 16, salt 14, auth 20, tags 10 10, profile Some(0x0001);
    /// `AES_CM_128_HMAC_SHA1_32`: a 32-bit tag on SRTP, 80 bits on SRTCP (RFC 4568 §6.2.2).
    AesCm128HmacSha1_32 = "AES_CM_128_HMAC_SHA1_32", AesCm, key 16, salt 14, auth 20, tags 4 10, profile Some(0x0002);
    /// `AES_256_CM_HMAC_SHA1_80` (RFC 6188 §2). No DTLS profile is registered.
    AesCm256HmacSha1_80 = "AES_256_CM_HMAC_SHA1_80", AesCm, key 32, salt 14, auth 20, tags 10 10, profile None;
    /// `AES_256_CM_HMAC_SHA1_32` (RFC 6188 §2). No DTLS profile is registered.
    AesCm256HmacSha1_32 = "AES_256_CM_HMAC_SHA1_32", AesCm, key 32, salt 14, auth 20, tags 4 10, profile None;
    /// `AEAD_AES_128_GCM` (RFC 7714 §14).
    AeadAes128Gcm = "AEAD_AES_128_GCM", AesGcm, key 16, salt 12, auth 0, tags 16 16, profile Some(0x0007);
    /// `AEAD_AES_256_GCM` (RFC 7714 §14).
    AeadAes256Gcm = "AEAD_AES_256_GCM", AesGcm, key 32, salt 12, auth 0, tags 16 16, profile Some(0x0008);
    /// `NULL_HMAC_SHA1_80`: authenticated, not encrypted (RFC 5764 §4.1.2). Not in [`Suite::ALL`].
    NullHmacSha1_80 = "NULL_HMAC_SHA1_80", Null, key 16, salt 14, auth 20, tags 10 10, profile Some(0x0005);
}

impl Suite {
    const fn row(self) -> &'static Row {
        &TABLE[self as usize]
    }

    /// The name in an `a=crypto` line.
    #[must_use]
    pub const fn name(self) -> &'static str {
        self.row().name
    }

    /// The suite with this `a=crypto` name, in any letter case (ABNF strings have none, RFC 5234 §2.3).
    #[must_use]
    pub fn from_name(name: &str) -> Option<Suite> {
        TABLE
            .iter()
            .find(|row| row.name.eq_ignore_ascii_case(name))
            .map(|row| row.suite)
    }

    /// The DTLS-SRTP protection profile, when one is registered (RFC 5764 §4.1.2, RFC 7714 §14.2).
    #[must_use]
    pub const fn profile(self) -> Option<u16> {
        self.row().profile
    }

    /// The suite of a DTLS-SRTP protection profile.
    #[must_use]
    pub fn from_profile(profile: u16) -> Option<Suite> {
        TABLE
            .iter()
            .find(|row| row.profile == Some(profile))
            .map(|row| row.suite)
    }

    /// Bytes of the tag that follow the master key identifier: in GCM it is the other way round.
    pub(super) const fn tag_after_mki(self, tag_len: usize) -> usize {
        match self.cipher() {
            Cipher::AesGcm => 0,
            _ => tag_len,
        }
    }

    /// What it encrypts with.
    #[must_use]
    pub const fn cipher(self) -> Cipher {
        self.row().cipher
    }

    /// Bytes of the master key, and of the session encryption key.
    #[must_use]
    pub const fn key_len(self) -> usize {
        self.row().key as usize
    }

    /// Bytes of the master salt.
    #[must_use]
    pub const fn salt_len(self) -> usize {
        self.row().salt as usize
    }

    /// Bytes of key and salt together: what follows `inline:` once decoded (RFC 4568 §6.1).
    #[must_use]
    pub const fn key_salt_len(self) -> usize {
        self.key_len() + self.salt_len()
    }

    /// Bytes of the session authentication key; 0 for a suite whose cipher authenticates.
    #[must_use]
    pub const fn auth_key_len(self) -> usize {
        self.row().auth_key as usize
    }

    /// Bytes of the tag on an SRTP packet.
    #[must_use]
    pub const fn rtp_tag_len(self) -> usize {
        self.row().rtp_tag as usize
    }

    /// Bytes of the tag on an SRTCP packet.
    #[must_use]
    pub const fn rtcp_tag_len(self) -> usize {
        self.row().rtcp_tag as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_profiles_lead_back_to_their_suite() {
        for (at, row) in TABLE.iter().enumerate() {
            assert_eq!(row.suite as usize, at, "{}", row.name);
            assert_eq!(Suite::from_name(row.name), Some(row.suite));
            assert_eq!(
                Suite::from_name(&row.name.to_ascii_lowercase()),
                Some(row.suite)
            );
            if let Some(profile) = row.profile {
                assert_eq!(Suite::from_profile(profile), Some(row.suite));
            }
        }
        assert_eq!(Suite::from_name("F8_128_HMAC_SHA1_80"), None);
        assert_eq!(Suite::from_profile(0x0006), None);
    }

    #[test]
    fn what_does_not_encrypt_is_never_preferred() {
        assert_eq!(Suite::ALL[0], Suite::AesCm128HmacSha1_80);
        assert!(Suite::ALL.iter().all(|s| s.cipher() != Cipher::Null));
        assert_eq!(Suite::ALL.len(), TABLE.len() - 1);
    }
}
