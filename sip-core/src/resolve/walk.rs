//! The walk of RFC 3263: a list of what is still to do, looked at from its front.

use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Instant;

use super::records::by_weight;
use super::{Blacklist, DnsAnswer, DnsQuery, Naptr, Srv};
use crate::header::Via;
use crate::uri::Host;
use crate::{Scheme, Target, Transport, Uri};

/// Addresses given at most, so that a hostile zone cannot keep anybody trying.
const TARGETS: usize = 16;
/// Questions asked at most.
const QUESTIONS: usize = 24;
/// Records looked at of each answer.
const RECORDS: usize = 32;

/// Why nothing can be looked for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ResolveError {
    /// Neither `sip:` nor `sips:`, or no host.
    #[error("scheme {0} cannot be resolved")]
    Scheme(String),
    /// The transport that is asked for is unknown, insecure under `sips:`, or not supported.
    #[error("transport {0} is not available")]
    Transport(String),
}

/// What comes next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Next {
    /// Try this address. When it fails, ask for the next.
    Target(Target),
    /// Find this out first, then [`Resolution::answer`]. Asked for again, it is the same.
    Ask(DnsQuery),
    /// Nothing is left.
    Exhausted,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Step {
    /// Ask which transports the domain prefers.
    Naptr,
    /// Ask for the servers of one service.
    Srv { name: String, transport: Transport },
    /// Ask for the addresses of a host.
    Host {
        name: String,
        port: u16,
        transport: Transport,
    },
    /// Section 4.2: no SRV records at all, so that the domain itself is the host.
    Itself(Transport),
    /// An address.
    At(Target),
}

/// One request's, or one response's, way to its addresses; see the [module](super).
#[derive(Clone, Debug)]
pub struct Resolution {
    steps: VecDeque<Step>,
    /// Blacklisted addresses, for the end.
    suspects: VecDeque<Target>,
    /// The domain: TARGET of section 4.
    domain: String,
    /// Whom a certificate must name: the URI's host, whatever the DNS made of it (RFC 5922).
    identity: Arc<str>,
    supported: Vec<Transport>,
    /// What the URI itself says.
    port: Option<u16>,
    wanted: Option<Transport>,
    secure: bool,
    /// Whether SRV records said anything, so that the domain itself is not tried.
    served: bool,
    given: usize,
    asked: usize,
}

impl Resolution {
    /// The way of a request to `uri`: section 4. `supported` names our transports, the one that we
    /// like best first.
    ///
    /// # Errors
    /// When the URI cannot be reached over any of them.
    pub fn request(uri: &Uri, supported: &[Transport]) -> Result<Self, ResolveError> {
        let secure = match uri.scheme() {
            Scheme::Sip => false,
            Scheme::Sips => true,
            _ => {
                return Err(ResolveError::Scheme(uri.as_ref().scheme_str().to_owned()));
            }
        };
        let Some(host) = uri.host() else {
            return Err(ResolveError::Scheme("opaque".to_owned()));
        };
        let identity = host.to_string();
        let maddr = uri.param("maddr").and_then(|param| param.value());
        let target = maddr
            .and_then(|maddr| Host::parse(maddr.as_bytes()))
            .unwrap_or(host);
        let named = uri.param("transport").and_then(|param| param.value());
        let wanted = named
            .map(|name| named_transport(name, secure))
            .transpose()?;
        if let (Some(name), Some(transport)) = (named, wanted)
            && !supported.contains(&transport)
        {
            return Err(ResolveError::Transport(name.to_owned()));
        }
        let mut way = Self::new(&target.to_string(), &identity, supported, secure);
        (way.port, way.wanted) = (uri.port(), wanted);
        let fallback = way.fallback();
        let transport = wanted.unwrap_or(fallback);
        let port = uri.port();
        if target.ip().is_some() || port.is_some() || wanted.is_some() {
            // Only these bind us to one transport.
            if !supported.contains(&transport) {
                return Err(ResolveError::Transport(transport.to_string()));
            }
            way.direct(target.ip(), port, transport);
        } else {
            way.steps.push_back(Step::Naptr);
        }
        Ok(way)
    }

    /// The way of a response whose connection is gone or whose address did not take it: section 5,
    /// by the host that sent the request names in its Via. `transport` is the Via's own.
    ///
    /// # Errors
    /// When the Via names no host.
    pub fn response(via: &Via<'_>, transport: Transport) -> Result<Self, ResolveError> {
        let Some(host) = via.host() else {
            return Err(ResolveError::Scheme("no host in Via".to_owned()));
        };
        let name = host.to_string();
        let mut way = Self::new(&name, &name, &[transport], transport.is_secure());
        way.direct(host.ip(), via.port(), transport);
        Ok(way)
    }

    /// A way whose addresses are known, best first; nothing is asked.
    pub fn known(targets: impl IntoIterator<Item = Target>) -> Self {
        let mut way = Self::new("", "", &[], false);
        way.replace(targets);
        way
    }

