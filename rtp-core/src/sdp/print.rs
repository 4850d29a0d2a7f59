//! From a description to bytes, in the order of RFC 8866 §5.

use super::{Address, Attributes, Bandwidth, Description, Text};
use bytes::Bytes;
use std::fmt;

impl Description {
    /// The description as it goes on the wire.
    #[must_use]
    pub fn to_bytes(&self) -> Bytes {
        let mut out = Vec::with_capacity(256 + 256 * self.media.len());
        self.print(&mut out);
        Bytes::from(out)
    }

    /// Appends the description as it goes on the wire.
    ///
    /// CR, LF and NUL inside a value are dropped: no value can start a line of its own.
    pub fn print(&self, out: &mut Vec<u8>) {
        text(out, b'v', b"0");
        let origin = &self.origin;
        out.extend_from_slice(b"o=");
        for part in [&origin.username, &origin.session_id, &origin.version] {
            push(out, part.as_bytes());
            out.push(b' ');
        }
        address(out, &origin.address);
        text(
            out,
            b's',
            if self.name.is_empty() {
                b"-"
            } else {
                self.name.as_bytes()
            },
        );
        optional(out, b'i', self.information.as_ref());
        optional(out, b'u', self.uri.as_ref());
        self.emails
            .iter()
            .for_each(|email| text(out, b'e', email.as_bytes()));
        self.phones
            .iter()
            .for_each(|phone| text(out, b'p', phone.as_bytes()));
        self.connection
            .iter()
            .for_each(|connection| connection_line(out, connection));
        bandwidths(out, &self.bandwidths);
        if self.times.is_empty() {
            text(out, b't', b"0 0");
        }
        for time in &self.times {
            text(
                out,
                b't',
                format!("{} {}", time.start, time.stop).as_bytes(),
            );
            time.repeats
                .iter()
                .for_each(|repeat| text(out, b'r', repeat.as_bytes()));
            optional(out, b'z', time.zones.as_ref());
        }
        attributes(out, &self.attributes);
        for media in &self.media {
            out.extend_from_slice(b"m=");
            push(out, media.kind.as_str().as_bytes());
            out.extend_from_slice(format!(" {}", media.port).as_bytes());
            if let Some(count) = media.port_count {
                out.extend_from_slice(format!("/{count}").as_bytes());
            }
            out.push(b' ');
            push(out, media.protocol.as_str().as_bytes());
            for format in &media.formats {
                out.push(b' ');
                push(out, format.as_bytes());
            }
            if media.formats.is_empty() {
                // The grammar wants one; 0 is what a refused line says as a rule.
                out.extend_from_slice(b" 0");
            }
            end(out);
            optional(out, b'i', media.information.as_ref());
            media
                .connections
                .iter()
                .for_each(|connection| connection_line(out, connection));
            bandwidths(out, &media.bandwidths);
            attributes(out, &media.attributes);
        }
    }
}

/// As on the wire, with U+FFFD for bytes that are not UTF-8, keys included: for bodies, not for logs.
impl fmt::Display for Description {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&String::from_utf8_lossy(&self.to_bytes()))
    }
}

fn push(out: &mut Vec<u8>, value: &[u8]) {
    out.extend(
        value
            .iter()
            .filter(|byte| !matches!(byte, b'\r' | b'\n' | 0)),
    );
}

fn end(out: &mut Vec<u8>) {
    out.extend_from_slice(b"\r\n");
}

fn text(out: &mut Vec<u8>, letter: u8, value: &[u8]) {
    out.extend_from_slice(&[letter, b'=']);
    push(out, value);
    end(out);
}

fn optional(out: &mut Vec<u8>, letter: u8, value: Option<&Text>) {
    if let Some(value) = value {
        text(out, letter, value.as_bytes());
    }
}

fn address(out: &mut Vec<u8>, address: &Address) {
    push(out, address.to_string().as_bytes());
    end(out);
}

fn connection_line(out: &mut Vec<u8>, connection: &Address) {
    out.extend_from_slice(b"c=");
    address(out, connection);
}

fn bandwidths(out: &mut Vec<u8>, bandwidths: &[Bandwidth]) {
    for bandwidth in bandwidths {
        text(
            out,
            b'b',
            format!("{}:{}", bandwidth.kind, bandwidth.value).as_bytes(),
        );
    }
}

fn attributes(out: &mut Vec<u8>, attributes: &Attributes) {
    for attribute in attributes {
        out.extend_from_slice(b"a=");
        push(out, attribute.name.as_bytes());
        if let Some(value) = &attribute.value {
            out.push(b':');
            push(out, value.as_bytes());
        }
        end(out);
    }
}
