//! What the tests in `tests/` share: real peers, started and stopped by their own handles.
//!
//! - [`Baresip`]: one headless user agent with a control connection ([`Control`]), a WAV that it plays and one that
//!   it records.
//! - [`Linphone`]: a second one, of another family, which reads commands as lines.
//! - [`Sipp`]: one run of a scenario from `sipp/`, with every message that it saw.
//! - [`Ua`]: `sip-core`'s `Endpoint` on plain sockets, as an application without a runtime would drive it.
//! - [`Phone`]: `sip-core`'s `Driver` on UDP, TCP and TLS; [`Bridge`] puts TLS in front of peers without.
//! - [`App`]: `mini_pbx` and `softphone` as processes; [`Switchboard`]: a `mini_pbx` with three users.
//! - [`Kamailio`]: a registrar and record-routing proxy.
//! - [`Browser`]: headless Chromium; [`Pages`]: users of JsSIP and SIP.js in it.
//! - [`LossyWay`]: a way between two UDP ports on which RTP gets lost at will.
//! - [`Coturn`]: a STUN and TURN server.
//! - [`Heard`]: a recording, asked which tones it holds and for how long.
//! - [`network()`]: where phones do ICE that do none on 127.0.0.1.
//! - [`Ports`] and [`Scratch`]: room for each test that no other test uses.
//!
//! Everything listens on 127.0.0.1. A peer that is not installed makes its test say `skipped: … is not installed`;
//! with `INTEROP_REQUIRED=1` in the environment the test fails instead. Write it so:
//!
//! ```no_run
//! # fn some_test() {
//! if !interop::installed(&["baresip"]) {
//!     return;
//! }
//! # }
//! ```
//!
//! `INTEROP_EXAMPLES=DIR` takes `mini_pbx` and `softphone` from there instead of building them.
//! `INTEROP_KEEP=1` leaves the scratch directories where they are and prints their names.

#![forbid(unsafe_code)]

mod app;
mod baresip;
mod browser;
mod control;
mod coturn;
mod heard;
mod kamailio;
mod linphone;
mod lossy;
mod network;
mod pages;
mod phone;
mod ports;
mod process;
mod scratch;
mod sipp;
mod ua;
mod wav;

pub use app::{App, Switchboard, built};
pub use baresip::{Baresip, BaresipOptions, Codec, Packets, Security};
pub use browser::Browser;
pub use control::{Control, Event};
pub use coturn::Coturn;
pub use heard::Heard;
pub use kamailio::Kamailio;
pub use linphone::{Linphone, LinphoneAccount, LinphoneOptions};
pub use lossy::LossyWay;
pub use network::network;
pub use pages::{Order, Pages};
pub use phone::{Bridge, Phone};
pub use ports::{Ports, Proto, bound};
pub use process::{Process, absent, installed, wait_until};
pub use scratch::Scratch;
pub use sipp::{Direction, Outcome, Sipp, SippOptions, Traced, Transport};
pub use ua::Ua;
pub use wav::{Wav, tone};
