//! A pcapng writer for [`Captured`] payloads: section, one RAW interface in nanoseconds, one enhanced block a packet.

use super::{Captured, Carrier};
use etherparse::PacketBuilder;
use pcap_file::pcapng::PcapNgWriter;
use pcap_file::pcapng::blocks::enhanced_packet::EnhancedPacketBlock;
use pcap_file::pcapng::blocks::interface_description::{
    InterfaceDescriptionBlock, InterfaceDescriptionOption,
};
use pcap_file::{DataLink, PcapError};
use std::borrow::Cow;
use std::collections::HashMap;
use std::io::{self, Write};
use std::net::{IpAddr, SocketAddr};

/// A TCP segment's payload; larger pieces are split so that the 16-bit IP length always holds.
const SEGMENT: usize = 32_768;

/// The largest UDP payload that an IPv4 packet can carry.
const DATAGRAM: usize = 65_507;

/// The streams of which sequence numbers are kept; past that a capture numbers from one again.
const STREAMS: usize = 65_536;

/// Why a packet was not written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CaptureError {
    /// The writer failed; the file may end in half a block.
    #[error("the capture cannot be written: {0}")]
    Io(#[from] io::Error),
    /// The addresses are of two families, so no IP packet can name both.
    #[error("{from} and {to} are not of one address family")]
    MixedFamilies {
        /// The source address.
        from: SocketAddr,
        /// The destination address.
        to: SocketAddr,
    },
    /// The datagram is larger than IP allows.
    #[error("a datagram of {0} bytes does not fit an IP packet")]
    TooLong(usize),
}

/// Writes packets to a pcapng file.
///
/// ```
/// use signaling::capture::{Captured, Carrier, Pcapng};
/// use std::time::Duration;
///
/// let mut file = Pcapng::new(Vec::new())?;
/// file.write(&Captured {
///     at: Duration::from_millis(1_700_000_000_000),
///     carrier: Carrier::Udp,
///     source: "127.0.0.1:5060".parse()?,
///     destination: "127.0.0.1:5070".parse()?,
///     bytes: b"OPTIONS sip:a@127.0.0.1 SIP/2.0\r\n\r\n",
/// })?;
/// assert!(file.into_inner()?.len() > 100);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Pcapng<W: Write> {
    writer: PcapNgWriter<W>,
    /// The next sequence number of each direction of each TCP stream.
    streams: HashMap<(SocketAddr, SocketAddr), u32>,
    packet: Vec<u8>,
}

impl<W: Write> std::fmt::Debug for Pcapng<W> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pcapng")
            .field("streams", &self.streams.len())
            .finish_non_exhaustive()
    }
}

impl<W: Write> Pcapng<W> {
    /// Writes the file's head.
    ///
    /// # Errors
    /// When the writer fails.
    pub fn new(writer: W) -> Result<Self, CaptureError> {
        let mut writer = PcapNgWriter::new(writer).map_err(io_error)?;
        writer
            .write_pcapng_block(InterfaceDescriptionBlock {
                linktype: DataLink::RAW,
                snaplen: 0,
                options: vec![
                    InterfaceDescriptionOption::IfName(Cow::Borrowed("patchcord")),
                    InterfaceDescriptionOption::IfTsResol(9),
                ],
            })
            .map_err(io_error)?;
        Ok(Self {
            writer,
            streams: HashMap::new(),
            packet: Vec::new(),
        })
    }

    /// Writes one payload: a datagram as one packet, a piece of a stream as one segment or more.
    ///
    /// # Errors
    /// When the writer fails, the addresses are of two families, or a datagram is longer than IP carries.
    pub fn write(&mut self, captured: &Captured<'_>) -> Result<(), CaptureError> {
        match captured.carrier {
            Carrier::Udp if captured.bytes.len() > DATAGRAM => {
                Err(CaptureError::TooLong(captured.bytes.len()))
            }
            Carrier::Udp => self.packet(captured, captured.bytes, None),
            Carrier::Tcp => {
                for piece in captured.bytes.chunks(SEGMENT) {
                    let here = (captured.source, captured.destination);
                    let back = (captured.destination, captured.source);
                    if self.streams.len() >= STREAMS {
                        self.streams.clear();
                    }
                    let acknowledged = self.streams.get(&back).copied().unwrap_or(1);
                    let sequence = self.streams.entry(here).or_insert(1);
                    let first = *sequence;
                    *sequence = first.wrapping_add(piece.len() as u32);
                    self.packet(captured, piece, Some((first, acknowledged)))?;
                }
                Ok(())
            }
        }
    }

    /// The writer, flushed.
    ///
    /// # Errors
    /// When the flush fails.
    pub fn into_inner(self) -> Result<W, CaptureError> {
        let mut writer = self.writer.into_inner();
        writer.flush()?;
        Ok(writer)
    }

