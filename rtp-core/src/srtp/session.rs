//! Session keys (RFC 3711 §4.3, RFC 6188 §3) and what they do to a packet (§4.1, §4.2).
//!
//! Keys are scheduled once. A packet costs one pass of the cipher and one HMAC whose two padded-key blocks
//! are already hashed: the prepared state is cloned. The key derivation rate is always 0, as SDES without
//! `KDR` and DTLS-SRTP have it: one derivation a master key.

use super::key::MasterKey;
use super::suite::{Cipher, Suite};
use crate::rtp::Ssrc;
use aes::cipher::{
    BlockCipherEncrypt, InnerIvInit, KeyInit, StreamCipher, StreamCipherCoreWrapper,
};
use aes::{Aes128, Aes256, Block};
use hmac::{Hmac, Mac};
use sha1::Sha1;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

/// The longest tag of any suite, in bytes.
pub(crate) const MAX_TAG: usize = 20;

/// Which of the two key sets of a master key (RFC 3711 §4.3.2).
#[derive(Clone, Copy)]
pub(crate) enum Stream {
    /// Labels 0 to 2.
    Rtp,
    /// Labels 3 to 5.
    Rtcp,
}

/// The keyed cipher and tag of one stream kind in one direction.
pub(crate) struct SessionKeys {
    cipher: Keyed,
    mac: Hmac<Sha1>,
    /// The session salt, its two low bytes zero: XORed into every counter block.
    salt: Zeroizing<[u8; 16]>,
    tag_len: usize,
}

enum Keyed {
    Null,
    Aes128(Aes128),
    Aes256(Aes256),
}

/// The pseudo-random function of key derivation: the suite's AES in counter mode (§4.3.3).
enum Prf {
    Aes128(Aes128),
    Aes256(Aes256),
}

impl Prf {
    fn fill(&self, salt: &[u8], label: u8, out: &mut [u8]) {
        let mut counter = Zeroizing::new([0u8; 16]);
        counter[..salt.len()].copy_from_slice(salt);
        counter[7] ^= label;
        for (n, chunk) in (0u16..).zip(out.chunks_mut(16)) {
            counter[14..].copy_from_slice(&n.to_be_bytes());
            let mut block = Block::from(*counter);
            match self {
                Prf::Aes128(aes) => aes.encrypt_block(&mut block),
                Prf::Aes256(aes) => aes.encrypt_block(&mut block),
            }
            chunk.copy_from_slice(&block[..chunk.len()]);
            zeroize::Zeroize::zeroize(&mut block[..]);
        }
    }
}

fn aes128(key: &[u8]) -> Aes128 {
    let mut bytes = Zeroizing::new([0; 16]);
    bytes.copy_from_slice(&key[..16]);
    Aes128::new(&(*bytes).into())
}

fn aes256(key: &[u8]) -> Aes256 {
    let mut bytes = Zeroizing::new([0; 32]);
    bytes.copy_from_slice(&key[..32]);
    Aes256::new(&(*bytes).into())
}

impl SessionKeys {
    pub(crate) fn derive(master: &MasterKey, stream: Stream) -> SessionKeys {
        let suite = master.suite();
        let (base, tag_len) = match stream {
            Stream::Rtp => (0, suite.rtp_tag_len()),
            Stream::Rtcp => (3, suite.rtcp_tag_len()),
        };
        let (key, auth, salt) = derive_bytes(master, base);
        let cipher = match (suite.cipher(), suite.key_len()) {
            (Cipher::Null, _) => Keyed::Null,
            (Cipher::AesCm, 32) => Keyed::Aes256(aes256(&key[..])),
            (Cipher::AesCm, _) => Keyed::Aes128(aes128(&key[..])),
        };
        // HMAC takes keys of any length, so that this cannot fail.
        let mac = <Hmac<Sha1> as KeyInit>::new_from_slice(&auth[..suite.auth_key_len()])
            .unwrap_or_else(|_| <Hmac<Sha1> as KeyInit>::new(&Default::default()));
        SessionKeys {
            cipher,
            mac,
            salt,
            tag_len,
        }
    }

    /// Bytes of the tag.
    pub(crate) fn tag_len(&self) -> usize {
        self.tag_len
    }

    /// Whether it encrypts at all.
    pub(crate) fn encrypts(&self) -> bool {
        !matches!(self.cipher, Keyed::Null)
    }

    /// Encrypts or decrypts in place: the operation is its own inverse (§4.1.1).
    #[inline]
    pub(crate) fn apply(&self, ssrc: Ssrc, index: u64, data: &mut [u8]) {
        let mut iv = *self.salt;
        let ssrc = ssrc.0.to_be_bytes();
        let index = index.to_be_bytes();
        for n in 0..4 {
            iv[4 + n] ^= ssrc[n];
        }
        for n in 0..6 {
            iv[8 + n] ^= index[2 + n];
        }
        match &self.cipher {
            Keyed::Null => {}
            Keyed::Aes128(aes) => {
                let core =
                    ctr::CtrCore::<&Aes128, ctr::flavors::Ctr128BE>::inner_iv_init(aes, &iv.into());
                StreamCipherCoreWrapper::from_core(core).apply_keystream(data);
            }
            Keyed::Aes256(aes) => {
                let core =
                    ctr::CtrCore::<&Aes256, ctr::flavors::Ctr128BE>::inner_iv_init(aes, &iv.into());
                StreamCipherCoreWrapper::from_core(core).apply_keystream(data);
            }
        }
    }

