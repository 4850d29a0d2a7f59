//! The call flows of RFC 3665 and RFC 5359, as far as they are a user agent's, as scripts on
//! virtual time: a line with an arrow is a message, any other a command.
//!
//! Left out: flows whose point is a proxy's own work (RFC 3665 sections 3.4 and 3.5, RFC 5359
//! sections 2.12 to 2.14), Join (2.11), and transfers by other methods (2.6, 2.18).
#![allow(clippy::disallowed_methods, clippy::unwrap_used, clippy::expect_used)]

#[path = "support/pen.rs"]
mod pen;
mod support;

use std::collections::HashMap;
use std::time::Duration;

use pen::{Pen, them};
use sip_core::header::NameAddr;
use sip_core::{
    Body, CallId, Config, Event, Invite, Refer, StatusCode, Subscribe, SubscriptionId, Terminated,
};
use support::*;

struct Stage {
    net: Network,
    /// The call of one with another.
    calls: HashMap<(usize, usize), CallId>,
    subs: HashMap<(usize, usize), SubscriptionId>,
    /// How much of the ladder was compared.
    seen: usize,
    moved: Option<usize>,
}

fn who(name: &str) -> usize {
    "ABCD"
        .find(name)
        .unwrap_or_else(|| panic!("who is {name}?"))
}

/// `user3` in From is D.
fn caller(request: &sip_core::Message) -> usize {
    let from = request.header("From").unwrap().to_str().into_owned();
    let at = from.find("sip:user").expect("one of ours") + "sip:user".len();
    from[at..=at].parse().unwrap()
}

