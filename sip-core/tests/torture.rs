//! The messages of RFC 4475 and RFC 5118 and the framing attacks: bytes, verdict and answer in one
//! table, which the crate's README shows.

#![allow(clippy::unwrap_used)]

use sip_core::{
    Answer, Capabilities, Frame, Framer, Message, Method, Role, Scheme, StatusCode, validate,
};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Over {
    Datagram,
    Stream,
    WebSocket,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    /// Taken as it is.
    Accept,
    /// A datagram or frame that is answered with this status.
    Answer(u16),
    /// Dropped silently.
    Drop,
    /// A stream that is answered with this status and then closed.
    AnswerAndClose(u16),
    /// A stream that waits for the rest.
    Wait,
}

struct Row {
    name: &'static str,
    rule: &'static str,
    over: Over,
    caps: fn() -> Capabilities,
    bytes: Vec<u8>,
    verdict: Verdict,
}

fn all() -> Capabilities {
    Capabilities::default()
}

fn methods() -> Capabilities {
    Capabilities::default().methods([
        Method::Invite,
        Method::Ack,
        Method::Bye,
        Method::Cancel,
        Method::Options,
    ])
}

fn schemes() -> Capabilities {
    Capabilities::default().schemes([Scheme::Sip, Scheme::Sips, Scheme::Tel])
}

fn tags() -> Capabilities {
    Capabilities::default().option_tags(["timer", "replaces"])
}

fn proxy_tags() -> Capabilities {
    tags().role(Role::Proxy)
}

fn sdp() -> Capabilities {
    Capabilities::default().content_types(["application/sdp"])
}

fn sdp_answers() -> Capabilities {
    Capabilities::default().produces(["application/sdp"])
}

fn registrar() -> Capabilities {
    Capabilities::default().role(Role::Registrar)
}

fn proxy() -> Capabilities {
    Capabilities::default().role(Role::Proxy)
}

macro_rules! rfc4475 {
    ($($name:literal $section:literal $caps:ident $verdict:expr;)*) => {
        vec![$(Row {
            name: $name,
            rule: concat!("RFC 4475 section ", $section),
            over: Over::Datagram,
            caps: $caps,
            bytes: include_bytes!(concat!("torture/", $name, ".dat")).to_vec(),
            verdict: $verdict,
        }),*]
    };
}

