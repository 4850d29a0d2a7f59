//! Properties of messages: what is printed parses to the same, a stream may be cut anywhere, and
//! what our builders build is valid.

#![allow(clippy::unwrap_used)]

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use sip_core::header::{Contact, From, Multipart, NameAddr, RecordRoute, To, Via};
use sip_core::{
    BuildError, Capabilities, Frame, FrameError, Framer, HeaderName, Host, Index, Limits, Message,
    MessageRef, Method, ParseErrorReason, Scheme, StatusCode, Uri, UriRef, validate,
};

fn token() -> impl Strategy<Value = String> {
    "[a-zA-Z0-9.!%*_+`'~-]{1,20}"
}

fn host() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-z][a-z0-9-]{0,10}(\\.[a-z]{2,5}){0,2}",
        (1u8..224, any::<u8>(), any::<u8>(), any::<u8>())
            .prop_map(|o| [o.0, o.1, o.2, o.3])
            .prop_map(|o| format!("{}.{}.{}.{}", o[0], o[1], o[2], o[3])),
        any::<u128>()
            .prop_map(|v6| v6 & !(0xff << 120))
            .prop_map(|v6| format!("[{}]", std::net::Ipv6Addr::from(v6))),
    ]
}

prop_compose! {
    fn uri()(
        scheme in prop_oneof!["sip", "sips"],
        user in option::of("[a-zA-Z0-9=+$,;?/&_.!~*'()-]{1,12}(%[0-9A-F]{2}){0,2}"),
        host in host(),
        port in option::of(any::<u16>()),
        params in vec(("[a-z]{1,6}[0-9]", option::of("[a-zA-Z0-9+$&/:_-]{1,8}")), 0..3),
    ) -> String {
        let user = user.map_or(String::new(), |u| format!("{u}@"));
        let port = port.map_or(String::new(), |p| format!(":{p}"));
        // One name stands once.
        let params: String = params.iter().enumerate().map(|(i, (name, value))| match value {
            Some(value) => format!(";{name}x{i}={value}"),
            None => format!(";{name}x{i}"),
        }).collect();
        format!("{scheme}:{user}{host}{port}{params}")
    }
}

fn method() -> impl Strategy<Value = Method> {
    prop_oneof![
        Just(Method::Invite),
        Just(Method::Ack),
        Just(Method::Bye),
        Just(Method::Options),
        Just(Method::Message),
        "[A-Z]{1,40}".prop_map(|m| m.parse().unwrap()),
    ]
}

