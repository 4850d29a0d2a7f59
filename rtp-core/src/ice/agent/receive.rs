//! What arrives: checks of the peer's, and answers to ours and to the questions to STUN servers.

use super::{Agent, Pair, State};
use crate::ice::candidate::Kind;
use crate::stun::{self, Class, Message};
use std::net::SocketAddr;
use std::time::Instant;

impl Agent {
    /// Takes a datagram that came to `local`, the address of a host candidate or of a relay. `false`: it is not STUN, or not
    /// for this agent.
    pub fn receive(
        &mut self,
        now: Instant,
        local: SocketAddr,
        from: SocketAddr,
        datagram: &[u8],
    ) -> bool {
        let now = self.advance(now);
        let Ok(message) = Message::parse(datagram) else {
            return false;
        };
        if message.method() != stun::BINDING {
            return false;
        }
        let pair = Pair {
            local,
            remote: from,
        };
        let taken = match message.class() {
            Class::Request => self.requested(now, pair, &message, datagram),
            Class::Success | Class::Error => self.answered(now, pair, &message, datagram),
            // A keep-alive.
            Class::Indication => true,
        };
        if taken {
            self.settle(now);
        }
        taken
    }

    /// A check of the peer's. Whoever overheard one can send it again from anywhere: it makes new addresses of the
    /// peer's only up to the bound.
    fn requested(
        &mut self,
        now: Instant,
        pair: Pair,
        message: &Message<'_>,
        datagram: &[u8],
    ) -> bool {
        let known = self.remotes.iter().any(|(known, _)| *known == pair.remote);
        if self.state == State::Failed
            || !known && self.remotes.len() >= self.config.max_remote
            || !self.hand_over(now, pair, datagram)
        {
            return false;
        }
        if !known {
            self.remotes.push((pair.remote, false));
        }
        // Who sends no checks learns of the peer's consent from the peer's.
        if self.checks.ice_lite() {
            self.consent.verify(now, pair);
        }
        if message.attribute(stun::USE_CANDIDATE).is_some() {
            self.consent.nominate(pair);
        }
        // A nomination counts now, not when the next check is due.
        if self.theirs.is_some() {
            self.checks.handle_timeout(now);
        }
        true
    }

    fn answered(
        &mut self,
        now: Instant,
        pair: Pair,
        message: &Message<'_>,
        datagram: &[u8],
    ) -> bool {
        if let Some(found) = self.gather.answer(pair.local, pair.remote, message) {
            if let Some((mapped, base)) = found {
                // Without a NAT it is the host candidate; through one server as through the other it is known.
                let _ = self.add_local(Kind::Reflexive, mapped, base);
            }
            return true;
        }
        let id = message.transaction();
        // What does not come back the way that it went is no proof of that way (RFC 8445 §7.2.5.2.1).
        if self.consent.question(id) != Some(pair) {
            return false;
        }
        if message.class() == Class::Success && !self.may_map(message) {
            return false;
        }
        if !self.hand_over(now, pair, datagram) {
            return false;
        }
        if message.class() == Class::Success {
            self.consent.answered(now, id, pair);
        }
        true
    }

    /// Whether there is room for what an answer calls us. One address, once, whole: the checklist reads the last one.
    fn may_map(&mut self, message: &Message<'_>) -> bool {
        let mut kinds = message.attributes().map(|(kind, _)| kind);
        let twice = kinds.by_ref().any(|kind| kind == stun::XOR_MAPPED_ADDRESS)
            && kinds.any(|kind| kind == stun::XOR_MAPPED_ADDRESS);
        let Some(mapped) = message.mapped_address().filter(|_| !twice) else {
            return false;
        };
        let known = self.mapped.contains(&mapped)
            || self.locals.iter().any(|local| local.address == mapped);
        if known {
            return true;
        }
        let password = self.theirs.as_ref().map_or("", |(_, pwd)| pwd);
        if self.locals.len() + self.mapped.len() >= self.config.max_local
            || !message.verify(password.as_bytes())
        {
            return false;
        }
        self.mapped.push(mapped);
        true
    }

    /// Gives the checklist a message that we have read; it verifies it.
    fn hand_over(&mut self, now: Instant, pair: Pair, datagram: &[u8]) -> bool {
        let Ok(message) = is::stun::StunMessage::parse(datagram) else {
            return false;
        };
        let packet = is::stun::StunPacket {
            proto: is::Protocol::Udp,
            source: pair.remote,
            destination: pair.local,
            message,
        };
        self.checks.handle_packet(now, packet)
    }
}
