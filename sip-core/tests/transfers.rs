//! Transfers (RFC 3515, 3891, 3892, 4488, 5589) between endpoints on virtual time. 0 transfers,
//! 1 is transferred, 2 is the target.
#![allow(clippy::disallowed_methods, clippy::unwrap_used, clippy::expect_used)]

#[path = "support/pen.rs"]
mod pen;
mod support;

use std::time::Duration;

use sip_core::header::NameAddr;
use sip_core::{
    Body, CallId, CallState, Config, EndKind, EndedBy, Event, Invite, Message, Method, Refer,
    Referrals, StatusCode, SubscriptionEnd, SubscriptionId, Terminated,
};
use support::*;

fn refer_to(to: usize) -> Refer {
    Refer::new(format!("sip:user{to}@{}", address(to)).parse().unwrap())
}

fn requested(event: &Event) -> Option<(SubscriptionId, Message)> {
    match event {
        Event::ReferRequested {
            subscription,
            request,
            ..
        } => Some((*subscription, request.clone())),
        _ => None,
    }
}

fn fragment(event: &Event) -> Option<u16> {
    match event {
        Event::Notified {
            body: Some(body), ..
        } => body.sipfrag_status().map(|(status, _)| status.code()),
        _ => None,
    }
}

fn sub_ended(event: &Event) -> Option<SubscriptionEnd> {
    match event {
        Event::SubscriptionEnded { end, .. } => Some(end.clone()),
        _ => None,
    }
}

/// The transferee carries out what it is asked for.
fn follow(net: &mut Network, at: usize) -> (SubscriptionId, CallId) {
    let (id, request) = net.until(at, requested);
    let from = NameAddr::new(&format!("sip:user{at}@example.org").parse().unwrap());
    let invite = Invite::referred(&request, from).unwrap().body(offer(at));
    let now = net.now;
    let call = net.endpoints[at].follow(now, id, invite).unwrap();
    (id, call)
}

fn answered(event: &Event) -> Option<CallId> {
    match event {
        Event::Answered { call, .. } => Some(*call),
        _ => None,
    }
}

#[test]
fn a_blind_transfer_reports_each_response() {
    for weather in [CLEAR, STORM] {
        for seed in 0..6 {
            let mut net = Network::phones(seed, 3);
            net.weather = weather;
            let (ours, theirs) = net.connect(0, 1);
            let now = net.now;
            let sub = net.call(0, ours).refer(now, refer_to(2)).unwrap();
            let (id, request) = net.until(1, requested);
            let by = request.header("Referred-By").unwrap().to_str().into_owned();
            assert!(by.contains("user0@example.org"), "{by}");
            let from = NameAddr::new(&"sip:user1@example.org".parse().unwrap());
            let invite = Invite::referred(&request, from).unwrap().body(offer(1));
            let now = net.now;
            let fresh = net.endpoints[1].follow(now, id, invite.clone()).unwrap();
            assert!(
                net.endpoints[1].follow(now, id, invite).is_err(),
                "a REFER is followed once"
            );
            let (target, claimed) = net.until(2, |event| match event {
                Event::Incoming { call, request, .. } => {
                    let by = request.header("Referred-By")?.to_str().into_owned();
                    Some((*call, by))
                }
                _ => None,
            });
            assert_eq!(claimed, by, "the target sees on whose behalf (RFC 3892)");
            assert_eq!(net.until(0, fragment), 100);
            let now = net.now;
            net.call(2, target)
                .ring(now, StatusCode::RINGING, None)
                .unwrap();
            if weather.loss == 0 {
                assert_eq!(net.until(0, fragment), 180);
            } else {
                net.run(Duration::from_secs(10));
            }
            let now = net.now;
            net.call(2, target).answer(now, Some(answer(2))).unwrap();
            net.until(0, |e| fragment(e).filter(|code| *code == 200));
            let end = net.until(0, sub_ended);
            assert_eq!(end, SubscriptionEnd::Terminated(Terminated::NoResource));
            assert!(net.endpoints[0].subscription(sub).is_err());
            net.hang_up(0, ours);
            net.until(1, |e| {
                matches!(e, Event::Ended { call, .. } if *call == theirs).then_some(())
            });
            assert_eq!(net.call(1, fresh).state(), CallState::Established);
            net.hang_up(1, fresh);
            net.assert_forgotten();
        }
    }
}

