//! The one line that log watchers read.

use std::fmt::Write as _;
use std::sync::{Arc, Mutex};

use sip_core::net::Admission;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event as Logged, Metadata, Subscriber};

use super::*;

/// What a log file would hold: the message of each line of our target.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<String>>>);

struct Text(String);

impl Visit for Text {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        if field.name() == "message" {
            let _ = write!(self.0, "{value:?}");
        }
    }
}

impl Subscriber for Lines {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target() == "sip_core::admission"
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Logged<'_>) {
        let mut text = Text(String::new());
        event.record(&mut text);
        self.0.lock().unwrap().push(text.0);
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

#[tokio::test]
async fn floods_and_wrong_passwords_are_a_line_each() {
    let lines = Lines::default();
    let _guard = tracing::subscriber::set_default(lines.clone());
    let mut config = Config::default();
    config.digest = Some(DigestPolicy::new("home", [1; 32]).user("bob", "secret"));
    let (mut callee, at) = driver(config, Transport::Udp).await;
    let (mut caller, _) = driver(Config::default(), Transport::Udp).await;
    let wrong = invite(&format!("sip:bob@{at}")).account(Account::with_password("bob", "guessed"));
    caller.endpoint().invite(Instant::now(), wrong).unwrap();
    let end = until(&mut caller, |event| {
        matches!(event, Event::Ended { .. }).then_some(())
    });
    tokio::select! {
        _ = callee.next_event() => {}
        () = end => {}
    }
    assert_eq!(
        *lines.0.lock().unwrap(),
        ["refused 127.0.0.1 over UDP: authentication"]
    );

    callee.set_admission(Some(Admission::new(1)));
    let peer = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    for _ in 0..50 {
        peer.send_to(b"\r\n\r\n", at).unwrap();
    }
    let wait = tokio::time::timeout(Duration::from_millis(200), callee.next_event());
    assert!(wait.await.is_err());
    // The ACK of the refused call may be among them.
    assert!(callee.refused() >= 46, "{}", callee.refused());
    let lines = lines.0.lock().unwrap();
    assert_eq!(lines[1..], ["refused 127.0.0.1 over UDP: flood"]);
}
