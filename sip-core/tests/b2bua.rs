//! Two calls joined: what crosses, ring groups, races and vanished legs, on virtual time.
#![allow(clippy::disallowed_methods, clippy::unwrap_used)]

mod coupled;
mod support;

use std::time::Duration;

use bytes::Bytes;
use coupled::{PBX, World, phone, sdp};
use sip_core::b2bua::{Coupling, CouplingEvent, Plan, Updates};
use sip_core::header::NameAddr;
use sip_core::{
    Body, CallId, CallState, Event, Flow, HeaderName, Input, Invite, Message, Method, Question,
    QuestionAnswer, StatusCode,
};
use support::*;

fn requested(event: &Event) -> Option<Message> {
    match event {
        Event::Incoming { request, .. } => Some(request.clone()),
        _ => None,
    }
}

#[test]
fn a_conversation_crosses_from_the_first_ring_to_the_last_bye() {
    let mut world = World::new(1, || Plan::to(phone(2)));
    let invite = |invite: Invite| {
        let invite = invite.body(sdp("a")).header("Subject", "lunch");
        invite.header("X-Secret", "mine").header("X-Other", "1")
    };
    let caller = world.dial(invite);
    let (callee, request) = world.until(2, |e| Some((incoming(e)?, requested(e)?)));
    let text = request.to_string();
    assert!(
        text.contains("Subject: lunch") && text.contains("s=a"),
        "{text}"
    );
    assert!(
        !text.contains("X-Secret") && !text.contains("X-Other"),
        "{text}"
    );
    assert!(text.contains("Max-Forwards: 69"), "{text}");
    let own = world.net.call(0, caller).call_id().to_owned();
    assert!(!text.contains(&own), "each side has its own Call-ID");

    // Early media, then the same as the answer.
    let now = world.net.now;
    let early = Some(sdp("b"));
    let progress = StatusCode::SESSION_PROGRESS;
    world
        .call(2, callee)
        .ring(now, progress, early.clone())
        .unwrap();
    let preview = world.until(0, |event| match event {
        Event::Progress { preview, .. } => Some(preview.clone()),
        _ => None,
    });
    assert_eq!(preview, early);
    let now = world.net.now;
    world.call(2, callee).answer(now, None).unwrap();
    world.until(0, |e| matches!(e, Event::Answered { .. }).then_some(()));
    world.until(2, |e| matches!(e, Event::Confirmed { .. }).then_some(()));
    world.run(Duration::from_secs(1));

    // Key presses cross, both ways, and each is answered once.
    let keys = Body::new("application/dtmf-relay", "Signal=5\r\nDuration=160\r\n");
    for (from, to, call) in [(0, 2, caller), (2, 0, callee)] {
        for _ in 0..3 {
            let now = world.net.now;
            world.call(from, call).info(now, keys.clone()).unwrap();
        }
        for _ in 0..3 {
            let got = world.until(to, |event| match event {
                Event::Info { body, .. } => body.clone(),
                _ => None,
            });
            assert_eq!(got, keys);
        }
    }
    world.run(Duration::from_secs(1));
    assert!(world.left.is_empty(), "{:?}", world.left);

    let now = world.net.now;
    let reason = "Q.850;cause=16;text=\"Normal call clearing\"";
    world.call(0, caller).hang_up_because(now, reason).unwrap();
    assert_eq!(world.until(2, ended).q850, Some(16), "the reason crosses");
    world.assert_forgotten();
    assert!(matches!(
        &world.heard[..],
        [
            CouplingEvent::Progress { .. },
            CouplingEvent::Connected { .. },
            CouplingEvent::Ended { .. }
        ]
    ));
}