#[test]
fn an_attended_transfer_replaces_the_targets_call() {
    for weather in [CLEAR, STORM] {
        for seed in 0..6 {
            let mut net = Network::phones(seed, 3);
            net.weather = weather;
            let (ours, theirs) = net.connect(0, 1);
            let (consult, consulted) = net.connect(0, 2);
            let now = net.now;
            net.call(0, ours).transfer_to(now, consult).unwrap();
            let (_, fresh) = follow(&mut net, 1);
            let (target, replaces) = net.until(2, |event| match event {
                Event::Incoming { call, replaces, .. } => Some((*call, *replaces)),
                _ => None,
            });
            assert_eq!(replaces, Some(consulted));
            assert_eq!(net.call(2, consulted).state(), CallState::Established);
            let now = net.now;
            net.call(2, target).answer(now, Some(answer(2))).unwrap();
            let cause = net.until(2, |event| match event {
                Event::Ended { call, cause, .. } if *call == consulted => Some(cause.clone()),
                _ => None,
            });
            assert_eq!(cause.kind, EndKind::Replaced { by: target });
            let cause = net.until(0, |event| match event {
                Event::Ended { call, cause, .. } if *call == consult => Some(cause.clone()),
                _ => None,
            });
            assert_eq!((cause.by, cause.kind), (EndedBy::Remote, EndKind::HungUp));
            net.run(Duration::from_secs(60));
            net.hang_up(0, ours);
            net.until(1, |e| {
                matches!(e, Event::Ended { call, .. } if *call == theirs).then_some(())
            });
            net.hang_up(1, fresh);
            net.assert_forgotten();
        }
    }
}

#[test]
fn a_transfer_that_fails_leaves_the_call_as_it_was() {
    let mut net = Network::phones(3, 3);
    let (ours, theirs) = net.connect(0, 1);
    let now = net.now;
    net.call(0, ours).refer(now, refer_to(2)).unwrap();
    let (_, fresh) = follow(&mut net, 1);
    let target = net.until(2, incoming);
    let now = net.now;
    net.call(2, target)
        .reject(now, StatusCode::BUSY_HERE, None)
        .unwrap();
    net.until(0, |e| fragment(e).filter(|code| *code == 486));
    net.until(1, |e| {
        matches!(e, Event::Ended { call, .. } if *call == fresh).then_some(())
    });
    // Once more: the second REFER of a dialog is named by its CSeq (RFC 3515 section 2.4.6).
    let now = net.now;
    net.call(0, ours).refer(now, refer_to(2)).unwrap();
    let (_, fresh) = follow(&mut net, 1);
    let event = net.until(0, |event| match event {
        Event::Notified { request, .. } => Some(request.header("Event")?.to_str().into_owned()),
        _ => None,
    });
    assert!(event.starts_with("refer;id="), "{event}");
    net.hang_up(1, fresh);
    net.until(0, |e| fragment(e).filter(|code| *code == 487));
    for (at, call) in [(0, ours), (1, theirs)] {
        assert_eq!(net.call(at, call).state(), CallState::Established);
    }
    net.hang_up(0, ours);
    net.assert_forgotten();
}

#[test]
fn without_a_report_nothing_is_notified() {
    let mut net = Network::phones(4, 3);
    let (ours, _) = net.connect(0, 1);
    let now = net.now;
    let refer = refer_to(2).without_report().anonymous();
    net.call(0, ours).refer(now, refer).unwrap();
    let (_, fresh) = follow(&mut net, 1);
    assert_eq!(net.until(0, sub_ended), SubscriptionEnd::Unreported);
    let target = net.until(2, incoming);
    let now = net.now;
    net.call(2, target).answer(now, Some(answer(2))).unwrap();
    net.until(1, |e| answered(e).filter(|call| *call == fresh));
    net.run(Duration::from_secs(5));
    assert_eq!(net.count(1, "NOTIFY"), 0);
    assert!(net.endpoints[1].subscriptions().next().is_none());
    for (at, call) in [(0, ours), (1, fresh)] {
        net.hang_up(at, call);
    }
    net.assert_forgotten();
}

