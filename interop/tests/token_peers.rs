//! Tokens beside three implementations that nobody here wrote: `jsonwebtoken` (Rust), `jose` (npm) and PyJWT (Python),
//! each algorithm both ways, keys and key sets both ways, and what all must refuse.
//!
//! The peers judge by the system's clock, so these tests do too.

#[path = "token_peers/key.rs"]
mod key;
#[path = "token_peers/peer.rs"]
mod peer;
#[path = "token_peers/script.rs"]
mod script;

use key::{Form, Key};
use peer::{AUDIENCE, Jsonwebtoken, Peer};
use script::Script;
use serde_json::{Value, json};
use std::time::{Duration, SystemTime};
use token::{
    Algorithm, KeyPair, KeySet, PublicKey, Role, SessionClaims, StaticSecret, Verifier,
    VerifierOptions, VerifyError, mint,
};

const HOUR: Duration = Duration::from_secs(3600);
const PAIRS: [Algorithm; 4] = [
    Algorithm::Rs256,
    Algorithm::Ps256,
    Algorithm::Es256,
    Algorithm::EdDsa,
];

#[test]
fn jsonwebtoken_and_we_agree() {
    agree(&mut Jsonwebtoken);
}

#[test]
fn jose_and_we_agree() {
    if let Some(mut jose) = Script::jose() {
        agree(&mut jose);
        trade_keys(&mut jose);
    }
}

#[test]
fn pyjwt_and_we_agree() {
    if let Some(mut pyjwt) = Script::pyjwt() {
        agree(&mut pyjwt);
        trade_keys(&mut pyjwt);
    }
}

fn agree(peer: &mut dyn Peer) {
    for algorithm in Algorithm::ALL {
        let key = Key::of(algorithm);
        exchange(&key, peer);
        refuse(&key, peer);
        refuse_each_change(&key, peer);
    }
    show_keys(peer);
}

fn verify(keys: impl Into<KeySet>, token: &str) -> Result<SessionClaims, VerifyError> {
    let mut options = VerifierOptions::default();
    options.leeway = Duration::ZERO;
    options.audience = Some(AUDIENCE.to_owned());
    Verifier::with_options(keys, options)
        .verify(token, SystemTime::now())
        .map(|verified| verified.claims)
}

fn json_of(claims: &SessionClaims) -> Value {
    serde_json::to_value(claims).expect("claims are JSON")
}

/// Claims that every verifier here takes, valid since `since`.
fn claims(since: SystemTime) -> SessionClaims {
    SessionClaims::new("standup", since, HOUR).with_audience(AUDIENCE)
}

/// A generator that gives the same figures in every run.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % bound as u64) as usize
    }

    /// Characters that JSON, or those who write it, treat each in their own way.
    fn text(&mut self, len: usize) -> String {
        const CHARS: [char; 16] = [
            'a', '7', ' ', '=', '.', '"', '\\', '/', '\n', '\0', '\u{7f}', 'é', '\u{2028}', '語',
            '😀', '\u{ffff}',
        ];
        (0..len).map(|_| CHARS[self.below(CHARS.len())]).collect()
    }

    fn claims(&mut self, now: SystemTime) -> SessionClaims {
        let len = 1 + self.below(40);
        let since = now - Duration::from_secs(self.below(3000) as u64);
        let mut claims = SessionClaims::new(self.text(len), since, HOUR)
            .with_audience(AUDIENCE)
            .with_role(Role::ALL[self.below(4)]);
        if self.below(2) == 0 {
            claims = claims.with_audience(self.text(9));
        }
        if self.below(2) == 0 {
            let len = 1 + self.below(250);
            claims = claims.with_data(self.text(len)).not_before(since);
        }
        if self.below(2) == 0 {
            claims = claims.with_subject(self.text(5)).with_id(self.text(7));
        }
        if self.below(2) == 0 {
            claims = claims.with_issuer("https://pbx.example/a?b=c");
        }
        claims
    }
}

