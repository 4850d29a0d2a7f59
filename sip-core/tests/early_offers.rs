//! Offers and answers before the call is answered: RFC 3262 section 5, RFC 3311 section 5.1, RFC
//! 6337 section 2.2, where the application takes part in them.
#![allow(clippy::disallowed_methods, clippy::unwrap_used, clippy::expect_used)]

#[path = "support/pen.rs"]
mod pen;
mod support;

use pen::{Pen, hello, them, us};
use sip_core::dialog::OfferError;
use sip_core::header::NameAddr;
use sip_core::{
    Body, CallId, CommandError, Config, EndKind, EndedBy, Event, Invite, Message, StatusCode,
};
use support::*;

const EARLY: StatusCode = StatusCode::SESSION_PROGRESS;

fn sdp(text: &str) -> Option<Body> {
    Some(Body::sdp(text.to_owned()))
}

/// The branch and the session description of a reliable response.
fn early(event: &Event) -> Option<(String, Option<Body>)> {
    match event {
        Event::Progress {
            branch,
            preview,
            reliable: true,
            ..
        } => Some((branch.clone(), preview.clone())),
        _ => None,
    }
}

fn offered(event: &Event) -> Option<Option<Body>> {
    match event {
        Event::Offered { offer, .. } => Some(offer.clone()),
        _ => None,
    }
}

fn changed(event: &Event) -> Option<Option<Body>> {
    match event {
        Event::ReinviteAnswered { answer, .. } => Some(answer.clone()),
        _ => None,
    }
}

fn answered(event: &Event) -> Option<Option<Body>> {
    match event {
        Event::Answered { body, .. } => Some(body.clone()),
        _ => None,
    }
}

fn early_answer(event: &Event) -> Option<Body> {
    match event {
        Event::EarlyAnswer { answer, .. } => Some(answer.clone()),
        _ => None,
    }
}

/// A call whose caller takes part, up to its first reliable response.
fn rung(net: &mut Network, offer: Option<Body>, bears: Option<Body>) -> (CallId, CallId, String) {
    let caller = net.invite(0, 1, |mut invite| {
        invite.body = offer;
        invite.early_offers()
    });
    let callee = net.until(1, incoming);
    let now = net.now;
    net.call(1, callee).ring(now, EARLY, bears.clone()).unwrap();
    let (branch, body) = net.until(0, early);
    assert_eq!(body, bears);
    (caller, callee, branch)
}

#[test]
fn the_offer_of_a_reliable_response_is_answered_in_its_prack() {
    for (weather, seeds) in [(CLEAR, 1), (STORM, 20)] {
        for seed in 0..seeds {
            let mut net = Network::new(seed, vec![Config::default(), Config::default()]);
            net.weather = weather;
            let (caller, callee, branch) = rung(&mut net, None, sdp("offer"));
            // The 200 waits for the answer, and there is no PRACK without one.
            let now = net.now;
            net.call(1, callee).answer(now, None).unwrap();
            let none = net.call(0, caller).prack(now, &branch, None);
            assert_eq!(
                none,
                Err(CommandError::Offer(OfferError::AnswerMissing)),
                "seed {seed}"
            );
            net.call(0, caller)
                .prack(now, &branch, sdp("answer"))
                .unwrap();
            let twice = net.call(0, caller).prack(now, &branch, sdp("answer"));
            assert!(matches!(twice, Err(CommandError::State(_))), "{twice:?}");
            assert_eq!(net.until(1, early_answer), Body::sdp("answer"));
            assert_eq!(net.until(0, answered), None, "nothing more to agree on");
            net.until(1, |e| matches!(e, Event::Confirmed { .. }).then_some(()));
            let now = net.now;
            net.call(0, caller).reinvite(now, offer(0)).unwrap();
            assert_eq!(net.until(1, offered), Some(offer(0)));
            let now = net.now;
            net.call(1, callee).accept(now, answer(1)).unwrap();
            assert_eq!(net.until(0, changed), Some(answer(1)));
            net.hang_up(0, caller);
            net.assert_forgotten();
        }
    }
}

#[test]
fn a_prack_may_bear_an_offer_of_ours() {
    let mut net = Network::pair();
    let (caller, callee, branch) = rung(&mut net, sdp("one"), sdp("one answered"));
    let now = net.now;
    net.call(0, caller).prack(now, &branch, sdp("two")).unwrap();
    assert_eq!(net.until(1, offered), sdp("two"));
    let now = net.now;
    net.call(1, callee).answer(now, None).unwrap();
    net.drain();
    assert_eq!(
        net.count(1, "SIP/2.0 200"),
        0,
        "the PRACK is answered first"
    );
    net.call(1, callee)
        .accept(now, Body::sdp("two answered"))
        .unwrap();
    assert_eq!(net.until(0, changed), sdp("two answered"));
    assert_eq!(net.until(0, answered), None, "the last exchange holds");
    net.hang_up(0, caller);
    net.assert_forgotten();
}