fn torture() -> Vec<Row> {
    use Verdict::*;
    rfc4475! {
        "wsinv" "3.1.1.1" all Accept;
        "intmeth" "3.1.1.2" all Accept;
        "intmeth" "3.1.1.2" methods Answer(501);
        "esc01" "3.1.1.3" all Accept;
        "escnull" "3.1.1.4" all Accept;
        "esc02" "3.1.1.5" all Accept;
        "esc02" "3.1.1.5" methods Answer(501);
        "lwsdisp" "3.1.1.6" all Accept;
        "longreq" "3.1.1.7" all Accept;
        "dblreq" "3.1.1.8" all Accept;
        "semiuri" "3.1.1.9" all Accept;
        "transports" "3.1.1.10" all Accept;
        "mpart01" "3.1.1.11" all Accept;
        "unreason" "3.1.1.12" all Accept;
        "noreason" "3.1.1.13" all Accept;
        "badinv01" "3.1.2.1" all Answer(400);
        "clerr" "3.1.2.2" all Answer(400);
        "ncl" "3.1.2.3" all Answer(400);
        "scalar02" "3.1.2.4" all Answer(400);
        "scalarlg" "3.1.2.5" all Drop;
        "quotbal" "3.1.2.6" all Answer(400);
        "ltgtruri" "3.1.2.7" all Answer(400);
        "lwsruri" "3.1.2.8" all Answer(400);
        "lwsstart" "3.1.2.9" all Answer(400);
        "trws" "3.1.2.10" all Answer(400);
        "escruri" "3.1.2.11" all Answer(400);
        "baddate" "3.1.2.12" all Answer(400);
        "regbadct" "3.1.2.13" all Answer(400);
        "badaspec" "3.1.2.14" all Answer(400);
        "baddn" "3.1.2.15" all Answer(400);
        "badvers" "3.1.2.16" all Answer(505);
        "mismatch01" "3.1.2.17" all Answer(400);
        "mismatch02" "3.1.2.18" all Answer(400);
        "mismatch02" "3.1.2.18" methods Answer(501);
        "bigcode" "3.1.2.19" all Drop;
        "badbranch" "3.2.1" all Answer(400);
        "insuf" "3.3.1" all Answer(400);
        "unkscm" "3.3.2" all Accept;
        "unkscm" "3.3.2" schemes Answer(416);
        "novelsc" "3.3.3" all Accept;
        "novelsc" "3.3.3" schemes Answer(416);
        "unksm2" "3.3.4" all Accept;
        "unksm2" "3.3.4" registrar Answer(400);
        "bext01" "3.3.5" all Accept;
        "bext01" "3.3.5" tags Answer(420);
        "bext01" "3.3.5" proxy_tags Answer(420);
        "invut" "3.3.6" all Accept;
        "invut" "3.3.6" sdp Answer(415);
        "regaut01" "3.3.7" all Accept;
        "multi01" "3.3.8" all Answer(400);
        "mcl01" "3.3.9" all Answer(400);
        "bcast" "3.3.10" all Drop;
        "zeromf" "3.3.11" all Accept;
        "zeromf" "3.3.11" proxy Answer(483);
        "cparam01" "3.3.12" all Accept;
        "cparam02" "3.3.13" all Accept;
        "regescrt" "3.3.14" all Accept;
        "sdp01" "3.3.15" all Accept;
        "sdp01" "3.3.15" sdp_answers Answer(406);
        "inv2543" "3.4.1" all Accept;
    }
}

/// Lines with their line ends.
fn crlf(text: &str) -> Vec<u8> {
    text.replace('\n', "\r\n").into_bytes()
}

