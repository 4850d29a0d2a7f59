//! RTCP on a port of its own: a second agent with the same credentials, and ways that have nothing to do with each other.

use super::world::{NATS, Nat, SECOND, World, addr, stun_server};
use rtp_core::ice::{Config, Event, IceError, Role, State};
use rtp_core::negotiate::IceDescription;
use rtp_core::transport::Component;

/// Agents of a world: RTP's of both sides, then RTCP's of both.
const RTP: [usize; 2] = [0, 1];
const RTCP: [usize; 2] = [2, 3];

fn config(side: u64, component: Component) -> Config {
    let mut config = Config::default();
    config.stun_servers = vec![stun_server()];
    config.component = component;
    config.tie_breaker = Some(100 + side);
    config
}

/// Two sides with an agent for each port.
fn world(a: Nat, b: Nat) -> World {
    let mut world = World::new();
    for (side, nat) in [a, b].into_iter().enumerate() {
        let host = match nat {
            Nat::Open => format!("192.0.2.{}:4000", side + 1),
            _ => format!("10.0.{}.2:4000", side + 1),
        };
        world.add(config(side as u64, Component::Rtp), nat, &[&host]);
    }
    for side in RTP {
        let host = world.nodes[side].hosts[0]
            .to_string()
            .replace("4000", "4001");
        world.add_rtcp(side, config(side as u64, Component::Rtcp), &host);
    }
    let gathered = |world: &World| world.nodes.iter().all(|node| node.agent.is_gathered());
    assert!(world.run(SECOND, gathered));
    world
}

/// What a side tells of both components.
fn description(world: &World, side: usize) -> IceDescription {
    let mut told = world.nodes[RTP[side]].agent.description();
    let rtcp = world.nodes[RTCP[side]].agent.description();
    assert!(told.same_credentials(&rtcp));
    told.candidates.extend(rtcp.candidates);
    told
}

fn exchange(world: &mut World, roles: [Role; 2]) {
    let told = [0, 1].map(|side| description(world, side));
    let now = world.now;
    for nodes in [RTP, RTCP] {
        for side in [1, 0] {
            let agent = world.agent(nodes[side]);
            agent.set_remote(now, &told[1 - side], roles[side]).unwrap();
        }
    }
}

const ROLES: [Role; 2] = [Role::Controlling, Role::Controlled];

/// Each agent sends, and its own component alone hears it.
fn assert_media(world: &mut World) {
    for (n, other) in [(0, 1), (1, 0), (2, 3), (3, 2)] {
        let before: Vec<_> = world.nodes.iter().map(|node| node.media.len()).collect();
        assert!(world.speak(n), "{n} may not send");
        world.pass(SECOND / 10);
        for (at, node) in world.nodes.iter().enumerate() {
            let heard = node.media.len() - before[at];
            assert_eq!(heard, usize::from(at == other), "{at} hears {n}");
        }
    }
}

#[test]
fn both_components_connect_wherever_theory_allows() {
    let mut connected = 0;
    for a in NATS {
        for b in NATS {
            let narrow = |nat| matches!(nat, Nat::PortRestricted | Nat::Symmetric);
            let hopeless = (a == Nat::Symmetric || b == Nat::Symmetric) && narrow(a) && narrow(b);
            let mut world = world(a, b);
            exchange(&mut world, ROLES);
            assert_eq!(world.connect(10 * SECOND), !hopeless, "{a:?} and {b:?}");
            if !hopeless {
                assert_media(&mut world);
                world.pass(60 * SECOND);
                assert_media(&mut world);
                connected += 1;
            }
        }
    }
    assert_eq!(connected, 22);
}

#[test]
fn candidates_say_whose_they_are_and_others_are_left_out() {
    let mut world = world(Nat::PortRestricted, Nat::Open);
    let told = description(&world, 0).candidates;
    let components: Vec<_> = told.iter().map(|candidate| candidate.component).collect();
    assert_eq!(components, [1, 1, 2, 2]);
    for (rtp, rtcp) in told[..2].iter().zip(&told[2..]) {
        assert_eq!(rtp.kind, rtcp.kind);
        assert_eq!(rtp.foundation, rtcp.foundation, "RFC 8445 §5.1.1.3");
        assert_eq!(rtp.priority, rtcp.priority + 1, "RFC 8445 §5.1.2.1");
    }
    exchange(&mut world, ROLES);
    let now = world.now;
    let refused = world.agent(RTP[1]).add_remote(now, &told[2]);
    assert_eq!(refused, Err(IceError::Unserved));
    let known = world.agent(RTCP[1]).add_remote(now, &told[2]);
    assert_eq!(known, Err(IceError::Known));
}

#[test]
fn conflicting_roles_are_settled_alike_on_both() {
    for role in [Role::Controlling, Role::Controlled] {
        let mut world = world(Nat::Open, Nat::Open);
        exchange(&mut world, [role; 2]);
        assert!(world.connect(10 * SECOND), "both {role:?}");
        let roles: Vec<_> = world.nodes.iter().map(|node| node.agent.role()).collect();
        assert_ne!(roles[0], roles[1]);
        assert_eq!(roles[..2], roles[2..]);
        assert_media(&mut world);
    }
}

#[test]
fn a_component_that_loses_its_way_takes_nothing_with_it() {
    let mut world = world(Nat::Open, Nat::Open);
    exchange(&mut world, ROLES);
    assert!(world.connect(SECOND));
    let ports = [addr("192.0.2.1:4001"), addr("192.0.2.2:4001")];
    world.lost = Box::new(move |from, to, _| ports.contains(&from) || ports.contains(&to));
    world.pass(70 * SECOND);
    for n in RTCP {
        let node = &world.nodes[n];
        assert!(node.saw(|e| matches!(e, Event::ConsentLost(_))).is_some());
        assert_eq!(node.agent.state(), State::Failed);
    }
    for n in RTP {
        assert_eq!(world.nodes[n].agent.state(), State::Connected);
        assert!(world.speak(n));
    }
    // A restart, which is one for both, brings it back.
    world.lost = Box::new(|_, _, _| false);
    let now = world.now;
    for side in [0, 1] {
        world.agent(RTP[side]).restart(now);
        let ours = world.nodes[RTP[side]].agent.description();
        world.agent(RTCP[side]).restart_with(now, &ours);
    }
    exchange(&mut world, ROLES);
    assert!(world.connect(SECOND));
    assert_media(&mut world);
}

#[test]
fn a_lite_agent_of_each_component_is_found() {
    let mut world = World::new();
    for (side, lite) in [false, true].into_iter().enumerate() {
        let mut config = config(side as u64, Component::Rtp);
        config.lite = lite;
        let host = format!("192.0.2.{}:4000", side + 1);
        world.add(config, Nat::Open, &[&host]);
    }
    for (side, lite) in [false, true].into_iter().enumerate() {
        let mut config = config(side as u64, Component::Rtcp);
        config.lite = lite;
        let host = format!("192.0.2.{}:4001", side + 1);
        world.add_rtcp(side, config, &host);
    }
    exchange(&mut world, ROLES);
    assert!(world.connect(5 * SECOND));
    assert_media(&mut world);
}
