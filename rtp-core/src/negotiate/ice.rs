//! ICE in SDP (RFC 8839): credentials and candidates as values. Checking connectivity is not ours.

use super::state::Line;
use crate::sdp::{Attribute, Attributes, Candidate, Description};
use crate::transport::Component;
use std::fmt;
use zeroize::Zeroizing;

/// One side's ICE parameters for one stream.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct IceDescription {
    /// The user name fragment: 4 to 256 characters of `A-Z a-z 0-9 + /` (RFC 8839 §5.4).
    pub ufrag: String,
    /// The password, a secret.
    pwd: Zeroizing<String>,
    /// Where this side may be found; the rest may trickle in later (RFC 8840). Those of component 2 are for RTCP on a port of
    /// its own (RFC 8839 §5.1); without any, it has no way.
    pub candidates: Vec<Candidate>,
    /// Whether this side only answers checks (RFC 8445 §2.5).
    pub lite: bool,
    /// Whether candidates may follow after this description (RFC 8840).
    pub trickle: bool,
    /// Whether these candidates are all there will be (`a=end-of-candidates`, RFC 8840 §4.3).
    pub complete: bool,
}

impl IceDescription {
    /// Credentials without candidates. The password has 22 to 256 characters of `A-Z a-z 0-9 + /`; draw
    /// both from a cryptographic generator.
    #[must_use]
    pub fn new(ufrag: &str, pwd: &str) -> IceDescription {
        IceDescription {
            ufrag: ufrag.to_owned(),
            pwd: Zeroizing::new(pwd.to_owned()),
            candidates: Vec::new(),
            lite: false,
            trickle: false,
            complete: false,
        }
    }

    /// Fresh credentials without candidates, from a cryptographic generator: a name of 48 random bits and a password of
    /// 144, where RFC 8445 §5.3 asks for 24 and 128.
    #[must_use]
    pub fn draw(random: &mut dyn FnMut(&mut [u8])) -> IceDescription {
        let mut draw = |length: usize| {
            let letters = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
            let mut bytes = Zeroizing::new(vec![0; length]);
            random(&mut bytes);
            let letter = |byte: &u8| char::from(letters[usize::from(byte & 63)]);
            bytes.iter().map(letter).collect::<String>()
        };
        let (ufrag, pwd) = (draw(8), Zeroizing::new(draw(24)));
        IceDescription::new(&ufrag, &pwd)
    }

    /// The same with fresh credentials: ICE starts again (RFC 8839 §4.4.1.1.1).
    #[must_use]
    pub fn renewed(&self, random: &mut dyn FnMut(&mut [u8])) -> IceDescription {
        IceDescription {
            candidates: self.candidates.clone(),
            lite: self.lite,
            trickle: self.trickle,
            complete: self.complete,
            ..IceDescription::draw(random)
        }
    }

    /// The password.
    #[must_use]
    pub fn pwd(&self) -> &str {
        &self.pwd
    }

    /// Whether both have the same credentials: others mean that ICE starts again (RFC 8839 §4.4.1.1.1).
    #[must_use]
    pub fn same_credentials(&self, other: &IceDescription) -> bool {
        self.ufrag == other.ufrag && self.pwd == other.pwd
    }

    /// Whether a component may be found.
    #[must_use]
    pub fn has(&self, component: Component) -> bool {
        let mut candidates = self.candidates.iter();
        candidates.any(|candidate| candidate.component == component.number())
    }

    /// The same for RTP alone.
    pub(super) fn without_rtcp(mut self) -> IceDescription {
        let rtp = Component::Rtp.number();
        self.candidates
            .retain(|candidate| candidate.component == rtp);
        self
    }

