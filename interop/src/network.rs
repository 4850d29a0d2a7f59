//! The machine's own address on a network.

use std::net::{IpAddr, UdpSocket};

/// The machine's IPv4 address on a network; says `skipped: …` where there is none.
///
/// baresip and Linphone do ICE on such addresses alone. What both ends of this machine send each other between them stays
/// inside the machine all the same.
///
/// # Panics
/// When no socket can be opened.
pub fn network() -> Option<IpAddr> {
    let socket = UdpSocket::bind("0.0.0.0:0").expect("a socket");
    // An address for documentation (RFC 5737): nothing is sent.
    let found = socket
        .connect("198.51.100.1:9")
        .and_then(|()| socket.local_addr())
        .map(|address| address.ip())
        .ok()
        .filter(|ip| !ip.is_unspecified() && !ip.is_loopback());
    if found.is_none() {
        println!("skipped: the phones do no ICE on 127.0.0.1, and there is no network");
    }
    found
}
