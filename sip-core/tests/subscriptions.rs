//! Subscriptions in both roles (RFC 6665) on virtual time, and against messages written by hand.
//! 0 subscribes, 1 notifies.
#![allow(clippy::disallowed_methods, clippy::unwrap_used, clippy::expect_used)]

#[path = "support/pen.rs"]
mod pen;
mod support;

use std::time::Duration;

use pen::{Pen, them, us};
use sip_core::auth::Account;
use sip_core::header::NameAddr;
use sip_core::{
    Body, Config, DigestPolicy, Event, Message, Method, StatusCode, Subscribe, SubscriptionEnd,
    SubscriptionId, SubscriptionState, Terminated,
};
use support::*;

fn subscribe(package: &str) -> Subscribe {
    let from = NameAddr::new(&"sip:user0@example.org".parse().unwrap());
    let uri = format!("sip:user1@{}", address(1)).parse().unwrap();
    Subscribe::new(uri, from, package)
}

fn state(text: &str) -> Option<Body> {
    Some(Body::new("application/dialog-info+xml", text.to_owned()))
}

fn asked(event: &Event) -> Option<SubscriptionId> {
    match event {
        Event::SubscribeRequested { subscription, .. } => Some(*subscription),
        _ => None,
    }
}

fn notified(event: &Event) -> Option<(SubscriptionState, String)> {
    match event {
        Event::Notified { state, body, .. } => {
            let body = body.as_ref().map_or(&b""[..], |body| &body.bytes);
            Some((*state, String::from_utf8_lossy(body).into_owned()))
        }
        _ => None,
    }
}

fn over(event: &Event) -> Option<SubscriptionEnd> {
    match event {
        Event::SubscriptionEnded { end, .. } => Some(end.clone()),
        _ => None,
    }
}

/// A subscription, accepted and notified.
fn begin(net: &mut Network, expires: u64) -> (SubscriptionId, SubscriptionId) {
    let now = net.now;
    let wanted = subscribe("dialog").expires(Duration::from_secs(expires));
    let ours = net.endpoints[0].subscribe(now, wanted).unwrap();
    let theirs = net.until(1, asked);
    let now = net.now;
    net.sub(1, theirs).accept(now, state("first")).unwrap();
    let first = net.until(0, notified);
    assert_eq!(first, (SubscriptionState::Active, "first".to_owned()));
    (ours, theirs)
}

#[test]
fn a_subscription_is_notified_refreshed_and_ended() {
    for weather in [CLEAR, STORM] {
        for seed in 0..6 {
            let mut net = Network::phones(seed, 2);
            net.weather = weather;
            let (ours, theirs) = begin(&mut net, 120);
            let now = net.now;
            let again = net.sub(1, theirs).accept(now, None);
            assert!(again.is_err(), "accepted once");
            net.run(Duration::from_secs(1000));
            let sent = net.count(0, "SUBSCRIBE");
            assert!(sent >= 1000 / 120, "refreshed by itself: {sent}");
            assert_eq!(net.sub(0, ours).state(), SubscriptionState::Active);
            net.events[0].clear();
            let now = net.now;
            net.sub(1, theirs).notify(now, state("second")).unwrap();
            net.until(0, |e| notified(e).filter(|(_, body)| body == "second"));
            // Each refresh is answered with the state (RFC 6665 section 4.2.1.2).
            net.run(Duration::from_secs(200));
            let repeated = net.events[0].iter().filter_map(notified);
            assert!(repeated.count() > 0);
            let now = net.now;
            // A refresh may be out at this very moment.
            if net.sub(0, ours).unsubscribe(now).is_err() {
                net.run(Duration::from_secs(33));
                let now = net.now;
                net.sub(0, ours).unsubscribe(now).unwrap();
            }
            assert_eq!(net.until(0, over), SubscriptionEnd::Unsubscribed);
            assert_eq!(net.until(1, over), SubscriptionEnd::Unsubscribed);
            assert!(net.endpoints[0].subscription(ours).is_err());
            net.assert_forgotten();
        }
    }
}

#[test]
fn whoever_vanishes_is_forgotten_by_the_other() {
    for gone in [0, 1] {
        let mut net = Network::phones(2, 2);
        begin(&mut net, 100);
        net.lose = Box::new(move |from, _| from == gone);
        let end = net.until(1 - gone, over);
        assert_eq!(end, SubscriptionEnd::Expired);
        let lived = (net.now - net.start).as_secs();
        let range = if gone == 0 { 100..=133 } else { 99..=101 };
        assert!(range.contains(&lived), "{lived}");
        net.run(Duration::from_secs(200));
        assert!(net.endpoints[1 - gone].is_idle());
    }
}