prop_compose! {
    fn request()(
        method in method(),
        to in uri(), from in uri(), contact in uri(),
        display in "[ -~äß☎]{0,20}",
        tag in token(), to_tag in option::of(token()), call_id in token(), branch in token(),
        cseq in 0..1u32 << 31,
        hops in any::<u8>(),
        host in host(),
        route in vec(uri(), 0..4),
        more in vec(("X-[A-Za-z0-9-]{1,12}", "[!-~]?([ -~]{0,30}[!-~])?"), 0..6),
        body in vec(any::<u8>(), 0..200),
    ) -> Message {
        let to: Uri = to.parse().unwrap();
        let from = NameAddr::new(&from.parse().unwrap()).with_display_name(&display).unwrap().with_tag(&tag).unwrap();
        let mut to_header = NameAddr::new(&to);
        if let Some(tag) = to_tag {
            to_header = to_header.with_tag(&tag).unwrap();
        }
        let mut builder = Message::request(method, &to)
            .header(HeaderName::VIA, format!("SIP/2.0/TCP {host};branch=z9hG4bK{branch}"))
            .max_forwards(hops)
            .header_display(HeaderName::FROM, from)
            .header_display(HeaderName::TO, to_header)
            .header(HeaderName::CALL_ID, call_id)
            .cseq(cseq)
            .header(HeaderName::CONTACT, format!("<{contact}>"));
        for hop in route {
            builder = builder.header(HeaderName::RECORD_ROUTE, format!("<{hop};lr>"));
        }
        for (name, value) in more {
            builder = builder.header(&name, value);
        }
        builder.body("application/octet-stream", body).build().unwrap()
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn what_is_printed_parses_to_the_same(message in request()) {
        let again = Message::parse(message.to_bytes()).unwrap();
        prop_assert_eq!(&again, &message);
        let fields = |m: &Message| m.headers().map(|h| (h.raw_name().to_vec(), h.value().to_vec())).collect::<Vec<_>>();
        prop_assert_eq!(fields(&again), fields(&message));
        prop_assert_eq!(again.body(), message.body());
        let mut out = vec![0; message.as_bytes().len()];
        prop_assert_eq!(message.write_to(&mut out), Ok(out.len()));
        prop_assert_eq!(&out[..], message.as_bytes());
    }

    #[test]
    fn what_our_builders_build_is_valid(message in request(), code in 100u16..700, tag in token()) {
        let findings = validate(&message, &Capabilities::default());
        prop_assert!(findings.is_valid(), "{message}: {findings:?}");
        let response = message.reply(StatusCode::new(code).unwrap()).to_tag(&tag).build().unwrap();
        let findings = validate(&response, &Capabilities::default());
        prop_assert!(findings.is_valid(), "{response}: {findings:?}");
        prop_assert!(response.typed::<To<'_>>().unwrap().tag().is_some());
        prop_assert_eq!(response.typed::<From<'_>>().unwrap().tag(), message.typed::<From<'_>>().unwrap().tag());
        let routes = if (101..300).contains(&code) { message.typed_all::<RecordRoute<'_>>().count() } else { 0 };
        prop_assert_eq!(response.typed_all::<RecordRoute<'_>>().count(), routes);
    }

    #[test]
    fn a_stream_may_be_cut_anywhere(messages in vec(request(), 1..4), cuts in vec(1usize..400, 1..30), pings in 0..3usize) {
        let mut stream = Vec::new();
        for message in &messages {
            stream.extend_from_slice(message.as_bytes());
            stream.extend_from_slice(&b"\r\n\r\n".repeat(pings));
        }
        let whole = frames(std::iter::once(&stream[..]));
        let mut rest = &stream[..];
        let mut pieces = Vec::new();
        for cut in cuts.iter().cycle() {
            let (piece, left) = rest.split_at((*cut).min(rest.len()));
            pieces.push(piece);
            rest = left;
            if rest.is_empty() {
                break;
            }
        }
        prop_assert_eq!(&frames(pieces.into_iter()), &whole);
        let got: Vec<_> = whole.into_iter().filter_map(|f| match f { Frame::Message(m) => Some(m), _ => None }).collect();
        prop_assert_eq!(got, messages);
    }

    #[test]
    fn both_forms_of_a_message_say_the_same(message in request()) {
        let mut index = Index::new();
        let view = MessageRef::parse(message.as_bytes(), &mut index, &Limits::default()).unwrap();
        prop_assert_eq!(view.method(), message.method());
        prop_assert!(view.headers().eq(message.headers()));
        let contact = view.typed::<Contact<'_>>().unwrap().uri().unwrap().unwrap().to_uri();
        prop_assert_eq!(contact, message.typed::<Contact<'_>>().unwrap().uri().unwrap().unwrap().to_uri());
    }

    #[test]
    fn uris_are_their_own_equals(text in uri()) {
        let uri: Uri = text.parse().unwrap();
        prop_assert_eq!(uri.to_string(), &text[..]);
        // The scheme, the host and the names of parameters have no case.
        let shouted = text.replacen("sip", "SIP", 1);
        prop_assert!(uri.equivalent(&shouted.parse().unwrap()), "{} and {}", text, shouted);
        prop_assert!(matches!(uri.scheme(), Scheme::Sip | Scheme::Sips));
        prop_assert!(uri.host().is_some());
    }

    #[test]
    fn line_ends_never_get_into_a_header(value in "[a-z]{0,5}(\r\n|\r|\n|\0)[a-z: ]{0,20}") {
        let message = Message::parse(&b"OPTIONS sip:a SIP/2.0\r\nVia: SIP/2.0/UDP b\r\n\r\n"[..]).unwrap();
        let injected = Err(BuildError::Injection("X-A".to_owned()));
        prop_assert_eq!(message.edit().append("X-A", &value).build(), injected.clone());
        prop_assert_eq!(message.edit().set("X-A", &value).build(), injected.clone());
        prop_assert_eq!(Message::request(Method::Bye, &"sip:a".parse().unwrap()).header("X-A", &value).build(), injected);
    }
}

fn frames<'p>(pieces: impl Iterator<Item = &'p [u8]>) -> Vec<Frame> {
    let mut framer = Framer::stream();
    let (mut frames, mut pushed) = (Vec::new(), 0);
    for piece in pieces {
        pushed += piece.len() as u64;
        framer.push(piece.to_vec());
        while let Some(frame) = framer.next_frame() {
            frames.push(frame);
        }
        assert!(framer.examined() <= 2 * pushed);
    }
    frames
}

/// Every byte at a time, every cut in two: the torture messages as streams.
#[test]
fn every_cut_of_every_torture_message() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/torture");
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|e| e != "dat") {
            continue;
        }
        let bytes = std::fs::read(&path).unwrap();
        let whole = frames(std::iter::once(&bytes[..]));
        assert_eq!(frames(bytes.chunks(1)), whole, "{}", path.display());
        for cut in 1..bytes.len() {
            let (a, b) = bytes.split_at(cut);
            assert_eq!(
                frames([a, b].into_iter()),
                whole,
                "{} at {cut}",
                path.display()
            );
        }
    }
}

/// RFC 3261 section 19.1.4's own examples.
#[test]
fn uris_compare_as_the_rfc_says() {
    let same = [
        (
            "sip:%61lice@atlanta.com;transport=TCP",
            "sip:alice@AtLanTa.CoM;Transport=tcp",
        ),
        ("sip:carol@chicago.com", "sip:carol@chicago.com;newparam=5"),
        ("sip:carol@chicago.com", "sip:carol@chicago.com;security=on"),
        (
            "sip:biloxi.com;transport=tcp;method=REGISTER?to=sip:bob%40biloxi.com",
            "sip:biloxi.com;method=REGISTER;transport=tcp?to=sip:bob%40biloxi.com",
        ),
        (
            "sip:alice@atlanta.com?subject=project%20x&priority=urgent",
            "sip:alice@atlanta.com?priority=urgent&subject=project%20x",
        ),
        ("tel:+1-201-555-0123", "tel:+12015550123"),
        (
            "tel:7042;phone-context=example.com",
            "TEL:70.42;PHONE-CONTEXT=EXAMPLE.COM",
        ),
        ("sip:a@[2001:db8::1]", "sip:a@[2001:DB8:0::1]"),
    ];
    let different = [
        (
            "SIP:ALICE@AtLanTa.CoM;Transport=udp",
            "sip:alice@AtLanTa.CoM;Transport=UDP",
        ),
        ("sip:bob@biloxi.com", "sip:bob@biloxi.com:5060"),
        ("sip:bob@biloxi.com", "sip:bob@biloxi.com;transport=udp"),
        (
            "sip:bob@biloxi.com",
            "sip:bob@biloxi.com:6000;transport=tcp",
        ),
        (
            "sip:carol@chicago.com",
            "sip:carol@chicago.com?Subject=next%20meeting",
        ),
        ("sip:bob@phone21.boxesbybob.com", "sip:bob@192.0.2.4"),
        ("sip:a@b;security=on", "sip:a@b;security=off"),
        ("sip:a@b", "sips:a@b"),
        (
            "tel:7042;phone-context=example.com",
            "tel:7042;phone-context=example.org",
        ),
    ];
    let uri = |text: &str| text.parse::<Uri>().unwrap();
    for (a, b) in same {
        assert!(
            uri(a).equivalent(&uri(b)) && uri(b).equivalent(&uri(a)),
            "{a} and {b}"
        );
    }
    for (a, b) in different {
        assert!(
            !uri(a).equivalent(&uri(b)) && !uri(b).equivalent(&uri(a)),
            "{a} and {b}"
        );
    }
}

#[test]
fn urgent_parts_of_a_uri() {
    let uri = UriRef::parse(b"sip:user;par=u%40example.net@example.com").unwrap();
    assert_eq!(uri.user(), Some("user;par=u%40example.net"));
    assert_eq!(uri.user_decoded().unwrap(), "user;par=u@example.net");
    assert_eq!(uri.host(), Some(Host::Name("example.com")));
    let uri = UriRef::parse(b"sip:%00%00@host5.example.com").unwrap();
    assert_eq!(uri.user_decoded().unwrap(), "\0\0");
    let lr =
        UriRef::parse(b"sip:cal%6Cer@host5.example.net;%6C%72;n%61me=v%61lue%25%34%31").unwrap();
    assert!(lr.is_loose_router());
    assert_eq!(lr.param("name").unwrap().decoded().unwrap(), "value%41");
    for bad in [
        "",
        "sip",
        "sip:",
        "sip:@b",
        "sip:a@",
        "sip:a@b:",
        "sip:a@b:65536",
        "sip:a@b;",
        "sip:a@b;;x",
        "sip:a@b;x=",
        "sip:a b@c",
        "sip:a@[::1",
        "sip:2001:db8::1",
        "sip:a@b?",
        "sip:a@b?x",
        "sip:%4@b",
        "tel:",
        "tel:+",
        "1a:b",
        "<sip:a@b>",
        "sip:a@b>",
    ] {
        assert!(UriRef::parse(bad.as_bytes()).is_err(), "{bad}");
    }
}

/// Work grows with the bytes, not with their square: hostile shapes at the limits, counted by the
/// framer, and small enough to finish at once if nothing is quadratic.
#[test]
fn hostile_shapes_are_linear() {
    let head = "OPTIONS sip:a@b SIP/2.0\r\nVia: SIP/2.0/UDP c;branch=z9hG4bK1\r\n";
    let long = |piece: &str| piece.repeat(16_000 / piece.len());
    let shapes = [
        format!("{head}Via: {}\r\n\r\n", long(",")),
        format!("{head}Route: {}\r\n\r\n", long("<,")),
        format!("{head}Route: {}\r\n\r\n", long("\",")),
        format!("{head}Contact: <sip:a@b>{}\r\n\r\n", long(";a=b")),
        format!("{head}Contact: {}\r\n\r\n", long("<sip:a@b>,")),
        format!("{head}Retry-After: 1 {}\r\n\r\n", long("(")),
        format!("{head}Subject: {}\r\n\r\n", long("\r\n ")),
        format!("{head}{}\r\n", "a: b\r\n".repeat(200)),
        format!("OPTIONS sip:a@b{} SIP/2.0\r\nVia: x\r\n\r\n", long(";a=b")),
    ];
    for shape in shapes {
        let Ok(message) = Message::parse(shape.clone().into_bytes()) else {
            continue;
        };
        let _ = validate(&message, &Capabilities::default());
        assert!(message.typed_all::<Via<'_>>().count() < 20_000);
        if let Ok(uri) = message.uri() {
            assert!(uri.equivalent(&uri));
        }
        let mut framer = Framer::stream();
        for byte in shape.as_bytes() {
            framer.push(vec![*byte]);
            let _ = framer.next_frame();
        }
        assert!(framer.examined() <= 2 * shape.len() as u64);
    }
}

#[test]
fn limits_hold_and_say_where() {
    let long = format!("OPTIONS sip:a SIP/2.0\r\nX: {}\r\n\r\n", "y".repeat(20_000));
    let error = Message::parse(long.into_bytes()).unwrap_err();
    assert_eq!(error.to_string(), "header field too long at byte 16407");
    let many = format!("OPTIONS sip:a SIP/2.0\r\n{}\r\n", "X: y\r\n".repeat(300));
    assert_eq!(
        Message::parse(many.into_bytes()).unwrap_err().to_string(),
        "too many header fields at byte 1523"
    );
    let huge = format!(
        "OPTIONS sip:a SIP/2.0\r\n{}\r\n",
        format!("X: {}\r\n", "y".repeat(999)).repeat(80)
    );
    assert_eq!(
        Message::parse(huge.into_bytes()).unwrap_err().to_string(),
        "header section too long at byte 65536"
    );
}

/// Each limit is a field: what is just within it is taken, and one more is a typed error.
#[test]
fn each_limit_can_be_set() {
    let text = "OPTIONS sip:a SIP/2.0\r\nFrom: x\r\nTo: yy\r\n\r\n";
    let parse = |limits: &Limits| Message::parse_with(text, limits).map_err(|e| (e.reason, e.at));
    let with = |change: fn(&mut Limits, usize), to: usize| {
        let mut limits = Limits::default();
        change(&mut limits, to);
        limits
    };
    type Row = (fn(&mut Limits, usize), usize, ParseErrorReason, usize);
    let rows: [Row; 3] = [
        (
            |l, to| l.head = to,
            text.len(),
            ParseErrorReason::HeadTooLong,
            text.len() - 1,
        ),
        (|l, to| l.line = to, 23, ParseErrorReason::LineTooLong, 22),
        (
            |l, to| l.headers = to,
            2,
            ParseErrorReason::TooManyHeaders,
            32,
        ),
    ];
    for (change, limit, reason, at) in rows {
        assert!(parse(&with(change, limit)).is_ok(), "{reason}");
        assert_eq!(parse(&with(change, limit - 1)).unwrap_err(), (reason, at));
    }

    let body = "OPTIONS sip:a SIP/2.0\r\nl: 4\r\n\r\nbody";
    for framer in [Framer::datagram, Framer::stream, Framer::websocket] {
        for (limit, taken) in [(4, true), (3, false)] {
            let mut framer = framer().with_limits(with(|l, to| l.body = to, limit));
            framer.push(body);
            match framer.next_frame() {
                Some(Frame::Message(message)) => assert!(taken && message.body() == b"body"),
                Some(Frame::Refused(refused)) => {
                    assert!(!taken);
                    assert_eq!(refused.why, FrameError::BodyTooLarge);
                    assert_eq!(refused.answer, StatusCode::REQUEST_ENTITY_TOO_LARGE);
                }
                other => panic!("{other:?}"),
            }
        }
    }

    // Five bodies, each within the one before.
    let mut inner = "\r\nHello".to_owned();
    for level in 0..5 {
        inner = format!(
            "Content-Type: multipart/mixed;boundary=b{level}\r\n\r\n--b{level}\r\n{inner}\r\n--b{level}--\r\n"
        );
    }
    let message = Message::parse(format!("INFO sip:a SIP/2.0\r\n{inner}")).unwrap();
    for nesting in 0..=5 {
        let limits = with(|l, to| l.nesting = to, nesting);
        let mut parts = Multipart::of(&message, &limits);
        let mut depth = 0;
        while let Some(part) = parts.and_then(|mut parts| parts.next()) {
            depth += 1;
            parts = part.parts();
        }
        assert_eq!(depth, nesting);
    }
}

#[test]
fn messages_are_send_and_sync() {
    fn shared<T: Send + Sync + Clone>() {}
    fn sent<T: Send>() {}
    shared::<Message>();
    shared::<Uri>();
    sent::<Framer>();
}
