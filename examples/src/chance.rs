//! Randomness for the state machines, which have none of their own.

use signaling::Random;

/// The operating system's, which is of cryptographic quality.
pub fn chance() -> Random {
    Random::new(fill)
}

/// Random bytes, for keys and secrets.
pub fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    fill(&mut bytes);
    bytes
}

/// # Panics
/// When the operating system has no randomness: nothing that follows would be safe.
fn fill(bytes: &mut [u8]) {
    getrandom::fill(bytes).expect("the operating system gives random bytes");
}

#[cfg(test)]
mod tests {
    #[test]
    fn two_draws_differ() {
        assert_ne!(super::random::<32>(), super::random::<32>());
    }
}
