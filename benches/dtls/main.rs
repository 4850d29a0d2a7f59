//! DTLS-SRTP handshakes: what one costs both ends together, and what a burst of legs that are answered at once does to the
//! thread that carries their media. CPU time throughout.

use std::process::ExitCode;
use std::time::Instant;

use benches::{Bench, OURS, Report, cpu_ns};
use rtp_core::dtls::{Backend, Certificate, Event, Handshake, HandshakeConfig, Role};

/// Legs of the burst.
const LEGS: usize = 1000;

fn backends() -> Vec<(&'static str, Backend)> {
    let ours = (OURS, Backend::Rust);
    #[cfg(feature = "openssl")]
    return vec![ours, ("OpenSSL", Backend::OpenSsl)];
    #[cfg(not(feature = "openssl"))]
    vec![ours]
}

struct Ends {
    client: Certificate,
    server: Certificate,
}

impl Ends {
    fn new() -> Self {
        let generate = || Certificate::generate().expect("random bytes");
        Self {
            client: generate(),
            server: generate(),
        }
    }

    fn start(&self, now: Instant, role: Role, backend: Backend) -> Handshake {
        let (ours, theirs) = match role {
            Role::Client => (&self.client, &self.server),
            Role::Server => (&self.server, &self.client),
        };
        let mut config = HandshakeConfig::default();
        config.backend = backend;
        let mut made = Handshake::new(now, ours, role, config).expect("a handshake");
        made.expect(&[theirs.fingerprint()]);
        made
    }
}

/// Carries what is waiting; whether there was anything.
fn carry(now: Instant, from: &mut Handshake, to: &mut Handshake) -> bool {
    let mut any = false;
    while let Some(datagram) = from.poll_transmit() {
        to.receive(now, &datagram);
        any = true;
    }
    any
}

fn keyed(handshake: &mut Handshake) -> bool {
    matches!(handshake.poll_event(), Some(Event::Keys(_)))
}

fn whole(ends: &Ends, backend: Backend) {
    let now = Instant::now();
    let mut client = ends.start(now, Role::Client, backend);
    let mut server = ends.start(now, Role::Server, backend);
    while carry(now, &mut client, &mut server) | carry(now, &mut server, &mut client) {}
    assert!(keyed(&mut client) && keyed(&mut server));
}

/// A thousand legs are answered at once, and every phone begins its handshake: our side's time until all have keys, and
/// the longest that one start or one datagram keeps the thread, in milliseconds.
fn burst(ends: &Ends, backend: Backend) -> (f64, f64) {
    let now = Instant::now();
    let mut phones: Vec<_> = (0..LEGS)
        .map(|_| ends.start(now, Role::Client, backend))
        .collect();
    let (mut all, mut longest) = (0, 0);
    let mut spent = |since: u64| {
        let took = cpu_ns() - since;
        all += took;
        longest = longest.max(took);
    };
    let mut legs: Vec<_> = (0..LEGS)
        .map(|_| {
            let since = cpu_ns();
            let leg = ends.start(now, Role::Server, backend);
            spent(since);
            leg
        })
        .collect();
    loop {
        let mut any = false;
        for (phone, leg) in phones.iter_mut().zip(&mut legs) {
            while let Some(datagram) = phone.poll_transmit() {
                let since = cpu_ns();
                leg.receive(now, &datagram);
                spent(since);
                any = true;
            }
            any |= carry(now, leg, phone);
        }
        if !any {
            break;
        }
    }
    assert!(legs.iter_mut().all(keyed) && phones.iter_mut().all(keyed));
    (all as f64 / 1e6, longest as f64 / 1e6)
}

fn main() -> ExitCode {
    let ends = Ends::new();
    let mut report = Report::new("dtls");
    let mut bench = Bench::new();
    for (who, backend) in backends() {
        let ends = &ends;
        bench.add("handshake, both ends", who, move |n| {
            for _ in 0..n {
                whole(ends, backend);
            }
        });
    }
    bench.time(&mut report);
    for (who, backend) in backends() {
        let (all, longest) = burst(&ends, backend);
        report.add("1,000 legs, our side", "ms", who, all);
        report.add("1,000 legs, longest step", "ms", who, longest);
    }
    if let Err(error) = report.finish() {
        eprintln!("the figures could not be written: {error}");
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}