impl Stage {
    fn call(&mut self, of: usize, with: usize) -> sip_core::CallHandle<'_> {
        if !self.calls.contains_key(&(of, with)) {
            let (call, request) = self.net.until(of, |event| match event {
                Event::Incoming { call, request, .. } => Some((*call, request.clone())),
                _ => None,
            });
            assert_eq!(caller(&request), with, "who calls");
            self.calls.insert((of, with), call);
        }
        let id = self.calls[&(of, with)];
        self.net.call(of, id)
    }

    fn invite(&mut self, from: usize, to: usize, change: impl FnOnce(Invite) -> Invite) {
        let call = self.net.invite(from, to, change);
        self.calls.insert((from, to), call);
        self.calls.remove(&(to, from));
    }

    fn command(&mut self, line: &str) {
        let now = self.net.now;
        let words: Vec<&str> = line.split_whitespace().collect();
        let (of, verb) = (who(words[0]), words[1]);
        let with = words.get(2).map_or(of, |name| match name.len() {
            1 => who(name),
            _ => of,
        });
        let third = words
            .last()
            .filter(|_| words.len() > 4)
            .map_or(of, |name| who(name));
        match (verb, words.get(3).copied()) {
            ("invites", None) => self.invite(of, with, |invite| invite),
            ("invites", Some("offerless")) => self.invite(of, with, |mut invite| {
                invite.body = None;
                invite
            }),
            ("invites", Some("replacing")) => {
                let other = self.call(with, third);
                let replaces = format!(
                    "{};to-tag={};from-tag={}",
                    other.call_id(),
                    other.local_tag(),
                    other.remote_tag().unwrap()
                );
                self.invite(of, with, |invite| invite.header("Replaces", replaces));
            }
            ("rings", _) => self
                .call(of, with)
                .ring(now, StatusCode::RINGING, None)
                .unwrap(),
            ("answers", None) => self.call(of, with).answer(now, Some(answer(of))).unwrap(),
            ("answers", Some("offering")) => {
                self.call(of, with).answer(now, Some(offer(of))).unwrap();
            }
            ("rejects", Some(status)) => {
                let status = StatusCode::new(status.parse().unwrap()).unwrap();
                self.call(of, with).reject(now, status, None).unwrap();
            }
            ("redirects", _) => {
                let to = NameAddr::new(
                    &format!("sip:user{third}@{}", address(third))
                        .parse()
                        .unwrap(),
                );
                self.call(of, with).redirect(now, &[to]).unwrap();
                self.calls.remove(&(of, with));
            }
            ("hears", _) => {
                self.moved = Some(self.net.until(of, |event| match event {
                    Event::Ended {
                        message: Some(message),
                        ..
                    } => {
                        let contact = message.header("Contact")?.to_str().into_owned();
                        let at = contact.find("sip:user")? + "sip:user".len();
                        contact[at..=at].parse().ok()
                    }
                    _ => None,
                }));
            }
            ("goes", _) => {
                let to = self.moved.take().expect("heard where to");
                self.invite(of, to, |invite| invite);
            }
            ("offers", _) => self.call(of, with).reinvite(now, offer(of)).unwrap(),
            ("accepts", _) => self.call(of, with).accept(now, answer(of)).unwrap(),
            ("hangs", _) | ("leaves", _) => {
                self.call(of, with).hang_up(now).unwrap();
                self.calls.remove(&(of, with));
                self.calls.remove(&(with, of));
            }
            ("refers", _) => {
                let refer = Refer::new(
                    format!("sip:user{third}@{}", address(third))
                        .parse()
                        .unwrap(),
                );
                self.call(of, with).refer(now, refer).unwrap();
            }
            ("transfers", _) => {
                let other = self.call(of, third).id();
                self.call(of, with).transfer_to(now, other).unwrap();
            }
            ("follows", _) => {
                let (id, request) = self.net.until(of, |event| match event {
                    Event::ReferRequested {
                        subscription,
                        request,
                        ..
                    } => Some((*subscription, request.clone())),
                    _ => None,
                });
                let from = NameAddr::new(&format!("sip:user{of}@example.org").parse().unwrap());
                let invite = Invite::referred(&request, from).unwrap().body(offer(of));
                let to: usize = invite.uri.user().unwrap()["user".len()..].parse().unwrap();
                let now = self.net.now;
                let call = self.net.endpoints[of].follow(now, id, invite).unwrap();
                self.calls.insert((of, to), call);
                self.calls.remove(&(to, of));
            }
            ("subscribes", _) => {
                let from = NameAddr::new(&format!("sip:user{of}@example.org").parse().unwrap());
                let uri = format!("sip:user{with}@{}", address(with)).parse().unwrap();
                let wanted = Subscribe::new(uri, from, "dialog");
                let id = self.net.endpoints[of].subscribe(now, wanted).unwrap();
                self.subs.insert((of, with), id);
            }
            ("reports", _) => {
                let body = Some(Body::new("application/dialog-info+xml", "<dialog-info/>"));
                match self.subs.get(&(of, with)).copied() {
                    Some(id) => self.net.sub(of, id).notify(now, body).unwrap(),
                    None => {
                        let id = self.net.until(of, |event| match event {
                            Event::SubscribeRequested { subscription, .. } => Some(*subscription),
                            _ => None,
                        });
                        let now = self.net.now;
                        self.net.sub(of, id).accept(now, body).unwrap();
                        self.subs.insert((of, with), id);
                    }
                }
            }
            ("stops", _) => {
                let id = self.subs[&(of, with)];
                self.net
                    .sub(of, id)
                    .terminate(now, Terminated::NoResource, None)
                    .unwrap();
            }
            ("waits", _) => self.net.run(Duration::from_secs(words[2].parse().unwrap())),
            other => panic!("no such command: {other:?}"),
        }
    }

    fn run(name: &str, script: &str) {
        let mut stage = Self {
            net: Network::phones(1, 4),
            calls: HashMap::new(),
            subs: HashMap::new(),
            seen: 0,
            moved: None,
        };
        let mut wanted: Vec<String> = Vec::new();
        let lines = script
            .lines()
            .map(str::trim)
            .filter(|line| !line.is_empty());
        for line in lines.chain(["end"]) {
            if line.contains("->") {
                wanted.push(line.split_whitespace().collect::<Vec<_>>().join(" "));
                continue;
            }
            // Less than the 200 ms after which an INVITE is answered with 100.
            stage.net.run(Duration::from_millis(100));
            let got: Vec<String> = stage.net.ladder[stage.seen..]
                .iter()
                .map(|(_, from, to, line)| {
                    let line = line.strip_prefix("SIP/2.0 ").unwrap_or(line);
                    let word = line.split(' ').next().unwrap_or_default();
                    let name = |at: &usize| "ABCD".get(*at..=*at).unwrap_or("?").to_owned();
                    format!("{} -> {} {word}", name(from), name(to))
                })
                .collect();
            assert_eq!(got, wanted, "{name}, before \"{line}\"");
            stage.seen = stage.net.ladder.len();
            wanted.clear();
            if line != "end" {
                stage.command(line);
            }
        }
        stage.net.assert_forgotten();
    }
}

