//! Whole calls between endpoints on virtual time.
#![allow(clippy::disallowed_methods, clippy::unwrap_used, clippy::expect_used)]

mod support;

use std::time::Duration;

use sip_core::auth::{Account, Ha1};
use sip_core::header::digest::HashAlgorithm;
use sip_core::{
    Body, CallState, CommandError, Config, DigestPolicy, EndKind, EndedBy, Endpoint, Event, Method,
    Outside, Question, QuestionAnswer, StatusCode, Uninvited,
};
use support::*;

#[test]
fn machines_are_send() {
    fn send<T: Send>() {}
    send::<Endpoint>();
    send::<Event>();
    send::<sip_core::Transmit>();
    send::<sip_core::Message>();
    send::<sip_core::dialog::Dialog>();
    send::<sip_core::transaction::InviteClient>();
    send::<sip_core::auth::ClientAuth>();
}

fn digest_phone() -> Config {
    let mut config = Config::default();
    config.digest = Some(DigestPolicy::new("home", [7; 32]).user("bob", "secret"));
    config
}

#[test]
fn a_whole_call_with_digest_early_media_hold_and_bye() {
    for weather in [CLEAR, STORM] {
        for seed in 0..8 {
            let mut net = Network::new(seed, vec![Config::default(), digest_phone()]);
            net.weather = weather;
            let caller = net.invite(0, 1, |invite| {
                invite
                    .header("X-Room", "42")
                    .account(Account::with_password("bob", "secret"))
            });
            let (callee, user, room) = net.until(1, |event| match event {
                Event::Incoming {
                    call,
                    user,
                    request,
                    ..
                } => {
                    let room = request
                        .header("X-Room")
                        .map(|field| field.to_str().into_owned());
                    Some((*call, user.clone(), room))
                }
                _ => None,
            });
            assert_eq!(
                (user.as_deref(), room.as_deref()),
                (Some("bob"), Some("42"))
            );
            let now = net.now;
            let phone = &mut net.endpoints[1];
            phone
                .call(callee)
                .unwrap()
                .ring(now, StatusCode::RINGING, None)
                .unwrap();
            phone
                .call(callee)
                .unwrap()
                .ring(now, StatusCode::SESSION_PROGRESS, Some(answer(1)))
                .unwrap();
            let differs = phone.call(callee).unwrap().answer(now, Some(offer(1)));
            assert!(
                matches!(differs, Err(CommandError::Offer(_))),
                "preview and answer are the same"
            );
            net.run(Duration::from_millis(500));
            let now = net.now;
            net.call(1, callee).answer(now, None).unwrap();
            let body = net.until(0, |event| match event {
                Event::Answered { body, .. } => Some(body.clone()),
                _ => None,
            });
            assert_eq!(body, Some(answer(1)), "the preview's body is the answer");
            net.until(1, |e| matches!(e, Event::Confirmed { .. }).then_some(()));

            // Hold and resume from one side, hold from the other.
            for (from, to) in [(0, 1), (0, 1), (1, 0)] {
                let (mine, theirs) = if from == 0 {
                    (caller, callee)
                } else {
                    (callee, caller)
                };
                let now = net.now;
                net.call(from, mine).reinvite(now, offer(from)).unwrap();
                let again = net.call(from, mine).reinvite(now, offer(from));
                assert!(
                    matches!(again, Err(CommandError::State(_))),
                    "one offer at a time"
                );
                let offered = net.until(to, |event| match event {
                    Event::Offered { call, offer, .. } if *call == theirs => Some(offer.clone()),
                    _ => None,
                });
                assert_eq!(offered, Some(offer(from)));
                let now = net.now;
                net.call(to, theirs).accept(now, answer(to)).unwrap();
                let twice = net.call(to, theirs).accept(now, answer(to));
                assert!(twice.is_err(), "nobody answers twice");
                let got = net.until(from, |event| match event {
                    Event::ReinviteAnswered { answer, .. } => Some(answer.clone()),
                    _ => None,
                });
                assert_eq!(got, Some(answer(to)));
                net.until(to, |e| matches!(e, Event::Confirmed { .. }).then_some(()));
            }

            let now = net.now;
            let reason = "Q.850;cause=16;text=\"Normal call clearing\"";
            net.call(0, caller).hang_up_because(now, reason).unwrap();
            let cause = net.ends(1, EndedBy::Remote, EndKind::HungUp);
            assert_eq!(cause.q850, Some(16));
            net.ends(0, EndedBy::Local, EndKind::HungUp);
            net.assert_forgotten();
            assert!(
                net.endpoints[0].call(caller).is_err(),
                "a stale id finds nothing"
            );
        }
    }
}

