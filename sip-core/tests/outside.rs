//! Requests outside calls on their way: RFC 3263 for requests that begin something, and for
//! responses that cannot go back where they came from.
#![allow(clippy::disallowed_methods, clippy::unwrap_used)]

#[path = "support/pen.rs"]
mod pen;
mod support;

use std::net::SocketAddr;
use std::time::Duration;

use pen::Pen;
use sip_core::header::NameAddr;
use sip_core::resolve::{DnsAnswer, DnsQuery, Srv};
use sip_core::{
    Body, Config, ConnectionId, EndKind, Event, Flow, FlowError, Input, Message, Method, Options,
    Outside, Question, QuestionAnswer, QuestionId, Refer, Referrals, RequestId, StatusCode,
    Subscribe, SubscriptionEnd, Target, Transport,
};
use support::*;

fn alice() -> NameAddr {
    NameAddr::parse("<sip:alice@example.org>").unwrap()
}

fn bob() -> sip_core::Uri {
    "sip:bob@example.org;transport=udp".parse().unwrap()
}

fn asked(event: &Event) -> Option<(QuestionId, DnsQuery)> {
    match event {
        Event::Ask {
            id,
            question: Question::Resolve { query, .. },
            ..
        } => Some((*id, query.clone())),
        _ => None,
    }
}

/// Servers 1 and 2, in this order.
fn answer_dns(net: &mut Network) {
    let (id, query) = net.until(0, asked);
    let answer = match query {
        DnsQuery::Srv(_) => {
            let record = |index: u16| {
                let port = address(usize::from(index)).port();
                Srv::new(index, 0, port, &format!("s{index}.example.org"))
            };
            DnsAnswer::Srv((1..=2).map(record).collect())
        }
        _ => DnsAnswer::Addresses(vec![address(0).ip()]),
    };
    let now = net.now;
    net.endpoints[0]
        .answer_question(now, id, QuestionAnswer::Dns(answer))
        .unwrap();
}

fn three() -> Network {
    let configs = (0..3).map(|_| {
        let mut config = phone();
        config.methods = vec![Method::Message];
        config.referrals = Referrals::Anywhere;
        config
    });
    Network::new(5, configs.collect())
}

/// Answers a MESSAGE at `at`.
fn respond(net: &mut Network, at: usize, status: StatusCode) {
    let id = net.until(at, |event| match event {
        Event::Ask {
            id,
            question: Question::Request { .. },
            ..
        } => Some(*id),
        _ => None,
    });
    let answer = QuestionAnswer::Respond {
        status,
        headers: Vec::new(),
        body: None,
    };
    let now = net.now;
    net.endpoints[at].answer_question(now, id, answer).unwrap();
}

fn replied(event: &Event) -> Option<(RequestId, Result<u16, EndKind>)> {
    match event {
        Event::Replied { request, result } => {
            let result = result.as_ref().map_err(|cause| cause.kind.clone());
            let status = result.map(|response| response.status().unwrap().code());
            Some((*request, status))
        }
        _ => None,
    }
}

#[test]
fn a_message_goes_to_the_next_server_after_503_and_after_silence() {
    for silent in [false, true] {
        let mut net = three();
        let message = Outside::new(Method::Message, bob(), alice())
            .body(Body::new("text/plain", "on my way"));
        let now = net.now;
        let id = net.endpoints[0].send_outside(now, message).unwrap();
        answer_dns(&mut net);
        if silent {
            // Nobody is at the first server.
            let mut count = 0;
            net.lose = Box::new(move |from, message| {
                count += usize::from(from == 0 && message.method() == Some(Method::Message));
                // Timer E sends 11 times until timer F.
                from == 0 && count <= 11
            });
            answer_dns(&mut net);
        } else {
            answer_dns(&mut net);
            respond(&mut net, 1, StatusCode::SERVICE_UNAVAILABLE);
        }
        // Its address is looked for only now.
        answer_dns(&mut net);
        respond(&mut net, 2, StatusCode::OK);
        assert_eq!(net.until(0, replied), (id, Ok(200)), "silent: {silent}");
        net.assert_forgotten();
    }
}

