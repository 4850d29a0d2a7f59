//! One adapter a contestant, all with the same duty: the bytes of one packet in, those of the other form out.
//! Whoever works in place copies the input first, so that each pays for one copy of the packet.

use rtp_core::srtp::{Inbound, MasterKey, Outbound, Suite};
use std::hint::black_box;

/// What is protected.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Rtp,
    Rtcp,
}

pub(crate) trait Peer {
    /// Protects a packet; the result is valid until the next call.
    fn protect(&mut self, plain: &[u8]) -> &[u8];
    fn unprotect(&mut self, wire: &[u8]) -> &[u8];
}

pub(crate) type Make = fn(&MasterKey, Kind) -> Option<Box<dyn Peer>>;

/// Every contestant but the floor; the first is ours.
pub(crate) const PEERS: &[(&str, Make)] = &[
    (benches::OURS, |key, kind| {
        Some(Box::new(Ours::new(key, kind)))
    }),
    ("webrtc-srtp", |key, kind| {
        Webrtc::new(key, kind).map(|p| Box::new(p) as _)
    }),
    ("rtc-srtp", |key, kind| {
        Rtc::new(key, kind).map(|p| Box::new(p) as _)
    }),
    #[cfg(feature = "libsrtp")]
    ("libsrtp 2.8", |key, kind| {
        libsrtp::LibSrtp::new(key, kind).map(|p| Box::new(p) as _)
    }),
];

/// Where packets are worked on, aligned for all alike as an allocator would: ciphers run a tenth slower or faster
/// with where their bytes begin.
#[repr(align(16))]
pub(crate) struct Buffer(pub(crate) [u8; 1600]);

impl Buffer {
    pub(crate) fn new() -> Buffer {
        Buffer([0; 1600])
    }
}

struct Ours {
    kind: Kind,
    tx: Outbound,
    rx: Inbound,
    buffer: Buffer,
}

impl Ours {
    fn new(key: &MasterKey, kind: Kind) -> Ours {
        let mut tx = Outbound::new(key);
        if kind == Kind::Rtcp {
            // The peers' first SRTCP index is 1.
            let mut report = [0x80, 201, 0, 1, 0xde, 0xad, 0xbe, 0xef].to_vec();
            report.resize(40, 0);
            tx.protect_rtcp(&mut report, 8).expect("protects");
        }
        Ours {
            kind,
            tx,
            rx: Inbound::new(key),
            buffer: Buffer::new(),
        }
    }
}

impl Peer for Ours {
    #[inline]
    fn protect(&mut self, plain: &[u8]) -> &[u8] {
        self.buffer.0[..plain.len()].copy_from_slice(plain);
        let len = match self.kind {
            Kind::Rtp => self.tx.protect_rtp(&mut self.buffer.0, plain.len()),
            Kind::Rtcp => self.tx.protect_rtcp(&mut self.buffer.0, plain.len()),
        };
        &self.buffer.0[..len.expect("protects")]
    }

    #[inline]
    fn unprotect(&mut self, wire: &[u8]) -> &[u8] {
        let buffer = &mut self.buffer.0[..wire.len()];
        buffer.copy_from_slice(wire);
        match self.kind {
            Kind::Rtp => self.rx.unprotect_rtp(buffer),
            Kind::Rtcp => self.rx.unprotect_rtcp(buffer),
        }
        .expect("unprotects")
    }
}

struct Webrtc {
    kind: Kind,
    tx: webrtc_srtp::context::Context,
    rx: webrtc_srtp::context::Context,
    out: bytes::Bytes,
}

impl Webrtc {
    fn new(key: &MasterKey, kind: Kind) -> Option<Webrtc> {
        use webrtc_srtp::context::Context;
        use webrtc_srtp::option::{srtcp_replay_protection, srtp_replay_protection};
        use webrtc_srtp::protection_profile::ProtectionProfile as Profile;
        let profile = match key.suite() {
            Suite::AesCm128HmacSha1_80 => Profile::Aes128CmHmacSha1_80,
            Suite::AeadAes128Gcm => Profile::AeadAes128Gcm,
            _ => return None,
        };
        // A bare context has no replay window unless asked; everybody else's is on.
        let context = || {
            Context::new(
                key.key(),
                key.salt(),
                profile,
                Some(srtp_replay_protection(128)),
                Some(srtcp_replay_protection(128)),
            )
            .ok()
        };
        Some(Webrtc {
            kind,
            tx: context()?,
            rx: context()?,
            out: bytes::Bytes::new(),
        })
    }
}

impl Peer for Webrtc {
    fn protect(&mut self, plain: &[u8]) -> &[u8] {
        self.out = match self.kind {
            Kind::Rtp => self.tx.encrypt_rtp(plain),
            Kind::Rtcp => self.tx.encrypt_rtcp(plain),
        }
        .expect("protects");
        &self.out
    }

    fn unprotect(&mut self, wire: &[u8]) -> &[u8] {
        self.out = match self.kind {
            Kind::Rtp => self.rx.decrypt_rtp(wire),
            Kind::Rtcp => self.rx.decrypt_rtcp(wire),
        }
        .expect("unprotects");
        &self.out
    }
}

