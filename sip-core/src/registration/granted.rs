//! What a 200 to our REGISTER says (RFC 3261 section 10.2.4).

use std::time::Duration;

use crate::header::{Contact, Expires, FlowTimer, NameAddr, ServiceRoute};
use crate::uri::{Uri, UriRef};
use crate::{HeaderName, Message};

/// Service-Routes are not followed further than this.
const MAX_ROUTE: usize = 16;

/// The facts of one flow's 200.
#[derive(Debug, Default)]
pub(crate) struct Granted {
    /// How long our contact stays.
    pub(crate) expires: Duration,
    pub(crate) service_route: Vec<NameAddr>,
    pub(crate) public_gruu: Option<Uri>,
    pub(crate) temporary_gruu: Option<Uri>,
    /// Whether outbound holds.
    pub(crate) outbound: bool,
    pub(crate) flow_timer: Option<Duration>,
}

impl Granted {
    /// Reads a 200. `ours` is the URI that we registered, `asked` the expiry; `flow` our instance and reg-id, where
    /// outbound was asked for. A registrar that does not list our contact is taken at its Expires, or at our word.
    pub(crate) fn read(
        response: &Message,
        ours: &Uri,
        flow: Option<(&str, u32)>,
        asked: Duration,
    ) -> Self {
        let general = response
            .typed_opt::<Expires>()
            .unwrap_or_default()
            .map(|Expires(seconds)| seconds);
        let mut granted = Self {
            expires: general.map_or(asked, |seconds| Duration::from_secs(seconds.into())),
            outbound: lists(response, HeaderName::REQUIRE, "outbound"),
            flow_timer: response
                .typed_opt::<FlowTimer>()
                .unwrap_or_default()
                .filter(|FlowTimer(seconds)| *seconds > 0)
                .map(|FlowTimer(seconds)| Duration::from_secs(seconds.into())),
            ..Self::default()
        };
        for contact in response.typed_all::<Contact<'_>>().flatten() {
            let device = flow.map(|(instance, _)| instance);
            let same_flow = flow.is_some_and(|(instance, id)| {
                contact.instance().as_deref() == Some(instance) && contact.reg_id() == Some(id)
            });
            let same_uri = matches!(contact.uri(), Some(Ok(uri)) if uri.equivalent(&ours.as_ref()));
            if !same_flow && !same_uri {
                continue;
            }
            if let Some(seconds) = contact.expires() {
                granted.expires = Duration::from_secs(seconds.into());
            }
            if device.is_none_or(|device| contact.instance().as_deref() == Some(device)) {
                granted.public_gruu = gruu(&contact, "pub-gruu");
                granted.temporary_gruu = gruu(&contact, "temp-gruu");
            }
            if same_flow {
                break;
            }
        }
        for route in response
            .typed_all::<ServiceRoute<'_>>()
            .flatten()
            .take(MAX_ROUTE)
        {
            if route.uri().is_ok() {
                granted.service_route.push(route.to_name_addr());
            }
        }
        granted
    }
}

fn gruu(contact: &Contact<'_>, name: &str) -> Option<Uri> {
    let value = contact.param(name)?.decoded()?;
    let uri = UriRef::parse(value.as_bytes()).ok()?;
    uri.host().is_some().then(|| uri.to_uri())
}

fn lists(message: &Message, name: HeaderName<'static>, token: &str) -> bool {
    message
        .values(name)
        .any(|value| value.eq_ignore_ascii_case(token.as_bytes()))
}

/// When to refresh: ten minutes before the end, or at half of a binding shorter than twenty (as 3GPP TS 24.229
/// section 5.1.1.4.1 has it), and a random part of a tenth earlier, so that phones that started together do not
/// refresh together. `random` is 0 to 65,535.
pub(crate) fn refresh_after(granted: Duration, random: u16) -> Duration {
    const MARGIN: Duration = Duration::from_secs(600);
    let at = match granted > 2 * MARGIN {
        true => granted - MARGIN,
        false => granted / 2,
    };
    at - at / 10 * u32::from(random) / u32::from(u16::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(lines: &str, flow: Option<(&str, u32)>) -> Granted {
        let text = format!(
            "SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP h;branch=z9hG4bK1\r\nTo: <sip:b@h>;tag=1\r\nFrom: <sip:b@h>;tag=2\r\n\
             Call-ID: c\r\nCSeq: 1 REGISTER\r\n{lines}Content-Length: 0\r\n\r\n"
        );
        let response = Message::parse(text).unwrap();
        let ours = "sip:b@10.0.0.1:5060".parse().unwrap();
        Granted::read(&response, &ours, flow, Duration::from_secs(3600))
    }

    #[test]
    fn our_contact_is_found_among_others() {
        let device = Some(("<urn:x>", 2));
        for (lines, flow, seconds) in [
            ("", None, 3600),
            ("Expires: 90\r\n", None, 90),
            (
                "Contact: <sip:b@10.0.0.2>;expires=7, <sip:B@10.0.0.1:5060>;expires=8\r\nExpires: 90\r\n",
                None,
                90,
            ),
            (
                "Contact: <sip:b@10.0.0.2>;expires=7, \"B\" <sip:b@10.0.0.1:5060>;expires=8\r\n",
                None,
                8,
            ),
            (
                "Contact: <sip:b@10.0.0.1:5060>\r\nExpires: 90\r\n",
                None,
                90,
            ),
            (
                "Contact: <sip:b@x>;+sip.instance=\"<urn:x>\";reg-id=1;expires=7\r\n\
                 Contact: <sip:b@y>;+sip.instance=\"<urn:x>\";reg-id=2;expires=9\r\n",
                device,
                9,
            ),
        ] {
            assert_eq!(read(lines, flow).expires.as_secs(), seconds, "{lines}");
        }
        let granted = read(
            "Contact: <sip:b@10.0.0.1:5060>;pub-gruu=\"sip:b@h;gr=urn:x\";temp-gruu=\"sip:t@h;gr\";+sip.instance=\"<urn:x>\"\r\n\
             Service-Route: <sip:p1;lr>, <sip:p2;lr>\r\nRequire: outbound\r\nFlow-Timer: 90\r\n",
            device,
        );
        assert_eq!(granted.public_gruu.unwrap().as_str(), "sip:b@h;gr=urn:x");
        assert_eq!(granted.temporary_gruu.unwrap().as_str(), "sip:t@h;gr");
        assert_eq!(granted.service_route.len(), 2);
        assert!(granted.outbound);
        assert_eq!(granted.flow_timer, Some(Duration::from_secs(90)));
        let bare = read(
            "Flow-Timer: 0\r\nContact: <sip:b@10.0.0.1:5060>;pub-gruu=\"x\"\r\n",
            None,
        );
        assert_eq!((bare.public_gruu, bare.flow_timer), (None, None));
    }

    #[test]
    fn refreshes_come_early() {
        for (granted, latest) in [
            (7200, 6600),
            (3600, 3000),
            (1201, 601),
            (1200, 600),
            (60, 30),
            (1, 0),
        ] {
            let at = |random| refresh_after(Duration::from_secs(granted), random);
            assert_eq!(at(0).as_secs(), latest);
            let early = at(u16::MAX).as_secs_f64() / at(0).as_secs_f64();
            assert!((0.89..0.91).contains(&early), "{granted}: {early}");
        }
    }
}