#[test]
fn a_refer_is_refused_by_policy_by_the_application_and_by_time() {
    // Nobody's REFER: 405, and the call goes on.
    for (policy, wait, want) in [
        (Referrals::Never, false, StatusCode::METHOD_NOT_ALLOWED),
        (Referrals::InCalls, false, StatusCode::DECLINE),
        (Referrals::InCalls, true, StatusCode::SERVICE_UNAVAILABLE),
    ] {
        let mut config = phone();
        config.referrals = policy;
        let mut net = Network::new(5, vec![phone(), config]);
        let (ours, _) = net.connect(0, 1);
        let now = net.now;
        net.call(0, ours).refer(now, refer_to(1)).unwrap();
        if policy != Referrals::Never {
            let (id, _) = net.until(1, requested);
            if !wait {
                let now = net.now;
                net.sub(1, id).reject(now, StatusCode::DECLINE).unwrap();
            }
        }
        assert_eq!(net.until(0, sub_ended), SubscriptionEnd::Refused(want));
        assert_eq!(net.call(0, ours).state(), CallState::Established);
        net.hang_up(0, ours);
        net.assert_forgotten();
    }
}

#[test]
fn the_subscription_outlives_the_call_whose_dialog_it_shares() {
    for weather in [CLEAR, STORM] {
        let mut net = Network::phones(6, 3);
        net.weather = weather;
        let (ours, theirs) = net.connect(0, 1);
        let now = net.now;
        let sub = net.call(0, ours).refer(now, refer_to(2)).unwrap();
        let (id, fresh) = follow(&mut net, 1);
        let target = net.until(2, incoming);
        net.until(0, |e| fragment(e).filter(|code| *code == 100));
        // RFC 5057 section 3.1: BYE ends the INVITE usage and nothing else.
        net.hang_up(0, ours);
        net.until(0, ended);
        net.until(1, |e| {
            matches!(e, Event::Ended { call, .. } if *call == theirs).then_some(())
        });
        assert!(net.endpoints[0].call(ours).is_err(), "the call is gone");
        assert!(net.endpoints[0].calls().next().is_none());
        assert_eq!(net.sub(0, sub).call(), None);
        assert!(net.sub(1, id).is_notifier());
        let now = net.now;
        net.call(2, target).answer(now, Some(answer(2))).unwrap();
        net.until(0, |e| fragment(e).filter(|code| *code == 200));
        net.until(0, sub_ended);
        net.until(1, sub_ended);
        net.hang_up(1, fresh);
        net.assert_forgotten();
    }
}

#[test]
fn whoever_we_ring_can_be_replaced_early() {
    let mut net = Network::phones(7, 3);
    // 2 calls 1, who rings; 0 takes the call over (a pickup).
    let ringing = net.invite(2, 1, |invite| invite);
    let phone = net.until(1, incoming);
    let now = net.now;
    net.call(1, phone)
        .ring(now, StatusCode::RINGING, None)
        .unwrap();
    net.until(2, |e| matches!(e, Event::Progress { .. }).then_some(()));
    let handle = net.call(2, ringing);
    let replaces = format!(
        "{};to-tag={};from-tag={};early-only",
        handle.call_id(),
        handle.local_tag(),
        handle.remote_tag().unwrap()
    );
    let taker = net.invite(0, 2, |invite| invite.header("Replaces", replaces));
    let target = net.until(2, incoming);
    let now = net.now;
    net.call(2, target).answer(now, Some(answer(2))).unwrap();
    net.until(0, |e| answered(e).filter(|call| *call == taker));
    let cause = net.until(2, ended);
    assert_eq!(cause.kind, EndKind::Replaced { by: target });
    net.ends(1, EndedBy::Remote, EndKind::Cancelled);
    net.hang_up(0, taker);
    net.assert_forgotten();
}

