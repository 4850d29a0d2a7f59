//! Several endpoints as one user agent: which of them a message is for.
//!
//! An [`Endpoint`](crate::Endpoint) is single-threaded. More cores run several, each with calls of its own, behind the same
//! sockets. What is coupled lives in one of them, its *home*, so that no table is shared and nothing is locked:
//!
//! | message | goes to the home of |
//! |---|---|
//! | a response | the branch in its topmost Via, which is ours |
//! | a request inside a dialog | the tag in its To, which is ours |
//! | INVITE with Replaces | our tag in the dialog whose place it takes (RFC 3891 section 3) |
//! | REGISTER | the address-of-record in its To |
//! | SUBSCRIBE, PUBLISH and MESSAGE that begin something | the address-of-record in its Request-URI |
//! | anything else | its Call-ID |
//!
//! For this an endpoint with [`Config::home`](crate::Config::home) draws branches, tags and Call-IDs whose home it is. So a
//! leg that it starts for a call of its own, and all that is ever said about either, stay with it. Its nonces name it too:
//! their requests are counted there, and elsewhere the client is asked again, with `stale=true`.
//!
//! ```
//! use sip_core::homes::{Homes, Router};
//! use sip_core::{Config, Message};
//!
//! let homes = Homes::new(4, 0x5eed); // random, in a server
//! let configs: Vec<Config> = homes.iter().map(|home| {
//!     let mut config = Config::default();
//!     config.home = Some(home);
//!     config
//! }).collect();
//! assert_eq!(configs.len(), 4);
//!
//! let mut router = Router::new(homes);
//! let bye = Message::parse(&b"BYE sip:us@192.0.2.9 SIP/2.0\r\n\
//!     Via: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1\r\nMax-Forwards: 70\r\nFrom: <sip:a@example.org>;tag=theirs\r\n\
//!     To: <sip:b@example.org>;tag=8f2a\r\nCall-ID: a84b4c76e66710\r\nCSeq: 2 BYE\r\nContent-Length: 0\r\n\r\n"[..])?;
//! assert_eq!(router.route(&bye), homes.of(b"8f2a"));
//! # Ok::<(), sip_core::ParseError>(())
//! ```

use std::collections::{HashMap, VecDeque};
use std::hash::{DefaultHasher, Hasher};

use bytes::Bytes;

use crate::header::{Replaces, To, Via};
use crate::registrar::Aor;
use crate::registration::stun;
use crate::{HeaderName, Message, Method};

/// How many INVITEs with Replaces are remembered for their CANCEL, which names neither a tag of ours nor the other call.
const MOVED: usize = 4096;

/// Endpoints that share sockets, and to which of them a name belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Homes {
    count: u16,
    key: u64,
}

/// One of several endpoints.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Home {
    homes: Homes,
    index: u16,
}

impl Homes {
    /// So many endpoints, at least one. Strangers choose their Call-IDs, and shall not choose the one endpoint that gets
    /// them all: `key` is random.
    pub fn new(count: u16, key: u64) -> Self {
        Self {
            count: count.max(1),
            key,
        }
    }

    /// How many there are.
    pub fn count(self) -> u16 {
        self.count
    }

    /// Each of them in turn, as an endpoint is told of it.
    pub fn iter(self) -> impl ExactSizeIterator<Item = Home> {
        (0..self.count).map(move |index| Home { homes: self, index })
    }

    /// The index of the home of a name: a Call-ID, a tag, a branch, an address-of-record. The same within one build.
    pub fn of(self, name: &[u8]) -> u16 {
        let mut hasher = DefaultHasher::new();
        hasher.write_u64(self.key);
        hasher.write(name);
        // The high bits of the product choose, so that each home gets as many.
        ((u128::from(hasher.finish()) * u128::from(self.count)) >> 64) as u16
    }
}

impl Home {
    /// Which it is, from 0 on.
    pub fn index(self) -> u16 {
        self.index
    }

    /// Whether it is the home of this name.
    pub fn owns(self, name: &[u8]) -> bool {
        self.homes.of(name) == self.index
    }
}

