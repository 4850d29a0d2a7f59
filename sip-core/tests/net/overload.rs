//! More calls than there is time for, and a driver that stops: what is refused is told when to come again, and what
//! stands goes on.

use std::collections::HashMap;
use std::net::UdpSocket;

use sip_core::Drain;

use super::*;

fn hello(number: usize, at: SocketAddr) -> String {
    format!(
        "INVITE sip:bob@{at} SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1;branch=z9hG4bK{number};rport\r\n\
         Max-Forwards: 70\r\nFrom: <sip:alice@example.org>;tag={number}\r\nTo: <sip:bob@example.org>\r\n\
         Call-ID: {number}\r\nCSeq: 1 INVITE\r\nContact: <sip:alice@example.org>\r\nContent-Length: 0\r\n\r\n"
    )
}

/// Sends these calls at once and reads until each is answered: its final status, and whether it says when to come again.
/// Blocking, on a thread of its own: what nobody reads the kernel throws away.
fn call(socket: &UdpSocket, calls: std::ops::Range<usize>) -> HashMap<usize, (u16, bool)> {
    let at = socket.peer_addr().unwrap();
    for number in calls.clone() {
        socket.send(hello(number, at).as_bytes()).unwrap();
    }
    let mut answers = HashMap::new();
    let mut buffer = [0; 2048];
    while answers.len() < calls.len() {
        let len = socket.recv(&mut buffer).expect("an answer in time");
        let text = String::from_utf8_lossy(&buffer[..len]).into_owned();
        let status: u16 = text[8..11].parse().unwrap();
        let number = text.split("Call-ID: ").nth(1).unwrap();
        let number = number.lines().next().unwrap().parse().unwrap();
        if status >= 200 && calls.contains(&number) {
            answers.insert(number, (status, text.contains("\r\nRetry-After: ")));
        }
    }
    answers
}

/// The application needs 3 ms for each call and 150 come at once: half a second of work.
#[tokio::test]
async fn who_comes_while_the_loop_is_late_is_refused_and_everybody_is_answered() {
    const CALLS: usize = 150;
    let (mut callee, at) = driver(Config::default(), Transport::Udp).await;
    let (done, mut finished) = tokio::sync::oneshot::channel();
    let task = tokio::spawn(async move {
        let mut served = 0;
        loop {
            let event = tokio::select! {
                event = callee.next_event() => event,
                answered = &mut finished => return (callee, served, answered.expect("a caller")),
            };
            if let Event::Incoming { call, .. } = event {
                std::thread::sleep(Duration::from_millis(3));
                served += 1;
                let handle = callee.endpoint().call(call).unwrap();
                handle
                    .reject(Instant::now(), StatusCode::BUSY_HERE, None)
                    .unwrap();
            }
        }
    });
    std::thread::spawn(move || {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.connect(at).unwrap();
        socket
            .set_read_timeout(Some(Duration::from_secs(20)))
            .unwrap();
        let answered = call(&socket, 0..CALLS);
        // Rested again, it serves the next.
        std::thread::sleep(Duration::from_millis(300));
        let rested = call(&socket, CALLS..CALLS + 1);
        done.send((answered, rested)).unwrap();
    });
    let (mut callee, served, (answered, rested)) = task.await.unwrap();
    let refused = answered
        .values()
        .filter(|(status, _)| *status == 503)
        .count();
    assert!(
        answered
            .values()
            .all(|(status, again)| (*status == 503) == *again)
    );
    assert!((10..CALLS - 10).contains(&refused), "{refused} of {CALLS}");
    assert_eq!(rested[&CALLS].0, 486);
    assert_eq!(callee.endpoint().counters().overload, refused as u64);
    assert_eq!(served, CALLS + 1 - refused);
}

/// Over UDP and TCP: a call that stands goes on, a new one is refused, and at the deadline BYE ends what is left.
#[tokio::test]
async fn a_drain_refuses_new_calls_and_ends_those_that_are_left_at_its_deadline() {
    for transport in [Transport::Udp, Transport::Tcp] {
        let (mut callee, at) = driver(Config::default(), transport).await;
        let to = format!("sip:bob@{at};transport={}", transport.param());
        let (stop, mut stopped) = tokio::sync::oneshot::channel::<()>();
        let task = tokio::spawn(async move {
            let mut left = None;
            loop {
                let event = tokio::select! {
                    event = callee.next_event() => event,
                    _ = &mut stopped, if left.is_none() => {
                        let now = Instant::now();
                        left = Some(now);
                        let drain = Drain::new(Duration::from_millis(600)).retry_after(Duration::from_secs(7));
                        callee.endpoint().drain(now, drain);
                        continue;
                    }
                };
                match event {
                    Event::Incoming { call, .. } => {
                        let handle = callee.endpoint().call(call).unwrap();
                        handle.answer(Instant::now(), Some(sdp("answer"))).unwrap();
                    }
                    Event::Drained => return left.expect("drained after the drain").elapsed(),
                    _ => {}
                }
            }
        });
        let (mut caller, _) = driver(Config::default(), transport).await;
        let now = Instant::now();
        let standing = caller.endpoint().invite(now, invite(&to)).unwrap();
        until(&mut caller, |event| {
            matches!(event, Event::Answered { .. }).then_some(())
        })
        .await;
        stop.send(()).unwrap();
        tokio::time::sleep(Duration::from_millis(100)).await;
        // A caller of its own: the first would go to no other server than this.
        let (mut other, _) = driver(Config::default(), transport).await;
        other
            .endpoint()
            .invite(Instant::now(), invite(&to))
            .unwrap();
        let refused = until(&mut other, |event| match event {
            Event::Ended { cause, message, .. } => Some((cause.clone(), message.clone())),
            _ => None,
        });
        let (cause, message) = refused.await;
        assert_eq!(cause.status, Some(StatusCode::SERVICE_UNAVAILABLE));
        let message = message.expect("the 503");
        let again = message
            .header(sip_core::HeaderName::RETRY_AFTER)
            .expect("Retry-After");
        assert_eq!(again.to_str(), "7");
        // The first stands, until the deadline.
        assert!(caller.endpoint().call(standing).is_ok());
        let cause = until(&mut caller, |event| match event {
            Event::Ended { cause, .. } => Some(cause.clone()),
            _ => None,
        })
        .await;
        assert_eq!((cause.by, cause.kind), (EndedBy::Remote, EndKind::HungUp));
        // The 200 to the BYE.
        caller.flush();
        let took = task.await.unwrap();
        assert!((600..3000).contains(&took.as_millis()), "{took:?}");
    }
}
