//! The client's side: from challenges to credentials (RFC 3261 sections 22.1 to 22.3, RFC 8760 section 2.4).

use super::response::{DigestRequest, response, write_hex};
use super::{Account, Challenger, Ha1};
use crate::header::digest::{Algorithm, AlgorithmParam, Challenge, Credentials, Protection, Qop};

/// Which of several challenges for one realm is answered, among those that can be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Preference {
    /// The topmost: the server lists them by its own preference (RFC 8760 section 2.4).
    #[default]
    Topmost,
    /// The strongest hash wherever it stands, for those who put policy above the server's wish.
    Strongest,
}

/// Choices of a [`ClientAuth`].
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ClientAuthOptions {
    /// Which of several challenges for one realm is answered. Default: the topmost.
    pub preference: Preference,
    /// Prefer `auth-int` where both are offered. Default `false`: session border controllers rewrite bodies, and a
    /// changed body makes a right password look wrong.
    pub prefer_integrity: bool,
    /// How often one request may be challenged before it is given up, over all realms. Default 5: a proxy and a
    /// server, a stale nonce at each, and one to spare. It stops servers that say `stale=true`, or think of a new
    /// realm, for ever.
    pub max_rounds: u8,
    /// Realms remembered for [`ClientAuth::attempt`]. Default 8; the one used longest ago makes room.
    pub max_realms: usize,
}

impl Default for ClientAuthOptions {
    fn default() -> Self {
        Self {
            preference: Preference::Topmost,
            prefer_integrity: false,
            max_rounds: 5,
            max_realms: 8,
        }
    }
}

/// The credentials that one request carries; kept with the request until it is answered.
///
/// A CANCEL carries what its INVITE carried, and so does the ACK for a 2xx (RFC 3261 section 22.1): take
/// [`headers`](Self::headers) again.
#[derive(Debug, Clone, Default)]
pub struct Attempt {
    carried: Vec<Carried>,
    rounds: u8,
}

#[derive(Debug, Clone)]
struct Carried {
    challenger: Challenger,
    credentials: Credentials,
    /// How many requests had been sent with this nonce, this one included. Servers without `qop` have no `nc`.
    uses: u32,
}

impl Attempt {
    /// A request that carries no credentials.
    #[must_use]
    pub fn none() -> Self {
        Self::default()
    }

    /// Whether no credentials are carried.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.carried.is_empty()
    }

    /// Name and value of each header field, in the order in which they go into the request.
    pub fn headers(&self) -> impl Iterator<Item = (&'static str, String)> + '_ {
        self.credentials().map(|(challenger, credentials)| {
            (challenger.credentials_header(), credentials.to_string())
        })
    }

    /// The credentials, typed.
    pub fn credentials(&self) -> impl Iterator<Item = (Challenger, &Credentials)> + '_ {
        self.carried
            .iter()
            .map(|carried| (carried.challenger, &carried.credentials))
    }

    fn find(&self, challenger: Challenger, realm: &str) -> Option<&Carried> {
        self.carried
            .iter()
            .find(|carried| carried.challenger == challenger && carried.credentials.realm == realm)
    }
}

/// What the client knows of one realm: the last challenge and how often its nonce was used.
#[derive(Debug)]
struct Realm {
    challenger: Challenger,
    challenge: Challenge,
    algorithm: Algorithm,
    qop: Option<Qop>,
    ha1: Ha1,
    /// Kept as long as the nonce: the `-sess` HA1 is bound to the first, and a server without state sees the last.
    cnonce: String,
    uses: u32,
}

impl Realm {
    fn sign(&mut self, username: &str, request: &DigestRequest<'_>) -> Carried {
        self.uses = self.uses.saturating_add(1);
        let protection = self.qop.map(|qop| Protection {
            qop,
            nc: self.uses,
            cnonce: self.cnonce.clone(),
        });
        let digits = response(
            &self.ha1,
            self.algorithm.session,
            &self.challenge.nonce,
            protection.as_ref(),
            request,
        );
        let credentials = Credentials {
            username: username.to_owned(),
            realm: self.challenge.realm.clone(),
            nonce: self.challenge.nonce.clone(),
            uri: request.uri.to_owned(),
            response: digits.to_string(),
            algorithm: self.challenge.algorithm.clone(),
            opaque: self.challenge.opaque.clone(),
            protection,
        };
        Carried {
            challenger: self.challenger,
            credentials,
            uses: self.uses,
        }
    }

    fn is(&self, challenger: Challenger, realm: &str) -> bool {
        self.challenger == challenger && self.challenge.realm == realm
    }
}

