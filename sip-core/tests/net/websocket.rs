//! WebSocket: calls over it, and peers that do not speak it as RFC 7118 has it.

use super::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

#[tokio::test]
async fn a_call_over_websocket() {
    call_over(Transport::Ws).await;
}

/// Sends a handshake with these lines and gives the head of the answer.
async fn shake(stream: &mut TcpStream, lines: &str) -> String {
    let request = format!(
        "GET / HTTP/1.1\r\nHost: phone\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{lines}\r\n"
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let byte = tokio::time::timeout(Duration::from_secs(5), stream.read_u8());
        match byte.await.expect("an answer") {
            Ok(byte) => head.push(byte),
            Err(_) => break,
        }
    }
    String::from_utf8(head).unwrap().to_lowercase()
}

/// One frame from a client: masked with zeros, so that the payload stands as it is.
fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![first];
    match payload.len() {
        len @ 0..126 => bytes.push(0x80 | len as u8),
        len @ 126..65_536 => {
            bytes.push(0x80 | 126);
            bytes.extend((len as u16).to_be_bytes());
        }
        len => {
            bytes.push(0x80 | 127);
            bytes.extend((len as u64).to_be_bytes());
        }
    }
    bytes.extend([0; 4]);
    bytes.extend(payload);
    bytes
}

const TEXT: u8 = 0x81;
const TEXT_TO_BE_CONTINUED: u8 = 0x01;
const LAST_CONTINUATION: u8 = 0x80;
const PING: u8 = 0x89;

/// The next frame's opcode and payload.
async fn receive(stream: &mut TcpStream) -> (u8, Vec<u8>) {
    let read = async {
        let opcode = stream.read_u8().await? & 0x0f;
        let len = match stream.read_u8().await? {
            126 => stream.read_u16().await? as usize,
            127 => stream.read_u64().await? as usize,
            len => usize::from(len),
        };
        let mut payload = vec![0; len];
        stream.read_exact(&mut payload).await?;
        Ok::<_, std::io::Error>((opcode, payload))
    };
    tokio::time::timeout(Duration::from_secs(5), read)
        .await
        .expect("a frame")
        .expect("a frame")
}

async fn callee() -> (tokio::task::JoinHandle<impl Sized>, TcpStream) {
    let (callee, at) = driver(Config::default(), Transport::Ws).await;
    let callee = tokio::spawn(phone(callee));
    (callee, TcpStream::connect(at).await.unwrap())
}

const OPTIONS: &str = "OPTIONS sip:bob@phone SIP/2.0\r\n\
    Via: SIP/2.0/WS df7jal23ls0d.invalid;branch=z9hG4bK1\r\nMax-Forwards: 70\r\n\
    From: <sip:alice@example.org>;tag=1\r\nTo: <sip:bob@example.org>\r\nCall-ID: 1\r\nCSeq: 1 OPTIONS\r\n\
    Content-Length: 0\r\n\r\n";

#[tokio::test]
async fn the_answer_comes_back_on_the_same_connection() {
    let (callee, mut stream) = callee().await;
    let lines = "Sec-WebSocket-Protocol: chat, sip\r\n\
                 Sec-WebSocket-Extensions: permessage-deflate\r\n";
    let head = shake(&mut stream, lines).await;
    assert!(head.starts_with("http/1.1 101"), "{head}");
    assert!(
        head.contains("\r\nsec-websocket-protocol: sip\r\n"),
        "{head}"
    );
    assert!(!head.contains("sec-websocket-extensions"), "{head}");

    // The host of the Via is nobody's, and never looked up.
    stream
        .write_all(&frame(TEXT, OPTIONS.as_bytes()))
        .await
        .unwrap();
    let (_, answer) = receive(&mut stream).await;
    assert!(answer.starts_with(b"SIP/2.0 200"));

    // In pieces it is the same message.
    let second = OPTIONS
        .replace("z9hG4bK1", "z9hG4bK2")
        .replace("Call-ID: 1", "Call-ID: 2");
    let (front, back) = second.as_bytes().split_at(60);
    stream
        .write_all(&frame(TEXT_TO_BE_CONTINUED, front))
        .await
        .unwrap();
    stream.write_all(&frame(PING, b"there?")).await.unwrap();
    stream
        .write_all(&frame(LAST_CONTINUATION, back))
        .await
        .unwrap();
    let mut seen = [receive(&mut stream).await, receive(&mut stream).await];
    seen.sort();
    assert!(seen[0].1.starts_with(b"SIP/2.0 200"));
    assert_eq!(seen[1], (10, b"there?".to_vec()));

    // Keep-alive (RFC 5626 section 4.4.1, in a frame by RFC 7118).
    stream.write_all(&frame(TEXT, b"\r\n\r\n")).await.unwrap();
    assert_eq!(receive(&mut stream).await.1, b"\r\n");
    callee.abort();
}

