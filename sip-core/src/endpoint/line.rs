//! Which calls of one endpoint stand in one line: each joined with a partner by a coupling, and some the peers of one
//! another, where the endpoint has called itself.

use super::Endpoint;
use super::event::CallId;
use super::table::Key;

impl Endpoint {
    /// Two calls are joined; what each was joined with before is forgotten.
    pub(crate) fn join(&mut self, one: CallId, other: CallId) {
        for (call, partner) in [(one, other), (other, one)] {
            if let Some(call) = self.calls.get_mut(call.0) {
                call.partner = Some(partner.0);
            }
        }
    }

    /// Whether the line that begins with this call's peer comes back to it: then nobody stands at either end, and nothing
    /// would ever end it.
    pub(crate) fn leads_back(&mut self, call: CallId) -> bool {
        let mut at = call.0;
        // No line is longer than there are calls.
        for _ in 0..self.calls.len() {
            let next = self
                .peer_here(at)
                .and_then(|peer| self.calls.get(peer)?.partner);
            match next {
                Some(next) if next == call.0 => return true,
                Some(next) => at = next,
                None => return false,
            }
        }
        false
    }

    /// The other end of a call, where that is ours too.
    fn peer_here(&mut self, call: Key) -> Option<Key> {
        let call = self.calls.get(call)?;
        let (call_id, tag) = (
            call.call_id.clone(),
            call.dialogs.first()?.remote_tag().to_owned(),
        );
        self.find_call(&call_id, &tag)
    }
}
