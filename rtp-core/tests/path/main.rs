//! Media paths against each other, against strangers, and against time.
#![allow(clippy::disallowed_methods, clippy::unwrap_used)]

mod calls;
mod keys;
mod pair;
mod properties;
mod strangers;
