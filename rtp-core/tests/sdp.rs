//! SDP by its grammar (RFC 8866 §9): what is read, what is forgiven, what is refused and where.

use proptest::prelude::*;
use rtp_core::sdp::{
    Address, Attribute, Bandwidth, Description, Direction, Limits, Media, MediaKind, Origin,
    ParseError, ParseErrorKind, Protocol, Text, Timing,
};

const EVERYTHING: &str = include_str!("fuzz/seeds/sdp/everything.sdp");

#[test]
fn a_description_with_every_line_prints_as_it_came() {
    let description = Description::parse(EVERYTHING).unwrap();
    // k= MUST be discarded (RFC 8866 §5.12).
    assert_eq!(
        description.to_string(),
        EVERYTHING.replace("k=clear:abc\r\n", "")
    );
    assert_eq!(description.media[0].port_count, Some(2));
    assert_eq!(
        description.connection.as_ref().map(Address::host_name),
        Some("224.2.17.12")
    );
    assert_eq!(description.direction_of(1), Direction::RecvOnly);
    assert_eq!(
        description.bandwidths,
        [Bandwidth {
            kind: "AS".to_owned(),
            value: 128
        }]
    );
    assert_eq!(description.times[0].repeats, [Text::from("7d 1h 0 25h")]);
}

#[test]
fn what_phones_get_wrong_is_forgiven() {
    let right = "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0 8\r\na=x:y\r\n";
    for (what, text) in [
        ("LF only", right.replace("\r\n", "\n")),
        ("no end of the last line", right.trim_end().to_owned()),
        (
            "blank lines",
            right.replace("\r\nm=", "\r\n\r\nm=") + "\r\n\r\n",
        ),
        ("no s=", right.replace("s=-\r\n", "")),
        ("empty s=", right.replace("s=-", "s=")),
        ("no t=", right.replace("t=0 0\r\n", "")),
        (
            "another order",
            right.replace(
                "s=-\r\nc=IN IP4 192.0.2.1\r\n",
                "c=IN IP4 192.0.2.1\r\ns=-\r\n",
            ),
        ),
        (
            "spaces at the end",
            right
                .replace("192.0.2.1\r\n", "192.0.2.1 \r\n")
                .replace("0 8", "0  8  "),
        ),
        (
            "a key",
            right.replace("t=0 0", "t=0 0\r\nk=prompt") + "k=prompt\r\n",
        ),
    ] {
        let description = Description::parse(&text);
        assert_eq!(
            description.map(|description| description.to_string()),
            Ok(right.to_owned()),
            "{what}"
        );
    }
    let odd = right.replace("- 1 1", "me 18446744073709551616 x1");
    assert_eq!(
        Description::parse(&odd).map(|description| description.to_string()),
        Ok(odd)
    );
}

