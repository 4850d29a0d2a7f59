//! Globally routable URIs of one user agent instance (RFC 5627).

use std::fmt;

use subtle::ConstantTimeEq;

use super::aor::Aor;
use super::base64url;
use super::binding::{Binding, Bindings};
use super::flow_token::mac;
use crate::text;
use crate::uri::UriRef;

const IV: usize = 16;
const SALT: usize = 8;
const CALL: usize = 8;
/// In front of the token in the user part, so that a temporary GRUU is known without a key.
const PREFIX: &str = "tgruu.";

/// The public GRUU of an instance: the address-of-record with the parameter `gr` (RFC 5627 section 5.4). `instance`
/// is the value of `+sip.instance`, with or without its angle brackets.
pub fn public_gruu(aor: &Aor, instance: &str) -> String {
    format!("{aor};gr={}", escaped(bare(instance)))
}

/// The key under which temporary GRUUs are made. Nodes that share it read each other's.
///
/// A temporary GRUU holds its address-of-record and instance, encrypted and authenticated, so that nothing is stored
/// for it and two of one user cannot be told to be one user's. The construction is that of a synthetic IV: the MAC of
/// the content is the IV of its keystream, both from HMAC-SHA-256 under separate keys. Eight random bytes in the
/// content make each one new.
#[derive(Clone)]
pub struct GruuKey {
    mac: [u8; 32],
    stream: [u8; 32],
}

/// What a GRUU of ours stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gruu {
    /// The address-of-record.
    pub aor: Aor,
    /// The instance, without angle brackets.
    pub instance: String,
    /// For a temporary GRUU, the Call-ID under which it was given out, hashed: one registered with another is void
    /// (RFC 5627 section 5.4).
    call: Option<[u8; CALL]>,
}

impl GruuKey {
    /// A key.
    pub fn new(key: [u8; 32]) -> Self {
        Self {
            mac: mac(&key, &[b"temporary gruu, authentication"]),
            stream: mac(&key, &[b"temporary gruu, encryption"]),
        }
    }

    /// A new temporary GRUU for an instance that is registered with this Call-ID. `chance` fills a buffer with
    /// cryptographic random bytes.
    pub fn temporary(
        &self,
        aor: &Aor,
        instance: &str,
        call_id: &str,
        chance: &mut dyn FnMut(&mut [u8]),
    ) -> String {
        let mut content = vec![0; SALT];
        chance(&mut content);
        content.extend_from_slice(&self.call(call_id));
        content.extend_from_slice(aor.as_str().as_bytes());
        content.push(b'\n');
        content.extend_from_slice(bare(instance).as_bytes());
        let iv: [u8; IV] = mac(&self.mac, &[&content]);
        self.apply_stream(&iv, &mut content);
        let token = base64url::encode(&[&iv[..], &content].concat());
        format!("sip:{PREFIX}{token}@{};gr", aor.host())
    }

    /// What a URI stands for, if it is a GRUU: a temporary one of this key, or any public one.
    pub fn read(&self, uri: &UriRef<'_>) -> Option<Gruu> {
        let gr = uri.param("gr")?;
        if gr.value_bytes().is_some() {
            return Some(Gruu {
                aor: Aor::new(uri)?,
                instance: gr.decoded()?.into_owned(),
                call: None,
            });
        }
        let token = uri.user()?.strip_prefix(PREFIX)?;
        let bytes = base64url::decode(token)?;
        let (iv, content) = bytes.split_first_chunk::<IV>()?;
        let mut content = content.to_vec();
        self.apply_stream(iv, &mut content);
        let expected: [u8; IV] = mac(&self.mac, &[&content]);
        if !bool::from(expected.ct_eq(iv)) {
            return None;
        }
        let call = *content.get(SALT..)?.first_chunk::<CALL>()?;
        let text = std::str::from_utf8(content.get(SALT + CALL..)?).ok()?;
        let (aor, instance) = text.split_once('\n')?;
        let aor = Aor::new(&UriRef::parse(aor.as_bytes()).ok()?)?;
        Some(Gruu {
            aor,
            instance: instance.to_owned(),
            call: Some(call),
        })
    }

    /// Whether a binding of the address-of-record is one that the GRUU leads to.
    pub fn leads_to(&self, gruu: &Gruu, binding: &Binding) -> bool {
        binding
            .instance
            .as_deref()
            .is_some_and(|instance| bare(instance) == gruu.instance)
            && gruu
                .call
                .is_none_or(|call| call == self.call(&binding.call_id))
    }

