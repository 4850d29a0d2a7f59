//! Whatever our builders are given: what they build, `validate` accepts.

#![allow(clippy::unwrap_used)]

use proptest::collection::vec;
use proptest::prelude::*;
use sip_core::{
    BuildError, Capabilities, HeaderName, Message, Method, RequestBuilder, StatusCode, Uri, What,
    validate,
};

/// Names that mean something, and one that does not.
const NAMES: &[&str] = &[
    "Via",
    "From",
    "To",
    "Call-ID",
    "CSeq",
    "Contact",
    "Max-Forwards",
    "Content-Type",
    "Route",
    "Record-Route",
    "Require",
    "Supported",
    "Expires",
    "Authorization",
    "Proxy-Authenticate",
    "Allow",
    "Event",
    "Session-Expires",
    "Refer-To",
    "Replaces",
    "Accept",
    "Date",
    "Diversion",
    "History-Info",
    "Identity",
    "In-Reply-To",
    "MIME-Version",
    "Min-SE",
    "P-Asserted-Identity",
    "Path",
    "Priority",
    "RAck",
    "Reason",
    "Recv-Info",
    "Referred-By",
    "Retry-After",
    "RSeq",
    "Service-Route",
    "Session-ID",
    "Subject",
    "Subscription-State",
    "Timestamp",
    "User-Agent",
    "User-to-User",
    "Warning",
    "Call-Info",
    "Content-Disposition",
    "Content-Encoding",
    "m",
    "v",
    "X-Room",
];

/// Values that are right in one of them, and wrong in most.
const VALUES: &[&str] = &[
    "SIP/2.0/UDP h;branch=z9hG4bK1",
    "SIP/2.0/UDP h;branch=z9hG4bK",
    "SIP/2.0/UDP h;a=1;A=2",
    "<sip:a@b>;tag=1",
    "<sip:a@b>;tag=1;tag=2",
    "\"A, \\\"B\\\"\" <sip:a@b;lr>",
    "sip:a@b;tag=1",
    "<sip:a@b;lr>, <sip:c@d>",
    "Bob, <sip:b@c>",
    "<sip:b@c",
    "<sip:p;lr>",
    "sip:p;lr",
    "*",
    "abc@def",
    "1 INVITE",
    "1 BYE",
    "4294967296 BYE",
    "70",
    "300",
    "1800;refresher=uac",
    "timer",
    "timer, 100rel",
    "timer,,100rel",
    ",",
    "",
    "application/sdp",
    "application/sdp;q=0.5, */*",
    "text",
    "multipart/mixed;boundary=\"a b\"",
    "Digest realm=\"a\", nonce=\"b\"",
    "Digest realm=\"a",
    "Bearer abc",
    "presence;id=5",
    "a;to-tag=1;from-tag=2",
    "a;to-tag=1",
    "Sat, 13 Nov 2010 23:29:00 GMT",
    "Sat, 13 Nov 2010 23:29:00 EST",
    "1.0",
    "54.5 .25",
    "emergency",
    "1 1 INVITE",
    "SIP;cause=200;text=\"x\"",
    "18000 (a (b));duration=5",
    "f81d4fae7dec11d0a76500a0c91e6bf6",
    "307 isi.edu \"x\"",
    "<http://a/b>;purpose=icon",
    "session;handling=optional",
    "gzip",
    "active;expires=5",
    "56a390f3d2b7310023a2;encoding=hex",
    "a\u{7f}b",
    "ä",
];

fn value() -> impl Strategy<Value = String> {
    prop_oneof![
        3 => prop::sample::select(VALUES).prop_map(str::to_owned),
        1 => "[ -~]{0,30}",
        1 => "[a-z]{1,5}(;[a-z]{1,3}(=[a-z0-9\"<>]{0,4})?){0,3}",
    ]
}

fn uri() -> impl Strategy<Value = Uri> {
    prop::sample::select(
        &[
            "sip:b@c.example",
            "tel:+1-201-555-0123",
            "sip:b@c?a=1",
            "urn:a:b",
            "sips:[::1]",
        ][..],
    )
    .prop_map(|text| text.parse().unwrap())
}

/// A request that is complete, unless what is put into it spoils it.
fn request(method: Method, uri: &Uri) -> RequestBuilder {
    Message::request(method, uri)
        .header("Via", "SIP/2.0/UDP h.example;branch=z9hG4bK77")
        .header("From", "<sip:a@b.example>;tag=1")
        .header("To", "<sip:b@c.example>")
        .header("Call-ID", "x")
        .cseq(7)
        .max_forwards(70)
}