#[test]
fn an_invite_without_an_offer_crosses_without_one() {
    let mut world = World::new(1, || Plan::to(phone(2)));
    let caller = world.dial(|mut invite| {
        invite.body = None;
        invite
    });
    let (callee, offer) = world.until(2, |event| match event {
        Event::Incoming { call, offer, .. } => Some((*call, offer.clone())),
        _ => None,
    });
    assert_eq!(offer, None);
    let now = world.net.now;
    world
        .call(2, callee)
        .answer(now, Some(sdp("theirs")))
        .unwrap();
    let offer = world.until(0, |event| match event {
        Event::Answered { body, .. } => Some(body.clone()),
        _ => None,
    });
    assert_eq!(offer, Some(sdp("theirs")));
    let now = world.net.now;
    world.call(0, caller).accept(now, sdp("ours")).unwrap();
    let answer = world.until(2, |event| match event {
        Event::Confirmed { answer, .. } => Some(answer.clone()),
        _ => None,
    });
    assert_eq!(answer, Some(sdp("ours")));
    let now = world.net.now;
    world.call(2, callee).hang_up(now).unwrap();
    world.until(0, ended);
    world.assert_forgotten();
}

#[test]
fn a_parallel_group_is_answered_by_the_first_and_called_off_for_the_others() {
    let mut world = World::new(3, || Plan::parallel([phone(2), phone(3), phone(4)]));
    world.dial(|invite| invite);
    let calls: Vec<_> = (2..5).map(|at| (at, world.until(at, incoming))).collect();
    for (at, call) in &calls {
        let now = world.net.now;
        // A preview of one of several would bind the answer of another.
        let early = Some(sdp("early"));
        let progress = StatusCode::SESSION_PROGRESS;
        world.call(*at, *call).ring(now, progress, early).unwrap();
    }
    let preview = world.until(0, |event| match event {
        Event::Progress { preview, .. } => Some(preview.clone()),
        _ => None,
    });
    assert_eq!(preview, None);
    world.run(Duration::from_millis(200));
    assert_eq!(world.net.count(PBX, "SIP/2.0 183"), 1, "each status once");
    let now = world.net.now;
    world.call(3, calls[1].1).answer(now, None).unwrap();
    world.until(0, |e| matches!(e, Event::Answered { .. }).then_some(()));
    for at in [2, 4] {
        let cause = world.until(at, ended);
        assert!(cause.reason.unwrap().contains("elsewhere"));
    }
    let now = world.net.now;
    world.call(3, calls[1].1).hang_up(now).unwrap();
    world.until(0, ended);
    world.assert_forgotten();
}

#[test]
fn a_serial_group_goes_on_when_a_phone_is_silent_or_busy() {
    let plan = || {
        let phones = [phone(2), phone(3), phone(4)];
        Plan::serial(phones, Duration::from_secs(15))
    };
    let mut world = World::new(3, plan);
    world.dial(|invite| invite);
    let first = world.until(2, incoming);
    let now = world.net.now;
    world
        .call(2, first)
        .ring(now, StatusCode::RINGING, None)
        .unwrap();
    let second = world.until(3, incoming);
    assert_eq!((world.net.now - world.net.start).as_secs(), 15);
    let now = world.net.now;
    world
        .call(3, second)
        .reject(now, StatusCode::BUSY_HERE, None)
        .unwrap();
    let third = world.until(4, incoming);
    let now = world.net.now;
    world.call(4, third).answer(now, Some(sdp("b"))).unwrap();
    world.until(0, |e| matches!(e, Event::Answered { .. }).then_some(()));
    let now = world.net.now;
    world.call(4, third).hang_up(now).unwrap();
    world.assert_forgotten();

    // Everybody refuses: the caller hears the best answer, with the phone's own words.
    for (answers, want) in [
        ([404, 486, 500], "486 Busy, madam"),
        ([480, 404, 408], "404 Not Found"),
        ([503, 503, 500], "500 Server Internal Error"),
    ] {
        let caller = world.dial(|invite| invite);
        for (at, code) in (2..5).zip(answers) {
            let call = world.until(at, incoming);
            let now = world.net.now;
            let phrase = (code == 486).then_some("Busy, madam");
            let status = StatusCode::new(code).unwrap();
            world.call(at, call).reject(now, status, phrase).unwrap();
        }
        let cause = world.until(0, |event| match event {
            Event::Ended { call, cause, .. } if *call == caller => Some(cause.clone()),
            _ => None,
        });
        let heard = format!("{} {}", cause.status.unwrap(), cause.phrase.unwrap());
        assert!(heard.ends_with(want), "{heard} for {answers:?}");
    }
    // 603 is a person's word: nobody else is asked.
    world.dial(|invite| invite);
    let call = world.until(2, incoming);
    let now = world.net.now;
    world
        .call(2, call)
        .reject(now, StatusCode::DECLINE, None)
        .unwrap();
    world.run(Duration::from_secs(1));
    assert!(world.net.events[3].iter().all(|e| incoming(e).is_none()));
    world.assert_forgotten();
}