/// What either signs says the same to the other.
fn exchange(key: &Key, peer: &mut dyn Peer) {
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    let now = SystemTime::now();
    for _ in 0..25 {
        let claims = random.claims(now);
        let ours = mint(&claims, &*key.signing).expect("mints");
        assert_eq!(
            peer.verify(key, &ours),
            Ok(json_of(&claims)),
            "{} reads {}",
            peer.name(),
            key.algorithm
        );
        let theirs = peer.sign(key, None, &json_of(&claims));
        assert_eq!(
            verify(key.verifying.clone(), &theirs),
            Ok(claims),
            "{} of {}",
            key.algorithm,
            peer.name()
        );
    }
    // A NumericDate may have a fraction (RFC 7519 section 2), and others' tokens claims that we do not know.
    let mut odd = json_of(&claims(now));
    odd["exp"] = json!(odd["exp"].as_f64().expect("a number") + 0.5);
    odd["aud"] = json!([AUDIENCE]);
    odd["scope"] = json!({"a": [1, null]});
    let theirs = peer.sign(key, None, &odd);
    assert_eq!(verify(key.verifying.clone(), &theirs), Ok(claims(now)));
    assert_eq!(peer.verify(key, &theirs), Ok(odd));
}

/// The table of what nobody takes.
fn refuse(key: &Key, peer: &mut dyn Peer) {
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64URL;

    let now = SystemTime::now();
    let sign = |claims: &SessionClaims| mint(claims, &*key.signing).expect("mints");
    let plain = SessionClaims::new("standup", now, HOUR);
    let good = sign(&claims(now));
    let [header, body, signature] = good.split('.').collect::<Vec<_>>()[..] else {
        panic!("three parts");
    };
    let other = sign(&claims(now).with_role(Role::Moderator));
    let [_, moderator, _] = other.split('.').collect::<Vec<_>>()[..] else {
        panic!("three parts");
    };
    let none = BASE64URL.encode(r#"{"alg":"none"}"#);
    let zeros = BASE64URL.encode(vec![
        0;
        BASE64URL.decode(signature).expect("base64url").len()
    ]);
    let mut endless = json_of(&claims(now));
    endless.as_object_mut().expect("an object").remove("exp");

    let mut table = vec![
        ("expired", sign(&claims(now - 2 * HOUR))),
        ("not yet", sign(&claims(now).not_before(now + HOUR / 2))),
        (
            "another audience",
            sign(&plain.clone().with_audience("door")),
        ),
        ("no audience", sign(&plain)),
        ("no expiry", peer.sign(key, None, &endless)),
        (
            "changed claims",
            format!("{header}.{moderator}.{signature}"),
        ),
        ("unsigned", format!("{none}.{body}.")),
        (
            "unsigned with a signature",
            format!("{none}.{body}.{signature}"),
        ),
        ("no signature", format!("{header}.{body}.")),
        ("two parts", format!("{header}.{body}")),
        ("four parts", format!("{good}.{signature}")),
        (
            "half a signature",
            good[..good.len() - signature.len() / 2].to_owned(),
        ),
        ("zeros", format!("{header}.{body}.{zeros}")),
        ("nothing", String::new()),
    ];
    for algorithm in Algorithm::ALL {
        if algorithm != key.algorithm {
            let text = mint(&claims(now), &*Key::of(algorithm).signing).expect("mints");
            table.push((algorithm.name(), text.clone()));
            // Another's signature under this one's header.
            let borrowed = text.rsplit('.').next().unwrap_or_default();
            table.push((
                "a borrowed signature",
                format!("{header}.{body}.{borrowed}"),
            ));
        }
    }
    match &key.form {
        Form::Secret(_) => {
            let other = Key::secret(
                key.algorithm,
                "another secret, as long as it need be, or longer, so that it fits",
            );
            let text = mint(&claims(now), &*other.signing).expect("mints");
            table.push(("another secret", text));
        }
        Form::Pair { public_pem, .. } => {
            // The public key, which everyone has, as the secret of an HMAC.
            let forger = StaticSecret::new(Algorithm::Hs256, public_pem.as_bytes());
            let text = mint(&claims(now), &forger.expect("a secret")).expect("mints");
            table.push(("a public key for a secret", text));
            if let Ok((other, _)) = KeyPair::generate(key.algorithm) {
                table.push(("another pair", mint(&claims(now), &other).expect("mints")));
            }
        }
    }
    assert!(peer.verify(key, &good).is_ok() && verify(key.verifying.clone(), &good).is_ok());
    for (what, token) in table {
        let (name, algorithm) = (peer.name(), key.algorithm);
        let ours = verify(key.verifying.clone(), &token);
        assert!(ours.is_err(), "{algorithm}: we take {what}: {token}");
        let theirs = peer.verify(key, &token);
        assert!(theirs.is_err(), "{algorithm}: {name} takes {what}: {token}");
    }
}

/// We take no changed token at all. Some peers do not look at the bits of base64 that carry nothing.
fn refuse_each_change(key: &Key, peer: &mut dyn Peer) {
    const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.=";
    let mut random = Random(0xdead_beef_cafe_f00d);
    let claims = claims(SystemTime::now()).with_data("sip=true");
    let good = mint(&claims, &*key.signing).expect("mints");
    for _ in 0..40 {
        let mut changed = good.clone().into_bytes();
        let at = random.below(changed.len());
        changed[at] = ALPHABET[random.below(ALPHABET.len())];
        let changed = String::from_utf8(changed).expect("ASCII");
        if changed == good {
            continue;
        }
        let ours = verify(key.verifying.clone(), &changed);
        assert!(ours.is_err(), "{}: we take {changed}", key.algorithm);
        if let Ok(theirs) = peer.verify(key, &changed) {
            assert_eq!(theirs, json_of(&claims), "{}: {changed}", peer.name());
        }
    }
}

/// Our public keys as a set, where the peer finds the one that signed; and their names.
fn show_keys(peer: &mut dyn Peer) {
    let pairs = PAIRS.map(|algorithm| {
        let Form::Pair { private_pem, .. } = Key::of(algorithm).form else {
            panic!("a pair");
        };
        let pair = KeyPair::from_pem(algorithm, &private_pem).expect("a pair");
        pair.with_kid(format!("key of {algorithm}"))
    });
    let set = pairs.iter().fold(KeySet::new(), |set, pair| {
        set.with(pair.public_key().clone())
    });
    let claims = claims(SystemTime::now());
    for pair in &pairs {
        let token = mint(&claims, pair).expect("mints");
        assert_eq!(
            peer.verify_by_set(&set.to_jwks(), &token),
            Ok(json_of(&claims)),
            "{} by the set of {}",
            pair.algorithm(),
            peer.name()
        );
        if let Some(print) = peer.thumbprint(&pair.public_key().to_jwk()) {
            assert_eq!(pair.public_key().thumbprint(), print, "{}", peer.name());
        }
    }
}

/// Their keys, in each form in which they write them, are ours to use.
fn trade_keys(peer: &mut Script) {
    let text = |value: &Value| value.as_str().expect("a text").to_owned();
    let mut public = Vec::new();
    let mut signed = Vec::new();
    for algorithm in PAIRS {
        let made = peer.new_pair(algorithm);
        let key = Key::pair(
            algorithm,
            text(&made["private_pem"]),
            text(&made["public_pem"]),
        );
        let from_jwk = KeyPair::from_jwk(&made["private_jwk"].to_string()).expect("a JWK");
        assert_eq!(
            Some(from_jwk.public_key()),
            key.verifying.public_key(),
            "{algorithm} of {}",
            peer.name()
        );
        for form in [
            PublicKey::from_pem(algorithm, &text(&made["public_pem"])),
            PublicKey::from_jwk(&made["public_jwk"].to_string()),
        ] {
            assert_eq!(form.as_ref(), Ok(from_jwk.public_key()));
        }
        exchange(&key, peer);

        let kid = from_jwk.public_key().thumbprint();
        let mut jwk = made["public_jwk"].clone();
        jwk["kid"] = json!(kid);
        public.push(jwk);
        let claims = claims(SystemTime::now()).with_id(kid.clone());
        signed.push((peer.sign(&key, Some(&kid), &json_of(&claims)), claims));
    }
    let set = KeySet::from_jwks(&json!({"keys": public}).to_string()).expect("a set");
    for (token, claims) in signed {
        assert_eq!(verify(set.clone(), &token), Ok(claims), "{}", peer.name());
    }
}
