//! Calls: roles, restarts, consent, paths that die.

use super::world::{MS, Nat, SECOND, World, addr};
use rtp_core::ice::{Agent, Config, Event, IceError, Names, Pair, Role, State};
use rtp_core::negotiate::IceDescription;
use rtp_core::sdp::Candidate;
use rtp_core::stun::{Class, Message};
use std::time::Instant;

const ROLES: (Role, Role) = (Role::Controlling, Role::Controlled);

fn pair() -> World {
    let mut world = World::new();
    world.add(Config::default(), Nat::Open, &["192.0.2.1:4000"]);
    world.add(Config::default(), Nat::Open, &["192.0.2.2:4000"]);
    world
}

fn connected() -> World {
    let mut world = pair();
    world.exchange(ROLES);
    assert!(world.connect(SECOND));
    world
}

#[test]
fn an_agent_is_send() {
    fn send<T: Send>() {}
    send::<Agent>();
    send::<rtp_core::ice::Router<u64>>();
}

#[test]
fn two_hosts_connect_at_once() {
    let mut world = pair();
    let start = world.now;
    world.exchange(ROLES);
    assert!(world.connect(SECOND));
    assert!(world.now - start < 300 * MS, "{:?}", world.now - start);
    world.assert_media();
    for node in &world.nodes {
        let of = |wanted| node.saw(|event| *event == wanted);
        assert!(of(Event::Gathered).is_some());
        assert!(of(Event::State(State::Checking)) <= of(Event::State(State::Connected)));
        assert!(node.agent.round_trip().is_some_and(|time| time == 30 * MS));
    }
    let before = world.carried;
    world.pass(60 * SECOND);
    // Two checks and two answers every three seconds, and nothing that grows.
    assert!(world.carried - before <= 100, "{}", world.carried - before);
}

#[test]
fn conflicting_roles_are_settled() {
    for role in [Role::Controlling, Role::Controlled] {
        let mut world = pair();
        world.exchange((role, role));
        assert!(world.connect(10 * SECOND), "both {role:?}");
        assert_ne!(world.nodes[0].agent.role(), world.nodes[1].agent.role());
        world.assert_media();
    }
}

#[test]
fn a_restart_changes_everything_but_the_sound() {
    let mut world = connected();
    let old = world.nodes[0].agent.description();
    let now = world.now;
    world.agent(0).restart(now);
    world.agent(1).restart(now);
    assert!(!world.agent(0).description().same_credentials(&old));
    assert_eq!(world.agent(0).description().candidates, old.candidates);
    // Between the descriptions sound goes on.
    world.assert_media();
    world.exchange((Role::Controlled, Role::Controlling));
    world.pass(90 * SECOND);
    world.assert_media();
    // Roles are what they were (RFC 8445 §9).
    assert_eq!(world.nodes[0].agent.role(), Role::Controlling);
    for node in &world.nodes {
        assert_eq!(node.agent.state(), State::Connected);
        assert!(
            node.saw(|event| matches!(event, Event::ConsentLost(_)))
                .is_none()
        );
    }
}

#[test]
fn the_peer_may_be_somebody_else_from_now_on() {
    let mut world = connected();
    let other = world.add(Config::default(), Nat::Open, &["192.0.2.3:4000"]);
    let now = world.now;
    let (ours, theirs) = (
        world.nodes[0].agent.description(),
        world.nodes[other].agent.description(),
    );
    world.agent(0).set_remote(now, &theirs, ROLES.0).unwrap();
    world.agent(other).set_remote(now, &ours, ROLES.1).unwrap();
    assert!(world.run(SECOND, |world| {
        let selected = world.nodes[0].agent.selected();
        selected.is_some_and(|pair| pair.remote == addr("192.0.2.3:4000"))
    }));
}

#[test]
fn consent_is_lost_after_thirty_seconds_and_regained_by_a_restart_alone() {
    let mut world = connected();
    world.pass(10 * SECOND);
    let cut = world.now;
    world.lost = Box::new(|_, _, _| true);
    world.pass(24 * SECOND);
    assert!(
        world
            .nodes
            .iter()
            .all(|node| node.agent.selected().is_some())
    );
    world.pass(10 * SECOND);
    for node in &world.nodes {
        let lost = node
            .saw(|event| matches!(event, Event::ConsentLost(_)))
            .unwrap();
        assert!(
            (26 * SECOND..=30 * SECOND).contains(&(lost - cut)),
            "{:?}",
            lost - cut
        );
        assert_eq!(node.agent.selected(), None);
        assert_eq!(node.agent.state(), State::Disconnected);
    }
    assert!(!world.speak(0) && !world.speak(1));
    // The network is back, but these credentials are spent (RFC 7675 §5.1).
    world.lost = Box::new(|_, _, _| false);
    world.pass(60 * SECOND);
    assert!(
        world
            .nodes
            .iter()
            .all(|node| node.agent.state() == State::Failed)
    );
    let now = world.now;
    world.agent(0).restart(now);
    world.agent(1).restart(now);
    world.exchange(ROLES);
    assert!(world.connect(SECOND));
    world.assert_media();
}

