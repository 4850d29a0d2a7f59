//! How a stream is protected: in the clear, by SDES (RFC 4568) or by DTLS (RFC 5763, RFC 5764).

use super::offer::OfferedAudio;
use super::remote::RemoteAudio;
use super::state::{KeySource, Line};
use super::{
    Capabilities, DtlsPeer, DtlsPolicy, NegotiationError, PeerIncompatible, PeerMisbehaved,
    Refusal, SdesPolicy, SrtpKeys,
};
use crate::sdes::{self, Crypto};
use crate::sdp::{Attribute, Protocol, Setup};
use crate::srtp::MasterKey;

/// What a transport protocol says of protection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Profile {
    /// `RTP/AVP`, `RTP/AVPF`.
    Clear,
    /// `RTP/SAVP`, `RTP/SAVPF`: SDES, and DTLS from before it had a name of its own.
    Secure,
    /// `UDP/TLS/RTP/SAVP`, `UDP/TLS/RTP/SAVPF`.
    Dtls,
}

impl Profile {
    pub(super) fn of(protocol: &Protocol) -> Option<Profile> {
        match protocol {
            Protocol::RtpAvp | Protocol::RtpAvpf => Some(Profile::Clear),
            Protocol::RtpSavp | Protocol::RtpSavpf => Some(Profile::Secure),
            Protocol::UdpTlsRtpSavp | Protocol::UdpTlsRtpSavpf => Some(Profile::Dtls),
            Protocol::Other(_) => None,
        }
    }
}

/// What an answer of ours chooses.
pub(super) enum Chosen {
    Clear,
    Sdes {
        tag: u32,
        remote: MasterKey,
        lifetime: Option<u64>,
    },
    Dtls(DtlsPeer),
}

/// Chooses for an answer, or says why the line must be refused.
pub(super) fn choose(
    remote: &RemoteAudio,
    profile: Profile,
    capabilities: &Capabilities,
    line: &Line,
) -> Result<Chosen, Refusal> {
    let dtls = &capabilities.dtls;
    let able = dtls.policy != DtlsPolicy::Off && !dtls.fingerprints.is_empty();
    match profile {
        Profile::Dtls if !able => return Err(Refusal::Protocol),
        Profile::Dtls if remote.fingerprints.is_empty() => return Err(Refusal::NoFingerprint),
        Profile::Secure | Profile::Dtls if able && !remote.fingerprints.is_empty() => {
            return answer_dtls(remote, capabilities, line).map(Chosen::Dtls);
        }
        _ if dtls.policy == DtlsPolicy::Require => return Err(Refusal::EncryptionRequired),
        _ => {}
    }
    let policy = capabilities.sdes.policy;
    let secure = profile == Profile::Secure;
    if policy == SdesPolicy::Off {
        return if secure {
            Err(Refusal::EncryptionOff)
        } else {
            Ok(Chosen::Clear)
        };
    }
    match sdes::select(&remote.crypto, &line.suites(capabilities)) {
        Some((line, remote)) => {
            let lifetime = line.keys.first().and_then(|key| key.lifetime);
            Ok(Chosen::Sdes {
                tag: line.tag,
                remote,
                lifetime,
            })
        }
        None if secure => Err(Refusal::NoUsableCrypto),
        None if policy == SdesPolicy::Require => Err(Refusal::EncryptionRequired),
        None => Ok(Chosen::Clear),
    }
}

/// Our DTLS role in an answer. An association that is up keeps its roles (RFC 8842 §5.3), as long as the
/// peer's certificates are the same.
fn answer_dtls(
    remote: &RemoteAudio,
    capabilities: &Capabilities,
    line: &Line,
) -> Result<DtlsPeer, Refusal> {
    let before = line
        .dtls
        .as_ref()
        .filter(|before| before.fingerprints == remote.fingerprints);
    // RFC 4145 §4: an offer without a=setup is active.
    let setup = match remote.setup.unwrap_or(Setup::Active) {
        Setup::ActPass => before.map_or(capabilities.dtls.answer_setup, |before| before.setup),
        Setup::Active => Setup::Passive,
        Setup::Passive => Setup::Active,
        Setup::HoldConn => return Err(Refusal::NoDtlsRole),
    };
    let setup = if setup == Setup::Passive {
        setup
    } else {
        Setup::Active
    };
    Ok(DtlsPeer {
        setup,
        fingerprints: remote.fingerprints.clone(),
    })
}