#[test]
fn the_flows_of_rfc_3665() {
    let flows = [
        (
            "3.1 successful session establishment",
            "A invites B
               A -> B INVITE
             B rings A
               B -> A 180
             B answers A
               B -> A 200
               A -> B ACK
             B hangs A
               B -> A BYE
               A -> B 200",
        ),
        (
            "3.6 by redirect, with the SDP in the ACK",
            "A invites B offerless
               A -> B INVITE
             B redirects A to C
               B -> A 302
               A -> B ACK
             A hears B
             A goes
               A -> C INVITE
             C rings A
               C -> A 180
             C answers A
               C -> A 200
               A -> C ACK
             C hangs A
               C -> A BYE
               A -> C 200",
        ),
        (
            "3.7 session with re-INVITE",
            "A invites B
               A -> B INVITE
             B rings A
               B -> A 180
             B answers A
               B -> A 200
               A -> B ACK
             B offers A
               B -> A INVITE
             A accepts B
               A -> B 200
               B -> A ACK
             A hangs B
               A -> B BYE
               B -> A 200",
        ),
        (
            "3.8 unsuccessful, no answer",
            "A invites B
               A -> B INVITE
             B rings A
               B -> A 180
             A leaves B
               A -> B CANCEL
               B -> A 200
               B -> A 487
               A -> B ACK",
        ),
        (
            "3.9 unsuccessful, busy",
            "A invites B
               A -> B INVITE
             B rejects A 486
               B -> A 486
               A -> B ACK",
        ),
        (
            "3.11 unsuccessful, temporarily unavailable",
            "A invites B
               A -> B INVITE
             B rings A
               B -> A 180
             B rejects A 480
               B -> A 480
               A -> B ACK",
        ),
    ];
    for (name, script) in flows {
        Stage::run(name, script);
    }
}

/// 3.10: nobody is there. Timer A repeats the INVITE, timer B ends it.
#[test]
fn the_flow_of_rfc_3665_without_a_response() {
    let mut net = Network::pair();
    net.weather.loss = 100;
    net.invite(0, 1, |invite| invite);
    let cause = net.until(0, ended);
    assert!(cause.to_string().contains("timer B"), "{cause}");
    assert_eq!(net.count(0, "INVITE"), 7);
    net.assert_forgotten();
}

/// 3.2 as the caller sees it: two proxies record-route, and all that follows goes by them.
#[test]
fn the_flow_of_rfc_3665_by_two_proxies() {
    let mut pen = Pen::new(Config::default());
    let (call, invite) = pen.invite();
    let by = |status, pen: &mut Pen| {
        pen.reply(&invite, status, |builder| {
            pen::ok("b")(builder).header(
                "Record-Route",
                "<sip:127.0.0.1:7002;lr>, <sip:127.0.0.1:7001;lr>",
            )
        });
    };
    by(StatusCode::SESSION_PROGRESS, &mut pen);
    by(StatusCode::OK, &mut pen);
    pen.endpoint.call(call).unwrap().hang_up(pen.now).unwrap();
    for method in ["ACK", "BYE"] {
        let transmit = pen.endpoint.poll_transmit().unwrap();
        assert_eq!(transmit.to.remote(), "127.0.0.1:7001".parse().unwrap());
        let message = sip_core::Message::parse(transmit.bytes).unwrap();
        assert_eq!(message.method().unwrap().to_string(), method);
        let routes: Vec<_> = message.values("Route").map(<[u8]>::to_vec).collect();
        assert_eq!(
            routes,
            [&b"<sip:127.0.0.1:7001;lr>"[..], b"<sip:127.0.0.1:7002;lr>"]
        );
        assert_eq!(
            message.uri_bytes().unwrap(),
            format!("sip:b@{}", them()).as_bytes()
        );
    }
}

