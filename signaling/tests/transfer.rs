//! Transfers among three gateways on loopback, and INFO between two.
#![cfg(feature = "net")]
#![allow(missing_docs, clippy::unwrap_used)]

use media_mix::{Rate, Tone};
use signaling::call::{Info, Transfer};
use signaling::engine::Voice;
use signaling::net::{Event, Gateway, GatewayConfig, GatewayError, SessionId};
use signaling::session::{Join, SessionOptions};
use signaling::{CallId, DialRequest, Random};
use sip_core::header::NameAddr;
use sip_core::{Body, EndKind, Referrals, StatusCode, Uninvited, Uri};
use std::time::Duration;
use token::Role;

fn me() -> NameAddr {
    NameAddr::new(&"sip:desk@example.org".parse().unwrap())
}

/// A gateway with one session, in which calls are answered that come in.
struct Phone {
    gateway: Gateway,
    session: SessionId,
    /// What it does when it is asked to call somebody else.
    follows: bool,
    /// The status that calls are refused with.
    refuses: Option<StatusCode>,
    calls: Vec<CallId>,
    events: Vec<Event>,
}

impl Phone {
    async fn new() -> Self {
        let random = Random::new(|bytes| getrandom::fill(bytes).unwrap());
        let mut config = GatewayConfig::new("127.0.0.1:0".parse().unwrap(), random);
        config.uninvited = Uninvited::Accept;
        config.endpoint.referrals = Referrals::InCalls;
        config.endpoint.replaces = true;
        config.endpoint.info_packages = vec!["weather".to_owned()];
        let mut gateway = Gateway::bind(config).await.unwrap();
        let session = gateway
            .open_session("s", SessionOptions::default())
            .unwrap();
        Self {
            gateway,
            session,
            follows: true,
            refuses: None,
            calls: Vec::new(),
            events: Vec::new(),
        }
    }

    fn uri(&self) -> Uri {
        format!("sip:phone@{}", self.gateway.sip_addr())
            .parse()
            .unwrap()
    }

    fn dial(&mut self, to: &Phone) -> CallId {
        let request = DialRequest::new(to.uri(), me());
        let call = self.gateway.dial(self.session, &request).unwrap();
        self.calls.push(call);
        call
    }

    fn take(&mut self, event: Event) {
        match &event {
            Event::Incoming { call, .. } => match self.refuses {
                Some(status) => self.gateway.reject(*call, status, None).unwrap(),
                None => {
                    let join = Join::new(Role::Publisher);
                    self.gateway.answer(*call, self.session, join).unwrap();
                    self.calls.push(*call);
                }
            },
            Event::TransferAsked { transfer, .. } => match self.follows {
                true => {
                    let request = transfer.dial(me()).unwrap();
                    let call = self.gateway.dial(self.session, &request).unwrap();
                    self.calls.push(call);
                }
                false => {
                    let status = StatusCode::DECLINE;
                    self.gateway.refuse_transfer(transfer, status).unwrap();
                }
            },
            Event::Ended { call, .. } => self.calls.retain(|known| known != call),
            _ => {}
        }
        if !matches!(event, Event::Session { .. }) {
            self.events.push(event);
        }
    }

    /// The steps of transfers so far.
    fn steps(&self) -> Vec<Transfer> {
        let steps = self.events.iter().filter_map(|event| match event {
            Event::Transfer { step, .. } => Some(step.clone()),
            _ => None,
        });
        steps.collect()
    }

    fn statuses(&self, of: fn(&Event) -> Option<StatusCode>) -> Vec<u16> {
        let found = self.events.iter().filter_map(of);
        found.map(|status| status.code()).collect()
    }
}

/// Runs all until `done`.
async fn until(phones: &mut [&mut Phone], what: &str, done: impl Fn(&[&mut Phone]) -> bool) {
    let end = tokio::time::Instant::now() + Duration::from_secs(20);
    while !done(phones) {
        assert!(tokio::time::Instant::now() < end, "never: {what}");
        for phone in phones.iter_mut() {
            let event =
                tokio::time::timeout(Duration::from_millis(2), phone.gateway.next_event()).await;
            if let Ok(event) = event {
                phone.take(event);
            }
        }
    }
}

fn are_up(phone: &Phone, calls: usize) -> bool {
    let up = phone.gateway.calls().filter(|call| {
        let info = phone.gateway.call(*call);
        info.is_some_and(|info| info.setup.is_some())
    });
    up.count() == calls && phone.gateway.calls().count() == calls
}

