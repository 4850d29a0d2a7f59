//! How a call goes out that no plan names.

use std::time::Duration;

use crate::auth::Account;
use crate::header::NameAddr;
use crate::{Invite, RegistrationId, Target};

/// How the call goes out that a REFER asks for and [`Transfers::Consume`](super::Transfers::Consume) makes: what a
/// provider's trunk wants of every call. By default nothing but the URI that the REFER names.
///
/// A call that takes the place of a dialog of this endpoint (an attended transfer between two of its calls) comes back
/// here, and goes neither along the route nor to the target nor through the registration.
///
/// ```
/// use sip_core::auth::Account;
/// use sip_core::b2bua::{Policy, Transfers, Trunk};
/// use sip_core::header::NameAddr;
/// let mut policy = Policy::default();
/// policy.transfers = Transfers::Consume;
/// policy.trunk = Trunk::default()
///     .account(Account::with_password("4930123456", "secret"))
///     .route([NameAddr::parse("<sip:sbc.provider.example;lr>")?]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Trunk {
    /// For 401 and 407.
    pub account: Option<Account>,
    /// From; by default the name of the side that stays, which a provider may refuse.
    pub from: Option<NameAddr>,
    /// Further headers, P-Asserted-Identity (RFC 3325) for instance.
    pub headers: Vec<(String, String)>,
    /// Route set: an outbound proxy is one `<sip:proxy;lr>`.
    pub route: Vec<NameAddr>,
    /// Where to send it, when the application knows better than the URI or route.
    pub target: Option<Target>,
    /// The registration through which it goes; see [`Invite::through`].
    pub registration: Option<RegistrationId>,
    /// CANCEL when nobody answered after this long; by default as [`Invite::ring_timeout`].
    pub ring_timeout: Option<Duration>,
}

impl Trunk {
    /// Sets the account that answers digest challenges.
    pub fn account(mut self, account: Account) -> Self {
        self.account = Some(account);
        self
    }

    /// Sets From.
    pub fn from(mut self, from: NameAddr) -> Self {
        self.from = Some(from);
        self
    }

    /// Adds a header.
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// Sets the route set.
    pub fn route(mut self, route: impl IntoIterator<Item = NameAddr>) -> Self {
        self.route = route.into_iter().collect();
        self
    }

    /// Sets where to send it.
    pub fn target(mut self, target: Target) -> Self {
        self.target = Some(target);
        self
    }

    /// Sets the registration through which it goes.
    pub fn through(mut self, registration: RegistrationId) -> Self {
        self.registration = Some(registration);
        self
    }

    /// Sets the ring timeout.
    pub fn ring_timeout(mut self, after: Duration) -> Self {
        self.ring_timeout = Some(after);
        self
    }

    /// Gives an INVITE what it needs; `comes_back` when it is for this endpoint itself.
    pub(super) fn dress(&self, mut invite: Invite, comes_back: bool) -> Invite {
        invite.account.clone_from(&self.account);
        invite.headers.extend_from_slice(&self.headers);
        invite.ring_timeout = self.ring_timeout.or(invite.ring_timeout);
        if !comes_back {
            invite.route.clone_from(&self.route);
            invite.target.clone_from(&self.target);
            invite.registration = self.registration;
        }
        invite
    }
}