#[test]
fn options_that_find_no_address_say_so() {
    let mut net = three();
    let now = net.now;
    let id = net.endpoints[0]
        .options(now, Options::new(bob(), alice()))
        .unwrap();
    let (question, _) = net.until(0, asked);
    let nothing = QuestionAnswer::Dns(DnsAnswer::Nothing);
    let now = net.now;
    net.endpoints[0]
        .answer_question(now, question, nothing)
        .unwrap();
    let (question, _) = net.until(0, asked);
    let nowhere = QuestionAnswer::Targets(Vec::new());
    let now = net.now;
    net.endpoints[0]
        .answer_question(now, question, nowhere)
        .unwrap();
    assert_eq!(net.until(0, replied), (id, Err(EndKind::Unresolved)));
    net.assert_forgotten();
}

#[test]
fn a_subscription_begins_at_the_next_server_too() {
    let mut net = three();
    let mut subscribe = Subscribe::new(bob(), alice(), "dialog");
    subscribe.expires = Duration::ZERO;
    let now = net.now;
    let id = net.endpoints[0].subscribe(now, subscribe.clone()).unwrap();
    answer_dns(&mut net);
    answer_dns(&mut net);
    let wanted = |event: &Event| match event {
        Event::SubscribeRequested { subscription, .. } => Some(*subscription),
        _ => None,
    };
    let first = net.until(1, wanted);
    let now = net.now;
    net.sub(1, first)
        .reject(now, StatusCode::SERVICE_UNAVAILABLE)
        .unwrap();
    answer_dns(&mut net);
    let second = net.until(2, wanted);
    let now = net.now;
    net.sub(2, second).accept(now, Some(answer(2))).unwrap();
    let body = net.until(0, |event| match event {
        Event::Notified {
            subscription, body, ..
        } => (*subscription == id).then(|| body.clone()),
        _ => None,
    });
    assert_eq!(body, Some(answer(2)));
    net.assert_forgotten();
    // A resolver that says nothing ends it.
    let now = net.now;
    let id = net.endpoints[0].subscribe(now, subscribe).unwrap();
    let end = net.until(0, |event| match event {
        Event::SubscriptionEnded {
            subscription, end, ..
        } => (*subscription == id).then(|| end.clone()),
        _ => None,
    });
    assert!(
        matches!(&end, SubscriptionEnd::Failed(cause) if cause.kind == EndKind::Unresolved),
        "{end:?}"
    );
    net.assert_forgotten();
}

#[test]
fn a_refer_outside_a_call_is_sent_carried_out_and_reported() {
    let mut net = three();
    let uri: sip_core::Uri = format!("sip:user1@{}", address(1)).parse().unwrap();
    let carol = format!("sip:user2@{}", address(2)).parse().unwrap();
    let outside = Outside::new(Method::Refer, uri.clone(), alice());
    let now = net.now;
    let id = net.endpoints[0]
        .refer(now, outside, Refer::new(carol))
        .unwrap();
    let (asked, request) = net.until(1, |event| match event {
        Event::ReferRequested {
            subscription,
            call: None,
            request,
            ..
        } => Some((*subscription, request.clone())),
        _ => None,
    });
    let by = request.header("Referred-By").unwrap().to_str().into_owned();
    assert_eq!(by, "<sip:alice@example.org>");
    let invite = sip_core::Invite::referred(&request, alice()).unwrap();
    let now = net.now;
    net.endpoints[1]
        .follow(now, asked, invite.body(offer(1)))
        .unwrap();
    let called = net.until(2, incoming);
    let now = net.now;
    net.call(2, called).answer(now, Some(answer(2))).unwrap();
    let status = net.until(0, |event| match event {
        Event::Notified {
            subscription,
            body: Some(body),
            ..
        } if *subscription == id => {
            let (status, _) = body.sipfrag_status()?;
            status.is_final().then_some(status)
        }
        _ => None,
    });
    assert_eq!(status, StatusCode::OK);
    let caller = net.endpoints[1].calls().next().unwrap();
    net.hang_up(1, caller);
    net.assert_forgotten();
    let wrong = Outside::new(Method::Message, uri.clone(), alice());
    let now = net.now;
    let refused = net.endpoints[0].refer(now, wrong, Refer::new(uri));
    assert!(refused.is_err(), "another method");
}

