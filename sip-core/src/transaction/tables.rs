//! Every row of RFC 3261 figures 5 to 8 and of RFC 6026 section 8, as tables.
//!
//! A row is: state before, what happens, the step, state after. Each row starts from a machine
//! that was driven into its state, and each table is checked for having a row for every pair of
//! state and kind of happening.

use std::time::{Duration, Instant};

use super::*;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Happening {
    /// A response at a client, or the user's response at a server.
    Status(u16),
    /// The request again.
    Again,
    /// An ACK.
    Ack,
    /// The next deadline passed; with nothing due, a far future.
    Due,
    /// All deadlines passed: the machine's end.
    End,
    /// The transport failed.
    Failed,
}
use Happening::*;

fn start() -> Instant {
    #[allow(clippy::disallowed_methods)]
    Instant::now()
}

const FAR: Duration = Duration::from_secs(100_000);

#[test]
fn invite_client_follows_figure_5_and_rfc_6026() {
    use InviteClientState::*;
    let timers = Timers::default();
    let now = start();
    let at = |state: InviteClientState, reliable: bool| {
        let mut m = InviteClient::new(now, reliable, &timers);
        let _ = match state {
            Calling => Step::Nothing,
            Proceeding => m.response(now, 180, &timers),
            Accepted => m.response(now, 200, &timers),
            Completed => m.response(now, 486, &timers),
            Terminated => m.transport_failed(),
        };
        assert_eq!(m.state(), state);
        m
    };
    let rows = [
        (Calling, Status(100), Step::Pass, Proceeding),
        (Calling, Status(200), Step::Pass, Accepted),
        (Calling, Status(404), Step::PassAndAck, Completed),
        (Calling, Due, Step::Send, Calling),
        (Calling, End, Step::TimedOut(Timer::B), Terminated),
        (Calling, Failed, Step::Failed, Terminated),
        (Proceeding, Status(183), Step::Pass, Proceeding),
        (Proceeding, Status(200), Step::Pass, Accepted),
        (Proceeding, Status(603), Step::PassAndAck, Completed),
        (Proceeding, Due, Step::Nothing, Proceeding),
        (Proceeding, End, Step::Nothing, Proceeding),
        (Proceeding, Failed, Step::Failed, Terminated),
        (Accepted, Status(180), Step::Nothing, Accepted),
        (Accepted, Status(200), Step::Pass, Accepted),
        (Accepted, Status(486), Step::Nothing, Accepted),
        (Accepted, Due, Step::Terminated, Terminated),
        (Accepted, End, Step::Terminated, Terminated),
        (Accepted, Failed, Step::Nothing, Accepted),
        (Completed, Status(180), Step::Nothing, Completed),
        (Completed, Status(200), Step::Nothing, Completed),
        (Completed, Status(486), Step::Ack, Completed),
        (Completed, Due, Step::Terminated, Terminated),
        (Completed, End, Step::Terminated, Terminated),
        (Completed, Failed, Step::Failed, Terminated),
        (Terminated, Status(100), Step::Nothing, Terminated),
        (Terminated, Status(200), Step::Nothing, Terminated),
        (Terminated, Status(404), Step::Nothing, Terminated),
        (Terminated, Due, Step::Nothing, Terminated),
        (Terminated, End, Step::Nothing, Terminated),
        (Terminated, Failed, Step::Nothing, Terminated),
    ];
    for (before, what, step, after) in rows {
        for reliable in [false, true] {
            let mut m = at(before, reliable);
            let got = match what {
                Status(status) => m.response(now, status, &timers),
                Due => m.handle_timeout(m.deadline().unwrap_or(now + FAR)),
                End => m.handle_timeout(now + FAR),
                Failed => m.transport_failed(),
                Again | Ack => unreachable!(),
            };
            // Timer A does not run on a reliable transport: what is due first is B.
            let (step, after) = if reliable && (before, what) == (Calling, Due) {
                (Step::TimedOut(Timer::B), Terminated)
            } else {
                (step, after)
            };
            assert_eq!(
                (got, m.state()),
                (step, after),
                "{before:?} {what:?} reliable {reliable}"
            );
            assert!(after != Terminated || m.deadline().is_none());
        }
    }
}