/// Either side, once PRACK has made sure of the first answer.
#[test]
fn updates_go_out_before_the_answer() {
    for from in [0, 1] {
        let mut net = Network::pair();
        let (caller, callee, branch) = rung(&mut net, sdp("one"), sdp("one answered"));
        let calls = [caller, callee];
        let now = net.now;
        let soon = net.call(from, calls[from]).update(now, Body::sdp("two"));
        assert!(soon.is_err(), "not before PRACK: {soon:?}");
        net.call(0, caller).prack(now, &branch, None).unwrap();
        net.run(std::time::Duration::from_millis(50));
        let now = net.now;
        net.call(from, calls[from])
            .update(now, Body::sdp("two"))
            .unwrap();
        let again = net.call(from, calls[from]).update(now, Body::sdp("three"));
        assert!(again.is_err(), "one at a time");
        assert_eq!(net.until(1 - from, offered), sdp("two"));
        let now = net.now;
        // The callee's 200 waits for whichever offer is out.
        net.call(1, callee).answer(now, None).unwrap();
        net.drain();
        net.call(1 - from, calls[1 - from])
            .accept(now, Body::sdp("two answered"))
            .unwrap();
        assert_eq!(net.until(from, changed), sdp("two answered"));
        assert_eq!(net.until(0, answered), None);
        net.until(1, |e| matches!(e, Event::Confirmed { .. }).then_some(()));
        net.hang_up(0, caller);
        net.assert_forgotten();
    }
}

#[test]
fn offers_that_meet_before_the_answer_are_refused_and_nothing_is_lost() {
    let mut net = Network::pair();
    let (caller, callee, branch) = rung(&mut net, sdp("one"), sdp("one answered"));
    let now = net.now;
    net.call(0, caller).prack(now, &branch, None).unwrap();
    net.run(std::time::Duration::from_millis(50));
    let now = net.now;
    net.call(0, caller).update(now, Body::sdp("a")).unwrap();
    net.call(1, callee).update(now, Body::sdp("b")).unwrap();
    let failed = |event: &Event| match event {
        Event::ReinviteFailed { status, .. } => Some(*status),
        _ => None,
    };
    assert_eq!(net.until(0, failed), StatusCode::REQUEST_PENDING);
    assert_eq!(net.until(1, failed), StatusCode::REQUEST_PENDING);
    let now = net.now;
    net.call(1, callee).answer(now, None).unwrap();
    assert_eq!(
        net.until(0, answered),
        sdp("one answered"),
        "it still holds"
    );
    net.hang_up(0, caller);
    net.assert_forgotten();
}

/// Whoever did not ask for it has no part in it: PRACK goes out by itself, UPDATE meets 491.
#[test]
fn an_application_that_takes_no_part_is_not_asked() {
    let mut net = Network::pair();
    let caller = net.invite(0, 1, |invite| invite);
    let callee = net.until(1, incoming);
    let now = net.now;
    net.call(1, callee)
        .ring(now, EARLY, Some(answer(1)))
        .unwrap();
    let (branch, _) = net.until(0, early);
    net.run(std::time::Duration::from_millis(50));
    let now = net.now;
    assert!(net.call(0, caller).prack(now, &branch, None).is_err());
    net.call(1, callee).update(now, offer(1)).unwrap();
    let refused = net.until(1, |event| match event {
        Event::ReinviteFailed { status, .. } => Some(status.code()),
        _ => None,
    });
    assert_eq!(refused, 491);
    assert_eq!(net.count(0, "PRACK"), 1);
    let now = net.now;
    net.call(1, callee).answer(now, None).unwrap();
    assert_eq!(net.until(0, answered), Some(answer(1)));
    net.hang_up(0, caller);
    net.assert_forgotten();
}

#[test]
fn who_forgets_the_prack_is_answered_for() {
    // With nothing to answer it goes out by itself; with an offer to answer the call ends.
    for offer in [sdp("one"), None] {
        let mut net = Network::pair();
        let offerless = offer.is_none();
        let (caller, callee, _) = rung(&mut net, offer, sdp("body"));
        if offerless {
            let cause = net.until(0, ended);
            assert_eq!(cause.by, EndedBy::Local);
            assert!(matches!(cause.kind, EndKind::Protocol(_)), "{cause}");
            assert_eq!(net.until(1, ended).kind, EndKind::Cancelled);
        } else {
            net.run(std::time::Duration::from_secs(20));
            assert_eq!(net.count(0, "PRACK"), 1);
            let now = net.now;
            net.call(1, callee).answer(now, None).unwrap();
            net.until(0, answered);
            net.hang_up(0, caller);
        }
        net.assert_forgotten();
    }
}