#[test]
fn the_notifier_ends_it_and_says_why() {
    for reason in [
        Terminated::Deactivated,
        Terminated::Probation(Some(Duration::from_secs(30))),
        Terminated::NoResource,
    ] {
        let mut net = Network::phones(3, 2);
        let (_, theirs) = begin(&mut net, 600);
        let now = net.now;
        let last = state("last");
        net.sub(1, theirs)
            .terminate(now, reason.clone(), last)
            .unwrap();
        let now = net.now;
        let late = net.sub(1, theirs).notify(now, None);
        assert!(late.is_err(), "nothing after the last");
        assert_eq!(
            net.until(0, notified),
            (SubscriptionState::Ending, "last".to_owned())
        );
        assert_eq!(
            net.until(0, over),
            SubscriptionEnd::Terminated(reason.clone())
        );
        assert_eq!(net.until(1, over), SubscriptionEnd::Told(reason));
        net.assert_forgotten();
    }
}

#[test]
fn pending_becomes_active_and_the_state_is_asked_for_once() {
    let mut net = Network::phones(4, 2);
    let now = net.now;
    net.endpoints[0]
        .subscribe(now, subscribe("dialog"))
        .unwrap();
    let theirs = net.until(1, asked);
    let now = net.now;
    net.sub(1, theirs).accept_pending(now).unwrap();
    assert_eq!(
        net.until(0, notified),
        (SubscriptionState::Pending, String::new())
    );
    let now = net.now;
    net.sub(1, theirs).notify(now, state("yes")).unwrap();
    assert_eq!(
        net.until(0, notified),
        (SubscriptionState::Active, "yes".to_owned())
    );
    let now = net.now;
    net.sub(1, theirs)
        .terminate(now, Terminated::Rejected, None)
        .unwrap();
    net.until(0, over);

    let now = net.now;
    let once = subscribe("dialog").expires(Duration::ZERO);
    net.endpoints[0].subscribe(now, once).unwrap();
    let theirs = net.until(1, asked);
    let now = net.now;
    net.sub(1, theirs).accept(now, state("once")).unwrap();
    net.until(0, |e| notified(e).filter(|(_, body)| body == "once"));
    assert_eq!(net.until(0, over), SubscriptionEnd::Unsubscribed);
    net.assert_forgotten();
}

#[test]
fn the_latest_state_follows_the_notify_that_is_out() {
    let mut net = Network::phones(5, 2);
    let (_, theirs) = begin(&mut net, 600);
    net.run(Duration::from_secs(1));
    let before = net.count(1, "NOTIFY");
    for number in 0..50 {
        let now = net.now;
        net.sub(1, theirs)
            .notify(now, state(&number.to_string()))
            .unwrap();
    }
    net.run(Duration::from_secs(1));
    let seen: Vec<_> = net.events[0]
        .iter()
        .filter_map(notified)
        .map(|(_, body)| body)
        .collect();
    assert_eq!(seen, ["0", "49"], "one at a time, the latest next");
    assert_eq!(net.count(1, "NOTIFY") - before, 2);
}

