//! Keys in the forms that both sides take.

use std::path::Path;
use token::{Algorithm, KeyPair, SigningKey, StaticSecret, VerifyingKey};

/// Long enough for HS512.
const SECRET: &str = "sixty-four characters of a secret that everybody may read, here.";

/// What both sides take of one algorithm.
pub(crate) struct Key {
    pub(crate) algorithm: Algorithm,
    pub(crate) signing: Box<dyn SigningKey>,
    pub(crate) verifying: VerifyingKey,
    pub(crate) form: Form,
}

pub(crate) enum Form {
    Secret(String),
    Pair {
        private_pem: String,
        public_pem: String,
    },
}

impl Key {
    /// The key that `token`'s own tests use for this algorithm.
    pub(crate) fn of(algorithm: Algorithm) -> Key {
        let stem = match algorithm {
            Algorithm::Rs256 | Algorithm::Ps256 => "rsa",
            Algorithm::Es256 => "p256",
            Algorithm::EdDsa => "ed25519",
            _ => return Key::secret(algorithm, SECRET),
        };
        Key::pair(
            algorithm,
            file(&format!("{stem}.pem")),
            file(&format!("{stem}.pub.pem")),
        )
    }

    pub(crate) fn secret(algorithm: Algorithm, secret: &str) -> Key {
        let key = StaticSecret::of_any_length(algorithm, secret.as_bytes()).expect("a secret");
        Key {
            algorithm,
            signing: Box::new(key.clone()),
            verifying: key.into(),
            form: Form::Secret(secret.to_owned()),
        }
    }

    pub(crate) fn pair(algorithm: Algorithm, private_pem: String, public_pem: String) -> Key {
        let pair = KeyPair::from_pem(algorithm, &private_pem).expect("a key pair");
        Key {
            algorithm,
            verifying: pair.public_key().clone().into(),
            signing: Box::new(pair),
            form: Form::Pair {
                private_pem,
                public_pem,
            },
        }
    }
}

fn file(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../token/tests/keys")
        .join(name);
    std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}