/// RFC 5118's messages in substance: the addresses in the places that each is about.
fn ipv6() -> Vec<Row> {
    use Verdict::*;
    let register = |uri: &str, via: &str, contact: &str| {
        crlf(&format!(
            "REGISTER {uri} SIP/2.0\nTo: sip:user@example.com\nFrom: sip:user@example.com;tag=81x2\n\
             Via: SIP/2.0/UDP {via}\nCall-ID: SSG9559905523997077@hlau_4100\nContact: {contact}\n\
             Max-Forwards: 70\nCSeq: 98176 REGISTER\nContent-Length: 0\n\n"
        ))
    };
    let invite = |via: &str, contact: &str, sdp: &str| {
        let sdp = crlf(sdp);
        let mut bytes = crlf(&format!(
            "INVITE sip:user@[2001:db8::10] SIP/2.0\nTo: sip:user@[2001:db8::10]\n\
             From: sip:user@example.com;tag=81x2\nVia: {via}\n\
             Call-ID: SSG9559905523997077@hlau_4100\nContact: {contact}\nCSeq: 8612 INVITE\n\
             Max-Forwards: 70\nContent-Type: application/sdp\nContent-Length: {}\n\n",
            sdp.len()
        ));
        bytes.extend_from_slice(&sdp);
        bytes
    };
    let sdp6 = "v=0\no=assistant 971731711378798081 0 IN IP6 2001:db8::20\ns=Live video feed for today's meeting\n\
                c=IN IP6 2001:db8::20\nt=3338481189 3370017201\nm=audio 6000 RTP/AVP 2\na=rtpmap:2 G726-32/8000\n";
    let both = "v=0\no=bob 280744730 28977631 IN IP4 host.example.com\ns=\nt=0 0\n\
                m=audio 22334 RTP/AVP 0\nc=IN IP4 192.0.2.1\nm=video 6024 RTP/AVP 107\nc=IN IP6 2001:db8::1\na=rtpmap:107 H263-1998/90000\n";
    let caller = "\"Caller\" <sip:caller@[2001:db8::1]>";
    let plain = "[2001:db8::9:1];branch=z9hG4bKas3-111";
    let bye = crlf(
        "BYE sip:user@host.example.net SIP/2.0\nVia: SIP/2.0/UDP [2001:db8::9:1]:6050;branch=z9hG4bKas3-111\n\
         Via: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKjhja8781hjuaij65144\n\
         Via: SIP/2.0/TCP [2001:db8::9:255];branch=z9hG4bK451jj;received=192.0.2.200\n\
         Call-ID: 997077@lau_4100\nMax-Forwards: 70\nCSeq: 89187 BYE\n\
         To: sip:user@example.net;tag=9817--94\nFrom: sip:user@example.com;tag=81x2\nContent-Length: 0\n\n",
    );
    let options = |uri: &str| {
        crlf(&format!(
            "OPTIONS {uri} SIP/2.0\nTo: sip:user@example.com\nFrom: sip:user@example.com;tag=81x2\n\
             Via: SIP/2.0/UDP [2001:db8::9:1];branch=z9hG4bKas3\nCall-ID: SSG95523997077@hlau_4100\n\
             Max-Forwards: 70\nContact: \"Caller\" <sip:caller@[2001:db8::9:1]>\nCSeq: 921 OPTIONS\nContent-Length: 0\n\n"
        ))
    };
    [
        (
            "IPv6 reference",
            "4.1",
            register("sip:[2001:db8::10]", plain, caller),
            Accept,
        ),
        (
            "IPv6 without brackets",
            "4.2",
            register("sip:2001:db8::10", plain, caller),
            Answer(400),
        ),
        (
            "port inside the brackets",
            "4.3",
            register("sip:[2001:db8::10:5070]", plain, caller),
            Accept,
        ),
        (
            "port behind the brackets",
            "4.4",
            register("sip:[2001:db8::10]:5070", plain, caller),
            Accept,
        ),
        (
            "received in brackets",
            "4.5",
            register(
                "sip:example.com",
                "[2001:db8::9:1];received=[2001:db8::9:255];branch=z9hG4bKas3-111",
                caller,
            ),
            Accept,
        ),
        (
            "received without brackets",
            "4.5",
            register(
                "sip:example.com",
                "[2001:db8::9:1];received=2001:db8::9:255;branch=z9hG4bKas3-111",
                caller,
            ),
            Accept,
        ),
        (
            "IPv6 in SDP",
            "4.6",
            invite(
                "SIP/2.0/UDP [2001:db8::20];branch=z9hG4bKas3-111",
                caller,
                sdp6,
            ),
            Accept,
        ),
        ("both kinds in Via", "4.7", bye, Accept),
        (
            "both kinds in SDP",
            "4.8",
            invite(
                "SIP/2.0/UDP [2001:db8::9:1];branch=z9hG4bKas3-111",
                caller,
                both,
            ),
            Accept,
        ),
        (
            "IPv4-mapped address",
            "4.9",
            invite(
                "SIP/2.0/UDP [::ffff:192.0.2.10]:19823;branch=z9hG4bKbh19",
                "\"T. desk phone\" <sip:ted@[::ffff:192.0.2.2]>",
                sdp6,
            ),
            Accept,
        ),
        (
            "three colons",
            "4.10",
            options("sip:user@[2001:db8:::192.0.2.1]"),
            Answer(400),
        ),
        (
            "two colons and IPv4",
            "4.10",
            options("sip:user@[2001:db8::192.0.2.1]"),
            Accept,
        ),
    ]
    .into_iter()
    .map(|(name, section, bytes, verdict)| Row {
        name,
        rule: match section {
            "4.1" => "RFC 5118 section 4.1",
            "4.2" => "RFC 5118 section 4.2",
            "4.3" => "RFC 5118 section 4.3",
            "4.4" => "RFC 5118 section 4.4",
            "4.5" => "RFC 5118 section 4.5",
            "4.6" => "RFC 5118 section 4.6",
            "4.7" => "RFC 5118 section 4.7",
            "4.8" => "RFC 5118 section 4.8",
            "4.9" => "RFC 5118 section 4.9",
            _ => "RFC 5118 section 4.10",
        },
        over: Over::Datagram,
        caps: all,
        bytes,
        verdict,
    })
    .collect()
}