    fn packet(
        &mut self,
        captured: &Captured<'_>,
        payload: &[u8],
        stream: Option<(u32, u32)>,
    ) -> Result<(), CaptureError> {
        let (from, to) = (captured.source, captured.destination);
        let ip = match (from.ip().to_canonical(), to.ip().to_canonical()) {
            (IpAddr::V4(a), IpAddr::V4(b)) => PacketBuilder::ipv4(a.octets(), b.octets(), 64),
            (IpAddr::V6(a), IpAddr::V6(b)) => PacketBuilder::ipv6(a.octets(), b.octets(), 64),
            _ => return Err(CaptureError::MixedFamilies { from, to }),
        };
        self.packet.clear();
        let built = match stream {
            None => ip
                .udp(from.port(), to.port())
                .write(&mut self.packet, payload),
            Some((sequence, acknowledged)) => ip
                .tcp(from.port(), to.port(), sequence, 65_535)
                .ack(acknowledged)
                .psh()
                .write(&mut self.packet, payload),
        };
        built.map_err(|_| CaptureError::TooLong(payload.len()))?;
        self.writer
            .write_pcapng_block(EnhancedPacketBlock {
                interface_id: 0,
                timestamp: captured.at,
                original_len: self.packet.len() as u32,
                data: Cow::Borrowed(&self.packet),
                options: Vec::new(),
            })
            .map_err(io_error)?;
        Ok(())
    }
}

fn io_error(error: PcapError) -> CaptureError {
    CaptureError::Io(match error {
        PcapError::IoError(error) => error,
        other => io::Error::other(other.to_string()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use etherparse::{NetSlice, SlicedPacket, TransportSlice};
    use pcap_file::pcapng::{Block, PcapNgReader};
    use std::time::Duration;

    fn addr(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    fn written(items: &[Captured<'_>]) -> Vec<(Duration, Vec<u8>)> {
        let mut file = Pcapng::new(Vec::new()).unwrap();
        for item in items {
            file.write(item).unwrap();
        }
        let bytes = file.into_inner().unwrap();
        let mut reader = PcapNgReader::new(&bytes[..]).unwrap();
        let mut packets = Vec::new();
        while let Some(block) = reader.next_block() {
            if let Block::EnhancedPacket(packet) = block.unwrap() {
                packets.push((packet.timestamp, packet.data.into_owned()));
            }
        }
        packets
    }

    #[test]
    fn a_datagram_comes_back_with_its_addresses_and_time() {
        for (source, destination) in [
            ("127.0.0.1:5060", "127.0.0.1:5070"),
            ("[::1]:5060", "[::1]:5070"),
        ] {
            let at = Duration::new(1_700_000_000, 123_456_789);
            let packets = written(&[Captured {
                at,
                carrier: Carrier::Udp,
                source: addr(source),
                destination: addr(destination),
                bytes: b"hello",
            }]);
            assert_eq!(packets.len(), 1);
            assert_eq!(packets[0].0, at);
            let sliced = SlicedPacket::from_ip(&packets[0].1).unwrap();
            match sliced.net {
                Some(NetSlice::Ipv4(ip)) => {
                    assert_eq!(IpAddr::V4(ip.header().source_addr()), addr(source).ip())
                }
                Some(NetSlice::Ipv6(ip)) => {
                    assert_eq!(IpAddr::V6(ip.header().source_addr()), addr(source).ip())
                }
                _ => panic!("not IP"),
            }
            let Some(TransportSlice::Udp(udp)) = sliced.transport else {
                panic!("not UDP")
            };
            assert_eq!(
                (udp.source_port(), udp.destination_port(), udp.payload()),
                (5060, 5070, &b"hello"[..])
            );
        }
    }

    #[test]
    fn a_stream_counts_its_bytes_in_each_direction() {
        let large = vec![b'x'; SEGMENT + 10];
        let item = |source: &str, destination: &str, bytes| Captured {
            at: Duration::ZERO,
            carrier: Carrier::Tcp,
            source: addr(source),
            destination: addr(destination),
            bytes,
        };
        let (a, b) = ("127.0.0.1:1000", "127.0.0.1:2000");
        let packets = written(&[item(a, b, &large), item(b, a, b"ok"), item(a, b, b"end")]);
        let numbers: Vec<_> = packets
            .iter()
            .map(
                |(_, bytes)| match SlicedPacket::from_ip(bytes).unwrap().transport {
                    Some(TransportSlice::Tcp(tcp)) => {
                        (tcp.sequence_number(), tcp.acknowledgment_number())
                    }
                    _ => panic!("not TCP"),
                },
            )
            .collect();
        let sent = 1 + large.len() as u32;
        assert_eq!(
            numbers,
            [(1, 1), (1 + SEGMENT as u32, 1), (1, sent), (sent, 3)]
        );
    }

    #[test]
    fn what_no_packet_can_hold_is_refused() {
        let mut file = Pcapng::new(Vec::new()).unwrap();
        let huge = vec![0; DATAGRAM + 1];
        let mut item = Captured {
            at: Duration::ZERO,
            carrier: Carrier::Udp,
            source: addr("127.0.0.1:1"),
            destination: addr("[::1]:2"),
            bytes: b"",
        };
        assert!(matches!(
            file.write(&item),
            Err(CaptureError::MixedFamilies { .. })
        ));
        (item.destination, item.bytes) = (addr("127.0.0.1:2"), &huge);
        assert!(matches!(file.write(&item), Err(CaptureError::TooLong(_))));
    }
}
