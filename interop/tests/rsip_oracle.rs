//! `rsip` as a second opinion: what both parsers accept must give the same facts.
//!
//! The messages stay inside what rsip reads at all: long header names, known methods, no folding, text bodies, no
//! headers in URIs, no dot in a user part (it takes `a.b@host` for a host).

use rsip::headers::{ToTypedHeader, UntypedHeader};
use rsip::message::{HasHeaders, HeadersExt};
use sip_core::header::{CSeq, CallId, Contact, From, To, Via};
use sip_core::{Message, UriRef};
use std::fmt::Write;

/// What a user agent needs to know of a message, as text.
#[derive(Debug, PartialEq, Eq)]
struct Facts {
    /// Method and Request-URI, or the status.
    start: (String, Option<Uri>),
    via: (String, String, Option<u16>, Option<String>),
    from: Address,
    to: Address,
    call_id: String,
    cseq: (u32, String),
    contact: Option<Uri>,
    headers: usize,
    body: Vec<u8>,
}

type Address = (Option<String>, Uri, Option<String>);
/// Scheme, user, password, host, port, number of parameters.
type Uri = (
    String,
    Option<String>,
    Option<String>,
    String,
    Option<u16>,
    usize,
);

fn ours(bytes: &[u8]) -> Facts {
    let message = Message::parse(bytes.to_vec()).expect("a message that sip-core accepts");
    let text = |s: &str| s.to_owned();
    let uri = |u: UriRef<'_>| {
        (
            u.scheme_str().to_ascii_lowercase(),
            u.user().map(text),
            u.password().map(text),
            u.host_str().unwrap_or_default().to_owned(),
            u.port(),
            u.params().iter().count(),
        )
    };
    let start = match (message.method(), message.uri(), message.status()) {
        (Some(method), Ok(to), None) => (method.to_string(), Some(uri(to))),
        (None, _, Some(status)) => (status.to_string(), None),
        _ => panic!("neither a request nor a response"),
    };
    let via: Via<'_> = message.typed().expect("Via");
    let from: From<'_> = message.typed().expect("From");
    let to: To<'_> = message.typed().expect("To");
    let cseq: CSeq<'_> = message.typed().expect("CSeq");
    let contact = match message.typed_opt::<Contact<'_>>().expect("Contact") {
        Some(Contact::Address(address)) => Some(uri(address.uri().expect("a URI"))),
        _ => None,
    };
    Facts {
        start,
        via: (
            text(via.transport()),
            text(via.host_str()),
            via.port(),
            via.branch().map(text),
        ),
        from: (
            from.display_name().map(Into::into),
            uri(from.uri().expect("a URI")),
            from.tag().map(text),
        ),
        to: (
            to.display_name().map(Into::into),
            uri(to.uri().expect("a URI")),
            to.tag().map(text),
        ),
        call_id: text(message.typed::<CallId<'_>>().expect("Call-ID").as_str()),
        cseq: (cseq.sequence(), cseq.method().to_string()),
        contact,
        headers: message.headers().count(),
        body: message.body().to_vec(),
    }
}

fn theirs(bytes: &[u8]) -> Facts {
    let message = rsip::SipMessage::try_from(bytes).expect("a message that rsip accepts");
    let uri = |u: &rsip::Uri| {
        (
            u.scheme
                .as_ref()
                .map(ToString::to_string)
                .unwrap_or_default(),
            u.auth.as_ref().map(|a| a.user.clone()),
            u.auth.as_ref().and_then(|a| a.password.clone()),
            u.host_with_port.host.to_string(),
            u.host_with_port.port.map(u16::from),
            u.params.len(),
        )
    };
    let start = match &message {
        rsip::SipMessage::Request(r) => (r.method.to_string(), Some(uri(&r.uri))),
        rsip::SipMessage::Response(r) => (r.status_code.code().to_string(), None),
    };
    // It gives quoted display names with their quotes.
    let display = |name: Option<String>| {
        name.map(|n| n.trim().trim_matches('"').to_owned())
            .filter(|n| !n.is_empty())
    };
    let via = message
        .via_header()
        .expect("Via")
        .typed()
        .expect("a typed Via");
    let from = message
        .from_header()
        .expect("From")
        .typed()
        .expect("a typed From");
    let to = message
        .to_header()
        .expect("To")
        .typed()
        .expect("a typed To");
    let cseq = message
        .cseq_header()
        .expect("CSeq")
        .typed()
        .expect("a typed CSeq");
    Facts {
        start,
        via: (
            via.transport.to_string(),
            via.uri.host_with_port.host.to_string(),
            via.uri.host_with_port.port.map(u16::from),
            via.branch().map(|b| b.value().to_owned()),
        ),
        from: (
            display(from.display_name.clone()),
            uri(&from.uri),
            from.tag().map(|t| t.value().to_owned()),
        ),
        to: (
            display(to.display_name.clone()),
            uri(&to.uri),
            to.tag().map(|t| t.value().to_owned()),
        ),
        call_id: message
            .call_id_header()
            .expect("Call-ID")
            .value()
            .to_owned(),
        cseq: (cseq.seq, cseq.method.to_string()),
        contact: message
            .contact_header()
            .ok()
            .map(|c| uri(&c.typed().expect("a typed Contact").uri)),
        headers: message.headers().iter().count(),
        body: match &message {
            rsip::SipMessage::Request(r) => r.body.clone(),
            rsip::SipMessage::Response(r) => r.body.clone(),
        },
    }
}