#[test]
fn cancel_and_answer_cross_at_every_moment_and_nobody_is_left_alone() {
    let mut met = [0, 0];
    for (cancel, answers) in (0..40).map(|ms| (ms, 1 + ms as usize % 2)) {
        let mut world = World::new(2, || Plan::parallel([phone(2), phone(3)]));
        let caller = world.dial(|invite| invite);
        let calls: Vec<_> = (2..4).map(|at| (at, world.until(at, incoming))).collect();
        for (at, call) in &calls {
            let now = world.net.now;
            let ringing = StatusCode::RINGING;
            world.call(*at, *call).ring(now, ringing, None).unwrap();
        }
        world.run(Duration::from_millis(50));
        // The answers leave their phones after 20 ms, the CANCEL its own after 0 to 39 ms.
        for ms in 0..40 {
            let now = world.net.now;
            if ms == cancel {
                let _ = world.call(0, caller).hang_up(now);
            }
            for (at, call) in calls.iter().take(if ms == 20 { answers } else { 0 }) {
                if let Ok(call) = world.net.endpoints[*at].call(*call) {
                    let _ = call.answer(now, Some(sdp("b")));
                }
            }
            world.run(Duration::from_millis(1));
        }
        world.run(Duration::from_secs(5));
        let connected = world
            .heard
            .iter()
            .any(|event| matches!(event, CouplingEvent::Connected { .. }));
        met[usize::from(connected)] += 1;
        for at in 0..4 {
            let calls = world.net.endpoints[at].sizes()[0];
            assert_eq!(
                calls,
                0,
                "endpoint {at}, cancelled after {cancel} ms\n{}",
                world.net.show()
            );
        }
        world.assert_forgotten();
    }
    assert!(met[0] > 3 && met[1] > 3, "{met:?}: both outcomes were seen");
}

#[test]
fn two_phones_answer_at_once_and_one_is_hung_up() {
    let mut world = World::new(2, || Plan::parallel([phone(2), phone(3)]));
    let caller = world.dial(|invite| invite);
    let calls: Vec<_> = (2..4).map(|at| (at, world.until(at, incoming))).collect();
    let now = world.net.now;
    for (at, call) in &calls {
        world.call(*at, *call).answer(now, Some(sdp("b"))).unwrap();
    }
    world.run(Duration::from_secs(2));
    let up = calls
        .iter()
        .filter(|(at, call)| world.net.endpoints[*at].call(*call).is_ok());
    assert_eq!(up.count(), 1, "{}", world.net.show());
    let now = world.net.now;
    world.call(0, caller).hang_up(now).unwrap();
    world.assert_forgotten();
}

