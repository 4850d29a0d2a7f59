//! What the session descriptions say: which payload type is which codec at which address, and with which keys.

use std::net::SocketAddr;
use std::sync::Arc;

use media_mix::{Codec, Registry};
use rtp_core::negotiate::Codec as Named;
use rtp_core::sdes::Crypto;
use rtp_core::sdp::{Description, MediaKind, ParseError};
use rtp_core::srtp::MasterKey;

/// Keys and sections that are kept of one capture.
const MAX_SECTIONS: usize = 1024;
const MAX_KEYS: usize = 64;

/// What a payload is.
#[derive(Clone)]
pub(crate) enum Format {
    /// Sound that can be decoded.
    Sound(Arc<dyn Codec>),
    /// Something else, by its name and clock rate in Hz.
    Other(String, u32),
    /// Keys, at this clock rate in Hz (RFC 4733).
    Events(u32),
    /// Comfort noise (RFC 3389).
    Comfort,
}

impl Format {
    pub(crate) fn clock_rate(&self) -> u32 {
        match self {
            Format::Sound(codec) => codec.description().clock_rate,
            Format::Other(_, rate) | Format::Events(rate) => *rate,
            Format::Comfort => 8000,
        }
    }
}

/// One `m=` section of one description.
struct Section {
    /// Where its side receives, and as a rule sends from.
    at: Option<SocketAddr>,
    formats: Vec<(u8, Format)>,
    /// What its side protects with.
    keys: Vec<MasterKey>,
    /// Whether its profile demands protection.
    secure: bool,
}

/// Everything that the descriptions say.
#[derive(Default)]
pub(crate) struct Known {
    registry: Registry,
    sections: Vec<Section>,
}

impl Known {
    /// Takes over a description.
    pub(crate) fn learn(&mut self, text: &[u8]) -> Result<(), ParseError> {
        let description = Description::parse(text)?;
        for (line, media) in description.media.iter().enumerate() {
            let sound = matches!(media.kind, MediaKind::Audio | MediaKind::Video);
            if media.port == 0 || !sound || self.sections.len() == MAX_SECTIONS {
                continue;
            }
            let ip = description.connection_of(line).and_then(|c| c.ip());
            let formats = media.payload_types().filter_map(|number| {
                let map = media
                    .attributes
                    .rtpmaps()
                    .find(|m| m.payload_type == number);
                let named = match map {
                    Some(map) => Named::new(&map.encoding, map.clock_rate)
                        .with_channels(map.channels.unwrap_or(1)),
                    None => Named::of_static(number)?,
                };
                Some((number, self.format(&named)))
            });
            let keys = media.attributes.values("crypto");
            let protocol = media.protocol.as_str();
            let section = Section {
                at: ip.map(|ip| SocketAddr::new(ip, media.port)),
                formats: formats.collect(),
                keys: keys
                    .filter_map(|line| line.parse::<Crypto>().ok()?.usable().ok())
                    .take(MAX_KEYS)
                    .collect(),
                secure: protocol.contains("SAVP"),
            };
            self.sections.push(section);
        }
        Ok(())
    }

    fn format(&self, named: &Named) -> Format {
        if named.name.eq_ignore_ascii_case("telephone-event") {
            return Format::Events(named.clock_rate);
        }
        if named.name.eq_ignore_ascii_case("CN") {
            return Format::Comfort;
        }
        match self
            .registry
            .find(&named.name, named.clock_rate, named.channels)
        {
            Some(codec) => Format::Sound(codec.clone()),
            None => Format::Other(named.name.clone(), named.clock_rate),
        }
    }

    /// Whether a description names this address.
    pub(crate) fn names(&self, address: SocketAddr) -> bool {
        self.sections.iter().any(|s| s.at == Some(address))
    }

    /// The sections that tell about what goes to, or comes from, an address: its own, the newest first; then, when
    /// there is none, all.
    fn of(&self, address: SocketAddr) -> impl Iterator<Item = &Section> {
        let named = self.names(address);
        let about = move |s: &&Section| !named || s.at == Some(address);
        self.sections.iter().rev().filter(about)
    }

    /// What a payload type means on its way to `destination`: the receiver has numbered it.
    pub(crate) fn meaning(
        &self,
        source: SocketAddr,
        destination: SocketAddr,
        payload_type: u8,
    ) -> Format {
        let numbered = |section: &Section| {
            let found = section.formats.iter().find(|(n, _)| *n == payload_type);
            found.map(|(_, format)| format.clone())
        };
        // Phones exist that send with the numbers of their own description.
        let by_sdp = || {
            self.of(destination)
                .chain(self.of(source))
                .find_map(numbered)
        };
        let by_number = || Some(self.format(&Named::of_static(payload_type)?));
        by_sdp()
            .or_else(by_number)
            .unwrap_or_else(|| Format::Other(format!("payload type {payload_type}"), 8000))
    }

    /// Keys that what comes from `source` may be under: its own first.
    pub(crate) fn keys(&self, source: SocketAddr) -> Vec<MasterKey> {
        let mut keys: Vec<MasterKey> = Vec::new();
        for section in self.of(source).chain(&self.sections) {
            for key in &section.keys {
                if keys.len() < MAX_KEYS && !keys.contains(key) {
                    keys.push(key.clone());
                }
            }
        }
        keys
    }

    /// Whether the profile between the two demands protection.
    pub(crate) fn is_secure(&self, source: SocketAddr, destination: SocketAddr) -> bool {
        let about = |s: &&Section| s.at == Some(source) || s.at == Some(destination);
        let mut about = self.sections.iter().filter(about).peekable();
        match about.peek() {
            Some(_) => about.any(|s| s.secure),
            None => !self.sections.is_empty() && self.sections.iter().all(|s| s.secure),
        }
    }
}
