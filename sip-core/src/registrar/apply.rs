//! The binding rules of RFC 3261 section 10.3, steps 6 and 7, with RFC 5626 section 6.

use std::time::{Duration, SystemTime};

use super::binding::{Binding, Bindings};
use super::limits::{Crowd, Limits};
use super::register::{Asked, Contacts, Register};
use crate::StatusCode;

/// Below this a registrar may call an expiry too brief (RFC 3261 section 10.3 step 7).
const HOUR: Duration = Duration::from_secs(3600);

/// What became of one binding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum BindingChange {
    /// It is new.
    Added,
    /// It was there and stays, perhaps with another path, expiry or flow.
    Refreshed,
    /// The client took it back.
    Removed,
    /// It made room for newer ones ([`Crowd::Displace`]).
    Displaced,
    /// Nobody refreshed it in time.
    Expired,
}

/// A binding and what became of it: as it is now, or as it was last.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct BindingEvent {
    /// What became of it.
    pub change: BindingChange,
    /// The binding.
    pub binding: Binding,
}

/// What an address-of-record holds after a REGISTER.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use = "nothing is stored yet"]
pub struct Change {
    bindings: Bindings,
    events: Vec<BindingEvent>,
}

impl Change {
    /// The bindings afterwards: what to store, and what the 200 lists.
    pub fn bindings(&self) -> &Bindings {
        &self.bindings
    }

    /// The same, owned.
    pub fn into_bindings(self) -> Bindings {
        self.bindings
    }

    /// What became of which binding, in order.
    pub fn events(&self) -> impl Iterator<Item = &BindingEvent> {
        self.events.iter()
    }

    /// Whether there is nothing to store.
    pub fn is_empty(&self) -> bool {
        self.events.is_empty()
    }

    fn note(&mut self, change: BindingChange, binding: Binding) {
        self.events.push(BindingEvent { change, binding });
    }
}

/// Why a REGISTER is refused. Nothing of it takes effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Rejection {
    /// The request does not say what it must. Answer 400.
    #[error("malformed: {0}")]
    Malformed(&'static str),
    /// A contact asks for less than the minimum. Answer 423 with Min-Expires.
    #[error("shorter than the minimum of {} s", min.as_secs())]
    TooBrief {
        /// The minimum.
        min: Duration,
    },
    /// A request with the same Call-ID and this or a higher CSeq was applied before: this one was overtaken. Answer
    /// 500.
    #[error("a later request was applied before")]
    OutOfOrder,
    /// More contacts than one address-of-record may have. Answer 403.
    #[error("too many contacts")]
    Crowded,
    /// A contact with its Path is larger than one may be. Answer 513.
    #[error("a contact is too large")]
    TooLarge,
    /// Outbound is asked for, and the first proxy does not speak it. Answer 439 (RFC 5626 section 6).
    #[error("the first hop lacks outbound")]
    FirstHop,
}

impl Rejection {
    /// The status to answer.
    pub fn status(self) -> StatusCode {
        match self {
            Self::Malformed(_) => StatusCode::BAD_REQUEST,
            Self::TooBrief { .. } => StatusCode::INTERVAL_TOO_BRIEF,
            Self::OutOfOrder => StatusCode::SERVER_INTERNAL_ERROR,
            Self::Crowded => StatusCode::FORBIDDEN,
            Self::TooLarge => StatusCode::MESSAGE_TOO_LARGE,
            Self::FirstHop => StatusCode::FIRST_HOP_LACKS_OUTBOUND_SUPPORT,
        }
    }
}