/// Does what was chosen: the keys, the DTLS peer, and what our section says of them.
pub(super) fn protect(
    chosen: Chosen,
    line: &mut Line,
    capabilities: &Capabilities,
    source: &mut KeySource,
) -> (Option<SrtpKeys>, Option<DtlsPeer>, Vec<Attribute>) {
    match chosen {
        Chosen::Clear => (None, None, Vec::new()),
        Chosen::Sdes {
            tag,
            remote,
            lifetime,
        } => {
            line.set_remote_key(&remote);
            let local = line.key(remote.suite(), source);
            let attributes = sdes_attributes([(tag, &local)]);
            let keys = SrtpKeys {
                local,
                remote,
                remote_lifetime: lifetime,
            };
            (Some(keys), None, attributes)
        }
        Chosen::Dtls(peer) => {
            let attributes = dtls_attributes(capabilities, peer.setup);
            (None, Some(peer), attributes)
        }
    }
}

/// What the peer's answer settles on.
pub(super) fn settle(
    remote: &RemoteAudio,
    offered: &OfferedAudio,
    line: usize,
) -> Result<(Option<SrtpKeys>, Option<DtlsPeer>), NegotiationError> {
    if !offered.dtls {
        return Ok((settle_sdes(remote, offered, line)?, None));
    }
    if remote.fingerprints.is_empty() {
        return Err(PeerMisbehaved::FingerprintMissing { line }.into());
    }
    // We offered actpass; RFC 4145 §4: an answer without a=setup is passive.
    let setup = match remote.setup.unwrap_or(Setup::Passive) {
        Setup::Active => Setup::Passive,
        Setup::Passive => Setup::Active,
        Setup::ActPass | Setup::HoldConn => return Err(PeerMisbehaved::Setup { line }.into()),
    };
    Ok((
        None,
        Some(DtlsPeer {
            setup,
            fingerprints: remote.fingerprints.clone(),
        }),
    ))
}

/// The keys that the answer settles on (RFC 4568 §5.1.3).
fn settle_sdes(
    remote: &RemoteAudio,
    offered: &OfferedAudio,
    line: usize,
) -> Result<Option<SrtpKeys>, NegotiationError> {
    if offered.keys.is_empty() && !offered.secure {
        return Ok(None);
    }
    let Some(crypto) = remote.crypto.first() else {
        return if remote.crypto_malformed {
            Err(PeerMisbehaved::CryptoMalformed { line }.into())
        } else if offered.secure {
            Err(PeerMisbehaved::CryptoMissing { line }.into())
        } else if offered.encryption_required {
            Err(PeerIncompatible::NotEncrypted { line }.into())
        } else {
            Ok(None)
        };
    };
    let tag = crypto.tag;
    let (_, local) = offered
        .keys
        .iter()
        .find(|(ours, _)| *ours == tag)
        .ok_or(PeerMisbehaved::CryptoTag { line, tag })?;
    let key = crypto
        .usable()
        .map_err(|why| PeerMisbehaved::CryptoUnusable { line, why })?;
    if key.suite() != local.suite() {
        return Err(PeerMisbehaved::CryptoSuite { line, tag }.into());
    }
    let remote_lifetime = crypto.keys.first().and_then(|key| key.lifetime);
    Ok(Some(SrtpKeys {
        local: local.clone(),
        remote: key,
        remote_lifetime,
    }))
}

/// The `a=crypto` lines of an offer or answer.
pub(super) fn sdes_attributes<'k>(
    keys: impl IntoIterator<Item = (u32, &'k MasterKey)>,
) -> Vec<Attribute> {
    keys.into_iter()
        .map(|(tag, key)| Attribute::new("crypto", Crypto::new(tag, key).to_string()))
        .collect()
}

/// The `a=fingerprint` and `a=setup` lines of an offer or answer.
pub(super) fn dtls_attributes(capabilities: &Capabilities, setup: Setup) -> Vec<Attribute> {
    let fingerprints = capabilities.dtls.fingerprints.iter();
    fingerprints
        .map(|fingerprint| Attribute::new("fingerprint", fingerprint.to_string()))
        .chain([Attribute::new("setup", setup.name())])
        .collect()
}