#[test]
fn a_reinvite_crosses_both_legs_and_its_answer_or_refusal_comes_back() {
    let mut world = World::new(1, || Plan::to(phone(2)));
    let (caller, callee) = world.join();
    for (from, to, mine, theirs) in [(0, 2, caller, callee), (2, 0, callee, caller)] {
        let now = world.net.now;
        world.call(from, mine).reinvite(now, sdp("hold")).unwrap();
        assert_eq!(world.offered(to), (Some(sdp("hold")), Method::Invite));
        let now = world.net.now;
        world.call(to, theirs).accept(now, sdp("held")).unwrap();
        assert_eq!(world.changed(from), Ok(Some(sdp("held"))));
        world.run(Duration::from_secs(1));

        let now = world.net.now;
        world.call(from, mine).reinvite(now, sdp("video")).unwrap();
        world.offered(to);
        let now = world.net.now;
        world
            .call(to, theirs)
            .refuse(now, StatusCode::NOT_ACCEPTABLE_HERE)
            .unwrap();
        assert_eq!(world.changed(from), Err(StatusCode::NOT_ACCEPTABLE_HERE));
        world.run(Duration::from_secs(1));

        // The session as it is: answered by the coupling, and nobody else is bothered.
        let before = world.net.count(PBX, "INVITE");
        let now = world.net.now;
        world.call(from, mine).reinvite(now, sdp("hold")).unwrap();
        assert_eq!(world.changed(from), Ok(Some(sdp("held"))));
        assert_eq!(world.net.count(PBX, "INVITE"), before);
        world.run(Duration::from_secs(1));
    }
    let now = world.net.now;
    world.call(0, caller).hang_up(now).unwrap();
    world.assert_forgotten();
}

#[test]
fn update_crosses_as_update_as_reinvite_or_not_at_all() {
    for (policy, want) in [
        (Updates::Same, Some(Method::Update)),
        (Updates::Reinvite, Some(Method::Invite)),
        (Updates::Refuse, None),
    ] {
        let mut world = World::new(1, || Plan::to(phone(2)));
        world.policy.updates = policy;
        let (caller, callee) = world.join();
        let now = world.net.now;
        world.call(0, caller).update(now, sdp("new")).unwrap();
        match want {
            Some(method) => {
                assert_eq!(world.offered(2), (Some(sdp("new")), method));
                let now = world.net.now;
                world.call(2, callee).accept(now, sdp("well")).unwrap();
                assert_eq!(world.changed(0), Ok(Some(sdp("well"))));
            }
            None => assert_eq!(world.changed(0), Err(StatusCode::NOT_ACCEPTABLE_HERE)),
        }
        world.run(Duration::from_secs(1));
        let now = world.net.now;
        world.call(2, callee).hang_up(now).unwrap();
        world.assert_forgotten();
    }
}

#[test]
fn offers_that_meet_in_the_middle_are_refused_and_can_be_made_again() {
    let mut world = World::new(1, || Plan::to(phone(2)));
    let (caller, callee) = world.join();
    let now = world.net.now;
    world.call(0, caller).reinvite(now, sdp("x")).unwrap();
    world.call(2, callee).reinvite(now, sdp("y")).unwrap();
    assert_eq!(world.offered(0).0, Some(sdp("y")), "one of them crosses");
    let now = world.net.now;
    world.call(0, caller).accept(now, sdp("w")).unwrap();
    assert_eq!(world.changed(2), Ok(Some(sdp("w"))));
    assert_eq!(world.changed(0), Err(StatusCode::REQUEST_PENDING));
    let now = world.net.now;
    world.call(0, caller).reinvite(now, sdp("x")).unwrap();
    assert_eq!(world.offered(2).0, Some(sdp("x")));
    let now = world.net.now;
    world.call(2, callee).accept(now, sdp("z")).unwrap();
    assert_eq!(world.changed(0), Ok(Some(sdp("z"))));
    let now = world.net.now;
    world.call(0, caller).hang_up(now).unwrap();
    world.assert_forgotten();
}

#[test]
fn an_offer_taken_back_too_late_is_undone_on_the_other_side() {
    let plan = || Plan::to(phone(2));
    let mut world = World::with(1, plan, |index, config| {
        if index == PBX {
            config.answer_within = Duration::from_secs(2);
        }
    });
    let (caller, callee) = world.join();
    let now = world.net.now;
    world.call(0, caller).reinvite(now, sdp("x")).unwrap();
    assert_eq!(world.offered(2).0, Some(sdp("x")));
    // The phone's user thinks for longer than the coupling's endpoint waits.
    assert!(world.changed(0).is_err());
    let now = world.net.now;
    world.call(2, callee).accept(now, sdp("late")).unwrap();
    assert_eq!(
        world.offered(2).0,
        Some(sdp("a")),
        "the session before is put back"
    );
    let now = world.net.now;
    world.call(2, callee).accept(now, sdp("b")).unwrap();
    world.run(Duration::from_secs(1));
    let now = world.net.now;
    world.call(2, callee).hang_up(now).unwrap();
    world.until(0, ended);
    world.assert_forgotten();
}