#[test]
fn errors_say_where_and_what() {
    use ParseErrorKind::{Duplicate, Expected, Misplaced, Missing, TooMuch, UnknownType};
    let head = "v=0\r\no=- 1 1 IN IP4 1.2.3.4\r\n";
    let after = |rest: &str| format!("{head}{rest}");
    let at = |offset: usize| head.len() + offset;
    for (text, line, offset, kind) in [
        (String::new(), 1, 0, Missing(b'v')),
        ("v=0\r\n".to_owned(), 2, 5, Missing(b'o')),
        (
            "o=- 1 1 IN IP4 1.2.3.4".to_owned(),
            1,
            0,
            Expected("v=0 as the first line"),
        ),
        ("v=1".to_owned(), 1, 2, Expected("version 0")),
        ("v=-0".to_owned(), 1, 2, Expected("version 0")),
        ("v=0 0".to_owned(), 1, 4, Expected("the end of the line")),
        (
            "v=0\no=- 1 1 IN IP4".to_owned(),
            2,
            18,
            Expected("an address"),
        ),
        ("v=0\no=-".to_owned(), 2, 7, Expected("a session id")),
        (after("x=1"), 3, at(0), UnknownType(b'x')),
        (after("S=1"), 3, at(0), UnknownType(b'S')),
        (after("hello"), 3, at(0), Expected("a letter and '='")),
        (after("s"), 3, at(0), Expected("a letter and '='")),
        (after(" s=x"), 3, at(0), Expected("a letter and '='")),
        (after("s=a\ns=b"), 4, at(4), Duplicate(b's')),
        (after("v=0"), 3, at(0), Duplicate(b'v')),
        (after("r=1"), 3, at(0), Expected("t= before r= and z=")),
        (after("t=0"), 3, at(3), Expected("a stop time")),
        (after("t=0 -1"), 3, at(4), Expected("a stop time")),
        (
            after("b=AS"),
            3,
            at(2),
            Expected("a bandwidth type, ':' and a number"),
        ),
        (
            after("b=:1"),
            3,
            at(2),
            Expected("a bandwidth type, ':' and a number"),
        ),
        (
            after("c=IN IP4 1.1.1.1 x"),
            3,
            at(17),
            Expected("the end of the line"),
        ),
        (
            after("s=a\0b"),
            3,
            at(3),
            Expected("no NUL and no CR inside a line"),
        ),
        (
            after("s=a\rb"),
            3,
            at(3),
            Expected("no NUL and no CR inside a line"),
        ),
        (after("a="), 3, at(2), Expected("an attribute name")),
        (after("a=:x"), 3, at(2), Expected("an attribute name")),
        (after("m=audio"), 3, at(7), Expected("a port")),
        (
            after("m=audio 65536 RTP/AVP 0"),
            3,
            at(8),
            Expected("a port from 0 to 65535"),
        ),
        (
            after("m=audio +1 RTP/AVP 0"),
            3,
            at(8),
            Expected("a port from 0 to 65535"),
        ),
        (
            after("m=audio 1/x RTP/AVP 0"),
            3,
            at(8),
            Expected("a port from 0 to 65535"),
        ),
        (after("m=audio 1 RTP/AVP"), 3, at(17), Expected("a format")),
        (
            after("m=audio 1 RTP/AVP 0\ns=-"),
            4,
            at(20),
            Misplaced(b's'),
        ),
        (
            after("m=audio 1 RTP/AVP 0\ni=a\ni=b"),
            5,
            at(24),
            Duplicate(b'i'),
        ),
        (
            after("m=audio 1 RTP/AVP 0\nq=b"),
            4,
            at(20),
            UnknownType(b'q'),
        ),
        (
            after(&"m=audio 1 RTP/AVP 0\n".repeat(65)),
            67,
            at(64 * 20),
            TooMuch("media sections"),
        ),
        (
            after(&format!("m=audio 1 RTP/AVP{}", " 0".repeat(129))),
            3,
            at(17 + 2 * 129),
            TooMuch("formats"),
        ),
        (
            after(&"a=x\n".repeat(2_047)),
            2_049,
            at(4 * 2_046),
            TooMuch("lines"),
        ),
        (after(&"a".repeat(65_536)), 1, 65_536, TooMuch("bytes")),
    ] {
        assert_eq!(
            Description::parse(&text),
            Err(ParseError { line, offset, kind }),
            "{}",
            text.escape_debug()
        );
    }
    let shown = ParseError {
        line: 3,
        offset: 27,
        kind: Expected("a port"),
    }
    .to_string();
    assert_eq!(shown, "line 3, byte 27: expected a port");
}

#[test]
fn limits_are_the_callers() {
    let mut limits = Limits::default();
    limits.media = 1;
    let one = "v=0\no=- 1 1 IN IP4 1.2.3.4\nm=audio 1 RTP/AVP 0\n";
    assert!(Description::parse_within(one, &limits).is_ok());
    assert!(Description::parse_within(format!("{one}m=audio 1 RTP/AVP 0\n"), &limits).is_err());
}

#[test]
fn bytes_that_are_not_utf_8_hide_nothing() {
    let text = b"v=0\r\no=- 1 1 IN IP4 1.2.3.4\r\ns=caf\xe9\r\nt=0 0\r\na=x:\xff\r\nm=audio 1 RTP/AVP 0\r\na=y:\xfe\r\na=sendonly\r\n";
    let description = Description::parse(text).unwrap();
    assert_eq!(description.to_bytes(), text.as_slice());
    assert_eq!(description.name.to_string(), "caf\u{fffd}");
    assert_eq!(description.direction_of(0), Direction::SendOnly);
}

#[test]
fn no_value_can_start_a_line() {
    let mut description = Description::new(Origin::new(1, 1, Address::unspecified()));
    description.name = Text::from("a\r\nm=video 1 RTP/AVP 0");
    description.origin.username = "x\ny".to_owned();
    description
        .attributes
        .push(Attribute::new("n\r\na=b", "v\na=c"));
    let again = Description::parse(description.to_bytes()).unwrap();
    assert_eq!((again.media.len(), again.attributes.len()), (0, 1));
}

#[test]
fn secrets_are_not_for_logs() {
    let text = "v=0\no=- 1 1 IN IP4 1.2.3.4\na=ice-pwd:hush\nm=audio 1 RTP/SAVP 0\na=crypto:1 X inline:hush\na=Crypto:2 X inline:hush\n";
    let description = Description::parse(text).unwrap();
    assert!(!format!("{description:?}{}", description.media[0].attributes[0]).contains("hush"));
    assert_eq!(description.to_string().matches("hush").count(), 3);
}

