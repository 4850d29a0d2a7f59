//! What can go wrong, by whose fault it is.

use crate::sdes::Unusable;
use crate::sdp::ParseError;

/// Why an offer or an answer was not taken. The state is as before: the session goes on as it was
/// (RFC 3264 §8).
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NegotiationError {
    /// The body is no SDP. For SIP: answer an offer with 400; end the call after such an answer.
    #[error("not a session description: {0}")]
    Parse(#[from] ParseError),
    /// The peer broke RFC 3264 or RFC 4568. For SIP: answer an offer with 488; end the call after such an
    /// answer.
    #[error("the peer broke the rules of offer and answer: {0}")]
    PeerMisbehaved(#[from] PeerMisbehaved),
    /// Both sides are right and have nothing in common. For SIP: answer an offer with 488; end the call
    /// after such an answer.
    #[error("nothing in common with the peer: {0}")]
    PeerIncompatible(#[from] PeerIncompatible),
    /// The call came at a time or with values that do not fit: see each.
    #[error("misuse: {0}")]
    Local(#[from] LocalError),
}

/// What the peer did that it must not. Lines are counted from 0, in the order of `m=` lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PeerMisbehaved {
    /// The answer has not as many `m=` lines as the offer (RFC 3264 §6).
    #[error("{answered} m= lines answer {offered}")]
    LineCount {
        /// `m=` lines that we offered.
        offered: usize,
        /// `m=` lines that came back.
        answered: usize,
    },
    /// A later offer has fewer `m=` lines than there are (RFC 3264 §8).
    #[error("{offered} m= lines where the session has {known}")]
    LinesRemoved {
        /// `m=` lines of the session.
        known: usize,
        /// `m=` lines of the new offer.
        offered: usize,
    },
    /// The answer changes the media kind of a line (RFC 3264 §6).
    #[error("m= line {line} answers with another kind of media")]
    KindChanged {
        /// The line.
        line: usize,
    },
    /// The answer changes the transport protocol of a line (RFC 3264 §6).
    #[error("m= line {line} answers with another transport protocol")]
    ProtocolChanged {
        /// The line.
        line: usize,
    },
    /// No `c=` says where a line is to be sent to (RFC 8866 §5.7).
    #[error("m= line {line} has no c=")]
    NoConnection {
        /// The line.
        line: usize,
    },
    /// None of the answered formats was offered (RFC 3264 §6.1).
    #[error("m= line {line} answers with no format that was offered")]
    NoOfferedFormat {
        /// The line.
        line: usize,
    },
    /// An answer to `RTP/SAVP` without `a=crypto` (RFC 4568 §5.1.2).
    #[error("m= line {line} has no a=crypto")]
    CryptoMissing {
        /// The line.
        line: usize,
    },
    /// An `a=crypto` that RFC 4568 §9 does not allow.
    #[error("m= line {line} has an a=crypto that cannot be read")]
    CryptoMalformed {
        /// The line.
        line: usize,
    },
    /// The answer's `a=crypto` has a tag that was not offered (RFC 4568 §5.1.2).
    #[error("m= line {line} answers with crypto tag {tag}, which was not offered")]
    CryptoTag {
        /// The line.
        line: usize,
        /// The tag.
        tag: u32,
    },
    /// The answer's `a=crypto` has another suite than the offer had under this tag (RFC 4568 §5.1.2).
    #[error("m= line {line} answers crypto tag {tag} with another suite")]
    CryptoSuite {
        /// The line.
        line: usize,
        /// The tag.
        tag: u32,
    },
    /// The answer to a DTLS offer has no `a=fingerprint` (RFC 5763 §5).
    #[error("m= line {line} has no a=fingerprint")]
    FingerprintMissing {
        /// The line.
        line: usize,
    },
    /// The answer's `a=setup` is neither `active` nor `passive` (RFC 5763 §5).
    #[error("m= line {line} answers with an a=setup that settles nothing")]
    Setup {
        /// The line.
        line: usize,
    },
    /// The answer's `a=crypto` asks for what was not offered: session parameters, key identifiers, or a
    /// key of the wrong length.
    #[error("m= line {line} answers with an unusable a=crypto: {why}")]
    CryptoUnusable {
        /// The line.
        line: usize,
        /// Why.
        why: Unusable,
    },
}

/// What the two sides do not share. Lines are counted from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PeerIncompatible {
    /// The offer has lines, and no audio line among them.
    #[error("no audio is offered")]
    NoAudio,
    /// Every audio line that was offered is refused, the first for this reason.
    #[error("m= line {line} is refused: {why}")]
    Refused {
        /// The first audio line.
        line: usize,
        /// Why we refuse it.
        why: Refusal,
    },
    /// The peer answered a first offer with port 0 on every audio line.
    #[error("the peer refused every audio line")]
    RefusedByPeer,
    /// The answer to `RTP/AVP` with `a=crypto` has no key, and SDES is required here.
    #[error("m= line {line} is not encrypted, which is required here")]
    NotEncrypted {
        /// The line.
        line: usize,
    },
    /// The answer has no `a=rtcp-mux`, which [`RtcpMux::Require`](super::RtcpMux::Require) demands.
    #[error("m= line {line} is without rtcp-mux, which is required here")]
    RtcpMux {
        /// The line.
        line: usize,
    },
    /// The answer has no ICE, which [`Capabilities::ice_required`](super::Capabilities::ice_required) demands.
    #[error("m= line {line} is without ICE, which is required here")]
    Ice {
        /// The line.
        line: usize,
    },
}

/// Why a line is refused with port 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// A kind of media that we do not take.
    #[error("this kind of media is not taken")]
    Kind,
    /// A transport protocol that we do not speak.
    #[error("the transport protocol is not spoken")]
    Protocol,
    /// More lines than [`Capabilities::streams`](super::Capabilities::streams) has addresses.
    #[error("no stream is left for it")]
    NoStream,
    /// We closed it for good.
    #[error("the stream was closed for good")]
    Closed,
    /// No codec that both sides have.
    #[error("no common codec")]
    NoCommonCodec,
    /// The line encrypts, and SDES is off.
    #[error("it is encrypted, which is off here")]
    EncryptionOff,
    /// The line does not encrypt, and SDES is required.
    #[error("it is not encrypted, which is required here")]
    EncryptionRequired,
    /// The line encrypts without an `a=crypto` that we can use.
    #[error("no a=crypto line is usable")]
    NoUsableCrypto,
    /// The line is for DTLS and has no `a=fingerprint` that can be read.
    #[error("it has no certificate fingerprint")]
    NoFingerprint,
    /// The line is for DTLS, and the peer holds the connection back (`a=setup:holdconn`).
    #[error("its DTLS connection is held back")]
    NoDtlsRole,
    /// The line is without rtcp-mux, which is required here.
    #[error("it is without rtcp-mux, which is required here")]
    RtcpMuxRequired,
    /// The line is for rtcp-mux only (RFC 8858), which is off here.
    #[error("it is for rtcp-mux only, which is off here")]
    RtcpMuxOff,
    /// The line is without ICE, which is required here.
    #[error("it is without ICE, which is required here")]
    IceRequired,
    /// The peer refused it.
    #[error("the peer refused it")]
    ByPeer,
}

/// What the caller did that does not fit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LocalError {
    /// An offer of ours waits for its answer. For SIP: answer an offer that crosses it with 491
    /// (RFC 3261 §14.2).
    #[error("an offer of ours waits for its answer")]
    OfferPending,
    /// An offer of the peer's waits for our answer. For SIP: answer a further one with 500 and Retry-After
    /// (RFC 3261 §14.2).
    #[error("an offer of the peer waits for our answer")]
    OfferUnanswered,
    /// The value belongs to an exchange that a later one has replaced: drop it.
    #[error("a later exchange has replaced this one")]
    Stale,
    /// [`Capabilities`](super::Capabilities) has no codec or no stream.
    #[error("no codec or no stream to offer")]
    NothingToOffer,
    /// Encryption is wanted and no suite is listed.
    #[error("SDES is wanted without a suite")]
    NoSuite,
    /// DTLS is required and no fingerprint is given.
    #[error("DTLS is wanted without a fingerprint")]
    NoFingerprint,
    /// The profile is none of [`Capabilities::profiles`](super::Capabilities::profiles).
    #[error("the policies do not allow this profile")]
    ProfileNotAllowed,
}