/// RFC 3891 section 3, row by row.
#[test]
fn replaces_is_judged_by_the_dialog_that_it_names() {
    // What the header names, whether the policy is on, whether we are hanging up: and the answer.
    let rows: [(&str, bool, bool, Option<u16>); 9] = [
        ("ID;to-tag=US;from-tag=THEM", true, false, None),
        ("ID;to-tag=US;from-tag=THEM", false, false, None),
        ("other;to-tag=US;from-tag=THEM", true, false, Some(481)),
        ("ID;to-tag=THEM;from-tag=US", true, false, Some(481)),
        ("ID;to-tag=US;from-tag=x", true, false, Some(481)),
        (
            "ID;to-tag=US;from-tag=THEM;early-only",
            true,
            false,
            Some(486),
        ),
        (
            "ID;to-tag=US;from-tag=THEM\r\nReplaces: a;to-tag=b;from-tag=c",
            true,
            false,
            Some(400),
        ),
        (
            "ID;to-tag=US;from-tag=THEM\r\nJoin: a;to-tag=b;from-tag=c",
            true,
            false,
            Some(400),
        ),
        ("ID;to-tag=US;from-tag=THEM", true, true, Some(603)),
    ];
    for (value, on, leaving, want) in rows {
        let mut config = Config::default();
        config.replaces = on;
        let mut pen = pen::Pen::new(config);
        let (call, invite) = pen.invite();
        pen.reply(&invite, StatusCode::OK, pen::ok("them"));
        pen.words();
        pen.events();
        let handle = pen.endpoint.call(call).unwrap();
        let value = value
            .replace("ID", handle.call_id())
            .replace("US", handle.local_tag())
            .replace("THEM", "them");
        if leaving {
            handle.hang_up(pen.now).unwrap();
            pen.words();
        }
        pen.write(pen::hello(&format!("Replaces: {value}\r\n"), "z9hG4bKr"));
        match want {
            Some(status) => {
                assert_eq!(pen.words(), [status.to_string()], "{value}");
                assert!(pen.events().is_empty(), "{value}");
            }
            None => {
                let events = pen.events();
                let [Event::Incoming { replaces, .. }] = &events[..] else {
                    panic!("{value}: {events:?}");
                };
                assert_eq!(*replaces, on.then_some(call), "{value}");
            }
        }
    }
    // An early dialog of a call that comes in is not ours to give away.
    let mut config = Config::default();
    config.replaces = true;
    let mut pen = pen::Pen::new(config);
    pen.write(pen::hello("", "z9hG4bK1"));
    let Some(Event::Incoming { call, .. }) = pen.events().pop() else {
        panic!("a call");
    };
    let tag = pen.endpoint.call(call).unwrap().local_tag().to_owned();
    let again = pen::hello(
        &format!("Replaces: hello;to-tag={tag};from-tag=1\r\n"),
        "z9hG4bK2",
    );
    pen.write(again.replace("Call-ID: hello", "Call-ID: other"));
    assert_eq!(pen.words(), ["481"]);
}

#[test]
fn a_refer_outside_a_call_is_heard_by_whoever_wants_it() {
    for policy in [Referrals::InCalls, Referrals::Anywhere] {
        let mut config = Config::default();
        config.referrals = policy;
        let mut pen = pen::Pen::new(config);
        pen.write(format!(
            "REFER sip:us@{us} SIP/2.0\r\nVia: SIP/2.0/UDP {them};branch=z9hG4bKf\r\n\
             Max-Forwards: 70\r\nFrom: <sip:x@{them}>;tag=1\r\nTo: <sip:us@{us}>\r\n\
             Call-ID: f\r\nCSeq: 9 REFER\r\nContact: <sip:x@{them}>\r\n\
             Refer-To: <sip:carol@{them}>\r\nContent-Length: 0\r\n\r\n",
            us = pen::us(),
            them = pen::them()
        ));
        if policy == Referrals::InCalls {
            assert_eq!(pen.words(), ["405"]);
            continue;
        }
        let events = pen.events();
        let [
            Event::ReferRequested {
                subscription,
                call: None,
                request,
                ..
            },
        ] = &events[..]
        else {
            panic!("{events:?}");
        };
        let from = NameAddr::new(&"sip:us@example.org".parse().unwrap());
        let invite = Invite::referred(request, from)
            .unwrap()
            .body(Body::sdp("offer"));
        let now = pen.now;
        pen.endpoint.follow(now, *subscription, invite).unwrap();
        let sent = pen.sent();
        let words: Vec<_> = sent.iter().map(|m| (m.method(), m.status())).collect();
        assert_eq!(
            words,
            [
                (Some(Method::Invite), None),
                (None, Some(StatusCode::ACCEPTED)),
                (Some(Method::Notify), None)
            ]
        );
        let state = sent[2].header("Subscription-State").unwrap();
        assert_eq!(state.value(), b"active;expires=300");
        // The transferor has forgotten: 481 ends the subscription, the call goes on (RFC 5057).
        pen.reply(
            &sent[2],
            StatusCode::CALL_OR_TRANSACTION_DOES_NOT_EXIST,
            |b| b,
        );
        let events = pen.events();
        assert!(
            matches!(
                &events[..],
                [Event::SubscriptionEnded {
                    end: SubscriptionEnd::Refused(_),
                    ..
                }]
            ),
            "{events:?}"
        );
        pen.reply(&sent[0], StatusCode::OK, pen::ok("carol"));
        assert_eq!(pen.words(), ["ACK"]);
        let call = pen.endpoint.calls().next().expect("the call");
        pen.endpoint.call(call).unwrap().hang_up(pen.now).unwrap();
        pen.pass(Duration::from_secs(100));
        assert!(pen.endpoint.is_idle());
    }
}
