//! Session keys (RFC 3711 §4.3, RFC 6188 §3, RFC 7714 §11) and what they do to a packet.
//!
//! Keys are scheduled once. In counter mode (RFC 3711 §4.1, §4.2) a packet costs one pass of the cipher and
//! one HMAC whose two padded-key blocks are already hashed: the prepared state is cloned. The key derivation
//! rate is always 0, as SDES without `KDR` and DTLS-SRTP have it: one derivation a master key.
//!
//! Where the tag lies differs: counter mode signs everything before it, the RTCP index too; GCM puts the tag
//! before the index and signs the index as associated data (RFC 7714 §9, §17).

use super::RTCP_INDEX_LEN;
use super::gcm::Gcm;
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

/// Which of the two key sets of a master key (RFC 3711 §4.3.2).
#[derive(Clone, Copy)]
pub(crate) enum Stream {
    /// Labels 0 to 2.
    Rtp,
    /// Labels 3 to 5.
    Rtcp,
}

/// The keyed transform of one stream kind in one direction.
pub(crate) struct SessionKeys {
    transform: Transform,
    /// The session salt in the upper bits, zeros below it: XORed into every counter block or nonce.
    salt: Zeroizing<u128>,
    tag_len: usize,
}

// One a direction, and looked at for every packet: a pointer to the larger would cost more than it saves.
#[allow(clippy::large_enum_variant)]
enum Transform {
    Hmac(Keyed, Hmac<Sha1>),
    Gcm(Gcm),
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
        let transform = match (suite.cipher(), suite.key_len()) {
            (Cipher::AesGcm, len) => Transform::Gcm(Gcm::new(&key[..len])),
            (Cipher::AesCm, 32) => {
                Transform::Hmac(Keyed::Aes256(aes256(&key[..])), hmac(&auth[..]))
            }
            (Cipher::AesCm, _) => Transform::Hmac(Keyed::Aes128(aes128(&key[..])), hmac(&auth[..])),
            (Cipher::Null, _) => Transform::Hmac(Keyed::Null, hmac(&auth[..])),
        };
        SessionKeys {
            transform,
            salt: Zeroizing::new(u128::from_be_bytes(*salt)),
            tag_len,
        }
    }

    /// Bytes of the tag.
    pub(crate) fn tag_len(&self) -> usize {
        self.tag_len
    }

    /// Whether it encrypts at all.
    pub(crate) fn encrypts(&self) -> bool {
        !matches!(self.transform, Transform::Hmac(Keyed::Null, _))
    }

    /// Protects an RTP packet whose payload begins at `start`; its tag goes into the last bytes of `buffer`.
    #[inline]
    pub(crate) fn seal_rtp(&self, ssrc: Ssrc, index: u64, buffer: &mut [u8], start: usize) {
        let (packet, tag) = buffer.split_at_mut(buffer.len() - self.tag_len);
        match &self.transform {
            Transform::Hmac(cipher, mac) => {
                cipher.apply(self.counter(ssrc, index), &mut packet[start..]);
                tag.copy_from_slice(&sign(mac, packet, &rollover(index))[..self.tag_len]);
            }
            Transform::Gcm(gcm) => {
                let (header, payload) = packet.split_at_mut(start);
                tag.copy_from_slice(&gcm.seal(self.nonce(ssrc, index), header, payload));
            }
        }
    }

    /// Verifies an SRTP packet, tag at its end, and decrypts it in place. `false`: it is not to be believed;
    /// in counter mode its bytes are untouched then.
    #[inline]
    #[must_use]
    pub(crate) fn open_rtp(&self, ssrc: Ssrc, index: u64, buffer: &mut [u8], start: usize) -> bool {
        let signed = buffer.len() - self.tag_len;
        match &self.transform {
            Transform::Hmac(cipher, mac) => {
                let (packet, tag) = buffer.split_at_mut(signed);
                let good = sign(mac, packet, &rollover(index));
                if !same_tag(&good, tag) {
                    return false;
                }
                cipher.apply(self.counter(ssrc, index), &mut packet[start..]);
                true
            }
            Transform::Gcm(gcm) => {
                let (header, sealed) = buffer.split_at_mut(start);
                gcm.open(self.nonce(ssrc, index), header, sealed)
            }
        }
    }

    /// Protects the RTCP packet in the first `len` bytes of `buffer`, which ends with room for index and tag.
    #[inline]
    pub(crate) fn seal_rtcp(&self, ssrc: Ssrc, index: u32, buffer: &mut [u8], len: usize) {
        let e = if self.encrypts() { 1 << 31 } else { 0 };
        let word = (e | index).to_be_bytes();
        match &self.transform {
            Transform::Hmac(cipher, mac) => {
                cipher.apply(self.counter(ssrc, index.into()), &mut buffer[8..len]);
                let (packet, tag) = buffer.split_at_mut(len + RTCP_INDEX_LEN);
                packet[len..].copy_from_slice(&word);
                tag.copy_from_slice(&sign(mac, packet, &[])[..tag.len()]);
            }
            Transform::Gcm(gcm) => {
                let (packet, trailer) = buffer.split_at_mut(len);
                let (header, body) = packet.split_at_mut(8);
                let nonce = self.nonce(ssrc, index.into());
                let tag = gcm.seal(nonce, &rtcp_data(header, word), body);
                trailer[..tag.len()].copy_from_slice(&tag);
                trailer[tag.len()..].copy_from_slice(&word);
            }
        }
    }

    /// The word with the E bit and the index, from an SRTCP packet that is long enough.
    #[inline]
    pub(crate) fn rtcp_word(&self, buffer: &[u8]) -> u32 {
        let at = match &self.transform {
            Transform::Hmac(..) => buffer.len() - self.tag_len - RTCP_INDEX_LEN,
            Transform::Gcm(_) => buffer.len() - RTCP_INDEX_LEN,
        };
        u32::from_be_bytes([buffer[at], buffer[at + 1], buffer[at + 2], buffer[at + 3]])
    }

    /// Verifies an SRTCP packet and decrypts it in place, when the E bit of its index word says so. `false`: it is
    /// not to be believed.
    #[inline]
    #[must_use]
    pub(crate) fn open_rtcp(&self, ssrc: Ssrc, word: u32, buffer: &mut [u8]) -> bool {
        let index = u64::from(word & 0x7fff_ffff);
        let encrypted = word >> 31 == 1;
        match &self.transform {
            Transform::Hmac(cipher, mac) => {
                let signed = buffer.len() - self.tag_len;
                let (packet, tag) = buffer.split_at_mut(signed);
                let good = sign(mac, packet, &[]);
                if !same_tag(&good, tag) {
                    return false;
                }
                if encrypted {
                    let end = signed - RTCP_INDEX_LEN;
                    cipher.apply(self.counter(ssrc, index), &mut packet[8..end]);
                }
                true
            }
            Transform::Gcm(gcm) => {
                // An unencrypted one is refused by the caller in any case: nothing needs its tag.
                if !encrypted {
                    return false;
                }
                let end = buffer.len() - RTCP_INDEX_LEN;
                let (header, sealed) = buffer[..end].split_at_mut(8);
                let nonce = self.nonce(ssrc, index);
                gcm.open(nonce, &rtcp_data(header, word.to_be_bytes()), sealed)
            }
        }
    }

    /// The first counter block: `salt · 2¹⁶ ⊕ SSRC · 2⁶⁴ ⊕ index · 2¹⁶` (RFC 3711 §4.1.1).
    #[inline]
    fn counter(&self, ssrc: Ssrc, index: u64) -> [u8; 16] {
        (*self.salt ^ u128::from(ssrc.0) << 64 ^ u128::from(index) << 16).to_be_bytes()
    }

    /// The nonce: two zeros, SSRC, 48 bits of index, all ⊕ salt (RFC 7714 §8.1, §9.1).
    #[inline]
    fn nonce(&self, ssrc: Ssrc, index: u64) -> [u8; 12] {
        let block = (*self.salt ^ u128::from(ssrc.0) << 80 ^ u128::from(index) << 32).to_be_bytes();
        let mut nonce = [0; 12];
        nonce.copy_from_slice(&block[..12]);
        nonce
    }
}