#[test]
fn non_invite_client_follows_figure_6() {
    use NonInviteClientState::*;
    let timers = Timers::default();
    let now = start();
    let at = |state: NonInviteClientState, reliable: bool| {
        let mut m = NonInviteClient::new(now, reliable, &timers);
        let _ = match state {
            Trying => Step::Nothing,
            Proceeding => m.response(now, 100, &timers),
            Completed => m.response(now, 200, &timers),
            Terminated => m.transport_failed(),
        };
        assert_eq!(m.state(), state);
        m
    };
    let rows = [
        (Trying, Status(100), Step::Pass, Proceeding),
        (Trying, Status(200), Step::Pass, Completed),
        (Trying, Status(500), Step::Pass, Completed),
        (Trying, Due, Step::Send, Trying),
        (Trying, End, Step::TimedOut(Timer::F), Terminated),
        (Trying, Failed, Step::Failed, Terminated),
        (Proceeding, Status(100), Step::Pass, Proceeding),
        (Proceeding, Status(200), Step::Pass, Completed),
        (Proceeding, Status(481), Step::Pass, Completed),
        (Proceeding, Due, Step::Send, Proceeding),
        (Proceeding, End, Step::TimedOut(Timer::F), Terminated),
        (Proceeding, Failed, Step::Failed, Terminated),
        (Completed, Status(100), Step::Nothing, Completed),
        (Completed, Status(200), Step::Nothing, Completed),
        (Completed, Status(481), Step::Nothing, Completed),
        (Completed, Due, Step::Terminated, Terminated),
        (Completed, End, Step::Terminated, Terminated),
        (Completed, Failed, Step::Nothing, Completed),
        (Terminated, Status(100), Step::Nothing, Terminated),
        (Terminated, Status(200), Step::Nothing, Terminated),
        (Terminated, Status(481), Step::Nothing, Terminated),
        (Terminated, Due, Step::Nothing, Terminated),
        (Terminated, End, Step::Nothing, Terminated),
        (Terminated, Failed, Step::Nothing, Terminated),
    ];
    for (before, what, step, after) in rows {
        for reliable in [false, true] {
            let mut m = at(before, reliable);
            let got = match what {
                Status(status) => m.response(now, status, &timers),
                Due => m.handle_timeout(m.deadline().unwrap_or(now + FAR), &timers),
                End => m.handle_timeout(now + FAR, &timers),
                Failed => m.transport_failed(),
                Again | Ack => unreachable!(),
            };
            // Timer E does not run on a reliable transport: what is due first is F.
            let (step, after) = if reliable && what == Due && matches!(before, Trying | Proceeding)
            {
                (Step::TimedOut(Timer::F), Terminated)
            } else {
                (step, after)
            };
            assert_eq!(
                (got, m.state()),
                (step, after),
                "{before:?} {what:?} reliable {reliable}"
            );
        }
    }
}

#[test]
fn invite_server_follows_figure_7_and_rfc_6026() {
    use InviteServerState::*;
    let timers = Timers::default();
    let now = start();
    let at = |state: InviteServerState, reliable: bool| {
        let mut m = InviteServer::new(now, reliable, &timers);
        let _ = match state {
            Proceeding => m.respond(now, 180, &timers),
            Accepted => m.respond(now, 200, &timers),
            Completed => m.respond(now, 486, &timers),
            Confirmed => {
                let _ = m.respond(now, 486, &timers);
                m.ack(now, &timers)
            }
            Terminated => m.transport_failed(),
        };
        assert_eq!(m.state(), state);
        m
    };
    let rows = [
        (Proceeding, Status(183), Step::Send, Proceeding),
        (Proceeding, Status(200), Step::Send, Accepted),
        (Proceeding, Status(486), Step::Send, Completed),
        (Proceeding, Again, Step::Send, Proceeding),
        (Proceeding, Ack, Step::Nothing, Proceeding),
        (Proceeding, Due, Step::Nothing, Proceeding),
        (Proceeding, End, Step::Nothing, Proceeding),
        (Proceeding, Failed, Step::Failed, Terminated),
        (Accepted, Status(183), Step::Nothing, Accepted),
        (Accepted, Status(200), Step::Send, Accepted),
        (Accepted, Status(486), Step::Nothing, Accepted),
        (Accepted, Again, Step::Nothing, Accepted),
        (Accepted, Ack, Step::Pass, Accepted),
        (Accepted, Due, Step::Terminated, Terminated),
        (Accepted, End, Step::Terminated, Terminated),
        (Accepted, Failed, Step::Nothing, Accepted),
        (Completed, Status(183), Step::Nothing, Completed),
        (Completed, Status(200), Step::Nothing, Completed),
        (Completed, Status(486), Step::Nothing, Completed),
        (Completed, Again, Step::Send, Completed),
        (Completed, Ack, Step::Nothing, Confirmed),
        (Completed, Due, Step::Send, Completed),
        (Completed, End, Step::TimedOut(Timer::H), Terminated),
        (Completed, Failed, Step::Failed, Terminated),
        (Confirmed, Status(183), Step::Nothing, Confirmed),
        (Confirmed, Status(200), Step::Nothing, Confirmed),
        (Confirmed, Status(486), Step::Nothing, Confirmed),
        (Confirmed, Again, Step::Nothing, Confirmed),
        (Confirmed, Ack, Step::Nothing, Confirmed),
        (Confirmed, Due, Step::Terminated, Terminated),
        (Confirmed, End, Step::Terminated, Terminated),
        (Confirmed, Failed, Step::Nothing, Confirmed),
        (Terminated, Status(183), Step::Nothing, Terminated),
        (Terminated, Status(200), Step::Nothing, Terminated),
        (Terminated, Status(486), Step::Nothing, Terminated),
        (Terminated, Again, Step::Nothing, Terminated),
        (Terminated, Ack, Step::Nothing, Terminated),
        (Terminated, Due, Step::Nothing, Terminated),
        (Terminated, End, Step::Nothing, Terminated),
        (Terminated, Failed, Step::Nothing, Terminated),
    ];
    for (before, what, step, after) in rows {
        for reliable in [false, true] {
            let mut m = at(before, reliable);
            let got = match what {
                Status(status) => m.respond(now, status, &timers),
                Again => m.retransmitted(),
                Ack => m.ack(now, &timers),
                Due => m.handle_timeout(m.deadline().unwrap_or(now + FAR), &timers),
                End => m.handle_timeout(now + FAR, &timers),
                Failed => m.transport_failed(),
            };
            // Timer G does not run on a reliable transport: what is due first is H.
            let (step, after) = if reliable && (before, what) == (Completed, Due) {
                (Step::TimedOut(Timer::H), Terminated)
            } else {
                (step, after)
            };
            assert_eq!(
                (got, m.state()),
                (step, after),
                "{before:?} {what:?} reliable {reliable}"
            );
        }
    }
}