impl Bindings {
    /// What these bindings become by a REGISTER that arrives at `now`: all that it asks, or nothing (RFC 3261 section
    /// 10.3). Bindings that have expired by then are gone.
    ///
    /// # Errors
    /// [`Rejection`], with the status to answer.
    pub fn apply(
        &self,
        register: &Register,
        now: SystemTime,
        limits: &Limits,
    ) -> Result<Change, Rejection> {
        let mut change = self.expire(now);
        let asked = match &register.contacts {
            Contacts::Query => return Ok(change),
            Contacts::RemoveAll => {
                for binding in &change.bindings {
                    in_order(binding, register)?;
                }
                for binding in std::mem::take(&mut change.bindings.list) {
                    change.note(BindingChange::Removed, binding);
                }
                return Ok(change);
            }
            Contacts::Listed(asked) => asked,
        };
        if asked.len() > limits.contacts {
            return Err(Rejection::Crowded);
        }
        // What the request says twice counts as said last; the order of requests is judged by what was before it.
        for asked in asked {
            if let Some(at) = change.bindings.position(asked) {
                in_order(&change.bindings.list[at], register)?;
            }
        }
        let mut added = false;
        for asked in asked {
            let known = change.bindings.position(asked);
            let known = known.map(|at| change.bindings.list.remove(at));
            match (granted(asked.expires, limits)?, known) {
                (None, None) => {}
                (None, Some(binding)) => change.note(BindingChange::Removed, binding),
                (Some(expires), known) => {
                    let binding = bind(asked, register, now + expires);
                    let what = match known {
                        Some(_) => BindingChange::Refreshed,
                        None => BindingChange::Added,
                    };
                    added |= known.is_none();
                    change.note(what, binding.clone());
                    change.bindings.list.push(binding);
                }
            }
        }
        while added && change.bindings.len() > limits.contacts {
            if limits.crowd == Crowd::Refuse {
                return Err(Rejection::Crowded);
            }
            // Those of this request stand at the end, and are no more than may be.
            let oldest = change.bindings.list.remove(0);
            change.note(BindingChange::Displaced, oldest);
        }
        Ok(change)
    }

    /// These bindings without those that have ended by `now`.
    pub fn expire(&self, now: SystemTime) -> Change {
        let mut change = Change {
            bindings: Bindings::default(),
            events: Vec::new(),
        };
        for binding in self {
            if binding.expires > now {
                change.bindings.list.push(binding.clone());
            } else {
                change.note(BindingChange::Expired, binding.clone());
            }
        }
        change
    }

    /// The binding that a contact means: by device and flow where outbound is used (RFC 5626 section 6), else by the
    /// comparison of URIs.
    fn position(&self, asked: &Asked) -> Option<usize> {
        if asked.reg_id.is_some() {
            return self.list.iter().position(|binding| {
                binding.reg_id == asked.reg_id && binding.instance == asked.instance
            });
        }
        let uri = asked.contact.uri().ok()?;
        self.list.iter().position(|binding| {
            binding.reg_id.is_none() && binding.uri().is_ok_and(|known| known.equivalent(&uri))
        })
    }
}

/// Section 10.3, steps 6 and 7: a request that was overtaken by a later one of the same Call-ID changes nothing.
fn in_order(binding: &Binding, register: &Register) -> Result<(), Rejection> {
    if binding.call_id == register.call_id && binding.cseq >= register.cseq {
        return Err(Rejection::OutOfOrder);
    }
    Ok(())
}

/// How long a contact is kept; `None` removes it.
fn granted(asked: Option<u32>, limits: &Limits) -> Result<Option<Duration>, Rejection> {
    let asked = match asked {
        None => return Ok(Some(limits.default_expires.min(limits.max_expires))),
        Some(0) => return Ok(None),
        Some(seconds) => Duration::from_secs(seconds.into()),
    };
    if asked < limits.min_expires && asked < HOUR {
        return Err(Rejection::TooBrief {
            min: limits.min_expires,
        });
    }
    Ok(Some(asked.min(limits.max_expires)))
}

fn bind(asked: &Asked, register: &Register, expires: SystemTime) -> Binding {
    Binding {
        contact: asked.contact.clone(),
        q: asked.q,
        expires,
        call_id: register.call_id.clone(),
        cseq: register.cseq,
        path: register.path.clone(),
        instance: asked.instance.clone(),
        reg_id: asked.reg_id,
        flow: asked.flow,
    }
}