    fn new(domain: &str, identity: &str, supported: &[Transport], secure: bool) -> Self {
        let domain = domain.strip_suffix('.').unwrap_or(domain);
        let identity = identity.strip_suffix('.').unwrap_or(identity);
        Self {
            steps: VecDeque::new(),
            suspects: VecDeque::new(),
            domain: domain.to_owned(),
            identity: Arc::from(identity),
            supported: supported.to_vec(),
            port: None,
            wanted: None,
            secure,
            served: false,
            given: 0,
            asked: 0,
        }
    }

    /// Section 4.1, last resort: TLS for `sips:`, else UDP. Who speaks only others takes the first
    /// of those.
    fn fallback(&self) -> Transport {
        let usual = match self.secure {
            true => Transport::Tls,
            false => Transport::Udp,
        };
        let fits = |transport: &&Transport| transport.is_secure() == self.secure;
        match self.supported.contains(&usual) {
            true => usual,
            false => self.supported.iter().find(fits).copied().unwrap_or(usual),
        }
    }

    /// Section 4.2 once the transport is known.
    fn direct(&mut self, ip: Option<IpAddr>, port: Option<u16>, transport: Transport) {
        match (ip, port) {
            (Some(ip), port) => {
                let port = port.unwrap_or(transport.default_port());
                // An address needs no certificate of a name.
                let target = Target::new(transport, SocketAddr::new(ip, port));
                self.steps.push_back(Step::At(target));
            }
            (None, Some(port)) => self.steps.push_back(Step::Host {
                name: self.domain.clone(),
                port,
                transport,
            }),
            (None, None) => {
                if let Some(name) = service(transport, &self.domain) {
                    self.steps.push_back(Step::Srv { name, transport });
                }
                self.steps.push_back(Step::Itself(transport));
            }
        }
    }

    /// Whether the next step is an address, so that nothing need be asked.
    pub fn is_known(&self) -> bool {
        matches!(self.steps.front(), Some(Step::At(_)))
    }

    /// The domain that is looked for.
    pub fn domain(&self) -> &str {
        &self.domain
    }

    /// The port that the URI names.
    pub fn port(&self) -> Option<u16> {
        self.port
    }

    /// The transport that the URI names; TLS where `sips:` makes that of TCP.
    pub fn transport(&self) -> Option<Transport> {
        self.wanted
    }

    /// Whether only TLS will do (`sips:`).
    pub fn is_secure(&self) -> bool {
        self.secure
    }

    /// What to do next, best first; addresses in `avoid` come after all others.
    pub fn next(&mut self, now: Instant, avoid: &Blacklist) -> Next {
        while let Some(step) = self.steps.pop_front() {
            match step {
                Step::At(target)
                    if self.suspects.len() < TARGETS
                        && avoid.contains(now, target.transport(), target.remote()) =>
                {
                    self.suspects.push_back(target);
                }
                Step::At(target) => return self.give(target),
                Step::Itself(_) if self.served => {}
                Step::Itself(transport) => self.steps.push_front(Step::Host {
                    name: self.domain.clone(),
                    port: transport.default_port(),
                    transport,
                }),
                question if self.asked < QUESTIONS && self.given < TARGETS => {
                    let query = match &question {
                        Step::Srv { name, .. } => DnsQuery::Srv(name.clone()),
                        Step::Host { name, .. } => DnsQuery::Address(name.clone()),
                        _ => DnsQuery::Naptr(self.domain.clone()),
                    };
                    if is_nobodys(query.name()) {
                        continue;
                    }
                    self.steps.push_front(question);
                    return Next::Ask(query);
                }
                _ => {}
            }
        }
        match self.suspects.pop_front() {
            Some(target) => self.give(target),
            None => Next::Exhausted,
        }
    }

    fn give(&mut self, target: Target) -> Next {
        if self.given >= TARGETS {
            self.steps.clear();
            self.suspects.clear();
            return Next::Exhausted;
        }
        self.given += 1;
        Next::Target(target)
    }

    /// The answer to what [`next`](Self::next) asks. One of the wrong kind counts as
    /// [`DnsAnswer::Nothing`]; without an open question it is ignored. `chance` fills a buffer with
    /// random bytes, for the weights of RFC 2782.
    pub fn answer(&mut self, answer: DnsAnswer, chance: &mut dyn FnMut(&mut [u8])) {
        let Some(step) = self.steps.pop_front() else {
            return;
        };
        self.asked += 1;
        match (step, answer) {
            (step @ (Step::At(_) | Step::Itself(_)), _) => {
                self.asked -= 1;
                self.steps.push_front(step);
            }
            (Step::Naptr, DnsAnswer::Naptr(records)) => self.preferences(records),
            (Step::Naptr, _) => self.preferences(Vec::new()),
            (Step::Srv { transport, .. }, DnsAnswer::Srv(records)) => {
                self.servers(records, transport, chance);
            }
            (
                Step::Host {
                    port, transport, ..
                },
                DnsAnswer::Addresses(addresses),
            ) => {
                for ip in addresses.into_iter().take(TARGETS).rev() {
                    self.push_address(SocketAddr::new(ip, port), transport);
                }
            }
            (Step::Srv { .. } | Step::Host { .. }, _) => {}
        }
    }

