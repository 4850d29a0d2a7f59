//! The wire shapes of the OpenTok dial API, as that vendor's server SDKs write and read them.
//!
//! Bodies become orders that were checked once; what is wrong with one is said in a sentence. Nothing here knows a
//! session or a socket.

mod body;
mod call;
mod session_id;

pub use body::{ArchiveOrder, CallbackOrder, MuteOrder, SessionOrder, SignalOrder, keys};
pub use call::{DialOrder, Secured};
pub use session_id::SessionName;
