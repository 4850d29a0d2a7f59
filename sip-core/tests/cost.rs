//! What one idle call, one lingering transaction and one registration cost, counted by the allocator.
#![allow(clippy::disallowed_methods, clippy::unwrap_used, clippy::print_stdout)]

#[path = "support/allocator.rs"]
mod allocator;
mod support;

use std::time::Duration;

use sip_core::header::NameAddr;
use sip_core::registrar::{Aor, Memory, Policy};
use sip_core::registration::Proxy;
use sip_core::{Config, Options, Registration, RegistrationId, Target, Transport};
use support::*;

/// Live bytes once the harness has forgotten what it only shows.
fn live(net: &mut Network) -> usize {
    net.drain();
    net.ladder = Vec::new();
    net.events
        .iter_mut()
        .for_each(|events| *events = Vec::new());
    allocator::live()
}

/// So many users on one phone.
fn register(net: &mut Network, count: usize) -> Vec<RegistrationId> {
    (0..count)
        .map(|user| {
            let aor = format!("<sip:user{user}@example.org>");
            let registrar = "sip:example.org".parse().unwrap();
            let registration = Registration::new(registrar, NameAddr::parse(aor).unwrap());
            let target = Target::new(Transport::Udp, address(1));
            let now = net.now;
            let id = net.endpoints[0]
                .register(now, registration.proxy(Proxy::target(target)))
                .unwrap();
            net.run(Duration::from_millis(100));
            id
        })
        .collect()
}

#[test]
fn an_idle_call_and_a_lingering_transaction_stay_within_their_bounds() {
    const COUNT: usize = 200;
    let mut configs = vec![Config::default(), Config::default()];
    for config in &mut configs {
        config.session_timers = None;
    }
    let mut net = Network::new(1, configs);
    // Tables and queues have grown to their size.
    for _ in 0..COUNT {
        let (caller, _) = net.connect(0, 1);
        net.hang_up(0, caller);
    }
    net.assert_forgotten();

    let before = live(&mut net);
    for _ in 0..COUNT {
        net.connect(0, 1);
    }
    net.run(Duration::from_secs(100));
    let call = (live(&mut net) - before) / (2 * COUNT);
    println!("an idle confirmed call: {call} bytes");
    assert!(call <= 4096, "{call} bytes an idle call");

    let before = live(&mut net);
    for _ in 0..COUNT {
        let uri = format!("sip:{}", address(1)).parse().unwrap();
        let from = NameAddr::new(&"sip:ping@example.org".parse().unwrap());
        let now = net.now;
        net.endpoints[0]
            .options(now, Options::new(uri, from))
            .unwrap();
        net.drain();
    }
    net.run(Duration::from_secs(1));
    assert_eq!(
        (net.endpoints[0].sizes()[1], net.endpoints[1].sizes()[2]),
        (COUNT, COUNT)
    );
    let transaction = (live(&mut net) - before) / (2 * COUNT);
    println!("a lingering transaction, client and server in the mean: {transaction} bytes");
    assert!(
        transaction <= 1024,
        "{transaction} bytes a lingering transaction"
    );

    let mut registrar = Config::default();
    registrar.registrar = Some(Policy::new(["example.org"]));
    let mut net = Network::new(1, vec![Config::default(), registrar]);
    // Tables and queues have grown to their size.
    let mut ids = register(&mut net, COUNT);
    for id in ids.drain(..) {
        let now = net.now;
        net.endpoints[0].unregister(now, id).unwrap();
        net.run(Duration::from_secs(1));
    }
    net.assert_forgotten();
    let before = live(&mut net);
    register(&mut net, COUNT);
    net.run(Duration::from_secs(100));
    let both = (live(&mut net) - before) / COUNT;
    let bindings: Vec<_> = (0..COUNT)
        .map(|user| {
            let uri: sip_core::Uri = format!("sip:user{user}@example.org").parse().unwrap();
            let aor = Aor::new(&uri.as_ref()).unwrap();
            let kept = net.endpoints[1].bindings(&aor).unwrap().clone();
            (aor, kept)
        })
        .collect();
    let mut memory = Memory::new(COUNT);
    let before = allocator::live();
    for (aor, kept) in &bindings {
        memory.store(aor, kept.clone(), 0).unwrap();
    }
    let table = (allocator::live() - before) / COUNT;
    println!("a registration: {both} bytes at both ends, {table} of them the registrar's table");
    assert!(both <= 4096, "{both} bytes a registration at both ends");
    assert!(table <= 1024, "{table} bytes in the registrar's table");
}