#[test]
fn a_network_that_comes_back_in_time_costs_nothing() {
    let mut world = connected();
    world.pass(10 * SECOND);
    world.lost = Box::new(|_, _, _| true);
    world.pass(24 * SECOND);
    world.lost = Box::new(|_, _, _| false);
    world.pass(120 * SECOND);
    world.assert_media();
    for node in &world.nodes {
        assert!(
            node.saw(|event| matches!(event, Event::ConsentLost(_)))
                .is_none()
        );
    }
}

#[test]
fn who_asks_but_does_not_answer_has_not_agreed() {
    let mut world = connected();
    world.pass(SECOND);
    let cut = world.now;
    world.lost = Box::new(|from, _, bytes| {
        let answer = Message::parse(bytes).is_ok_and(|it| it.class() == Class::Success);
        answer && from == addr("192.0.2.2:4000")
    });
    world.pass(35 * SECOND);
    let lost = world.nodes[0].saw(|event| matches!(event, Event::ConsentLost(_)));
    assert!(lost.unwrap() - cut <= 30 * SECOND);
    assert_eq!(world.nodes[0].agent.selected(), None);
    // The other way was proved all the time.
    assert!(world.nodes[1].agent.selected().is_some());
}

#[test]
fn a_path_that_dies_gives_way_to_another() {
    for roles in [ROLES, (ROLES.1, ROLES.0)] {
        let mut world = World::new();
        let homes = ["192.0.2.1:4000", "192.0.2.9:4000"];
        world.add(Config::default(), Nat::Open, &homes);
        world.add(Config::default(), Nat::Open, &["192.0.2.2:4000"]);
        world.exchange(roles);
        assert!(world.connect(SECOND));
        world.pass(20 * SECOND);
        let dead = world.nodes[0].agent.selected().unwrap().local;
        world.lost = Box::new(move |from, to, _| from == dead || to == dead);
        let cut = world.now;
        assert!(world.run(20 * SECOND, move |world| {
            let selected = |n: usize| world.nodes[n].agent.selected();
            selected(0).is_some_and(|pair| pair.local != dead)
                && selected(1).is_some_and(|pair| pair.remote != dead)
        }));
        let took = world.now - cut;
        assert!(took < 10 * SECOND, "{took:?} with {roles:?}");
        world.assert_media();
        world.pass(60 * SECOND);
        world.assert_media();
    }
}

#[test]
fn a_lite_agent_answers_and_is_found() {
    for both in [false, true] {
        let mut lite = Config::default();
        lite.lite = true;
        let mut world = World::new();
        let first = if both {
            lite.clone()
        } else {
            Config::default()
        };
        world.add(first, Nat::Open, &["192.0.2.1:4000"]);
        world.add(lite, Nat::Open, &["192.0.2.2:4000"]);
        world.exchange(ROLES);
        assert!(world.connect(SECOND), "both lite: {both}");
        world.assert_media();
        world.pass(100 * SECOND);
        world.assert_media();
        let now = world.now;
        let reflexive =
            world
                .agent(1)
                .add_reflexive(now, addr("198.51.100.7:9"), addr("192.0.2.2:4000"));
        assert_eq!(reflexive, Err(IceError::Lite));
        if !both {
            // Who only answers learns from the checks alone that nobody is there.
            world.lost = Box::new(|_, _, _| true);
            world.pass(31 * SECOND);
            assert_eq!(world.nodes[1].agent.selected(), None);
        }
    }
}

#[test]
fn candidates_may_trickle() {
    let mut world = pair();
    let now = world.now;
    let (mut ours, mut theirs) = (
        world.nodes[0].agent.description(),
        world.nodes[1].agent.description(),
    );
    let (first, second) = (ours.candidates.remove(0), theirs.candidates.remove(0));
    world.agent(1).set_remote(now, &ours, ROLES.1).unwrap();
    world.agent(0).set_remote(now, &theirs, ROLES.0).unwrap();
    world.pass(8 * SECOND);
    assert_eq!(world.nodes[0].agent.selected(), None);
    let now = world.now;
    world.agent(0).add_remote(now, &second).unwrap();
    world.agent(1).add_remote(now, &first).unwrap();
    assert_eq!(world.agent(1).add_remote(now, &first), Err(IceError::Known));
    assert!(world.connect(SECOND));
}

#[test]
fn candidates_may_come_before_the_credentials() {
    let mut world = pair();
    let now = world.now;
    let (ours, theirs) = (
        world.nodes[0].agent.description(),
        world.nodes[1].agent.description(),
    );
    world
        .agent(0)
        .add_remote(now, &theirs.candidates[0])
        .unwrap();
    world.agent(1).set_remote(now, &ours, ROLES.1).unwrap();
    // The checks of who knows already wait for who does not yet.
    world.pass(2 * SECOND);
    let now = world.now;
    world.agent(0).set_remote(now, &theirs, ROLES.0).unwrap();
    assert!(world.connect(SECOND));
}

