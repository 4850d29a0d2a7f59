//! Who may ask for what: the project's secret, an application's key pair, and the tokens of those in a session.

use std::time::SystemTime;

use ::http::StatusCode;
use ::http::header::AUTHORIZATION;
use signaling::http::{ApiError, Request};
use signaling::session::{self, Action};
use token::{
    Algorithm, AnyClaims, KeyError, OpenTokProject, PublicKey, Role, StaticSecret, T1Secret,
    Verified, Verifier, VerifierOptions, VerifyError, VonageClaims, inspect,
};

use crate::desk::Done;

/// What SDKs of the older form put their tokens into.
const HEADER: &str = "x-opentok-auth";

/// The longest token that is looked at, bytes.
const LONGEST: usize = 8192;

/// The project's two names, and what proves that somebody speaks for it.
pub(crate) struct Access {
    api_key: String,
    project: Verifier,
    /// The same project in the Vonage form.
    application: Option<Application>,
}

/// An application: its id stands where the API key stands, its private key signs in place of the secret.
pub(crate) struct Application {
    pub(crate) id: String,
    verifier: Verifier,
}

/// What a token of somebody who joins a session says.
struct Person {
    session_id: String,
    role: Role,
    data: Option<String>,
}

impl Application {
    /// # Errors
    /// When the text is no public RSA key.
    pub(crate) fn new(id: &str, pem: &str) -> Result<Self, KeyError> {
        Ok(Self {
            id: id.to_owned(),
            verifier: Verifier::new(PublicKey::from_pem(Algorithm::Rs256, pem)?),
        })
    }

    /// A token of this application.
    fn open(&self, token: &str, now: SystemTime) -> Result<VonageClaims, String> {
        let claims = self.verifier.verify::<VonageClaims>(token, now);
        let claims = claims.map_err(|error| error.to_string())?.claims;
        match claims.application_id == self.id {
            true => Ok(claims),
            false => Err("it is one of another application".into()),
        }
    }
}

impl Access {
    /// # Errors
    /// When the key or the secret cannot be used.
    pub(crate) fn new(
        api_key: &str,
        secret: &str,
        application: Option<Application>,
    ) -> Result<Self, KeyError> {
        let mut options = VerifierOptions::default();
        options.issuers = vec![api_key.to_owned()];
        let key = StaticSecret::new(Algorithm::Hs256, secret.as_bytes())?;
        let project = Verifier::with_options(key, options)
            .with_t1(T1Secret::new(api_key, secret.as_bytes())?);
        Ok(Self {
            api_key: api_key.to_owned(),
            project,
            application,
        })
    }

    /// Lets in who speaks for the project, to the project's own paths; the name by which it was asked.
    ///
    /// # Errors
    /// 403, which says why.
    pub(crate) fn project(&self, request: &Request) -> Done<&str> {
        let now = SystemTime::now();
        let name = match (credential(request)?, &self.application) {
            (Credential::Own(token), _) => {
                let claims = self.project.verify::<OpenTokProject>(token, now);
                claims.map_err(|error| forbidden(format!("X-OPENTOK-AUTH: {error}")))?;
                &self.api_key
            }
            (Credential::Bearer(token), Some(application)) => {
                let claims = application.open(token, now);
                let claims = claims.map_err(|why| forbidden(format!("Authorization: {why}")))?;
                if claims.connect.is_some() {
                    return Err(forbidden("Authorization: it is a token to join a session"));
                }
                &application.id
            }
            (Credential::Bearer(_), None) => {
                let why = "Authorization: no application's key is known; use X-OPENTOK-AUTH";
                return Err(forbidden(why));
            }
        };
        let asked = request.param("key");
        if !asked.is_empty() && asked != name {
            return Err(forbidden("the token is not one of this project"));
        }
        Ok(name)
    }

    /// Lets in who speaks for the project, and those in the session of the path whose role allows the action.
    ///
    /// # Errors
    /// 403, which says why.
    pub(crate) fn moderator(&self, request: &Request, action: Action) -> Done<()> {
        let token = match credential(request)? {
            Credential::Own(token) | Credential::Bearer(token) => token,
        };
        let Ok(person) = self.person(token, SystemTime::now()) else {
            return self.project(request).map(drop);
        };
        let key = request.param("key");
        if key != self.api_key && self.application.as_ref().is_none_or(|one| one.id != key) {
            return Err(forbidden("the token is not one of this project"));
        }
        if person.session_id != request.param("session") {
            return Err(forbidden("the token is for another session"));
        }
        session::check(person.role, action).map_err(forbidden)
    }

    /// Whether a token lets its holder dial into a session; what others shall see of the phone.
    ///
    /// # Errors
    /// 403, which says why.
    pub(crate) fn may_dial(&self, token: &str, session_id: &str) -> Done<Option<String>> {
        let forbidden = |why: &dyn std::fmt::Display| forbidden(format!("token: {why}"));
        let person = self.person(token, SystemTime::now());
        let person = person.map_err(|why| forbidden(&why))?;
        if person.session_id != session_id {
            return Err(forbidden(&"it is for another session"));
        }
        session::check(person.role, Action::Dial).map_err(|error| forbidden(&error))?;
        Ok(person.data.filter(|data| !data.is_empty()))
    }

    /// Who holds a token to join a session, of whichever form.
    fn person(&self, token: &str, now: SystemTime) -> Result<Person, String> {
        let is_rsa = || inspect(token, LONGEST).is_ok_and(|seen| seen.algorithm == "RS256");
        if let Some(application) = self.application.as_ref().filter(|_| is_rsa()) {
            let connect = application.open(token, now)?.connect;
            let connect = connect.ok_or("a connect token is needed, this is vonage")?;
            return Ok(Person {
                session_id: connect.session_id,
                role: connect.role,
                data: connect.connection_data,
            });
        }
        let opened: Result<Verified<AnyClaims>, VerifyError> = self.project.verify_any(token, now);
        match opened.map_err(|error| error.to_string())?.claims {
            AnyClaims::OpenTokConnect(claims) => Ok(Person {
                session_id: claims.session_id,
                role: claims.role,
                data: claims.connection_data,
            }),
            other => {
                let family = other.family();
                Err(format!("a connect token is needed, this is {family}"))
            }
        }
    }
}

/// Where a request carries its token.
enum Credential<'r> {
    Own(&'r str),
    Bearer(&'r str),
}

fn credential(request: &Request) -> Done<Credential<'_>> {
    if let Some(token) = request.header(HEADER) {
        return Ok(Credential::Own(token));
    }
    let authorization = request.header(AUTHORIZATION.as_str());
    let bearer = authorization.and_then(|value| {
        let (scheme, token) = value.split_once(' ')?;
        scheme
            .eq_ignore_ascii_case("bearer")
            .then_some(token.trim())
    });
    bearer
        .map(Credential::Bearer)
        .ok_or_else(|| forbidden("the header X-OPENTOK-AUTH is missing"))
}

fn forbidden(why: impl std::fmt::Display) -> ApiError {
    ApiError::new(StatusCode::FORBIDDEN, why)
}
