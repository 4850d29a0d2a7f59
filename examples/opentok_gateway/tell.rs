//! Callbacks: who wants to be told of what, and telling them.

use examples::opentok::CallbackOrder;
use serde_json::{Value, json};
use signaling::http::ApiError;
use signaling::http::hooks::{Hook, HookUrl};

use crate::desk::{Desk, Done, unix_ms};
use crate::rules::MOST_CALLBACKS;

/// A callback that was asked for.
#[derive(Debug, Clone)]
pub(crate) struct Subscription {
    pub(crate) id: String,
    order: CallbackOrder,
    url: HookUrl,
    created_ms: u64,
}

impl Subscription {
    pub(crate) fn view(&self) -> Value {
        json!({
            "id": self.id, "group": self.order.group, "event": self.order.event,
            "url": self.url.to_string(), "createdAt": self.created_ms,
        })
    }
}

impl Desk {
    /// Asks for a callback.
    pub(crate) fn subscribe(&mut self, order: CallbackOrder) -> Done<Value> {
        if self.subscriptions.len() >= MOST_CALLBACKS {
            return Err(ApiError::new(
                ::http::StatusCode::CONFLICT,
                format!("{MOST_CALLBACKS} callbacks are registered already"),
            ));
        }
        let url = order.url.parse();
        let url = url.map_err(|error| ApiError::bad_request(format!("url: {error}")))?;
        let subscription = Subscription {
            id: self.random.uuid(),
            url,
            order,
            created_ms: unix_ms(),
        };
        let view = subscription.view();
        self.subscriptions.push(subscription);
        Ok(view)
    }

    /// Takes a callback back.
    pub(crate) fn unsubscribe(&mut self, id: &str) -> Done<()> {
        let before = self.subscriptions.len();
        self.subscriptions.retain(|one| one.id != id);
        match self.subscriptions.len() < before {
            true => Ok(()),
            false => Err(ApiError::not_found(format!("there is no callback {id}"))),
        }
    }

    /// Tells everybody who asked for it.
    pub(crate) fn tell(&self, group: &str, event: &str, room: &str, mut body: Value) {
        let wanted = self
            .subscriptions
            .iter()
            .filter(|one| one.order.group == group && one.order.event == event);
        let mut wanted = wanted.peekable();
        if wanted.peek().is_none() {
            return;
        }
        let mut name = event.to_owned();
        if let Some(first) = name.get_mut(..1) {
            first.make_ascii_uppercase();
        }
        body["event"] = format!("{group}{name}").into();
        body["sessionId"] = room.into();
        body["projectId"] = self.project_of(room).into();
        body["timestamp"] = unix_ms().into();
        let body = bytes::Bytes::from(body.to_string());
        for one in wanted {
            // A receiver that takes nothing loses what does not fit; the operator's page shows how many wait.
            let _ = self.hooks.push(Hook::json(one.url.clone(), body.clone()));
        }
    }
}
