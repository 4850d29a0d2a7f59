//! Signs a token.

use std::time::SystemTime;

use token::SessionClaims;

use crate::Answer;
use crate::cli::Mint;

pub(crate) fn run(args: &Mint, now: SystemTime) -> Answer {
    let key = args.key.signing(args.chain.as_deref())?;
    let mut claims = SessionClaims::new(&args.session, now, args.life).with_role(args.role);
    claims.data.clone_from(&args.data);
    claims.subject.clone_from(&args.subject);
    claims.issuer.clone_from(&args.issuer);
    claims.audience.clone_from(&args.audience);
    claims.id.clone_from(&args.id);
    token::mint(&claims, &*key)
        .map(|token| token + "\n")
        .map_err(|error| error.to_string())
}
