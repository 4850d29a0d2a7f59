//! Who says so: HMAC-SHA256 over the time and the body.

use ring::hmac;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Why a signature is not believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SignatureError {
    /// It is not of the form `t=SECONDS,v1=HEX`.
    #[error("the signature cannot be read")]
    Malformed,
    /// It was made longer ago, or further ahead, than allowed: perhaps somebody plays back an old hook.
    #[error("the signature is {0} s old")]
    Stale(i64),
    /// It was made with another secret, or of another body.
    #[error("the signature is wrong")]
    Wrong,
}

fn seconds(now: SystemTime) -> u64 {
    now.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

fn signed(seconds: u64, body: &[u8]) -> Vec<u8> {
    [seconds.to_string().as_bytes(), b".", body].concat()
}

/// The value of the header.
pub(super) fn sign(secret: &[u8], body: &[u8], now: SystemTime) -> String {
    let at = seconds(now);
    let tag = hmac::sign(
        &hmac::Key::new(hmac::HMAC_SHA256, secret),
        &signed(at, body),
    );
    let hex: String = tag
        .as_ref()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    format!("t={at},v1={hex}")
}

/// Checks the header `Patchcord-Signature` of a hook that came: what a receiver does.
///
/// # Errors
/// Why it is not believed; in constant time as to what the right signature would be.
pub fn verify(
    secret: &[u8],
    header: &str,
    body: &[u8],
    now: SystemTime,
    tolerance: Duration,
) -> Result<(), SignatureError> {
    let rest = header.strip_prefix("t=").ok_or(SignatureError::Malformed)?;
    let (at, hex) = rest.split_once(",v1=").ok_or(SignatureError::Malformed)?;
    if at.is_empty() || !at.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(SignatureError::Malformed);
    }
    let at: u64 = at.parse().map_err(|_| SignatureError::Malformed)?;
    let tag = unhex(hex).ok_or(SignatureError::Malformed)?;
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret);
    hmac::verify(&key, &signed(at, body), &tag).map_err(|_| SignatureError::Wrong)?;
    let now = seconds(now);
    if now.abs_diff(at) > tolerance.as_secs() {
        let age = i64::try_from(now)
            .unwrap_or(i64::MAX)
            .saturating_sub_unsigned(at);
        return Err(SignatureError::Stale(age));
    }
    Ok(())
}

fn unhex(text: &str) -> Option<[u8; 32]> {
    let bytes = text.as_bytes();
    if bytes.len() != 64 {
        return None;
    }
    let digit = |byte: u8| {
        char::from(byte)
            .to_digit(16)
            .and_then(|d| u8::try_from(d).ok())
    };
    let mut out = [0; 32];
    for (byte, pair) in out.iter_mut().zip(bytes.chunks_exact(2)) {
        *byte = digit(pair[0])? << 4 | digit(pair[1])?;
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_signature_as_openssl_makes_it() {
        // printf '1700000000.{"event":"started"}' | openssl dgst -sha256 -hmac secret
        let at = UNIX_EPOCH + Duration::from_secs(1_700_000_000);
        let body = br#"{"event":"started"}"#;
        let header = sign(b"secret", body, at);
        assert_eq!(
            header,
            "t=1700000000,v1=00d6055eef5df100e22c2aed74938256d586bb7a07e9ec4134e29ef4d92e4741"
        );
    }

    #[test]
    fn what_is_not_believed() {
        let at = UNIX_EPOCH + Duration::from_secs(1_700_000_000);
        let minute = Duration::from_secs(60);
        let good = sign(b"secret", b"body", at);
        let check = |secret: &[u8], header: &str, body: &[u8], now| {
            verify(secret, header, body, now, minute)
        };
        assert_eq!(check(b"secret", &good, b"body", at + minute), Ok(()));
        assert_eq!(
            check(b"secret", &good, b"body", at + 2 * minute),
            Err(SignatureError::Stale(120))
        );
        assert_eq!(
            check(b"secret", &good, b"body", at - 2 * minute),
            Err(SignatureError::Stale(-120))
        );
        assert_eq!(
            check(b"other", &good, b"body", at),
            Err(SignatureError::Wrong)
        );
        assert_eq!(
            check(b"secret", &good, b"Body", at),
            Err(SignatureError::Wrong)
        );
        let later = good.replacen("t=17", "t=18", 1);
        assert_eq!(
            check(b"secret", &later, b"body", at),
            Err(SignatureError::Wrong)
        );
        for bad in ["", "t=1", "t=,v1=", "t=1,v1=zz", "v1=00,t=1", "t=+1,v1=00"] {
            assert_eq!(
                check(b"secret", bad, b"body", at),
                Err(SignatureError::Malformed),
                "{bad}"
            );
        }
    }
}
