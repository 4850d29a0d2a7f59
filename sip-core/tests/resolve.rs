//! RFC 3263 through the endpoint: questions answered with records, and failover on virtual time.
#![allow(clippy::disallowed_methods, clippy::unwrap_used)]

mod support;

use std::net::SocketAddr;
use std::time::Duration;

use sip_core::header::NameAddr;
use sip_core::resolve::{DnsAnswer, DnsQuery, Naptr, Srv};
use sip_core::{
    CallState, EndKind, Event, Flow, FlowError, Input, Invite, Question, QuestionAnswer,
    QuestionId, StatusCode,
};
use support::*;

fn call_bob(net: &mut Network) -> sip_core::CallId {
    let from = NameAddr::new(&"sip:alice@example.org".parse().unwrap());
    let invite = Invite::new("sip:bob@example.org".parse().unwrap(), from).body(offer(0));
    let now = net.now;
    net.endpoints[0].invite(now, invite).unwrap()
}

fn asked(event: &Event) -> Option<(QuestionId, DnsQuery)> {
    match event {
        Event::Ask {
            id,
            question: Question::Resolve { query, host, .. },
            ..
        } => {
            assert_eq!(host, "example.org");
            Some((*id, query.clone()))
        }
        _ => None,
    }
}

/// Servers 1, 2 and 3 in this order, at the addresses of the network.
fn records(query: &DnsQuery) -> DnsAnswer {
    match query {
        DnsQuery::Naptr(_) => {
            DnsAnswer::Naptr(vec![Naptr::new(1, 1, "SIP+D2U", "_sip._udp.example.org")])
        }
        DnsQuery::Srv(name) => {
            assert_eq!(name, "_sip._udp.example.org");
            let record = |index: u16| {
                let port = address(usize::from(index)).port();
                Srv::new(index, 0, port, &format!("s{index}.example.org"))
            };
            DnsAnswer::Srv((1..=3).map(record).collect())
        }
        DnsQuery::Address(_) => DnsAnswer::Addresses(vec![address(0).ip()]),
        _ => DnsAnswer::Nothing,
    }
}

fn answer_dns(net: &mut Network) -> DnsQuery {
    let (id, query) = net.until(0, asked);
    let (now, answer) = (net.now, QuestionAnswer::Dns(records(&query)));
    net.endpoints[0].answer_question(now, id, answer).unwrap();
    query
}

fn four() -> Network {
    Network::new(3, (0..4).map(|_| Default::default()).collect())
}

#[test]
fn records_are_asked_for_one_by_one_and_503_leads_to_the_next_server() {
    let mut net = four();
    let call = call_bob(&mut net);
    for want in ["example.org", "_sip._udp.example.org", "s1.example.org"] {
        assert_eq!(net.call(0, call).state(), CallState::Resolving);
        assert_eq!(answer_dns(&mut net).name(), want);
    }
    let first = net.until(1, incoming);
    let now = net.now;
    let busy = StatusCode::SERVICE_UNAVAILABLE;
    let handle = net.call(1, first);
    handle.reject(now, busy, None).unwrap();
    // Only now the second server's addresses are asked for, and nothing failed yet for the caller.
    assert_eq!(answer_dns(&mut net).name(), "s2.example.org");
    let second = net.until(2, incoming);
    let (now, body) = (net.now, Some(answer(2)));
    net.call(2, second).answer(now, body).unwrap();
    net.until(0, |e| matches!(e, Event::Answered { .. }).then_some(()));

    // The next call goes to the second at once: the first said 503 a moment ago.
    let next = call_bob(&mut net);
    for _ in 0..4 {
        answer_dns(&mut net);
    }
    net.until(2, incoming);
    assert_eq!(net.count(0, "INVITE"), 3);
    let now = net.now;
    for id in [call, next] {
        net.call(0, id).hang_up(now).unwrap();
    }
    net.assert_forgotten();

    // After a while it is the first's turn again.
    call_bob(&mut net);
    for _ in 0..3 {
        answer_dns(&mut net);
    }
    net.until(1, incoming);
}