#[test]
fn what_is_refused_and_how() {
    type Change = fn(&mut Config);
    let rows: [(&str, u64, Change, Option<StatusCode>, SubscriptionEnd); 4] = [
        (
            "presence",
            600,
            |_| {},
            None,
            SubscriptionEnd::Refused(StatusCode::BAD_EVENT),
        ),
        (
            "dialog",
            600,
            |config| config.subscriptions.packages.clear(),
            None,
            SubscriptionEnd::Refused(StatusCode::METHOD_NOT_ALLOWED),
        ),
        (
            "dialog",
            600,
            |_| {},
            Some(StatusCode::FORBIDDEN),
            SubscriptionEnd::Refused(StatusCode::FORBIDDEN),
        ),
        (
            "dialog",
            600,
            |config| config.bounds.subscriptions = 0,
            None,
            SubscriptionEnd::Refused(StatusCode::SERVICE_UNAVAILABLE),
        ),
    ];
    for (package, expires, change, reject, want) in rows {
        let mut config = phone();
        change(&mut config);
        let mut net = Network::new(6, vec![phone(), config]);
        let now = net.now;
        let wanted = subscribe(package).expires(Duration::from_secs(expires));
        net.endpoints[0].subscribe(now, wanted).unwrap();
        if let Some(status) = reject {
            let id = net.until(1, asked);
            let now = net.now;
            net.sub(1, id).reject(now, status).unwrap();
        }
        assert_eq!(net.until(0, over), want);
        net.assert_forgotten();
    }
    // Nobody decides: 503. Too brief: 423, and once more with what is wanted.
    let mut net = Network::phones(7, 2);
    let now = net.now;
    let brief = subscribe("dialog").expires(Duration::from_secs(5));
    net.endpoints[0].subscribe(now, brief).unwrap();
    let expires = net.until(1, |event| match event {
        Event::SubscribeRequested { expires, .. } => Some(*expires),
        _ => None,
    });
    assert_eq!(expires, Duration::from_secs(60));
    assert_eq!(net.count(1, "SIP/2.0 423"), 1);
    let unavailable = SubscriptionEnd::Refused(StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(net.until(0, over), unavailable);
    net.assert_forgotten();
}

#[test]
fn a_subscriber_is_asked_for_credentials() {
    for (password, known) in [("secret", true), ("wrong", false)] {
        let mut config = phone();
        config.digest = Some(DigestPolicy::new("home", [7; 32]).user("bob", "secret"));
        let mut net = Network::new(8, vec![phone(), config]);
        let now = net.now;
        let wanted = subscribe("dialog").account(Account::with_password("bob", password));
        let ours = net.endpoints[0].subscribe(now, wanted).unwrap();
        if !known {
            let unknown = SubscriptionEnd::Refused(StatusCode::UNAUTHORIZED);
            assert_eq!(net.until(0, over), unknown);
            assert_eq!(net.count(0, "SUBSCRIBE"), 2, "no third try");
            continue;
        }
        let (theirs, user) = net.until(1, |event| match event {
            Event::SubscribeRequested {
                subscription, user, ..
            } => Some((*subscription, user.clone())),
            _ => None,
        });
        assert_eq!(user.as_deref(), Some("bob"));
        let now = net.now;
        net.sub(1, theirs).accept(now, state("x")).unwrap();
        net.until(0, notified);
        let now = net.now;
        net.sub(0, ours).unsubscribe(now).unwrap();
        net.until(0, over);
        net.assert_forgotten();
    }
}

#[test]
fn a_call_and_a_subscription_share_a_dialog_and_end_apart() {
    // The peer subscribes inside the call, by hand; the call ends first, then last.
    for call_first in [true, false] {
        let mut pen = Pen::new(phone());
        let (call, invite) = pen.invite();
        pen.reply(&invite, StatusCode::OK, pen::ok("b"));
        pen.words();
        pen.events();
        let (id, tag) = {
            let handle = pen.endpoint.call(call).unwrap();
            (handle.call_id().to_owned(), handle.local_tag().to_owned())
        };
        let inside = |method: &str, seq: u32, extra: &str| {
            format!(
                "{method} sip:us@{us} SIP/2.0\r\nVia: SIP/2.0/UDP {them};branch=z9hG4bK{seq}\r\n\
                 Max-Forwards: 70\r\nFrom: <sip:bob@{them}>;tag=b\r\n\
                 To: <sip:alice@example.org>;tag={tag}\r\nCall-ID: {id}\r\nCSeq: {seq} {method}\r\n\
                 Contact: <sip:b@{them}>\r\n{extra}Content-Length: 0\r\n\r\n",
                us = us(),
                them = them()
            )
        };
        pen.write(inside("SUBSCRIBE", 1, "Event: dialog\r\nExpires: 600\r\n"));
        let events = pen.events();
        let [
            Event::SubscribeRequested {
                subscription,
                call: Some(beside),
                ..
            },
        ] = &events[..]
        else {
            panic!("{events:?}");
        };
        assert_eq!(*beside, call);
        let sub = *subscription;
        let now = pen.now;
        pen.endpoint
            .subscription(sub)
            .unwrap()
            .accept(now, None)
            .unwrap();
        let notify = pen.sent().remove(1);
        assert_eq!(
            notify.uri_bytes().unwrap(),
            format!("sip:b@{}", them()).as_bytes()
        );
        pen.reply(&notify, StatusCode::OK, |builder| builder);
        if call_first {
            pen.write(inside("BYE", 2, ""));
            assert_eq!(pen.words(), ["200"]);
            assert!(matches!(&pen.events()[..], [Event::Ended { .. }]));
            for (seq, method) in [(3, "INFO"), (4, "BYE"), (5, "INVITE"), (6, "UPDATE")] {
                pen.write(inside(method, seq, ""));
                assert_eq!(pen.words(), ["481"], "no INVITE usage any more: {method}");
            }
            pen.write(inside("SUBSCRIBE", 7, "Event: dialog\r\nExpires: 0\r\n"));
            let sent = pen.sent();
            assert_eq!(sent[0].status(), Some(StatusCode::OK));
            let last = sent[1].header("Subscription-State").unwrap();
            assert_eq!(last.value(), b"terminated;reason=timeout");
            assert_eq!(
                sent[1].header("CSeq").unwrap().value(),
                b"3 NOTIFY",
                "one row of numbers"
            );
            pen.reply(&sent[1], StatusCode::OK, |builder| builder);
            assert_eq!(
                pen.events().iter().find_map(over),
                Some(SubscriptionEnd::Unsubscribed)
            );
        } else {
            let now = pen.now;
            let handle = pen.endpoint.subscription(sub).unwrap();
            handle.notify(now, state("x")).unwrap();
            let notify = pen.sent().remove(0);
            let gone = StatusCode::CALL_OR_TRANSACTION_DOES_NOT_EXIST;
            pen.reply(&notify, gone, |builder| builder);
            assert_eq!(
                pen.events().iter().find_map(over),
                Some(SubscriptionEnd::Refused(gone))
            );
            assert!(pen.words().is_empty(), "the call goes on (RFC 5057)");
            pen.endpoint.call(call).unwrap().hang_up(pen.now).unwrap();
        }
        pen.pass(Duration::from_secs(100));
        assert!(pen.endpoint.is_idle());
    }
}

/// A NOTIFY for what `subscribe` asked, from the branch `tag`.
fn notify(subscribe: &Message, tag: &str, seq: u32, extra: &str) -> String {
    let text = |name: &str| subscribe.header(name).unwrap().to_str().into_owned();
    format!(
        "NOTIFY sip:us@{us} SIP/2.0\r\nVia: SIP/2.0/UDP {them};branch=z9hG4bK{tag}{seq}\r\n\
         Max-Forwards: 70\r\nFrom: <sip:bob@{them}>;tag={tag}\r\nTo: {to}\r\nCall-ID: {id}\r\n\
         CSeq: {seq} NOTIFY\r\nContact: <sip:{tag}@{them}>\r\n{extra}Content-Length: 0\r\n\r\n",
        us = us(),
        them = them(),
        to = text("From"),
        id = text("Call-ID"),
    )
}

fn begin_by_hand(forks: bool) -> (Pen, SubscriptionId, Message) {
    let mut pen = Pen::new(Config::default());
    let from = NameAddr::new(&"sip:alice@example.org".parse().unwrap());
    let uri = format!("sip:bob@{}", them()).parse().unwrap();
    let mut wanted = Subscribe::new(uri, from, "dialog");
    wanted.forks = forks;
    let sub = pen.endpoint.subscribe(pen.now, wanted).unwrap();
    let request = pen.sent().remove(0);
    (pen, sub, request)
}

#[test]
fn each_branch_of_a_fork_is_a_subscription_of_its_own() {
    const ACTIVE: &str = "Event: dialog\r\nSubscription-State: active;expires=600\r\n";
    let (mut pen, sub, request) = begin_by_hand(true);
    // The NOTIFY may be faster than the 200 (RFC 6665 section 4.1.2.4).
    pen.write(notify(&request, "a", 1, ACTIVE));
    assert_eq!(pen.words(), ["200"]);
    pen.reply(&request, StatusCode::OK, |builder| {
        builder
            .to_tag("a")
            .header("Expires", "600")
            .header("Contact", format!("<sip:a@{}>", them()))
    });
    let events = pen.events();
    assert!(
        matches!(&events[..], [Event::Notified { .. }]),
        "notified before it was accepted: {events:?}"
    );
    pen.write(notify(&request, "b", 1, ACTIVE));
    assert_eq!(pen.words(), ["200"]);
    let events = pen.events();
    let [
        Event::SubscriptionForked {
            subscription: second,
            of,
        },
        Event::Notified { .. },
    ] = &events[..]
    else {
        panic!("{events:?}");
    };
    assert_eq!(*of, sub);
    // About another event, or another call.
    pen.write(notify(
        &request,
        "c",
        1,
        "Event: presence\r\nSubscription-State: active\r\n",
    ));
    pen.write(notify(&request, "c", 2, "Subscription-State: active\r\n"));
    pen.write(notify(
        &request,
        "a",
        2,
        "Event: dialog;id=7\r\nSubscription-State: active\r\n",
    ));
    assert_eq!(pen.words(), ["481", "481", "481"]);
    // Timer N has passed: no more branches.
    pen.pass(Duration::from_secs(33));
    pen.write(notify(&request, "d", 1, ACTIVE));
    assert_eq!(pen.words(), ["481"]);
    // One ends, the other goes on, and is refreshed in its own dialog.
    pen.write(notify(
        &request,
        "a",
        3,
        "Event: dialog\r\nSubscription-State: terminated;reason=noresource\r\n",
    ));
    pen.words();
    assert!(pen.endpoint.subscription(sub).is_err());
    let now = pen.now;
    let handle = pen.endpoint.subscription(*second).unwrap();
    handle.refresh(now, Duration::from_secs(900)).unwrap();
    let again = pen.sent().remove(0);
    assert_eq!(
        again.uri_bytes().unwrap(),
        format!("sip:b@{}", them()).as_bytes()
    );
    assert_eq!(again.header("CSeq").unwrap().value(), b"2 SUBSCRIBE");
    // The notifier has forgotten it.
    pen.events();
    pen.reply(
        &again,
        StatusCode::CALL_OR_TRANSACTION_DOES_NOT_EXIST,
        |b| b,
    );
    assert!(pen.events().iter().find_map(over).is_some());
    pen.pass(Duration::from_secs(100));
    assert!(pen.endpoint.is_idle());

    let (mut pen, _, request) = begin_by_hand(false);
    pen.write(notify(&request, "a", 1, ACTIVE));
    pen.write(notify(&request, "b", 1, ACTIVE));
    assert_eq!(pen.words(), ["200", "481"], "as the application wishes");
}

#[test]
fn branches_that_are_invented_are_not_followed_for_ever() {
    let (mut pen, _, request) = begin_by_hand(true);
    let mut taken = 0;
    for number in 0..1000 {
        let tag = format!("t{number}");
        pen.write(notify(
            &request,
            &tag,
            1,
            "Event: dialog\r\nSubscription-State: active\r\n",
        ));
        taken += pen.words().iter().filter(|word| *word == "200").count();
        pen.events();
    }
    assert_eq!(taken, 12, "as many as early dialogs");
    pen.pass(Duration::from_secs(3601));
    assert!(pen.endpoint.subscriptions().next().is_none());
}

#[test]
fn an_accepted_subscription_without_a_notify_is_silent() {
    let (mut pen, _, request) = begin_by_hand(true);
    pen.reply(&request, StatusCode::OK, |builder| {
        builder.to_tag("a").header("Expires", "600")
    });
    assert!(matches!(&pen.events()[..], [Event::Subscribed { .. }]));
    pen.pass(Duration::from_secs(33));
    assert_eq!(
        pen.events().iter().find_map(over),
        Some(SubscriptionEnd::Silent)
    );
    assert!(pen.endpoint.is_idle());
}

#[test]
fn a_refresh_that_fails_leaves_what_was_granted() {
    let (mut pen, sub, request) = begin_by_hand(true);
    pen.reply(&request, StatusCode::OK, |builder| {
        builder.to_tag("a").header("Expires", "600")
    });
    pen.write(notify(
        &request,
        "a",
        1,
        "Event: dialog\r\nSubscription-State: active;expires=600\r\n",
    ));
    pen.words();
    let mut refreshes = 0;
    let start = pen.now;
    while let Some(at) = pen.endpoint.poll_timeout() {
        pen.now = at;
        pen.endpoint.handle_timeout(at);
        for message in pen.sent() {
            if message.method() == Some(Method::Subscribe) {
                refreshes += 1;
                pen.reply(&message, StatusCode::SERVICE_UNAVAILABLE, |b| b);
            }
        }
        if pen.endpoint.subscription(sub).is_err() {
            break;
        }
    }
    assert_eq!((pen.now - start).as_secs(), 600, "RFC 6665 section 4.1.2.2");
    assert!((2..10).contains(&refreshes), "{refreshes}");
    assert_eq!(
        pen.events().iter().find_map(over),
        Some(SubscriptionEnd::Expired)
    );
}
