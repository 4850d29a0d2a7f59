//! HEP version 3, the capture protocol of Homer and others: one datagram (or piece of a stream) a packet.
//!
//! ```text
//! "HEP3"  total length (u16)  chunk*
//! chunk = vendor (u16, 0: generic)  type (u16)  length with these six bytes (u16)  value
//! ```
//!
//! All numbers are in network order. The chunks written here, all of vendor 0:
//!
//! | type | value |
//! |---|---|
//! | 1 | address family: 2 IPv4, 10 IPv6 |
//! | 2 | IP protocol: 17 UDP, 6 TCP |
//! | 3, 4 | IPv4 source and destination |
//! | 5, 6 | IPv6 source and destination |
//! | 7, 8 | source and destination port |
//! | 9, 10 | time: seconds since the Unix epoch, and microseconds |
//! | 11 | what the payload is: 1 SIP, 4 RTP, 5 RTCP |
//! | 12 | capture agent |
//! | 14 | the collector's key, if it asks for one |
//! | 15 | the payload |
//! | 17 | correlation, if given: a Call-ID, so that RTP and RTCP stand beside their call |

use super::{CaptureError, Captured, Carrier};
use std::net::IpAddr;

/// What a payload is, chunk 11.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum HepPayload {
    /// SIP.
    Sip,
    /// RTP.
    Rtp,
    /// RTCP.
    Rtcp,
}

impl HepPayload {
    fn number(self) -> u8 {
        match self {
            Self::Sip => 1,
            Self::Rtp => 4,
            Self::Rtcp => 5,
        }
    }
}

/// Writes [`Captured`] payloads as HEP3 packets for a collector.
///
/// It sends nothing: the bytes go out as one UDP datagram each, or one after the other over a TCP or TLS connection.
///
/// ```
/// use signaling::capture::{Captured, Carrier, Hep, HepPayload};
/// use std::time::Duration;
///
/// let hep = Hep::new(2001);
/// let mut packet = Vec::new();
/// hep.write(&mut packet, HepPayload::Sip, None, &Captured {
///     at: Duration::from_millis(1_700_000_000_000),
///     carrier: Carrier::Udp,
///     source: "127.0.0.1:5060".parse()?,
///     destination: "127.0.0.1:5070".parse()?,
///     bytes: b"OPTIONS sip:a@127.0.0.1 SIP/2.0\r\n\r\n",
/// })?;
/// assert!(packet.starts_with(b"HEP3"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Hep {
    agent: u32,
    key: Option<Vec<u8>>,
}

impl std::fmt::Debug for Hep {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Hep")
            .field("agent", &self.agent)
            .field("key", &self.key.as_ref().map(|_| "…"))
            .finish()
    }
}

impl Hep {
    /// A writer that calls itself by this number (chunk 12).
    pub fn new(agent: u32) -> Self {
        Self { agent, key: None }
    }

    /// The same with the key that the collector asks for (chunk 14); it crosses in clear.
    pub fn with_key(mut self, key: impl Into<Vec<u8>>) -> Self {
        self.key = Some(key.into());
        self
    }

