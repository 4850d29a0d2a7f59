//! Any bytes as each body of the REST interface and as each text in its paths: an order or a sentence, and an order
//! holds nothing that breaks out of the INVITE that it becomes.

use crate::opentok::{
    ArchiveOrder, CallbackOrder, DialOrder, MuteOrder, SessionName, SessionOrder, SignalOrder, keys,
};

/// The whole input as each of them.
pub fn run(data: &[u8]) {
    if let Ok(order) = DialOrder::parse(data) {
        for (name, value) in &order.headers {
            assert!(
                name.len() > 1 && name[..2].eq_ignore_ascii_case("x-"),
                "{name:?}"
            );
            assert!(!name.contains([':', '\r', '\n', ' ']), "{name:?}");
            assert!(!value.chars().any(char::is_control), "{value:?}");
        }
        let uri = order.uri.to_string();
        assert!(!uri.contains(['\r', '\n', ' ', '<', '>']), "{uri:?}");
        if let Some(from) = &order.from {
            assert!(!from.to_string().contains(['\r', '\n']), "{from}");
        }
    }
    if let Ok(digits) = keys(data) {
        assert!(!digits.is_empty() && digits.len() <= 128);
    }
    if let Ok(order) = CallbackOrder::parse(data) {
        let group = CallbackOrder::EVENTS
            .iter()
            .find(|(name, _)| *name == order.group);
        assert!(group.is_some_and(|(_, events)| events.contains(&order.event.as_str())));
    }
    if let Ok(order) = SessionOrder::parse(data) {
        assert!(order.routed || !order.archive_always);
    }
    let _ = (
        MuteOrder::parse(data),
        SignalOrder::parse(data),
        ArchiveOrder::parse(data),
    );
    if let Ok(text) = std::str::from_utf8(data)
        && let Ok(name) = SessionName::parse(text, "100")
    {
        assert_eq!(name.as_str(), text);
    }
}
