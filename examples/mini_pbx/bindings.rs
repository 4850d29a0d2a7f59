//! Who is registered, and where.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use examples::checks::Table;
use serde_json::json;
use sip_core::Endpoint;
use sip_core::Transport;
use sip_core::registrar::{Aor, Binding, BindingChange, BindingEvent};

use crate::pbx::Pbx;

/// The addresses-of-record of each user that have bindings: phones name our host as they were told it.
#[derive(Debug, Default)]
pub(crate) struct Known(BTreeMap<String, BTreeSet<Aor>>);

impl Known {
    /// Notes what became of a binding.
    fn note(&mut self, endpoint: &Endpoint, aor: &Aor) {
        let Some(user) = aor.user() else { return };
        if endpoint
            .bindings(aor)
            .is_some_and(|bindings| !bindings.is_empty())
        {
            self.0
                .entry(user.to_owned())
                .or_default()
                .insert(aor.clone());
        } else if let Some(aors) = self.0.get_mut(user) {
            aors.remove(aor);
            if aors.is_empty() {
                self.0.remove(user);
            }
        }
    }

    /// A user's phones, each with the address under which it registered.
    pub(crate) fn phones(
        &self,
        now: Instant,
        endpoint: &Endpoint,
        user: &str,
    ) -> Vec<(Aor, Binding)> {
        let aors = self.0.get(user).into_iter().flatten();
        aors.filter_map(|aor| Some((aor, aor.uri()?)))
            .flat_map(|(aor, uri)| {
                let found = endpoint.locate(now, &uri);
                found.into_iter().map(|binding| (aor.clone(), binding))
            })
            .collect()
    }

    fn users(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }
}

impl Pbx {
    /// A binding came, went, or was refreshed.
    pub(crate) fn bound(&mut self, now: Instant, aor: &Aor, event: &BindingEvent) {
        self.known.note(self.driver.endpoint(), aor);
        let user = aor.user().unwrap_or_default();
        let transport = transport_of(&event.binding);
        let at = place_of(&event.binding);
        let (word, line) = match event.change {
            BindingChange::Added => (
                "registered",
                format!("{user} is registered over {transport} at {at}"),
            ),
            BindingChange::Refreshed => (
                "refreshed",
                format!("{user} stays registered over {transport} at {at}"),
            ),
            BindingChange::Expired => (
                "expired",
                format!("{user} is gone from {at} without a word"),
            ),
            _ => ("unregistered", format!("{user} has left {at}")),
        };
        let now_there = self.who(now);
        let left = event.binding.seconds_left(self.wall(now));
        self.story.tell(
            &line,
            &json!({
                "event": word,
                "user": user,
                "transport": transport.via(),
                "address": at,
                "expires": left,
                "registered": now_there,
            }),
        );
    }

    /// The users that can be called.
    fn who(&mut self, now: Instant) -> Vec<String> {
        let endpoint = self.driver.endpoint();
        self.known
            .users()
            .filter(|user| !self.known.phones(now, endpoint, user).is_empty())
            .map(str::to_owned)
            .collect()
    }

    /// Prints who is registered.
    pub(crate) fn show_who(&mut self, now: Instant) {
        let wall = self.wall(now);
        let mut table = Table::new(&["", "user", "over", "at", "for"]);
        let mut list = Vec::new();
        let endpoint = self.driver.endpoint();
        for user in self.known.users() {
            for (_, binding) in self.known.phones(now, endpoint, user) {
                let (over, at) = (transport_of(&binding), place_of(&binding));
                let left = binding.seconds_left(wall);
                list.push(
                    json!({"user": user, "transport": over.via(), "address": at, "expires": left}),
                );
                table.row(vec![
                    String::new(),
                    user.to_owned(),
                    over.to_string(),
                    at,
                    format!("{left} s"),
                ]);
            }
        }
        if list.is_empty() {
            self.story.tell(
                "nobody is registered",
                &json!({"event": "who", "phones": []}),
            );
        } else {
            self.story.table(&table);
            self.story.object(&json!({"event": "who", "phones": list}));
        }
    }
}

/// How a phone is reached.
pub(crate) fn transport_of(binding: &Binding) -> Transport {
    if let Some(flow) = binding.flow {
        return flow.transport;
    }
    let named = binding.uri().ok().and_then(|uri| {
        let param = uri.param("transport")?;
        Transport::from_name(param.value()?)
    });
    named.unwrap_or(Transport::Udp)
}

fn place_of(binding: &Binding) -> String {
    match (binding.flow, binding.uri()) {
        (Some(flow), _) => flow.remote.to_string(),
        (None, Ok(uri)) => {
            let host = uri.host().map(|host| host.to_string()).unwrap_or_default();
            match uri.port() {
                Some(port) => format!("{host}:{port}"),
                None => host,
            }
        }
        (None, Err(_)) => String::new(),
    }
}