#[tokio::test]
async fn a_blind_transfer_leaves_the_other_two_with_each_other() {
    let (mut desk, mut bob, mut carol) =
        (Phone::new().await, Phone::new().await, Phone::new().await);
    let call = desk.dial(&bob);
    until(&mut [&mut desk, &mut bob, &mut carol], "a call", |p| {
        are_up(p[0], 1)
    })
    .await;
    // Whoever is refused tells so, and the call goes on.
    carol.refuses = Some(StatusCode::BUSY_HERE);
    desk.gateway.transfer(call, carol.uri()).unwrap();
    assert!(desk.gateway.transfer(call, carol.uri()).is_err());
    let failed = |status: StatusCode| Transfer::Failed {
        status,
        reason: status.reason().to_owned(),
    };
    until(&mut [&mut desk, &mut bob, &mut carol], "486", |p| {
        p[0].steps().contains(&failed(StatusCode::BUSY_HERE))
    })
    .await;
    bob.follows = false;
    desk.gateway.transfer(call, carol.uri()).unwrap();
    until(&mut [&mut desk, &mut bob, &mut carol], "603", |p| {
        p[0].steps().contains(&failed(StatusCode::DECLINE))
    })
    .await;
    assert!(are_up(&desk, 1));
    (bob.follows, carol.refuses) = (true, None);
    desk.gateway.transfer(call, carol.uri()).unwrap();
    until(&mut [&mut desk, &mut bob, &mut carol], "a transfer", |p| {
        are_up(p[0], 0) && are_up(p[1], 1) && are_up(p[2], 1)
    })
    .await;
    assert_eq!(desk.steps().last(), Some(&Transfer::Done));
    let asked = bob.events.iter().find_map(|event| match event {
        Event::TransferAsked { transfer, .. } => Some(transfer),
        _ => None,
    });
    let asked = asked.unwrap();
    assert!(!asked.is_attended());
    assert!(asked.referred_by.as_deref().unwrap().contains("desk@"));
    // Nothing of it reaches the application as raw SIP.
    for phone in [&desk, &bob, &carol] {
        let raw = phone.events.iter();
        assert_eq!(raw.filter(|e| matches!(e, Event::Sip(_))).count(), 0);
    }
}

#[tokio::test]
async fn an_attended_transfer_joins_the_phones_of_two_calls() {
    let (mut desk, mut bob, mut carol) =
        (Phone::new().await, Phone::new().await, Phone::new().await);
    let first = desk.dial(&bob);
    let second = desk.dial(&carol);
    until(&mut [&mut desk, &mut bob, &mut carol], "two calls", |p| {
        are_up(p[0], 2)
    })
    .await;
    // Bob waits with music while carol is asked.
    let music = Voice::tone(Tone::new(Rate::Khz8, 660.0, -12.0));
    desk.gateway.hold_with(first, music).unwrap();
    until(&mut [&mut desk, &mut bob, &mut carol], "a hold", |p| {
        p[1].events.iter().any(|e| matches!(e, Event::Held { .. }))
    })
    .await;
    assert!(desk.gateway.transfer_to(first, first).is_err());
    desk.gateway.transfer_to(first, second).unwrap();
    until(&mut [&mut desk, &mut bob, &mut carol], "a transfer", |p| {
        are_up(p[0], 0) && are_up(p[1], 1) && are_up(p[2], 1)
    })
    .await;
    assert_eq!(desk.steps().last(), Some(&Transfer::Done));
    let attended = bob.events.iter().any(
        |event| matches!(event, Event::TransferAsked { transfer, .. } if transfer.is_attended()),
    );
    let replaced = carol.events.iter().any(|event| {
        matches!(event, Event::Ended { end, .. } if matches!(end.cause.kind, EndKind::Replaced { .. }))
    });
    assert!(attended && replaced);
}

#[tokio::test]
async fn info_goes_out_in_order_and_keys_by_it_are_keys() {
    let (mut desk, mut bob) = (Phone::new().await, Phone::new().await);
    let call = desk.dial(&bob);
    until(&mut [&mut desk, &mut bob], "a call", |p| {
        are_up(p[0], 1) && are_up(p[1], 1)
    })
    .await;
    let unknown = Info::of_package("tides", None);
    let refused = desk.gateway.send_info(call, unknown).unwrap_err();
    assert!(refused.to_string().contains("tides"), "{refused}");
    let report = Info::of_package("weather", Some(Body::new("text/plain", "rain")));
    let old = Info::new(Body::new("text/plain", "hello"));
    desk.gateway.send_dtmf_by_info(call, "1p#").unwrap();
    desk.gateway.send_info(call, report.clone()).unwrap();
    desk.gateway.send_info(call, old.clone()).unwrap();
    assert!(matches!(
        desk.gateway.send_dtmf_by_info(call, "12x"),
        Err(GatewayError::Call(_))
    ));
    assert!(
        desk.gateway
            .send_dtmf_by_info(call, &"1".repeat(300))
            .is_err(),
        "the queue is bounded"
    );
    until(&mut [&mut desk, &mut bob], "two answers", |p| {
        let answered = |event: &Event| match event {
            Event::InfoAnswered { status, .. } => Some(*status),
            _ => None,
        };
        p[0].statuses(answered) == [200, 200]
    })
    .await;
    let came = bob.events.iter().filter_map(|event| match event {
        Event::Key { digit, .. } => Some(digit.to_string()),
        Event::Info { info, .. } => {
            let body = info.body.as_ref().unwrap();
            let text = String::from_utf8_lossy(&body.bytes);
            Some(format!("{:?} {text}", info.package))
        }
        _ => None,
    });
    let came: Vec<_> = came.collect();
    assert_eq!(came, ["1", "#", "Some(\"weather\") rain", "None hello"]);
}
