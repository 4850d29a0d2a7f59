//! Reliable provisional responses (RFC 3262) between endpoints on virtual time.
#![allow(clippy::disallowed_methods, clippy::unwrap_used, clippy::expect_used)]

#[path = "support/pen.rs"]
mod pen;
mod support;

use sip_core::{Config, EndKind, EndedBy, Event, Method, Reliable, StatusCode};
use support::*;

fn progress(event: &Event) -> Option<(u16, bool, bool)> {
    match event {
        Event::Progress {
            status,
            reliable,
            preview,
            ..
        } => Some((status.code(), *reliable, preview.is_some())),
        _ => None,
    }
}

#[test]
fn early_media_arrives_reliably_and_the_200_waits_for_its_prack() {
    for (weather, seeds) in [(CLEAR, 1), (STORM, 20)] {
        for seed in 0..seeds {
            let mut net = Network::new(seed, vec![Config::default(), Config::default()]);
            net.weather = weather;
            let caller = net.invite(0, 1, |invite| invite);
            let callee = net.until(1, incoming);
            let now = net.now;
            let phone = &mut net.endpoints[1];
            phone
                .call(callee)
                .unwrap()
                .ring(now, StatusCode::RINGING, None)
                .unwrap();
            let status = StatusCode::SESSION_PROGRESS;
            phone
                .call(callee)
                .unwrap()
                .ring(now, status, Some(answer(1)))
                .unwrap();
            // A second one waits for the PRACK of the first, and the 200 for both.
            let queued = StatusCode::CALL_IS_BEING_FORWARDED;
            phone
                .call(callee)
                .unwrap()
                .ring(now, queued, Some(answer(1)))
                .unwrap();
            net.drain();
            assert_eq!(net.count(1, "SIP/2.0 181"), 0);
            assert_eq!(
                net.until(0, |e| progress(e).filter(|p| p.0 == 183)),
                (183, true, true)
            );
            assert_eq!(
                net.until(0, |e| progress(e).filter(|p| p.0 == 181)),
                (181, true, false)
            );
            let now = net.now;
            net.call(1, callee).answer(now, None).unwrap();
            let body = net.until(0, |event| match event {
                Event::Answered { body, .. } => Some(body.clone()),
                _ => None,
            });
            assert_eq!(body, Some(answer(1)));
            net.until(1, |e| matches!(e, Event::Confirmed { .. }).then_some(()));
            net.hang_up(0, caller);
            net.assert_forgotten();
        }
    }
}

#[test]
fn what_is_never_acknowledged_ends_the_call() {
    let mut net = Network::pair();
    net.lose = Box::new(|_, message| message.method() == Some(Method::Prack));
    net.invite(0, 1, |invite| invite);
    let callee = net.until(1, incoming);
    let status = StatusCode::SESSION_PROGRESS;
    let now = net.now;
    net.call(1, callee)
        .ring(now, status, Some(answer(1)))
        .unwrap();
    net.call(1, callee).answer(now, None).unwrap();
    let cause = net.until(1, ended);
    assert_eq!(cause.by, EndedBy::Timer);
    assert!(matches!(cause.kind, EndKind::Protocol(_)), "{cause}");
    assert_eq!(net.count(1, "SIP/2.0 183"), 7, "T1 doubled for 64 x T1");
    assert_eq!(net.count(1, "SIP/2.0 200"), 0, "the 200 never went out");
    let cause = net.until(0, ended);
    assert_eq!(
        (cause.kind, cause.status),
        (EndKind::Rejected, Some(StatusCode::SERVER_TIMEOUT))
    );
    net.assert_forgotten();
}

#[test]
fn nothing_is_reliable_for_whoever_does_not_want_it() {
    for never in [0, 1] {
        let mut configs = vec![Config::default(), Config::default()];
        configs[never].reliable = Reliable::Never;
        let mut net = Network::new(2, configs);
        let caller = net.invite(0, 1, |invite| invite);
        let callee = net.until(1, incoming);
        let status = StatusCode::SESSION_PROGRESS;
        let now = net.now;
        net.call(1, callee)
            .ring(now, status, Some(answer(1)))
            .unwrap();
        assert_eq!(net.until(0, progress), (183, false, true));
        net.hang_up(0, caller);
        net.until(0, ended);
        assert_eq!(net.count(0, "PRACK"), 0);
        net.assert_forgotten();
    }
}