    /// Nobody answered the question in time. A resolver that is silent is not asked again; what is
    /// known already is still tried.
    pub fn unanswered(&mut self) {
        self.steps.retain(|step| matches!(step, Step::At(_)));
    }

    /// Takes these addresses, best first, instead of all that is still to do.
    pub fn replace(&mut self, targets: impl IntoIterator<Item = Target>) {
        let targets = targets.into_iter().take(TARGETS);
        self.suspects.clear();
        self.steps = targets.map(Step::At).collect();
    }

    /// Section 4.1: what the domain prefers, or else every transport that both might have.
    fn preferences(&mut self, mut records: Vec<Naptr>) {
        records.sort_by_key(|record| (record.order, record.preference));
        let usable = |record: &Naptr| {
            let transport = record.transport()?;
            let name = record.replacement.trim_end_matches('.');
            let fits = self.supported.contains(&transport)
                && (transport.is_secure() || !self.secure)
                && is_name(name);
            fits.then(|| Step::Srv {
                name: name.to_owned(),
                transport,
            })
        };
        let mut found: Vec<Step> = records
            .iter()
            .take(RECORDS)
            .filter_map(usable)
            .take(self.supported.len())
            .collect();
        let last = match found.first() {
            // The domain's own wish, even when the service that it names has no servers.
            Some(Step::Srv { transport, .. }) => *transport,
            _ => self.fallback(),
        };
        if found.is_empty() {
            let fits = |transport: &&Transport| transport.is_secure() == self.secure;
            found = self
                .supported
                .iter()
                .filter(fits)
                .filter_map(|transport| {
                    let name = service(*transport, &self.domain)?;
                    Some(Step::Srv {
                        name,
                        transport: *transport,
                    })
                })
                .collect();
        }
        self.steps.extend(found);
        if self.supported.contains(&last) {
            self.steps.push_back(Step::Itself(last));
        }
    }

    /// RFC 2782: servers by priority and weight.
    fn servers(
        &mut self,
        mut records: Vec<Srv>,
        transport: Transport,
        chance: &mut dyn FnMut(&mut [u8]),
    ) {
        self.served |= !records.is_empty();
        records.sort_by_key(|record| record.priority);
        records.truncate(RECORDS);
        for record in by_weight(records, chance).into_iter().rev() {
            let name = record.target.trim_end_matches('.');
            let port = record.port;
            if port == 0 {
                continue;
            }
            // Names are demanded, but addresses are seen.
            if let Ok(ip) = name.parse() {
                self.push_address(SocketAddr::new(ip, port), transport);
            } else if is_name(name) {
                self.steps.push_front(Step::Host {
                    name: name.to_owned(),
                    port,
                    transport,
                });
            }
        }
    }

    fn push_address(&mut self, remote: SocketAddr, transport: Transport) {
        let server_name = transport.is_secure().then(|| self.identity.clone());
        self.steps.push_front(Step::At(Target::Open {
            transport,
            remote,
            server_name,
        }));
    }
}

/// What a `transport` parameter means, which must be secure under `sips:`.
fn named_transport(name: &str, secure: bool) -> Result<Transport, ResolveError> {
    match (Transport::from_name(name), secure) {
        (Some(Transport::Tcp), true) => Ok(Transport::Tls),
        (Some(Transport::Ws), true) => Ok(Transport::Wss),
        (Some(transport), secure) if transport.is_secure() || !secure => Ok(transport),
        _ => Err(ResolveError::Transport(name.to_owned())),
    }
}

/// The SRV name of a transport at a domain.
fn service(transport: Transport, domain: &str) -> Option<String> {
    let prefix = match transport {
        Transport::Udp => "_sip._udp",
        Transport::Tcp => "_sip._tcp",
        Transport::Tls => "_sips._tcp",
        Transport::Ws | Transport::Wss => return None,
    };
    Some(format!("{prefix}.{domain}"))
}

/// Whether a name may be asked for: a record's text is a stranger's.
fn is_name(name: &str) -> bool {
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && label
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
    };
    name.len() <= 253 && name.split('.').all(label)
}

/// Whether a name is under `invalid`, which no DNS has (RFC 6761 section 6.4) and by which WebSocket clients say that
/// they cannot be called but on their connection (RFC 7118 section 5).
fn is_nobodys(name: &str) -> bool {
    let last = name.trim_end_matches('.').rsplit('.').next();
    last.is_some_and(|label| label.eq_ignore_ascii_case("invalid"))
}
