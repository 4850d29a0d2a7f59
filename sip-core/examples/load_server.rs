//! What `benches/sip_load/run.py` measures: a driver that answers every call, or keeps the registrar's book.
//!
//! `load_server ADDRESS` answers; `load_server ADDRESS register USERS` is a registrar for `user0` … with the password
//! `secret`, of which it holds HA1s. UDP and TCP; further words such as `ws:127.0.0.1:5080` are more sockets, and
//! `cores N` has N endpoints on a thread each. Prints `ready` when it listens; ends with its standard input.
#![allow(clippy::disallowed_methods, clippy::print_stdout)]

use std::io::Read;
use std::net::SocketAddr;
use std::time::Instant;

use sip_core::homes::Homes;
use sip_core::net::{ConnectionLimits, Driver, HomeDriver, Listen, Transports};
use sip_core::registrar::Policy;
use sip_core::{Body, Chance, Config, DigestPolicy, Endpoint, Event, Transport};

const SDP: &str = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n\
    m=audio 40000 RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\n";

/// The system's generator, a page at a time.
fn chance() -> std::io::Result<Chance> {
    let mut source = std::fs::File::open("/dev/urandom")?;
    let (mut page, mut used) = ([0; 4096], 4096);
    Ok(Box::new(move |bytes| {
        for byte in bytes {
            if used == page.len() {
                source
                    .read_exact(&mut page)
                    .expect("a cryptographic generator");
                used = 0;
            }
            *byte = page[used];
            used += 1;
        }
    }))
}

fn config(users: Option<usize>) -> Config {
    let mut config = Config::default();
    // 8,000 calls a second leave two transactions each for 32 s, and some calls are long.
    config.bounds.transactions = 1_000_000;
    config.bounds.calls = 100_000;
    config.bounds.connections = 100_000;
    if let Some(users) = users {
        let policy = DigestPolicy::new("load.test", [7; 32]);
        let policy = (0..users).fold(policy, |policy, user| {
            policy.user(&format!("user{user}"), "secret")
        });
        config.digest = Some(policy);
        config.registrar = Some(Policy::new(["127.0.0.1", "load.test"]));
    }
    config
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut words = std::env::args().skip(1);
    let at: SocketAddr = words
        .next()
        .unwrap_or_else(|| "127.0.0.1:5060".to_owned())
        .parse()?;
    let (mut users, mut cores, mut sockets) =
        (None, 1, vec![(Transport::Udp, at), (Transport::Tcp, at)]);
    while let Some(word) = words.next() {
        if word == "register" {
            users = Some(words.next().ok_or("how many users?")?.parse()?);
            continue;
        }
        if word == "cores" {
            cores = words.next().ok_or("how many cores?")?.parse()?;
            continue;
        }
        let socket = word
            .split_once(':')
            .and_then(|(transport, at)| Some((Transport::from_name(transport)?, at.parse().ok()?)));
        sockets.push(socket.ok_or("write TRANSPORT:ADDRESS:PORT")?);
    }
    let mut limits = ConnectionLimits::default();
    (limits.count, limits.per_source) = (100_000, 100_000);
    std::thread::spawn(|| {
        // Whoever started us is gone.
        let _ = std::io::stdin().read_to_end(&mut Vec::new());
        std::process::exit(0);
    });
    if cores > 1 {
        let mut transports = Transports::new(config(users).limits);
        transports.set_connection_limits(limits);
        for (transport, at) in sockets {
            transports.listen(Listen::new(transport, at)).await?;
        }
        let mut key = [0; 8];
        chance()?(&mut key);
        let homes = Homes::new(cores, u64::from_ne_bytes(key));
        let (mut front, homes) =
            transports.share(homes, |_| (config(users), chance().expect("a generator")));
        for home in homes {
            std::thread::spawn(move || serve(home));
        }
        println!("ready");
        front.run().await
    }
    let mut driver = Driver::new(config(users), chance()?);
    driver.set_connection_limits(limits);
    for (transport, at) in sockets {
        driver.listen(Listen::new(transport, at)).await?;
    }
    println!("ready");
    loop {
        let event = driver.next_event().await;
        answer(driver.endpoint(), event);
    }
}

/// A home on a thread of its own.
#[tokio::main(flavor = "current_thread")]
async fn serve(mut home: HomeDriver) {
    loop {
        let event = home.next_event().await;
        answer(home.endpoint(), event);
    }
}

fn answer(endpoint: &mut Endpoint, event: Event) {
    if let Event::Incoming { call, .. } = event
        && let Ok(call) = endpoint.call(call)
    {
        // It ends by itself when this fails.
        let _ = call.answer(Instant::now(), Some(Body::sdp(SDP)));
    }
}