fn token() -> impl Strategy<Value = String> {
    "[a-zA-Z0-9!#$%&'*+._{}|~^-]{1,12}"
}

fn text() -> impl Strategy<Value = Text> {
    prop::collection::vec(
        any::<u8>().prop_filter("not in a line", |byte| ![0, b'\r', b'\n'].contains(byte)),
        1..24,
    )
    .prop_map(|bytes| Text::from(bytes.as_slice()))
}

fn address() -> impl Strategy<Value = Address> {
    (token(), token(), "[a-z0-9.:/]{1,20}").prop_map(|(network, kind, host)| Address {
        network,
        kind,
        host,
    })
}

fn bandwidths() -> impl Strategy<Value = Vec<Bandwidth>> {
    prop::collection::vec(
        (token(), any::<u64>()).prop_map(|(kind, value)| Bandwidth { kind, value }),
        0..3,
    )
}

fn attributes() -> impl Strategy<Value = rtp_core::sdp::Attributes> {
    let attribute =
        (token(), prop::option::of(text())).prop_map(|(name, value)| Attribute { name, value });
    prop::collection::vec(attribute, 0..6).prop_map(|attributes| attributes.into_iter().collect())
}

fn media() -> impl Strategy<Value = Media> {
    let head = (
        token(),
        any::<u16>(),
        prop::option::of(any::<u32>()),
        "[A-Z]{1,4}(/[A-Z]{1,5}){0,3}",
    );
    let body = (
        prop::collection::vec(token(), 1..5),
        prop::option::of(text()),
        prop::collection::vec(address(), 0..3),
        bandwidths(),
        attributes(),
    );
    (head, body).prop_map(
        |(
            (kind, port, port_count, protocol),
            (formats, information, connections, bandwidths, attributes),
        )| {
            let kind = kind.parse::<MediaKind>().unwrap_or(MediaKind::Audio);
            let protocol = protocol.parse::<Protocol>().unwrap_or(Protocol::RtpAvp);
            let mut media = Media::new(kind, port, protocol);
            (media.port_count, media.formats, media.information) =
                (port_count, formats, information);
            (media.connections, media.bandwidths, media.attributes) =
                (connections, bandwidths, attributes);
            media
        },
    )
}

fn description() -> impl Strategy<Value = Description> {
    let timing = (
        any::<u64>(),
        any::<u64>(),
        prop::collection::vec(text(), 0..2),
        prop::option::of(text()),
    )
        .prop_map(|(start, stop, repeats, zones)| Timing {
            start,
            stop,
            repeats,
            zones,
        });
    let head = (token(), token(), token(), address(), text());
    let middle = (
        prop::option::of(text()),
        prop::option::of(text()),
        prop::collection::vec(text(), 0..2),
        prop::collection::vec(text(), 0..2),
        prop::option::of(address()),
        bandwidths(),
    );
    let rest = (
        prop::collection::vec(timing, 1..3),
        attributes(),
        prop::collection::vec(media(), 0..4),
    );
    (head, middle, rest).prop_map(
        |((username, session_id, version, address, name), middle, (times, attributes, media))| {
            let mut description = Description::new(Origin {
                username,
                session_id,
                version,
                address,
            });
            (description.name, description.times, description.attributes) =
                (name, times, attributes);
            description.media = media;
            (
                description.information,
                description.uri,
                description.emails,
                ..,
            ) = middle.clone();
            (
                _,
                _,
                _,
                description.phones,
                description.connection,
                description.bandwidths,
            ) = middle;
            description
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn print_and_parse_are_inverse(description in description()) {
        prop_assert_eq!(Description::parse(description.to_bytes()), Ok(description));
    }

    #[test]
    fn nothing_panics_on_bytes(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        let _ = Description::parse(&bytes);
        let _ = Description::parse([b"v=0\no=- 1 1 IN IP4 1.2.3.4\n", bytes.as_slice()].concat());
    }

    #[test]
    fn nothing_panics_on_lines(lines in prop::collection::vec("[voscibtmakz]=.{0,30}", 0..20)) {
        let _ = Description::parse(format!("v=0\no=- 1 1 IN IP4 1.2.3.4\n{}", lines.join("\n")));
    }

    #[test]
    fn nothing_panics_on_crypto(line in "[0-9]{1,10} [A-Z_0-9]{1,30} (inline:[A-Za-z0-9+/=]{0,90}(\\|[0-9^:]{0,12}){0,3};?){1,3}( .{0,12}){0,3}") {
        if let Ok(crypto) = line.parse::<rtp_core::sdes::Crypto>() {
            prop_assert_eq!(crypto.to_string().parse(), Ok(crypto));
        }
    }
}