#[test]
fn timeouts_and_transport_errors_lead_to_the_next_and_the_last_one_names_the_cause() {
    let mut net = four();
    // Nobody at the first; the second's network is down; the third declines.
    net.lose = Box::new({
        let mut count = 0;
        move |from, message| {
            let invite = message.to_string().starts_with("INVITE");
            count += usize::from(from == 0 && invite);
            // Timer A sends 7 times until timer B.
            from == 0 && invite && count <= 8
        }
    });
    call_bob(&mut net);
    for _ in 0..3 {
        answer_dns(&mut net);
    }
    assert_eq!(answer_dns(&mut net).name(), "s2.example.org");
    assert_eq!((net.now - net.start).as_secs(), 32, "after timer B");
    net.drain();
    let down: SocketAddr = address(2);
    let flow = Flow::udp(address(0), down);
    let (now, cause) = (net.now, FlowError::Unreachable);
    net.endpoints[0].handle_input(now, Input::Closed { flow, cause });
    assert_eq!(answer_dns(&mut net).name(), "s3.example.org");
    assert_eq!((net.now - net.start).as_secs(), 32, "at once");
    let third = net.until(3, incoming);
    let now = net.now;
    let handle = net.call(3, third);
    handle.reject(now, StatusCode::BUSY_HERE, None).unwrap();
    // 486 is an answer, not a failure: nobody else is asked.
    let cause = net.until(0, ended);
    assert_eq!(cause.status, Some(StatusCode::BUSY_HERE));
    net.assert_forgotten();
}

#[test]
fn a_caller_who_gives_up_between_two_servers_ends_the_call_without_a_message() {
    let mut net = four();
    let call = call_bob(&mut net);
    for _ in 0..3 {
        answer_dns(&mut net);
    }
    let first = net.until(1, incoming);
    let now = net.now;
    let handle = net.call(1, first);
    handle
        .reject(now, StatusCode::SERVICE_UNAVAILABLE, None)
        .unwrap();
    let (id, _) = net.until(0, asked);
    net.hang_up(0, call);
    assert_eq!(net.until(0, ended).kind, EndKind::Cancelled);
    let late = QuestionAnswer::Dns(DnsAnswer::Nothing);
    assert!(net.endpoints[0].answer_question(now, id, late).is_err());
    assert_eq!(net.count(0, "CANCEL"), 0);
    net.assert_forgotten();
}

#[test]
fn a_silent_resolver_ends_the_call_with_what_the_last_server_said() {
    let mut net = four();
    call_bob(&mut net);
    for _ in 0..3 {
        answer_dns(&mut net);
    }
    let first = net.until(1, incoming);
    let now = net.now;
    let handle = net.call(1, first);
    handle
        .reject(now, StatusCode::SERVICE_UNAVAILABLE, None)
        .unwrap();
    let cause = net.until(0, ended);
    assert_eq!(cause.status, Some(StatusCode::SERVICE_UNAVAILABLE));
    // And when nothing at all is known, it says so.
    call_bob(&mut net);
    let before = net.now;
    let cause = net.until(0, ended);
    assert_eq!(cause.kind, EndKind::Unresolved);
    assert_eq!(net.now - before, Duration::from_secs(10), "asked once");
    net.assert_forgotten();
}

#[test]
fn retry_after_is_believed() {
    let mut net = four();
    let busy = |net: &mut Network, header: &str| {
        call_bob(net);
        for _ in 0..3 {
            answer_dns(net);
        }
        // The 503 of a server that is about to restart, by hand: the endpoint's own has no header.
        let invite = loop {
            net.step();
            if let Some(event) = net.events[1].pop()
                && let Event::Incoming { request, call, .. } = event
            {
                break (request, call);
            }
        };
        let (request, call) = invite;
        let response = request
            .reply(StatusCode::SERVICE_UNAVAILABLE)
            .to_tag("gone")
            .header("Retry-After", header)
            .build()
            .unwrap();
        let flow = Flow::udp(address(0), address(1));
        let (now, bytes) = (net.now, response.to_bytes());
        net.endpoints[0].handle_input(now, Input::Received { flow, bytes });
        let now = net.now;
        net.call(1, call)
            .reject(now, StatusCode::SERVICE_UNAVAILABLE, None)
            .unwrap();
        answer_dns(net);
        let second = net.until(2, incoming);
        let now = net.now;
        let handle = net.call(2, second);
        handle.reject(now, StatusCode::DECLINE, None).unwrap();
        net.until(0, ended);
    };
    busy(&mut net, "300");
    net.run(Duration::from_secs(240));
    call_bob(&mut net);
    for _ in 0..4 {
        answer_dns(&mut net);
    }
    let other = net.until(2, incoming);
    let now = net.now;
    let handle = net.call(2, other);
    handle.reject(now, StatusCode::DECLINE, None).unwrap();
    net.until(0, ended);
    net.run(Duration::from_secs(61));
    call_bob(&mut net);
    for _ in 0..3 {
        answer_dns(&mut net);
    }
    net.until(1, incoming);
}
