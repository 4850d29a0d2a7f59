//! Headers on their way to the other side.

use super::policy::HeaderPolicy;
use crate::endpoint::wire;
use crate::{HeaderName, Message};

/// As many cross at most.
const HEADERS: usize = 64;

/// Headers that belong to one side, besides those that the endpoint writes itself.
const OWN: [&str; 29] = [
    "Supported",
    "Unsupported",
    "Proxy-Require",
    "Session-Expires",
    "Min-SE",
    "RSeq",
    "RAck",
    "Replaces",
    "Join",
    "Refer-To",
    "Event",
    "Subscription-State",
    "Allow-Events",
    "Path",
    "Service-Route",
    "WWW-Authenticate",
    "Proxy-Authenticate",
    "Authentication-Info",
    "Recv-Info",
    "User-Agent",
    "Server",
    "Timestamp",
    "Min-Expires",
    "Retry-After",
    "Max-Breadth",
    "Content-Encoding",
    "Content-Language",
    "Identity",
    "MIME-Version",
];

/// The headers of a message that cross.
pub(super) fn headers(message: &Message, policy: &HeaderPolicy) -> Vec<(String, String)> {
    let listed = |names: &[String], name: HeaderName<'_>| {
        names.iter().any(|known| HeaderName::from(known) == name)
    };
    let mut crossing = Vec::new();
    for field in message.headers() {
        let name = field.name();
        let wanted = match policy {
            HeaderPolicy::Nothing => false,
            HeaderPolicy::Only(names) => listed(names, name),
            HeaderPolicy::AllBut(names) => !listed(names, name),
        };
        let own =
            || wire::is_reserved(name) || OWN.iter().any(|own| HeaderName::from(*own) == name);
        if wanted && !own() && crossing.len() < HEADERS {
            crossing.push((name.to_string(), field.to_str().into_owned()));
        }
    }
    crossing
}
