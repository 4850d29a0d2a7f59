//! Phones without a mixer or a jitter buffer, as many as call: each answers, says the same second of sound over and over,
//! and counts what it hears. So cheap that the process measures the gateway, not itself.

use std::collections::HashMap;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, UdpSocket};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant, SystemTime};

use ring::rand::{SecureRandom as _, SystemRandom};
use sip_core::net::{Driver, Listen};
use sip_core::{Body, CallId, Config, Event, Transport, Uninvited};

use crate::codec;

const TICK: Duration = Duration::from_millis(20);

/// An RTP header without extension, bytes.
const HEADER: usize = 12;

/// One phone's line.
struct Line {
    call: CallId,
    socket: UdpSocket,
    peer: SocketAddr,
    payload_type: u8,
    sequence: u16,
    timestamp: u32,
    ssrc: u32,
    received: u64,
    /// Those that are no silence.
    loud: u64,
    since: Instant,
}

enum Change {
    Up(Box<Line>),
    Over(CallId),
    /// Tells how many packets each line heard a second, and how many of them were no silence.
    Sum(Sender<Vec<(f64, f64)>>),
}

/// Answers calls until standard input ends; then says what was heard.
pub(crate) fn answer(codec: &str) -> Result<(), String> {
    let cost = codec::cost(codec)?;
    let is_opus = codec.eq_ignore_ascii_case("opus");
    let (changes, heard) = channel();
    std::thread::spawn(move || speak(&cost.frames, is_opus, &heard));
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| error.to_string())?;
    let (done, mut ended) = tokio::sync::oneshot::channel();
    std::thread::spawn(move || {
        let _ = std::io::stdin().read(&mut [0]);
        let _ = done.send(());
    });
    runtime.block_on(async {
        let mut config = Config::default();
        config.uninvited = Uninvited::Accept;
        let random = SystemRandom::new();
        let chance = move |bytes: &mut [u8]| random.fill(bytes).expect("the system has random bytes");
        let mut driver = Driver::new(config, Box::new(chance));
        let any = "127.0.0.1:0".parse().map_err(|_| "no address")?;
        let at = driver.listen(Listen::new(Transport::Udp, any)).await;
        let at = at.map_err(|error| error.to_string())?;
        println!("ready {at}");
        let _ = std::io::stdout().flush();
        let mut lines = 0_u32;
        loop {
            tokio::select! {
                event = driver.next_event() => match event {
                    Event::Incoming { call, offer: Some(offer), .. } => {
                        lines += 1;
                        let (line, answer) = pick_up(call, &offer.bytes, codec, lines)?;
                        let now = Instant::now();
                        let handle = driver.endpoint().call(call).map_err(|error| error.to_string())?;
                        handle.answer(now, Some(Body::sdp(answer))).map_err(|error| error.to_string())?;
                        let _ = changes.send(Change::Up(Box::new(line)));
                    }
                    Event::Ended { call, .. } => {
                        let _ = changes.send(Change::Over(call));
                    }
                    _ => {}
                },
                _ = &mut ended => break,
            }
        }
        let (tell, sum) = channel();
        let _ = changes.send(Change::Sum(tell));
        let mut sums = sum.recv_timeout(Duration::from_secs(5)).unwrap_or_default();
        sums.sort_by(|a, b| a.0.total_cmp(&b.0));
        let worst = sums.first().map_or(0.0, |line| line.0);
        let quietest = sums.iter().map(|line| line.1).fold(f64::INFINITY, f64::min);
        println!("heard {} {worst:.2} {quietest:.3}", sums.len());
        Ok(())
    })
}