/// Answers challenges for one account, and remembers nonces so that later requests need no challenge.
///
/// One for a dialog or a registration is enough; shared by several, it reuses nonces across them.
#[derive(Debug)]
pub struct ClientAuth {
    account: Account,
    options: ClientAuthOptions,
    /// Least recently challenged first.
    realms: Vec<Realm>,
}

impl ClientAuth {
    /// A client with default options.
    #[must_use]
    pub fn new(account: Account) -> Self {
        Self::with_options(account, ClientAuthOptions::default())
    }

    /// A client with options of one's own.
    #[must_use]
    pub fn with_options(account: Account, options: ClientAuthOptions) -> Self {
        Self {
            account,
            options,
            realms: Vec::new(),
        }
    }

    /// The account.
    #[must_use]
    pub fn account(&self) -> &Account {
        &self.account
    }

    /// Credentials for a new request, from nonces already known; empty before the first challenge.
    ///
    /// Use it towards those who have challenged before (in a dialog, for a registration's refresh). A request to a
    /// stranger starts from [`Attempt::none`]: credentials let whoever receives them guess the password offline.
    pub fn attempt(&mut self, request: &DigestRequest<'_>) -> Attempt {
        let username = self.account.username();
        let carried = self
            .realms
            .iter_mut()
            .map(|realm| realm.sign(username, request))
            .collect();
        Attempt { carried, rounds: 0 }
    }

    /// Credentials for the same request after a 401 or 407, whose challenges are given in their order, those that
    /// do not parse left out. `previous` is what the refused request carried.
    ///
    /// Of several challenges for one realm one is answered; of several realms (a forking proxy joins them, RFC 3261
    /// section 22.3) each. Credentials for realms that did not complain are carried on.
    ///
    /// # Errors
    ///
    /// [`AuthError`]: there is no point in sending the request again.
    pub fn retry(
        &mut self,
        previous: &Attempt,
        challenges: &[(Challenger, Challenge)],
        request: &DigestRequest<'_>,
        chance: &mut dyn FnMut(&mut [u8]),
    ) -> Result<Attempt, AuthError> {
        let Some((_, first)) = challenges.first() else {
            return Err(AuthError::NoChallenge);
        };
        if previous.rounds >= self.options.max_rounds {
            return Err(AuthError::TooManyRounds {
                realm: first.realm.clone(),
            });
        }

        // A realm is judged once, where it first appears; no more realms than are remembered, so that a response full
        // of them costs little.
        let most = self.options.max_realms.max(1);
        let mut judged: Vec<(Challenger, &str)> = Vec::new();
        let mut answered: Vec<(Challenger, &str)> = Vec::new();
        let mut refused = None;
        for (challenger, challenge) in challenges {
            let place = (*challenger, challenge.realm.as_str());
            if judged.contains(&place) {
                continue;
            }
            if judged.len() == most {
                break;
            }
            judged.push(place);
            let (challenger, realm) = place;
            let Some((challenge, algorithm, qop, ha1)) = self.choose(challenger, realm, challenges)
            else {
                refused.get_or_insert_with(|| self.why_unsupported(challenger, realm, challenges));
                continue;
            };
            self.judge(previous.find(challenger, realm), challenge)?;
            self.remember(challenger, challenge, algorithm, qop, ha1, chance);
            answered.push(place);
        }
        if answered.is_empty() {
            return Err(refused.unwrap_or(AuthError::NoChallenge));
        }

        let username = self.account.username();
        let carried = self
            .realms
            .iter_mut()
            .filter(|known| {
                let realm = known.challenge.realm.as_str();
                answered.contains(&(known.challenger, realm))
                    || previous.find(known.challenger, realm).is_some()
            })
            .map(|known| known.sign(username, request))
            .collect();
        Ok(Attempt {
            carried,
            rounds: previous.rounds + 1,
        })
    }

    /// Whether a challenge that follows `carried` is a reason to try again.
    ///
    /// A nonce's first use that is refused without `stale=true` means a wrong password (RFC 3261 section 22.1: do
    /// not try again with rejected credentials). A later use may have been refused because the server lets a nonce
    /// serve once and does not say `stale`; its new nonce gets one try.
    fn judge(&self, carried: Option<&Carried>, challenge: &Challenge) -> Result<(), AuthError> {
        let Some(carried) = carried else {
            return Ok(());
        };
        let same_nonce = carried.credentials.nonce == challenge.nonce;
        if same_nonce || (carried.uses == 1 && !challenge.stale) {
            return Err(AuthError::Rejected {
                realm: challenge.realm.clone(),
                username: self.account.username().to_owned(),
            });
        }
        Ok(())
    }

