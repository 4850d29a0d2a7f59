//! Our own columns.

use bytes::Bytes;
use sip_core::header::digest::CredentialsRef;
use sip_core::header::{CSeq, CallId, Contact, From, To, Via};
use sip_core::{HeaderName, Index, Limits, Message, MessageRef};

use crate::facts::Facts;

pub(crate) fn read(m: &MessageRef<'_>) -> Option<Facts> {
    let via: Via<'_> = m.typed().ok()?;
    let (from, to): (From<'_>, To<'_>) = (m.typed().ok()?, m.typed().ok()?);
    let call_id: CallId<'_> = m.typed().ok()?;
    let cseq: CSeq<'_> = m.typed().ok()?;
    let contact: Option<Contact<'_>> = m.typed_opt().ok()?;
    Some(Facts {
        branch: via.branch().map_or(0, str::len),
        from_tag: from.tag().map_or(0, str::len),
        to_tag: to.tag().map_or(0, str::len),
        call_id: call_id.as_str().len(),
        cseq: cseq.sequence(),
        cseq_method: cseq.method().as_str().len(),
        contact_host: match contact.and_then(|c| c.uri()) {
            Some(uri) => uri.ok()?.host_str().map_or(0, str::len),
            None => 0,
        },
    })
}

/// The caller's index, which every message is parsed into.
pub(crate) struct Borrowed {
    index: Index,
    limits: Limits,
}

impl Borrowed {
    pub(crate) fn new() -> Self {
        Borrowed {
            index: Index::new(),
            limits: Limits::default(),
        }
    }

    pub(crate) fn parse(&mut self, bytes: &[u8]) -> bool {
        MessageRef::parse(bytes, &mut self.index, &self.limits).is_ok()
    }

    pub(crate) fn access(&mut self, bytes: &[u8]) -> Option<Facts> {
        read(&MessageRef::parse(bytes, &mut self.index, &self.limits).ok()?)
    }

    pub(crate) fn digest(&mut self, bytes: &[u8]) -> Option<usize> {
        let m = MessageRef::parse(bytes, &mut self.index, &self.limits).ok()?;
        read(&m)?;
        let field = m.header(HeaderName::AUTHORIZATION)?;
        Some(CredentialsRef::parse(field.value()).ok()?.response.len())
    }
}

/// The message that an endpoint keeps: a copy of the datagram with its index.
pub(crate) fn owned(bytes: &[u8]) -> Option<Message> {
    Message::parse(Bytes::copy_from_slice(bytes)).ok()
}
