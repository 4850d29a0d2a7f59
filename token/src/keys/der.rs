//! As much of DER and PEM as keys need: reading and writing public keys, and the private form that `ring` does not read.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

use crate::error::KeyError;

pub(super) const SEQUENCE: u8 = 0x30;
pub(super) const INTEGER: u8 = 0x02;
pub(super) const BIT_STRING: u8 = 0x03;
pub(super) const OCTET_STRING: u8 = 0x04;
pub(super) const OID: u8 = 0x06;
/// `[0]` and `[1]` of SEC 1's ECPrivateKey.
pub(super) const CONTEXT_0: u8 = 0xa0;
pub(super) const CONTEXT_1: u8 = 0xa1;

/// Object identifiers, content bytes only.
pub(super) const RSA_ENCRYPTION: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 1];
pub(super) const EC_PUBLIC_KEY: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 2, 1];
pub(super) const PRIME256V1: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 3, 1, 7];
pub(super) const ED25519: &[u8] = &[0x2b, 0x65, 0x70];

/// Walks the elements of one level.
pub(super) struct Reader<'a>(pub(super) &'a [u8]);

impl<'a> Reader<'a> {
    /// The content of the next element, which must have this tag.
    pub(super) fn expect(&mut self, tag: u8) -> Option<&'a [u8]> {
        let (found, content, rest) = split(self.0)?;
        (found == tag).then(|| {
            self.0 = rest;
            content
        })
    }

    /// The content of the next element if it has this tag.
    pub(super) fn optional(&mut self, tag: u8) -> Option<&'a [u8]> {
        if self.0.first() == Some(&tag) {
            self.expect(tag)
        } else {
            None
        }
    }

    /// An unsigned integer without the zero that keeps it positive.
    pub(super) fn unsigned(&mut self) -> Option<&'a [u8]> {
        match self.expect(INTEGER)? {
            [0, rest @ ..] if !rest.is_empty() => Some(rest),
            [first, ..] if first & 0x80 != 0 => None,
            content => Some(content),
        }
    }

    pub(super) fn done(&self) -> Option<()> {
        self.0.is_empty().then_some(())
    }
}

/// Tag, content, and what follows. Lengths up to 65535; longer ones no key has.
fn split(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&tag, rest) = bytes.split_first()?;
    let (len, rest) = match rest {
        [len @ 0..=0x7f, rest @ ..] => (usize::from(*len), rest),
        [0x81, len @ 0x80..=0xff, rest @ ..] => (usize::from(*len), rest),
        [0x82, high @ 1..=0xff, low, rest @ ..] => {
            (usize::from(*high) << 8 | usize::from(*low), rest)
        }
        _ => return None,
    };
    let (content, rest) = rest.split_at_checked(len)?;
    Some((tag, content, rest))
}

/// An element of at most 65535 bytes of content.
pub(super) fn element(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    let len: usize = parts.iter().map(|part| part.len()).sum();
    let [.., high, low] = len.to_be_bytes();
    let mut out = vec![tag];
    match len {
        0..=0x7f => out.push(low),
        0x80..=0xff => out.extend([0x81, low]),
        _ => out.extend([0x82, high, low]),
    }
    parts.iter().for_each(|part| out.extend_from_slice(part));
    out
}

/// An unsigned integer.
pub(super) fn unsigned(bytes: &[u8]) -> Vec<u8> {
    let digits = &bytes[bytes.iter().take_while(|byte| **byte == 0).count()..];
    let sign: &[u8] = if digits.first().is_none_or(|first| first & 0x80 != 0) {
        &[0]
    } else {
        &[]
    };
    element(INTEGER, &[sign, digits])
}

/// The first block of a PEM text (RFC 7468): its label and content.
///
/// Text around the block is passed over, as OpenSSL writes it; blocks with headers (encrypted keys) are refused.
pub(super) fn from_pem(pem: &str) -> Result<(&str, Zeroizing<Vec<u8>>), KeyError> {
    let (_, rest) = pem.split_once("-----BEGIN ").ok_or(KeyError::NotPem)?;
    let (label, rest) = rest.split_once("-----").ok_or(KeyError::NotPem)?;
    let (body, rest) = rest.split_once("-----END ").ok_or(KeyError::NotPem)?;
    if !rest
        .strip_prefix(label)
        .is_some_and(|rest| rest.starts_with("-----"))
    {
        return Err(KeyError::NotPem);
    }
    if body.contains(':') {
        return Err(KeyError::Encrypted);
    }
    let digits: Zeroizing<String> = Zeroizing::new(body.split_ascii_whitespace().collect());
    let der = STANDARD
        .decode(digits.as_bytes())
        .map_err(|_| KeyError::NotPem)?;
    Ok((label, Zeroizing::new(der)))
}

/// A PEM block with lines of 64.
pub(super) fn to_pem(label: &str, der: &[u8]) -> String {
    let digits = Zeroizing::new(STANDARD.encode(der));
    let mut out = String::with_capacity(digits.len() + digits.len() / 64 + label.len() * 2 + 40);
    out.push_str(&format!("-----BEGIN {label}-----\n"));
    let mut rest = digits.as_str();
    while !rest.is_empty() {
        let (line, after) = rest.split_at(rest.len().min(64));
        out.push_str(line);
        out.push('\n');
        rest = after;
    }
    out.push_str(&format!("-----END {label}-----\n"));
    out
}