struct Rtc {
    kind: Kind,
    tx: rtc_srtp::context::Context,
    rx: rtc_srtp::context::Context,
    out: bytes::BytesMut,
}

impl Rtc {
    fn new(key: &MasterKey, kind: Kind) -> Option<Rtc> {
        use rtc_crypto::RTCCryptoProvider;
        use rtc_srtp::context::Context;
        use rtc_srtp::option::{srtcp_replay_protection, srtp_replay_protection};
        use rtc_srtp::protection_profile::ProtectionProfile as Profile;
        let profile = match key.suite() {
            Suite::AesCm128HmacSha1_80 => Profile::Aes128CmHmacSha1_80,
            Suite::AeadAes128Gcm => Profile::AeadAes128Gcm,
            _ => return None,
        };
        let provider = rtc_crypto::providers::RingProvider::new();
        let context = || {
            Context::new(
                key.key(),
                key.salt(),
                profile,
                Some(srtp_replay_protection(128)),
                Some(srtcp_replay_protection(128)),
                provider.crypto(),
            )
            .ok()
        };
        Some(Rtc {
            kind,
            tx: context()?,
            rx: context()?,
            out: bytes::BytesMut::new(),
        })
    }
}

impl Peer for Rtc {
    fn protect(&mut self, plain: &[u8]) -> &[u8] {
        self.out = match self.kind {
            Kind::Rtp => self.tx.encrypt_rtp(plain),
            Kind::Rtcp => self.tx.encrypt_rtcp(plain),
        }
        .expect("protects");
        &self.out
    }

    fn unprotect(&mut self, wire: &[u8]) -> &[u8] {
        self.out = match self.kind {
            Kind::Rtp => self.rx.decrypt_rtp(wire),
            Kind::Rtcp => self.rx.decrypt_rtcp(wire),
        }
        .expect("unprotects");
        &self.out
    }
}

/// libsrtp 2.8 on the system's OpenSSL, as `ezk-srtp` builds it.
#[cfg(feature = "libsrtp")]
mod libsrtp {
    use super::{Kind, Peer};
    use ezk_srtp::{CryptoPolicy, SrtpPolicy, SrtpSession, Ssrc};
    use rtp_core::srtp::{MasterKey, Suite};

    pub(crate) struct LibSrtp {
        kind: Kind,
        tx: SrtpSession,
        rx: SrtpSession,
        buffer: Vec<u8>,
    }

    impl LibSrtp {
        pub(crate) fn new(key: &MasterKey, kind: Kind) -> Option<LibSrtp> {
            // Short tags are RTP's alone.
            let short = kind == Kind::Rtp;
            let policy = match key.suite() {
                Suite::AesCm128HmacSha1_32 if short => CryptoPolicy::aes_cm_128_hmac_sha1_32(),
                Suite::AesCm128HmacSha1_80 | Suite::AesCm128HmacSha1_32 => {
                    CryptoPolicy::aes_cm_128_hmac_sha1_80()
                }
                Suite::AesCm256HmacSha1_32 if short => CryptoPolicy::aes_cm_256_hmac_sha1_32(),
                Suite::AesCm256HmacSha1_80 | Suite::AesCm256HmacSha1_32 => {
                    CryptoPolicy::aes_cm_256_hmac_sha1_80()
                }
                Suite::AeadAes128Gcm => CryptoPolicy::aes_gcm_128_16_auth(),
                Suite::AeadAes256Gcm => CryptoPolicy::aes_gcm_256_16_auth(),
                _ => return None,
            };
            let session = |ssrc| {
                let key = key.key_salt().to_vec().into();
                let policy = SrtpPolicy::new(policy, policy, key, ssrc).ok()?;
                SrtpSession::new(vec![policy.window_size(128)]).ok()
            };
            Some(LibSrtp {
                kind,
                tx: session(Ssrc::AnyOutbound)?,
                rx: session(Ssrc::AnyInbound)?,
                buffer: Vec::with_capacity(2048),
            })
        }
    }

    impl Peer for LibSrtp {
        fn protect(&mut self, plain: &[u8]) -> &[u8] {
            self.buffer.clear();
            self.buffer.extend_from_slice(plain);
            match self.kind {
                Kind::Rtp => self.tx.protect_rtp(&mut self.buffer),
                Kind::Rtcp => self.tx.protect_rtcp(&mut self.buffer),
            }
            .expect("protects");
            &self.buffer
        }

        fn unprotect(&mut self, wire: &[u8]) -> &[u8] {
            self.buffer.clear();
            self.buffer.extend_from_slice(wire);
            match self.kind {
                Kind::Rtp => self.rx.unprotect_rtp(&mut self.buffer),
                Kind::Rtcp => self.rx.unprotect_rtcp(&mut self.buffer),
            }
            .expect("unprotects");
            &self.buffer
        }
    }
}

/// Keeps a result from being optimised away.
pub(crate) fn used(bytes: &[u8]) {
    black_box(bytes.len());
    black_box(bytes.last());
}
