//! Candidates between SDP and the checklist.

use super::error::IceError;
use crate::sdp::Candidate;
use crate::transport::Component;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// How we came by an address of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Host,
    /// A STUN server, or the application, told it.
    Reflexive,
    Relayed,
}

/// A candidate of ours.
#[derive(Debug, Clone)]
pub(super) struct Local {
    pub(super) kind: Kind,
    /// Where the peer finds it.
    pub(super) address: SocketAddr,
    /// Where it is sent from.
    pub(super) base: SocketAddr,
    /// As it stands in our description.
    pub(super) told: Candidate,
}

impl Local {
    /// The checklist's form.
    pub(super) fn to_check(
        kind: Kind,
        address: SocketAddr,
        base: SocketAddr,
    ) -> Result<is::Candidate, IceError> {
        if address.port() == 0 || base.port() == 0 {
            return Err(IceError::Address);
        }
        let udp = is::Protocol::Udp;
        match kind {
            Kind::Host => is::Candidate::host(address, udp),
            Kind::Reflexive => is::Candidate::server_reflexive(address, base, udp),
            Kind::Relayed => is::Candidate::relayed(address, base, udp),
        }
        .map_err(|_| IceError::Address)
    }

    pub(super) fn new(
        kind: Kind,
        (address, base): (SocketAddr, SocketAddr),
        component: Component,
        priority: u32,
        others: &[Local],
    ) -> Local {
        let typ = match kind {
            Kind::Host => "host",
            Kind::Reflexive => "srflx",
            Kind::Relayed => "relay",
        };
        // One foundation for one kind at one address of ours (RFC 8445 §5.1.1.3).
        let alike = |other: &&Local| other.kind == kind && other.base.ip() == base.ip();
        let foundation = match others.iter().find(alike) {
            Some(other) => other.told.foundation.clone(),
            None => (others.len() + 1).to_string(),
        };
        // What is behind a NAT stays private (RFC 8839 §5.1).
        let nowhere: IpAddr = match address {
            SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
            SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
        };
        Local {
            kind,
            address,
            base,
            told: Candidate {
                foundation,
                component: component.number(),
                transport: "udp".to_owned(),
                // The checklist knows the first component alone; each further one is worth one less (RFC 8445 §5.1.2.1).
                priority: priority - u32::from(component.number() - 1),
                address: address.ip().to_string(),
                port: address.port(),
                kind: typ.to_owned(),
                related: (kind != Kind::Host).then(|| (nowhere.to_string(), 9)),
                extensions: Vec::new(),
            },
        }
    }
}

/// Whether a candidate of the peer's is of use, its address aside.
pub(super) fn served(
    candidate: &Candidate,
    component: Component,
    ufrag: Option<&str>,
) -> Result<(), IceError> {
    if candidate.component != component.number() || !candidate.transport.eq_ignore_ascii_case("udp")
    {
        return Err(IceError::Unserved);
    }
    let mut of = candidate
        .extensions
        .iter()
        .filter(|(name, _)| name == "ufrag");
    match (of.next(), ufrag) {
        (Some((_, of)), Some(ufrag)) if of != ufrag => Err(IceError::Stale),
        _ => Ok(()),
    }
}

/// A candidate of the peer's for the checklist.
pub(super) fn to_check(candidate: &Candidate, ip: IpAddr) -> Result<is::Candidate, IceError> {
    let address = SocketAddr::new(ip, candidate.port);
    let kind = match candidate.kind.as_str() {
        "host" => is::CandidateKind::Host,
        "srflx" => is::CandidateKind::ServerReflexive,
        "prflx" => is::CandidateKind::PeerReflexive,
        "relay" => is::CandidateKind::Relayed,
        _ => return Err(IceError::Unserved),
    };
    if !reachable(address) {
        return Err(IceError::Address);
    }
    Ok(is::Candidate::from_parts(
        candidate.foundation.clone(),
        1,
        is::Protocol::Udp,
        candidate.priority,
        address,
        kind,
        None,
        None,
        None,
    ))
}

/// Whether somebody may be found there: not everybody, and not nobody.
fn reachable(address: SocketAddr) -> bool {
    let ip = match address.ip() {
        IpAddr::V4(ip) => {
            !(ip.is_unspecified() || ip.is_multicast() || ip.is_broadcast() || ip.is_link_local())
        }
        IpAddr::V6(ip) => !(ip.is_unspecified() || ip.is_multicast()),
    };
    ip && address.port() != 0
}
