//! Any bytes as a datagram.

use sip_core::{Frame, Framer, Index, Limits, Message, MessageRef};

use super::exercise;

pub fn run(data: &[u8]) {
    let mut framer = Framer::datagram();
    framer.push(data.to_vec());
    let first = framer.next_frame();
    assert!(first.is_some() || data.is_empty());
    assert_eq!(framer.next_frame(), None, "a datagram is one frame");
    let message = match first {
        Some(Frame::Message(message)) => message,
        Some(Frame::Refused(refused)) => match refused.message {
            Some(message) => message,
            None => {
                assert!(Message::parse(data.to_vec()).is_err());
                return;
            }
        },
        _ => return,
    };
    // Both forms of a message say the same.
    let mut index = Index::new();
    let view =
        MessageRef::parse(data, &mut index, &Limits::default()).expect("the framer has parsed it");
    assert_eq!(view.as_bytes(), message.as_bytes());
    assert!(view.headers().eq(message.headers()));
    exercise::message(&message);
}