/// splitmix64, so that a failing message comes again.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((z ^ (z >> 31)) % sides as u64) as usize
    }

    fn one<'a>(&mut self, of: &[&'a str]) -> &'a str {
        of[self.roll(of.len())]
    }

    fn word(&mut self, from: &str, longest: usize) -> String {
        let n = 1 + self.roll(longest);
        (0..n)
            .map(|_| char::from(from.as_bytes()[self.roll(from.len())]))
            .collect()
    }
}

const ALNUM: &str = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
const TOKEN: &str = "abcxyzABCXYZ0189-.!%*_+`'~";

fn uri(dice: &mut Dice, params: bool) -> String {
    let mut out = dice.one(&["sip:", "sips:"]).to_owned();
    match dice.roll(4) {
        0 => {}
        1 => write!(out, "{}:{}@", dice.word(ALNUM, 8), dice.word(ALNUM, 8)).expect("a string"),
        _ => write!(out, "{}@", dice.word("abcz019-_!~*'()&=+$", 12)).expect("a string"),
    }
    out += dice.one(&[
        "example.com",
        "a.b.c.example.org",
        "192.0.2.7",
        "localhost",
        "x-1.example",
    ]);
    if dice.roll(2) == 0 {
        write!(out, ":{}", 1 + dice.roll(65_535)).expect("a string");
    }
    if params {
        for _ in 0..dice.roll(3) {
            out += dice.one(&[
                ";transport=tcp",
                ";lr",
                ";user=phone",
                ";ob",
                ";maddr=192.0.2.9",
                ";x=y",
            ]);
        }
    }
    out
}

fn address(dice: &mut Dice, tag: bool) -> String {
    let name = match dice.roll(4) {
        0 => format!("\"{}\" ", dice.word("abc XYZ019,;:@", 12).trim()),
        1 => format!("{} ", dice.word(ALNUM, 9)),
        _ => String::new(),
    };
    let mut out = format!("{name}<{}>", uri(dice, true));
    if tag {
        write!(out, ";tag={}", dice.word(TOKEN, 16)).expect("a string");
    }
    out
}

fn message(dice: &mut Dice) -> String {
    let method = dice.one(&[
        "INVITE", "ACK", "BYE", "CANCEL", "OPTIONS", "REGISTER", "INFO", "UPDATE", "REFER",
        "MESSAGE", "NOTIFY",
    ]);
    let request = dice.roll(3) > 0;
    let mut out = if request {
        format!("{method} {} SIP/2.0\r\n", uri(dice, true))
    } else {
        dice.one(&[
            "SIP/2.0 180 Ringing\r\n",
            "SIP/2.0 200 OK\r\n",
            "SIP/2.0 486 Busy Here\r\n",
            "SIP/2.0 401 Unauthorized\r\n",
        ])
        .to_owned()
    };
    for _ in 0..=dice.roll(3) {
        let (transport, port) = (
            dice.one(&["UDP", "TCP", "TLS", "WS"]),
            1 + dice.roll(65_535),
        );
        write!(
            out,
            "Via: SIP/2.0/{transport} {}",
            dice.one(&["192.0.2.1", "pc33.example.com"])
        )
        .expect("a string");
        if dice.roll(2) == 0 {
            write!(out, ":{port}").expect("a string");
        }
        write!(
            out,
            ";branch=z9hG4bK{}{}\r\n",
            dice.word(ALNUM, 12),
            dice.one(&["", ";received=192.0.2.3"])
        )
        .expect("a string");
    }
    let to_tag = dice.roll(2) == 0;
    let mut fields = vec![
        format!("From: {}", address(dice, true)),
        format!("To: {}", address(dice, to_tag)),
        format!(
            "Call-ID: {}@{}",
            dice.word(ALNUM, 20),
            dice.one(&["192.0.2.1", "example.com"])
        ),
        format!("CSeq: {} {method}", dice.roll(1 << 31)),
    ];
    if request {
        fields.push(format!("Max-Forwards: {}", dice.roll(256)));
    }
    if dice.roll(2) == 0 {
        fields.push(format!("Contact: {}", address(dice, false)));
    }
    for _ in 0..dice.roll(4) {
        fields.push(
            dice.one(&[
                "User-Agent: x/1 (y)",
                "X-Customer: a, b; c=\"d\"",
                "Subject: tea: at four",
                "Allow: INVITE, ACK",
            ])
            .into(),
        );
    }
    let body = if dice.roll(2) == 0 {
        "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\n"
    } else {
        ""
    };
    fields.push(format!("Content-Length: {}", body.len()));
    // The order of different header fields means nothing.
    for i in (1..fields.len()).rev() {
        fields.swap(i, dice.roll(i + 1));
    }
    for field in fields {
        out += &field;
        out += "\r\n";
    }
    out + "\r\n" + body
}

#[test]
fn both_read_the_same_facts() {
    let mut dice = Dice(3261);
    for _ in 0..5_000 {
        let text = message(&mut dice);
        assert_eq!(ours(text.as_bytes()), theirs(text.as_bytes()), "\n{text}");
    }
}

/// What sip-core prints, rsip reads as sip-core meant it.
#[test]
fn what_is_printed_again_still_reads_the_same() {
    let mut dice = Dice(5118);
    for _ in 0..2_000 {
        let text = message(&mut dice);
        let message =
            Message::parse(text.clone().into_bytes()).expect("a message that sip-core accepts");
        let edited = message
            .edit()
            .append("X-Added", "1")
            .build()
            .expect("an edited message")
            .to_bytes();
        let (mut before, after) = (ours(text.as_bytes()), theirs(&edited));
        before.headers += 1;
        assert_eq!(before, after, "\n{text}");
    }
}