#[test]
fn non_invite_server_follows_figure_8() {
    use NonInviteServerState::*;
    let timers = Timers::default();
    let now = start();
    let at = |state: NonInviteServerState, reliable: bool| {
        let mut m = NonInviteServer::new(reliable);
        let _ = match state {
            Trying => Step::Nothing,
            Proceeding => m.respond(now, 100, &timers),
            Completed => m.respond(now, 200, &timers),
            Terminated => {
                let _ = m.respond(now, 200, &timers);
                m.transport_failed()
            }
        };
        assert_eq!(m.state(), state);
        m
    };
    let rows = [
        (Trying, Status(100), Step::Send, Proceeding),
        (Trying, Status(200), Step::Send, Completed),
        (Trying, Again, Step::Nothing, Trying),
        (Trying, End, Step::Nothing, Trying),
        (Trying, Failed, Step::Nothing, Trying),
        (Proceeding, Status(100), Step::Send, Proceeding),
        (Proceeding, Status(481), Step::Send, Completed),
        (Proceeding, Again, Step::Send, Proceeding),
        (Proceeding, End, Step::Nothing, Proceeding),
        (Proceeding, Failed, Step::Failed, Terminated),
        (Completed, Status(100), Step::Nothing, Completed),
        (Completed, Status(200), Step::Nothing, Completed),
        (Completed, Again, Step::Send, Completed),
        (Completed, End, Step::Terminated, Terminated),
        (Completed, Failed, Step::Failed, Terminated),
        (Terminated, Status(100), Step::Nothing, Terminated),
        (Terminated, Status(200), Step::Nothing, Terminated),
        (Terminated, Again, Step::Nothing, Terminated),
        (Terminated, End, Step::Nothing, Terminated),
        (Terminated, Failed, Step::Nothing, Terminated),
    ];
    for (before, what, step, after) in rows {
        for reliable in [false, true] {
            let mut m = at(before, reliable);
            let got = match what {
                Status(status) => m.respond(now, status, &timers),
                Again => m.retransmitted(),
                End => m.handle_timeout(now + FAR),
                Failed => m.transport_failed(),
                Ack | Due => unreachable!(),
            };
            assert_eq!(
                (got, m.state()),
                (step, after),
                "{before:?} {what:?} reliable {reliable}"
            );
        }
    }
}

/// Runs a machine to its end and lists when it sent and when it ended, in milliseconds.
fn run(
    now: Instant,
    mut deadline: impl FnMut() -> Option<Instant>,
    mut fire: impl FnMut(Instant) -> Step,
) -> (Vec<u128>, Option<(u128, Step)>) {
    let mut sent = Vec::new();
    while let Some(at) = deadline() {
        match fire(at) {
            Step::Send => sent.push((at - now).as_millis()),
            step if step.is_end() => return (sent, Some(((at - now).as_millis(), step))),
            step => panic!("{step:?}"),
        }
    }
    (sent, None)
}

