//! What an address-of-record is bound to.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use crate::endpoint::Flow;
use crate::header::NameAddr;
use crate::uri::{Uri, UriError};

/// One contact of an address-of-record. Cloning shares the text.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Binding {
    /// The contact: its URI and what it said of itself (`q`, `+sip.instance`, `reg-id`, feature tags), without the
    /// display name and `expires`.
    pub contact: NameAddr,
    /// Its rank among the contacts, in thousandths; 1000 where it says nothing (RFC 3261 section 10.2.1.2).
    pub q: u16,
    /// When it ends.
    pub expires: SystemTime,
    /// Call-ID of the REGISTER that refreshed it last.
    pub call_id: Arc<str>,
    /// CSeq of that REGISTER.
    pub cseq: u32,
    /// The proxies on the way to it, as the Route of requests to it (RFC 3327).
    pub path: Arc<[NameAddr]>,
    /// The `+sip.instance` of the device (RFC 5626 section 4.1).
    pub instance: Option<Arc<str>>,
    /// Which of the device's flows this is, where outbound is used (RFC 5626).
    pub reg_id: Option<u32>,
    /// The flow over which it registered, where requests to it must use that one. It is of this process: other nodes
    /// need a Path with a token ([`FlowTokens`](super::FlowTokens)).
    pub flow: Option<Flow>,
}

impl Binding {
    /// A binding without Path, instance and flow, for those who keep bindings elsewhere and read them back.
    pub fn new(
        contact: NameAddr,
        expires: SystemTime,
        call_id: impl Into<Arc<str>>,
        cseq: u32,
    ) -> Self {
        Self {
            contact,
            q: 1000,
            expires,
            call_id: call_id.into(),
            cseq,
            path: Arc::new([]),
            instance: None,
            reg_id: None,
            flow: None,
        }
    }

    /// The contact's URI: the Request-URI of requests to it.
    pub fn uri(&self) -> Result<Uri, UriError> {
        self.contact.uri()
    }

    /// What is left of it in seconds, rounded up so that a contact that is still there never shows 0.
    pub fn seconds_left(&self, now: SystemTime) -> u64 {
        let left = self.expires.duration_since(now).unwrap_or(Duration::ZERO);
        left.as_secs() + u64::from(left.subsec_nanos() > 0)
    }

    /// Whether both are flows of one device, of which a request takes only one (RFC 5626 section 7).
    pub fn is_same_device(&self, other: &Binding) -> bool {
        self.reg_id.is_some() && other.reg_id.is_some() && self.instance == other.instance
    }
}

/// All contacts of one address-of-record, the one refreshed longest ago first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Bindings {
    pub(super) list: Vec<Binding>,
}

impl Bindings {
    /// Every binding, refreshed longest ago first; some may have expired.
    pub fn iter(&self) -> std::slice::Iter<'_, Binding> {
        self.list.iter()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.list.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// When the next one ends.
    pub fn next_expiry(&self) -> Option<SystemTime> {
        self.list.iter().map(|binding| binding.expires).min()
    }

    /// Where a request to the address-of-record goes: those that have not expired, highest `q` first, of equal ones
    /// the one refreshed last first, and of each device that uses outbound only its newest flow (RFC 3261 section
    /// 16.6, RFC 5626 section 7). When a flow fails, [`flows_of`](Self::flows_of) gives the device's others.
    pub fn targets(&self, now: SystemTime) -> impl Iterator<Item = &Binding> {
        let mut found: Vec<&Binding> = Vec::with_capacity(self.list.len());
        for binding in self.list.iter().rev().filter(|b| b.expires > now) {
            if !found.iter().any(|newer| newer.is_same_device(binding)) {
                found.push(binding);
            }
        }
        found.sort_by_key(|binding| std::cmp::Reverse(binding.q));
        found.into_iter()
    }

    /// The unexpired flows of one device, newest first.
    pub fn flows_of<'b>(
        &'b self,
        instance: &'b str,
        now: SystemTime,
    ) -> impl Iterator<Item = &'b Binding> {
        self.list.iter().rev().filter(move |binding| {
            binding.expires > now
                && binding.reg_id.is_some()
                && binding.instance.as_deref() == Some(instance)
        })
    }
}

impl FromIterator<Binding> for Bindings {
    /// As read from a store, in the order in which [`Bindings::iter`] gave them.
    fn from_iter<I: IntoIterator<Item = Binding>>(bindings: I) -> Self {
        Self {
            list: bindings.into_iter().collect(),
        }
    }
}

impl<'b> IntoIterator for &'b Bindings {
    type Item = &'b Binding;
    type IntoIter = std::slice::Iter<'b, Binding>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}