const HEAD: &str = "OPTIONS sip:a.example SIP/2.0\r\nVia: SIP/2.0/TCP b.example;branch=z9hG4bK1\r\nMax-Forwards: 70\r\n\
                    From: <sip:b@b.example>;tag=1\r\nTo: <sip:a@a.example>\r\nCall-ID: x\r\nCSeq: 1 OPTIONS\r\n";

fn framing() -> Vec<Row> {
    use Over::*;
    use Verdict::*;
    let with = |lines: &str, body: &str| format!("{HEAD}{lines}\r\n{body}").into_bytes();
    let text = "Content-Type: text/plain\r\n";
    let typed = |lines: &str, body: &str| with(&format!("{text}{lines}"), body);
    let smuggled = "BYE sip:a.example SIP/2.0\r\n\r\n";
    let not_utf8 = [
        HEAD.as_bytes(),
        b"Subject: \xff\xfe\x80\r\nContent-Length: 0\r\n\r\n",
    ]
    .concat();
    let rows: Vec<(&str, &str, Over, Vec<u8>, Verdict)> = vec![
        (
            "space in front of the colon",
            "RFC 3261 section 7.3.1",
            Stream,
            typed("Content-Length : 4\r\n", "body"),
            Accept,
        ),
        (
            "folded Content-Length",
            "RFC 3261 section 7.3.1",
            Stream,
            typed("Content-Length:\r\n 4\r\n", "body"),
            Accept,
        ),
        (
            "compact form",
            "RFC 3261 section 7.3.3",
            Stream,
            typed("l:4\r\n", "body"),
            Accept,
        ),
        (
            "leading line ends",
            "RFC 3261 section 7.5",
            Datagram,
            [b"\r\n\r\n", &with("l: 0\r\n", "")[..]].concat(),
            Accept,
        ),
        (
            "leading line ends",
            "RFC 5626 section 4.4.1",
            Stream,
            [b"\r\n\r\n", &with("l: 0\r\n", "")[..]].concat(),
            Accept,
        ),
        (
            "bytes that are not UTF-8",
            "RFC 3261 section 7.3.1",
            Stream,
            not_utf8,
            Accept,
        ),
        (
            "length longer than 16 bits of zeros",
            "RFC 3261 section 20.14",
            Stream,
            typed(&format!("l: {}4\r\n", "0".repeat(40)), "body"),
            Accept,
        ),
        (
            "no length in a datagram",
            "RFC 3261 section 18.3",
            Datagram,
            typed("", "body"),
            Accept,
        ),
        (
            "no length in a frame",
            "RFC 7118 section 5.2",
            WebSocket,
            typed("", "body"),
            Accept,
        ),
        (
            "no length on a stream",
            "RFC 3261 section 18.3",
            Stream,
            typed("", "body"),
            AnswerAndClose(400),
        ),
        (
            "two unequal lengths",
            "RFC 4475 section 3.3.9",
            Stream,
            typed("Content-Length: 4\r\nl: 30\r\n", &format!("body{smuggled}")),
            AnswerAndClose(400),
        ),
        (
            "two equal lengths",
            "RFC 4475 section 3.3.9",
            Stream,
            typed("l: 4\r\nContent-Length: 4\r\n", "body"),
            AnswerAndClose(400),
        ),
        (
            "two equal lengths",
            "RFC 4475 section 3.3.9",
            Datagram,
            typed("l: 4\r\nContent-Length: 4\r\n", "body"),
            Answer(400),
        ),
        (
            "a list of lengths",
            "RFC 3261 section 20.14",
            Stream,
            typed("l: 4, 4\r\n", "body"),
            AnswerAndClose(400),
        ),
        (
            "length with a plus",
            "RFC 3261 section 20.14",
            Stream,
            typed("l: +4\r\n", "body"),
            AnswerAndClose(400),
        ),
        (
            "negative length",
            "RFC 4475 section 3.1.2.3",
            Stream,
            typed("l: -4\r\n", "body"),
            AnswerAndClose(400),
        ),
        (
            "hexadecimal length",
            "RFC 3261 section 20.14",
            Stream,
            typed("l: 0x4\r\n", "body"),
            AnswerAndClose(400),
        ),
        (
            "empty length",
            "RFC 3261 section 20.14",
            Stream,
            typed("l:\r\n", "body"),
            AnswerAndClose(400),
        ),
        (
            "length with a space inside",
            "RFC 3261 section 20.14",
            Stream,
            typed("l: 4 4\r\n", "body"),
            AnswerAndClose(400),
        ),
        (
            "length of 2^32",
            "RFC 3261 section 20.14",
            Stream,
            typed("l: 4294967296\r\n", "body"),
            AnswerAndClose(400),
        ),
        (
            "length of 2^64 + 4",
            "RFC 3261 section 20.14",
            Stream,
            typed("l: 18446744073709551620\r\n", "body"),
            AnswerAndClose(400),
        ),
        (
            "length of 2^64 + 4",
            "RFC 3261 section 20.14",
            Datagram,
            typed("l: 18446744073709551620\r\n", "body"),
            Answer(400),
        ),
        (
            "length beyond the limit",
            "RFC 3261 section 21.4.11",
            Stream,
            typed("l: 4294967295\r\n", "body"),
            AnswerAndClose(413),
        ),
        (
            "length larger than the datagram",
            "RFC 3261 section 18.3",
            Datagram,
            typed("l: 5\r\n", "body"),
            Answer(400),
        ),
        (
            "length larger than the frame",
            "RFC 7118 section 5.2",
            WebSocket,
            typed("l: 5\r\n", "body"),
            Answer(400),
        ),
        (
            "length larger than what came",
            "RFC 3261 section 18.3",
            Stream,
            typed("l: 5\r\n", "body"),
            Wait,
        ),
        (
            "length smaller than the datagram",
            "RFC 3261 section 18.3",
            Datagram,
            typed("l: 4\r\n", &format!("body{smuggled}")),
            Accept,
        ),
        (
            "two messages in a frame",
            "RFC 7118 section 5.2",
            WebSocket,
            typed("l: 4\r\n", &format!("body{smuggled}")),
            Answer(400),
        ),
        (
            "a length hidden behind bare LF",
            "RFC 3261 section 7",
            Stream,
            typed("Subject: a\nl: 30\r\nl: 4\r\n", "body"),
            AnswerAndClose(400),
        ),
        (
            "a length hidden behind bare CR",
            "RFC 3261 section 7",
            Stream,
            typed("Subject: a\rl: 30\r\nl: 4\r\n", "body"),
            AnswerAndClose(400),
        ),
        (
            "bare LF",
            "RFC 3261 section 7",
            Datagram,
            typed("Subject: a\nl: 4\r\n", "body"),
            Answer(400),
        ),
        (
            "bare CR",
            "RFC 3261 section 7",
            Datagram,
            typed("Subject: a\rb\r\nl: 4\r\n", "body"),
            Answer(400),
        ),
        (
            "LF for every line end",
            "RFC 3261 section 7",
            Stream,
            String::from_utf8(with("l: 0\r\n", ""))
                .unwrap()
                .replace('\r', "")
                .into_bytes(),
            AnswerAndClose(400),
        ),
        (
            "empty line of bare LF",
            "RFC 3261 section 7",
            Stream,
            [HEAD.as_bytes(), b"l: 0\r\n\n"].concat(),
            AnswerAndClose(400),
        ),
        (
            "a line without a colon",
            "RFC 3261 section 7.3.1",
            Stream,
            with("Content-Length 4\r\nl: 0\r\n", ""),
            Answer(400),
        ),
        (
            "a name that is not a token",
            "RFC 3261 section 7.3.1",
            Stream,
            with("Content Length: 4\r\nl: 0\r\n", ""),
            Answer(400),
        ),
        (
            "a colon without a name",
            "RFC 3261 section 7.3.1",
            Stream,
            with(": 4\r\nl: 0\r\n", ""),
            Answer(400),
        ),
        (
            "a fold in front of the first header",
            "RFC 3261 section 7.1",
            Datagram,
            crlf("OPTIONS sip:a.example SIP/2.0\n Subject: x\nl: 0\n\n"),
            Answer(400),
        ),
        (
            "no empty line",
            "RFC 3261 section 7",
            Datagram,
            [HEAD.as_bytes(), b"l: 0\r\n"].concat(),
            Answer(400),
        ),
        (
            "cut inside a header",
            "RFC 3261 section 7",
            Datagram,
            HEAD.as_bytes()[..HEAD.len() - 9].to_vec(),
            Answer(400),
        ),
        (
            "a tag twice",
            "RFC 3261 section 7.3.1",
            Datagram,
            String::from_utf8(with("l: 0\r\n", ""))
                .unwrap()
                .replace(";tag=1", ";tag=1;TAG=2")
                .into_bytes(),
            Answer(400),
        ),
        (
            "a NUL in a value",
            "RFC 3261 section 25.1",
            Datagram,
            with("Subject: a\0b\r\nl: 0\r\n", ""),
            Answer(400),
        ),
        (
            "an HTTP request",
            "RFC 3261 section 7.1",
            Stream,
            b"GET / HTTP/1.1\r\nHost: a\r\n\r\n".to_vec(),
            Drop,
        ),
        (
            "a TLS record",
            "RFC 3261 section 7.1",
            Stream,
            b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\nab".to_vec(),
            Drop,
        ),
    ];
    rows.into_iter()
        .map(|(name, rule, over, bytes, verdict)| Row {
            name,
            rule,
            over,
            caps: all,
            bytes,
            verdict,
        })
        .collect()
}