/// Compares a computed tag with the bytes of a packet without telling how much of them matched. As one number
/// or two: byte by byte it would be a tenth of the work on a small packet.
#[inline]
fn same_tag(good: &[u8; 20], tag: &[u8]) -> bool {
    if let (Ok(tag), [g @ .., _, _, _, _, _, _, _, _, _, _]) = (<[u8; 10]>::try_from(tag), good) {
        let number = |b: &[u8; 10]| {
            let (head, tail) = (
                [b[0], b[1], b[2], b[3], b[4], b[5], b[6], b[7]],
                [b[8], b[9]],
            );
            (
                u64::from_be_bytes(head),
                u64::from(u16::from_be_bytes(tail)),
            )
        };
        let (a, b) = (number(g), number(&tag));
        return ((a.0 ^ b.0) | (a.1 ^ b.1)).ct_eq(&0).into();
    }
    good.get(..tag.len())
        .is_some_and(|good| good.ct_eq(tag).into())
}

fn rollover(index: u64) -> [u8; 4] {
    ((index >> 16) as u32).to_be_bytes()
}

/// What GCM signs beside the body of an SRTCP packet: its first eight bytes and the index word (§9.2).
#[inline]
fn rtcp_data(header: &[u8], word: [u8; 4]) -> [u8; 12] {
    let mut data = [0; 12];
    data[..8].copy_from_slice(header);
    data[8..].copy_from_slice(&word);
    data
}

