//! Where the session description of a message is found, which of several counts, and INFO packages.
#![allow(clippy::disallowed_methods, clippy::unwrap_used, clippy::expect_used)]

#[path = "support/pen.rs"]
mod pen;
mod support;

use pen::{Pen, them};
use sip_core::auth::Account;
use sip_core::{
    Body, CommandError, Config, DigestPolicy, Event, LaterSdp, Method, ResponseBuilder, StatusCode,
};
use std::sync::{Arc, Mutex};
use support::*;

#[test]
fn an_offer_and_an_answer_inside_multipart_are_found() {
    let mixed = |sdp: &Body| {
        Body::new(
            "multipart/mixed;boundary=edge",
            [
                &b"--edge\r\nContent-Type: application/pidf+xml\r\n\r\n<x/>\r\n\
                   --edge\r\nContent-Type: application/sdp\r\n\r\n"[..],
                &sdp.bytes,
                b"\r\n--edge--\r\n",
            ]
            .concat(),
        )
    };
    let mut net = Network::pair();
    let caller = net.invite(0, 1, |invite| invite.body(mixed(&offer(0))));
    let (callee, heard) = net.until(1, |event| match event {
        Event::Incoming { call, offer, .. } => Some((*call, offer.clone())),
        _ => None,
    });
    assert_eq!(heard, Some(offer(0)));
    let now = net.now;
    net.call(1, callee)
        .answer(now, Some(mixed(&answer(1))))
        .unwrap();
    let heard = net.until(0, |event| match event {
        Event::Answered { body, .. } => Some(body.clone()),
        _ => None,
    });
    assert_eq!(heard, Some(answer(1)));
    let now = net.now;
    net.call(0, caller).reinvite(now, mixed(&offer(0))).unwrap();
    let heard = net.until(1, |event| match event {
        Event::Offered { offer, .. } => Some(offer.clone()),
        _ => None,
    });
    assert_eq!(heard, Some(offer(0)));
    net.hang_up(0, caller);
    net.assert_forgotten();
}

#[test]
fn what_is_refused_is_offered_otherwise_in_the_same_call() {
    let rows: [(&[u16], Option<u16>); 5] = [
        (&[488, 415], None),
        (&[606], None),
        (&[406, 488, 488], Some(488)),
        (&[486], Some(486)),
        (&[488, 486], Some(486)),
    ];
    for (refusals, end) in rows {
        let mut config = Config::default();
        config.digest = Some(DigestPolicy::new("home", [7; 32]).user("bob", "secret"));
        let mut net = Network::new(1, vec![Config::default(), config]);
        let seen = Arc::new(Mutex::new(Vec::new()));
        let watched = seen.clone();
        net.watch = Box::new(move |_, from, _, message| {
            if from == 0 && message.method() == Some(Method::Invite) {
                let text = message.to_string();
                let line = |name: &str| {
                    let found = text.lines().find_map(|line| line.strip_prefix(name));
                    found.unwrap_or_default().to_owned()
                };
                watched
                    .lock()
                    .unwrap()
                    .push((line("Call-ID: "), line("CSeq: ")));
            }
        });
        let bodies = [offer(10), offer(11), offer(12)];
        let caller = net.invite(0, 1, |invite| {
            let [first, second, third] = bodies.clone();
            invite
                .body(first)
                .or(second)
                .or(third)
                .account(Account::with_password("bob", "secret"))
        });
        for (at, status) in refusals.iter().enumerate() {
            let (callee, heard) = net.until(1, |event| match event {
                Event::Incoming { call, offer, .. } => Some((*call, offer.clone())),
                _ => None,
            });
            assert_eq!(heard.as_ref(), Some(&bodies[at]));
            let now = net.now;
            let status = StatusCode::new(*status).unwrap();
            let phone = net.call(1, callee);
            phone.ring(now, StatusCode::RINGING, None).unwrap();
            let phone = net.call(1, callee);
            phone.reject(now, status, None).unwrap();
            let is_last = at + 1 == refusals.len() && end.is_some();
            if !is_last {
                net.until(0, |event| match event {
                    Event::OfferedAgain {
                        call, status: said, ..
                    } => {
                        assert_eq!((*call, *said), (caller, status));
                        Some(())
                    }
                    Event::Ended { .. } => panic!("it ended"),
                    _ => None,
                });
            }
        }
        match end {
            Some(status) => {
                let cause = net.until(0, ended);
                assert_eq!(cause.status.map(|status| status.code()), Some(status));
            }
            None => {
                let (callee, heard) = net.until(1, |event| match event {
                    Event::Incoming { call, offer, .. } => Some((*call, offer.clone())),
                    _ => None,
                });
                assert_eq!(heard.as_ref(), Some(&bodies[refusals.len()]));
                let now = net.now;
                let phone = net.call(1, callee);
                phone.answer(now, Some(answer(1))).unwrap();
                let heard = net.until(0, |event| match event {
                    Event::Answered { body, .. } => Some(body.clone()),
                    _ => None,
                });
                assert_eq!(heard, Some(answer(1)));
                let now = net.now;
                net.call(0, caller).hang_up(now).unwrap();
            }
        }
        let seen = seen.lock().unwrap().clone();
        let numbers: Vec<_> = seen.iter().map(|(_, seq)| seq.clone()).collect();
        let expected: Vec<_> = (1..=seen.len()).map(|n| format!("{n} INVITE")).collect();
        assert_eq!(numbers, expected, "one number after the other");
        assert!(seen.iter().all(|(id, _)| *id == seen[0].0), "one call");
        net.assert_forgotten();
    }
}