fn table() -> Vec<Row> {
    [torture(), ipv6(), framing()]
        .into_iter()
        .flatten()
        .collect()
}

fn judge(message: &Message, caps: &Capabilities) -> Verdict {
    match validate(message, caps).answer() {
        None => Verdict::Accept,
        Some(Answer::Status(status)) => Verdict::Answer(status.code()),
        Some(_) => Verdict::Drop,
    }
}

fn run(row: &Row) -> Verdict {
    let caps = (row.caps)();
    let mut framer = match row.over {
        Over::Datagram => Framer::datagram(),
        Over::Stream => Framer::stream(),
        Over::WebSocket => Framer::websocket(),
    };
    framer.push(row.bytes.clone());
    loop {
        match framer.next_frame() {
            None => return Verdict::Wait,
            Some(Frame::Ping | Frame::Pong) => {}
            Some(Frame::Message(message)) => return judge(&message, &caps),
            Some(Frame::Refused(refused)) => {
                let Some(message) = &refused.message else {
                    return Verdict::Drop;
                };
                let verdict = judge(message, &caps);
                assert!(
                    refused.answer == StatusCode::REQUEST_ENTITY_TOO_LARGE
                        || verdict == Verdict::Answer(refused.answer.code())
                        || verdict == Verdict::Drop,
                    "{}: framer says {:?}, validate {verdict:?}",
                    row.name,
                    refused.answer
                );
                return match (verdict, refused.close) {
                    (Verdict::Drop, _) => Verdict::Drop,
                    (_, true) => Verdict::AnswerAndClose(refused.answer.code()),
                    (_, false) => Verdict::Answer(refused.answer.code()),
                };
            }
            Some(other) => panic!("{}: {other:?}", row.name),
        }
    }
}