fn hmac(key: &[u8]) -> Hmac<Sha1> {
    // HMAC takes keys of any length, so that this cannot fail.
    <Hmac<Sha1> as KeyInit>::new_from_slice(key)
        .unwrap_or_else(|_| <Hmac<Sha1> as KeyInit>::new(&Default::default()))
}

/// The tag over `message`, and over `tail` after it: the rollover counter in SRTP, nothing in SRTCP. Its
/// first bytes go on the wire.
#[inline]
fn sign(mac: &Hmac<Sha1>, message: &[u8], tail: &[u8]) -> [u8; 20] {
    let mut mac = mac.clone();
    mac.update(message);
    mac.update(tail);
    mac.finalize().into_bytes().into()
}

impl Keyed {
    /// Encrypts or decrypts in place: the operation is its own inverse (RFC 3711 §4.1.1).
    #[inline]
    fn apply(&self, iv: [u8; 16], data: &mut [u8]) {
        match self {
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
        // SSRC and index 0: the counter block is the salt and two zeros.
        let mut iv = [0; 16];
        iv[..14].copy_from_slice(&hex("F0F1F2F3F4F5F6F7F8F9FAFBFCFD"));
        let cipher = Keyed::Aes128(aes128(&hex("2B7E151628AED2A6ABF7158809CF4F3C")));
        let mut stream = vec![0; 0xff02 * 16];
        cipher.apply(iv, &mut stream);
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

    /// A GCM transform under session keys as RFC 7714 §16 and §17 give them.
    fn gcm(key: &str) -> SessionKeys {
        let mut salt = Zeroizing::new([0; 16]);
        salt[..12].copy_from_slice(&hex("517569642070726f2071756f"));
        SessionKeys {
            transform: Transform::Gcm(Gcm::new(&hex(key))),
            salt: Zeroizing::new(u128::from_be_bytes(*salt)),
            tag_len: 16,
        }
    }

    const KEY_128: &str = "000102030405060708090a0b0c0d0e0f";
    const KEY_256: &str = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";

    /// RFC 7714 §16.1.1 and §16.2.1: SSRC 4d617273, rollover counter 0, sequence number f17b.
    #[test]
    fn seals_the_rtp_packets_of_rfc_7714_s16() {
        let plain = hex(
            "8040f17b8041f8d35501a0b2 47616c6c696120657374206f6d6e69732064697669736120696e20706172746573207472
             6573",
        );
        for (key, sealed) in [
            (
                KEY_128,
                "f24de3a3fb34de6cacba861c9d7e4bcabe633bd50d294e6f42a5f47a51c7d19b36de3adf8833899d7f27beb16a9152cf
                 765ee4390cce",
            ),
            (
                KEY_256,
                "32b1de78a822fe12ef9f78fa332e33aab18012389a58e2f3b50b2a0276ffae0f1ba63799b87b7aa3db36dfffd6b0f9bb
                 7878d7a76c13",
            ),
        ] {
            let keys = gcm(key);
            let mut buffer = [&plain[..], &[0; 16]].concat();
            let ssrc = Ssrc(0x5501_a0b2);
            keys.seal_rtp(ssrc, 0xf17b, &mut buffer, 12);
            assert_eq!(buffer[12..], hex(sealed), "{key}");
            assert!(keys.open_rtp(ssrc, 0xf17b, &mut buffer, 12));
            assert_eq!(buffer[..plain.len()], plain);
        }
    }

    /// RFC 7714 §17.1 and §17.3: SRTCP, encrypted, index 5d4.
    #[test]
    fn seals_the_rtcp_packets_of_rfc_7714_s17() {
        let plain = hex(
            "81c8000d4d617273 4e5450314e545032525450200000042a0000e9304c756e61deadbeefdeadbeefdeadbeefdeadbeef
             deadbeef",
        );
        for (key, sealed) in [
            (
                KEY_128,
                "63e94885dcdab67ca727d7662f6b7e997ff5c0f76c06f32dc676a5f1730d6fda4ce09b4686303ded0bb9275bc84aa458
                 96cf4d2fc5abf87245d9eade800005d4",
            ),
            (
                KEY_256,
                "d50ae4d1f5ce5d304ba297e47d470c282c3ece5dbffe0a50a2eaa5c1110555be8415f658c61de0476f1b6fad1d1eb30c
                 4446839f57ff6f6cb26ac3be800005d4",
            ),
        ] {
            let keys = gcm(key);
            let mut buffer = [&plain[..], &[0; 20]].concat();
            let ssrc = Ssrc(0x4d61_7273);
            keys.seal_rtcp(ssrc, 0x5d4, &mut buffer, plain.len());
            assert_eq!(buffer[8..], hex(sealed), "{key}");
            assert_eq!(keys.rtcp_word(&buffer), 0x8000_05d4);
            let word = keys.rtcp_word(&buffer);
            assert!(keys.open_rtcp(ssrc, word, &mut buffer));
            assert_eq!(buffer[..plain.len()], plain);
        }
    }
}
