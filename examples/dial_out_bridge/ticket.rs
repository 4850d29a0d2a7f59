//! The token that lets the phone into the session: made, and then judged as a gateway would.

use std::time::{Duration, SystemTime};

use examples::chance::random;
use token::{Algorithm, Role, SessionClaims, StaticSecret, Verifier, mint};

/// How long a token of ours is valid.
const LIFE: Duration = Duration::from_secs(3600);

/// What a verified token says.
#[derive(Debug, Clone)]
pub(crate) struct Ticket {
    /// The session that it opens.
    pub(crate) session: String,
    /// What its holder may do there.
    pub(crate) role: Role,
    /// What others see of the holder.
    pub(crate) data: String,
    /// How long it is still valid.
    pub(crate) left: Duration,
}

/// A token that somebody brought, and the secret to verify it with.
#[derive(Debug, Clone)]
pub(crate) struct Brought {
    pub(crate) token: String,
    pub(crate) secret: String,
}

impl Ticket {
    /// Verifies the token that was brought, or mints one for a new session and verifies that.
    ///
    /// # Errors
    /// A line that says why the token opens nothing.
    pub(crate) fn new(brought: Option<&Brought>, now: SystemTime) -> Result<Self, String> {
        let (text, secret) = match brought {
            // Somebody else's secret is as long as they made it; ours is as long as RFC 7518 asks.
            Some(brought) => (
                brought.token.clone(),
                StaticSecret::of_any_length(Algorithm::Hs256, brought.secret.as_bytes())
                    .map_err(|error| error.to_string())?,
            ),
            None => {
                let secret = StaticSecret::new(Algorithm::Hs256, &random::<32>())
                    .map_err(|error| error.to_string())?;
                let session = format!("room-{:08x}", u32::from_be_bytes(random()));
                let claims = SessionClaims::new(session, now, LIFE)
                    .with_role(Role::Publisher)
                    .with_data("sip=true");
                (
                    mint(&claims, &secret).map_err(|error| error.to_string())?,
                    secret,
                )
            }
        };
        let claims: SessionClaims = Verifier::new(secret)
            .verify(&text, now)
            .map_err(|error| error.to_string())?
            .claims;
        claims
            .require_role(&[Role::Publisher, Role::Moderator])
            .map_err(|error| error.to_string())?;
        let left = claims.expires_at().duration_since(now).unwrap_or_default();
        Ok(Self {
            session: claims.session,
            role: claims.role,
            data: claims.data.unwrap_or_default(),
            left,
        })
    }
}

impl std::fmt::Display for Ticket {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "HS256, {} of {}, data {:?}, valid for {} s",
            self.role,
            self.session,
            self.data,
            self.left.as_secs_f64().ceil()
        )
    }
}
