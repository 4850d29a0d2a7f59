//! Back-to-back: two calls joined into one conversation (RFC 7092), and ring groups.
//!
//! A [`Coupling`] takes a call that comes in, calls whom a [`Plan`] names (one phone, several at
//! once, or one after the other), joins the first that answers, and carries between the two sides
//! what its [`Policy`] says. Like the endpoint that it sits on it has no socket and no clock: its
//! owner hands it the endpoint's events, and it answers with commands to the endpoint and with
//! [`CouplingEvent`]s.
//!
//! ```
//! use sip_core::b2bua::{Coupling, Plan, Policy};
//! use sip_core::{Endpoint, Event, Invite};
//! use std::time::{Duration, Instant};
//!
//! /// Rings the desk for 20 s, then the mobile.
//! fn on_event(now: Instant, pbx: &mut Endpoint, couplings: &mut Vec<Coupling>, event: Event) {
//!     if let Event::Incoming { call, offer, request, .. } = &event {
//!         let Ok(from) = request.typed::<sip_core::header::From>().map(|from| from.to_name_addr()) else { return };
//!         let to = |uri: &str| Some(Invite::new(uri.parse().ok()?, from.clone()));
//!         let phones = ["sip:desk@192.0.2.1", "sip:mobile@192.0.2.2"].into_iter().filter_map(to);
//!         let plan = Plan::serial(phones, Duration::from_secs(20));
//!         couplings.push(Coupling::new(now, pbx, *call, offer.clone(), request, plan, Policy::default()));
//!         return;
//!     }
//!     let mut event = Some(event);
//!     for coupling in couplings.iter_mut() {
//!         event = event.and_then(|event| coupling.handle_event(now, pbx, event));
//!     }
//!     couplings.retain(|coupling| !coupling.is_over());
//! }
//! ```
//!
//! # What crosses
//!
//! | | by default | [`Policy`] |
//! |---|---|---|
//! | offers and answers | byte for byte; an offerless INVITE stays one | `bodies` |
//! | headers of requests | Subject, Priority, User-to-User | `headers` |
//! | provisional answers | statuses; early media of a plan with one phone | `progress` |
//! | INFO | with a body, DTMF too | `info` |
//! | UPDATE | as UPDATE where the other side allows it, else as re-INVITE | `updates` |
//! | a re-INVITE that repeats the session | answered here, with what the other side last said | `refreshes` |
//! | further methods | none: they are the application's | `methods` |
//! | REFER | the application's, which may have it carried out ([`Coupling::follow`]), or ask the other side in turn ([`CallHandle::refer`](crate::CallHandle::refer)) | `transfers`: carried out here over a `trunk`, or passed on |
//! | an INVITE that replaces a leg | when the application says so ([`Coupling::take_over`]): the newcomer's offer goes to the other side | `replaces`: always |
//! | 3xx from a phone | a failure, which the application may [follow](Coupling::ring) | `redirects`: followed, or passed on |
//! | the end: Reason | yes | `reasons` |
//! | the answer of a ring group that nobody answered | the best one, RFC 3261 section 16.7 | |
//! | Via, Route, Contact, tags, CSeq, credentials, session timers | never: each side has its own | |
//! | Max-Forwards | one less (RFC 7332); used up, the call gets 483 | |
//!
//! Whoever transfers his two ends of one line to each other leaves a conversation of nobody. Where it lies in one endpoint
//! it is ended; where it goes through several, no message tells, and the application ends it by the silence of its media
//! or a limit on its length ([`Coupling::hang_up`]).
//!
//! Left out: downstream forks that send early media and are answered by another branch (refused
//! with 500, since a preview binds, RFC 3261 section 13.2.1).

mod best;
mod coupling;
mod crossing;
mod exchange;
mod plan;
mod policy;
mod requests;
mod take_over;
mod transfer;
mod trunk;

pub use coupling::{Coupling, CouplingEvent, Side};
pub use plan::Plan;
pub use policy::{Bodies, HeaderPolicy, Infos, Policy, Progress, Redirects, Transfers, Updates};
pub use trunk::Trunk;
