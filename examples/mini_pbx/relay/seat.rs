//! One who sits at a conversation's lines: what was said of each, and how he reaches us.

use std::net::{IpAddr, SocketAddr};

use examples::chance::{chance, random};
use rtp_core::dtls::{self, Certificate};
use rtp_core::ice;
use rtp_core::negotiate::IceDescription;
use rtp_core::net::RtpSockets;
use rtp_core::sdes::{self, Crypto};
use rtp_core::sdp::{Description, Fingerprint, Media, Origin, Protocol, Setup};
use rtp_core::srtp::{MasterKey, Suite};
use sip_core::StatusCode;

use super::browser::Found;
use super::leg::{Kind, Peer};
use super::rewrite::{self, Secured, Way};

/// Suites that we offer and take, the most preferred first: what phones know (RFC 4568 section 6.2).
const SUITES: [Suite; 2] = [Suite::AesCm128HmacSha1_80, Suite::AesCm128HmacSha1_32];

/// One who takes part.
pub(crate) struct Seat {
    /// How he may be spoken to; the first is how he is.
    pub(super) ladder: Vec<Kind>,
    /// His sides of the lines that he takes part in.
    pub(super) sides: Vec<Option<Side>>,
    /// The lines that he knows, as they stood last: none may go (RFC 3264 section 8).
    pub(super) known: Vec<Media>,
    origin: Told,
}

/// The session as he was told it last.
struct Told {
    id: u64,
    version: u64,
    last: Option<Description>,
}

impl Seat {
    pub(super) fn new(ladder: Vec<Kind>) -> Self {
        Self {
            ladder,
            sides: Vec::new(),
            known: Vec::new(),
            origin: Told {
                id: u64::from_be_bytes(random()) >> 2,
                version: 1,
                last: None,
            },
        }
    }

    pub(super) fn kind(&self) -> Option<Kind> {
        self.ladder.first().copied()
    }

    pub(super) fn side(&mut self, line: usize) -> Option<&mut Side> {
        self.sides.get_mut(line)?.as_mut()
    }

    /// The description under a name of its own for him: one session, whoever is behind it (RFC 3264 section 8).
    pub(super) fn tell(&mut self, mut told: Description, ip: IpAddr) -> Description {
        let origin = &mut self.origin;
        told.origin = Origin::new(origin.id, origin.version, ip);
        if origin.last.as_ref().is_some_and(|last| *last != told) {
            origin.version += 1;
            told.origin = Origin::new(origin.id, origin.version, ip);
        }
        origin.last = Some(told.clone());
        self.known.clone_from(&told.media);
        told
    }
}

/// One side of a line, as it was described.
pub(super) struct Side {
    pub(super) sockets: RtpSockets,
    /// Where the side reaches us.
    pub(super) at: SocketAddr,
    pub(super) kind: Kind,
    protocol: Protocol,
    /// Whether it is offered feedback where it is no browser.
    feedback: bool,
    mid: Option<String>,
    pub(super) ours: IceDescription,
    theirs: Option<IceDescription>,
    ice: Option<ice::Role>,
    fingerprints: Vec<Fingerprint>,
    dtls: Option<dtls::Role>,
    /// Our key of each suite, under its tag.
    keys: Vec<(u32, MasterKey)>,
    /// What of that was agreed on, and the peer's key.
    agreed: Option<(u32, [MasterKey; 2])>,
}

impl Side {
    /// With a way of its own to us, at `told`; offered in the profile of its kind that is as rich as `like`.
    pub(super) fn new(sockets: RtpSockets, told: IpAddr, kind: Kind, like: &Protocol) -> Self {
        let feedback = matches!(like, Protocol::RtpAvpf | Protocol::RtpSavpf);
        let chance = &mut chance().boxed();
        let keys = SUITES.map(|suite| MasterKey::generate(suite, chance));
        Self {
            at: SocketAddr::new(told, sockets.rtp_addr().port()),
            sockets,
            kind,
            protocol: profile(kind, feedback),
            feedback,
            mid: None,
            ours: IceDescription::draw(chance),
            theirs: None,
            ice: None,
            fingerprints: Vec::new(),
            dtls: None,
            keys: (1..).zip(keys).collect(),
            agreed: None,
        }
    }

    /// Speaks to it in another way.
    pub(super) fn becomes(&mut self, kind: Kind) {
        self.protocol = profile(kind, self.feedback);
        self.kind = kind;
    }

    /// Takes what it says of its line; `None` when it is not to be sent to.
    ///
    /// # Errors
    /// The status to refuse it with.
    pub(super) fn learn(
        &mut self,
        kind: Kind,
        said: &Description,
        index: usize,
        is_offer: bool,
    ) -> Result<Option<Peer>, StatusCode> {
        const NOT_ACCEPTABLE: StatusCode = StatusCode::NOT_ACCEPTABLE_HERE;
        let media = said.media.get(index).ok_or(NOT_ACCEPTABLE)?;
        // Who began in secret does not go on in the clear.
        if kind != self.kind {
            return Err(NOT_ACCEPTABLE);
        }
        self.protocol.clone_from(&media.protocol);
        self.mid = media.attributes.value("mid").map(str::to_owned);
        let at = rewrite::addresses_of(said, index).ok_or(NOT_ACCEPTABLE)?;
        // The hold of RFC 2543 names no address.
        let at = (!at[0].ip().is_unspecified()).then_some(at);
        let keys = match self.kind {
            Kind::Clear => None,
            Kind::Sdes => Some(self.agree(media, is_offer).ok_or(NOT_ACCEPTABLE)?),
            Kind::Browser => {
                let found = self.found(said, index, at, is_offer);
                return found.ok_or(NOT_ACCEPTABLE).map(Some);
            }
        };
        let keys = keys.map(Box::new);
        Ok(at.map(|at| Peer::Phone { at, keys }))
    }

