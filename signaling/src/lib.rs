#![forbid(unsafe_code)]
//! wip
pub mod call;
pub mod capture;
mod dial;
pub mod engine;
#[cfg(feature = "net")]
pub mod net;
mod random;
pub mod session;
pub use dial::{DialRequest, Secure};
pub use random::Random;
pub use rtp_core::negotiate::Hold;
pub use sip_core::CallId;