    /// The tag over `message`, and over `tail` after it: the rollover counter in SRTP, nothing in SRTCP.
    /// Its first [`SessionKeys::tag_len`] bytes go on the wire.
    #[inline]
    pub(crate) fn tag(&self, message: &[u8], tail: &[u8]) -> [u8; MAX_TAG] {
        let mut mac = self.mac.clone();
        mac.update(message);
        mac.update(tail);
        mac.finalize().into_bytes().into()
    }

    /// Whether `tag` is the right one, compared in constant time.
    #[inline]
    pub(crate) fn verify(&self, message: &[u8], tail: &[u8], tag: &[u8]) -> bool {
        tag.len() == self.tag_len && self.tag(message, tail)[..self.tag_len].ct_eq(tag).into()
    }
}

type Derived = (
    Zeroizing<[u8; 32]>,
    Zeroizing<[u8; 20]>,
    Zeroizing<[u8; 16]>,
);

/// Encryption key, authentication key and salt for the labels from `base` on.
fn derive_bytes(master: &MasterKey, base: u8) -> Derived {
    let suite: Suite = master.suite();
    let prf = match suite.key_len() {
        32 => Prf::Aes256(aes256(master.key())),
        _ => Prf::Aes128(aes128(master.key())),
    };
    let mut key = Zeroizing::new([0; 32]);
    let mut auth = Zeroizing::new([0; 20]);
    let mut salt = Zeroizing::new([0; 16]);
    prf.fill(master.salt(), base, &mut key[..suite.key_len()]);
    prf.fill(master.salt(), base + 1, &mut auth[..suite.auth_key_len()]);
    prf.fill(master.salt(), base + 2, &mut salt[..suite.salt_len()]);
    (key, auth, salt)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hex(text: &str) -> Vec<u8> {
        let digits: Vec<u8> = text
            .chars()
            .filter_map(|c| c.to_digit(16))
            .map(|d| d as u8)
            .collect();
        digits.chunks(2).map(|d| d[0] << 4 | d[1]).collect()
    }

    /// RFC 3711 appendix B.3.
    #[test]
    fn derives_the_keys_of_rfc_3711_b3() {
        let master = MasterKey::new(
            Suite::AesCm128HmacSha1_80,
            &hex("E1F97A0D3E018BE0D64FA32C06DE4139"),
            &hex("0EC675AD498AFEEBB6960B3AABE6"),
        )
        .unwrap();
        let (key, auth, salt) = derive_bytes(&master, 0);
        assert_eq!(key[..16], hex("C61E7A93744F39EE10734AFE3FF7A087"));
        assert_eq!(salt[..14], hex("30CBBC08863D8C85D49DB34A9AE1"));
        // The first 20 bytes of the 94 that the appendix prints.
        assert_eq!(auth[..], hex("CEBE321F6FF7716B6FD4AB49AF256A156D38BAA4"));
    }

    /// RFC 3711 appendix B.2: the keystream under a session key and salt.
    #[test]
    fn makes_the_keystream_of_rfc_3711_b2() {
        let mut salt = Zeroizing::new([0; 16]);
        salt[..14].copy_from_slice(&hex("F0F1F2F3F4F5F6F7F8F9FAFBFCFD"));
        let keys = SessionKeys {
            cipher: Keyed::Aes128(aes128(&hex("2B7E151628AED2A6ABF7158809CF4F3C"))),
            mac: <Hmac<Sha1> as KeyInit>::new(&Default::default()),
            salt,
            tag_len: 10,
        };
        let mut stream = vec![0; 0xff02 * 16];
        keys.apply(Ssrc(0), 0, &mut stream);
        assert_eq!(
            stream[..48],
            hex(
                "E03EAD0935C95E80E166B16DD92B4EB4 D23513162B02D0F72A43A2FE4A5F97AB 41E95B3BB0A2E8DD477901E4FCA894C0"
            )
        );
        assert_eq!(
            stream[0xfeff * 16..],
            hex(
                "EC8CDF7398607CB0F2D21675EA9EA1E4 362B7C3C6773516318A077D7FC5073AE 6A2CC3787889374FBEB4C81B17BA6C44"
            )
        );
    }

    /// RFC 6188 §7.2 and §7.4.
    #[test]
    fn derives_the_keys_of_rfc_6188() {
        let master = MasterKey::new(
            Suite::AesCm256HmacSha1_80,
            &hex("F0F04914B513F2763A1B1FA130F10E2998F6F6E43E4309D1E622A0E332B9F1B6"),
            &hex("3B04803DE51EE7C96423AB5B78D2"),
        )
        .unwrap();
        let (key, auth, salt) = derive_bytes(&master, 0);
        assert_eq!(
            key[..],
            hex("5BA1064E30EC51613CAD926C5A28EF731EC7FB397F70A960653CAF06554CD8C4")
        );
        assert_eq!(salt[..14], hex("FA31791685CA444A9E07C6C64E93"));
        assert_eq!(auth[..], hex("FD9C32D39ED5FBB5A9DC96B30818454D1313DC05"));
    }
}
