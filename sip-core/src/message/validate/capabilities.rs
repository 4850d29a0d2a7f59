use crate::message::Method;
use crate::uri::Scheme;

/// Whom the message came to. Some rules hold only for one role.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Role {
    /// Not said: only the rules that hold for every element.
    #[default]
    Any,
    /// A user agent: Require counts, and a response has exactly one Via (RFC 3261 section 8.1.3.3).
    UserAgent,
    /// A proxy: Proxy-Require counts, and Max-Forwards must leave a hop (RFC 3261 section 16.3).
    Proxy,
    /// A registrar: the To of a REGISTER is a SIP or SIPS URI (RFC 3261 section 10.2).
    Registrar,
}

/// What the application supports. `None` accepts everything; a list accepts what it names.
///
/// ```
/// use sip_core::{Capabilities, Method};
/// let caps = Capabilities::default()
///     .methods([Method::Invite, Method::Ack, Method::Bye, Method::Cancel])
///     .option_tags(["timer", "replaces"]);
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Capabilities {
    /// Whom the message came to.
    pub role: Role,
    /// URI schemes of a Request-URI; others deserve 416.
    pub schemes: Option<Vec<Scheme>>,
    /// Methods; others deserve 501.
    pub methods: Option<Vec<Method>>,
    /// Option tags that a Require (Proxy-Require, at a proxy) may name; others deserve 420.
    pub option_tags: Option<Vec<String>>,
    /// Media types of a request's body, such as `application/sdp`; others deserve 415.
    pub content_types: Option<Vec<String>>,
    /// Content codings of a request's body, such as `gzip`; others deserve 415.
    pub content_encodings: Option<Vec<String>>,
    /// Media types that a response of ours may have; an Accept without any of them deserves 406.
    pub produces: Option<Vec<String>>,
    /// Longest body of a request in bytes; a longer one deserves 413.
    pub body: Option<usize>,
}

impl Capabilities {
    /// With this role.
    pub fn role(mut self, role: Role) -> Self {
        self.role = role;
        self
    }

    /// With these URI schemes only.
    pub fn schemes(mut self, schemes: impl IntoIterator<Item = Scheme>) -> Self {
        self.schemes = Some(schemes.into_iter().collect());
        self
    }

    /// With these methods only.
    pub fn methods(mut self, methods: impl IntoIterator<Item = Method>) -> Self {
        self.methods = Some(methods.into_iter().collect());
        self
    }

    /// With these option tags only.
    pub fn option_tags<S: Into<String>>(mut self, tags: impl IntoIterator<Item = S>) -> Self {
        self.option_tags = Some(tags.into_iter().map(Into::into).collect());
        self
    }

    /// With these media types only.
    pub fn content_types<S: Into<String>>(mut self, types: impl IntoIterator<Item = S>) -> Self {
        self.content_types = Some(types.into_iter().map(Into::into).collect());
        self
    }

    /// With these content codings only.
    pub fn content_encodings<S: Into<String>>(
        mut self,
        codings: impl IntoIterator<Item = S>,
    ) -> Self {
        self.content_encodings = Some(codings.into_iter().map(Into::into).collect());
        self
    }

    /// With responses of these media types only.
    pub fn produces<S: Into<String>>(mut self, types: impl IntoIterator<Item = S>) -> Self {
        self.produces = Some(types.into_iter().map(Into::into).collect());
        self
    }

    /// With bodies of at most this many bytes.
    pub fn body(mut self, bytes: usize) -> Self {
        self.body = Some(bytes);
        self
    }
}
