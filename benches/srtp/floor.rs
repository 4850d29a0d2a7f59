//! The crypto that a packet cannot avoid, and nothing else: keys are scheduled once; a packet costs one counter
//! pass and one HMAC-SHA1 (RustCrypto, the fastest measured), or one GCM pass (`ring`, the fastest measured).
//! No header is read, no stream is looked up, no window is kept.

use aes::Aes128;
use aes::cipher::{InnerIvInit, KeyInit, StreamCipher, StreamCipherCoreWrapper};
use hmac::{Hmac, Mac};
use ring::aead::{AES_128_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use rtp_core::srtp::{MasterKey, Suite};
use sha1::Sha1;
use std::hint::black_box;

use crate::peers::{Buffer, Kind, Peer};

pub(crate) struct Floor {
    gcm: Option<LessSafeKey>,
    aes: Aes128,
    mac: Hmac<Sha1>,
    /// Bytes in the clear at the start, and bytes after the body.
    head: usize,
    tail: usize,
    counter: u64,
    buffer: Buffer,
}

impl Floor {
    pub(crate) fn new(key: &MasterKey, kind: Kind) -> Floor {
        let gcm = key.suite() == Suite::AeadAes128Gcm;
        let mut bytes = [0; 16];
        bytes.copy_from_slice(key.key());
        let index = if kind == Kind::Rtcp { 4 } else { 0 };
        Floor {
            gcm: gcm.then(|| {
                let key = UnboundKey::new(&AES_128_GCM, key.key()).expect("16 bytes");
                LessSafeKey::new(key)
            }),
            aes: Aes128::new(&bytes.into()),
            mac: <Hmac<Sha1> as KeyInit>::new_from_slice(&[7; 20]).expect("any length"),
            head: if kind == Kind::Rtcp { 8 } else { 12 },
            tail: index + if gcm { 16 } else { 10 },
            counter: 0,
            buffer: Buffer::new(),
        }
    }

    #[inline]
    fn keystream(&mut self, from: usize, to: usize) {
        let mut iv = [0; 16];
        iv[6..14].copy_from_slice(&self.counter.to_be_bytes());
        let core =
            ctr::CtrCore::<&Aes128, ctr::flavors::Ctr128BE>::inner_iv_init(&self.aes, &iv.into());
        StreamCipherCoreWrapper::from_core(core).apply_keystream(&mut self.buffer.0[from..to]);
    }

    #[inline]
    fn tag(&self, len: usize) -> [u8; 20] {
        let mut mac = self.mac.clone();
        mac.update(&self.buffer.0[..len]);
        mac.update(&[0; 4]);
        mac.finalize().into_bytes().into()
    }

    fn nonce(&self) -> Nonce {
        let mut nonce = [0; 12];
        nonce[4..].copy_from_slice(&self.counter.to_be_bytes());
        Nonce::assume_unique_for_key(nonce)
    }
}

impl Peer for Floor {
    #[inline]
    fn protect(&mut self, plain: &[u8]) -> &[u8] {
        self.counter += 1;
        let len = plain.len();
        self.buffer.0[..len].copy_from_slice(plain);
        if let Some(gcm) = &self.gcm {
            let nonce = self.nonce();
            let (head, rest) = self.buffer.0.split_at_mut(self.head);
            let body = &mut rest[..len - self.head];
            let tag = gcm
                .seal_in_place_separate_tag(nonce, Aad::from(&head[..]), body)
                .expect("seals");
            self.buffer.0[len..len + 16].copy_from_slice(tag.as_ref());
        } else {
            self.keystream(self.head, len);
            let tag = self.tag(len);
            self.buffer.0[len..len + 10].copy_from_slice(&tag[..10]);
        }
        &self.buffer.0[..len + self.tail]
    }

    #[inline]
    fn unprotect(&mut self, wire: &[u8]) -> &[u8] {
        self.counter += 1;
        let len = wire.len() - self.tail;
        self.buffer.0[..wire.len()].copy_from_slice(wire);
        if let Some(gcm) = &self.gcm {
            let nonce = self.nonce();
            let (head, rest) = self.buffer.0.split_at_mut(self.head);
            let body = &mut rest[..len + 16 - self.head];
            // The key is another than the wire's: the tag is computed and found wrong, at the same price.
            black_box(gcm.open_in_place(nonce, Aad::from(&head[..]), body).is_ok());
        } else {
            let tag = self.tag(len);
            black_box(tag[..10] == wire[wire.len() - 10..]);
            self.keystream(self.head, len);
        }
        &self.buffer.0[..len]
    }
}
