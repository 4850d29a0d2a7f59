//! The media engine: packets of calls in, a mix for each out, every 20 ms.
//!
//! [`Room`] joins the parts without sockets and clocks: for each call a media path, a jitter buffer and a decoder; one
//! mixer for all; for each call the encoded mix without its own voice. Whoever owns the sockets hands in packets and
//! calls [`Room::tick`]; behind the feature `net`, media threads do that for many rooms each.
//!
//! A room is used by one thread, so there is no lock in it, and once its calls are up a tick allocates nothing.

mod association;
#[cfg(feature = "net")]
mod clock;
mod leg;
#[cfg_attr(not(feature = "turn"), path = "no_relays.rs")]
pub(crate) mod relays;
mod room;
#[cfg(feature = "net")]
mod shaking;
mod tap;
mod voice;
mod way;

#[cfg(feature = "net")]
pub(crate) mod thread;

#[cfg(feature = "net")]
pub use clock::Lateness;
pub(crate) use leg::AUDIO_LEVEL;
pub use leg::{LegConfig, LegError, LegReport};
pub use room::{Room, RoomError, RoomEvent, Who};
#[cfg(feature = "net")]
pub(crate) use tap::tap;
pub use tap::{PcmReader, PcmWriter};
pub use voice::Voice;
