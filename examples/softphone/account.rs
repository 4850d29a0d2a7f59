//! The registration: it comes, stays and goes.

use std::time::Instant;

use serde_json::json;
use sip_core::registration::{KeepAlive, Proxy};
use sip_core::{Local, Registration, RegistrationState, Target, Transport};

use crate::phone::Phone;

impl Phone {
    /// Registers, if that is asked for.
    ///
    /// # Errors
    /// A line that says why that cannot be tried.
    pub(crate) fn register(&mut self, now: Instant) -> Result<(), String> {
        let Some(registrar) = self.identity.registrar.clone() else {
            return Ok(());
        };
        let mut registration = Registration::new(registrar, self.identity.me.clone());
        registration.account.clone_from(&self.identity.account);
        // A NAT in between forgets us otherwise.
        registration.keep_alive = KeepAlive::Always;
        if let Some(proxy) = &self.identity.proxy {
            registration.proxies = vec![Proxy::route(proxy.clone())];
        }
        let endpoint = self.gateway.driver().endpoint();
        let id = endpoint
            .register(now, registration)
            .map_err(|error| format!("cannot register: {error}"))?;
        self.registration = Some(id);
        Ok(())
    }

    /// What became of it.
    pub(crate) fn registered(&mut self, state: &RegistrationState) {
        self.is_registered = matches!(state, RegistrationState::Registered { .. });
        match state {
            RegistrationState::Registered { expires, refreshed } => {
                let seconds = expires.as_secs();
                let word = if *refreshed {
                    "still registered"
                } else {
                    "registered"
                };
                self.panel.tell(
                    &format!("{word} as {} for {seconds} s", self.me()),
                    &json!({"event": "registered", "as": self.me(), "expires": seconds, "refreshed": refreshed}),
                );
            }
            RegistrationState::Failed { cause, retry } => {
                let then = match retry {
                    Some(after) => format!("; trying again in {:.0} s", after.as_secs_f64()),
                    None => String::new(),
                };
                self.panel.tell(
                    &format!("not registered: {cause}{then}"),
                    &json!({"event": "registration_failed", "cause": cause.to_string(),
                        "status": cause.status.map(|status| status.code()),
                        "retry": retry.map(|after| after.as_secs())}),
                );
            }
            RegistrationState::Unregistered => {
                self.registration = None;
                self.panel
                    .tell("unregistered", &json!({"event": "unregistered"}));
            }
            _ => {}
        }
    }

    /// Where requests outside calls go: along the registration, if there is one.
    pub(crate) fn way(&mut self) -> Option<Target> {
        let id = self.registration?;
        let endpoint = self.gateway.driver().endpoint();
        let status = endpoint.registration(id).ok()?;
        let (_, flow, _) = status.flows().next()?;
        Some(Target::Flow(flow))
    }

    /// Our address.
    pub(crate) fn me(&self) -> String {
        let uri = self.identity.me.uri();
        uri.map(|uri| uri.as_str().to_owned()).unwrap_or_default()
    }

    /// What Via and Contact say over transports on which we only call out: answers come on the same connection. A
    /// WebSocket's client has no address that others reach (RFC 7118 section 5).
    pub(crate) fn name_ourselves(&mut self) {
        let at = self.gateway.sip_addr();
        let transport = self.identity.transport;
        let local = match transport {
            Transport::Udp | Transport::Tcp => return,
            Transport::Ws | Transport::Wss => {
                let name: [u8; 6] = examples::chance::random();
                let name: String = name.iter().map(|byte| format!("{byte:02x}")).collect();
                Local::new(transport, at).advertise(format!("{name}.invalid"), at.port())
            }
            _ => Local::new(transport, at),
        };
        self.gateway.driver().endpoint().add_local(local);
    }
}