#[test]
fn ladder_of_a_call_with_digest() {
    let mut net = Network::new(3, vec![Config::default(), digest_phone()]);
    net.invite(0, 1, |invite| {
        invite.account(Account::with_password("bob", "secret"))
    });
    let callee = net.until(1, incoming);
    let now = net.now;
    net.call(1, callee)
        .ring(now, StatusCode::RINGING, None)
        .unwrap();
    net.call(1, callee).answer(now, Some(answer(1))).unwrap();
    net.until(1, |e| matches!(e, Event::Confirmed { .. }).then_some(()));
    net.hang_up(1, callee);
    net.until(1, ended);
    let first_words: Vec<_> = net
        .ladder
        .iter()
        .map(|(_, from, _, line)| {
            let word = line.strip_prefix("SIP/2.0 ").unwrap_or(line);
            format!("{from} {}", word.split(' ').next().unwrap_or_default())
        })
        .collect();
    let want = [
        "0 INVITE", "1 401", "0 ACK", "0 INVITE", "1 180", "1 200", "0 ACK", "1 BYE", "0 200",
    ];
    assert_eq!(first_words, want, "\n{}", net.show());
    net.assert_forgotten();
}

#[test]
fn a_wrong_password_ends_naming_realm_and_user() {
    let mut net = Network::new(4, vec![Config::default(), digest_phone()]);
    net.invite(0, 1, |invite| {
        invite.account(Account::with_password("bob", "wrong"))
    });
    let cause = net.until(0, ended);
    let want = EndKind::AuthFailed {
        realm: "home".into(),
        user: "bob".into(),
    };
    assert_eq!((cause.by, cause.kind), (EndedBy::Remote, want));
    assert_eq!(cause.status, Some(StatusCode::UNAUTHORIZED));
    assert_eq!(
        net.count(0, "INVITE"),
        2,
        "one try without, one with credentials"
    );
    assert!(net.events[1].is_empty(), "the phone never rang");
    net.assert_forgotten();

    let mut net = Network::new(5, vec![Config::default(), digest_phone()]);
    net.invite(0, 1, |invite| invite);
    let cause = net.until(0, ended);
    assert_eq!(
        cause.kind,
        EndKind::AuthFailed {
            realm: "home".into(),
            user: String::new()
        }
    );
    net.assert_forgotten();
}

#[test]
fn credentials_are_asked_for_and_the_default_is_nobody() {
    for known in [true, false] {
        let mut config = Config::default();
        config.digest = Some(DigestPolicy::new("home", [7; 32]).hashes([HashAlgorithm::Sha256]));
        let mut net = Network::new(6, vec![Config::default(), config]);
        net.invite(0, 1, |invite| {
            invite.account(Account::with_password("bob", "secret"))
        });
        let (id, user, realm, hash) = net.until(1, |event| match event {
            Event::Ask {
                id,
                question: Question::Credential { user, realm, hash },
                ..
            } => Some((*id, user.clone(), realm.clone(), *hash)),
            _ => None,
        });
        assert_eq!(
            (user.as_str(), realm.as_str(), hash),
            ("bob", "home", HashAlgorithm::Sha256)
        );
        if known {
            let ha1 = Ha1::from_password(hash, "bob", "home", "secret");
            let now = net.now;
            let phone = &mut net.endpoints[1];
            phone
                .answer_question(now, id, QuestionAnswer::Ha1(Some(ha1)))
                .unwrap();
            let again = phone.answer_question(now, id, QuestionAnswer::Ha1(None));
            assert!(again.is_err(), "a question is answered once");
            let call = net.until(1, incoming);
            let now = net.now;
            net.call(1, call)
                .reject(now, StatusCode::BUSY_HERE, None)
                .unwrap();
        } else {
            net.run(Duration::from_secs(11));
            let now = net.now;
            assert!(
                net.endpoints[1]
                    .answer_question(now, id, QuestionAnswer::Ha1(None))
                    .is_err()
            );
            let cause = net.until(0, ended);
            assert!(matches!(cause.kind, EndKind::AuthFailed { .. }), "{cause}");
        }
        net.assert_forgotten();
    }
}

