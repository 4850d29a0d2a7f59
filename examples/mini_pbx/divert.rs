//! Phones that send their calls elsewhere (3xx): to other users of ours, and nowhere else.

use std::time::Instant;

use serde_json::json;
use sip_core::header::Contact;
use sip_core::{CallId, Message};

use crate::bindings::transport_of;
use crate::pbx::Pbx;
use crate::switch::invite;

/// How many addresses of one phone are looked at.
const CONTACTS: usize = 5;

impl Pbx {
    /// A phone that was to ring says where its calls go: those phones ring at once, each user's once a call. Addresses
    /// that are not users of ours cost somebody's money, and are passed over; the phone then counts as one that failed.
    pub(crate) fn divert(&mut self, now: Instant, number: u64, leg: CallId, response: &Message) {
        let sent = response.status().map_or(0, |status| status.code());
        if !(300..400).contains(&sent) {
            return;
        }
        let contacts = response.typed_all::<Contact<'_>>().flatten();
        let users: Vec<String> = contacts
            .take(CONTACTS)
            .filter_map(|contact| match contact {
                Contact::Address(address) => {
                    let uri = address.uri().ok()?;
                    Some(uri.user_decoded()?.into_owned())
                }
                Contact::Any => None,
            })
            .collect();
        for to in users {
            self.send_on(now, number, leg, &to);
        }
    }

    fn send_on(&mut self, now: Instant, number: u64, leg: CallId, to: &str) {
        let known = self.users.contains(to) || self.groups.contains_key(to);
        let Some(switched) = self.calls.get_mut(&number).filter(|_| known) else {
            return;
        };
        if switched.answered() || !switched.rung.insert(to.to_owned()) {
            return;
        }
        let (from, by) = (switched.from.clone(), switched.name(leg).to_owned());
        let (request, flow) = (switched.request.clone(), switched.flow);
        let phones = self.phones(now, &from, to, flow);
        self.story.tell(
            &format!("{by} sends the call of {from} to {to}"),
            &json!({"event": "diverted", "from": from, "by": by, "to": to, "phones": phones.len()}),
        );
        let Some(switched) = self.calls.get_mut(&number) else {
            return;
        };
        let endpoint = self.driver.endpoint();
        for (name, aor, binding) in phones {
            let party = (name, transport_of(&binding));
            let invite = invite(&request, &from, to, (&aor, &binding), self.ring);
            if let Some(invite) = invite {
                switched.ring(now, endpoint, self.relays.as_mut(), invite, party);
            }
        }
    }
}