/// A request of the caller's in its dialog, by hand.
fn by_hand(world: &mut World, caller: CallId, method: &str, seq: u32, body: &str) -> Bytes {
    let handle = world.call(0, caller);
    let (id, from) = (handle.call_id().to_owned(), handle.local_tag().to_owned());
    let to = handle.remote_tag().unwrap().to_owned();
    let kind = match body {
        "" => "",
        _ => "Content-Type: application/sdp\r\n",
    };
    let at = address(0);
    let text = format!(
        "{method} sip:user1@{} SIP/2.0\r\nVia: SIP/2.0/UDP {at};branch=z9hG4bK{method}{seq}\r\n\
         Max-Forwards: 70\r\nFrom: <sip:user0@example.org>;tag={from}\r\n\
         To: <sip:user1@{}>;tag={to}\r\nCall-ID: {id}\r\nCSeq: {seq} {method}\r\n\
         Contact: <sip:user0@{at}>\r\n{kind}Content-Length: {}\r\n\r\n{body}",
        address(PBX),
        address(PBX),
        body.len()
    );
    text.into()
}

#[test]
fn a_reinvite_without_an_offer_gets_the_other_sides_session_and_its_answer_crosses() {
    let mut world = World::new(1, || Plan::to(phone(2)));
    let (caller, callee) = world.join();
    let flow = Flow::udp(address(PBX), address(0));
    let bytes = by_hand(&mut world, caller, "INVITE", 7, "");
    let now = world.net.now;
    world.net.endpoints[PBX].handle_input(now, Input::Received { flow, bytes });
    world.run(Duration::from_millis(50));
    let bytes = by_hand(&mut world, caller, "ACK", 7, "v=0\r\ns=moved\r\n");
    let now = world.net.now;
    world.net.endpoints[PBX].handle_input(now, Input::Received { flow, bytes });
    assert_eq!(world.offered(2).0, Some(sdp("moved")));
    let now = world.net.now;
    world.call(2, callee).accept(now, sdp("b")).unwrap();
    world.run(Duration::from_secs(1));
    let state = world.call(2, callee).state();
    assert_eq!(state, CallState::Established);
    let now = world.net.now;
    world.call(2, callee).hang_up(now).unwrap();
    world.until(0, ended);
    world.assert_forgotten();
}

/// Where media goes through a relay, each phone is told of ports of its own.
#[test]
fn a_phone_is_offered_what_its_invite_says_then_the_alternative_and_knows_that_of_the_caller() {
    let plan = || Plan::to(phone(2).body(sdp("strong")).or(sdp("weak")));
    let mut world = World::new(1, plan);
    let caller = world.dial(|invite| invite.body(sdp("a")));
    let offered = |event: &Event| match event {
        Event::Incoming { call, offer, .. } => Some((*call, offer.clone())),
        _ => None,
    };
    let (call, offer) = world.until(2, offered);
    assert_eq!(offer, Some(sdp("strong")));
    let now = world.net.now;
    let refusal = StatusCode::NOT_ACCEPTABLE_HERE;
    world.call(2, call).reject(now, refusal, None).unwrap();
    let (callee, offer) = world.until(2, offered);
    assert_eq!(offer, Some(sdp("weak")));
    let now = world.net.now;
    world.call(2, callee).answer(now, Some(sdp("b"))).unwrap();
    world.until(0, |e| matches!(e, Event::Answered { .. }).then_some(()));
    world.run(Duration::from_millis(100));
    assert!(
        { world.left.iter() }.any(|event| matches!(event, Event::OfferedAgain { .. })),
        "the application is told"
    );
    let now = world.net.now;
    world.call(0, caller).hang_up(now).unwrap();
    world.until(2, ended);
    world.assert_forgotten();
}