/// RFC 3261 section 18.2.2 and RFC 3263 section 5: the connection closes before the answer, the
/// address and port of the Via refuse, and its host's addresses are asked for.
#[test]
fn a_response_finds_another_way_when_its_connection_is_gone() {
    for method in ["MESSAGE", "INVITE"] {
        let mut config = Config::default();
        config.methods = vec![Method::Message];
        let mut pen = Pen::new(config);
        pen.flow = Flow {
            transport: Transport::Tcp,
            local: pen::us(),
            remote: pen::them(),
            connection: Some(ConnectionId(7)),
        };
        let flow = pen.flow;
        pen.endpoint.handle_input(pen.now, Input::Opened { flow });
        pen.write(format!(
            "{method} sip:us@{us} SIP/2.0\r\nVia: SIP/2.0/TCP client.example.org:5070;branch=z9hG4bKx\r\n\
             Max-Forwards: 70\r\nFrom: <sip:x@{them}>;tag=1\r\nTo: <sip:us@{us}>\r\n\
             Call-ID: f\r\nCSeq: 9 {method}\r\nContact: <sip:x@{them}>\r\n\
             Content-Type: application/sdp\r\nContent-Length: 5\r\n\r\noffer",
            us = pen::us(),
            them = pen::them()
        ));
        let event = pen.events().remove(0);
        let cause = FlowError::Reset;
        pen.endpoint
            .handle_input(pen.now, Input::Closed { flow, cause });
        let now = pen.now;
        match event {
            Event::Incoming { call, .. } => {
                let handle = pen.endpoint.call(call).unwrap();
                handle.answer(now, Some(answer(1))).unwrap();
            }
            Event::Ask { id, .. } => {
                let ok = QuestionAnswer::Respond {
                    status: StatusCode::OK,
                    headers: Vec::new(),
                    body: None,
                };
                pen.endpoint.answer_question(now, id, ok).unwrap();
            }
            other => panic!("{other:?}"),
        }
        let sent_to = |pen: &mut Pen| {
            let transmit = pen.endpoint.poll_transmit().unwrap();
            let message = Message::parse(transmit.bytes).unwrap();
            assert_eq!(message.status(), Some(StatusCode::OK));
            transmit.to
        };
        let first: SocketAddr = "127.0.0.1:5070".parse().unwrap();
        assert_eq!(sent_to(&mut pen), Target::new(Transport::Tcp, first));
        let refused = |pen: &mut Pen, remote| {
            let flow = Flow {
                remote,
                connection: None,
                ..flow
            };
            let cause = FlowError::Refused;
            pen.endpoint
                .handle_input(pen.now, Input::Closed { flow, cause });
        };
        refused(&mut pen, first);
        let (id, query) = pen.events().iter().find_map(asked).unwrap();
        assert_eq!(query, DnsQuery::Address("client.example.org".to_owned()));
        let ips = ["127.0.0.1", "127.0.0.8"].map(|ip| ip.parse().unwrap());
        let answer = QuestionAnswer::Dns(DnsAnswer::Addresses(ips.to_vec()));
        pen.endpoint.answer_question(now, id, answer).unwrap();
        // The address that has refused is not tried twice.
        let second: SocketAddr = "127.0.0.8:5070".parse().unwrap();
        assert_eq!(sent_to(&mut pen), Target::new(Transport::Tcp, second));
        if method == "INVITE" {
            // The dialog repeats its 200 there.
            pen.now = pen.endpoint.poll_timeout().unwrap();
            pen.endpoint.handle_timeout(pen.now);
            assert_eq!(sent_to(&mut pen), Target::new(Transport::Tcp, second));
        }
        refused(&mut pen, second);
        assert!(pen.sent().is_empty(), "nowhere is left");
        pen.pass(Duration::from_secs(200));
        assert!(pen.endpoint.is_idle(), "{method}: {:?}", pen.endpoint);
    }
}
