//! One side's description as the other is to see it: formats and directions as they came, the way to us in place of the
//! way to whoever said it.

use std::net::{IpAddr, SocketAddr};

use rtp_core::negotiate::IceDescription;
use rtp_core::sdes::Crypto;
use rtp_core::sdp::{
    Address, Attribute, Attributes, Description, Direction, Fingerprint, Media, MediaKind,
    Protocol, Setup,
};

use super::leg::Kind;

/// What says how one side is reached, and means nothing to the other.
const OF_A_SIDE: [&str; 19] = [
    "candidate",
    "end-of-candidates",
    "remote-candidates",
    "ice-ufrag",
    "ice-pwd",
    "ice-options",
    "ice-lite",
    "ice-mismatch",
    "fingerprint",
    "setup",
    "tls-id",
    "connection",
    "crypto",
    "rtcp",
    "rtcp-mux",
    "rtcp-mux-only",
    "bundle-only",
    "group",
    "mid",
];

/// What sides of one kind agree on among themselves.
const OF_A_KIND: [&str; 7] = [
    "extmap",
    "extmap-allow-mixed",
    "msid",
    "msid-semantic",
    "ssrc",
    "ssrc-group",
    "rtcp-xr",
];

/// What only the profiles with feedback know (RFC 4585 section 4.2, RFC 5506 section 5).
const OF_FEEDBACK: [&str; 2] = ["rtcp-fb", "rtcp-rsize"];

/// Candidates of one line that are read.
const MAX_CANDIDATES: usize = 64;

/// How a side reaches us for one line.
pub(crate) struct Way {
    pub(crate) at: SocketAddr,
    pub(crate) protocol: Protocol,
    /// The name that the side gave its line.
    pub(crate) mid: Option<String>,
    pub(crate) secured: Secured,
}

/// What keeps its packets from being read.
pub(crate) enum Secured {
    Not,
    /// Our keys.
    Sdes(Vec<Crypto>),
    /// Our credentials, certificate and role.
    Dtls {
        ice: Option<IceDescription>,
        fingerprint: Fingerprint,
        setup: Setup,
    },
}

/// How whoever describes a line so is spoken to; `None` for a line that is refused, or not carried.
pub(crate) fn carried(media: &Media, said: &Description) -> Option<Kind> {
    let is_carried = matches!(media.kind, MediaKind::Audio | MediaKind::Video) && media.port != 0;
    is_carried.then(|| kind_of(media, said)).flatten()
}

/// How whoever says this is spoken to: as the first line that is carried says.
pub(crate) fn first_kind(said: &Description) -> Option<Kind> {
    let mut lines = said.media.iter();
    lines.find_map(|media| carried(media, said))
}

fn kind_of(media: &Media, said: &Description) -> Option<Kind> {
    let has = |name| media.attributes.has(name) || said.attributes.has(name);
    let has_key = || {
        let mut keys = media.attributes.typed::<Crypto>("crypto");
        keys.any(|line| line.usable().is_ok())
    };
    match media.protocol {
        Protocol::UdpTlsRtpSavp | Protocol::UdpTlsRtpSavpf => Some(Kind::Browser),
        // DTLS from before it had a name of its own.
        Protocol::RtpSavp | Protocol::RtpSavpf if has("fingerprint") => Some(Kind::Browser),
        Protocol::RtpSavp | Protocol::RtpSavpf => has_key().then_some(Kind::Sdes),
        // Keys for whoever wants them.
        Protocol::RtpAvp | Protocol::RtpAvpf if has_key() => Some(Kind::Sdes),
        Protocol::RtpAvp | Protocol::RtpAvpf => Some(Kind::Clear),
        _ => None,
    }
}

/// `said` with the lines of whoever is told it: an offer has those that he `known` at least, an answer those alone
/// (RFC 3264 sections 6 and 8).
pub(crate) fn fitted(said: &Description, known: &[Media], is_offer: bool) -> Description {
    let count = match is_offer {
        true => known.len().max(said.media.len()),
        false => known.len(),
    };
    let mut fitted = said.clone();
    let lines = (0..count).filter_map(|index| {
        let (said, known) = (said.media.get(index), known.get(index));
        match (said, known) {
            (Some(said), Some(known)) if said.kind == known.kind => Some(said.clone()),
            (_, Some(known)) => {
                let mut refused = Media::new(known.kind.clone(), 0, known.protocol.clone());
                refused.formats.clone_from(&known.formats);
                Some(refused)
            }
            (said, None) => said.cloned(),
        }
    });
    fitted.media = lines.collect();
    fitted
}

