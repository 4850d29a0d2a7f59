//! The media profile, chosen late: which protection a first offer asks for, and what to try when the peer
//! refuses it.
//!
//! An answer needs no choice of its own, the offer makes it within the policies. An offer is made before the
//! far side is known; when that refuses, for instance with 488, the next weaker profile that
//! [`SdesPolicy`] and [`DtlsPolicy`] allow is worth a try, and nothing weaker ever is.

use super::{Capabilities, DtlsPolicy, LocalError, Negotiation, SdesPolicy, SentOffer};
use crate::sdp::Protocol;

/// How a line is protected, and the transport protocol that says so.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum MediaProfile {
    /// `RTP/AVP` (RFC 3551): in the clear, or with [`SdesPolicy::Allow`] encrypted when the peer takes up an
    /// `a=crypto` (RFC 8643).
    Avp,
    /// `RTP/SAVP` with SDES (RFC 3711, RFC 4568).
    Savp,
    /// `UDP/TLS/RTP/SAVPF` with DTLS (RFC 5764), and ICE where there are candidates.
    DtlsSavpf,
}

impl MediaProfile {
    pub(super) fn protocol(self) -> Protocol {
        match self {
            MediaProfile::Avp => Protocol::RtpAvp,
            MediaProfile::Savp => Protocol::RtpSavp,
            MediaProfile::DtlsSavpf => Protocol::UdpTlsRtpSavpf,
        }
    }

    /// What an offer asks for when nobody chose.
    pub(super) fn first(capabilities: &Capabilities) -> MediaProfile {
        match (capabilities.dtls.policy, capabilities.sdes.policy) {
            (DtlsPolicy::Require, _) => MediaProfile::DtlsSavpf,
            (_, SdesPolicy::Require) => MediaProfile::Savp,
            (_, SdesPolicy::Off | SdesPolicy::Allow) => MediaProfile::Avp,
        }
    }
}

impl Capabilities {
    /// The profiles that a first offer may ask for, the strongest first.
    ///
    /// | DTLS | SDES | profiles |
    /// |---|---|---|
    /// | `Off` | `Off` | `Avp` |
    /// | `Off` | `Allow` | `Savp`, `Avp` |
    /// | `Off` | `Require` | `Savp` |
    /// | `Allow` | any | `DtlsSavpf`, then as without DTLS |
    /// | `Require` | any | `DtlsSavpf` |
    ///
    /// Without a fingerprint DTLS is off.
    #[must_use]
    pub fn profiles(&self) -> Vec<MediaProfile> {
        let (dtls, sdes) = (self.dtls.policy, self.sdes.policy);
        let allowed = |profile: &MediaProfile| match profile {
            MediaProfile::DtlsSavpf => {
                dtls != DtlsPolicy::Off && !self.dtls.fingerprints.is_empty()
            }
            MediaProfile::Savp => dtls != DtlsPolicy::Require && sdes != SdesPolicy::Off,
            MediaProfile::Avp => dtls != DtlsPolicy::Require && sdes != SdesPolicy::Require,
        };
        [
            MediaProfile::DtlsSavpf,
            MediaProfile::Savp,
            MediaProfile::Avp,
        ]
        .into_iter()
        .filter(allowed)
        .collect()
    }
}

impl Negotiation {
    /// Offers with lines of this profile, one of [`Capabilities::profiles`]. Lines that an earlier exchange
    /// has settled keep theirs: a call does not change its protection in the middle.
    ///
    /// ```
    /// use rtp_core::negotiate::{Capabilities, Codec, MediaProfile, Negotiation, Sdes, SdesPolicy};
    /// # use std::net::SocketAddr;
    /// # let here = SocketAddr::from(([192, 0, 2, 1], 4000));
    /// # fn operating_system() -> rtp_core::negotiate::KeySource { Box::new(|key| key.fill(7)) }
    /// let mut can = Capabilities::new(vec![Codec::new("PCMU", 8_000)], here);
    /// can.sdes = Sdes::new(SdesPolicy::Allow);
    /// let strongest = can.profiles()[0];
    /// let mut caller = Negotiation::new(1, can, operating_system());
    ///
    /// let mut offer = caller.offer_profile(strongest)?;
    /// assert_eq!(offer.profile(), MediaProfile::Savp);
    /// // The peer says 488 to that, and then again.
    /// offer = caller.offer_weaker(offer)?.expect("the policy allows RTP/AVP");
    /// assert_eq!(offer.profile(), MediaProfile::Avp);
    /// assert!(caller.offer_weaker(offer)?.is_none());
    /// # Ok::<(), rtp_core::negotiate::LocalError>(())
    /// ```
    ///
    /// # Errors
    /// [`LocalError::ProfileNotAllowed`] for a profile that the policies do not allow; else as
    /// [`Negotiation::offer`].
    pub fn offer_profile(&mut self, profile: MediaProfile) -> Result<SentOffer, LocalError> {
        if !self.capabilities.profiles().contains(&profile) {
            return Err(LocalError::ProfileNotAllowed);
        }
        self.offer_with(self.hold, Some(profile))
    }

    /// After the peer has refused an offer as a whole: the same in the next weaker profile that the policies
    /// allow, `None` when there is none, or when lines of an earlier exchange have settled theirs.
    ///
    /// Whoever can forge a refusal can cause this; a call that must not go in the clear says
    /// [`SdesPolicy::Require`] or [`DtlsPolicy::Require`].
    ///
    /// # Errors
    /// As [`Negotiation::offer`]; [`LocalError::Stale`] for an offer that is not the last.
    pub fn offer_weaker(&mut self, refused: SentOffer) -> Result<Option<SentOffer>, LocalError> {
        if !self.is_current(refused.exchange) {
            return Err(LocalError::Stale);
        }
        let before = refused.profile;
        drop(refused);
        let mut weaker = self.capabilities.profiles().into_iter();
        match weaker.find(|profile| *profile < before) {
            Some(profile) if self.agreed.is_none() => self.offer_profile(profile).map(Some),
            _ => Ok(None),
        }
    }
}

impl SentOffer {
    /// The profile of the lines that this offer was the first to have.
    #[must_use]
    pub fn profile(&self) -> MediaProfile {
        self.profile
    }
}
