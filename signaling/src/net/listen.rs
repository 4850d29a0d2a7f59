//! Addresses: where SIP listens, and what others are told.

use rtp_core::negotiate::LocalAddress;
use rtp_core::net::RtpSockets;
use sip_core::Transport;
use sip_core::net::{Driver, Listen};
use std::io;
use std::net::{IpAddr, SocketAddr};

/// Ports to try when one must be free for UDP and TCP alike.
const PORT_TRIES: usize = 16;

/// Listens on UDP and TCP at one address.
pub(super) async fn listen(
    driver: &mut Driver,
    bind: SocketAddr,
    advertise: Option<IpAddr>,
) -> io::Result<SocketAddr> {
    let told = |transport, at: SocketAddr| {
        let listen = Listen::new(transport, at);
        match advertise {
            Some(ip) => {
                let port = at.port();
                let host = if ip.is_ipv6() {
                    format!("[{ip}]")
                } else {
                    ip.to_string()
                };
                listen.advertise(host, port)
            }
            None => listen,
        }
    };
    let mut tries = 0;
    loop {
        // A port that is free for both, before either is told to the endpoint.
        let probe = std::net::UdpSocket::bind(bind)?;
        let at = probe.local_addr()?;
        let stream = std::net::TcpListener::bind(at);
        drop(probe);
        tries += 1;
        match stream {
            Ok(stream) => drop(stream),
            Err(error) if bind.port() != 0 || tries == PORT_TRIES => return Err(error),
            Err(_) => continue,
        }
        driver.listen(told(Transport::Udp, at)).await?;
        driver.listen(told(Transport::Tcp, at)).await?;
        return Ok(at);
    }
}

pub(super) fn local_address(sockets: &RtpSockets, advertise: Option<IpAddr>) -> LocalAddress {
    LocalAddress {
        rtp: told(sockets.rtp_addr(), advertise),
        rtcp: told(sockets.rtcp_addr(), advertise),
    }
}

/// A bound address as others are told it.
pub(super) fn told(addr: SocketAddr, advertise: Option<IpAddr>) -> SocketAddr {
    SocketAddr::new(advertise.unwrap_or(addr.ip()), addr.port())
}
