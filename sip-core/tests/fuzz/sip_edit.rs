//! One header changed: nothing else changes. The first byte chooses the header, the second the
//! length of the new value, which follows; the rest is the message.

use sip_core::{BuildError, Frame, Framer, HeaderName};

pub fn run(data: &[u8]) {
    let [which, length, rest @ ..] = data else {
        return;
    };
    let (value, bytes) = rest.split_at(usize::from(*length).min(rest.len()));
    let mut framer = Framer::datagram();
    framer.push(bytes.to_vec());
    let Some(Frame::Message(message)) = framer.next_frame() else {
        return;
    };
    let fields: Vec<_> = message.headers().collect();
    if fields.is_empty() {
        return;
    }
    let field = fields[usize::from(*which) % fields.len()];
    let first = fields
        .iter()
        .position(|f| f.name() == field.name())
        .expect("it is one of them");
    match message.edit().set(field.name(), value).build() {
        Ok(edited) => {
            let after: Vec<_> = edited.headers().collect();
            assert_eq!(after.len(), fields.len());
            for (i, (before, after)) in fields.iter().zip(&after).enumerate() {
                assert_eq!(before.raw_name(), after.raw_name());
                if i == first {
                    assert_eq!(after.value(), trim(value));
                } else {
                    assert_eq!(before.value(), after.value());
                }
            }
            assert_eq!(edited.body(), message.body());
            assert_eq!(edited.start_line(), message.start_line());
        }
        Err(BuildError::Injection(_)) => {
            assert!(value.iter().any(u8::is_ascii_control))
        }
        Err(BuildError::ContentLength) => assert_eq!(field.name(), HeaderName::CONTENT_LENGTH),
        Err(BuildError::Parse(_)) => assert!(bytes.len() + value.len() > 16_000),
        Err(other) => panic!("{other}"),
    }
}

fn trim(value: &[u8]) -> &[u8] {
    let blank = |b: &u8| matches!(b, b' ' | b'\t');
    let start = value.iter().position(|b| !blank(b)).unwrap_or(value.len());
    let end = value
        .iter()
        .rposition(|b| !blank(b))
        .map_or(start, |i| i + 1);
    &value[start..end]
}