/// Says which endpoint each message is for; whoever owns the sockets asks it.
#[derive(Clone, Debug)]
pub struct Router {
    homes: Homes,
    /// Where INVITEs went by their Replaces, by Call-ID.
    moved: HashMap<u64, u16>,
    order: VecDeque<u64>,
}

impl Router {
    /// A router between these endpoints.
    pub fn new(homes: Homes) -> Self {
        Self {
            homes,
            moved: HashMap::new(),
            order: VecDeque::new(),
        }
    }

    /// The index of the endpoint that a datagram is for: of a STUN response the one that asked, of SIP as
    /// [`route`](Self::route) says, of anything else the first.
    pub fn route_datagram(&mut self, bytes: &Bytes) -> u16 {
        if stun::is_stun(bytes) {
            return bytes.get(8..20).map_or(0, |id| self.homes.of(id));
        }
        match Message::parse(bytes.clone()) {
            Ok(message) => self.route(&message),
            Err(_) => 0,
        }
    }

    /// The index of the endpoint that a message is for. What cannot be read well enough to say goes to the first, which
    /// refuses it.
    pub fn route(&mut self, message: &Message) -> u16 {
        if !message.is_request() {
            let via = message.typed::<Via<'_>>().ok();
            let branch =
                via.and_then(|via| via.branch().map(|branch| self.homes.of(branch.as_bytes())));
            return branch.unwrap_or(0);
        }
        let method = message.method();
        let to = message.typed::<To<'_>>().ok();
        if method == Some(Method::Register) {
            let uri = to.and_then(|to| to.uri().ok());
            return self.of_user(uri.and_then(|uri| Aor::new(&uri)));
        }
        if let Some(tag) = to.as_ref().and_then(|to| to.tag()) {
            return self.homes.of(tag.as_bytes());
        }
        if let Some(Method::Subscribe | Method::Publish | Method::Message) = method {
            return self.of_user(message.uri().ok().and_then(|uri| Aor::new(&uri)));
        }
        let Some(call_id) = message.header(HeaderName::CALL_ID) else {
            return 0;
        };
        let by_call_id = self.homes.of(call_id.value());
        match method {
            Some(Method::Invite) => match message.typed::<Replaces<'_>>() {
                Ok(replaces) => {
                    let home = self.homes.of(replaces.to_tag().as_bytes());
                    if home != by_call_id {
                        self.remember(self.key(call_id.value()), home);
                    }
                    home
                }
                Err(_) => by_call_id,
            },
            Some(Method::Cancel) => {
                let moved = self.moved.get(&self.key(call_id.value()));
                moved.copied().unwrap_or(by_call_id)
            }
            _ => by_call_id,
        }
    }

    fn of_user(&self, aor: Option<Aor>) -> u16 {
        aor.map_or(0, |aor| self.homes.of(aor.as_str().as_bytes()))
    }

    fn key(&self, call_id: &[u8]) -> u64 {
        let mut hasher = DefaultHasher::new();
        hasher.write_u64(!self.homes.key);
        hasher.write(call_id);
        hasher.finish()
    }

    fn remember(&mut self, name: u64, home: u16) {
        if self.moved.insert(name, home).is_none() {
            self.order.push_back(name);
        }
        if self.order.len() > MOVED
            && let Some(oldest) = self.order.pop_front()
        {
            self.moved.remove(&oldest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(first: &str, to: &str, extra: &str) -> Message {
        let method = first.split(' ').next().unwrap();
        let sequence = if method == "SIP/2.0" {
            "INVITE"
        } else {
            method
        };
        let text = format!(
            "{first}\r\nVia: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKours\r\nFrom: <sip:a@example.org>;tag=theirs\r\n\
             To: {to}\r\nCall-ID: chosen-by-them\r\nCSeq: 1 {sequence}\r\nMax-Forwards: 70\r\n{extra}Content-Length: 0\r\n\r\n"
        );
        Message::parse(text.into_bytes()).unwrap()
    }

    #[test]
    fn each_message_goes_where_the_table_says() {
        const URI: &str = "<sip:Bob@EXAMPLE.org;transport=tcp>";
        let tagged = format!("{URI};tag=ours");
        let replaces = "Replaces: old;to-tag=kept;from-tag=x\r\n";
        let cases = [
            ("SIP/2.0 200 OK", tagged.as_str(), "", "z9hG4bKours"),
            ("BYE sip:bob@example.org SIP/2.0", &tagged, "", "ours"),
            ("NOTIFY sip:bob@example.org SIP/2.0", &tagged, "", "ours"),
            ("ACK sip:bob@example.org SIP/2.0", &tagged, "", "ours"),
            (
                "INVITE sip:bob@example.org SIP/2.0",
                URI,
                "",
                "chosen-by-them",
            ),
            ("INVITE sip:bob@example.org SIP/2.0", URI, replaces, "kept"),
            (
                "INVITE sip:bob@example.org SIP/2.0",
                &tagged,
                replaces,
                "ours",
            ),
            (
                "REGISTER sip:example.org SIP/2.0",
                URI,
                "",
                "sip:Bob@example.org",
            ),
            (
                "REGISTER sip:example.org SIP/2.0",
                &tagged,
                "",
                "sip:Bob@example.org",
            ),
            (
                "SUBSCRIBE sip:carol@Example.org SIP/2.0",
                URI,
                "",
                "sip:carol@example.org",
            ),
            (
                "SUBSCRIBE sip:carol@example.org SIP/2.0",
                &tagged,
                "",
                "ours",
            ),
            ("OPTIONS sip:example.org SIP/2.0", URI, "", "chosen-by-them"),
        ];
        for key in 0..50 {
            let mut router = Router::new(Homes::new(7, key));
            for (first, to, extra, name) in cases {
                let message = message(first, to, extra);
                let home = router.homes.of(name.as_bytes());
                assert_eq!(router.route(&message), home, "{message}");
                assert_eq!(
                    router.route_datagram(&Bytes::copy_from_slice(message.as_bytes())),
                    home
                );
            }
        }
    }

    #[test]
    fn a_cancel_follows_its_invite_with_replaces() {
        const FIRST: &str = "sip:bob@example.org SIP/2.0";
        let replaces = "Replaces: old;to-tag=kept;from-tag=x\r\n";
        let invite = message(
            &format!("INVITE {FIRST}"),
            "<sip:bob@example.org>",
            replaces,
        );
        let cancel = message(&format!("CANCEL {FIRST}"), "<sip:bob@example.org>", "");
        let mut elsewhere = 0;
        for key in 0..50 {
            let mut router = Router::new(Homes::new(5, key));
            elsewhere += u32::from(router.route(&cancel) != router.homes.of(b"kept"));
            let home = router.route(&invite);
            assert_eq!(router.route(&cancel), home);
        }
        assert!(elsewhere > 20, "it would go elsewhere without");
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let mut router = Router::new(Homes::new(3, 1));
        for name in 0..3 * MOVED as u64 {
            router.remember(name, 1);
        }
        assert_eq!((router.moved.len(), router.order.len()), (MOVED, MOVED));
    }

    #[test]
    fn names_are_spread_evenly_and_a_key_moves_them() {
        for count in [1, 2, 3, 8] {
            let homes = Homes::new(count, 99);
            let mut each = vec![0_usize; usize::from(count)];
            let mut moved = 0;
            for number in 0..8000 {
                let name = format!("{number}@example.org");
                each[usize::from(homes.of(name.as_bytes()))] += 1;
                moved += u32::from(
                    Homes::new(count, 100).of(name.as_bytes()) != homes.of(name.as_bytes()),
                );
            }
            let fair = 8000 / usize::from(count);
            assert!(each.iter().all(|n| n.abs_diff(fair) < fair / 5), "{each:?}");
            assert!(count == 1 || moved > 3500, "{moved}");
        }
    }
}
