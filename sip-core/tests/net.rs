//! The driver over real sockets on loopback.
#![cfg(feature = "net")]
#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout
)]

#[path = "net/cores.rs"]
mod cores;
#[path = "net/faults.rs"]
mod faults;
#[cfg(feature = "tracing")]
#[path = "net/log.rs"]
mod log;
#[path = "net/many.rs"]
mod many;
#[cfg(feature = "dns")]
#[path = "net/names.rs"]
mod names;
#[path = "net/overload.rs"]
mod overload;
#[path = "net/rport.rs"]
mod rport;
#[cfg(feature = "tls")]
#[path = "net/secure.rs"]
mod secure;
#[cfg(feature = "ws")]
#[path = "net/websocket.rs"]
mod websocket;

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use sip_core::auth::Account;
use sip_core::header::NameAddr;
use sip_core::net::{Direction, Driver, Listen};
use sip_core::{
    Body, CallId, Config, DigestPolicy, EndKind, EndedBy, Event, FlowError, Invite, StatusCode,
    Transport,
};

fn chance() -> sip_core::Chance {
    use std::io::Read;
    // Opened once: a test takes all descriptors that there are.
    let mut source = std::fs::File::open("/dev/urandom").unwrap();
    Box::new(move |bytes| source.read_exact(bytes).unwrap())
}

/// A request that is answered by itself, over TCP as it stands.
fn options(number: usize) -> String {
    format!(
        "OPTIONS sip:bob@127.0.0.1 SIP/2.0\r\n\
         Via: SIP/2.0/TCP 127.0.0.1:5060;branch=z9hG4bK{number};rport\r\nMax-Forwards: 70\r\n\
         From: <sip:alice@example.org>;tag=1\r\nTo: <sip:bob@example.org>\r\nCall-ID: {number}\r\n\
         CSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n"
    )
}

/// The transports that this build has.
fn built() -> Vec<Transport> {
    let mut transports = vec![Transport::Udp, Transport::Tcp];
    if cfg!(feature = "tls") {
        transports.push(Transport::Tls);
    }
    if cfg!(feature = "ws") {
        transports.push(Transport::Ws);
    }
    if cfg!(all(feature = "tls", feature = "ws")) {
        transports.push(Transport::Wss);
    }
    transports
}

async fn driver(config: Config, transport: Transport) -> (Driver, SocketAddr) {
    let mut driver = Driver::new(config, chance());
    #[cfg(feature = "tls")]
    secure::configure(&mut driver);
    driver.set_tap(1000);
    let listen = Listen::new(transport, "127.0.0.1:0".parse().unwrap());
    let bound = driver.listen(listen).await.unwrap();
    (driver, bound)
}

fn sdp(name: &str) -> Body {
    Body::sdp(format!("v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns={name}\r\n"))
}

fn invite(to: &str) -> Invite {
    Invite::new(
        to.parse().unwrap(),
        NameAddr::new(&"sip:alice@example.org".parse().unwrap()),
    )
    .body(sdp("offer"))
}

/// Answers one call, takes one re-INVITE, and returns why it ended.
async fn phone(mut driver: Driver) -> (Driver, sip_core::EndCause) {
    loop {
        let event = driver.next_event().await;
        let now = Instant::now();
        let endpoint = driver.endpoint();
        match event {
            Event::Incoming { call, .. } => {
                endpoint
                    .call(call)
                    .unwrap()
                    .ring(now, StatusCode::RINGING, None)
                    .unwrap();
                endpoint
                    .call(call)
                    .unwrap()
                    .answer(now, Some(sdp("answer")))
                    .unwrap();
            }
            Event::Offered { call, .. } => {
                endpoint
                    .call(call)
                    .unwrap()
                    .accept(now, sdp("held"))
                    .unwrap();
            }
            Event::Ended { cause, .. } => return (driver, cause),
            _ => {}
        }
    }
}

