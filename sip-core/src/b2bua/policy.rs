//! What crosses from one side to the other.

use super::trunk::Trunk;
use crate::Method;

/// What crosses; see the table in the [module](super).
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Policy {
    /// Which bodies an INVITE may bring.
    pub bodies: Bodies,
    /// Headers of INVITE, INFO and relayed requests, and of the answers to relayed requests.
    pub headers: HeaderPolicy,
    /// Provisional answers.
    pub progress: Progress,
    /// INFO.
    pub info: Infos,
    /// UPDATE with an offer.
    pub updates: Updates,
    /// Whether a re-INVITE whose offer is the last one again crosses too; by default it is
    /// answered here, since it only refreshes its own side's session (RFC 4028).
    pub refreshes: bool,
    /// Requests of these methods cross, and their answers come back. The endpoint must let them in
    /// ([`Config::methods`](crate::Config::methods)); none by default.
    pub methods: Vec<Method>,
    /// REFER (RFC 3515). The endpoint must let it in ([`Config::referrals`](crate::Config::referrals)).
    pub transfers: Transfers,
    /// How a call goes out that a REFER asked for, under [`Transfers::Consume`].
    pub trunk: Trunk,
    /// Whether an INVITE with Replaces takes the place of the leg that it names, here (RFC 3891);
    /// default no: it is the application's. The endpoint must let it in
    /// ([`Config::replaces`](crate::Config::replaces)), and the event be handed to the coupling.
    pub replaces: bool,
    /// 3xx from a phone.
    pub redirects: Redirects,
    /// Whether Reason headers of BYE and CANCEL cross (RFC 3326); default yes.
    pub reasons: bool,
}

impl Default for Policy {
    fn default() -> Self {
        let headers = ["Subject", "Priority", "User-to-User"];
        Self {
            bodies: Bodies::All,
            headers: HeaderPolicy::Only(headers.map(str::to_owned).to_vec()),
            progress: Progress::default(),
            info: Infos::default(),
            updates: Updates::default(),
            refreshes: false,
            methods: Vec::new(),
            transfers: Transfers::default(),
            trunk: Trunk::default(),
            replaces: false,
            redirects: Redirects::default(),
            reasons: true,
        }
    }
}

/// Which bodies an INVITE may bring.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Bodies {
    /// Any; they cross byte for byte with their type.
    #[default]
    All,
    /// `application/sdp` only; others get 415.
    Sdp,
}

/// Which headers cross. Those that belong to one side (Via, Contact, Route, session timers,
/// credentials, extensions negotiated hop by hop) never do.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum HeaderPolicy {
    /// None.
    Nothing,
    /// These, by name, in any case.
    Only(Vec<String>),
    /// All but these.
    AllBut(Vec<String>),
}

/// Provisional answers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Progress {
    /// Each status once; with early media when the plan names one phone only, since what a preview
    /// says binds the answer.
    #[default]
    EarlyMedia,
    /// Each status once, without bodies.
    Status,
    /// None: the caller hears 100 until the answer.
    Nothing,
}

/// INFO.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Infos {
    /// All cross.
    #[default]
    All,
    /// Key presses only: `application/dtmf-relay` and `application/dtmf`.
    Dtmf,
    /// None: they are handed back to the application.
    Nothing,
}

/// UPDATE with an offer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Updates {
    /// As UPDATE when the other side allows it, else as re-INVITE.
    #[default]
    Same,
    /// Always as re-INVITE.
    Reinvite,
    /// Not at all: refused with 488.
    Refuse,
}

/// REFER.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Transfers {
    /// Handed back to the application: where a call goes costs somebody's money. It refuses it, or has it carried out
    /// with an INVITE of its own making ([`Coupling::follow`](super::Coupling::follow)).
    #[default]
    Application,
    /// Carried out here: whom it names is called in the place of the side that sent it, as [`Policy::trunk`] says, with
    /// the other side's session as the offer, and hears the other side's name as its caller.
    Consume,
    /// Passed to the other side, whose reports come back.
    Pass,
}

/// 3xx from a phone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Redirects {
    /// A failure like another, answered with 480 when nobody else answers: where a phone sends us
    /// costs somebody's money.
    #[default]
    Refuse,
    /// Its Contacts are called next, the best first, at most five times for one caller.
    Follow,
    /// When nobody answers, the caller gets 302 with the Contacts of the first 3xx.
    Pass,
}
