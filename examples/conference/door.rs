//! The policy for phones that call in. Without a door, nobody is let in.

use examples::chance::random;
use signaling::net::GatewayConfig;
use sip_core::{DigestPolicy, Message, StatusCode, Uninvited};

/// What a phone is asked a password for.
pub(crate) const REALM: &str = "conference.patchcord.example";

/// Who may come in.
#[derive(Debug, Clone)]
pub(crate) struct Door {
    /// What must be called: the user part of the request's URI.
    pub(crate) room: String,
    /// The user and password that a phone must know; `None` lets anyone in.
    pub(crate) password: Option<(String, String)>,
    /// How many phones may be in the room at once.
    pub(crate) most: usize,
}

impl Door {
    /// Tells a gateway that phones may call it at all, and what they must prove.
    pub(crate) fn open(&self, config: &mut GatewayConfig) {
        config.uninvited = Uninvited::Accept;
        if let Some((user, password)) = &self.password {
            config.digest =
                Some(DigestPolicy::new(REALM, random()).user(user.as_str(), password.as_str()));
        }
    }

    /// Judges an INVITE whose sender has proved what it must, while `inside` phones are in the room.
    ///
    /// # Errors
    /// The status and the words to refuse it with.
    pub(crate) fn judge(
        &self,
        invite: &Message,
        inside: usize,
    ) -> Result<(), (StatusCode, &'static str)> {
        let uri = invite.as_ref().uri().ok();
        let called = uri.as_ref().and_then(|uri| uri.user_decoded());
        if called.as_deref() != Some(self.room.as_str()) {
            return Err((StatusCode::NOT_FOUND, "No Such Room"));
        }
        match inside < self.most {
            true => Ok(()),
            false => Err((StatusCode::BUSY_HERE, "The Room Is Full")),
        }
    }
}
