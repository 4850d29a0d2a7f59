//! The endpoint's DNS questions, asked of name servers by `hickory-resolver`.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use hickory_resolver::config::{
    ConnectionConfig, LookupIpStrategy, NameServerConfig, ResolveHosts, ResolverConfig,
};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::proto::rr::{Name, RData, RecordType};
use hickory_resolver::{Resolver, ResolverBuilder, TokioResolver};

use crate::resolve::{DnsAnswer, DnsQuery, Naptr, Srv};

/// Records taken of one answer: more than any domain has, fewer than would be felt.
const RECORDS: usize = 64;

/// A resolver that knows all that RFC 3263 asks for: NAPTR, SRV, A and AAAA, CNAMEs followed, answers kept for as long as
/// their records say; see [`Driver::set_dns`](super::Driver::set_dns).
///
/// ```no_run
/// # fn build(driver: &mut sip_core::net::Driver) -> std::io::Result<()> {
/// use sip_core::net::Dns;
/// driver.set_dns(Dns::servers(["192.0.2.53:53".parse().unwrap()])?);
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct Dns {
    resolver: TokioResolver,
}

impl fmt::Debug for Dns {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Dns").finish_non_exhaustive()
    }
}

impl Dns {
    /// Asks the system's name servers: reads `/etc/resolv.conf` and `/etc/hosts`, or what the system has in their place.
    ///
    /// # Errors
    /// When those cannot be read.
    pub fn system() -> io::Result<Self> {
        let builder = Resolver::builder(TokioRuntimeProvider::default());
        Self::build(builder.map_err(io::Error::other)?)
    }

    /// Asks these name servers, the first that answers, over UDP and, where an answer is too long for it, TCP. No file
    /// is read.
    ///
    /// # Errors
    /// When the resolver cannot be built: no server is named.
    pub fn servers(servers: impl IntoIterator<Item = SocketAddr>) -> io::Result<Self> {
        let servers = servers.into_iter().map(|at| {
            let (mut udp, mut tcp) = (ConnectionConfig::udp(), ConnectionConfig::tcp());
            (udp.port, tcp.port) = (at.port(), at.port());
            NameServerConfig::new(at.ip(), true, vec![udp, tcp])
        });
        let servers: Vec<NameServerConfig> = servers.collect();
        if servers.is_empty() {
            let why = "a resolver needs a name server";
            return Err(io::Error::new(io::ErrorKind::InvalidInput, why));
        }
        let config = ResolverConfig::from_parts(None, Vec::new(), servers);
        let mut builder = Resolver::builder_with_config(config, TokioRuntimeProvider::default());
        builder.options_mut().use_hosts_file = ResolveHosts::Never;
        Self::build(builder)
    }

    fn build(mut builder: ResolverBuilder<TokioRuntimeProvider>) -> io::Result<Self> {
        let options = builder.options_mut();
        // Both kinds: which of them is tried first is the endpoint's sockets' matter, and A is what most phones have.
        options.ip_strategy = LookupIpStrategy::Ipv4AndIpv6;
        // Inside `Bounds::question` (10 s), a second server and a second try included.
        options.timeout = Duration::from_secs(2);
        options.attempts = 2;
        let resolver = builder.build().map_err(io::Error::other)?;
        Ok(Self { resolver })
    }

    /// What the name servers say. Whatever goes wrong is [`DnsAnswer::Nothing`]: the endpoint then goes on as RFC 3263
    /// has it, to the next question.
    pub(crate) async fn look_up(&self, query: DnsQuery) -> DnsAnswer {
        // As it stands, whatever search list the system has: domains in URIs are complete.
        let Ok(mut name) = Name::from_utf8(query.name()) else {
            return DnsAnswer::Nothing;
        };
        name.set_fqdn(true);
        let kind = match query {
            DnsQuery::Address(_) => return self.addresses(name).await,
            DnsQuery::Srv(_) => RecordType::SRV,
            _ => RecordType::NAPTR,
        };
        let Ok(found) = self.resolver.lookup(name, kind).await else {
            return DnsAnswer::Nothing;
        };
        let (mut naptr, mut srv) = (Vec::new(), Vec::new());
        for record in found.answers().iter().take(RECORDS) {
            match &record.data {
                RData::SRV(data) => srv.push(Srv::new(
                    data.priority,
                    data.weight,
                    data.port,
                    &plain(&data.target),
                )),
                RData::NAPTR(data) => {
                    let service = String::from_utf8_lossy(&data.services);
                    let replacement = plain(&data.replacement);
                    let mut record =
                        Naptr::new(data.order, data.preference, &service, &replacement);
                    record.flags = String::from_utf8_lossy(&data.flags).into_owned();
                    naptr.push(record);
                }
                _ => {}
            }
        }
        match (naptr.is_empty(), srv.is_empty()) {
            (false, _) => DnsAnswer::Naptr(naptr),
            (_, false) => DnsAnswer::Srv(srv),
            _ => DnsAnswer::Nothing,
        }
    }

    async fn addresses(&self, name: Name) -> DnsAnswer {
        match self.resolver.lookup_ip(name).await {
            Ok(found) => DnsAnswer::Addresses(found.iter().take(RECORDS).collect()),
            Err(_) => DnsAnswer::Nothing,
        }
    }
}

/// Without the final dot; the root, by which an SRV record says that there is no such service, stays one.
fn plain(name: &Name) -> String {
    let text = name.to_ascii();
    match text.strip_suffix('.') {
        Some("") | None => text,
        Some(text) => text.to_owned(),
    }
}
