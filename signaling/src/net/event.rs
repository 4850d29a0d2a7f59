//! What a gateway tells its application.

use super::SessionId;
use crate::call::{CallEnd, CallState, Info, Side, Transfer, TransferRequest};
use crate::capture::{Captured, Carrier};
use crate::engine::{LegReport, RoomError};
use crate::session::SessionEvent;
use rtp_core::ice::Pair;
use rtp_core::negotiate::MediaProfile;
use rtp_core::quality::{self, CodecImpairment, Conditions};
use rtp_core::srtp::Suite;
use sip_core::{CallId, Message, StatusCode};
use std::net::SocketAddr;
use std::time::Duration;

/// What happened at a gateway.
#[derive(Debug)]
#[non_exhaustive]
pub enum Event {
    /// A phone calls. Ring, answer or reject it.
    Incoming {
        /// The call.
        call: CallId,
        /// Who the caller proved to be, if the gateway asks for that.
        user: Option<String>,
        /// The call whose place this one takes when it is answered (RFC 3891).
        replaces: Option<CallId>,
        /// The INVITE, with every header as it came.
        request: Message,
    },
    /// A provisional answer to a dial: 180 Ringing, 183 Session Progress.
    Progress {
        /// The call.
        call: CallId,
        /// The status.
        status: StatusCode,
        /// The phone's own reason phrase.
        reason: String,
    },
    /// The phone refused the protection of a dial that only allows it, and is offered a weaker one.
    FellBack {
        /// The call.
        call: CallId,
        /// The status with which it refused.
        status: StatusCode,
        /// What is offered now; with `Avp` the sound may go in the clear.
        profile: MediaProfile,
    },
    /// A call is up: a phone answered, or we did.
    Answered {
        /// The call.
        call: CallId,
        /// From the INVITE to the answer.
        setup: Duration,
    },
    /// The phone pressed a key.
    Key {
        /// The call.
        call: CallId,
        /// `0`–`9`, `*`, `#`, `A`–`D`.
        digit: char,
        /// How long it was held.
        duration: Duration,
    },
    /// A side holds the call.
    Held {
        /// The call.
        call: CallId,
        /// Which side.
        by: Side,
    },
    /// A side that held the call no longer does.
    Resumed {
        /// The call.
        call: CallId,
        /// Which side.
        by: Side,
    },
    /// A hold or resume of ours was refused; the call goes on as before.
    ChangeRefused {
        /// The call.
        call: CallId,
        /// The status.
        status: StatusCode,
        /// The phone's own reason phrase.
        reason: String,
    },
    /// An INFO came that is no key (RFC 6086).
    Info {
        /// The call.
        call: CallId,
        /// What it carries.
        info: Info,
    },
    /// An INFO that [`Gateway::send_info`](super::Gateway::send_info) sent was answered.
    InfoAnswered {
        /// The call.
        call: CallId,
        /// The status: 408 when nobody answered.
        status: StatusCode,
    },
    /// The phone refused a key that was pressed by INFO; those after it are dropped.
    KeysRefused {
        /// The call.
        call: CallId,
        /// The status: 408 when nobody answered.
        status: StatusCode,
    },
    /// How a transfer goes that [`Gateway::transfer`](super::Gateway::transfer) or
    /// [`transfer_to`](super::Gateway::transfer_to) asked for. A call that ends first has the last word.
    Transfer {
        /// The call.
        call: CallId,
        /// What is new.
        step: Transfer,
    },
    /// A phone asks to be replaced by somebody else, in its call (`Config::referrals` of
    /// [`GatewayConfig::endpoint`](super::GatewayConfig::endpoint) decides whether it may). Dial
    /// [`TransferRequest::dial`] into the session that you choose, or refuse; the phone hangs up once the new call is answered.
    TransferAsked {
        /// The call.
        call: CallId,
        /// What the phone asks for.
        transfer: Box<TransferRequest>,
    },
    /// The media engine could not do what a call needs. The call goes on; hang up if it is of no use so.
    MediaFailed {
        /// The call.
        call: CallId,
        /// Why.
        error: RoomError,
    },
    /// A call is over; its id means nothing any more.
    Ended {
        /// The call.
        call: CallId,
        /// By whom and why, with the phone's own words.
        end: CallEnd,
        /// Its last figures.
        info: Box<CallInfo>,
    },
    /// A session changed.
    Session {
        /// Which.
        session: SessionId,
        /// How.
        event: SessionEvent,
    },
    /// What the endpoint tells that is no call's: registrations, questions, subscriptions, REFERs outside calls.
    Sip(Box<sip_core::Event>),
    /// A packet crossed the wire ([`GatewayConfig::capture`](super::GatewayConfig::capture)).
    Captured(CapturedPacket),
}

