//! Makes keys, and shows public ones.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::Path;

use examples::chance::random;
use token::{Algorithm, KeyPair, KeySet, PublicKey};
use zeroize::Zeroizing;

use crate::Answer;
use crate::cli::{Format, Keys};
use crate::key::Key;

pub(crate) fn run(command: &Keys) -> Answer {
    match command {
        Keys::Generate { alg, out } => generate(*alg, out),
        Keys::Public { format, alg, files } => {
            let keys = files
                .iter()
                .map(|file| {
                    let key = Key::read(file, *alg)?;
                    key.public()
                        .map_err(|why| format!("{}: {why}", file.display()))
                })
                .collect::<Result<Vec<_>, _>>()?;
            Ok(show(keys, *format))
        }
    }
}

fn generate(alg: Algorithm, out: &Path) -> Answer {
    // As many random bytes as the hash has (RFC 7518 section 3.2), written as text that any tool can hold.
    let secret = |bytes: &[u8]| {
        let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        Zeroizing::new(hex + "\n")
    };
    let text = match alg {
        Algorithm::Hs256 => secret(&Zeroizing::new(random::<32>())[..]),
        Algorithm::Hs384 => secret(&Zeroizing::new(random::<48>())[..]),
        Algorithm::Hs512 => secret(&Zeroizing::new(random::<64>())[..]),
        Algorithm::Rs256 | Algorithm::Ps256 => {
            return Err(
                "RSA keys are made by: openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:3072"
                    .to_owned(),
            );
        }
        alg => KeyPair::generate(alg).map_err(|error| error.to_string())?.1,
    };
    let mut options = OpenOptions::new();
    // Never over a key that is there: it may be the only copy.
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
        .open(out)
        .and_then(|mut file| file.write_all(text.as_bytes()))
        .map_err(|error| format!("{}: {error}", out.display()))?;
    Ok(String::new())
}

fn show(keys: Vec<PublicKey>, format: Format) -> String {
    let named = |key: PublicKey| match key.kid() {
        Some(_) => key,
        None => {
            let kid = key.thumbprint();
            key.with_kid(kid)
        }
    };
    match format {
        Format::Pem => keys.iter().map(PublicKey::to_pem).collect(),
        Format::Jwk => keys
            .into_iter()
            .map(|key| named(key).to_jwk() + "\n")
            .collect(),
        Format::Jwks => {
            let set = keys
                .into_iter()
                .fold(KeySet::new(), |set, key| set.with(named(key)));
            set.to_jwks() + "\n"
        }
    }
}