    /// The binding that a GRUU leads to among those of its address-of-record: the one refreshed last (RFC 5627
    /// section 5.1).
    pub fn find<'b>(
        &self,
        gruu: &Gruu,
        bindings: &'b Bindings,
        now: std::time::SystemTime,
    ) -> Option<&'b Binding> {
        let mut found = bindings.iter().rev().filter(|b| b.expires > now);
        found.find(|binding| self.leads_to(gruu, binding))
    }

    fn call(&self, call_id: &str) -> [u8; CALL] {
        mac(&self.mac, &[b"call", call_id.as_bytes()])
    }

    fn apply_stream(&self, iv: &[u8; IV], content: &mut [u8]) {
        for (number, chunk) in (0u32..).zip(content.chunks_mut(32)) {
            let pad: [u8; 32] = mac(&self.stream, &[iv, &number.to_be_bytes()]);
            for (byte, pad) in chunk.iter_mut().zip(pad) {
                *byte ^= pad;
            }
        }
    }
}

impl Gruu {
    /// Whether it is a temporary one, which hides whose it is.
    pub fn is_temporary(&self) -> bool {
        self.call.is_some()
    }
}

/// The URN of `<urn:…>`.
fn bare(instance: &str) -> &str {
    instance
        .strip_prefix('<')
        .and_then(|rest| rest.strip_suffix('>'))
        .unwrap_or(instance)
}

/// As the value of a URI parameter.
fn escaped(instance: &str) -> String {
    let mut out = String::with_capacity(instance.len());
    for byte in instance.bytes() {
        if text::is(byte, text::UNRESERVED) || byte == b':' {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

impl fmt::Debug for GruuKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("GruuKey")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const URN: &str = "urn:uuid:f81d4fae-7dec-11d0-a765-00a0c91e6bf6";

    fn aor(uri: &str) -> Aor {
        Aor::new(&UriRef::parse(uri.as_bytes()).unwrap()).unwrap()
    }

    #[test]
    fn a_public_gruu_is_the_address_of_record_with_the_instance() {
        let aor = aor("sip:callee@example.com");
        let uri = public_gruu(&aor, &format!("<{URN}>"));
        // RFC 5627 section 9.
        assert_eq!(uri, format!("sip:callee@example.com;gr={URN}"));
        let key = GruuKey::new([1; 32]);
        let gruu = key.read(&UriRef::parse(uri.as_bytes()).unwrap()).unwrap();
        assert_eq!(
            (&gruu.aor, &*gruu.instance, gruu.is_temporary()),
            (&aor, URN, false)
        );
        let odd = public_gruu(&aor, "<urn:x y;z>");
        let gruu = key.read(&UriRef::parse(odd.as_bytes()).unwrap()).unwrap();
        assert_eq!(gruu.instance, "urn:x y;z");
    }

    #[test]
    fn temporary_gruus_hide_their_user_and_cannot_be_forged() {
        let (aor, key) = (aor("sip:callee@example.com"), GruuKey::new([1; 32]));
        let mut count = 0;
        let mut make = || {
            key.temporary(&aor, URN, "call-1", &mut |bytes: &mut [u8]| {
                count += 1;
                bytes.fill(count);
            })
        };
        let (one, two) = (make(), make());
        assert_ne!(one, two);
        assert!(!one.contains("callee") && !one.contains("f81d"), "{one}");
        let parsed = UriRef::parse(one.as_bytes()).unwrap();
        let gruu = key.read(&parsed).unwrap();
        assert_eq!(
            (&gruu.aor, &*gruu.instance, gruu.is_temporary()),
            (&aor, URN, true)
        );
        assert_eq!(GruuKey::new([2; 32]).read(&parsed), None);
        // Any change to any character of the token.
        let at = one.find(PREFIX).unwrap() + PREFIX.len();
        let end = one.find('@').unwrap();
        for place in at..end {
            let mut forged = one.clone().into_bytes();
            forged[place] = if forged[place] == b'A' { b'B' } else { b'A' };
            assert_eq!(key.read(&UriRef::parse(&forged).unwrap()), None);
        }
        for bad in [
            "sip:tgruu.@example.com;gr",
            "sip:tgruu.AAAA@example.com;gr",
            "sip:a@example.com",
        ] {
            assert_eq!(
                key.read(&UriRef::parse(bad.as_bytes()).unwrap()),
                None,
                "{bad}"
            );
        }
    }
}