#[test]
fn every_message_gets_its_verdict() {
    let wrong: Vec<String> = table()
        .iter()
        .filter(|row| run(row) != row.verdict)
        .map(|row| {
            let found = Message::parse(row.bytes.clone()).map(|m| validate(&m, &(row.caps)()));
            format!(
                "{} ({}, {:?}): {:?}, not {:?}: {found:?}",
                row.name,
                row.rule,
                row.over,
                run(row),
                row.verdict
            )
        })
        .collect();
    assert!(
        wrong.is_empty(),
        "{} wrong:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}

#[test]
fn the_table_is_complete() {
    let files: std::collections::BTreeSet<_> = torture().iter().map(|r| r.name).collect();
    assert_eq!(files.len(), 49);
}

#[test]
fn what_parses_prints_back_byte_for_byte() {
    for row in table() {
        let Ok(message) = Message::parse(row.bytes.clone()) else {
            continue;
        };
        let start = row
            .bytes
            .iter()
            .take_while(|b| matches!(b, b'\r' | b'\n'))
            .count();
        let printed = message.as_bytes();
        assert_eq!(
            printed,
            &row.bytes[start..start + printed.len()],
            "{}",
            row.name
        );
        let edited = message.edit().build().unwrap();
        if message.headers().count() > 0 && row.bytes.windows(4).any(|w| w == b"\r\n\r\n") {
            assert_eq!(
                edited.as_bytes(),
                printed,
                "{}: an edit without changes",
                row.name
            );
        }
    }
}

/// A request that deserves an answer gets one that can be built.
#[test]
fn every_answer_can_be_built() {
    for row in table() {
        let Ok(message) = Message::parse(row.bytes.clone()) else {
            continue;
        };
        if let Some(Answer::Status(status)) = validate(&message, &(row.caps)()).answer() {
            let answer = message.reply(status).to_tag("t").build();
            match (message.header("To"), answer) {
                (Some(_), answer) => {
                    assert_eq!(answer.unwrap().status(), Some(status), "{}", row.name)
                }
                (None, answer) => assert!(answer.is_ok() || message.header("To").is_none()),
            }
        }
    }
}

/// The README's rows of the table.
fn readme() -> String {
    let mut out = String::from("| message | rule | came as | verdict |\n|---|---|---|---|\n");
    for row in table() {
        let caps = (row.caps)();
        let mut limits = Vec::new();
        if caps.methods.is_some() {
            limits.push("no such method");
        }
        if caps.schemes.is_some() {
            limits.push("sip, sips and tel only");
        }
        if caps.option_tags.is_some() {
            limits.push("no such option tag");
        }
        if caps.content_types.is_some() || caps.produces.is_some() {
            limits.push("application/sdp only");
        }
        match caps.role {
            Role::Proxy => limits.push("as a proxy"),
            Role::Registrar => limits.push("as a registrar"),
            _ => {}
        }
        let over = match row.over {
            Over::Datagram => "datagram",
            Over::Stream => "stream",
            Over::WebSocket => "WebSocket frame",
        };
        let verdict = match row.verdict {
            Verdict::Accept => "accepted".to_owned(),
            Verdict::Answer(status) => status.to_string(),
            Verdict::Drop => "dropped".to_owned(),
            Verdict::AnswerAndClose(status) => format!("{status}, closed"),
            Verdict::Wait => "waits for the rest".to_owned(),
        };
        let limits = if limits.is_empty() {
            String::new()
        } else {
            format!(" ({})", limits.join(", "))
        };
        out.push_str(&format!(
            "| {}{limits} | {} | {over} | {verdict} |\n",
            row.name, row.rule
        ));
    }
    out
}

#[test]
fn the_readme_shows_the_table() {
    let shown = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/README.md")).unwrap();
    let table = readme();
    assert!(shown.contains(&table), "README.md should hold\n{table}");
}
