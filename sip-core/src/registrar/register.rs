//! What a REGISTER asks (RFC 3261 section 10.2), read once and bounded.

use std::sync::Arc;

use super::aor::Aor;
use super::apply::Rejection;
use super::limits::{Limits, RememberFlow};
use crate::endpoint::Flow;
use crate::header::{CSeq, CallId, Contact, Expires, NameAddr, Path, To};
use crate::uri::{Host, UriRef};
use crate::{HeaderName, Message};

/// The facts of one REGISTER that the binding rules need.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Register {
    /// Whose bindings: the canonical form of To.
    pub aor: Aor,
    /// Its Call-ID.
    pub call_id: Arc<str>,
    /// Its CSeq number.
    pub cseq: u32,
    /// What it asks for.
    pub contacts: Contacts,
    /// Its Path, topmost first.
    pub path: Arc<[NameAddr]>,
    /// Whether the client takes GRUUs (`Supported: gruu`).
    pub gruu: bool,
    /// Whether the rules of outbound hold (RFC 5626 section 6).
    pub outbound: bool,
}

/// What a REGISTER asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Contacts {
    /// To be told what there is (section 10.2.3).
    Query,
    /// To remove everything: `Contact: *` with `Expires: 0` (section 10.2.2).
    RemoveAll,
    /// To add, refresh or remove these.
    Listed(Vec<Asked>),
}

/// One contact of a REGISTER.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Asked {
    /// The contact without `expires` and display name.
    pub contact: NameAddr,
    /// Seconds asked for; 0 removes it, `None` leaves the choice to the registrar.
    pub expires: Option<u32>,
    /// Its rank in thousandths.
    pub q: u16,
    /// The device.
    pub instance: Option<Arc<str>>,
    /// The device's flow, where outbound is used.
    pub reg_id: Option<u32>,
    /// The flow to remember.
    pub flow: Option<Flow>,
}

