//! The values that begin a subscription.

use std::time::Duration;

use crate::auth::Account;
use crate::endpoint::{Body, Target};
use crate::header::NameAddr;
use crate::registration::RegistrationId;
use crate::uri::Uri;

/// A subscription to begin in a dialog of its own: [`Endpoint::subscribe`](crate::Endpoint::subscribe).
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Subscribe {
    /// The Request-URI and To.
    pub uri: Uri,
    /// From; the endpoint adds the tag.
    pub from: NameAddr,
    /// The event package, `dialog` or `presence` for instance.
    pub package: String,
    /// How long; default 1 h. Zero asks for the state once (RFC 6665 section 4.4.3).
    pub expires: Duration,
    /// The types that NOTIFY may bear (Accept); none by default, which means the package's own.
    pub accept: Vec<String>,
    /// Whether each branch of a fork that sends a NOTIFY is followed as a subscription of its own
    /// (RFC 6665 section 4.1.2.4), or refused with 481. Default: followed.
    pub forks: bool,
    /// Further headers, in order.
    pub headers: Vec<(String, String)>,
    /// A filter, for packages that know one.
    pub body: Option<Body>,
    /// For 401 and 407.
    pub account: Option<Account>,
    /// Route set: an outbound proxy is one `<sip:proxy;lr>`.
    pub route: Vec<NameAddr>,
    /// Where to send it, when the application knows better than the URI or route.
    pub target: Option<Target>,
    /// The registration through which it goes.
    pub registration: Option<RegistrationId>,
}

impl Subscribe {
    /// A subscription to what `package` tells of `uri`.
    pub fn new(uri: Uri, from: NameAddr, package: impl Into<String>) -> Self {
        Self {
            uri,
            from,
            package: package.into(),
            expires: Duration::from_secs(3600),
            accept: Vec::new(),
            forks: true,
            headers: Vec::new(),
            body: None,
            account: None,
            route: Vec::new(),
            target: None,
            registration: None,
        }
    }

    /// Subscribes through a registration that stands; see
    /// [`Invite::through`](crate::Invite::through).
    pub fn through(mut self, registration: RegistrationId) -> Self {
        self.registration = Some(registration);
        self
    }

    /// Sets how long.
    pub fn expires(mut self, expires: Duration) -> Self {
        self.expires = expires;
        self
    }

    /// Sets the account that answers digest challenges.
    pub fn account(mut self, account: Account) -> Self {
        self.account = Some(account);
        self
    }
}

/// A transfer to ask for: [`CallHandle::refer`](crate::CallHandle::refer), or
/// [`Endpoint::refer`](crate::Endpoint::refer) outside a call.
///
/// ```
/// let refer = sip_core::Refer::new("sip:carol@chicago.example.com".parse()?);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Refer {
    /// Whom the peer shall call (Refer-To).
    pub to: Uri,
    /// On whose behalf (Referred-By, RFC 3892); by default our own address in the call. None is
    /// written when [`anonymous`](Self::anonymous) was called.
    pub by: Option<NameAddr>,
    /// Whether a Referred-By is written at all.
    pub name_ourselves: bool,
    /// Whether to hear what becomes of it; without, `Refer-Sub: false` (RFC 4488).
    pub report: bool,
    /// Further headers, in order.
    pub headers: Vec<(String, String)>,
}

impl Refer {
    /// A transfer to `to`, with reports.
    pub fn new(to: Uri) -> Self {
        Self {
            to,
            by: None,
            name_ourselves: true,
            report: true,
            headers: Vec::new(),
        }
    }

    /// Asks for no reports (RFC 4488).
    pub fn without_report(mut self) -> Self {
        self.report = false;
        self
    }

    /// Writes no Referred-By.
    pub fn anonymous(mut self) -> Self {
        self.name_ourselves = false;
        self
    }
}
