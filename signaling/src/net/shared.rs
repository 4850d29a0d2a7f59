//! The ports that calls with ICE share, one a media thread: which calls, and what they are told.

use super::config::GatewayConfig;
use super::listen::told;
use super::ways::Leased;
use super::{BindError, Gateway, SessionId};
use crate::call::{capabilities, with_ice, with_levels};
use crate::dial::{DialRequest, Ice, Secure};
use crate::engine::thread::Port;
use media_mix::codec::Registry;
use rtp_core::negotiate::{Capabilities, RtcpMux};
use rtp_core::net::{BatchSocket, SocketOptions};
use rtp_core::sdp::{Attributes, Description, MediaKind};
use rtp_core::srtp::Suite;
use sip_core::{Body, CallId};
use std::net::SocketAddr;
use std::time::Instant;

/// Bytes of receive buffer: what fifty milliseconds of a thousand calls take.
const RECEIVE_BUFFER: usize = 4 << 20;

/// The sockets, one a media thread; none where none is wanted.
pub(super) fn open(config: &GatewayConfig) -> Result<Vec<BatchSocket>, BindError> {
    let Some(first) = config.shared_port else {
        return Ok(Vec::new());
    };
    let mut options = SocketOptions::default();
    options.receive_buffer = Some(RECEIVE_BUFFER);
    let threads = config.media_threads.max(1);
    let open = |index: usize| {
        let port = match first {
            0 => 0,
            // Past the last port there is none.
            first => u16::try_from(usize::from(first) + index).unwrap_or_default(),
        };
        let addr = SocketAddr::new(config.bind.ip(), port);
        BatchSocket::bind(addr, options).map_err(|source| BindError::Shared { addr, source })
    };
    (0..threads).map(open).collect()
}

/// What a call offers or answers with, apart from its address.
pub(super) struct Terms<'c> {
    pub(super) registry: &'c Registry,
    pub(super) secure: Secure,
    pub(super) suites: &'c [Suite],
    pub(super) ice: Ice,
}

impl Gateway {
    /// The shared port of a session's media thread, as phones are told it.
    fn shared_by(&self, session: SessionId) -> Option<SocketAddr> {
        let room = self.sessions.get(&session)?.room;
        Some(told(self.engine.shared(room)?, self.advertise))
    }

    /// Whether servers are asked for other ways.
    fn asks_servers(&self) -> bool {
        #[cfg(feature = "turn")]
        return self.reserve.is_wanted();
        #[cfg(not(feature = "turn"))]
        false
    }

    /// What a dial goes by, if it goes by the shared port: whoever answers it must do ICE, and multiplex RTCP.
    pub(super) fn share_dial(&self, session: SessionId, request: &DialRequest) -> Option<Leased> {
        let demands = request.ice == Ice::Require && request.secure == Secure::Dtls;
        let suits = demands && !self.asks_servers();
        let at = self.shared_by(session).filter(|_| suits)?;
        Some(Leased::shared(at))
    }

    /// What a call that comes in goes by, if it goes by the shared port. Which thread's is known when it is answered into a
    /// session; until then any one's will do.
    pub(super) fn share_incoming(&self, offer: Option<&Body>) -> Option<Leased> {
        let may = self.ice != Ice::Off && !self.asks_servers();
        let suits = may && offer.is_some_and(does_ice);
        let at = told(self.engine.any_shared()?, self.advertise);
        suits.then(|| Leased::shared(at))
    }

    /// Tells a call that comes in the shared port of the session that it is answered into, where it goes by one.
    pub(super) fn settle(&mut self, now: Instant, id: CallId, session: SessionId) {
        let entry = self.calls.get(&id);
        let is_shared = entry.is_some_and(|entry| matches!(entry.port, Some((Port::Shared, _))));
        let Some(at) = self.shared_by(session).filter(|_| is_shared) else {
            return;
        };
        let can = self.can(now, &self.terms(), &Leased::shared(at));
        if let Some(entry) = self.calls.get_mut(&id) {
            entry.call.set_capabilities(can);
        }
    }

    /// What calls that come in go by.
    pub(super) fn terms(&self) -> Terms<'_> {
        Terms {
            registry: &self.registry,
            secure: self.secure,
            suites: &self.suites,
            ice: self.ice,
        }
    }

    /// What a call can do.
    pub(super) fn can(&self, now: Instant, terms: &Terms<'_>, leased: &Leased) -> Capabilities {
        let fingerprint = Some(self.certificate.fingerprint());
        let (secure, suites) = (terms.secure, terms.suites);
        let can = capabilities(terms.registry, leased.local, secure, suites, fingerprint);
        let mut can = leased.describe(with_ice(now, can, terms.ice, &self.random));
        if matches!(leased.port, Port::Shared) {
            // By nothing else is it known whose a packet is.
            can.ice_required = true;
            can.rtcp_mux = RtcpMux::Require;
        }
        match self.max_talkers {
            Some(_) => with_levels(can),
            None => can,
        }
    }
}

/// Whether the first sound that is offered can come by ICE, and RTCP with it.
fn does_ice(offer: &Body) -> bool {
    let description = match Description::parse(&offer.bytes) {
        Ok(description) if offer.is_sdp() => description,
        _ => return false,
    };
    let has =
        |attributes: &Attributes, name| attributes.has(name) || attributes.value(name).is_some();
    let mut lines = description.media.iter();
    let sound = lines.find(|media| media.kind == MediaKind::Audio && media.port != 0);
    sound.is_some_and(|media| {
        let either = |name| has(&media.attributes, name) || has(&description.attributes, name);
        has(&media.attributes, "rtcp-mux") && either("ice-ufrag") && either("ice-pwd")
    })
}