    /// The challenge to answer among those of one realm.
    fn choose<'c>(
        &self,
        challenger: Challenger,
        realm: &str,
        challenges: &'c [(Challenger, Challenge)],
    ) -> Option<(&'c Challenge, Algorithm, Option<Qop>, Ha1)> {
        let mut best: Option<(&Challenge, Algorithm, Option<Qop>, Ha1)> = None;
        for (_, challenge) in challenges
            .iter()
            .filter(|(by, c)| *by == challenger && c.realm == realm)
        {
            let Some(algorithm) = challenge.algorithm.algorithm() else {
                continue;
            };
            let Ok(qop) = self.choose_qop(challenge, algorithm) else {
                continue;
            };
            if best
                .as_ref()
                .is_some_and(|(_, best, ..)| best.hash >= algorithm.hash)
            {
                continue;
            }
            let Some(ha1) = self.account.ha1(algorithm, realm) else {
                continue;
            };
            best = Some((challenge, algorithm, qop, ha1));
            if self.options.preference == Preference::Topmost {
                break;
            }
        }
        best
    }

    fn choose_qop(&self, challenge: &Challenge, algorithm: Algorithm) -> Result<Option<Qop>, ()> {
        match challenge.qop {
            // `-sess` binds to a cnonce, which only `qop` brings.
            None if algorithm.session => Err(()),
            None => Ok(None),
            Some(offered)
                if offered.auth_int && (self.options.prefer_integrity || !offered.auth) =>
            {
                Ok(Some(Qop::AuthInt))
            }
            Some(offered) if offered.auth => Ok(Some(Qop::Auth)),
            Some(_) => Err(()),
        }
    }

    fn why_unsupported(
        &self,
        challenger: Challenger,
        realm: &str,
        challenges: &[(Challenger, Challenge)],
    ) -> AuthError {
        let mut offered = challenges
            .iter()
            .filter(|(by, c)| *by == challenger && c.realm == realm)
            .map(|(_, c)| c);
        let answerable = |c: &Challenge| {
            c.algorithm
                .algorithm()
                .is_some_and(|a| self.choose_qop(c, a).is_ok())
        };
        let realm = realm.to_owned();
        if offered.clone().any(answerable) {
            return AuthError::NoSecret {
                realm,
                username: self.account.username().to_owned(),
            };
        }
        let algorithm = offered
            .next()
            .map_or(&AlgorithmParam::Absent, |c| &c.algorithm);
        let algorithm = match algorithm {
            AlgorithmParam::Other(name) => name.clone(),
            AlgorithmParam::Known(known) => known.to_string(),
            AlgorithmParam::Absent => Algorithm::MD5.to_string(),
        };
        AuthError::Unsupported { realm, algorithm }
    }

    fn remember(
        &mut self,
        challenger: Challenger,
        challenge: &Challenge,
        algorithm: Algorithm,
        qop: Option<Qop>,
        ha1: Ha1,
        chance: &mut dyn FnMut(&mut [u8]),
    ) {
        self.realms
            .retain(|known| !known.is(challenger, &challenge.realm));
        if self.realms.len() >= self.options.max_realms.max(1) {
            self.realms.remove(0);
        }
        let (mut random, mut hex) = ([0; 16], [0; 32]);
        chance(&mut random);
        write_hex(&random, &mut hex);
        let cnonce = hex.iter().copied().map(char::from).collect();
        let challenge = challenge.clone();
        self.realms.push(Realm {
            challenger,
            challenge,
            algorithm,
            qop,
            ha1,
            cnonce,
            uses: 0,
        });
    }
}

/// Why a challenged request is not worth sending again. The request has failed with its 401 or 407.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AuthError {
    /// The credentials were sent and refused: wrong user name or password.
    #[error("realm {realm:?} refuses the password of user {username:?}")]
    Rejected {
        /// The realm that refused.
        realm: String,
        /// The user name sent.
        username: String,
    },
    /// None of the realm's challenges has an algorithm and a `qop` that we speak.
    #[error(
        "realm {realm:?} offers no digest algorithm that is supported (its first is {algorithm:?})"
    )]
    Unsupported {
        /// The realm.
        realm: String,
        /// The algorithm of its first challenge.
        algorithm: String,
    },
    /// The account holds HA1s only, and none for this realm with an algorithm that it offers.
    #[error("no stored HA1 of user {username:?} fits realm {realm:?}")]
    NoSecret {
        /// The realm.
        realm: String,
        /// The account's user name.
        username: String,
    },
    /// The response carried no digest challenge that could be read.
    #[error("the response carries no digest challenge")]
    NoChallenge,
    /// The request was challenged more often than [`ClientAuthOptions::max_rounds`].
    #[error("realm {realm:?} challenges again and again")]
    TooManyRounds {
        /// The realm of the last challenge.
        realm: String,
    },
}