    /// Appends one packet to `out`; on an error `out` is as it was.
    ///
    /// # Errors
    /// When the addresses are of two families, or the packet would be longer than its 16-bit length can say (65 535
    /// bytes in all).
    pub fn write(
        &self,
        out: &mut Vec<u8>,
        payload: HepPayload,
        correlation: Option<&str>,
        captured: &Captured<'_>,
    ) -> Result<(), CaptureError> {
        let (from, to) = (captured.source, captured.destination);
        let start = out.len();
        out.extend_from_slice(b"HEP3\0\0");
        match (from.ip().to_canonical(), to.ip().to_canonical()) {
            (IpAddr::V4(source), IpAddr::V4(destination)) => {
                chunk(out, 1, &[2]);
                chunk(out, 3, &source.octets());
                chunk(out, 4, &destination.octets());
            }
            (IpAddr::V6(source), IpAddr::V6(destination)) => {
                chunk(out, 1, &[10]);
                chunk(out, 5, &source.octets());
                chunk(out, 6, &destination.octets());
            }
            _ => {
                out.truncate(start);
                return Err(CaptureError::MixedFamilies { from, to });
            }
        }
        let protocol = match captured.carrier {
            Carrier::Udp => 17,
            Carrier::Tcp => 6,
        };
        chunk(out, 2, &[protocol]);
        chunk(out, 7, &from.port().to_be_bytes());
        chunk(out, 8, &to.port().to_be_bytes());
        // 32 bits of seconds last until 2106; what is later is said to be then.
        let seconds = u32::try_from(captured.at.as_secs()).unwrap_or(u32::MAX);
        chunk(out, 9, &seconds.to_be_bytes());
        chunk(out, 10, &captured.at.subsec_micros().to_be_bytes());
        chunk(out, 11, &[payload.number()]);
        chunk(out, 12, &self.agent.to_be_bytes());
        let lengths = [
            self.key.as_ref().map_or(0, Vec::len),
            correlation.map_or(0, str::len),
            captured.bytes.len(),
            // The heads of these three.
            18,
            out.len() - start,
        ];
        let fits = lengths
            .iter()
            .try_fold(0_usize, |sum, length| sum.checked_add(*length))
            .is_some_and(|sum| sum <= usize::from(u16::MAX));
        if !fits {
            out.truncate(start);
            return Err(CaptureError::TooLong(captured.bytes.len()));
        }
        if let Some(key) = &self.key {
            chunk(out, 14, key);
        }
        if let Some(correlation) = correlation {
            chunk(out, 17, correlation.as_bytes());
        }
        chunk(out, 15, captured.bytes);
        let total = (out.len() - start) as u16;
        out[start + 4..start + 6].copy_from_slice(&total.to_be_bytes());
        Ok(())
    }
}

