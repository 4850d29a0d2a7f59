//! `a=` lines and their list.

use super::{Fmtp, RtcpAddress, RtpMap, Text};
use std::fmt;
use std::ops::{Deref, DerefMut};
use std::str::FromStr;

/// One `a=` line (RFC 8866 §5.13), its meaning untouched.
///
/// ```text
/// attribute       = (attribute-name ":" attribute-value) / attribute-name
/// attribute-name  = token
/// attribute-value = byte-string
/// ```
///
/// `Debug` and `Display` keep the value of `crypto` and `ice-pwd` to themselves: those are keys, and what is
/// formatted ends up in logs. Printing the [`Description`](super::Description) writes them.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Attribute {
    /// The name; compared without regard to letter case by [`Attributes`].
    pub name: String,
    /// What follows the colon; `None` for a flag such as `rtcp-mux`.
    pub value: Option<Text>,
}

impl Attribute {
    /// A flag: `a=name`.
    #[must_use]
    pub fn flag(name: &str) -> Attribute {
        Attribute {
            name: name.to_owned(),
            value: None,
        }
    }

    /// `a=name:value`.
    #[must_use]
    pub fn new(name: &str, value: impl Into<Text>) -> Attribute {
        Attribute {
            name: name.to_owned(),
            value: Some(value.into()),
        }
    }

    fn is(&self, name: &str) -> bool {
        self.name.eq_ignore_ascii_case(name)
    }
}

impl fmt::Display for Attribute {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.value {
            None => write!(f, "a={}", self.name),
            Some(_) if self.is("crypto") || self.is("ice-pwd") => {
                write!(f, "a={}:<secret>", self.name)
            }
            Some(value) => write!(f, "a={}:{value}", self.name),
        }
    }
}

impl fmt::Debug for Attribute {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The attributes of the session or of one medium, in order.
///
/// A slice of [`Attribute`] with look-ups by name. The typed ones skip lines whose value is malformed.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Attributes(Vec<Attribute>);

impl Attributes {
    /// None.
    #[must_use]
    pub fn new() -> Attributes {
        Attributes::default()
    }

    /// Adds one at the end.
    pub fn push(&mut self, attribute: Attribute) {
        self.0.push(attribute);
    }

    /// Adds `a=name:value` at the end.
    pub fn add(&mut self, name: &str, value: impl Into<Text>) {
        self.0.push(Attribute::new(name, value));
    }

    /// Removes all of this name.
    pub fn remove(&mut self, name: &str) {
        self.0.retain(|attribute| !attribute.is(name));
    }

    /// Whether `a=name` is there, with or without a value.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.0.iter().any(|attribute| attribute.is(name))
    }

    /// The value of the first `a=name:value`, when it is UTF-8.
    #[must_use]
    pub fn value(&self, name: &str) -> Option<&str> {
        self.0
            .iter()
            .filter(|attribute| attribute.is(name))
            .find_map(|attribute| attribute.value.as_ref()?.to_str().ok())
    }

    /// The values of all `a=name:value` that are UTF-8, in order.
    pub fn values<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.0
            .iter()
            .filter(move |attribute| attribute.is(name))
            .filter_map(|attribute| attribute.value.as_ref()?.to_str().ok())
    }

    /// `a=rtpmap` lines (RFC 8866 §6.6).
    pub fn rtpmaps(&self) -> impl Iterator<Item = RtpMap> + '_ {
        self.typed("rtpmap")
    }

    /// `a=fmtp` lines (RFC 8866 §6.15).
    pub fn fmtps(&self) -> impl Iterator<Item = Fmtp> + '_ {
        self.typed("fmtp")
    }

    /// All `a=name` values of a typed attribute, for instance
    /// `attributes.typed::<Candidate>("candidate")`. Malformed ones are skipped.
    pub fn typed<'a, T: FromStr>(&'a self, name: &'a str) -> impl Iterator<Item = T> + 'a {
        self.values(name).filter_map(|value| value.parse().ok())
    }

    /// `a=rtcp` (RFC 3605).
    #[must_use]
    pub fn rtcp(&self) -> Option<RtcpAddress> {
        self.value("rtcp")?.parse().ok()
    }

    /// A number of milliseconds such as `a=ptime` and `a=maxptime` carry (RFC 8866 §6.4, §6.5).
    ///
    /// Some phones write a fraction (`11.61`), as older drafts allowed: it is cut off.
    #[must_use]
    pub fn millis(&self, name: &str) -> Option<u32> {
        let value = self.value(name)?.trim();
        value.split('.').next()?.parse().ok()
    }
}

impl Deref for Attributes {
    type Target = [Attribute];
    fn deref(&self) -> &[Attribute] {
        &self.0
    }
}

impl DerefMut for Attributes {
    fn deref_mut(&mut self) -> &mut [Attribute] {
        &mut self.0
    }
}

impl FromIterator<Attribute> for Attributes {
    fn from_iter<I: IntoIterator<Item = Attribute>>(attributes: I) -> Attributes {
        Attributes(attributes.into_iter().collect())
    }
}

impl<'a> IntoIterator for &'a Attributes {
    type Item = &'a Attribute;
    type IntoIter = std::slice::Iter<'a, Attribute>;
    fn into_iter(self) -> Self::IntoIter {
        self.0.iter()
    }
}
