//! One run: sessions opened, a talker and a phone in each, and what the gateway needs for it.

use std::fmt;
use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use media_mix::{Rate, Tone};
use ring::rand::{SecureRandom as _, SystemRandom};
use signaling::engine::Voice;
use signaling::net::{Event, Gateway, GatewayConfig};
use signaling::session::{Join, SessionOptions};
use signaling::{DialRequest, Random};
use sip_core::header::NameAddr;
use token::Role;
use tokio::time::timeout;

use crate::{LIMIT, PHONES, codec};

/// Dials a second while the calls are set up.
const PACE: Duration = Duration::from_millis(10);

/// How long the calls may take to be answered, after the last dial.
const ANSWERED: Duration = Duration::from_secs(30);

/// From the last answer to the first figure: jitter buffers settle, tables reach their size.
const SETTLE: Duration = Duration::from_secs(3);

/// What a run has shown.
pub(crate) struct Run {
    codec: String,
    sessions: usize,
    seconds: f64,
    /// Calls that were not up at the end.
    lost: usize,
    ticks: u64,
    late: u64,
    dropped: u64,
    /// The latest of all ticks, set-up included, ms.
    worst_ms: f64,
    /// CPU of the process in cores.
    cores: f64,
    /// Of that, in the codec.
    coding: f64,
    /// Resident memory at the beginning and at the end, MiB.
    memory: (f64, f64),
    /// Packets a second at the phone that heard least, and the share of them that was no silence at the quietest.
    heard: (f64, f64),
}

impl Run {
    /// The share of ticks that began more than 5 ms late.
    fn late_share(&self) -> f64 {
        self.late as f64 / self.ticks.max(1) as f64
    }

    pub(crate) fn figures(&self) -> [(&'static str, &'static str, f64); 9] {
        [
            ("ticks late by 5 ms", "%", 100.0 * self.late_share()),
            ("the latest tick", "ms", self.worst_ms),
            ("ticks dropped", "ticks", self.dropped as f64),
            ("calls lost", "calls", self.lost as f64),
            ("CPU", "cores", self.cores),
            ("of that in the codec", "%", 100.0 * self.coding),
            ("memory at the beginning", "MiB", self.memory.0),
            ("memory at the end", "MiB", self.memory.1),
            ("packets a second at the worst phone", "1/s", self.heard.0),
        ]
    }

    /// What is not as it must be.
    pub(crate) fn faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        let mut fault = |is: bool, what: String| {
            if is {
                faults.push(format!(
                    "{} sessions with {}: {what}",
                    self.sessions, self.codec
                ));
            }
        };
        let late = self.late_share();
        fault(
            late > LIMIT,
            format!("{:.2} % of the ticks are late", 100.0 * late),
        );
        fault(self.dropped > 0, format!("{} ticks dropped", self.dropped));
        fault(self.lost > 0, format!("{} calls lost", self.lost));
        let (before, after) = self.memory;
        // The allocator's own grain, and nothing that grows with time.
        fault(
            after > before * 1.05 + 2.0,
            format!("memory grows from {before:.1} to {after:.1} MiB"),
        );
        let (rate, loud) = self.heard;
        fault(
            rate < 45.0,
            format!("a phone hears {rate:.1} packets a second of 50"),
        );
        fault(
            loud < 0.9,
            format!("a phone hears {:.0} % sound", 100.0 * loud),
        );
        faults
    }
}

impl fmt::Display for Run {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} sessions with {} for {:.0} s:",
            self.sessions, self.codec, self.seconds
        )?;
        for (name, unit, value) in self.figures() {
            write!(f, " {name} {value:.2} {unit};")?;
        }
        Ok(())
    }
}

/// The phones' process; it ends with the bench.
struct Phones(Child);