/// A chunk of vendor 0; its length has been seen to fit.
fn chunk(out: &mut Vec<u8>, kind: u16, value: &[u8]) {
    out.extend_from_slice(&[0, 0]);
    out.extend_from_slice(&kind.to_be_bytes());
    out.extend_from_slice(&(value.len() as u16 + 6).to_be_bytes());
    out.extend_from_slice(value);
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;
    use std::net::SocketAddr;
    use std::time::Duration;

    /// The chunks by type, and that nothing else is there.
    fn read(packet: &[u8]) -> BTreeMap<u16, Vec<u8>> {
        let number = |at: usize| u16::from_be_bytes([packet[at], packet[at + 1]]);
        assert_eq!(&packet[..4], b"HEP3");
        assert_eq!(usize::from(number(4)), packet.len());
        let (mut chunks, mut at) = (BTreeMap::new(), 6);
        while at < packet.len() {
            assert_eq!(number(at), 0, "vendor");
            let length = usize::from(number(at + 4));
            let value = packet[at + 6..at + length].to_vec();
            assert!(chunks.insert(number(at + 2), value).is_none(), "once");
            at += length;
        }
        assert_eq!(at, packet.len());
        chunks
    }

    fn captured<'a>(
        source: &str,
        destination: &str,
        carrier: Carrier,
        bytes: &'a [u8],
    ) -> Captured<'a> {
        Captured {
            at: Duration::new(1_700_000_000, 123_456_789),
            carrier,
            source: source.parse().unwrap(),
            destination: destination.parse().unwrap(),
            bytes,
        }
    }

    #[test]
    fn every_chunk_says_what_the_table_says() {
        let rows: [(&str, &str, Carrier, HepPayload); 3] = [
            (
                "192.0.2.1:5060",
                "192.0.2.2:5070",
                Carrier::Udp,
                HepPayload::Sip,
            ),
            (
                "[2001:db8::1]:5060",
                "[2001:db8::2]:1",
                Carrier::Tcp,
                HepPayload::Rtcp,
            ),
            (
                "[::ffff:192.0.2.1]:9",
                "192.0.2.2:65535",
                Carrier::Udp,
                HepPayload::Rtp,
            ),
        ];
        let hep = Hep::new(0x0102_0304).with_key("secret");
        for (source, destination, carrier, payload) in rows {
            let item = captured(source, destination, carrier, b"what went over the wire");
            let mut packet = b"before".to_vec();
            hep.write(&mut packet, payload, Some("a84b4c76"), &item)
                .unwrap();
            let chunks = read(&packet[6..]);
            let (from, to): (SocketAddr, SocketAddr) = (item.source, item.destination);
            match (from.ip().to_canonical(), to.ip()) {
                (IpAddr::V4(a), IpAddr::V4(b)) => {
                    assert_eq!(chunks[&1], [2]);
                    assert_eq!(
                        (&chunks[&3][..], &chunks[&4][..]),
                        (&a.octets()[..], &b.octets()[..])
                    );
                    assert!(!chunks.contains_key(&5) && !chunks.contains_key(&6));
                }
                (IpAddr::V6(a), IpAddr::V6(b)) => {
                    assert_eq!(chunks[&1], [10]);
                    assert_eq!(
                        (&chunks[&5][..], &chunks[&6][..]),
                        (&a.octets()[..], &b.octets()[..])
                    );
                    assert!(!chunks.contains_key(&3) && !chunks.contains_key(&4));
                }
                _ => panic!("two families"),
            }
            assert_eq!(chunks[&2], [if carrier == Carrier::Udp { 17 } else { 6 }]);
            assert_eq!(chunks[&7], from.port().to_be_bytes());
            assert_eq!(chunks[&8], to.port().to_be_bytes());
            assert_eq!(chunks[&9], 1_700_000_000_u32.to_be_bytes());
            assert_eq!(chunks[&10], 123_456_u32.to_be_bytes());
            let kind = match payload {
                HepPayload::Sip => 1,
                HepPayload::Rtp => 4,
                HepPayload::Rtcp => 5,
            };
            assert_eq!(chunks[&11], [kind]);
            assert_eq!(chunks[&12], [1, 2, 3, 4]);
            assert_eq!(chunks[&14], b"secret");
            assert_eq!(chunks[&15], b"what went over the wire");
            assert_eq!(chunks[&17], b"a84b4c76");
            assert_eq!(chunks.len(), 13);
        }
        assert!(!format!("{hep:?}").contains("secret"));
    }

    #[test]
    fn what_no_packet_can_hold_is_refused_and_leaves_nothing_behind() {
        let hep = Hep::new(1);
        let mut out = b"kept".to_vec();
        let mixed = captured("192.0.2.1:1", "[2001:db8::1]:2", Carrier::Udp, b"x");
        let error = hep.write(&mut out, HepPayload::Sip, None, &mixed);
        assert!(matches!(error, Err(CaptureError::MixedFamilies { .. })));
        let large = vec![0; 65_500];
        let item = captured("192.0.2.1:1", "192.0.2.2:2", Carrier::Tcp, &large);
        let error = hep.write(&mut out, HepPayload::Sip, None, &item);
        assert!(matches!(error, Err(CaptureError::TooLong(65_500))));
        assert_eq!(out, b"kept");
        // The longest that fits.
        let mut empty = Vec::new();
        let none = captured("192.0.2.1:1", "192.0.2.2:2", Carrier::Tcp, b"");
        hep.write(&mut empty, HepPayload::Sip, None, &none).unwrap();
        let room = 65_535 - empty.len() - 12;
        let item = captured("192.0.2.1:1", "192.0.2.2:2", Carrier::Tcp, &large[..room]);
        out.clear();
        hep.write(&mut out, HepPayload::Sip, None, &item).unwrap();
        assert_eq!(read(&out)[&15].len(), room);
    }
}
