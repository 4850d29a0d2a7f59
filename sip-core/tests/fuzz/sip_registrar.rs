//! A registrar fed with REGISTERs for one address-of-record. Input: pieces that end in an empty line; the first byte
//! of each is the seconds since the one before, the rest the lines of a request behind its Via and To. Whatever
//! comes, no more contacts are kept than may be, none twice, none that has ended, and the 200 that lists them is
//! valid.

use std::net::SocketAddr;
use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;
use sip_core::registrar::{Aor, Limits, Policy};
use sip_core::{
    Capabilities, Config, Endpoint, Epoch, Event, Flow, Input, Local, Message, StatusCode,
    Transport, Uri,
};

const MOST: usize = 4;

pub fn run(data: &[u8]) {
    let address = |port| SocketAddr::from(([127, 0, 0, 1], port));
    let mut limits = Limits::default();
    limits.contacts = MOST;
    let mut config = Config::new(Local::new(Transport::Udp, address(5060)));
    config.registrar = Some(Policy::new(["h"]).limits(limits).gruu([1; 32]));
    let mut now = Instant::now();
    let start = (
        now,
        SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000),
    );
    let epoch = Epoch {
        instant: start.0,
        wall: start.1,
    };
    let mut count = 0u8;
    let chance = Box::new(move |out: &mut [u8]| {
        count = count.wrapping_add(1);
        out.fill(count);
    });
    let mut endpoint = Endpoint::new(config, epoch, chance);
    let uri: Uri = "sip:b@h".parse().expect("a URI");
    let aor = Aor::new(&uri.as_ref()).expect("a SIP URI");
    let flow = Flow::udp(address(5060), address(5070));

    for (number, piece) in pieces(data).take(40).enumerate() {
        let Some((&wait, lines)) = piece.split_first() else {
            continue;
        };
        now += Duration::from_secs(u64::from(wait) * u64::from(wait));
        endpoint.handle_timeout(now);
        let mut bytes = format!(
            "REGISTER sip:h SIP/2.0\r\nVia: SIP/2.0/UDP h;branch=z9hG4bK{number}\r\nMax-Forwards: 70\r\nTo: <sip:b@h>\r\n"
        )
        .into_bytes();
        bytes.extend_from_slice(lines);
        bytes.extend_from_slice(b"\r\nContent-Length: 0\r\n\r\n");
        let bytes = Bytes::from(bytes);
        endpoint.handle_input(now, Input::Received { flow, bytes });
        while let Some(transmit) = endpoint.poll_transmit() {
            let response = Message::parse(transmit.bytes).expect("what is sent can be parsed");
            if response.status() != Some(StatusCode::OK) {
                continue;
            }
            let findings = sip_core::validate(&response, &Capabilities::default());
            assert!(findings.is_valid(), "{findings:?}\n{response}");
            let kept = endpoint.bindings(&aor).map_or(0, |bindings| bindings.len());
            assert_eq!(response.headers_named("Contact").count(), kept);
        }
        while let Some(event) = endpoint.poll_event() {
            assert!(matches!(event, Event::Binding { .. }), "{event:?}");
        }
        let wall = start.1 + now.duration_since(start.0);
        if let Some(bindings) = endpoint.bindings(&aor) {
            assert!((1..=MOST).contains(&bindings.len()));
            for (at, binding) in bindings.iter().enumerate() {
                assert!(binding.expires > wall);
                assert!(binding.uri().is_ok());
                for other in bindings.iter().take(at) {
                    let same = match (binding.reg_id, other.reg_id) {
                        (Some(one), Some(two)) => one == two && binding.instance == other.instance,
                        (None, None) => binding.contact == other.contact,
                        _ => false,
                    };
                    assert!(!same, "{binding:?} twice");
                }
            }
        }
        assert!(endpoint.locate(now, &uri).len() <= MOST);
    }
    // Nobody refreshes, and so nothing is left.
    now += Duration::from_secs(3600);
    while endpoint.poll_timeout().is_some_and(|at| at <= now) {
        endpoint.handle_timeout(now);
        while endpoint.poll_event().is_some() {}
        while endpoint.poll_transmit().is_some() {}
    }
    assert!(endpoint.bindings(&aor).is_none());
}

fn pieces(data: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = Some(data);
    std::iter::from_fn(move || {
        let all = rest?;
        match all.windows(4).position(|four| four == b"\r\n\r\n") {
            Some(at) => {
                rest = Some(&all[at + 4..]);
                Some(&all[..at])
            }
            None => rest.take(),
        }
    })
}