#[test]
fn busy_is_reported_with_the_phones_own_words() {
    for (status, phrase) in [
        (486, "On the other line"),
        (603, "No"),
        (404, "Who?"),
        (488, "Codecs"),
    ] {
        let mut net = Network::pair();
        net.invite(0, 1, |invite| invite);
        let callee = net.until(1, incoming);
        let status = StatusCode::new(status).unwrap();
        let now = net.now;
        net.call(1, callee)
            .reject(now, status, Some(phrase))
            .unwrap();
        let cause = net.until(0, ended);
        assert_eq!(
            (cause.by, &cause.kind),
            (EndedBy::Remote, &EndKind::Rejected)
        );
        assert_eq!(
            (cause.status, cause.phrase.as_deref()),
            (Some(status), Some(phrase))
        );
        net.ends(1, EndedBy::Local, EndKind::Rejected);
        net.assert_forgotten();
    }
}

#[test]
fn a_refused_reinvite_leaves_the_call_as_it_was() {
    let mut net = Network::pair();
    let (caller, callee) = net.connect(0, 1);
    let now = net.now;
    net.call(0, caller).reinvite(now, offer(0)).unwrap();
    net.until(1, |e| matches!(e, Event::Offered { .. }).then_some(()));
    let now = net.now;
    let status = StatusCode::NOT_ACCEPTABLE_HERE;
    net.call(1, callee).refuse(now, status).unwrap();
    let failed = net.until(0, |event| match event {
        Event::ReinviteFailed { status, .. } => Some(*status),
        _ => None,
    });
    assert_eq!(failed, status);
    assert_eq!(net.call(0, caller).state(), CallState::Established);
    net.hang_up(0, caller);
    net.assert_forgotten();
}

#[test]
fn an_invite_without_an_offer_is_answered_in_the_ack() {
    let mut net = Network::pair();
    let caller = net.invite(0, 1, |mut invite| {
        invite.body = None;
        invite
    });
    let callee = net.until(1, incoming);
    let now = net.now;
    assert!(
        net.call(1, callee).answer(now, None).is_err(),
        "an offer is due"
    );
    net.call(1, callee).answer(now, Some(offer(1))).unwrap();
    let body = net.until(0, |event| match event {
        Event::Answered { body, .. } => Some(body.clone()),
        _ => None,
    });
    assert_eq!(body, Some(offer(1)));
    assert_eq!(net.count(0, "ACK"), 0, "the ACK waits for our answer");
    let now = net.now;
    net.call(0, caller).accept(now, answer(0)).unwrap();
    let confirmed = net.until(1, |event| match event {
        Event::Confirmed { answer, .. } => Some(answer.clone()),
        _ => None,
    });
    assert_eq!(confirmed, Some(answer(0)));
    net.hang_up(0, caller);
    net.assert_forgotten();
}

#[test]
fn info_arrives_and_its_answer_comes_back() {
    let mut net = Network::pair();
    let (caller, _) = net.connect(0, 1);
    let body = Body::new("application/dtmf-relay", "Signal=5\r\nDuration=100\r\n");
    let now = net.now;
    net.call(0, caller).info(now, body.clone()).unwrap();
    let got = net.until(1, |event| match event {
        Event::Info { body, .. } => Some(body.clone()),
        _ => None,
    });
    assert_eq!(got, Some(body));
    let status = net.until(0, |event| match event {
        Event::RequestAnswered { status, .. } => Some(*status),
        _ => None,
    });
    assert_eq!(status, StatusCode::OK);
    net.hang_up(0, caller);
    net.assert_forgotten();
}

#[test]
fn uninvited_requests_are_treated_as_the_policy_says() {
    for (policy, answer) in [
        (Uninvited::Forbid, Some("SIP/2.0 403")),
        (Uninvited::Unknown, Some("SIP/2.0 481")),
        (Uninvited::Unavailable, Some("SIP/2.0 503")),
        (Uninvited::Drop, None),
    ] {
        let mut config = Config::default();
        config.uninvited = policy;
        let mut net = Network::new(8, vec![Config::default(), config]);
        net.invite(0, 1, |invite| invite);
        net.run(Duration::from_millis(100));
        assert_eq!(net.count(1, "SIP/2.0"), usize::from(answer.is_some()));
        assert_eq!(
            net.count(1, answer.unwrap_or("none")),
            usize::from(answer.is_some())
        );
        assert_eq!(net.endpoints[1].counters().uninvited, 1);
        assert!(net.events[1].is_empty());
        // Calling out still works, and so does what belongs to that call.
        let (out, _) = net.connect(1, 0);
        net.hang_up(1, out);
        net.assert_forgotten();
    }
}