#[test]
fn a_body_that_is_no_session_is_no_offer() {
    let mut net = Network::pair();
    let note = Body::new("text/plain", "see you at nine");
    let caller = net.invite(0, 1, |invite| invite.body(note.clone()));
    let (callee, heard) = net.until(1, |event| match event {
        Event::Incoming { call, offer, .. } => Some((*call, offer.clone())),
        _ => None,
    });
    assert_eq!(heard, None);
    let now = net.now;
    net.call(1, callee).answer(now, Some(offer(1))).unwrap();
    net.until(0, |e| matches!(e, Event::Answered { .. }).then_some(()));
    let now = net.now;
    net.call(0, caller).accept(now, answer(0)).unwrap();
    net.until(1, |e| matches!(e, Event::Confirmed { .. }).then_some(()));
    net.hang_up(0, caller);
    net.assert_forgotten();
}

fn with<'t>(tag: &'t str, sdp: &'t str) -> impl FnOnce(ResponseBuilder) -> ResponseBuilder + 't {
    move |builder| {
        let builder = builder
            .to_tag(tag)
            .header("Contact", format!("<sip:{tag}@{}>", them()));
        match sdp {
            "" => builder,
            sdp => builder.body("application/sdp", sdp.to_owned()),
        }
    }
}

/// What each branch of a fork said before, what its 200 says, and what counts (13.2.1).
#[test]
fn the_later_or_the_first_sdp_counts_in_each_early_dialog() {
    use LaterSdp::{Follow, Ignore};
    type Said<'t> = &'t [(&'t str, &'t str)];
    let rows: [(LaterSdp, Said<'_>, &str, &[&str], &str); 8] = [
        (Follow, &[("a", "1"), ("a", "2")], "3", &["1", "2"], "3"),
        (Ignore, &[("a", "1"), ("a", "2")], "3", &["1"], "1"),
        (Follow, &[("a", "1")], "", &["1"], "1"),
        (Ignore, &[("a", "1")], "", &["1"], "1"),
        (
            Follow,
            &[("b", "9"), ("a", "1"), ("b", "8")],
            "2",
            &["9", "1", "8"],
            "2",
        ),
        (
            Ignore,
            &[("b", "9"), ("a", "1"), ("b", "8")],
            "2",
            &["9", "1"],
            "1",
        ),
        (Ignore, &[("b", "9")], "2", &["9"], "2"),
        (Follow, &[], "1", &[], "1"),
    ];
    for (policy, early, last, heard, want) in rows {
        let mut config = Config::default();
        config.later_sdp = policy;
        let mut pen = Pen::new(config);
        let (_, invite) = pen.invite();
        for (tag, sdp) in early {
            pen.reply(&invite, StatusCode::SESSION_PROGRESS, with(tag, sdp));
        }
        let previews: Vec<_> = pen
            .events()
            .into_iter()
            .filter_map(|event| match event {
                Event::Progress { preview, .. } => preview.map(|body| body.bytes),
                other => panic!("{other:?}"),
            })
            .collect();
        assert_eq!(previews, heard, "{policy:?} {early:?}");
        pen.reply(&invite, StatusCode::OK, with("a", last));
        let events = pen.events();
        let [
            Event::Answered {
                body: Some(body), ..
            },
        ] = &events[..]
        else {
            panic!("{events:?}");
        };
        assert_eq!(body.bytes, want, "{policy:?} {early:?} {last}");
    }
}

#[test]
fn info_packages_are_named_checked_and_refused() {
    let mut configs = vec![Config::default(), Config::default()];
    configs[1].info_packages = vec!["trickle-ice".to_owned(), "x-room".to_owned()];
    let mut net = Network::new(9, configs);
    let (caller, callee) = net.connect(0, 1);
    let now = net.now;
    let body = Body::new("text/plain", "hello");
    net.call(0, caller)
        .info_package(now, "x-room", Some(body.clone()))
        .unwrap();
    let (package, got, disposition) = net.until(1, |event| match event {
        Event::Info {
            package,
            body,
            request,
            ..
        } => Some((
            package.clone(),
            body.clone().map(|body| body.bytes),
            request
                .header("Content-Disposition")
                .map(|field| field.to_str().into_owned()),
        )),
        _ => None,
    });
    assert_eq!(
        (package.as_deref(), got),
        (Some("x-room"), Some(body.bytes.clone()))
    );
    assert_eq!(disposition.as_deref(), Some("Info-Package"));
    // What the peer does not take is not sent; what comes unasked is refused with the list.
    let now = net.now;
    let refused = net.call(0, caller).info_package(now, "x-other", None);
    assert!(matches!(refused, Err(CommandError::State(_))));
    let refused = net.call(1, callee).info_package(now, "x-room", None);
    assert!(
        matches!(refused, Err(CommandError::State(_))),
        "0 takes none"
    );
    let headers = [("Info-Package".to_owned(), "x-other".to_owned())];
    net.call(0, caller)
        .request(now, Method::Info, &headers, None)
        .unwrap();
    let list = net.until(0, |event| match event {
        Event::RequestAnswered {
            status: StatusCode::BAD_INFO_PACKAGE,
            response,
            ..
        } => Some(
            response
                .as_ref()?
                .header("Recv-Info")?
                .to_str()
                .into_owned(),
        ),
        _ => None,
    });
    assert_eq!(list, "trickle-ice, x-room");
    let now = net.now;
    net.call(0, caller).info(now, body).unwrap();
    let package = net.until(1, |event| match event {
        Event::Info { package, .. } => Some(package.clone()),
        _ => None,
    });
    assert_eq!(package, None, "the old kind is taken by everyone");
    net.hang_up(0, caller);
    net.assert_forgotten();
}