/// RFC 3262 section 5: what becomes of the offer in a PRACK, and of the 200 that waits for it.
#[test]
fn an_offer_in_a_prack_is_answered_before_the_200() {
    use pen::{Pen, hello, them, us};
    #[derive(Clone, Copy, Debug, PartialEq)]
    enum Decides {
        Accept,
        Refuse,
        Nobody,
        Cancel,
    }
    let rows = [
        (Decides::Accept, &["200", "200"][..]),
        (Decides::Refuse, &["488", "200"]),
        (Decides::Nobody, &["504", "200"]),
        (Decides::Cancel, &["200", "487", "487"]),
    ];
    for (decides, want) in rows {
        let mut pen = Pen::new(Config::default());
        pen.write(hello("Supported: 100rel\r\n", "z9hG4bK1"));
        let Some(Event::Incoming { call, .. }) = pen.events().pop() else {
            panic!("a call");
        };
        let now = pen.now;
        let first = answer(1);
        let handle = pen.endpoint.call(call).unwrap();
        let tag = handle.local_tag().to_owned();
        handle
            .ring(now, StatusCode::SESSION_PROGRESS, Some(first.clone()))
            .unwrap();
        let sequence = pen.sent()[0].header("RSeq").unwrap().to_str().into_owned();
        let prack = format!(
            "PRACK sip:us@{us} SIP/2.0\r\nVia: SIP/2.0/UDP {them};branch=z9hG4bKp\r\n\
             Max-Forwards: 70\r\nFrom: <sip:x@{them}>;tag=1\r\nTo: <sip:us@{us}>;tag={tag}\r\n\
             Call-ID: hello\r\nCSeq: 2 PRACK\r\nRAck: {sequence} 1 INVITE\r\n\
             Content-Type: application/sdp\r\nContent-Length: 6\r\n\r\nsecond",
            us = us(),
            them = them()
        );
        pen.write(prack);
        let events = pen.events();
        let [
            Event::Offered {
                offer: Some(offer), ..
            },
        ] = &events[..]
        else {
            panic!("{events:?}");
        };
        assert_eq!(&offer.bytes[..], b"second");
        pen.endpoint.call(call).unwrap().answer(now, None).unwrap();
        assert!(pen.words().is_empty(), "the 200 waits");
        match decides {
            Decides::Accept => {
                let handle = pen.endpoint.call(call).unwrap();
                handle.accept(now, answer(2)).unwrap();
            }
            Decides::Refuse => {
                let handle = pen.endpoint.call(call).unwrap();
                handle.refuse(now, StatusCode::NOT_ACCEPTABLE_HERE).unwrap();
            }
            Decides::Nobody => {
                while !matches!(pen.events()[..], [Event::OfferWithdrawn { .. }]) {
                    pen.now = pen.endpoint.poll_timeout().expect("something is due");
                    pen.endpoint.handle_timeout(pen.now);
                }
                assert_eq!((pen.now - now).as_secs(), 16, "half of timer F");
            }
            Decides::Cancel => {
                let cancel = hello("", "z9hG4bK1").replace("INVITE", "CANCEL");
                let (head, _) = cancel.split_once("Content-Type").unwrap();
                pen.write(format!("{head}Content-Length: 0\r\n\r\n"));
            }
        }
        let sent = pen.sent();
        let words: Vec<_> = sent
            .iter()
            .map(|m| m.status().unwrap().to_string())
            .collect();
        assert_eq!(words, want, "{decides:?}");
        match decides {
            Decides::Accept => {
                assert_eq!(
                    sent[0].body(),
                    &answer(2).bytes[..],
                    "in the 200 of the PRACK"
                );
                assert!(sent[1].body().is_empty(), "the first answer is history");
            }
            Decides::Refuse => assert_eq!(sent[1].body(), &first.bytes[..]),
            _ => {}
        }
    }
}

#[test]
fn cancel_and_refusal_while_a_prack_is_out() {
    for refuse in [false, true] {
        let mut net = Network::pair();
        let caller = net.invite(0, 1, |invite| invite);
        let callee = net.until(1, incoming);
        let status = StatusCode::SESSION_PROGRESS;
        let now = net.now;
        net.call(1, callee)
            .ring(now, status, Some(answer(1)))
            .unwrap();
        net.until(0, progress);
        let now = net.now;
        if refuse {
            net.call(1, callee)
                .reject(now, StatusCode::DECLINE, None)
                .unwrap();
        } else {
            net.call(0, caller).hang_up(now).unwrap();
        }
        net.until(0, ended);
        net.until(1, ended);
        net.assert_forgotten();
    }
}
