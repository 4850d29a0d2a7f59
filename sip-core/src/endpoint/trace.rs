//! What an installed `tracing` subscriber hears: by call, never by packet above TRACE, and who is refused, in one line
//! that log watchers read. Without the
//! feature `tracing` all of this is nothing.

use super::call::Call;
use super::cause::EndCause;
use super::flow::Flow;
use crate::Message;

#[cfg(feature = "tracing")]
mod with {
    use super::{Call, EndCause, Flow, Message};

    pub(crate) fn began(call: &Call) {
        tracing::info!(call_id = %call.call_id, caller = call.caller, "call begins");
    }

    pub(crate) fn ended(call: &Call, cause: &EndCause) {
        tracing::info!(call_id = %call.call_id, state = ?call.state, %cause, "call ended");
    }

    pub(crate) fn refused(flow: Flow, why: &str) {
        let (source, transport) = (flow.remote.ip().to_canonical(), flow.transport);
        tracing::warn!(target: "sip_core::admission", "refused {source} over {transport}: {why}");
    }

    pub(crate) fn received(flow: Flow, message: &Message) {
        if tracing::enabled!(tracing::Level::TRACE) {
            let text = message.to_string();
            let line = text.lines().next().unwrap_or_default();
            tracing::trace!(from = %flow.remote, transport = %flow.transport, "{line}");
        }
    }
}

#[cfg(not(feature = "tracing"))]
mod with {
    use super::{Call, EndCause, Flow, Message};

    pub(crate) fn began(_: &Call) {}

    pub(crate) fn ended(_: &Call, _: &EndCause) {}

    pub(crate) fn refused(_: Flow, _: &str) {}

    pub(crate) fn received(_: Flow, _: &Message) {}
}

pub(crate) use with::{began, ended, received, refused};
