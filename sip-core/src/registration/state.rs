//! Where a registration stands.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::command::{Proxy, Registration};
use crate::auth::ClientAuth;
use crate::endpoint::{EndCause, Flow, FlowError, Key, Target};
use crate::header::NameAddr;
use crate::resolve::Resolution;
use crate::uri::Uri;

/// One registration of an endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RegistrationId(pub(crate) Key);

/// What became of one flow of a registration, or of all of it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RegistrationState {
    /// The registrar has bound our contact; [`Endpoint::registration`](crate::Endpoint::registration) tells more.
    Registered {
        /// For how long; it is refreshed before.
        expires: Duration,
        /// Whether it was bound before.
        refreshed: bool,
    },
    /// It did not, or the flow failed.
    Failed {
        /// Why.
        cause: EndCause,
        /// When it is tried again; `None`: not by itself, because trying again would not help. See
        /// [`Endpoint::refresh_registration`](crate::Endpoint::refresh_registration).
        retry: Option<Duration>,
    },
    /// The registration was taken back, or nobody answered that; its id finds nothing from now on.
    Unregistered,
}

/// How far one flow is.
#[derive(Debug)]
pub(crate) enum Stage {
    /// Nothing is under way: `due` says when something will be.
    Waiting,
    /// A name is being looked up.
    Resolving(Key),
    /// A REGISTER is out.
    Asking(Key),
    /// The flow failed; that is dealt with when there is room.
    Lost(FlowError),
}

/// One flow of a registration.
#[derive(Debug)]
pub(crate) struct FlowState {
    pub(crate) proxy: Proxy,
    pub(crate) stage: Stage,
    /// Where the last REGISTER went.
    pub(crate) target: Option<Target>,
    /// Addresses not tried yet.
    pub(crate) way: Option<Box<Resolution>>,
    /// What the last address said, while the next one is looked up.
    pub(crate) last: Option<Box<(EndCause, Option<Duration>)>>,
    /// The flow that stands.
    pub(crate) flow: Option<Flow>,
    pub(crate) contact: Option<Uri>,
    pub(crate) since: Option<Instant>,
    /// When the binding ends unless refreshed.
    pub(crate) until: Option<Instant>,
    pub(crate) due: Option<Instant>,
    pub(crate) failures: u32,
    /// 423s and 439s in a row.
    pub(crate) rounds: u8,
    /// Whether it is kept alive for us.
    pub(crate) pinged: bool,
    pub(crate) service_route: Arc<[NameAddr]>,
}

impl FlowState {
    pub(crate) fn new(proxy: Proxy, due: Instant) -> Self {
        Self {
            proxy,
            stage: Stage::Waiting,
            target: None,
            way: None,
            last: None,
            flow: None,
            contact: None,
            since: None,
            until: None,
            due: Some(due),
            failures: 0,
            rounds: 0,
            pinged: false,
            service_route: Arc::new([]),
        }
    }

    pub(crate) fn stands(&self) -> bool {
        self.flow.is_some()
    }
}

/// One registration.
#[derive(Debug)]
pub(crate) struct Registered {
    pub(crate) plan: Registration,
    pub(crate) call_id: Arc<str>,
    pub(crate) tag: Arc<str>,
    pub(crate) seq: u32,
    pub(crate) auth: Option<Box<ClientAuth>>,
    pub(crate) expires: Duration,
    /// Whether outbound is still asked for; a 439 ends that.
    pub(crate) outbound: bool,
    pub(crate) flows: Vec<FlowState>,
    pub(crate) public_gruu: Option<Uri>,
    pub(crate) temporary_gruu: Option<Uri>,
    pub(crate) leaving: bool,
    pub(crate) over: bool,
    pub(crate) armed: Option<Instant>,
}

impl Registered {
    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.flows.iter().filter_map(|flow| flow.due).min()
    }
}

/// A look at a registration.
#[derive(Debug)]
pub struct RegistrationStatus<'e>(pub(crate) &'e Registered);

impl<'e> RegistrationStatus<'e> {
    /// Whether one of its flows stands.
    pub fn is_registered(&self) -> bool {
        self.0.flows.iter().any(FlowState::stands)
    }

    /// The flows that stand, with their number and the contact that is bound.
    pub fn flows(&self) -> impl Iterator<Item = (usize, Flow, Option<&'e Uri>)> + use<'e> {
        let flows = self.0.flows.iter().enumerate();
        flows.filter_map(|(number, flow)| Some((number, flow.flow?, flow.contact.as_ref())))
    }

    /// The Service-Route of the first flow that stands: the Route of calls through it (RFC 3608).
    pub fn service_route(&self) -> &'e [NameAddr] {
        let standing = self.0.flows.iter().find(|flow| flow.stands());
        standing.map_or(&[], |flow| &flow.service_route)
    }

    /// The public GRUU that the registrar gave (RFC 5627).
    pub fn public_gruu(&self) -> Option<&'e Uri> {
        self.0.public_gruu.as_ref()
    }

    /// The newest temporary GRUU that the registrar gave (RFC 5627).
    pub fn temporary_gruu(&self) -> Option<&'e Uri> {
        self.0.temporary_gruu.as_ref()
    }
}