#[test]
fn names_are_passed_over_or_asked_for() {
    let name = "1 1 udp 2130706431 9b36eaac-bb2e-49bb-bb78-21c41c499900.local 4000 typ host";
    let name: Candidate = name.parse().unwrap();
    // A browser that tells nothing else is found by its own checks.
    let mut world = pair();
    let now = world.now;
    let (mut ours, theirs) = (
        world.nodes[0].agent.description(),
        world.nodes[1].agent.description(),
    );
    ours.candidates = vec![name.clone()];
    world.agent(1).set_remote(now, &ours, ROLES.1).unwrap();
    world.agent(0).set_remote(now, &theirs, ROLES.0).unwrap();
    assert!(world.connect(SECOND));
    assert!(
        world.nodes[1]
            .saw(|event| matches!(event, Event::Ask { .. }))
            .is_none()
    );

    let mut config = Config::default();
    config.names = Names::Ask;
    let start = Instant::now();
    let mut agent = Agent::new(start, config, super::world::random(1));
    agent.add_host(start, addr("192.0.2.2:4000")).unwrap();
    agent.set_remote(start, &ours, ROLES.0).unwrap();
    let id = std::iter::from_fn(|| agent.poll_event())
        .find_map(|event| match event {
            Event::Ask { id, name: asked } => (asked == name.address).then_some(id),
            _ => None,
        })
        .unwrap();
    agent.answer(start, id, Some([192, 0, 2, 1].into()));
    agent.handle_timeout(start + 100 * MS);
    assert_eq!(agent.poll_transmit().unwrap().to, addr("192.0.2.1:4000"));
    // Sixteen at a time, and not for ever.
    let many = |agent: &mut Agent, now| {
        (0..100)
            .filter(|_| agent.add_remote(now, &name).is_ok())
            .count()
    };
    assert_eq!(many(&mut agent, start), 16);
    agent.handle_timeout(start + 6 * SECOND);
    assert_eq!(many(&mut agent, start + 6 * SECOND), 16);
}

#[test]
fn what_is_of_no_use_is_refused() {
    let start = Instant::now();
    let mut agent = Agent::new(start, Config::default(), super::world::random(1));
    for (candidate, error) in [
        ("1 2 udp 1 192.0.2.1 4000 typ host", IceError::Unserved),
        (
            "1 1 tcp 1 192.0.2.1 9 typ host tcptype active",
            IceError::Unserved,
        ),
        (
            "1 1 udp 1 192.0.2.1 4000 typ carrier-pigeon",
            IceError::Unserved,
        ),
        ("1 1 udp 1 0.0.0.0 4000 typ host", IceError::Address),
        ("1 1 udp 1 224.0.0.1 4000 typ host", IceError::Address),
        ("1 1 udp 1 192.0.2.1 0 typ host", IceError::Address),
    ] {
        let candidate = candidate.parse().unwrap();
        assert_eq!(
            agent.add_remote(start, &candidate),
            Err(error),
            "{candidate}"
        );
    }
    assert_eq!(
        agent.add_host(start, addr("0.0.0.0:4000")),
        Err(IceError::Address)
    );
    assert_eq!(
        agent.add_host(start, addr("192.0.2.1:0")),
        Err(IceError::Address)
    );
    assert_eq!(agent.add_host(start, addr("192.0.2.1:4000")), Ok(()));
    assert_eq!(
        agent.add_host(start, addr("192.0.2.1:4000")),
        Err(IceError::Known)
    );
    // A name that no check can carry.
    let long = IceDescription::new(&"a".repeat(120), &"b".repeat(24));
    assert_eq!(
        agent.set_remote(start, &long, Role::Controlled),
        Err(IceError::Credentials)
    );
    let theirs = IceDescription::new("abcd", &"b".repeat(24));
    agent.set_remote(start, &theirs, Role::Controlled).unwrap();
    let stale = "1 1 udp 1 192.0.2.1 4000 typ host ufrag efgh"
        .parse()
        .unwrap();
    assert_eq!(agent.add_remote(start, &stale), Err(IceError::Stale));
}

#[test]
fn the_highest_priority_is_taken_among_those_that_work() {
    // Three addresses of the peer's, of which the first does not work.
    let mut world = World::new();
    world.add(Config::default(), Nat::Open, &["192.0.2.1:4000"]);
    world.add(
        Config::default(),
        Nat::Open,
        &["192.0.2.2:4000", "192.0.2.3:4000", "192.0.2.4:4000"],
    );
    let dead = addr("192.0.2.2:4000");
    world.lost = Box::new(move |from, to, _| from == dead || to == dead);
    world.exchange(ROLES);
    assert!(world.connect(2 * SECOND));
    world.pass(SECOND);
    let best = Pair {
        local: addr("192.0.2.1:4000"),
        remote: addr("192.0.2.3:4000"),
    };
    assert_eq!(world.nodes[0].agent.selected(), Some(best));
    world.assert_media();
}
