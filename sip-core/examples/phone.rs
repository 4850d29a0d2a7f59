//! A phone that answers every call: one socket, one loop, no runtime.
#![allow(clippy::disallowed_methods, clippy::print_stdout)]

use std::net::{SocketAddr, UdpSocket};
use std::time::{Duration, Instant, SystemTime};

use sip_core::{Body, Config, Endpoint, Epoch, Event, Flow, Input, Local, StatusCode, Transport};

fn random(bytes: &mut [u8]) {
    use std::io::Read;
    let filled = std::fs::File::open("/dev/urandom").and_then(|mut f| f.read_exact(bytes));
    filled.expect("a cryptographic generator");
}

fn main() -> std::io::Result<()> {
    let named = std::env::args().nth(1);
    let here = named.unwrap_or_else(|| "127.0.0.1:5060".to_owned());
    let here: SocketAddr = here.parse().expect("an address");
    let socket = UdpSocket::bind(here)?;
    let config = Config::new(Local::new(Transport::Udp, here));
    let epoch = Epoch {
        instant: Instant::now(),
        wall: SystemTime::now(),
    };
    let mut phone = Endpoint::new(config, epoch, Box::new(random));
    let sdp = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n\
               m=audio 40000 RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\n";
    let mut buffer = [0; 65_536];
    loop {
        while let Some(event) = phone.poll_event() {
            match event {
                Event::Incoming { call, .. } => {
                    if let Ok(call) = phone.call(call) {
                        call.ring(Instant::now(), StatusCode::RINGING, None).ok();
                    }
                    if let Ok(call) = phone.call(call) {
                        call.answer(Instant::now(), Some(Body::sdp(sdp))).ok();
                    }
                }
                Event::Ended { cause, .. } => println!("{cause}"),
                _ => {}
            }
        }
        while let Some(transmit) = phone.poll_transmit() {
            socket.send_to(&transmit.bytes, transmit.to.remote()).ok();
        }
        let wait = match phone.poll_timeout() {
            Some(at) => at.saturating_duration_since(Instant::now()),
            None => Duration::from_secs(60),
        };
        socket.set_read_timeout(Some(wait.max(Duration::from_millis(1))))?;
        if let Ok((len, from)) = socket.recv_from(&mut buffer) {
            let bytes = buffer[..len].to_vec().into();
            let flow = Flow::udp(here, from);
            phone.handle_input(Instant::now(), Input::Received { flow, bytes });
        }
        phone.handle_timeout(Instant::now());
    }
}
