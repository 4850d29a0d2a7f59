//! STUN and the agent: any datagrams from anywhere in any order, some of them with the right password.
#![allow(clippy::disallowed_methods)]

use rtp_core::ice::{Agent, Config, Event, Names, Role};
use rtp_core::negotiate::IceDescription;
use rtp_core::stun::{self, Builder, Class, Message, TransactionId};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// One input: a byte of settings, then records: what, wait in 20 ms, length, bytes.
pub(crate) fn fuzz(data: &[u8]) {
    let _ = Message::parse(data).map(|message| {
        let _ = (message.verify(b"key"), message.mapped_address());
        message.attributes().count()
    });
    let Some((&settings, mut rest)) = data.split_first() else {
        return;
    };
    let mut now = Instant::now();
    let mut config = Config::default();
    config.lite = settings & 1 == 1;
    if settings & 2 == 2 {
        config.names = Names::Ask;
    }
    config.stun_servers = vec![SocketAddr::from(([203, 0, 113, 1], 3478))];
    let mut seed = 1u8;
    let mut agent = Agent::new(
        now,
        config,
        Box::new(move |out| {
            out.iter_mut().for_each(|byte| {
                seed = seed.wrapping_mul(5).wrapping_add(3);
                *byte = seed;
            });
        }),
    );
    let local = SocketAddr::from(([192, 0, 2, 1], 4000));
    let _ = agent.add_host(now, local);
    let theirs = IceDescription::new("peer", "0123456789012345678901");
    let role = if settings & 4 == 4 {
        Role::Controlling
    } else {
        Role::Controlled
    };
    let mut asked: Vec<(SocketAddr, TransactionId)> = Vec::new();
    while let [what, wait, len, after @ ..] = rest {
        now += Duration::from_millis(20) * u32::from(*wait);
        let (bytes, left) = after.split_at(usize::from(*len).min(after.len()));
        rest = left;
        let from = SocketAddr::from(([192, 0, 2, 2 + (what & 3)], 4000 + u16::from(what >> 2 & 3)));
        let ours = agent.description();
        match what >> 4 {
            0..=2 => {
                agent.receive(now, local, from, bytes);
            }
            // A check by who knows the password, with whatever else.
            3..=5 => {
                let mut id = [0; 12];
                id.iter_mut().zip(bytes).for_each(|(to, byte)| *to = *byte);
                let name = format!("{}:peer", ours.ufrag);
                let mut check = Builder::new(Class::Request, stun::BINDING, TransactionId(id))
                    .attribute(stun::USERNAME, name.as_bytes());
                for value in bytes.chunks(10) {
                    let kind = match value[0] & 7 {
                        0 => stun::ICE_CONTROLLING,
                        1 => stun::ICE_CONTROLLED,
                        2 => stun::USE_CANDIDATE,
                        3 => stun::XOR_MAPPED_ADDRESS,
                        4 => stun::USERNAME,
                        _ => stun::PRIORITY,
                    };
                    check = check.attribute(kind, &value[1..]);
                }
                agent.receive(now, local, from, &check.finish(Some(ours.pwd().as_bytes())));
            }
            // An answer to what was asked, right or not.
            6..=9 => {
                if let Some((to, id)) = asked.pop() {
                    let class = match bytes.first() {
                        Some(byte) if byte & 1 == 1 => Class::Error,
                        _ => Class::Success,
                    };
                    let mapped = match bytes {
                        [_, port, ..] => SocketAddr::from(([198, 51, 100, 7], u16::from(*port))),
                        _ => local,
                    };
                    let answer = Builder::new(class, stun::BINDING, id)
                        .attribute(0x0009, &[0, 0, 4, 87])
                        .address(stun::XOR_MAPPED_ADDRESS, mapped)
                        .finish(Some(theirs.pwd().as_bytes()));
                    agent.receive(now, local, to, &answer);
                }
            }
            10 => {
                let text = String::from_utf8_lossy(bytes);
                let _ = text
                    .parse()
                    .map(|candidate| agent.add_remote(now, &candidate));
            }
            11 => agent.restart(now),
            12 => {
                let _ = agent.add_host(now, from);
            }
            _ => {
                let _ = agent.set_remote(now, &theirs, role);
            }
        }
        agent.handle_timeout(now);
        while let Some(transmit) = agent.poll_transmit() {
            let sent = Message::parse(&transmit.bytes).expect("what we send is STUN");
            if sent.class() == Class::Request && asked.len() < 64 {
                asked.push((transmit.to, sent.transaction()));
            }
        }
        if what & 1 == 0 {
            while let Some(event) = agent.poll_event() {
                if let Event::Ask { id, .. } = event {
                    agent.answer(now, id, (what & 2 == 2).then(|| from.ip()));
                }
            }
        }
        assert!(agent.poll_timeout().is_none_or(|at| at > now));
        assert!(agent.description().candidates.len() <= 16);
    }
    // Whatever came: after half a minute without an answer nothing is sent.
    agent.handle_timeout(now + Duration::from_secs(31));
    assert_eq!(agent.selected(), None);
}