#[test]
fn a_leg_that_vanishes_takes_the_other_with_it() {
    for gone in [0, 2] {
        let mut world = World::new(1, || Plan::to(phone(2)));
        world.join();
        world.net.restart(gone);
        world.net.lose = Box::new(move |from, _| from == gone);
        let stays = 2 - gone;
        let before = world.net.now;
        world.until(stays, ended);
        let after = world.net.now - before;
        assert!(after <= Duration::from_secs(1800), "{after:?}");
        world.assert_forgotten();
    }
}

#[test]
fn requests_of_a_method_that_crosses_are_answered_by_the_other_side() {
    let plan = || Plan::to(phone(2));
    let mut world = World::with(1, plan, |_, config| config.methods = vec![Method::Message]);
    world.policy.methods = vec![Method::Message];
    let (caller, callee) = world.join();
    let text = Body::new("text/plain", "hello");
    let subject = [("Subject".to_owned(), "tea".to_owned())];
    let now = world.net.now;
    let handle = world.call(0, caller);
    handle
        .request(now, Method::Message, &subject, Some(text.clone()))
        .unwrap();
    let (id, request) = world.until(2, |event| match event {
        Event::Ask {
            id,
            question: Question::Request { request, .. },
            ..
        } => Some((*id, request.clone())),
        _ => None,
    });
    assert_eq!(request.body(), b"hello");
    assert!(request.header(HeaderName::SUBJECT).is_some());
    let now = world.net.now;
    let respond = QuestionAnswer::Respond {
        status: StatusCode::ACCEPTED,
        headers: vec![("Subject".into(), "later".into())],
        body: None,
    };
    world.net.endpoints[2]
        .answer_question(now, id, respond)
        .unwrap();
    let response = world.until(0, |event| match event {
        Event::RequestAnswered { response, .. } => response.clone(),
        _ => None,
    });
    assert_eq!(response.status(), Some(StatusCode::ACCEPTED));
    assert!(response.header(HeaderName::SUBJECT).is_some());

    // The phone hangs up instead of answering.
    let now = world.net.now;
    let handle = world.call(0, caller);
    handle
        .request(now, Method::Message, &[], Some(text))
        .unwrap();
    world.until(2, |e| matches!(e, Event::Ask { .. }).then_some(()));
    let now = world.net.now;
    world.call(2, callee).hang_up(now).unwrap();
    world.until(0, ended);
    world.assert_forgotten();
}

#[test]
fn a_coupling_that_calls_itself_ends() {
    let mut world = World::new(0, || Plan::to(phone(PBX)));
    world.dial(|invite| invite);
    let cause = world.until(0, ended);
    assert_eq!(cause.status, Some(StatusCode::TOO_MANY_HOPS));
    assert!(world.net.count(PBX, "INVITE") < 71);
    world.assert_forgotten();
}

#[test]
fn an_empty_plan_and_unreachable_phones_are_answered() {
    let mut world = World::new(0, Plan::default);
    world.dial(|invite| invite);
    let cause = world.until(0, ended);
    assert_eq!(cause.status, Some(StatusCode::TEMPORARILY_UNAVAILABLE));
    world.assert_forgotten();
    let mut world = World::new(0, || {
        let from = NameAddr::new(&"sip:pbx@example.org".parse().unwrap());
        Plan::to(Invite::new("tel:+4930123".parse().unwrap(), from))
    });
    world.dial(|invite| invite);
    let cause = world.until(0, ended);
    assert_eq!(cause.status, Some(StatusCode::NOT_FOUND));
    world.assert_forgotten();
}

#[test]
fn a_coupling_is_send() {
    fn send<T: Send>() {}
    send::<Coupling>();
}