    /// The keys: the peer's and ours (RFC 4568 section 5.1).
    fn agree(&mut self, media: &Media, is_offer: bool) -> Option<[MasterKey; 2]> {
        let said: Vec<Crypto> = media.attributes.typed("crypto").collect();
        let (tag, theirs) = match is_offer {
            true => {
                let (line, theirs) = sdes::select(&said, &SUITES)?;
                (line.tag, theirs)
            }
            false => {
                let line = said.first()?;
                (line.tag, line.usable().ok()?)
            }
        };
        let fits = |suite: Suite| suite == theirs.suite();
        let ours = match &self.agreed {
            // Ours stays what it is: a new one of theirs does not ask for one.
            Some((_, [_, ours])) if fits(ours.suite()) => ours.clone(),
            _ => {
                let of =
                    |(own, key): &&(u32, MasterKey)| fits(key.suite()) && (is_offer || *own == tag);
                self.keys.iter().find(of)?.1.clone()
            }
        };
        let keys = [theirs, ours];
        self.agreed = Some((tag, keys.clone()));
        Some(keys)
    }

    fn found(
        &mut self,
        said: &Description,
        index: usize,
        at: Option<[SocketAddr; 2]>,
        is_offer: bool,
    ) -> Option<Peer> {
        let ice = rewrite::ice_of(said, index).map(|theirs| {
            let before = self.theirs.replace(theirs.clone());
            if is_offer && before.is_some_and(|before| !before.same_credentials(&theirs)) {
                self.ours = self.ours.renewed(&mut chance().boxed());
            }
            // Who offered first controls (RFC 8445 section 6.1.1).
            let first = match is_offer && !theirs.lite {
                true => ice::Role::Controlled,
                false => ice::Role::Controlling,
            };
            (theirs, *self.ice.get_or_insert(first))
        });
        // Without ICE only where it takes RTCP on the same port, as we do.
        let has_mux = || {
            said.media
                .get(index)
                .is_some_and(|media| media.attributes.has("rtcp-mux"))
        };
        if ice.is_none() && (at.is_none() || !has_mux()) {
            return None;
        }
        let fingerprints = rewrite::fingerprints_of(said, index);
        if self.dtls.is_none() || self.fingerprints != fingerprints {
            // Left to us, we begin (RFC 5763 section 5).
            self.dtls = Some(match rewrite::setup_of(said, index) {
                Some(Setup::Active) => dtls::Role::Server,
                _ => dtls::Role::Client,
            });
            self.fingerprints.clone_from(&fingerprints);
        }
        Some(Peer::Browser(Box::new(Found {
            ours: self.ours.clone(),
            ice,
            at: at.map_or(self.at, |[rtp, _]| rtp),
            fingerprints,
            dtls: self.dtls?,
        })))
    }

    /// How it reaches us.
    pub(super) fn way(&self, certificate: &Certificate, is_offer: bool) -> Way {
        let setup = match (is_offer, self.dtls) {
            (true, _) => Setup::ActPass,
            (false, Some(dtls::Role::Server)) => Setup::Passive,
            (false, _) => Setup::Active,
        };
        let crypto = |(tag, key): &(u32, MasterKey)| Crypto::new(*tag, key);
        let secured = match self.kind {
            Kind::Clear => Secured::Not,
            Kind::Sdes => Secured::Sdes(match &self.agreed {
                Some((tag, [_, ours])) => vec![Crypto::new(*tag, ours)],
                None => self.keys.iter().map(crypto).collect(),
            }),
            Kind::Browser => {
                // An answer to somebody without ICE has none (RFC 8839 section 4.2.5).
                let ice = is_offer || self.theirs.is_some();
                Secured::Dtls {
                    ice: ice.then(|| self.ours.clone()),
                    fingerprint: certificate.fingerprint(),
                    setup,
                }
            }
        };
        Way {
            at: self.at,
            protocol: self.protocol.clone(),
            mid: self.mid.clone(),
            secured,
        }
    }
}

/// The profile in which a side of a kind is offered a line: with feedback where whoever offers has it (RFC 4585) without
/// being a browser, which has it always.
fn profile(kind: Kind, feedback: bool) -> Protocol {
    match (kind, feedback) {
        (Kind::Browser, _) => Protocol::UdpTlsRtpSavpf,
        (Kind::Sdes, false) => Protocol::RtpSavp,
        (Kind::Sdes, true) => Protocol::RtpSavpf,
        (Kind::Clear, false) => Protocol::RtpAvp,
        (Kind::Clear, true) => Protocol::RtpAvpf,
    }
}