#[test]
fn options_are_answered_inside_and_outside() {
    let mut net = Network::pair();
    let uri = format!("sip:{}", address(1)).parse().unwrap();
    let from = sip_core::header::NameAddr::new(&"sip:ping@example.org".parse().unwrap());
    let now = net.now;
    let request = net.endpoints[0]
        .options(now, sip_core::Options::new(uri, from))
        .unwrap();
    let reply = net.until(0, |event| match event {
        Event::Replied {
            request: id,
            result,
        } if *id == request => Some(result.clone()),
        _ => None,
    });
    let reply = reply.unwrap();
    assert_eq!(reply.status(), Some(StatusCode::OK));
    assert!(reply.header("Allow").unwrap().to_str().contains("INVITE"));
    net.assert_forgotten();
}

#[test]
fn a_full_endpoint_says_so() {
    let mut config = Config::default();
    config.bounds.calls = 1;
    let mut net = Network::new(9, vec![Config::default(), config]);
    net.invite(0, 1, |invite| invite);
    net.until(1, incoming);
    net.invite(0, 1, |invite| invite);
    let cause = net.until(0, ended);
    assert_eq!(cause.status, Some(StatusCode::SERVICE_UNAVAILABLE));
    assert_eq!(net.endpoints[1].counters().overload, 1);

    let mut config = Config::default();
    config.bounds.undrained = 1;
    let mut net = Network::new(10, vec![config, Config::default()]);
    net.invite(0, 1, |invite| invite);
    let uri = format!("sip:{}", address(1)).parse().unwrap();
    let from = sip_core::header::NameAddr::new(&"sip:a@example.org".parse().unwrap());
    let again = net.endpoints[0].invite(net.now, sip_core::Invite::new(uri, from));
    assert!(
        matches!(again, Err(CommandError::Full(_))),
        "undrained output refuses new work"
    );
}

#[test]
fn bad_commands_are_refused_with_a_reason() {
    let mut net = Network::pair();
    let from = || sip_core::header::NameAddr::new(&"sip:a@example.org".parse().unwrap());
    let mut try_uri = |uri: &str| {
        let now = net.now;
        net.endpoints[0].invite(now, sip_core::Invite::new(uri.parse().unwrap(), from()))
    };
    assert!(matches!(try_uri("tel:+15551234"), Err(CommandError::Scheme(s)) if s == "tel"));
    assert!(matches!(
        try_uri("mailto:a@b"),
        Err(CommandError::Scheme(_))
    ));
    assert!(
        matches!(try_uri("sip:a@127.0.0.1;transport=sctp"), Err(CommandError::Transport(s)) if s == "sctp")
    );
    assert!(matches!(
        try_uri("sip:a@127.0.0.1;transport=tcp"),
        Err(CommandError::Transport(_))
    ));
    assert!(matches!(
        try_uri("sips:a@127.0.0.1"),
        Err(CommandError::Transport(_))
    ));
    let invite = sip_core::Invite::new("sip:a@127.0.0.1".parse().unwrap(), from());
    let now = net.now;
    let via = net.endpoints[0].invite(now, invite.clone().header("v", "SIP/2.0/UDP evil"));
    assert!(matches!(via, Err(CommandError::ReservedHeader(_))));
    let split = net.endpoints[0].invite(now, invite.header("X-A", "1\r\nVia: evil"));
    assert!(matches!(split, Err(CommandError::Build(_))));
    assert!(
        net.endpoints[0].is_idle(),
        "a refused command leaves nothing behind"
    );
}