async fn until<T>(driver: &mut Driver, mut pick: impl FnMut(&Event) -> Option<T>) -> T {
    let wait = async {
        loop {
            let event = driver.next_event().await;
            if let Some(value) = pick(&event) {
                return value;
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(10), wait)
        .await
        .expect("in time")
}

async fn call_over(transport: Transport) {
    let mut config = Config::default();
    config.digest = Some(DigestPolicy::new("home", [1; 32]).user("bob", "secret"));
    let (callee, at) = driver(config, transport).await;
    let callee = tokio::spawn(phone(callee));
    let (mut caller, _) = driver(Config::default(), transport).await;
    // `ws` in a `sips` URI is WSS (RFC 7118 section 5).
    let scheme = if transport == Transport::Wss {
        "sips"
    } else {
        "sip"
    };
    let to = format!("{scheme}:bob@{at};transport={}", transport.param());
    let account = Account::with_password("bob", "secret");
    let now = Instant::now();
    let call: CallId = caller
        .endpoint()
        .invite(now, invite(&to).account(account))
        .unwrap();
    let body = until(&mut caller, |event| match event {
        Event::Answered { body, .. } => Some(body.clone()),
        _ => None,
    })
    .await;
    assert_eq!(body, Some(sdp("answer")));
    caller
        .endpoint()
        .call(call)
        .unwrap()
        .reinvite(Instant::now(), sdp("hold"))
        .unwrap();
    let body = until(&mut caller, |event| match event {
        Event::ReinviteAnswered { answer, .. } => Some(answer.clone()),
        _ => None,
    })
    .await;
    assert_eq!(body, Some(sdp("held")));
    caller
        .endpoint()
        .call(call)
        .unwrap()
        .hang_up(Instant::now())
        .unwrap();
    let cause = until(&mut caller, |event| match event {
        Event::Ended { cause, .. } => Some(cause.clone()),
        _ => None,
    })
    .await;
    assert_eq!((cause.by, cause.kind), (EndedBy::Local, EndKind::HungUp));
    let (mut callee, cause) = callee.await.unwrap();
    assert_eq!((cause.by, cause.kind), (EndedBy::Remote, EndKind::HungUp));

    let mut lines = Vec::new();
    while let Some(tap) = caller.poll_tap() {
        assert_eq!(tap.flow.transport, transport);
        let text = String::from_utf8_lossy(&tap.bytes).into_owned();
        if tap.direction == Direction::Sent {
            lines.push(text.split(' ').next().unwrap().to_owned());
        }
    }
    assert_eq!(
        lines,
        ["INVITE", "ACK", "INVITE", "ACK", "INVITE", "ACK", "BYE"]
    );
    assert!(callee.poll_tap().is_some());
    assert_eq!(caller.tap_lost(), 0);
}

#[tokio::test]
async fn a_call_over_udp() {
    call_over(Transport::Udp).await;
}

#[tokio::test]
async fn a_call_over_tcp() {
    call_over(Transport::Tcp).await;
}

#[tokio::test]
async fn a_connection_that_is_refused_names_the_host() {
    let (mut caller, _) = driver(Config::default(), Transport::Tcp).await;
    // Bound and closed again, so that nobody listens there.
    let nobody = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let to = format!("sip:bob@{nobody};transport=tcp");
    caller
        .endpoint()
        .invite(Instant::now(), invite(&to))
        .unwrap();
    let cause = until(&mut caller, |event| match event {
        Event::Ended { cause, .. } => Some(cause.clone()),
        _ => None,
    })
    .await;
    assert_eq!(cause.kind, EndKind::Transport(FlowError::Refused));
    assert!(cause.to_string().contains(&nobody.to_string()), "{cause}");
}

#[tokio::test]
async fn names_are_looked_up() {
    let (callee, at) = driver(Config::default(), Transport::Udp).await;
    let callee = tokio::spawn(phone(callee));
    let (mut caller, _) = driver(Config::default(), Transport::Udp).await;
    let to = format!("sip:bob@localhost:{}", at.port());
    let call = caller
        .endpoint()
        .invite(Instant::now(), invite(&to))
        .unwrap();
    until(&mut caller, |event| {
        matches!(event, Event::Answered { .. }).then_some(())
    })
    .await;
    caller
        .endpoint()
        .call(call)
        .unwrap()
        .hang_up(Instant::now())
        .unwrap();
    until(&mut caller, |event| {
        matches!(event, Event::Ended { .. }).then_some(())
    })
    .await;
    callee.await.unwrap();

    let nowhere = invite("sip:bob@no-such-host.invalid:5060");
    caller.endpoint().invite(Instant::now(), nowhere).unwrap();
    let cause = until(&mut caller, |event| match event {
        Event::Ended { cause, .. } => Some(cause.clone()),
        _ => None,
    })
    .await;
    assert_eq!(cause.kind, EndKind::Unresolved, "{cause}");
}

#[tokio::test]
async fn garbage_on_a_stream_closes_it_and_nothing_else() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let (callee, at) = driver(Config::default(), Transport::Tcp).await;
    let callee = tokio::spawn(phone(callee));
    let mut stream = tokio::net::TcpStream::connect(at).await.unwrap();
    stream.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
    let mut rest = Vec::new();
    let read = stream.read_to_end(&mut rest);
    tokio::time::timeout(Duration::from_secs(5), read)
        .await
        .expect("closed")
        .ok();
    // Pings are answered (RFC 5626 section 4.4.1).
    let mut stream = tokio::net::TcpStream::connect(at).await.unwrap();
    stream.write_all(b"\r\n\r\n").await.unwrap();
    let mut pong = [0; 2];
    let read = stream.read_exact(&mut pong);
    tokio::time::timeout(Duration::from_secs(5), read)
        .await
        .expect("answered")
        .unwrap();
    assert_eq!(&pong, b"\r\n");
    callee.abort();
}

#[test]
fn the_driver_is_send() {
    fn send<T: Send>(_: T) {}
    send(Driver::new(Config::default(), chance()));
}

#[tokio::test]
async fn waiting_for_an_event_is_cancel_safe() {
    let (callee, at) = driver(Config::default(), Transport::Udp).await;
    let callee = tokio::spawn(phone(callee));
    let (mut caller, _) = driver(Config::default(), Transport::Udp).await;
    let call = caller
        .endpoint()
        .invite(Instant::now(), invite(&format!("sip:bob@{at}")))
        .unwrap();
    let mut seen = Vec::new();
    while seen.len() < 2 {
        tokio::select! {
            biased;
            event = caller.next_event() => match event {
                Event::Progress { .. } => seen.push("progress"),
                Event::Answered { .. } => seen.push("answered"),
                _ => {}
            },
            () = tokio::time::sleep(Duration::from_micros(50)) => {}
        }
    }
    assert_eq!(seen, ["progress", "answered"]);
    caller
        .endpoint()
        .call(call)
        .unwrap()
        .hang_up(Instant::now())
        .unwrap();
    until(&mut caller, |event| {
        matches!(event, Event::Ended { .. }).then_some(())
    })
    .await;
    callee.await.unwrap();
}
