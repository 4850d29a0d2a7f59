//! Bytes, how they come, and the verdict that they deserve: the messages of RFC 4475 and RFC 5118
//! and the framing attacks.

#[path = "framing.rs"]
mod framing;
#[path = "ipv6.rs"]
mod ipv6;

use sip_core::{Capabilities, Method, Role, Scheme};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Over {
    Datagram,
    Stream,
    WebSocket,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Taken as it is.
    Accept,
    /// A datagram or frame that is answered with this status.
    Answer(u16),
    /// Dropped silently.
    Drop,
    /// A stream that is answered with this status and then closed.
    AnswerAndClose(u16),
    /// A stream that waits for the rest.
    Wait,
}

pub(crate) struct Row {
    pub(crate) name: &'static str,
    pub(crate) rule: &'static str,
    pub(crate) over: Over,
    pub(crate) caps: fn() -> Capabilities,
    pub(crate) bytes: Vec<u8>,
    pub(crate) verdict: Verdict,
}

pub(crate) fn all() -> Capabilities {
    Capabilities::default()
}

fn methods() -> Capabilities {
    Capabilities::default().methods([
        Method::Invite,
        Method::Ack,
        Method::Bye,
        Method::Cancel,
        Method::Options,
    ])
}

fn schemes() -> Capabilities {
    Capabilities::default().schemes([Scheme::Sip, Scheme::Sips, Scheme::Tel])
}

fn tags() -> Capabilities {
    Capabilities::default().option_tags(["timer", "replaces"])
}

fn proxy_tags() -> Capabilities {
    tags().role(Role::Proxy)
}

fn sdp() -> Capabilities {
    Capabilities::default().content_types(["application/sdp"])
}

fn sdp_answers() -> Capabilities {
    Capabilities::default().produces(["application/sdp"])
}

fn registrar() -> Capabilities {
    Capabilities::default().role(Role::Registrar)
}

fn proxy() -> Capabilities {
    Capabilities::default().role(Role::Proxy)
}

macro_rules! rows {
    ($($name:literal $section:literal $caps:ident $verdict:expr;)*) => {
        vec![$(Row {
            name: $name,
            rule: concat!("RFC 4475 section ", $section),
            over: Over::Datagram,
            caps: $caps,
            bytes: include_bytes!(concat!($name, ".dat")).to_vec(),
            verdict: $verdict,
        }),*]
    };
}

pub(crate) fn rfc4475() -> Vec<Row> {
    use Verdict::*;
    rows! {
        "wsinv" "3.1.1.1" all Accept;
        "intmeth" "3.1.1.2" all Accept;
        "intmeth" "3.1.1.2" methods Answer(501);
        "esc01" "3.1.1.3" all Accept;
        "escnull" "3.1.1.4" all Accept;
        "esc02" "3.1.1.5" all Accept;
        "esc02" "3.1.1.5" methods Answer(501);
        "lwsdisp" "3.1.1.6" all Accept;
        "longreq" "3.1.1.7" all Accept;
        "dblreq" "3.1.1.8" all Accept;
        "semiuri" "3.1.1.9" all Accept;
        "transports" "3.1.1.10" all Accept;
        "mpart01" "3.1.1.11" all Accept;
        "unreason" "3.1.1.12" all Accept;
        "noreason" "3.1.1.13" all Accept;
        "badinv01" "3.1.2.1" all Answer(400);
        "clerr" "3.1.2.2" all Answer(400);
        "ncl" "3.1.2.3" all Answer(400);
        "scalar02" "3.1.2.4" all Answer(400);
        "scalarlg" "3.1.2.5" all Drop;
        "quotbal" "3.1.2.6" all Answer(400);
        "ltgtruri" "3.1.2.7" all Answer(400);
        "lwsruri" "3.1.2.8" all Answer(400);
        "lwsstart" "3.1.2.9" all Answer(400);
        "trws" "3.1.2.10" all Answer(400);
        "escruri" "3.1.2.11" all Answer(400);
        "baddate" "3.1.2.12" all Answer(400);
        "regbadct" "3.1.2.13" all Answer(400);
        "badaspec" "3.1.2.14" all Answer(400);
        "baddn" "3.1.2.15" all Answer(400);
        "badvers" "3.1.2.16" all Answer(505);
        "mismatch01" "3.1.2.17" all Answer(400);
        "mismatch02" "3.1.2.18" all Answer(400);
        "mismatch02" "3.1.2.18" methods Answer(501);
        "bigcode" "3.1.2.19" all Drop;
        "badbranch" "3.2.1" all Answer(400);
        "insuf" "3.3.1" all Answer(400);
        "unkscm" "3.3.2" all Accept;
        "unkscm" "3.3.2" schemes Answer(416);
        "novelsc" "3.3.3" all Accept;
        "novelsc" "3.3.3" schemes Answer(416);
        "unksm2" "3.3.4" all Accept;
        "unksm2" "3.3.4" registrar Answer(400);
        "bext01" "3.3.5" all Accept;
        "bext01" "3.3.5" tags Answer(420);
        "bext01" "3.3.5" proxy_tags Answer(420);
        "invut" "3.3.6" all Accept;
        "invut" "3.3.6" sdp Answer(415);
        "regaut01" "3.3.7" all Accept;
        "multi01" "3.3.8" all Answer(400);
        "mcl01" "3.3.9" all Answer(400);
        "bcast" "3.3.10" all Drop;
        "zeromf" "3.3.11" all Accept;
        "zeromf" "3.3.11" proxy Answer(483);
        "cparam01" "3.3.12" all Accept;
        "cparam02" "3.3.13" all Accept;
        "regescrt" "3.3.14" all Accept;
        "sdp01" "3.3.15" all Accept;
        "sdp01" "3.3.15" sdp_answers Answer(406);
        "inv2543" "3.4.1" all Accept;
    }
}

/// Lines with their line ends.
pub(crate) fn crlf(text: &str) -> Vec<u8> {
    text.replace('\n', "\r\n").into_bytes()
}

/// Every row.
pub(crate) fn table() -> Vec<Row> {
    [rfc4475(), ipv6::rows(), framing::rows()]
        .into_iter()
        .flatten()
        .collect()
}