#[tokio::test]
async fn without_the_subprotocol_nobody_comes_in() {
    let (callee, mut stream) = callee().await;
    let head = shake(&mut stream, "Sec-WebSocket-Protocol: chat\r\n").await;
    assert!(head.starts_with("http/1.1 400"), "{head}");
    callee.abort();
}

/// All that comes on a connection until its end, after this was sent.
async fn asked(stream: &mut TcpStream, request: &str) -> String {
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    let read = tokio::time::timeout(Duration::from_secs(5), stream.read_to_string(&mut answer));
    read.await.expect("an end").expect("no reset");
    answer
}

/// A browser that was pointed at the door by hand, a health check, a scanner, an old client (RFC 9110 section 15.5.22).
#[tokio::test]
async fn what_is_no_websocket_handshake_is_answered_in_http() {
    const HAND: &str =
        "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Protocol: sip\r\n";
    const KEY: &str = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
    let page = "GET / HTTP/1.1\r\nHost: phone\r\nAccept: text/html\r\n\r\n".to_owned();
    let cases = [
        (page.clone(), 426),
        ("GET /health HTTP/1.0\r\n\r\n".to_owned(), 426),
        (
            page.replace(
                "\r\n\r\n",
                "\r\nConnection: keep-alive, Upgrade\r\nUpgrade: h2c\r\n\r\n",
            ),
            426,
        ),
        (
            format!("GET / HTTP/1.1\r\nSec-WebSocket-Version: 8\r\n{KEY}{HAND}\r\n"),
            426,
        ),
        (
            format!("GET / HTTP/1.1\r\nSec-WebSocket-Version: 13\r\n{HAND}\r\n"),
            400,
        ),
        (
            format!(
                "GET / HTTP/1.1\r\nSec-WebSocket-Version: 13\r\n{HAND}Sec-WebSocket-Key: 1\r\n\r\n"
            ),
            400,
        ),
        (
            format!("GET / HTTP/1.1\r\nSec-WebSocket-Version: 13\r\n{KEY}{HAND}\r\nand more"),
            400,
        ),
        (
            "POST / HTTP/1.1\r\nContent-Length: 3\r\n\r\na=b".to_owned(),
            400,
        ),
        (OPTIONS.to_owned(), 400),
        ("\u{1}\u{2}\u{3}".to_owned(), 400),
        (format!("GET /{} HTTP/1.1\r\n\r\n", "a".repeat(70_000)), 400),
        (
            format!("GET / HTTP/1.1\r\n{}\r\n", "A: b\r\n".repeat(1_000)),
            400,
        ),
    ];
    let (callee, at) = driver(Config::default(), Transport::Ws).await;
    let callee = tokio::spawn(phone(callee));
    for (request, status) in cases {
        let what = &request[..request.len().min(200)];
        let mut stream = TcpStream::connect(at).await.unwrap();
        let answer = asked(&mut stream, &request).await;
        let (head, body) = answer.split_once("\r\n\r\n").expect("an answer");
        assert!(
            head.starts_with(&format!("HTTP/1.1 {status} ")),
            "{what}: {head}"
        );
        assert!(
            body.contains("SIP over WebSocket (RFC 7118)"),
            "{what}: {body}"
        );
        assert!(
            head.contains(&format!("\r\nContent-Length: {}", body.len())),
            "{head}"
        );
        assert!(head.contains("\r\nContent-Type: text/plain"), "{head}");
        let upgrade = "\r\nUpgrade: websocket\r\nConnection: Upgrade, close\r\n";
        assert_eq!(head.contains(upgrade), status == 426, "{what}: {head}");
        assert_eq!(
            head.contains("\r\nConnection: close"),
            status == 400,
            "{what}: {head}"
        );
        let version = what.contains("-Version: 8");
        assert_eq!(
            head.contains("\r\nSec-WebSocket-Version: 13"),
            version,
            "{what}: {head}"
        );
    }
    // Others come in as before.
    let mut stream = TcpStream::connect(at).await.unwrap();
    let head = shake(&mut stream, "Sec-WebSocket-Protocol: sip\r\n").await;
    assert!(head.starts_with("http/1.1 101"), "{head}");
    callee.abort();
}

#[tokio::test]
async fn a_frame_longer_than_any_message_closes_the_connection() {
    let (callee, mut stream) = callee().await;
    shake(&mut stream, "Sec-WebSocket-Protocol: sip\r\n").await;
    // The head says how long it will be; nobody waits for ten megabytes.
    let long = frame(TEXT, &vec![b'a'; 10_000_000]);
    stream.write_all(&long[..64]).await.unwrap();
    let (opcode, payload) = receive(&mut stream).await;
    assert_eq!((opcode, &payload[..2]), (8, &1009_u16.to_be_bytes()[..]));
    callee.abort();
}
