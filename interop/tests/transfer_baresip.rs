//! Transfers between `sip-core`'s endpoint and baresip: it carries out our REFER, and we carry out
//! its.

use interop::{Baresip, BaresipOptions, Codec, Transport, Ua, installed};
use sip_core::header::NameAddr;
use sip_core::{CallId, Event, Invite, Refer, Referrals, SubscriptionEnd, Uri};
use std::time::{Duration, Instant};

const SOON: Duration = Duration::from_secs(15);

/// Runs two user agents until the second, `wanted`, takes an event of the one named.
fn until<T>(
    what: &str,
    uas: &mut [Ua; 2],
    of: usize,
    mut wanted: impl FnMut(&Event) -> Option<T>,
) -> T {
    let end = Instant::now() + SOON;
    let mut dropped = Vec::new();
    loop {
        assert!(Instant::now() < end, "no {what}; events: {dropped:#?}");
        for ua in uas.iter_mut() {
            ua.turn();
        }
        while let Some(event) = uas[of].next_event() {
            if let Some(value) = wanted(&event) {
                return value;
            }
            dropped.push(event);
        }
    }
}

fn name(user: &str) -> NameAddr {
    NameAddr::parse(format!("<sip:{user}@example.org>")).expect("an address")
}

fn uri(user: &str, ua: &Ua) -> Uri {
    let text = format!("sip:{user}@127.0.0.1:{}", ua.port());
    text.parse().expect("a URI")
}

/// We call baresip, which answers.
fn call(uas: &mut [Ua; 2], baresip: &Baresip) -> CallId {
    let to = baresip.uri(Transport::Udp).parse().expect("a URI");
    let body = uas[0].sdp(1, "sendrecv");
    let invite = Invite::new(to, name("alice")).body(body);
    let call = uas[0]
        .endpoint()
        .invite(Instant::now(), invite)
        .expect("a call");
    until("answer", uas, 0, |event| {
        matches!(event, Event::Answered { .. }).then_some(())
    });
    call
}

fn answer_incoming(uas: &mut [Ua; 2]) -> CallId {
    let call = until("call to the target", uas, 1, |event| match event {
        Event::Incoming { call, .. } => Some(*call),
        _ => None,
    });
    let body = uas[1].sdp(1, "sendrecv");
    uas[1]
        .call(call)
        .answer(Instant::now(), Some(body))
        .expect("an answer");
    call
}

fn start() -> [Ua; 2] {
    [0, 1].map(|_| Ua::start(|config| config.referrals = Referrals::InCalls))
}

fn forgotten(uas: &mut [Ua; 2], what: &str) {
    let end = Instant::now() + SOON;
    while uas
        .iter_mut()
        .any(|ua| ua.endpoint().calls().next().is_some())
        || uas[0].endpoint().subscriptions().next().is_some()
    {
        assert!(Instant::now() < end, "{what}: something is left");
        for ua in uas.iter_mut() {
            ua.turn();
        }
    }
}

#[test]
fn baresip_carries_out_our_transfer_and_reports_it() {
    if !installed(&["baresip"]) {
        return;
    }
    let mut uas = start();
    let mut baresip = Baresip::start(&BaresipOptions::new(Codec::Pcmu));
    let ours = call(&mut uas, &baresip);
    let refer = Refer::new(uri("carol", &uas[1]));
    uas[0]
        .call(ours)
        .refer(Instant::now(), refer)
        .expect("a REFER");
    until("202", &mut uas, 0, |event| {
        matches!(event, Event::Subscribed { .. }).then_some(())
    });
    let target = answer_incoming(&mut uas);
    until("report of the answer", &mut uas, 0, |event| match event {
        Event::Notified {
            body: Some(body), ..
        } => body
            .sipfrag_status()
            .filter(|(status, _)| status.is_success())
            .map(|_| ()),
        _ => None,
    });
    let end = until("end of the reports", &mut uas, 0, |event| match event {
        Event::SubscriptionEnded { end, .. } => Some(end.clone()),
        _ => None,
    });
    assert!(matches!(end, SubscriptionEnd::Terminated(_)), "{end:?}");
    // baresip may have left our call by itself; either way the target's goes on.
    if let Ok(call) = uas[0].endpoint().call(ours) {
        let _ = call.hang_up(Instant::now());
    }
    uas[1].call(target).hang_up(Instant::now()).expect("a BYE");
    forgotten(&mut uas, "our transfer");
    baresip.control.wait_for("CALL_CLOSED", SOON);
}

#[test]
fn we_carry_out_baresips_transfer_and_report_it() {
    if !installed(&["baresip"]) {
        return;
    }
    let mut uas = start();
    let mut baresip = Baresip::start(&BaresipOptions::new(Codec::Pcmu));
    let ours = call(&mut uas, &baresip);
    let to = uri("carol", &uas[1]);
    baresip.control.command("transfer", to.as_str());
    let (id, request) = until("REFER", &mut uas, 0, |event| match event {
        Event::ReferRequested {
            subscription,
            call,
            request,
            ..
        } => {
            assert_eq!(*call, Some(ours));
            Some((*subscription, request.clone()))
        }
        _ => None,
    });
    let body = uas[0].sdp(1, "sendrecv");
    let invite = Invite::referred(&request, name("alice"))
        .expect("an INVITE")
        .body(body);
    assert_eq!(invite.uri.as_str(), to.as_str());
    let fresh = uas[0]
        .endpoint()
        .follow(Instant::now(), id, invite)
        .expect("a call");
    let target = answer_incoming(&mut uas);
    until("answer of the target", &mut uas, 0, |event| {
        matches!(event, Event::Answered { call, .. } if *call == fresh).then_some(())
    });
    // The last NOTIFY was taken: baresip knows the subscription and its end.
    let end = until("end of the reports", &mut uas, 0, |event| match event {
        Event::SubscriptionEnded { end, .. } => Some(end.clone()),
        _ => None,
    });
    assert!(matches!(end, SubscriptionEnd::Told(_)), "{end:?}");
    if let Ok(call) = uas[0].endpoint().call(ours) {
        let _ = call.hang_up(Instant::now());
    }
    uas[1].call(target).hang_up(Instant::now()).expect("a BYE");
    forgotten(&mut uas, "baresip's transfer");
}
