//! Other people's implementations of JWS and JWT, behind one face; the first of them.

use crate::key::{Form, Key};
use serde_json::Value;
use token::Algorithm;

/// Whom every verifier here takes itself for.
pub(crate) const AUDIENCE: &str = "gateway";

/// One that signs and verifies. It verifies at the time of the system's clock, without leeway, for [`AUDIENCE`],
/// and demands `exp`.
pub(crate) trait Peer {
    fn name(&self) -> &'static str;
    fn sign(&mut self, key: &Key, kid: Option<&str>, claims: &Value) -> String;
    fn verify(&mut self, key: &Key, token: &str) -> Result<Value, String>;
    fn verify_by_set(&mut self, jwks: &str, token: &str) -> Result<Value, String>;
    /// RFC 7638; `None` when it has none.
    fn thumbprint(&mut self, jwk: &str) -> Option<String>;
}

/// The Rust crate, on RustCrypto.
pub(crate) struct Jsonwebtoken;

impl Jsonwebtoken {
    fn algorithm(algorithm: Algorithm) -> jsonwebtoken::Algorithm {
        algorithm.name().parse().expect("an algorithm it has")
    }

    fn decode(
        token: &str,
        key: &jsonwebtoken::DecodingKey,
        algorithm: jsonwebtoken::Algorithm,
    ) -> Result<Value, String> {
        let mut rules = jsonwebtoken::Validation::new(algorithm);
        rules.leeway = 0;
        rules.validate_nbf = true;
        rules.set_audience(&[AUDIENCE]);
        rules.set_required_spec_claims(&["exp", "aud"]);
        jsonwebtoken::decode(token, key, &rules)
            .map(|data| data.claims)
            .map_err(|e| e.to_string())
    }
}

impl Peer for Jsonwebtoken {
    fn name(&self) -> &'static str {
        "jsonwebtoken"
    }

    fn sign(&mut self, key: &Key, kid: Option<&str>, claims: &Value) -> String {
        use jsonwebtoken::EncodingKey as Half;
        let half = match (&key.form, key.algorithm) {
            (Form::Secret(secret), _) => Ok(Half::from_secret(secret.as_bytes())),
            (
                Form::Pair {
                    private_pem: pem, ..
                },
                Algorithm::Es256,
            ) => Half::from_ec_pem(pem.as_bytes()),
            (
                Form::Pair {
                    private_pem: pem, ..
                },
                Algorithm::EdDsa,
            ) => Half::from_ed_pem(pem.as_bytes()),
            (
                Form::Pair {
                    private_pem: pem, ..
                },
                _,
            ) => Half::from_rsa_pem(pem.as_bytes()),
        };
        let mut header = jsonwebtoken::Header::new(Self::algorithm(key.algorithm));
        header.kid = kid.map(str::to_owned);
        jsonwebtoken::encode(&header, claims, &half.expect("its key")).expect("signs")
    }

    fn verify(&mut self, key: &Key, token: &str) -> Result<Value, String> {
        use jsonwebtoken::DecodingKey as Half;
        let half = match (&key.form, key.algorithm) {
            (Form::Secret(secret), _) => Ok(Half::from_secret(secret.as_bytes())),
            (
                Form::Pair {
                    public_pem: pem, ..
                },
                Algorithm::Es256,
            ) => Half::from_ec_pem(pem.as_bytes()),
            (
                Form::Pair {
                    public_pem: pem, ..
                },
                Algorithm::EdDsa,
            ) => Half::from_ed_pem(pem.as_bytes()),
            (
                Form::Pair {
                    public_pem: pem, ..
                },
                _,
            ) => Half::from_rsa_pem(pem.as_bytes()),
        };
        Self::decode(
            token,
            &half.expect("its key"),
            Self::algorithm(key.algorithm),
        )
    }

    fn verify_by_set(&mut self, jwks: &str, token: &str) -> Result<Value, String> {
        let set: jsonwebtoken::jwk::JwkSet = serde_json::from_str(jwks).expect("a set");
        let header = jsonwebtoken::decode_header(token).map_err(|e| e.to_string())?;
        let jwk = set.find(&header.kid.expect("a kid")).expect("a key");
        let named = jwk.common.key_algorithm.expect("`alg`").to_string();
        let key = jsonwebtoken::DecodingKey::from_jwk(jwk).map_err(|e| e.to_string())?;
        Self::decode(token, &key, named.parse().expect("an algorithm it has"))
    }

    fn thumbprint(&mut self, jwk: &str) -> Option<String> {
        let jwk: jsonwebtoken::jwk::Jwk = serde_json::from_str(jwk).expect("a JWK");
        jwk.thumbprint(jsonwebtoken::jwk::ThumbprintHash::SHA256)
            .ok()
    }
}