#[test]
fn intervals_are_those_of_section_17() {
    let timers = Timers::default();
    let now = start();

    let m = std::cell::RefCell::new(InviteClient::new(now, false, &timers));
    let (sent, end) = run(
        now,
        || m.borrow().deadline(),
        |at| m.borrow_mut().handle_timeout(at),
    );
    assert_eq!(
        sent,
        [500, 1500, 3500, 7500, 15500, 31500],
        "timer A doubles without limit"
    );
    assert_eq!(end, Some((32_000, Step::TimedOut(Timer::B))));

    let m = std::cell::RefCell::new(NonInviteClient::new(now, false, &timers));
    let (sent, end) = run(
        now,
        || m.borrow().deadline(),
        |at| m.borrow_mut().handle_timeout(at, &timers),
    );
    let want = [
        500, 1500, 3500, 7500, 11500, 15500, 19500, 23500, 27500, 31500,
    ];
    assert_eq!(sent, want, "timer E doubles up to T2");
    assert_eq!(end, Some((32_000, Step::TimedOut(Timer::F))));

    let mut server = InviteServer::new(now, false, &timers);
    assert_eq!(
        server.deadline(),
        Some(now + Duration::from_millis(200)),
        "100 by itself"
    );
    let _ = server.respond(now, 486, &timers);
    let m = std::cell::RefCell::new(server);
    let (sent, end) = run(
        now,
        || m.borrow().deadline(),
        |at| m.borrow_mut().handle_timeout(at, &timers),
    );
    assert_eq!(sent, want, "timer G doubles up to T2");
    assert_eq!(end, Some((32_000, Step::TimedOut(Timer::H))));
}

#[test]
fn waits_are_those_of_table_4() {
    let timers = Timers::default();
    let now = start();
    for (reliable, d, i, j, k) in [(false, 32_000, 5_000, 32_000, 5_000), (true, 0, 0, 0, 0)] {
        let ms = |deadline: Option<Instant>| deadline.map(|at| (at - now).as_millis());
        let mut m = InviteClient::new(now, reliable, &timers);
        let _ = m.response(now, 404, &timers);
        assert_eq!(ms(m.deadline()), Some(d), "D");
        let mut m = InviteClient::new(now, reliable, &timers);
        let _ = m.response(now, 200, &timers);
        assert_eq!(ms(m.deadline()), Some(32_000), "M");
        let mut m = NonInviteClient::new(now, reliable, &timers);
        let _ = m.response(now, 200, &timers);
        assert_eq!(ms(m.deadline()), Some(k), "K");
        let mut m = InviteServer::new(now, reliable, &timers);
        let _ = m.respond(now, 404, &timers);
        let _ = m.ack(now, &timers);
        assert_eq!(ms(m.deadline()), Some(i), "I");
        let mut m = InviteServer::new(now, reliable, &timers);
        let _ = m.respond(now, 200, &timers);
        assert_eq!(ms(m.deadline()), Some(32_000), "L");
        let mut m = NonInviteServer::new(reliable);
        let _ = m.respond(now, 200, &timers);
        assert_eq!(ms(m.deadline()), Some(j), "J");
    }
}

#[test]
fn a_cancelled_invite_that_never_ends_is_given_up_after_64_t1() {
    let timers = Timers::default();
    let now = start();
    let mut m = InviteClient::new(now, false, &timers);
    let _ = m.response(now, 180, &timers);
    assert_eq!(m.deadline(), None);
    m.cancelled(now, &timers);
    assert_eq!(m.deadline(), Some(now + Duration::from_secs(32)));
    assert_eq!(
        m.handle_timeout(now + Duration::from_secs(32)),
        Step::TimedOut(Timer::B)
    );
    // Given up before the first response: that one must not make it wait for ever.
    let mut m = InviteClient::new(now, false, &timers);
    m.cancelled(now, &timers);
    let late = now + Duration::from_secs(1);
    let _ = m.response(late, 180, &timers);
    assert_eq!(m.deadline(), Some(late + Duration::from_secs(32)));
}

#[test]
fn a_caller_that_is_late_sends_once_and_huge_timers_do_not_overflow() {
    let timers = Timers::new(Duration::MAX, Duration::MAX, Duration::MAX);
    let now = start();
    let _ = InviteClient::new(now, false, &timers);
    let timers = Timers::default();
    let mut m = InviteClient::new(now, false, &timers);
    let late = now + Duration::from_secs(20);
    assert_eq!(m.handle_timeout(late), Step::Send);
    assert_eq!(m.handle_timeout(late), Step::Nothing);
}