fn valid(message: &Message) -> Result<(), TestCaseError> {
    let findings = validate(message, &Capabilities::default());
    prop_assert!(findings.is_valid(), "{message}: {findings:?}");
    prop_assert_eq!(&Message::parse(message.to_bytes()).unwrap(), message);
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3_000))]

    #[test]
    fn a_request_is_right_or_is_not_built(
        method in prop::sample::select(&[Method::Invite, Method::Register, Method::Bye, Method::Subscribe][..]),
        uri in uri(),
        more in vec((prop::sample::select(NAMES), value()), 0..4),
        body in prop::option::of((value(), vec(any::<u8>(), 0..9))),
        answer in vec((prop::sample::select(NAMES), value()), 0..4),
        code in 100u16..700,
    ) {
        let mut builder = request(method, &uri);
        for (name, value) in more {
            builder = builder.header(name, value);
        }
        if let Some((content_type, body)) = body {
            builder = builder.body(&content_type, body);
        }
        let Ok(request) = builder.build() else { return Ok(()) };
        valid(&request)?;
        let mut builder = request.reply(StatusCode::new(code).unwrap()).to_tag("t");
        for (name, value) in answer {
            builder = builder.header(name, value);
        }
        if let Ok(response) = builder.build() {
            valid(&response)?;
        }
    }

    #[test]
    fn a_message_from_nothing_is_right_or_is_not_built(
        uri in uri(),
        headers in vec((prop::sample::select(NAMES), value()), 3..9),
    ) {
        let mut request = Message::request(Method::Options, &uri).cseq(1);
        let mut response = Message::response(StatusCode::OK);
        for (name, value) in headers {
            request = request.header(name, &value);
            response = response.header(name, &value);
        }
        for message in [request.build(), response.build()].into_iter().flatten() {
            valid(&message)?;
        }
    }
}

/// Every value, in every header, alone in a request that is otherwise right; enough of them are built.
#[test]
fn every_value_in_every_header() {
    let uri: Uri = "sip:b@c.example".parse().unwrap();
    let (mut built, mut refused) = (0, 0);
    for name in NAMES {
        let before = built;
        for value in VALUES {
            match request(Method::Invite, &uri).header(*name, value).build() {
                Ok(message) => {
                    valid(&message).unwrap();
                    built += 1;
                }
                Err(_) => refused += 1,
            }
        }
        // What stands once is there already, or its value fits one of these.
        let once = ["From", "To", "Call-ID", "CSeq", "Max-Forwards"].contains(name);
        assert_eq!(built == before, once, "{name}");
    }
    assert!(
        built > 300 && refused > 1_000,
        "{built} built, {refused} refused"
    );
}

#[test]
fn errors_say_what_is_wrong() {
    let uri: Uri = "sip:b@c.example".parse().unwrap();
    let build = |name: &str, value: &str| request(Method::Bye, &uri).header(name, value).build();
    let error = build("Contact", "<sip:b@c").unwrap_err();
    assert!(matches!(&error, BuildError::Header(e) if e.name == HeaderName::CONTACT));
    assert_eq!(error.to_string(), "Contact: not closed at byte 0");
    let error = build("Call-ID", "y").unwrap_err();
    assert_eq!(error, BuildError::Duplicate("Call-ID".to_owned()));
    let with_headers = "sip:b@c?Subject=x".parse().unwrap();
    match request(Method::Bye, &with_headers).build() {
        Err(BuildError::Broken(finding)) => assert_eq!(finding.what, What::RequestUriHeaders),
        other => panic!("{other:?}"),
    }
    let response = Message::response(StatusCode::OK).build();
    assert_eq!(response, Err(BuildError::Missing("Via")));
}

/// An answer goes out even where the request was wrong: its sender wrote what is copied.
#[test]
fn a_bad_request_can_be_answered() {
    let bad = Message::parse(
        &b"BYE sip:a SIP/2.0\r\nVia: SIP/2.0/UDP b;branch=z9hG4bK1\r\nFrom: Bob, <sip:a@b>;tag=1\r\n\
           To: <sip:a@b>;tag=1;tag=2\r\nCall-ID: a b\r\nCSeq: x BYE\r\n\r\n"[..],
    );
    let bad = bad.unwrap();
    assert!(!validate(&bad, &Capabilities::default()).is_valid());
    let answer = bad.reply(StatusCode::BAD_REQUEST).build().unwrap();
    assert_eq!(
        answer.header("From").unwrap().value(),
        b"Bob, <sip:a@b>;tag=1"
    );
}