/// `said` by a side of the kind `from`, for one of the kind `to` that reaches us by `ways`, an entry a line; lines without
/// one are refused.
pub(crate) fn rewrite(
    said: &Description,
    (from, to): (Kind, Kind),
    ip: IpAddr,
    ways: &[Option<Way>],
) -> Description {
    let among_browsers = from == Kind::Browser && to == Kind::Browser;
    let alike = (from == Kind::Browser) == (to == Kind::Browser);
    let clean = |attributes: &mut Attributes, feedback: bool| {
        let theirs = OF_A_KIND.iter().filter(|_| !alike);
        let feedback = OF_FEEDBACK.iter().filter(|_| !feedback);
        let gone = OF_A_SIDE.iter().chain(theirs).chain(feedback);
        gone.for_each(|name| attributes.remove(name));
    };
    let mut told = said.clone();
    told.connection = Some(Address::from(ip));
    clean(&mut told.attributes, true);
    for (index, media) in told.media.iter_mut().enumerate() {
        media.connections.clear();
        let way = ways.get(index).and_then(Option::as_ref);
        let both = way.is_some_and(|way| has_feedback(&way.protocol));
        clean(&mut media.attributes, both && has_feedback(&media.protocol));
        let mid = way.and_then(|way| way.mid.clone());
        let before = said
            .media
            .get(index)
            .and_then(|media| media.attributes.value("mid"));
        let mid = mid.or_else(|| before.filter(|_| among_browsers).map(str::to_owned));
        if let (Some(mid), Kind::Browser) = (mid, to) {
            media.attributes.add("mid", mid);
        }
        let Some(way) = way.filter(|_| media.port != 0) else {
            media.port = 0;
            continue;
        };
        media.port = way.at.port();
        media.port_count = None;
        media.protocol = way.protocol.clone();
        // The hold of RFC 2543 names no address; ours is one.
        let named = said.connection_of(index).and_then(Address::ip);
        if from != Kind::Browser && named.is_some_and(|ip| ip.is_unspecified()) {
            let direction = said.direction_of(index).and(Direction::SendOnly);
            Direction::ALL
                .iter()
                .for_each(|other| media.attributes.remove(other.name()));
            media.attributes.push(Attribute::flag(direction.name()));
        }
        let attributes = &mut media.attributes;
        match &way.secured {
            Secured::Not => {}
            Secured::Sdes(keys) => {
                let keys = keys.iter().map(Crypto::to_string);
                keys.for_each(|key| attributes.add("crypto", key));
            }
            Secured::Dtls {
                ice,
                fingerprint,
                setup,
            } => {
                if let Some(ours) = ice {
                    attributes.add("ice-ufrag", ours.ufrag.as_str());
                    attributes.add("ice-pwd", ours.pwd());
                    attributes.add("candidate", candidate(way.at));
                    attributes.push(Attribute::flag("end-of-candidates"));
                }
                attributes.add("fingerprint", fingerprint.to_string());
                attributes.add("setup", setup.name());
                attributes.push(Attribute::flag("rtcp-mux"));
            }
        }
    }
    told
}

/// Whether a profile has feedback messages: AVPF, SAVPF.
fn has_feedback(protocol: &Protocol) -> bool {
    protocol.as_str().ends_with("AVPF")
}

/// Our one address: a host candidate of the one component (RFC 8839 section 5.1).
fn candidate(at: SocketAddr) -> String {
    let (ip, port) = (at.ip(), at.port());
    format!("1 1 udp 2130706431 {ip} {port} typ host")
}

/// ICE credentials and candidates of a line.
pub(crate) fn ice_of(said: &Description, index: usize) -> Option<IceDescription> {
    let attributes = &said.media.get(index)?.attributes;
    let value = |name| {
        attributes
            .value(name)
            .or_else(|| said.attributes.value(name))
    };
    let mut ice = IceDescription::new(value("ice-ufrag")?, value("ice-pwd")?);
    ice.lite = said.attributes.has("ice-lite");
    ice.candidates = attributes.typed("candidate").take(MAX_CANDIDATES).collect();
    Some(ice)
}

/// The certificates that the peer of a line may show.
pub(crate) fn fingerprints_of(said: &Description, index: usize) -> Vec<Fingerprint> {
    let of = |attributes: &Attributes| attributes.typed("fingerprint").collect::<Vec<_>>();
    let own = said.media.get(index).map(|media| of(&media.attributes));
    own.filter(|own| !own.is_empty())
        .unwrap_or_else(|| of(&said.attributes))
}

/// Who begins the handshake, as the peer says.
pub(crate) fn setup_of(said: &Description, index: usize) -> Option<Setup> {
    let own = said.media.get(index)?.attributes.typed("setup").next();
    own.or_else(|| said.attributes.typed("setup").next())
}

/// Where a phone receives RTP and RTCP.
pub(crate) fn addresses_of(said: &Description, index: usize) -> Option<[SocketAddr; 2]> {
    let media = said.media.get(index)?;
    let ip = said.connection_of(index)?.ip()?;
    let rtcp = match media.attributes.rtcp() {
        Some(told) => {
            let ip = told.address.as_ref().and_then(Address::ip).unwrap_or(ip);
            SocketAddr::new(ip, told.port)
        }
        None => SocketAddr::new(ip, media.port.checked_add(1)?),
    };
    Some([SocketAddr::new(ip, media.port), rtcp])
}
