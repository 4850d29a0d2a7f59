//! From a URI to the addresses to try: RFC 3263, as a machine that asks its DNS questions.
//!
//! A [`Resolution`] is a list of what is still to do. [`next`](Resolution::next) gives the next
//! address, or the one DNS question that must be answered first, or says that nothing is left.
//! Nothing is asked before it is needed: the second SRV target's addresses are looked up when the
//! first has failed.
//!
//! | RFC 3263 | here |
//! |---|---|
//! | 4.1 transport: parameter, numeric host, port, NAPTR, SRV, default | [`Resolution::request`] |
//! | 4.2 port and address: SRV with the weights of RFC 2782, A and AAAA | [`Resolution::answer`] |
//! | 4.3 the next one after a timeout, 503 or a transport error | [`Resolution::next`] again |
//! | 5 responses whose connection is gone | [`Resolution::response`] |
//!
//! What failed a short while ago stands in a [`Blacklist`] and is tried last, never dropped: a
//! wrong suspicion must not make a name unreachable.
//!
//! An [`Endpoint`](crate::Endpoint) runs one for every call to a name and asks with
//! [`Question::Resolve`](crate::Question::Resolve). By hand:
//!
//! ```
//! use sip_core::resolve::{Blacklist, DnsAnswer, DnsQuery, Next, Resolution, Srv};
//! use sip_core::Transport;
//! use std::time::Instant;
//!
//! let uri = "sip:bob@example.org;transport=tcp".parse()?;
//! let mut way = Resolution::request(&uri, &[Transport::Udp, Transport::Tcp])?;
//! let (now, known, mut chance) = (Instant::now(), Blacklist::new(16), |bytes: &mut [u8]| bytes.fill(7));
//!
//! assert_eq!(way.next(now, &known), Next::Ask(DnsQuery::Srv("_sip._tcp.example.org".into())));
//! way.answer(DnsAnswer::Srv(vec![Srv::new(10, 60, 5070, "pbx.example.org")]), &mut chance);
//! assert_eq!(way.next(now, &known), Next::Ask(DnsQuery::Address("pbx.example.org".into())));
//! way.answer(DnsAnswer::Addresses(vec!["192.0.2.7".parse()?]), &mut chance);
//! let Next::Target(target) = way.next(now, &known) else { panic!() };
//! assert_eq!(target.to_string(), "192.0.2.7:5070 over TCP");
//! assert_eq!(way.next(now, &known), Next::Exhausted);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Names under `invalid` are nobody's, and never asked for.
//!
//! Left out: SCTP; NAPTR records with other flags than `s` (RFC 3263 section 4.1 knows no other);
//! SRV names for WebSocket, which RFC 7118 does not define (NAPTR may name one). CNAMEs are the
//! resolver's, and so is the order of A and AAAA addresses (RFC 6724).

mod blacklist;
mod records;
mod walk;

#[cfg(test)]
mod tables;

pub use blacklist::Blacklist;
pub use records::{DnsAnswer, DnsQuery, Naptr, Srv};
pub use walk::{Next, Resolution, ResolveError};
