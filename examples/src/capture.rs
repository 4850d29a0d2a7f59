//! pcap and pcapng files as payloads with their addresses.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use pcap_file::pcap::PcapReader;
use pcap_file::pcapng::blocks::interface_description::InterfaceDescriptionOption;
use pcap_file::pcapng::{Block, PcapNgReader};
use pcap_file::{DataLink, PcapError};
use sip_core::{Frame, Framer};

/// One SIP message on the wire.
#[derive(Debug)]
pub struct Seen {
    /// Since 1970.
    pub at: Duration,
    /// Who sent it.
    pub source: SocketAddr,
    /// To whom.
    pub destination: SocketAddr,
    /// The message.
    pub bytes: Vec<u8>,
}

/// One UDP datagram on the wire.
#[derive(Debug)]
pub struct Datagram<'a> {
    /// Since 1970.
    pub at: Duration,
    /// Who sent it.
    pub source: SocketAddr,
    /// To whom.
    pub destination: SocketAddr,
    /// What was in it.
    pub payload: &'a [u8],
}

/// One IP packet on the wire, no fragment.
struct Packet<'a> {
    at: Duration,
    source: IpAddr,
    destination: IpAddr,
    protocol: u8,
    payload: &'a [u8],
}

/// Whether these bytes start like a capture.
pub fn is_capture(bytes: &[u8]) -> bool {
    const MAGIC: [[u8; 4]; 5] = [
        [0x0a, 0x0d, 0x0d, 0x0a],
        [0xa1, 0xb2, 0xc3, 0xd4],
        [0xd4, 0xc3, 0xb2, 0xa1],
        [0xa1, 0xb2, 0x3c, 0x4d],
        [0x4d, 0x3c, 0xb2, 0xa1],
    ];
    bytes
        .first_chunk::<4>()
        .is_some_and(|first| MAGIC.contains(first))
}

/// Every SIP message in the capture, streams put together.
///
/// # Errors
/// When the file is cut short or no capture.
pub fn messages(bytes: &[u8]) -> Result<Vec<Seen>, PcapError> {
    let mut trace = Trace::default();
    each(bytes, |packet| trace.packet(&packet))?;
    Ok(trace.seen)
}

