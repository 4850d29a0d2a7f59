//! AES-GCM, sealed and opened in place: from RustCrypto, or from `ring` with the feature of that name.

/// Bytes of a GCM tag.
const TAG: usize = 16;

#[cfg(not(feature = "ring"))]
mod keyed {
    use super::TAG;
    use aes_gcm::aead::AeadInOut;
    use aes_gcm::aead::inout::InOutBuf;
    use aes_gcm::{Aes128Gcm, Aes256Gcm, KeyInit};

    pub(crate) enum Gcm {
        Aes128(Box<Aes128Gcm>),
        Aes256(Box<Aes256Gcm>),
    }

    impl Gcm {
        /// A key of 16 or 32 bytes.
        pub(crate) fn new(key: &[u8]) -> Gcm {
            let mut long = zeroize::Zeroizing::new([0; 32]);
            long[..key.len()].copy_from_slice(key);
            if key.len() == 32 {
                return Gcm::Aes256(Box::new(Aes256Gcm::new(&(*long).into())));
            }
            let mut short = zeroize::Zeroizing::new([0; 16]);
            short.copy_from_slice(&long[..16]);
            Gcm::Aes128(Box::new(Aes128Gcm::new(&(*short).into())))
        }

        #[inline]
        pub(crate) fn seal(&self, nonce: [u8; 12], data: &[u8], body: &mut [u8]) -> [u8; TAG] {
            let body = InOutBuf::from(body);
            let tag = match self {
                Gcm::Aes128(gcm) => gcm.encrypt_inout_detached(&nonce.into(), data, body),
                Gcm::Aes256(gcm) => gcm.encrypt_inout_detached(&nonce.into(), data, body),
            };
            // It fails beyond 64 GiB only; a tag of zeros is refused by every receiver.
            tag.map_or([0; TAG], Into::into)
        }

        /// `sealed` is the body and its tag.
        #[inline]
        pub(crate) fn open(&self, nonce: [u8; 12], data: &[u8], sealed: &mut [u8]) -> bool {
            let Some((body, tag)) = sealed.split_last_chunk_mut::<TAG>() else {
                return false;
            };
            let (body, tag) = (InOutBuf::from(body), (*tag).into());
            match self {
                Gcm::Aes128(gcm) => gcm.decrypt_inout_detached(&nonce.into(), data, body, &tag),
                Gcm::Aes256(gcm) => gcm.decrypt_inout_detached(&nonce.into(), data, body, &tag),
            }
            .is_ok()
        }
    }
}

#[cfg(feature = "ring")]
mod keyed {
    use super::TAG;
    use ring::aead::{AES_128_GCM, AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};

    /// `None` for a key of another length than 16 or 32, which the table does not have.
    pub(crate) struct Gcm(Option<Box<LessSafeKey>>);

    impl Gcm {
        /// A key of 16 or 32 bytes.
        pub(crate) fn new(key: &[u8]) -> Gcm {
            let algorithm = if key.len() == 32 {
                &AES_256_GCM
            } else {
                &AES_128_GCM
            };
            let key = UnboundKey::new(algorithm, key).ok();
            Gcm(key.map(|key| Box::new(LessSafeKey::new(key))))
        }

        #[inline]
        pub(crate) fn seal(&self, nonce: [u8; 12], data: &[u8], body: &mut [u8]) -> [u8; TAG] {
            let nonce = Nonce::assume_unique_for_key(nonce);
            let tag = self.0.as_ref().and_then(|key| {
                key.seal_in_place_separate_tag(nonce, Aad::from(data), body)
                    .ok()
            });
            // It fails beyond 64 GiB only; a tag of zeros is refused by every receiver.
            tag.and_then(|tag| tag.as_ref().try_into().ok())
                .unwrap_or([0; TAG])
        }

        /// `sealed` is the body and its tag; its bytes are lost when the tag is wrong.
        #[inline]
        pub(crate) fn open(&self, nonce: [u8; 12], data: &[u8], sealed: &mut [u8]) -> bool {
            let nonce = Nonce::assume_unique_for_key(nonce);
            self.0
                .as_ref()
                .is_some_and(|key| key.open_in_place(nonce, Aad::from(data), sealed).is_ok())
        }
    }
}

pub(crate) use keyed::Gcm;
