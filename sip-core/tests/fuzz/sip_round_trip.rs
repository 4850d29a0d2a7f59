//! What parses prints back byte for byte; what a builder makes of it is valid and parses back.

use sip_core::header::NameAddr;
use sip_core::{
    Answer, Capabilities, Finding, Frame, Framer, HeaderName, Message, Uri, What, validate,
};

pub fn run(data: &[u8]) {
    let mut framer = Framer::datagram();
    framer.push(data.to_vec());
    let Some(Frame::Message(message)) = framer.next_frame() else {
        return;
    };

    let again = Message::parse(message.to_bytes()).expect("a message parses again");
    assert_eq!(again, message);
    assert!(
        again
            .headers()
            .zip(message.headers())
            .all(|(a, b)| a.name() == b.name() && a.value() == b.value())
    );
    assert_eq!(again.body(), message.body());
    assert_eq!(
        message.edit().build().expect("nothing was changed"),
        message
    );

    rebuild(&message);
}

/// The same request from our builder: if every part is taken, the whole is right.
fn rebuild(message: &Message) {
    let (Some(method), Ok(uri)) = (message.method(), message.uri()) else {
        return;
    };
    let uri: Uri = uri.to_uri();
    let mut builder =
        Message::request(method, &uri).header(HeaderName::VIA, "SIP/2.0/UDP h;branch=z9hG4bK1");
    for name in [HeaderName::FROM, HeaderName::TO] {
        let address = message
            .header(name)
            .and_then(|f| NameAddr::parse(f.value().to_vec()).ok());
        let Some(address) = address.and_then(|a| a.with_tag("1").ok()) else {
            return;
        };
        builder = builder.header(name, address.to_string());
    }
    let builder = builder
        .header(HeaderName::CALL_ID, "c")
        .cseq(1)
        .max_forwards(70)
        .header(HeaderName::SUBJECT, "x")
        .body("application/octet-stream", message.body_bytes());
    // Folds and NULs of the original do not go into a new message.
    let Ok(built) = builder.build() else { return };
    let again = Message::parse(built.to_bytes()).expect("what we build parses");
    assert_eq!(again.body(), message.body());
    // A Request-URI may not have headers, which a URI elsewhere may.
    if message
        .uri()
        .is_ok_and(|u| u.headers().as_bytes().is_empty())
    {
        let findings = validate(&again, &Capabilities::default());
        // A URI's owner may have given a header's parameter twice, which is not the builder's to mend.
        let twice = |f: &Finding| matches!(f.what, What::DuplicateParameter(..));
        let fine = findings
            .iter()
            .all(|f| twice(f) || f.answer == Answer::Accept);
        assert!(fine, "{again}: {findings:?}");
    }
}