#[test]
fn a_message_outside_a_call_is_challenged_carried_and_answered() {
    let mut config = digest_phone();
    config.methods = vec![Method::Message];
    let mut net = Network::new(31, vec![Config::default(), config]);
    let uri: sip_core::Uri = format!("sip:user1@{}", address(1)).parse().unwrap();
    let from = sip_core::header::NameAddr::new(&"sip:user0@example.org".parse().unwrap());
    let note = Body::new("text/plain", "on my way");
    for (password, known) in [("secret", true), ("wrong", false)] {
        let outside = Outside::new(Method::Message, uri.clone(), from.clone())
            .body(note.clone())
            .account(Account::with_password("bob", password));
        let now = net.now;
        let sent = net.endpoints[0].send_outside(now, outside).unwrap();
        if known {
            let id = net.until(1, |event| match event {
                Event::Ask {
                    id,
                    question:
                        Question::Request {
                            call: None,
                            request,
                        },
                    ..
                } => {
                    assert_eq!(request.body(), &note.bytes[..]);
                    assert!(request.header("Contact").is_none(), "RFC 3428 section 4");
                    Some(*id)
                }
                _ => None,
            });
            let respond = QuestionAnswer::Respond {
                status: StatusCode::OK,
                headers: Vec::new(),
                body: None,
            };
            let now = net.now;
            net.endpoints[1].answer_question(now, id, respond).unwrap();
        }
        let (request, status) = net.until(0, |event| match event {
            Event::Replied {
                request,
                result: Ok(response),
            } => Some((*request, response.status().unwrap())),
            _ => None,
        });
        let want = if known {
            StatusCode::OK
        } else {
            StatusCode::UNAUTHORIZED
        };
        assert_eq!(
            (request, status),
            (sent, want),
            "by the name that it was given"
        );
    }
    assert_eq!(
        net.count(0, "MESSAGE"),
        4,
        "each once with and once without credentials"
    );
    let now = net.now;
    let bye = Outside::new(Method::Bye, uri, from);
    assert!(net.endpoints[0].send_outside(now, bye).is_err());
    net.assert_forgotten();
}

#[test]
fn requests_of_further_methods_are_the_applications_to_answer() {
    let mut config = Config::default();
    config.methods = vec![Method::Publish, Method::Message];
    let mut net = Network::new(30, vec![Config::default(), config]);
    let (caller, callee) = net.connect(0, 1);
    let task = ("X-Task".to_owned(), "<sip:carol@example.org>".to_owned());
    let ask = |net: &mut Network, method| {
        let now = net.now;
        let headers = [task.clone()];
        net.call(0, caller)
            .request(now, method, &headers, None)
            .unwrap();
    };
    ask(&mut net, Method::Publish);
    let id = net.until(1, |event| match event {
        Event::Ask {
            id,
            question: Question::Request { call, request },
            ..
        } => {
            assert_eq!(*call, Some(callee));
            assert_eq!(request.header("X-Task").unwrap().value(), task.1.as_bytes());
            Some(*id)
        }
        _ => None,
    });
    let respond = QuestionAnswer::Respond {
        status: StatusCode::ACCEPTED,
        headers: vec![("X-Job".to_owned(), "7".to_owned())],
        body: None,
    };
    let now = net.now;
    net.endpoints[1].answer_question(now, id, respond).unwrap();
    let answered = |event: &Event| match event {
        Event::RequestAnswered {
            method,
            status,
            response,
            ..
        } => Some((
            method.clone(),
            *status,
            response
                .as_ref()
                .and_then(|response| Some(response.header("X-Job")?.to_str().into_owned())),
        )),
        _ => None,
    };
    let want = (Method::Publish, StatusCode::ACCEPTED, Some("7".to_owned()));
    assert_eq!(net.until(0, answered), want);

    // Nobody answers: 500. A method that nobody takes: 405 and what Allow lists.
    ask(&mut net, Method::Message);
    assert_eq!(net.until(0, answered).1, StatusCode::SERVER_INTERNAL_ERROR);
    ask(&mut net, Method::Register);
    let allow = net.until(0, |event| match event {
        Event::RequestAnswered {
            status, response, ..
        } => {
            assert_eq!(*status, StatusCode::METHOD_NOT_ALLOWED);
            Some(response.as_ref()?.header("Allow")?.to_str().into_owned())
        }
        _ => None,
    });
    assert!(allow.ends_with("NOTIFY, PUBLISH, MESSAGE"), "{allow}");
    let now = net.now;
    let bye = net.call(0, caller).request(now, Method::Bye, &[], None);
    assert!(
        bye.is_err(),
        "the endpoint's own methods have commands of their own"
    );
    net.hang_up(0, caller);
    net.assert_forgotten();
}