/// 3.3: each of two proxies challenges.
#[test]
fn the_flow_of_rfc_3665_with_two_challenges() {
    let mut pen = Pen::new(Config::default());
    let from = NameAddr::new(&"sip:alice@example.org".parse().unwrap());
    let invite = Invite::new(format!("sip:bob@{}", them()).parse().unwrap(), from)
        .account(sip_core::auth::Account::with_password("alice", "secret"))
        .body(Body::sdp("offer"));
    pen.endpoint.invite(pen.now, invite).unwrap();
    let mut request = pen.sent().remove(0);
    for (round, realm) in ["atlanta", "biloxi"].into_iter().enumerate() {
        pen.reply(
            &request,
            StatusCode::PROXY_AUTHENTICATION_REQUIRED,
            |builder| {
                let value = format!("Digest realm=\"{realm}\", nonce=\"n\", qop=\"auth\"");
                builder.to_tag("p").header("Proxy-Authenticate", value)
            },
        );
        let mut sent = pen.sent();
        assert_eq!(sent.len(), 2, "ACK and INVITE");
        request = sent.remove(1);
        let bears = request.headers_named("Proxy-Authorization").count();
        assert_eq!(bears, round + 1, "credentials for every realm so far");
    }
    pen.reply(&request, StatusCode::OK, pen::ok("b"));
    let ack = pen.sent().remove(0);
    assert_eq!(ack.headers_named("Proxy-Authorization").count(), 2);
}

