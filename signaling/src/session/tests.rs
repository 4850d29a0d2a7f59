use super::*;

fn session() -> (Session, Instant) {
    (Session::new("s", SessionOptions::default()), Instant::now())
}

fn events(session: &mut Session) -> Vec<SessionEvent> {
    std::iter::from_fn(|| session.poll_event()).collect()
}

#[test]
fn a_role_may_do_what_its_row_says_and_no_more() {
    use Action::*;
    let (mut session, now) = session();
    let rows = [
        (Role::Subscriber, vec![Subscribe]),
        (Role::Publisher, vec![Subscribe, Publish, Dial]),
        (Role::PublisherOnly, vec![Publish]),
        (
            Role::Moderator,
            vec![Subscribe, Publish, Dial, ForceMute, ForceDisconnect],
        ),
    ];
    for (role, allowed) in rows {
        let id = session.join(now, Join::new(role)).unwrap();
        for action in [Subscribe, Publish, Dial, ForceMute, ForceDisconnect] {
            let expected = match allowed.contains(&action) {
                true => Ok(()),
                false => Err(SessionError::NotAllowed { role, action }),
            };
            assert_eq!(session.allow(id, action), expected, "{role} {action:?}");
        }
    }
}

#[test]
fn only_a_moderator_lifts_a_moderators_mute() {
    let (mut session, now) = session();
    let host = session.join(now, Join::new(Role::Moderator)).unwrap();
    let guest = session.join(now, Join::new(Role::Publisher)).unwrap();
    session.publish(guest).unwrap();
    events(&mut session);

    assert!(matches!(
        session.force_mute(guest, host, true),
        Err(SessionError::NotAllowed { .. })
    ));
    session.force_mute(host, guest, true).unwrap();
    assert_eq!(
        session.mute(guest, false),
        Err(SessionError::ForceMuted(guest))
    );
    session.mute(guest, true).unwrap();
    session.force_mute(host, guest, false).unwrap();
    assert!(
        session.participant(guest).unwrap().is_muted(),
        "its own mute stays"
    );
    session.mute(guest, false).unwrap();
    assert_eq!(
        events(&mut session),
        [
            SessionEvent::Muted {
                participant: guest,
                muted: true,
                forced: true
            },
            SessionEvent::Muted {
                participant: guest,
                muted: true,
                forced: true
            },
            SessionEvent::Muted {
                participant: guest,
                muted: false,
                forced: false
            },
        ]
    );
}

#[test]
fn a_full_or_closed_session_lets_nobody_in() {
    let now = Instant::now();
    let options = SessionOptions {
        max_participants: 1,
        max_data: 4,
        ..SessionOptions::default()
    };
    let mut session = Session::new("s", options);
    let long = Join::new(Role::Publisher).data("12345");
    assert_eq!(
        session.join(now, long),
        Err(SessionError::DataTooLong(5, 4))
    );
    let first = session.join(now, Join::new(Role::Publisher)).unwrap();
    assert_eq!(
        session.join(now, Join::new(Role::Publisher)),
        Err(SessionError::Full(1))
    );
    session.publish(first).unwrap();
    session.close();
    assert_eq!(
        session.join(now, Join::new(Role::Publisher)),
        Err(SessionError::Closed)
    );
    assert_eq!(
        events(&mut session),
        [
            SessionEvent::Joined(first),
            SessionEvent::Published(first),
            SessionEvent::Unpublished(first),
            SessionEvent::Left {
                participant: first,
                reason: LeaveReason::SessionClosed
            },
        ]
    );
    assert_eq!(session.publish(first), Err(SessionError::Closed));
}

#[test]
fn events_that_nobody_takes_stop_commands_but_never_leaving() {
    let now = Instant::now();
    let options = SessionOptions {
        max_events: 2,
        ..SessionOptions::default()
    };
    let mut session = Session::new("s", options);
    let one = session.join(now, Join::new(Role::Publisher)).unwrap();
    session.join(now, Join::new(Role::Publisher)).unwrap();
    assert_eq!(session.publish(one), Err(SessionError::EventsPending(2)));
    session.leave(one, LeaveReason::Lost).unwrap();
    assert_eq!(
        session.leave(one, LeaveReason::Lost),
        Err(SessionError::NoSuchParticipant(one))
    );
    events(&mut session);
    session.join(now, Join::new(Role::Publisher)).unwrap();
}

#[test]
fn the_model_can_cross_threads() {
    fn send<T: Send>() {}
    send::<Session>();
}
