//! The binding rules against a model that is too simple to be wrong: a list of rows, and RFC 3261 section 10.3 read
//! aloud.
#![allow(clippy::unwrap_used)]

use std::time::{Duration, SystemTime};

use proptest::prelude::*;
use sip_core::Message;
use sip_core::registrar::{Bindings, Limits, Register};

#[derive(Clone, Debug)]
struct Ask {
    call: u8,
    cseq: u32,
    after: u64,
    what: What,
}

#[derive(Clone, Debug)]
enum What {
    Query,
    Star,
    /// Contact number, expiry, and whether the host is written in capitals.
    Contacts(Vec<(u8, u32, bool)>),
}

#[derive(Clone, Debug, PartialEq)]
struct Row {
    contact: u8,
    ends: u64,
    call: u8,
    cseq: u32,
}

const MOST: usize = 4;
const MIN: u32 = 60;
const MAX: u64 = 1000;

/// The rows afterwards, oldest first, or the status of a refusal.
fn model(rows: &[Row], ask: &Ask, now: u64) -> Result<Vec<Row>, u16> {
    let mut rows: Vec<Row> = rows.iter().filter(|row| row.ends > now).cloned().collect();
    let overtaken = |row: &Row| row.call == ask.call && row.cseq >= ask.cseq;
    match &ask.what {
        What::Query => Ok(rows),
        What::Star if rows.iter().any(overtaken) => Err(500),
        What::Star => Ok(Vec::new()),
        What::Contacts(contacts) => {
            let named = |row: &&Row| contacts.iter().any(|(contact, ..)| *contact == row.contact);
            if contacts.len() > MOST {
                return Err(403);
            }
            if rows.iter().filter(named).any(overtaken) {
                return Err(500);
            }
            if contacts
                .iter()
                .any(|(_, expires, _)| (1..MIN).contains(expires))
            {
                return Err(423);
            }
            for (contact, expires, _) in contacts {
                rows.retain(|row| row.contact != *contact);
                if *expires > 0 {
                    rows.push(Row {
                        contact: *contact,
                        ends: now + u64::from(*expires).min(MAX),
                        call: ask.call,
                        cseq: ask.cseq,
                    });
                }
            }
            while rows.len() > MOST {
                rows.remove(0);
            }
            Ok(rows)
        }
    }
}

fn request(ask: &Ask) -> Message {
    let contacts = match &ask.what {
        What::Query => String::new(),
        What::Star => "Contact: *\r\nExpires: 0\r\n".to_owned(),
        What::Contacts(contacts) => contacts
            .iter()
            .map(|(contact, expires, capitals)| {
                let host = if *capitals { "HOST" } else { "host" };
                format!("Contact: <sip:c{contact}@{host}>;expires={expires}\r\n")
            })
            .collect(),
    };
    let text = format!(
        "REGISTER sip:h SIP/2.0\r\nVia: SIP/2.0/UDP h;branch=z9hG4bK1\r\nMax-Forwards: 70\r\nTo: <sip:b@h>\r\n\
         From: <sip:b@h>;tag=t\r\nCall-ID: call{}\r\nCSeq: {} REGISTER\r\n{contacts}Content-Length: 0\r\n\r\n",
        ask.call, ask.cseq
    );
    Message::parse(text).unwrap()
}

fn asks() -> impl Strategy<Value = Vec<Ask>> {
    let expires = prop_oneof![Just(0u32), 0..100u32, 60..2000u32];
    let contacts = prop::collection::vec((0..6u8, expires, any::<bool>()), 1..6);
    let what = prop_oneof![
        1 => Just(What::Query),
        1 => Just(What::Star),
        8 => contacts.prop_map(What::Contacts),
    ];
    let ask = (0..3u8, 0..40u32, 0..300u64, what).prop_map(|(call, cseq, after, what)| Ask {
        call,
        cseq,
        after,
        what,
    });
    // Mostly in order, as clients count, and now and then not.
    prop::collection::vec(ask, 1..60).prop_map(|mut asks| {
        for (number, ask) in asks.iter_mut().enumerate() {
            if ask.cseq % 4 != 0 {
                ask.cseq = number as u32;
            }
        }
        asks
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn the_registrar_is_the_model(asks in asks()) {
        let mut limits = Limits::default();
        limits.contacts = MOST;
        limits.min_expires = Duration::from_secs(MIN.into());
        limits.max_expires = Duration::from_secs(MAX);
        let start = SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000);
        let (mut rows, mut bindings, mut now) = (Vec::new(), Bindings::default(), 0);
        for ask in asks {
            now += ask.after;
            let at = start + Duration::from_secs(now);
            let ours = Register::read(&request(&ask), None, &limits)
                .and_then(|register| bindings.apply(&register, at, &limits));
            match (model(&rows, &ask, now), ours) {
                (Ok(expected), Ok(change)) => {
                    rows = expected;
                    bindings = change.into_bindings();
                }
                (Err(status), Err(rejection)) => {
                    prop_assert_eq!(status, rejection.status().code(), "{:?}", ask);
                }
                (expected, got) => prop_assert!(false, "{:?}: {:?}, {:?}", ask, expected, got),
            }
            let seen: Vec<Row> = bindings
                .iter()
                .map(|binding| Row {
                    contact: binding.uri().unwrap().user().unwrap()[1..].parse().unwrap(),
                    ends: binding.expires.duration_since(start).unwrap().as_secs(),
                    call: binding.call_id[4..].parse().unwrap(),
                    cseq: binding.cseq,
                })
                .collect();
            let known: Vec<Row> = rows.clone();
            prop_assert_eq!(seen, known, "{:?}", ask);
        }
    }
}
