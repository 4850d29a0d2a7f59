//! The codecs that an application has, in the order it prefers them.

use std::sync::Arc;

use super::{Codec, Description, g711, g722, opus};

/// Codecs in order of preference.
///
/// The default holds Opus, G.722, PCMU and PCMA, in that order. Codecs that SDP may name but nobody registered
/// (G.729, AMR) are simply not found, and so never chosen.
#[derive(Clone)]
pub struct Registry {
    codecs: Vec<Arc<dyn Codec>>,
}

impl Default for Registry {
    fn default() -> Self {
        Registry {
            codecs: vec![
                Arc::new(opus::Opus::new()),
                Arc::new(g722::G722::new()),
                Arc::new(g711::G711::mu_law()),
                Arc::new(g711::G711::a_law()),
            ],
        }
    }
}

impl Registry {
    /// A registry without codecs.
    pub fn empty() -> Self {
        Registry { codecs: Vec::new() }
    }

    /// Add a codec at the end, or replace, in its place, the one with the same name, clock rate and channels.
    pub fn register(&mut self, codec: Arc<dyn Codec>) {
        let new = codec.description();
        let place = self.codecs.iter_mut().find(|old| {
            old.description()
                .matches(new.name, new.clock_rate, new.rtp_channels)
        });
        match place {
            Some(place) => *place = codec,
            None => self.codecs.push(codec),
        }
    }

    /// Keep only the codecs named, in the order given. Names are SDP encoding names, in any case; returns those
    /// that are not registered.
    pub fn prefer<'n>(&mut self, names: &[&'n str]) -> Vec<&'n str> {
        let mut chosen: Vec<Arc<dyn Codec>> = Vec::with_capacity(names.len());
        let mut unknown = Vec::new();
        for name in names {
            let before = chosen.len();
            for codec in &self.codecs {
                let known = chosen.iter().any(|c| Arc::ptr_eq(c, codec));
                if codec.description().name.eq_ignore_ascii_case(name) && !known {
                    chosen.push(Arc::clone(codec));
                }
            }
            let already = chosen
                .iter()
                .any(|c| c.description().name.eq_ignore_ascii_case(name));
            if chosen.len() == before && !already {
                unknown.push(*name);
            }
        }
        self.codecs = chosen;
        unknown
    }

    /// The codecs, most preferred first.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &Arc<dyn Codec>> {
        self.codecs.iter()
    }

    /// Their descriptions, most preferred first.
    pub fn descriptions(&self) -> impl ExactSizeIterator<Item = &Description> {
        self.codecs.iter().map(|codec| codec.description())
    }

    /// The codec of `a=rtpmap:… name/clock_rate/channels`; channels left out are 1.
    pub fn find(&self, name: &str, clock_rate: u32, channels: u8) -> Option<&Arc<dyn Codec>> {
        self.codecs
            .iter()
            .find(|codec| codec.description().matches(name, clock_rate, channels))
    }

    /// The codec with this static payload type (RFC 3551 table 4).
    pub fn by_payload_type(&self, payload_type: u8) -> Option<&Arc<dyn Codec>> {
        self.codecs
            .iter()
            .find(|codec| codec.description().payload_type == Some(payload_type))
    }
}

impl std::fmt::Debug for Registry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list()
            .entries(self.descriptions().map(|d| d.name))
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_by_name_clock_and_channels_in_the_default_order() {
        let registry = Registry::default();
        let names: Vec<_> = registry.descriptions().map(|d| d.name).collect();
        assert_eq!(names, ["opus", "G722", "PCMU", "PCMA"]);
        assert!(registry.find("OPUS", 48_000, 2).is_some());
        assert!(
            registry.find("opus", 48_000, 1).is_none(),
            "RFC 7587 says opus/48000/2"
        );
        assert!(
            registry.find("G722", 8000, 1).is_some(),
            "RFC 3551 section 4.5.2"
        );
        assert!(registry.find("G722", 16_000, 1).is_none());
        assert!(registry.find("G729", 8000, 1).is_none());
        assert_eq!(
            registry.by_payload_type(9).map(|c| c.description().name),
            Some("G722")
        );
    }

    #[test]
    fn prefer_keeps_only_what_was_named() {
        let mut registry = Registry::default();
        assert_eq!(registry.prefer(&["pcma", "G729", "opus", "pcma"]), ["G729"]);
        let names: Vec<_> = registry.descriptions().map(|d| d.name).collect();
        assert_eq!(names, ["PCMA", "opus"]);
    }

    #[test]
    fn registering_the_same_name_replaces() {
        let mut registry = Registry::default();
        registry.register(Arc::new(g711::G711::mu_law()));
        assert_eq!(registry.iter().len(), 4);
    }
}