#[test]
fn the_flows_of_rfc_5359() {
    const UP: &str = "A invites B
          A -> B INVITE
        B rings A
          B -> A 180
        B answers A
          B -> A 200
          A -> B ACK";
    const HOLD: &str = "B offers A
          B -> A INVITE
        A accepts B
          A -> B 200
          B -> A ACK";
    const END: &str = "A hangs B
          A -> B BYE
          B -> A 200";
    let flows: [(&str, Vec<&str>); 11] = [
        ("2.1 call hold", vec![UP, HOLD, HOLD, END]),
        (
            "2.2 consultation hold",
            vec![
                UP,
                HOLD,
                "B invites C
                   B -> C INVITE
                 C rings B
                   C -> B 180
                 C answers B
                   C -> B 200
                   B -> C ACK
                 B hangs C
                   B -> C BYE
                   C -> B 200",
                HOLD,
                END,
            ],
        ),
        (
            "2.3 music on hold: the server's offer is asked for, and the held one gets it",
            vec![
                UP,
                "B invites D offerless
                   B -> D INVITE
                 D answers B offering
                   D -> B 200
                 B offers A
                   B -> A INVITE
                 A accepts B
                   A -> B 200
                   B -> A ACK
                 B accepts D
                   B -> D ACK",
                HOLD,
                "B hangs D
                   B -> D BYE
                   D -> B 200",
                END,
            ],
        ),
        (
            "2.4 transfer, unattended",
            vec![
                UP,
                "B refers A to C
                   B -> A REFER
                 A follows B
                   A -> C INVITE
                   A -> B 202
                   A -> B NOTIFY
                   B -> A 200
                 B hangs A
                   B -> A BYE
                   A -> B 200
                 C answers A
                   C -> A 200
                   A -> C ACK
                   A -> B NOTIFY
                   B -> A 200
                 A hangs C
                   A -> C BYE
                   C -> A 200",
            ],
        ),
        (
            "2.5 transfer, attended",
            vec![
                UP,
                HOLD,
                "B invites C
                   B -> C INVITE
                 C answers B
                   C -> B 200
                   B -> C ACK
                 B transfers A to C
                   B -> A REFER
                 A follows B
                   A -> C INVITE
                   A -> B 202
                   A -> B NOTIFY
                   B -> A 200
                 C answers A
                   C -> A 200
                   C -> B BYE
                   A -> C ACK
                   A -> B NOTIFY
                   B -> C 200
                   B -> A 200
                 B hangs A
                   B -> A BYE
                   A -> B 200
                 C hangs A
                   C -> A BYE
                   A -> C 200",
            ],
        ),
        (
            "2.7 call forwarding, unconditional",
            vec![
                "A invites B
                   A -> B INVITE
                 B redirects A to C
                   B -> A 302
                   A -> B ACK
                 A hears B
                 A goes
                   A -> C INVITE
                 C answers A
                   C -> A 200
                   A -> C ACK
                 C hangs A
                   C -> A BYE
                   A -> C 200",
            ],
        ),
        (
            "2.9 call forwarding, no answer",
            vec![
                "A invites B
                   A -> B INVITE
                 B rings A
                   B -> A 180
                 B waits 10
                 B redirects A to C
                   B -> A 302
                   A -> B ACK
                 A hears B
                 A goes
                   A -> C INVITE
                 C rejects A 486
                   C -> A 486
                   A -> C ACK",
            ],
        ),
        (
            "2.10 three-way conference, third party added",
            vec![
                UP,
                HOLD,
                "B invites C
                   B -> C INVITE
                 C answers B
                   C -> B 200
                   B -> C ACK",
                HOLD,
                "B hangs C
                   B -> C BYE
                   C -> B 200",
                END,
            ],
        ),
        (
            "2.15 call park: the server holds the call until another phone takes it back",
            vec![
                UP,
                "B refers A to D
                   B -> A REFER
                 A follows B
                   A -> D INVITE
                   A -> B 202
                   A -> B NOTIFY
                   B -> A 200
                 D answers A
                   D -> A 200
                   A -> D ACK
                   A -> B NOTIFY
                   B -> A 200
                 B hangs A
                   B -> A BYE
                   A -> B 200
                 C invites A replacing D
                   C -> A INVITE
                 A answers C
                   A -> C 200
                   A -> D BYE
                   C -> A ACK
                   D -> A 200
                 C hangs A
                   C -> A BYE
                   A -> C 200",
            ],
        ),
        (
            "2.16 call pickup: seen by subscription, taken by Replaces",
            vec![
                "C subscribes B
                   C -> B SUBSCRIBE
                 B reports C
                   B -> C 200
                   B -> C NOTIFY
                   C -> B 200
                 A invites B
                   A -> B INVITE
                 B rings A
                   B -> A 180
                 B reports C
                   B -> C NOTIFY
                   C -> B 200
                 C invites A replacing B
                   C -> A INVITE
                 A answers C
                   A -> C 200
                   A -> B CANCEL
                   C -> A ACK
                   B -> A 200
                   B -> A 487
                   A -> B ACK
                 B stops C
                   B -> C NOTIFY
                   C -> B 200
                 C hangs A
                   C -> A BYE
                   A -> C 200",
            ],
        ),
        (
            "2.17 automatic redial",
            vec![
                "A invites B
                   A -> B INVITE
                 B rejects A 486
                   B -> A 486
                   A -> B ACK
                 A subscribes B
                   A -> B SUBSCRIBE
                 B reports A
                   B -> A 200
                   B -> A NOTIFY
                   A -> B 200
                 B waits 30
                 B stops A
                   B -> A NOTIFY
                   A -> B 200",
                UP,
                END,
            ],
        ),
    ];
    for (name, parts) in flows {
        Stage::run(name, &parts.join("\n"));
    }
}