#[test]
fn a_prack_that_owes_the_answer_and_lacks_it_ends_the_call() {
    let mut pen = Pen::new(Config::default());
    let text = hello("Supported: 100rel\r\n", "z9hG4bKone");
    let (head, _) = text.split_once("Content-Type").unwrap();
    pen.write(format!("{head}Content-Length: 0\r\n\r\n"));
    let call = pen.events().iter().find_map(incoming).unwrap();
    let now = pen.now;
    let handle = pen.endpoint.call(call).unwrap();
    handle.ring(now, EARLY, sdp("ours")).unwrap();
    let ringing = pen.sent().pop().unwrap();
    assert_eq!(ringing.body(), b"ours");
    let value = |name: &str| ringing.header(name).unwrap().to_str().into_owned();
    pen.write(format!(
        "PRACK sip:us@{us} SIP/2.0\r\nVia: SIP/2.0/UDP {them};branch=z9hG4bKtwo\r\n\
         Max-Forwards: 70\r\nFrom: {}\r\nTo: {}\r\nCall-ID: hello\r\nCSeq: 2 PRACK\r\n\
         RAck: {} 1 INVITE\r\nContent-Length: 0\r\n\r\n",
        value("From"),
        value("To"),
        value("RSeq"),
        us = us(),
        them = them(),
    ));
    assert_eq!(pen.words(), ["200", "488"]);
    let cause = pen.events().iter().find_map(ended).unwrap();
    assert_eq!(cause.by, EndedBy::Remote);
    assert!(matches!(cause.kind, EndKind::Protocol(_)), "{cause}");
}

/// Each early dialog of a fork has offers and answers of its own.
#[test]
fn every_branch_of_a_fork_agrees_for_itself() {
    let mut pen = Pen::new(Config::default());
    let from = NameAddr::new(&"sip:alice@example.org".parse().unwrap());
    let uri = format!("sip:bob@{}", them()).parse().unwrap();
    let invite = Invite::new(uri, from)
        .body(Body::sdp("offer"))
        .early_offers();
    let call = pen.endpoint.invite(pen.now, invite).unwrap();
    let sent = pen.sent().remove(0);
    let early = |tag: &'static str| {
        move |builder: sip_core::ResponseBuilder| {
            builder
                .to_tag(tag)
                .header("Require", "100rel")
                .header("RSeq", "1")
                .header("Allow", "INVITE, UPDATE, PRACK")
                .header("Contact", format!("<sip:{tag}@{}>", them()))
                .body("application/sdp", format!("answer {tag}"))
        }
    };
    let answer = |pen: &mut Pen, requests: Vec<Message>, body: &str| {
        for request in requests {
            pen.reply(&request, StatusCode::OK, |builder| match body {
                "" => builder,
                body => builder.body("application/sdp", body.to_owned()),
            });
        }
    };
    let now = pen.now;
    for tag in ["one", "two"] {
        pen.reply(&sent, EARLY, early(tag));
        let handle = pen.endpoint.call(call).unwrap();
        handle.prack(now, tag, None).unwrap();
        let pracks = pen.sent();
        answer(&mut pen, pracks, "");
    }
    let _ = pen.events();
    let which = pen.endpoint.call(call).unwrap().update(now, Body::sdp("x"));
    assert!(which.is_err(), "of two branches one must be named");
    let handle = pen.endpoint.call(call).unwrap();
    handle.update_branch(now, "two", Body::sdp("new")).unwrap();
    let updates = pen.sent();
    assert_eq!(
        updates[0].uri_bytes(),
        Some(format!("sip:two@{}", them()).as_bytes())
    );
    answer(&mut pen, updates, "new answered");
    assert!(
        pen.events()
            .iter()
            .any(|e| changed(e) == Some(sdp("new answered")))
    );
    // What is out in the branch that loses is over.
    let handle = pen.endpoint.call(call).unwrap();
    handle.update_branch(now, "two", Body::sdp("late")).unwrap();
    let _ = pen.sent();
    pen.reply(&sent, StatusCode::OK, pen::ok("one"));
    let events = pen.events();
    assert!(
        matches!(events[0], Event::ReinviteFailed { .. }),
        "{events:?}"
    );
    assert!(
        events
            .iter()
            .any(|e| answered(e) == Some(sdp("answer one")))
    );
    assert_eq!(pen.words(), ["ACK"]);
}
