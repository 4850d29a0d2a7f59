//! From bytes to a description, in one pass.

use super::line::{Line, decimal};
use super::{
    Address, Attribute, Bandwidth, Description, Limits, Media, Origin, ParseError, ParseErrorKind,
    Text, Timing,
};

impl Description {
    /// Reads a description within the default [`Limits`]. The module's page says what is forgiven.
    ///
    /// # Errors
    /// With the line, the byte and what was expected there.
    pub fn parse(bytes: impl AsRef<[u8]>) -> Result<Description, ParseError> {
        Description::parse_within(bytes, &Limits::default())
    }

    /// Reads a description within the given limits.
    ///
    /// # Errors
    /// With the line, the byte and what was expected there.
    pub fn parse_within(
        bytes: impl AsRef<[u8]>,
        limits: &Limits,
    ) -> Result<Description, ParseError> {
        Parser::new(limits).run(bytes.as_ref())
    }
}

/// What has been read so far.
struct Parser<'l> {
    limits: &'l Limits,
    version: bool,
    named: bool,
    origin: Option<Origin>,
    /// Of a placeholder origin until the end, when a missing `o=` is an error.
    description: Description,
}

impl<'l> Parser<'l> {
    fn new(limits: &'l Limits) -> Parser<'l> {
        let nowhere = Origin::new(0, 0, Address::unspecified());
        let mut description = Description::new(nowhere);
        description.times.clear();
        Parser {
            limits,
            version: false,
            named: false,
            origin: None,
            description,
        }
    }

    fn run(mut self, bytes: &[u8]) -> Result<Description, ParseError> {
        let whole = |offset, number, kind| ParseError {
            line: number,
            offset,
            kind,
        };
        if bytes.len() > self.limits.bytes {
            return Err(whole(
                self.limits.bytes,
                1,
                ParseErrorKind::TooMuch("bytes"),
            ));
        }
        let (mut offset, mut number) = (0, 0);
        for raw in bytes.split(|byte| *byte == b'\n') {
            number += 1;
            let start = offset;
            offset += raw.len() + 1;
            let content = raw.strip_suffix(b"\r").unwrap_or(raw);
            if content.is_empty() {
                continue;
            }
            if number > self.limits.lines {
                return Err(whole(start, number, ParseErrorKind::TooMuch("lines")));
            }
            if let Some(at) = content.iter().position(|byte| matches!(byte, 0 | b'\r')) {
                let kind = ParseErrorKind::Expected("no NUL and no CR inside a line");
                return Err(whole(start + at, number, kind));
            }
            let [letter, b'=', rest @ ..] = content else {
                return Err(whole(
                    start,
                    number,
                    ParseErrorKind::Expected("a letter and '='"),
                ));
            };
            self.line(
                *letter,
                Line {
                    number,
                    offset: start + 2,
                    rest,
                },
                start,
            )?;
        }
        let missing = |letter| whole(bytes.len(), number, ParseErrorKind::Missing(letter));
        if !self.version {
            return Err(missing(b'v'));
        }
        self.description.origin = self.origin.ok_or(missing(b'o'))?;
        if self.description.times.is_empty() {
            self.description.times.push(Timing::default());
        }
        Ok(self.description)
    }

    fn line(&mut self, letter: u8, mut line: Line<'_>, start: usize) -> Result<(), ParseError> {
        let number = line.number;
        let whole_line = move |kind| ParseError {
            line: number,
            offset: start,
            kind,
        };
        if !self.version {
            if letter != b'v' {
                return Err(whole_line(ParseErrorKind::Expected(
                    "v=0 as the first line",
                )));
            }
            if line.number::<u32>("version 0")? != 0 {
                return Err(ParseError {
                    offset: start + 2,
                    ..whole_line(ParseErrorKind::Expected("version 0"))
                });
            }
            self.version = true;
            return line.end();
        }
        if let Some(media) = self.description.media.last_mut() {
            match letter {
                b'i' if media.information.is_some() => {
                    return Err(whole_line(ParseErrorKind::Duplicate(letter)));
                }
                b'i' => media.information = Some(line.text()),
                b'c' => media.connections.push(address(&mut line)?),
                b'b' => media.bandwidths.push(bandwidth(&mut line)?),
                b'a' => media.attributes.push(attribute(&line)?),
                b'k' => {}
                b'm' => return self.media(line, start),
                b'v' | b'o' | b's' | b'u' | b'e' | b'p' | b't' | b'r' | b'z' => {
                    return Err(whole_line(ParseErrorKind::Misplaced(letter)));
                }
                _ => return Err(whole_line(ParseErrorKind::UnknownType(letter))),
            }
            return Ok(());
        }
        let session = &mut self.description;
        let again = match letter {
            b'v' => true,
            b'o' => self.origin.is_some(),
            b's' => self.named,
            b'i' => session.information.is_some(),
            b'u' => session.uri.is_some(),
            b'c' => session.connection.is_some(),
            b'z' => session
                .times
                .last()
                .is_some_and(|time| time.zones.is_some()),
            _ => false,
        };
        if again {
            return Err(whole_line(ParseErrorKind::Duplicate(letter)));
        }
        match letter {
            b'o' => self.origin = Some(origin(&mut line)?),
            b's' => {
                self.named = true;
                if !line.rest.is_empty() {
                    session.name = line.text();
                }
            }
            b'i' => session.information = Some(line.text()),
            b'u' => session.uri = Some(line.text()),
            b'e' => session.emails.push(line.text()),
            b'p' => session.phones.push(line.text()),
            b'c' => session.connection = Some(address(&mut line)?),
            b'b' => session.bandwidths.push(bandwidth(&mut line)?),
            b't' => session.times.push(timing(&mut line)?),
            b'r' | b'z' => {
                let Some(time) = session.times.last_mut() else {
                    return Err(whole_line(ParseErrorKind::Expected("t= before r= and z=")));
                };
                match letter {
                    b'r' => time.repeats.push(line.text()),
                    _ => time.zones = Some(line.text()),
                }
            }
            b'k' => {}
            b'a' => session.attributes.push(attribute(&line)?),
            b'm' => return self.media(line, start),
            _ => return Err(whole_line(ParseErrorKind::UnknownType(letter))),
        }
        Ok(())
    }

    fn media(&mut self, mut line: Line<'_>, start: usize) -> Result<(), ParseError> {
        let number = line.number;
        let too_much = move |offset, what| ParseError {
            line: number,
            offset,
            kind: ParseErrorKind::TooMuch(what),
        };
        if self.description.media.len() >= self.limits.media {
            return Err(too_much(start, "media sections"));
        }
        let Ok(kind) = line.field("a media type")?.parse();
        line.skip_spaces();
        let at = line.offset;
        let ports = line.field("a port")?;
        let bad_port = || ParseError {
            line: number,
            offset: at,
            kind: ParseErrorKind::Expected("a port from 0 to 65535"),
        };
        let (port, port_count) = match ports.split_once('/') {
            None => (ports, None),
            Some((port, count)) => (port, Some(decimal(count).ok_or_else(bad_port)?)),
        };
        let port = decimal(port).ok_or_else(bad_port)?;
        let Ok(protocol) = line.field("a transport protocol")?.parse();
        let mut media = Media {
            port_count,
            ..Media::new(kind, port, protocol)
        };
        while let Some(format) = line.next("a format")? {
            if media.formats.len() >= self.limits.formats {
                return Err(too_much(line.offset, "formats"));
            }
            media.formats.push(format.to_owned());
        }
        if media.formats.is_empty() {
            return Err(line.expected("a format"));
        }
        self.description.media.push(media);
        Ok(())
    }
}

fn origin(line: &mut Line<'_>) -> Result<Origin, ParseError> {
    Ok(Origin {
        username: line.field("a user name or -")?.to_owned(),
        session_id: line.field("a session id")?.to_owned(),
        version: line.field("a session version")?.to_owned(),
        address: address(line)?,
    })
}

fn address(line: &mut Line<'_>) -> Result<Address, ParseError> {
    let address = Address {
        network: line.field("a network type")?.to_owned(),
        kind: line.field("an address type")?.to_owned(),
        host: line.field("an address")?.to_owned(),
    };
    line.end().map(|()| address)
}

fn bandwidth(line: &mut Line<'_>) -> Result<Bandwidth, ParseError> {
    line.skip_spaces();
    let at = line.offset;
    let field = line.field("a bandwidth type")?;
    let bandwidth = field.split_once(':').and_then(|(kind, value)| {
        Some(Bandwidth {
            kind: Some(kind).filter(|kind| !kind.is_empty())?.to_owned(),
            value: decimal(value)?,
        })
    });
    let bandwidth = bandwidth.ok_or(ParseError {
        line: line.number,
        offset: at,
        kind: ParseErrorKind::Expected("a bandwidth type, ':' and a number"),
    })?;
    line.end().map(|()| bandwidth)
}

fn timing(line: &mut Line<'_>) -> Result<Timing, ParseError> {
    let timing = Timing {
        start: line.number("a start time")?,
        stop: line.number("a stop time")?,
        ..Timing::default()
    };
    line.end().map(|()| timing)
}

fn attribute(line: &Line<'_>) -> Result<Attribute, ParseError> {
    let colon = line.rest.iter().position(|byte| *byte == b':');
    let name = &line.rest[..colon.unwrap_or(line.rest.len())];
    // Spaces around a name are a slip of the pen: the name is a token.
    let name = std::str::from_utf8(name).map(str::trim).unwrap_or_default();
    if name.is_empty() {
        return Err(line.expected("an attribute name"));
    }
    let value = colon.map(|colon| Text::from(&line.rest[colon + 1..]));
    Ok(Attribute {
        name: name.to_owned(),
        value,
    })
}
