//! What crosses threads.
#![allow(clippy::unwrap_used)]

fn both<T: Send + Sync>() {}

#[test]
fn keys_claims_and_verifiers_cross_threads() {
    both::<token::Verifier>();
    both::<token::KeySet>();
    both::<token::VerifyingKey>();
    both::<token::StaticSecret>();
    both::<token::KeyPair>();
    both::<token::DerivedSecret>();
    both::<token::DelegatedKey>();
    both::<token::TrustRoot>();
    both::<token::T1Secret>();
    both::<token::ApiKey>();
    both::<token::AnyClaims>();
    both::<token::SessionClaims>();
    both::<token::VerifyError>();
    both::<Box<dyn token::SigningKey>>();
}