impl Register {
    /// Reads a REGISTER that passed [`validate`](crate::validate). `flow` is where it came from.
    ///
    /// # Errors
    /// [`Rejection`], with the status to answer.
    pub fn read(request: &Message, flow: Option<Flow>, limits: &Limits) -> Result<Self, Rejection> {
        let bad = Rejection::Malformed;
        let to: To<'_> = request.typed().map_err(|_| bad("To"))?;
        let aor = to.uri().map_err(|_| bad("To"))?;
        let aor = Aor::new(&aor).ok_or(bad("To is no SIP URI"))?;
        let call_id: CallId<'_> = request.typed().map_err(|_| bad("Call-ID"))?;
        let cseq: CSeq<'_> = request.typed().map_err(|_| bad("CSeq"))?;
        let path = read_path(request, limits)?;
        let direct = request.values(HeaderName::VIA).take(2).count() == 1;
        let flow = flow.filter(|_| direct && path.is_empty());
        // RFC 5626 section 6: the first hop must know of outbound; with one Via, it is we.
        let supported = supports(request, "outbound");
        let first_hop = direct
            || path
                .first()
                .and_then(|path| path.uri().ok())
                .is_some_and(|uri| uri.param("ob").is_some());
        let mut register = Self {
            aor,
            call_id: call_id.as_str().into(),
            cseq: cseq.sequence(),
            contacts: Contacts::Query,
            path: path.into(),
            gruu: supports(request, "gruu"),
            outbound: false,
        };
        let all = request
            .typed_opt::<Expires>()
            .unwrap_or_default()
            .map(|Expires(seconds)| seconds);
        let mut listed = Vec::new();
        for contact in request.typed_all::<Contact<'_>>() {
            let contact = contact.map_err(|_| bad("Contact"))?;
            let Contact::Address(_) = contact else {
                register.contacts = Contacts::RemoveAll;
                continue;
            };
            if listed.len() == limits.contacts {
                return Err(Rejection::Crowded);
            }
            let asked = register.asked(&contact, all, flow, limits)?;
            listed.push(asked);
        }
        if register.contacts == Contacts::RemoveAll {
            return match (listed.is_empty(), all) {
                (true, Some(0)) => Ok(register),
                _ => Err(bad("Contact: * wants Expires: 0 and nothing beside it")),
            };
        }
        let flows = listed.iter().filter(|asked| asked.reg_id.is_some()).count();
        if !supported {
            listed.iter_mut().for_each(|asked| asked.reg_id = None);
        } else if flows > 0 && !first_hop {
            return Err(Rejection::FirstHop);
        } else if flows > 0 {
            let lasting = listed.iter().filter(|asked| asked.expires != Some(0));
            if lasting.count() > 1 {
                return Err(bad("one flow with another contact"));
            }
            register.outbound = true;
        }
        for asked in &mut listed {
            asked.flow = asked.flow.filter(|flow| match limits.flows {
                RememberFlow::Never => false,
                RememberFlow::Outbound => asked.reg_id.is_some(),
                RememberFlow::WhereNeeded => {
                    asked.reg_id.is_some() || flow.connection.is_some() || is_elsewhere(asked, flow)
                }
            });
        }
        if !listed.is_empty() {
            register.contacts = Contacts::Listed(listed);
        }
        Ok(register)
    }

    fn asked(
        &self,
        contact: &Contact<'_>,
        all: Option<u32>,
        flow: Option<Flow>,
        limits: &Limits,
    ) -> Result<Asked, Rejection> {
        let bad = Rejection::Malformed("Contact");
        let address = contact.address().ok_or(bad)?;
        let around: usize = self
            .path
            .iter()
            .map(|path| path.as_ref().as_bytes().len())
            .sum();
        if address.as_bytes().len() + around + self.call_id.len() > limits.bytes {
            return Err(Rejection::TooLarge);
        }
        UriRef::parse(address.uri_bytes()).map_err(|_| bad)?;
        let instance: Option<Arc<str>> = contact.instance().map(|text| text.as_ref().into());
        let reg_id = contact.reg_id().filter(|id| *id > 0 && instance.is_some());
        Ok(Asked {
            contact: stored(address.to_name_addr())?,
            expires: contact.expires().or(all),
            q: contact.q().unwrap_or(1000),
            instance,
            reg_id,
            flow,
        })
    }
}

/// The contact as it is kept: what else it may say is ours to say, or holds for one message.
fn stored(contact: NameAddr) -> Result<NameAddr, Rejection> {
    const NOT_KEPT: [&str; 4] = ["expires", "tag", "pub-gruu", "temp-gruu"];
    contact
        .bare_with(|param| {
            !NOT_KEPT
                .iter()
                .any(|name| param.name().eq_ignore_ascii_case(name))
        })
        .map_err(|_| Rejection::Malformed("Contact"))
}

fn read_path(request: &Message, limits: &Limits) -> Result<Vec<NameAddr>, Rejection> {
    let mut path = Vec::new();
    let mut bytes = 0;
    for hop in request.typed_all::<Path<'_>>() {
        let hop = hop.map_err(|_| Rejection::Malformed("Path"))?;
        bytes += hop.as_bytes().len();
        if bytes > limits.bytes {
            return Err(Rejection::TooLarge);
        }
        let hop = hop.to_name_addr();
        hop.uri().map_err(|_| Rejection::Malformed("Path"))?;
        path.push(
            hop.bare_with(|_| true)
                .map_err(|_| Rejection::Malformed("Path"))?,
        );
    }
    Ok(path)
}

fn supports(request: &Message, option: &str) -> bool {
    request
        .values(HeaderName::SUPPORTED)
        .any(|tag| tag.eq_ignore_ascii_case(option.as_bytes()))
}

/// Whether the contact names another place than the one from which it came.
fn is_elsewhere(asked: &Asked, flow: &Flow) -> bool {
    let Ok(uri) = asked.contact.uri() else {
        return true;
    };
    let port = uri.port().unwrap_or(flow.transport.default_port());
    match uri.host().as_ref().and_then(Host::ip) {
        Some(ip) => ip != flow.remote.ip() || port != flow.remote.port(),
        None => true,
    }
}
