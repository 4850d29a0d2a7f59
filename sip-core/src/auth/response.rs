//! The computation of RFC 7616 section 3.4, shared by client and server.

use md5::Md5;
use sha2::{Digest, Sha256, Sha512_256};
use zeroize::Zeroizing;

use super::Ha1;
use crate::header::digest::{HashAlgorithm, Protection, Qop};

/// What a response covers of a request.
#[derive(Debug, Clone, Copy)]
pub struct DigestRequest<'a> {
    /// The method, case kept: `INVITE`. For the ACK of a non-2xx this is never asked; credentials of an ACK for a
    /// 2xx are those of its INVITE (RFC 3261 section 22.1).
    pub method: &'a str,
    /// The Request-URI exactly as it stands in the start line.
    pub uri: &'a str,
    /// The body as sent; read only when `auth-int` is used.
    pub body: &'a [u8],
}

/// Lower-case hexadecimal digits of one hash.
pub(super) struct Hex {
    digits: [u8; 64],
    len: usize,
}

impl Hex {
    pub(super) fn as_bytes(&self) -> &[u8] {
        &self.digits[..self.len]
    }

    pub(super) fn into_array(self) -> [u8; 64] {
        self.digits
    }
}

impl core::fmt::Display for Hex {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        self.as_bytes()
            .iter()
            .try_for_each(|&digit| core::fmt::Write::write_char(f, char::from(digit)))
    }
}

/// The hash of the parts joined by colons.
pub(super) fn hex_of(hash: HashAlgorithm, parts: &[&[u8]]) -> Hex {
    fn run<D: Digest>(parts: &[&[u8]]) -> Hex {
        let mut hasher = D::new();
        for (index, part) in parts.iter().enumerate() {
            if index > 0 {
                hasher.update(b":");
            }
            hasher.update(part);
        }
        let bytes = hasher.finalize();
        let mut hex = Hex {
            digits: [0; 64],
            len: bytes.len() * 2,
        };
        write_hex(&bytes, &mut hex.digits);
        hex
    }
    match hash {
        HashAlgorithm::Md5 => run::<Md5>(parts),
        HashAlgorithm::Sha256 => run::<Sha256>(parts),
        HashAlgorithm::Sha512_256 => run::<Sha512_256>(parts),
    }
}

/// Writes two lower-case digits a byte, as far as `out` reaches.
pub(super) fn write_hex(bytes: &[u8], out: &mut [u8]) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    for (pair, byte) in out.chunks_exact_mut(2).zip(bytes) {
        pair[0] = DIGITS[usize::from(byte >> 4)];
        pair[1] = DIGITS[usize::from(byte & 15)];
    }
}

/// `request-digest`, for each of `qop` absent, `auth` and `auth-int`.
///
/// With `session` but without `protection` there is no cnonce to bind to; both sides refuse that combination before
/// they come here.
pub(super) fn response(
    ha1: &Ha1,
    session: bool,
    nonce: &str,
    protection: Option<&Protection>,
    request: &DigestRequest<'_>,
) -> Hex {
    let hash = ha1.hash();
    let body_hash;
    let mut a2: [&[u8]; 3] = [request.method.as_bytes(), request.uri.as_bytes(), &[]];
    let a2 = match protection {
        Some(Protection {
            qop: Qop::AuthInt, ..
        }) => {
            body_hash = hex_of(hash, &[request.body]);
            a2[2] = body_hash.as_bytes();
            &a2[..]
        }
        _ => &a2[..2],
    };
    let ha2 = hex_of(hash, a2);
    let cnonce = protection.map_or("", |protection| &protection.cnonce);
    let secret = if session {
        let bound = hex_of(hash, &[ha1.hex(), nonce.as_bytes(), cnonce.as_bytes()]);
        Zeroizing::new(bound.into_array())
    } else {
        let mut plain = Zeroizing::new([0; 64]);
        plain[..hash.hex_len()].copy_from_slice(ha1.hex());
        plain
    };
    let secret = &secret[..hash.hex_len()];
    match protection {
        None => hex_of(hash, &[secret, nonce.as_bytes(), ha2.as_bytes()]),
        Some(Protection { qop, nc, cnonce }) => {
            let mut count = [0; 8];
            write_hex(&nc.to_be_bytes(), &mut count);
            let parts = [
                secret,
                nonce.as_bytes(),
                &count,
                cnonce.as_bytes(),
                qop.name().as_bytes(),
                ha2.as_bytes(),
            ];
            hex_of(hash, &parts)
        }
    }
}