/// A socket for one call, and the answer to its offer.
fn pick_up(
    call: CallId,
    offer: &[u8],
    codec: &str,
    number: u32,
) -> Result<(Line, Vec<u8>), String> {
    let text = std::str::from_utf8(offer).map_err(|_| "an offer that is no text")?;
    let after = |start: &str| text.lines().find_map(|line| line.strip_prefix(start));
    let ip = after("c=IN IP4 ").ok_or("no address")?.trim();
    let port = after("m=audio ").and_then(|media| media.split(' ').next());
    let peer = format!("{ip}:{}", port.ok_or("no port")?);
    let peer = peer.parse().map_err(|_| "no address to send to")?;
    let known = text.lines().find_map(|line| {
        let (number, name) = line.strip_prefix("a=rtpmap:")?.split_once(' ')?;
        let name_and_rate = name.trim();
        let same = name_and_rate.split('/').next()?.eq_ignore_ascii_case(codec);
        same.then(|| (number.to_owned(), name_and_rate.to_owned()))
    });
    let (payload_type, map) = known.ok_or("the codec is not offered")?;
    let socket = UdpSocket::bind("127.0.0.1:0").map_err(|error| error.to_string())?;
    socket
        .set_nonblocking(true)
        .map_err(|error| error.to_string())?;
    let port = socket
        .local_addr()
        .map_err(|error| error.to_string())?
        .port();
    let answer = format!(
        "v=0\r\no=- {number} 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n\
         m=audio {port} RTP/AVP {payload_type}\r\na=rtpmap:{payload_type} {map}\r\na=ptime:20\r\n"
    );
    let seed = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .map_or(0, |t| t.subsec_nanos());
    let line = Line {
        call,
        socket,
        peer,
        payload_type: payload_type.parse().map_err(|_| "no payload type")?,
        sequence: 0,
        timestamp: 0,
        ssrc: seed ^ number.wrapping_mul(0x9e37_79b9),
        received: 0,
        loud: 0,
        since: Instant::now(),
    };
    Ok((line, answer.into_bytes()))
}

/// Sends and counts, every 20 ms, for all lines.
fn speak(frames: &[Vec<u8>], is_opus: bool, changes: &Receiver<Change>) {
    let mut lines: HashMap<CallId, Line> = HashMap::new();
    let (mut next, mut at) = (Instant::now(), 0_usize);
    let step = if is_opus { 960 } else { 160 };
    let (mut packet, mut heard) = (Vec::new(), [0; 2048]);
    loop {
        while let Ok(change) = changes.try_recv() {
            match change {
                Change::Up(line) => {
                    lines.insert(line.call, *line);
                }
                // What it heard until then counts for nothing: a call that is over is lost, and told as lost.
                Change::Over(call) => {
                    lines.remove(&call);
                }
                Change::Sum(tell) => {
                    let sums = lines.values().map(|line| {
                        let seconds = line.since.elapsed().as_secs_f64();
                        let loud = line.loud as f64 / (line.received.max(1)) as f64;
                        (line.received as f64 / seconds, loud)
                    });
                    let _ = tell.send(sums.collect());
                    return;
                }
            }
        }
        for line in lines.values_mut() {
            packet.clear();
            packet.extend_from_slice(&[0x80, line.payload_type]);
            packet.extend_from_slice(&line.sequence.to_be_bytes());
            packet.extend_from_slice(&line.timestamp.to_be_bytes());
            packet.extend_from_slice(&line.ssrc.to_be_bytes());
            packet.extend_from_slice(&frames[at % frames.len()]);
            // A full buffer loses it, as a network would.
            let _ = line.socket.send_to(&packet, line.peer);
            line.sequence = line.sequence.wrapping_add(1);
            line.timestamp = line.timestamp.wrapping_add(step);
            while let Ok((length, _)) = line.socket.recv_from(&mut heard) {
                if length > HEADER {
                    line.received += 1;
                    let payload = &heard[HEADER..length];
                    // A tone has many code words in µ-law, silence one or two; Opus needs more bytes for it.
                    let loud = match is_opus {
                        true => payload.len() > 20,
                        false => payload.iter().any(|&byte| byte & 0x7f < 0x60),
                    };
                    line.loud += u64::from(loud);
                }
            }
        }
        at += 1;
        next += TICK;
        let now = Instant::now();
        match next.checked_duration_since(now) {
            Some(wait) => std::thread::sleep(wait),
            // Behind: the time that is lost is not made up in a burst.
            None => next = now,
        }
    }
}
