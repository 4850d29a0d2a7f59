//! Where a response goes over UDP, and what its Via says of where the request came from (RFC 3581, RFC 3261 section 18.2).

use tokio::net::UdpSocket;

use super::*;

/// A user agent that answers OPTIONS by itself.
async fn automaton() -> (SocketAddr, tokio::task::JoinHandle<()>) {
    let (mut driver, at) = driver(Config::default(), Transport::Udp).await;
    let task = tokio::spawn(async move {
        loop {
            driver.next_event().await;
        }
    });
    (at, task)
}

async fn bound() -> (UdpSocket, u16) {
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let port = socket.local_addr().unwrap().port();
    (socket, port)
}

fn options(via: &str) -> String {
    let call = via.split("z9hG4bK").nth(1).unwrap();
    format!(
        "OPTIONS sip:bob@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP {via}\r\nMax-Forwards: 70\r\n\
         From: <sip:alice@example.org>;tag=1\r\nTo: <sip:bob@example.org>\r\nCall-ID: {call}\r\n\
         CSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n"
    )
}

/// The Via of the response that comes here.
async fn via_of_answer(socket: &UdpSocket) -> String {
    let mut buffer = [0; 2048];
    let read = tokio::time::timeout(Duration::from_secs(5), socket.recv(&mut buffer));
    let len = read.await.expect("an answer here").unwrap();
    let text = String::from_utf8_lossy(&buffer[..len]).into_owned();
    assert!(text.starts_with("SIP/2.0 200 OK\r\n"), "{text}");
    let line = text.lines().find(|line| line.starts_with("Via: "));
    line.unwrap().to_owned()
}

/// Section 4: to the source port, with both parameters filled in, whatever the Via says.
#[tokio::test]
async fn with_rport_the_answer_goes_back_to_where_the_request_came_from() {
    let (at, task) = automaton().await;
    let (socket, port) = bound().await;
    for host in ["192.0.2.1:5070", "phone.example.org", "127.0.0.1:9"] {
        let via = format!("{host};rport;branch=z9hG4bK{}", host.len());
        socket.send_to(options(&via).as_bytes(), at).await.unwrap();
        let via = via_of_answer(&socket).await;
        assert!(via.contains(host), "{via}");
        assert!(via.contains(";received=127.0.0.1"), "{via}");
        assert!(via.contains(&format!(";rport={port}")), "{via}");
    }
    task.abort();
}

/// RFC 3261 section 18.2.2: to the source address, and the port of the Via.
#[tokio::test]
async fn without_rport_the_answer_goes_to_the_port_of_the_via() {
    let (at, task) = automaton().await;
    let (sender, _) = bound().await;
    let (told, port) = bound().await;
    for (host, received) in [("192.0.2.1", true), ("127.0.0.1", false)] {
        let via = format!("{host}:{port};branch=z9hG4bK{}", host.len());
        sender.send_to(options(&via).as_bytes(), at).await.unwrap();
        let via = via_of_answer(&told).await;
        assert_eq!(via.contains(";received=127.0.0.1"), received, "{via}");
        assert!(!via.contains("rport"), "{via}");
    }
    task.abort();
}

/// Section 3: our own requests ask for it, and an answer that carries both is ours.
#[tokio::test]
async fn our_requests_ask_for_rport_and_take_the_answer_that_has_it() {
    let (server, server_port) = bound().await;
    let (mut caller, at) = driver(Config::default(), Transport::Udp).await;
    let from = NameAddr::new(&"sip:alice@example.org".parse().unwrap());
    let to = format!("sip:bob@127.0.0.1:{server_port}");
    let ask = sip_core::Options::new(to.parse().unwrap(), from);
    caller.endpoint().options(Instant::now(), ask).unwrap();
    caller.flush();
    let mut buffer = [0; 2048];
    let (len, source) = server.recv_from(&mut buffer).await.unwrap();
    assert_eq!(source, at, "from the port where we listen (section 3)");
    let request = String::from_utf8_lossy(&buffer[..len]).into_owned();
    let via = request.lines().find(|line| line.starts_with("Via: "));
    let via = via.unwrap();
    assert!(via.contains(";rport;") || via.ends_with(";rport"), "{via}");
    let filled = format!(";received=127.0.0.1;rport={}", source.port());
    let answer = request
        .replace(";rport", &filled)
        .replacen(request.lines().next().unwrap(), "SIP/2.0 200 OK", 1)
        .replacen("\r\nTo: ", "\r\nTo: \"there\" ", 1);
    server.send_to(answer.as_bytes(), source).await.unwrap();
    let reached = until(&mut caller, |event| match event {
        Event::Replied { result, .. } => Some(result.is_ok()),
        _ => None,
    });
    assert!(reached.await);
}
