//! What a log of calls holds: a span for each, named by its ids, and nothing that must stay secret.
#![cfg(all(feature = "net", feature = "tracing"))]
#![allow(missing_docs, clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use signaling::net::{Event, Gateway, GatewayConfig};
use signaling::session::{Join, SessionOptions};
use signaling::{DialRequest, Random, Secure};
use sip_core::header::NameAddr;
use sip_core::{DigestPolicy, Uninvited, auth::Account};
use token::Role;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Level, Metadata, Subscriber};

/// Names and values, as a log would print them.
#[derive(Default, Clone, Debug)]
struct Fields(BTreeMap<&'static str, String>);

impl Visit for Fields {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.insert(field.name(), value.to_owned());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        let mut text = String::new();
        let _ = write!(text, "{value:?}");
        self.0.insert(field.name(), text);
    }
}

#[derive(Default)]
struct Heard {
    spans: Vec<(&'static str, Fields)>,
    entered: Vec<usize>,
    /// The span that an event is in, and what it says.
    events: Vec<(Option<usize>, Fields)>,
}

/// A subscriber that keeps everything up to DEBUG.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Heard>>);

fn index(id: &Id) -> usize {
    usize::try_from(id.into_u64()).unwrap() - 1
}

impl Subscriber for Log {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        *metadata.level() <= Level::DEBUG
    }

    fn new_span(&self, span: &Attributes<'_>) -> Id {
        let mut fields = Fields::default();
        span.record(&mut fields);
        let mut heard = self.0.lock().unwrap();
        heard.spans.push((span.metadata().name(), fields));
        Id::from_u64(heard.spans.len() as u64)
    }

    fn record(&self, span: &Id, values: &Record<'_>) {
        values.record(&mut self.0.lock().unwrap().spans[index(span)].1);
    }

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &tracing::Event<'_>) {
        let mut fields = Fields::default();
        event.record(&mut fields);
        let mut heard = self.0.lock().unwrap();
        let span = heard.entered.last().copied();
        heard.events.push((span, fields));
    }

    fn enter(&self, span: &Id) {
        self.0.lock().unwrap().entered.push(index(span));
    }

    fn exit(&self, _: &Id) {
        self.0.lock().unwrap().entered.pop();
    }
}

fn gateway(change: impl FnOnce(&mut GatewayConfig)) -> impl Future<Output = Gateway> {
    let random = Random::new(|bytes| getrandom::fill(bytes).expect("the system has random bytes"));
    let mut config = GatewayConfig::new("127.0.0.1:0".parse().unwrap(), random);
    change(&mut config);
    async { Gateway::bind(config).await.unwrap() }
}

#[tokio::test]
async fn a_call_is_a_span_that_names_it_and_no_secret() {
    let log = Log::default();
    let _guard = tracing::subscriber::set_default(log.clone());
    let mut ours = gateway(|_| {}).await;
    let mut phone = gateway(|config| {
        config.uninvited = Uninvited::Accept;
        config.digest = Some(DigestPolicy::new("phone", [7; 32]).user("desk", "hunter2"));
    })
    .await;
    let options = SessionOptions::default;
    let session = ours.open_session("standup", options()).unwrap();
    let home = phone.open_session("home", options()).unwrap();
    let uri = format!("sip:bob:letmein@{}", phone.sip_addr());
    let from = NameAddr::new(&"sip:desk@example.org".parse().unwrap());
    let request = DialRequest::new(uri.parse().unwrap(), from)
        .account(Account::with_password("desk", "hunter2"))
        .header("X-Token", "bearer-of-secrets")
        .secure(Secure::Require);
    let call = ours.dial(session, &request).unwrap();
    let (_, who) = ours.place_of(call).unwrap();
    let mut answered = 0;
    let work = async {
        loop {
            let (is_ours, event) = tokio::select! {
                event = ours.next_event() => (true, event),
                event = phone.next_event() => (false, event),
            };
            match event {
                Event::Incoming { call, .. } => {
                    phone.ring(call).unwrap();
                    phone
                        .answer(call, home, Join::new(Role::Publisher))
                        .unwrap();
                }
                Event::Answered { .. } => answered += 1,
                Event::Ended { .. } if is_ours => break,
                _ => {}
            }
            if answered == 2 {
                answered = 0;
                ours.hang_up(call).unwrap();
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(20), work)
        .await
        .expect("nothing happens any more");

    let heard = log.0.lock().unwrap();
    let calls: Vec<_> = heard
        .spans
        .iter()
        .filter(|(name, _)| *name == "call")
        .collect();
    assert_eq!(calls.len(), 2, "one at each side: {calls:?}");
    let at = |direction: &str| {
        let found = heard.spans.iter().position(|(name, fields)| {
            *name == "call"
                && fields
                    .0
                    .get("direction")
                    .is_some_and(|value| value == direction)
        });
        found.expect("a span")
    };
    let (out, into) = (at("out"), at("in"));
    let field = |span: usize, name: &str| heard.spans[span].1.0.get(name).cloned();
    assert_eq!(field(out, "session").as_deref(), Some("standup"));
    assert_eq!(field(out, "participant"), Some(who.to_string()));
    assert_eq!(field(out, "call"), Some(format!("{call:?}")));
    assert_eq!(field(out, "to").as_deref(), Some("bob@127.0.0.1"));
    assert_eq!(field(into, "session").as_deref(), Some("home"));
    // The two ends of one call are found by the name that both sides know.
    let call_id = field(out, "call_id").expect("a Call-ID");
    assert_eq!(field(into, "call_id"), Some(call_id.clone()));

    let said = |span: usize| -> Vec<&str> {
        let of = heard.events.iter().filter(|(at, _)| *at == Some(span));
        of.filter_map(|(_, fields)| fields.0.get("message").map(String::as_str))
            .collect()
    };
    for message in ["call begins", "progress", "answered", "ended"] {
        assert!(said(out).contains(&message), "{message}: {:?}", said(out));
    }
    assert!(said(into).contains(&"ended"), "{:?}", said(into));
    // What the endpoint finds out by itself is not in the span, but bears its name.
    let named = heard.events.iter().any(|(_, fields)| {
        fields
            .0
            .get("message")
            .is_some_and(|text| text == "call ended")
            && fields.0.get("call_id") == Some(&call_id)
    });
    assert!(named);
    let end = heard.events.iter().find(|(at, fields)| {
        *at == Some(out) && fields.0.get("message").is_some_and(|text| text == "ended")
    });
    assert!(end.unwrap().1.0.contains_key("cause"));

    let spans = heard.spans.iter().map(|(_, fields)| fields);
    let all = spans.chain(heard.events.iter().map(|(_, fields)| fields));
    for fields in all {
        let text = format!("{fields:?}");
        for secret in [
            "hunter2",
            "letmein",
            "overheard",
            "bearer-of-secrets",
            "inline:",
        ] {
            assert!(!text.contains(secret), "{secret} is told: {text}");
        }
    }
}
