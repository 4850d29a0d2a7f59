//! A port: what comes, as it comes.

use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use crate::probe::{Probe, rtp};
use crate::stream::Report;

/// Listens for this long.
#[allow(clippy::disallowed_methods)] // A probe of a live port reads the clock when a packet comes.
pub(crate) fn run(
    address: SocketAddr,
    time: Duration,
    mut probe: Probe,
) -> io::Result<Vec<Report>> {
    let socket = UdpSocket::bind(address)?;
    let here = socket.local_addr()?;
    let end = Instant::now() + time;
    let mut buffer = [0; 2048];
    loop {
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return probe.finish();
        }
        socket.set_read_timeout(Some(left.max(Duration::from_millis(1))))?;
        match socket.recv_from(&mut buffer) {
            Ok((len, from)) => {
                let packet = &mut buffer[..len];
                if let Some((ssrc, _)) = rtp(packet) {
                    probe.receive(Instant::now(), (from, here, ssrc), packet)?;
                }
            }
            // A port that refuses what we never sent tells nothing of the stream.
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::WouldBlock
                        | io::ErrorKind::TimedOut
                        | io::ErrorKind::Interrupted
                        | io::ErrorKind::ConnectionRefused
                ) => {}
            Err(error) => return Err(error),
        }
    }
}
