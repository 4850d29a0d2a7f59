//! Checks a token, or shows it unchecked.

use std::fmt::Write as _;
use std::time::SystemTime;

use serde_json::Value;
use token::{AnyClaims, Inspection, SessionClaims, Verifier, VerifierOptions};

use crate::cli::Verify;
use crate::{Answer, token_text};

/// Longest token that is looked at, in bytes.
const MAX_LEN: usize = 8192;

pub(crate) fn run(args: &Verify, now: SystemTime) -> Answer {
    let token = token_text(&args.token)?;
    let mut options = VerifierOptions::default();
    options.audience.clone_from(&args.audience);
    options.issuers.clone_from(&args.issuer);
    let verified = Verifier::with_options(args.key.verifying()?, options)
        .verify_any(&token, now)
        .map_err(|error| error.to_string())?;
    match &verified.claims {
        AnyClaims::Session(claims) => own(claims, args)?,
        other if args.session.is_some() || !args.role.is_empty() => {
            let family = other.family();
            return Err(format!(
                "a token of the family {family} has no session and role of ours"
            ));
        }
        _ => {}
    }
    let mut out = format!(
        "valid: {}, signed with {}",
        verified.claims.family(),
        verified.algorithm
    );
    // Writing to a String cannot fail.
    if let Some(kid) = &verified.kid {
        let _ = write!(out, ", key {kid:?}");
    }
    if let AnyClaims::Session(claims) = &verified.claims
        && let Ok(left) = claims.expires_at().duration_since(now)
    {
        let _ = write!(out, ", for another {} s", left.as_secs());
    }
    let seen = token::inspect(&token, MAX_LEN).map_err(|error| error.to_string())?;
    let _ = writeln!(out, "\n{}", pretty(&seen.claims));
    Ok(out)
}

fn own(claims: &SessionClaims, args: &Verify) -> Result<(), String> {
    if let Some(session) = &args.session {
        claims
            .require_session(session)
            .map_err(|error| error.to_string())?;
    }
    if !args.role.is_empty() {
        claims
            .require_role(&args.role)
            .map_err(|error| error.to_string())?;
    }
    Ok(())
}

pub(crate) fn inspect(token: &str) -> Answer {
    let Inspection {
        header,
        claims,
        signature_len,
        ..
    } = token::inspect(&token_text(token)?, MAX_LEN).map_err(|error| error.to_string())?;
    Ok(format!(
        "NOT CHECKED: anyone could have written this\nheader {}\nclaims {}\nsignature of {signature_len} bytes\n",
        pretty(&header),
        pretty(&claims)
    ))
}

/// JSON on lines; control characters stay escaped, so that a token cannot write on the terminal as it likes.
fn pretty(json: &str) -> String {
    serde_json::from_str::<Value>(json)
        .and_then(|value| serde_json::to_string_pretty(&value))
        .map_or_else(|_| format!("{json:?}"), |text| escape(&text))
}

/// serde_json leaves DEL and the second set of control characters as they are.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_control() && c != '\n' {
            let _ = write!(out, "\\u{:04x}", u32::from(c));
        } else {
            out.push(c);
        }
    }
    out
}