/// Hands over every UDP datagram in the capture, in its order.
///
/// # Errors
/// When the file is cut short or no capture; what stood before is handed over all the same.
pub fn datagrams(bytes: &[u8], mut take: impl FnMut(Datagram<'_>)) -> Result<(), PcapError> {
    each(bytes, |packet| {
        if let Some((source, destination, payload)) = udp(&packet) {
            take(Datagram {
                at: packet.at,
                source,
                destination,
                payload,
            });
        }
    })
}

fn each(bytes: &[u8], mut take: impl FnMut(Packet<'_>)) -> Result<(), PcapError> {
    let mut take = |at, link, data: &[u8]| {
        if let Some((source, destination, protocol, payload)) = ip(link, data) {
            take(Packet {
                at,
                source,
                destination,
                protocol,
                payload,
            });
        }
    };
    if bytes.starts_with(&[0x0a, 0x0d, 0x0d, 0x0a]) {
        let mut reader = PcapNgReader::new(bytes)?;
        let mut links = Vec::new();
        while let Some(block) = reader.next_block() {
            match block? {
                Block::SectionHeader(_) => links.clear(),
                Block::InterfaceDescription(interface) => {
                    let resolution = interface.options.iter().find_map(|o| match o {
                        InterfaceDescriptionOption::IfTsResol(r) => Some(*r),
                        _ => None,
                    });
                    links.push((interface.linktype, resolution.unwrap_or(6)));
                }
                Block::EnhancedPacket(packet) => {
                    if let Some((link, resolution)) = links.get(packet.interface_id as usize) {
                        // The reader hands out the raw count of ticks as nanoseconds.
                        let at = ticks(packet.timestamp.as_nanos() as u64, *resolution);
                        take(at, *link, &packet.data);
                    }
                }
                _ => {}
            }
        }
    } else {
        let mut reader = PcapReader::new(bytes)?;
        let link = reader.header().datalink;
        while let Some(packet) = reader.next_packet() {
            let packet = packet?;
            take(packet.timestamp, link, &packet.data);
        }
    }
    Ok(())
}

/// Addresses and payload of a datagram.
fn udp<'a>(packet: &Packet<'a>) -> Option<(SocketAddr, SocketAddr, &'a [u8])> {
    let (head, payload) = packet.payload.split_first_chunk::<8>()?;
    if packet.protocol != 17 {
        return None;
    }
    let (source, destination) = addresses(packet.source, packet.destination, head);
    let length = usize::from(u16::from_be_bytes([head[4], head[5]])).saturating_sub(8);
    Some((source, destination, &payload[..payload.len().min(length)]))
}

/// `if_tsresol`: a power of ten, or of two when the high bit is set.
fn ticks(count: u64, resolution: u8) -> Duration {
    let power = u32::from(resolution & 0x7f);
    let second = if resolution & 0x80 == 0 {
        10u64.checked_pow(power)
    } else {
        2u64.checked_pow(power)
    };
    let second = second.unwrap_or(1_000_000);
    let nanos = u128::from(count % second) * 1_000_000_000 / u128::from(second);
    Duration::new(count / second, nanos as u32)
}

/// One direction of a TCP connection.
struct Flow {
    framer: Framer,
    next: u32,
}

#[derive(Default)]
struct Trace {
    flows: HashMap<(SocketAddr, SocketAddr), Flow>,
    seen: Vec<Seen>,
}

impl Trace {
    fn packet(&mut self, packet: &Packet<'_>) {
        if let Some((source, destination, payload)) = udp(packet) {
            let mut framer = Framer::datagram();
            framer.push(payload.to_vec());
            self.frames(packet.at, source, destination, &mut framer);
        } else if packet.protocol == 6 {
            self.segment(packet.at, packet.source, packet.destination, packet.payload);
        }
    }

    fn segment(&mut self, at: Duration, source: IpAddr, destination: IpAddr, segment: &[u8]) {
        let Some(head) = segment.first_chunk::<20>() else {
            return;
        };
        let (source, destination) = addresses(source, destination, head);
        let (sequence, offset) = (
            u32::from_be_bytes([head[4], head[5], head[6], head[7]]),
            usize::from(head[12] >> 4) * 4,
        );
        let mut payload = segment.get(offset..).unwrap_or_default();
        let syn = head[13] & 2 != 0;
        if payload.is_empty() && !syn {
            return;
        }
        let first = sequence.wrapping_add(u32::from(syn));
        let fresh = || Flow {
            framer: Framer::stream(),
            next: first,
        };
        let mut flow = self
            .flows
            .remove(&(source, destination))
            .filter(|_| !syn)
            .unwrap_or_else(fresh);
        // What was seen before is sent again; what is ahead follows a hole, where a new message may start.
        let behind = flow.next.wrapping_sub(first);
        if behind < 1 << 31 {
            payload = payload.get(behind as usize..).unwrap_or_default();
        } else {
            flow = fresh();
        }
        flow.next = flow.next.wrapping_add(payload.len() as u32);
        flow.framer.push(payload.to_vec());
        self.frames(at, source, destination, &mut flow.framer);
        self.flows.insert((source, destination), flow);
    }

    fn frames(
        &mut self,
        at: Duration,
        source: SocketAddr,
        destination: SocketAddr,
        framer: &mut Framer,
    ) {
        while let Some(frame) = framer.next_frame() {
            let message = match frame {
                Frame::Message(message) => Some(message),
                Frame::Refused(refused) => refused.message,
                _ => None,
            };
            if let Some(message) = message {
                self.seen.push(Seen {
                    at,
                    source,
                    destination,
                    bytes: message.as_bytes().to_vec(),
                });
            }
        }
    }
}

fn addresses(source: IpAddr, destination: IpAddr, head: &[u8]) -> (SocketAddr, SocketAddr) {
    let port = |at: usize| u16::from_be_bytes([head[at], head[at + 1]]);
    (
        SocketAddr::new(source, port(0)),
        SocketAddr::new(destination, port(2)),
    )
}

/// Addresses, protocol and payload of an IP packet that is no fragment.
fn ip(link: DataLink, data: &[u8]) -> Option<(IpAddr, IpAddr, u8, &[u8])> {
    let packet = match link {
        DataLink::RAW | DataLink::IPV4 | DataLink::IPV6 => data,
        DataLink::NULL | DataLink::LOOP => data.get(4..)?,
        DataLink::LINUX_SLL => data.get(16..)?,
        DataLink::LINUX_SLL2 => data.get(20..)?,
        DataLink::ETHERNET => {
            let mut at = 12;
            // VLAN tags stand in front of the type.
            while matches!(data.get(at..at + 2)?, [0x81, 0x00] | [0x88, 0xa8]) {
                at += 4;
            }
            data.get(at + 2..)?
        }
        _ => return None,
    };
    match packet.first()? >> 4 {
        4 => {
            let head = packet.first_chunk::<20>()?;
            let length = usize::from(u16::from_be_bytes([head[2], head[3]]));
            if u16::from_be_bytes([head[6], head[7]]) & 0x3fff != 0 {
                return None;
            }
            let v4 = |at: usize| {
                IpAddr::V4(Ipv4Addr::new(
                    head[at],
                    head[at + 1],
                    head[at + 2],
                    head[at + 3],
                ))
            };
            let payload = packet.get(usize::from(head[0] & 15) * 4..length.min(packet.len()))?;
            Some((v4(12), v4(16), head[9], payload))
        }
        6 => {
            let head = packet.first_chunk::<40>()?;
            let v6 = |at: usize| {
                <[u8; 16]>::try_from(&head[at..at + 16])
                    .ok()
                    .map(|a| IpAddr::V6(Ipv6Addr::from(a)))
            };
            Some((v6(8)?, v6(24)?, head[6], &packet[40..]))
        }
        _ => None,
    }
}
