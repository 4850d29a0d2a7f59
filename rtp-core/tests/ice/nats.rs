//! NATs of each kind against each other.

use super::world::{NATS, Nat, SECOND, World, stun_server};
use rtp_core::ice::{Config, Event, Role, State};

fn world(a: Nat, b: Nat) -> World {
    let mut config = Config::default();
    config.stun_servers = vec![stun_server()];
    let mut world = World::new();
    let host = |nat, inside, public| if nat == Nat::Open { public } else { inside };
    world.add(
        config.clone(),
        a,
        &[host(a, "10.0.1.2:4000", "192.0.2.1:4000")],
    );
    world.add(config, b, &[host(b, "10.0.2.2:4000", "192.0.2.2:4000")]);
    let gathered = |world: &World| world.nodes.iter().all(|node| node.agent.is_gathered());
    assert!(world.run(SECOND, gathered));
    world
}

/// Whoever keeps ports for each destination is found by nobody who insists on the port.
fn theory(a: Nat, b: Nat) -> bool {
    let narrow = |nat| matches!(nat, Nat::PortRestricted | Nat::Symmetric);
    let symmetric = a == Nat::Symmetric || b == Nat::Symmetric;
    !(symmetric && narrow(a) && narrow(b))
}

#[test]
fn they_connect_wherever_theory_allows() {
    let mut connected = 0;
    for a in NATS {
        for b in NATS {
            let mut world = world(a, b);
            world.exchange((Role::Controlling, Role::Controlled));
            let found = world.connect(10 * SECOND);
            assert_eq!(found, theory(a, b), "{a:?} and {b:?}");
            if found {
                world.assert_media();
                // And it stays so: mappings are used, consent is renewed.
                world.pass(100 * SECOND);
                world.assert_media();
                connected += 1;
            } else {
                world.pass(25 * SECOND);
                for node in &world.nodes {
                    assert_eq!(node.agent.state(), State::Failed);
                    assert!(node.saw(|e| *e == Event::State(State::Failed)).is_some());
                }
            }
        }
    }
    assert_eq!(connected, 22);
}

#[test]
fn behind_a_nat_both_addresses_are_told() {
    let world = world(Nat::PortRestricted, Nat::Open);
    let told = world.nodes[0].agent.description().candidates;
    let told: Vec<String> = told.iter().map(ToString::to_string).collect();
    assert_eq!(told.len(), 2);
    assert!(told[0].ends_with(" 10.0.1.2 4000 typ host"), "{told:?}");
    assert!(
        told[1].ends_with(" 198.51.100.1 20000 typ srflx raddr 0.0.0.0 rport 9"),
        "{told:?}"
    );
    // Without a NAT there is one.
    assert_eq!(world.nodes[1].agent.description().candidates.len(), 1);
}

#[test]
fn a_stun_server_that_is_silent_delays_no_more_than_its_time() {
    let mut config = Config::default();
    config.stun_servers = vec!["203.0.113.99:3478".parse().unwrap()];
    let mut world = World::new();
    let n = world.add(config, Nat::Open, &["192.0.2.1:4000"]);
    let start = world.now;
    assert!(world.run(30 * SECOND, |world| world.nodes[0].agent.is_gathered()));
    let took = world.nodes[n].saw(|e| *e == Event::Gathered).unwrap() - start;
    assert_eq!(took.as_millis(), 7500);
    assert_eq!(world.carried, 4);
}
