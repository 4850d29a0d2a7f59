//! What to dial and how: [`DialRequest`].

use rtp_core::srtp::Suite;
use sip_core::auth::Account;
use sip_core::header::NameAddr;
use sip_core::{RegistrationId, SubscriptionId, Target, Uri};
use std::time::Duration;

/// Whether a call's sound is encrypted.
///
/// The transport of the signaling comes from the URI (`;transport=`, `sips:`) and is not touched by this.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Secure {
    /// Plain RTP.
    #[default]
    Off,
    /// The strongest that the phone takes. A dial offers SRTP keyed by DTLS (`UDP/TLS/RTP/SAVPF`), then by SDES (`RTP/SAVP`),
    /// then `RTP/AVP` with `a=crypto`, which may go in the clear: each when the phone refuses the one before with 406, 415,
    /// 488 or 606, as further INVITEs of the same call. A call that comes in may bring any of them. Whoever can forge a refusal
    /// can bring a call into the clear: where that must not be, require.
    Allow,
    /// SRTP or no call: `RTP/SAVP` with `a=crypto` (RFC 4568). A call that comes in may bring DTLS instead.
    Require,
    /// SRTP keyed by a DTLS handshake, or no call: `UDP/TLS/RTP/SAVPF` with `a=fingerprint` (RFC 5763).
    Dtls,
}

/// Whether ICE finds the way of a call's sound (RFC 8445).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Ice {
    /// Never: sound goes where SDP says.
    #[default]
    Off,
    /// When the phone has it, too. It is offered with [`Secure::Dtls`], and answered with any encryption or none.
    Allow,
    /// Always, or no call.
    Require,
}

/// A phone to bring into a session.
///
/// ```
/// use signaling::{DialRequest, Secure};
/// use sip_core::header::NameAddr;
/// use std::time::Duration;
///
/// let from = NameAddr::new(&"sip:room7@example.org".parse()?).with_display_name("Room 7")?;
/// let mut request = DialRequest::new("sip:+15550100@pbx.example".parse()?, from).header("X-Room", "7");
/// request.secure = Secure::Require;
/// request.ring_timeout = Duration::from_secs(30);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct DialRequest {
    /// Whom to call.
    pub uri: Uri,
    /// Who calls, as the phone shows it: a URI, or a display name with one.
    pub from: NameAddr,
    /// Further headers of the INVITE, in order. Those that the SIP stack writes itself are refused.
    pub headers: Vec<(String, String)>,
    /// The answer to a digest challenge.
    pub account: Option<Account>,
    /// Encryption of the sound; default [`Secure::Off`].
    pub secure: Secure,
    /// Whether ICE finds the way of the sound; default [`Ice::Off`]. It is offered with [`Secure::Dtls`] alone.
    pub ice: Ice,
    /// The SRTP suites to offer, most preferred first; default `AES_CM_128_HMAC_SHA1_80` alone, which every phone that
    /// encrypts has (RFC 4568 6.2.1).
    pub suites: Vec<Suite>,
    /// Whether sound passes before the phone answers (183 with SDP); default no, so that nobody speaks unbilled.
    pub early_media: bool,
    /// When to give up ringing; default 3 minutes, as long as an INVITE may stay provisional (RFC 3261 16.6, timer C).
    pub ring_timeout: Duration,
    /// The longest an answered call lasts; default 6 hours.
    pub max_duration: Duration,
    /// The longest an answered call lasts without a packet from the phone, hold aside; default 5 minutes.
    pub media_timeout: Duration,
    /// The SDP names of the codecs to offer, most preferred first; `None` is the registry's order.
    pub codecs: Option<Vec<String>>,
    /// Text that the session's participants see of the phone; default `sip=true`.
    pub data: String,
    /// Where to send the INVITE when it is not where the URI points: an outbound proxy.
    pub target: Option<Target>,
    /// The proxies on the way, as the Route of the INVITE: an outbound proxy is one `<sip:proxy;lr>`.
    pub route: Vec<NameAddr>,
    /// The registration through which it goes: over its flow, with its account.
    pub registration: Option<RegistrationId>,
    /// The REFER that asks for this call, as [`sip_core::Event::ReferRequested`] named it: the call is made, and whoever
    /// asked hears how it goes.
    pub refer: Option<SubscriptionId>,
}

impl DialRequest {
    /// The default of [`DialRequest::media_timeout`].
    pub const MEDIA_TIMEOUT: Duration = Duration::from_secs(300);

    /// Calls `uri` as `from`, with the defaults of each field.
    pub fn new(uri: Uri, from: NameAddr) -> Self {
        Self {
            uri,
            from,
            headers: Vec::new(),
            account: None,
            secure: Secure::Off,
            ice: Ice::Off,
            suites: vec![Suite::AesCm128HmacSha1_80],
            early_media: false,
            ring_timeout: Duration::from_secs(180),
            max_duration: Duration::from_secs(6 * 3600),
            media_timeout: Self::MEDIA_TIMEOUT,
            codecs: None,
            data: "sip=true".to_owned(),
            target: None,
            route: Vec::new(),
            registration: None,
            refer: None,
        }
    }

    /// Adds a header to the INVITE.
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// Answers digest challenges as this user.
    pub fn account(mut self, account: Account) -> Self {
        self.account = Some(account);
        self
    }

    /// Sets whether ICE finds the way of the sound.
    pub fn ice(mut self, ice: Ice) -> Self {
        self.ice = ice;
        self
    }

    /// Sets the encryption of the sound.
    pub fn secure(mut self, secure: Secure) -> Self {
        self.secure = secure;
        self
    }
}
