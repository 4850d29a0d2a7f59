//! Signs for another's public key.

use std::time::SystemTime;

use crate::Answer;
use crate::cli::Delegate;
use crate::key::Key;

pub(crate) fn run(args: &Delegate, now: SystemTime) -> Answer {
    let parent = args.key.delegated(args.chain.as_deref())?;
    let child = Key::read(&args.child, args.child_alg)?
        .public()
        .map_err(|why| format!("{}: {why}", args.child.display()))?;
    parent
        .delegate(&args.to, &child, now, now + args.life)
        .map(|delegation| delegation.to_text() + "\n")
        .map_err(|error| error.to_string())
}