    /// What a section says, with the session's attributes behind it; `None` without both credentials.
    pub(super) fn read(description: &Description, line: usize) -> Option<IceDescription> {
        let attributes = &description.media.get(line)?.attributes;
        let value = |name| {
            attributes
                .value(name)
                .or_else(|| description.attributes.value(name))
                .map(str::trim)
        };
        let ufrag = value("ice-ufrag").filter(|ufrag| is_ice_chars(ufrag, 4))?;
        let pwd = value("ice-pwd").filter(|pwd| is_ice_chars(pwd, 22))?;
        let options = |attributes: &Attributes| {
            attributes
                .values("ice-options")
                .any(|options| options.split_ascii_whitespace().any(|o| o == "trickle"))
        };
        Some(IceDescription {
            candidates: attributes.typed("candidate").take(MAX_CANDIDATES).collect(),
            lite: description.attributes.has("ice-lite"),
            trickle: options(attributes) || options(&description.attributes),
            complete: attributes.has("end-of-candidates"),
            ..IceDescription::new(ufrag, pwd)
        })
    }

    /// The lines of a section of ours. `a=ice-lite` is the session's.
    pub(super) fn attributes(&self) -> Vec<Attribute> {
        let mut attributes = vec![
            Attribute::new("ice-ufrag", self.ufrag.as_str()),
            Attribute::new("ice-pwd", self.pwd()),
        ];
        // `ice2`: what RFC 8445 changed is known here (RFC 8839 §5.6).
        let options = if self.trickle { "ice2 trickle" } else { "ice2" };
        attributes.push(Attribute::new("ice-options", options));
        let candidates = self.candidates.iter();
        attributes
            .extend(candidates.map(|candidate| Attribute::new("candidate", candidate.to_string())));
        if self.complete {
            attributes.push(Attribute::flag("end-of-candidates"));
        }
        attributes
    }
}

impl fmt::Debug for IceDescription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IceDescription")
            .field("ufrag", &self.ufrag)
            .field("candidates", &self.candidates)
            .field("lite", &self.lite)
            .field("trickle", &self.trickle)
            .finish_non_exhaustive()
    }
}

/// Candidates of one section that are read: RFC 8445 §5.1.1.1 lets an agent bound them.
const MAX_CANDIDATES: usize = 64;

fn is_ice_chars(text: &str, least: usize) -> bool {
    (least..=256).contains(&text.len())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/'))
}

/// What both sides agreed on for ICE.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct IceAgreed {
    /// Our parameters.
    pub local: IceDescription,
    /// The peer's.
    pub remote: IceDescription,
    /// Whether we control which pair is used (RFC 8445 §6.1.1): the first offerer does, unless only the
    /// other side is a full agent. It stays so for the session.
    pub controlling: bool,
    /// Whether the credentials changed in this exchange, so that ICE starts again.
    pub restarted: bool,
    /// Whether RTCP has a component of its own: checks, a pair and consent beside RTP's. Without it and without rtcp-mux RTCP
    /// has no way.
    pub rtcp: bool,
}

impl IceAgreed {
    pub(super) fn new(
        local: &IceDescription,
        remote: IceDescription,
        line: &mut Line,
        we_offer: bool,
        mux: bool,
    ) -> IceAgreed {
        line.muxed = mux;
        // RFC 8445 §5.1.1.1: there are as many components as both sides have.
        let found = remote.has(Component::Rtcp) || remote.trickle && !remote.complete;
        let rtcp = !mux && local.has(Component::Rtcp) && found;
        let ours = local.clone();
        let before = line.ice.take();
        let controlling = match (local.lite, remote.lite) {
            (true, false) => false,
            (false, true) => true,
            _ => before
                .as_ref()
                .map_or(we_offer, |before| before.controlling),
        };
        let restarted = before.is_some_and(|before| {
            !(before.local.same_credentials(local) && before.remote.same_credentials(&remote))
        });
        let agreed = IceAgreed {
            local: if rtcp { ours } else { ours.without_rtcp() },
            remote,
            controlling,
            restarted,
            rtcp,
        };
        line.ice = Some(agreed.clone());
        agreed
    }
}
