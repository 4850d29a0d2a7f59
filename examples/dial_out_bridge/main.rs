//! Dials a phone out of a session.
fn main() {}
