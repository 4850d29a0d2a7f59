//! Attacks on framing, and what is legal although it looks like one.

use super::{Over, Row, Verdict, all, crlf};

const HEAD: &str = "OPTIONS sip:a.example SIP/2.0\r\nVia: SIP/2.0/TCP b.example;branch=z9hG4bK1\r\nMax-Forwards: 70\r\n\
                    From: <sip:b@b.example>;tag=1\r\nTo: <sip:a@a.example>\r\nCall-ID: x\r\nCSeq: 1 OPTIONS\r\n";

pub(crate) fn rows() -> Vec<Row> {
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
            "a length without its colon",
            "RFC 3261 section 7.3.1",
            Stream,
            with("Content-Length 4\r\nl: 0\r\n", ""),
            AnswerAndClose(400),
        ),
        (
            "a length with a space in its name",
            "RFC 3261 section 7.3.1",
            Stream,
            with("Content Length: 4\r\nl: 0\r\n", ""),
            AnswerAndClose(400),
        ),
        (
            "a length with a NUL in its name",
            "RFC 3261 section 7.3.1",
            Stream,
            with("Content-Length\0: 4\r\nl: 0\r\n", ""),
            AnswerAndClose(400),
        ),
        (
            "a length folded in front of its colon",
            "RFC 3261 section 7.3.1",
            Stream,
            with("Content-Length\r\n : 4\r\nl: 0\r\n", ""),
            AnswerAndClose(400),
        ),
        (
            "a length behind the start line's fold",
            "RFC 3261 section 7.1",
            Stream,
            format!("{HEAD}l: 0\r\n\r\n")
                .replacen("\r\n", "\r\n l: 4\r\n", 1)
                .into_bytes(),
            AnswerAndClose(400),
        ),
        (
            "two lengths in one, folded",
            "RFC 3261 section 20.14",
            Stream,
            typed("l: 4\r\n 4\r\n", "body"),
            AnswerAndClose(400),
        ),
        (
            "a length in the fold of another header",
            "RFC 3261 section 7.3.1",
            Stream,
            typed("Subject: a\r\n Content-Length: 30\r\nl: 4\r\n", "body"),
            Accept,
        ),
        (
            "a list of lengths",
            "RFC 3261 section 20.14",
            Datagram,
            typed("l: 4, 5\r\n", "body"),
            Answer(400),
        ),
        (
            "length with a plus",
            "RFC 3261 section 20.14",
            Datagram,
            typed("l: +4\r\n", "body"),
            Answer(400),
        ),
        (
            "two equal lengths",
            "RFC 4475 section 3.3.9",
            WebSocket,
            typed("l: 4\r\nContent-Length: 4\r\n", "body"),
            Answer(400),
        ),
        (
            "bare LF",
            "RFC 3261 section 7",
            WebSocket,
            typed("Subject: a\nl: 4\r\n", "body"),
            Answer(400),
        ),
        (
            "space in front of the colon",
            "RFC 3261 section 7.3.1",
            Datagram,
            typed("Content-Length : 4\r\n", "body"),
            Accept,
        ),
        (
            "a line without a colon",
            "RFC 3261 section 7.3.1",
            Stream,
            with("Hello\r\nl: 0\r\n", ""),
            Answer(400),
        ),
        (
            "a name that is not a token",
            "RFC 3261 section 7.3.1",
            Stream,
            with("X Room: 4\r\nl: 0\r\n", ""),
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
            "a route without its brackets",
            "RFC 3261 section 20.34",
            Datagram,
            with("Route: sip:p.example;lr\r\nl: 0\r\n", ""),
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