impl Drop for Phones {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Runs `sessions` for `seconds`, on so many media threads.
pub(crate) fn run(
    name: &str,
    sessions: usize,
    seconds: u64,
    threads: usize,
) -> Result<Run, String> {
    let cost = codec::cost(name)?;
    let program = std::env::current_exe().map_err(|error| error.to_string())?;
    let phones = Command::new(program)
        .args([PHONES, name])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn();
    let mut phones = Phones(phones.map_err(|error| format!("the phones: {error}"))?);
    let mut said = BufReader::new(phones.0.stdout.take().ok_or("no output")?).lines();
    let mut word = |start: &str| {
        let line = said.next().and_then(Result::ok).unwrap_or_default();
        let rest = line.strip_prefix(start).map(str::to_owned);
        rest.ok_or_else(|| format!("the phones say {line:?}, not {start:?}"))
    };
    let at = word("ready ")?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let runtime = runtime.map_err(|error| error.to_string())?;
    let mut run = runtime.block_on(calls(
        name,
        sessions,
        Duration::from_secs(seconds),
        threads,
        &at,
        || {
            // The end of its input asks the phones for their sum, while all lines are up.
            drop(phones.0.stdin.take());
            let sum = word("heard ")?;
            let mut numbers = sum
                .split(' ')
                .map(|number| number.parse::<f64>().unwrap_or_default());
            let lines = numbers.next().unwrap_or_default();
            if lines < sessions as f64 {
                return Err(format!("{lines} of {sessions} phones are on the line"));
            }
            Ok((
                numbers.next().unwrap_or_default(),
                numbers.next().unwrap_or_default(),
            ))
        },
    ))?;
    // At each tick that was run a talker's mix is encoded for the phone, and the phone's voice decoded, in each session.
    let rate = run.ticks as f64 / threads as f64 / run.seconds;
    let coding = rate * sessions as f64 * (cost.encode + cost.decode);
    run.coding = coding / run.cores.max(f64::MIN_POSITIVE);
    Ok(run)
}

async fn calls(
    name: &str,
    sessions: usize,
    hold: Duration,
    threads: usize,
    phones: &str,
    sum: impl FnOnce() -> Result<(f64, f64), String>,
) -> Result<Run, String> {
    let failed = |error: &dyn fmt::Display| error.to_string();
    let system = SystemRandom::new();
    let random = Random::new(move |bytes| system.fill(bytes).expect("the system has random bytes"));
    let any = "127.0.0.1:0".parse().map_err(|_| "no address")?;
    let mut config = GatewayConfig::new(any, random);
    config.media_threads = threads;
    config.registry = codec::registry(name)?;
    config.rtp_ports = 20_000..=29_999;
    let mut gateway = Gateway::bind(config)
        .await
        .map_err(|error| failed(&error))?;
    let from = NameAddr::new(&"sip:load@example.org".parse().map_err(|_| "no URI")?);
    let (mut up, mut lost) = (0, Vec::new());
    let mut take = |event: Event, up: &mut usize| match event {
        Event::Answered { .. } => *up += 1,
        Event::Ended { end, .. } => lost.push(end.to_string()),
        _ => {}
    };
    for number in 0..sessions {
        let session = gateway
            .open_session(format!("session {number}"), SessionOptions::default())
            .map_err(|error| failed(&error))?;
        let hz = 300.0 + (number % 40) as f64 * 20.0;
        let voice = Voice::tone(Tone::new(Rate::Khz48, hz, -15.0));
        let join = Join::new(Role::Publisher);
        gateway
            .join(session, join, voice)
            .map_err(|error| failed(&error))?;
        let uri = format!("sip:{number}@{phones}").parse();
        let request = DialRequest::new(uri.map_err(|_| "no URI")?, from.clone());
        gateway
            .dial(session, &request)
            .map_err(|error| failed(&error))?;
        let pause = Instant::now() + PACE;
        while let Ok(event) = timeout(
            pause.saturating_duration_since(Instant::now()),
            gateway.next_event(),
        )
        .await
        {
            take(event, &mut up);
        }
    }
    let end = Instant::now() + ANSWERED;
    while up < sessions {
        let left = end.saturating_duration_since(Instant::now());
        match timeout(left, gateway.next_event()).await {
            Ok(event) => take(event, &mut up),
            Err(_) => return Err(format!("{up} of {sessions} calls were answered")),
        }
    }
    let mut pass = async |gateway: &mut Gateway, time: Duration| {
        let end = Instant::now() + time;
        while let Ok(event) = timeout(
            end.saturating_duration_since(Instant::now()),
            gateway.next_event(),
        )
        .await
        {
            take(event, &mut up);
        }
    };
    pass(&mut gateway, SETTLE).await;
    let before = (Instant::now(), ticks(&gateway), cpu(), memory());
    pass(&mut gateway, hold).await;
    let after = (Instant::now(), ticks(&gateway), cpu(), memory());
    // A call that is over is lost: nobody has hung up.
    let on_line = gateway.calls().count();
    let heard = sum()?;
    if !lost.is_empty() {
        println!("lost: {}", lost.join("; "));
    }
    gateway.shut_down(Duration::from_secs(2)).await;
    let seconds = (after.0 - before.0).as_secs_f64();
    Ok(Run {
        codec: name.to_owned(),
        sessions,
        seconds,
        lost: sessions - on_line.min(sessions),
        ticks: after.1.0 - before.1.0,
        late: after.1.1 - before.1.1,
        dropped: after.1.2 - before.1.2,
        worst_ms: gateway.lateness().worst.as_secs_f64() * 1000.0,
        cores: (after.2 - before.2) / seconds,
        coding: 0.0,
        memory: (before.3, after.3),
        heard,
    })
}

/// Ticks run, late and dropped, of all media threads together.
fn ticks(gateway: &Gateway) -> (u64, u64, u64) {
    gateway.lateness_of_threads().fold((0, 0, 0), |sum, one| {
        (sum.0 + one.ticks, sum.1 + one.late, sum.2 + one.dropped)
    })
}

/// CPU seconds of this process.
fn cpu() -> f64 {
    // SAFETY: the structure is plain numbers, and getrusage fills it.
    let usage = unsafe {
        let mut usage: libc::rusage = std::mem::zeroed();
        libc::getrusage(libc::RUSAGE_SELF, &mut usage);
        usage
    };
    let seconds = |time: libc::timeval| time.tv_sec as f64 + time.tv_usec as f64 / 1e6;
    seconds(usage.ru_utime) + seconds(usage.ru_stime)
}

/// Resident memory of this process, MiB; 0 where the system does not say.
fn memory() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.split_whitespace().next()?.parse::<f64>().ok());
    kib.unwrap_or_default() / 1024.0
}
