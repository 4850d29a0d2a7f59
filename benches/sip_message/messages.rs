//! The messages that every parser is timed on: CRLF line ends, a right Content-Length.

pub(crate) struct Sample {
    pub(crate) name: &'static str,
    pub(crate) bytes: Vec<u8>,
}

const SDP: &str = "v=0\n\
o=alice 2890844526 2890844526 IN IP4 192.0.2.10\n\
s=-\n\
c=IN IP4 192.0.2.10\n\
t=0 0\n\
m=audio 49170 RTP/AVP 111 0 8 101\n\
a=rtpmap:111 opus/48000/2\n\
a=rtpmap:0 PCMU/8000\n\
a=rtpmap:8 PCMA/8000\n\
a=rtpmap:101 telephone-event/8000\n\
a=fmtp:101 0-16\n\
a=ptime:20\n\
a=sendrecv\n";

const INVITE: &str = "INVITE sip:bob@biloxi.example.com:5060;transport=udp SIP/2.0\n\
Via: SIP/2.0/UDP pc33.atlanta.example.com:5060;branch=z9hG4bKnashds8-4711;rport\n\
Max-Forwards: 70\n\
From: \"Alice Liddell\" <sip:alice@atlanta.example.com>;tag=1928301774\n\
To: Bob <sip:bob@biloxi.example.com>\n\
Call-ID: a84b4c76e66710@pc33.atlanta.example.com\n\
CSeq: 314159 INVITE\n\
Contact: <sip:alice@192.0.2.10:5060;transport=udp>\n\
Allow: INVITE, ACK, CANCEL, BYE, OPTIONS, REFER, NOTIFY, UPDATE\n\
Supported: replaces, timer, 100rel\n\
Session-Expires: 1800;refresher=uac\n\
Min-SE: 90\n\
User-Agent: Example-Phone/1.2.3\n\
Subject: Call\n\
Content-Type: application/sdp\n";

const OK: &str = "SIP/2.0 200 OK\n\
Via: SIP/2.0/UDP proxy.biloxi.example.com:5060;branch=z9hG4bK4b43c2ff8.1;received=192.0.2.111\n\
Via: SIP/2.0/UDP pc33.atlanta.example.com:5060;branch=z9hG4bKnashds8-4711;received=192.0.2.10;rport=5060\n\
Record-Route: <sip:proxy.biloxi.example.com;lr>\n\
From: \"Alice Liddell\" <sip:alice@atlanta.example.com>;tag=1928301774\n\
To: Bob <sip:bob@biloxi.example.com>;tag=a6c85cf\n\
Call-ID: a84b4c76e66710@pc33.atlanta.example.com\n\
CSeq: 314159 INVITE\n\
Contact: <sip:bob@192.0.2.4:5060;transport=udp>\n\
Allow: INVITE, ACK, CANCEL, BYE, OPTIONS\n\
Supported: replaces, timer\n\
Server: Example-Server/2.0\n\
Content-Type: application/sdp\n";

const REGISTER: &str = "REGISTER sip:registrar.biloxi.example.com SIP/2.0\n\
Via: SIP/2.0/UDP bobspc.biloxi.example.com:5060;branch=z9hG4bKnashds7;rport\n\
Max-Forwards: 70\n\
From: Bob <sip:bob@biloxi.example.com>;tag=456248\n\
To: Bob <sip:bob@biloxi.example.com>\n\
Call-ID: 843817637684230@998sdasdh09\n\
CSeq: 1827 REGISTER\n\
Contact: <sip:bob@192.0.2.4:5060>;expires=3600\n\
Authorization: Digest username=\"bob\", realm=\"biloxi.example.com\", nonce=\"dcd98b7102dd2f0e8b11d0f600bfb0c093\", uri=\"sip:registrar.biloxi.example.com\", response=\"245f23415f11432b3434341c022eb4b6\", algorithm=MD5, cnonce=\"0a4f113b\", qop=auth, nc=00000001, opaque=\"5ccc069c403ebaf9f0171e9517f40e41\"\n\
User-Agent: Example-Phone/1.2.3\n\
Expires: 3600\n";

const ACK: &str = "ACK sip:bob@192.0.2.4:5060 SIP/2.0\n\
Via: SIP/2.0/UDP pc33.atlanta.example.com:5060;branch=z9hG4bKnashds9\n\
Max-Forwards: 70\n\
From: \"Alice Liddell\" <sip:alice@atlanta.example.com>;tag=1928301774\n\
To: Bob <sip:bob@biloxi.example.com>;tag=a6c85cf\n\
Call-ID: a84b4c76e66710@pc33.atlanta.example.com\n\
CSeq: 314159 ACK\n";

fn build(head: &str, body: &str) -> Vec<u8> {
    let (head, body) = (head.replace('\n', "\r\n"), body.replace('\n', "\r\n"));
    format!("{head}Content-Length: {}\r\n\r\n{body}", body.len()).into_bytes()
}

pub(crate) fn samples() -> Vec<Sample> {
    let sample = |name, head, body| Sample {
        name,
        bytes: build(head, body),
    };
    vec![
        sample("invite", INVITE, SDP),
        sample("ok", OK, SDP),
        sample("register", REGISTER, ""),
        sample("ack", ACK, ""),
    ]
}

/// The same header lines and body as an HTTP/1.1 message of the same length, for `httparse`.
pub(crate) fn as_http(sip: &[u8]) -> Vec<u8> {
    let eol = memchr::memchr(b'\r', sip).expect("a start line");
    let line = if sip.starts_with(b"SIP/2.0") {
        // The version is a byte longer, so the reason is a byte shorter.
        format!("HTTP/1.1{}", String::from_utf8_lossy(&sip[7..eol - 1]))
    } else {
        // The URI becomes a path as long as makes the line as long.
        let method = sip.split(|b| *b == b' ').next().expect("a method");
        let path = eol - method.len() - " ".len() - " HTTP/1.1".len();
        format!(
            "{} /{} HTTP/1.1",
            String::from_utf8_lossy(method),
            "p".repeat(path - 1)
        )
    };
    [line.as_bytes(), &sip[eol..]].concat()
}