/// A packet that crossed the wire.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct CapturedPacket {
    /// When, as time since the Unix epoch.
    pub at: Duration,
    /// How it travelled.
    pub carrier: Carrier,
    /// Who sent it.
    pub source: SocketAddr,
    /// Who it was for.
    pub destination: SocketAddr,
    /// Whether it is signaling, not sound.
    pub is_sip: bool,
    /// The payload, encrypted if the call is.
    pub bytes: bytes::Bytes,
}

impl CapturedPacket {
    /// The packet for [`Pcapng`](crate::capture::Pcapng) and [`Ladder`](crate::capture::Ladder).
    pub fn captured(&self) -> Captured<'_> {
        Captured {
            at: self.at,
            carrier: self.carrier,
            source: self.source,
            destination: self.destination,
            bytes: &self.bytes,
        }
    }
}

/// The figures of a call at one moment; those of the sound are up to 200 ms old.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct CallInfo {
    /// The call.
    pub call: CallId,
    /// Where it stands.
    pub state: CallState,
    /// Since the answer; zero before.
    pub duration: Duration,
    /// From the INVITE to the answer.
    pub setup: Option<Duration>,
    /// The suite that encrypts its sound; `None` in the clear, and while a DTLS handshake goes on.
    pub suite: Option<Suite>,
    /// Whether its keys come from a DTLS handshake.
    pub dtls: bool,
    /// The way that ICE has found for its sound; `None` without ICE, and until then.
    pub pair: Option<Pair>,
    /// The SDP name of the codec that is agreed on; empty before.
    pub codec: String,
    /// Whether we hold it.
    pub held_by_us: bool,
    /// Whether the phone holds it.
    pub held_by_peer: bool,
    /// Packets, jitter, levels; `None` until the engine has spoken.
    pub media: Option<LegReport>,
}

impl CallInfo {
    /// The share of the phone's packets that was lost, 0 to 1.
    pub fn loss(&self) -> f64 {
        self.media
            .as_ref()
            .and_then(|media| media.path.as_ref())
            .map_or(0.0, |path| path.loss())
    }

    /// The interarrival jitter of the phone's packets, ms (RFC 3550 A.8).
    pub fn jitter_ms(&self) -> f64 {
        self.media
            .as_ref()
            .and_then(|media| media.path.as_ref())
            .map_or(0.0, |path| path.jitter_ms)
    }

    /// The mean opinion score of what we hear, 1 to 4.5, by the E-model: from the codec, the packets lost and the
    /// delay; `None` before the first packet. Narrowband codecs on the scale of ITU-T G.107, G.722 and Opus on the
    /// wideband scale of G.107.1: scores of both are no comparison.
    pub fn mos(&self) -> Option<f64> {
        let media = self.media.as_ref()?;
        let path = media
            .path
            .as_ref()
            .filter(|path| path.packets_received > 0)?;
        let (ie, bpl) = media.impairment;
        let codec = CodecImpairment {
            ie: f64::from(media.ie_wideband.unwrap_or(ie)),
            bpl: f64::from(bpl),
        };
        let mut conditions = Conditions::perfect();
        conditions.loss = path.loss();
        // The buffer's delay counts from the moment at which the quickest packet comes.
        let travel = path.one_way.map_or(Duration::ZERO, |way| way.shortest);
        conditions.delay =
            travel + Duration::from_secs_f64(media.jitter.delay_ms.max(0.0) / 1000.0);
        Some(match media.ie_wideband {
            Some(_) => quality::estimate_wideband(codec, conditions),
            None => quality::estimate(codec, conditions),
        })
    }
}
