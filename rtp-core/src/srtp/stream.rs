//! One source's place in its index space: the extended index and what has been seen (RFC 3711 §3.3).

use crate::rtp::Ssrc;

/// The highest SRTP index: 48 bits (§3.3.1). A master key ends there (§9.2).
pub(crate) const MAX_RTP_INDEX: u64 = (1 << 48) - 1;
/// The highest SRTCP index: 31 bits (§3.4).
pub(crate) const MAX_RTCP_INDEX: u64 = (1 << 31) - 1;

/// How a packet's index relates to what was seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Freshness {
    Fresh,
    Seen,
    TooOld,
}

/// Highest index so far and a window of the 128 below it (§3.3.2 asks for 64 at least).
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Window {
    /// One above the highest index so far; 0 before the first packet.
    next: u64,
    /// Bit `n` stands for index `next - 1 - n`.
    seen: u128,
}

impl Window {
    pub(crate) const SIZE: u64 = 128;

    /// Whether `index` may be accepted.
    pub(crate) fn check(&self, index: u64) -> Freshness {
        if index >= self.next {
            return Freshness::Fresh;
        }
        let behind = self.next - 1 - index;
        if behind >= Self::SIZE {
            Freshness::TooOld
        } else if self.seen >> behind & 1 == 1 {
            Freshness::Seen
        } else {
            Freshness::Fresh
        }
    }

    /// Marks `index` as seen. A late one never moves the highest back.
    pub(crate) fn accept(&mut self, index: u64) {
        if index >= self.next {
            let ahead = index - self.next + 1;
            self.seen = if ahead >= Self::SIZE {
                1
            } else {
                self.seen << ahead | 1
            };
            self.next = index + 1;
        } else {
            let behind = self.next - 1 - index;
            if behind < Self::SIZE {
                self.seen |= 1 << behind;
            }
        }
    }
}

/// The state of one source in one direction.
#[derive(Debug, Clone, Copy)]
pub(crate) struct StreamState {
    pub(crate) ssrc: Ssrc,
    /// Highest index accepted, or where the counter was set to start: sequence number in its low 16 bits.
    top: u64,
    /// Whether `top`'s sequence number means something; before that only its rollover counter does.
    started: bool,
    window: Window,
    /// After a new key a source may go on with its rollover counter or begin at 0 (field practice differs): its first
    /// packet that verifies decides.
    pub(crate) rekeyed: bool,
    /// SRTCP: the next index to send with.
    pub(crate) next_rtcp: u64,
    pub(crate) rtcp_window: Window,
}

impl StreamState {
    pub(crate) fn new(ssrc: Ssrc) -> StreamState {
        StreamState {
            ssrc,
            top: 0,
            started: false,
            window: Window::default(),
            rekeyed: false,
            next_rtcp: 0,
            rtcp_window: Window::default(),
        }
    }

    /// The rollover counter: the upper 32 bits of the index.
    pub(crate) fn rollover(&self) -> u32 {
        (self.top >> 16) as u32
    }

    /// Sets the rollover counter before the next packet, whose sequence number is then taken as it comes.
    pub(crate) fn set_rollover(&mut self, counter: u32) {
        self.top = u64::from(counter) << 16;
        self.started = false;
        self.window = Window::default();
    }

    /// The index nearest to the highest so far (§3.3.1 and appendix A).
    #[inline]
    pub(crate) fn guess(&self, sequence: u16) -> u64 {
        if !self.started {
            return self.top & !0xffff | u64::from(sequence);
        }
        let step = i64::from(sequence.wrapping_sub(self.top as u16).cast_signed());
        let guess = self.top.cast_signed() + step;
        if guess < 0 {
            // Older than the first cycle: there is no counter below 0, so that it is taken as of cycle 0,
            // and fails its tag when it is not.
            return u64::from(sequence);
        }
        guess.cast_unsigned()
    }

    pub(crate) fn check(&self, index: u64) -> Freshness {
        self.window.check(index)
    }

    pub(crate) fn accept(&mut self, index: u64) {
        self.window.accept(index);
        if !self.started || index > self.top {
            self.top = index;
            self.started = true;
        }
    }
}

/// The sources of one direction, looked up by SSRC. Few, hence a list: the last one used is found first.
#[derive(Debug, Default)]
pub(crate) struct Streams {
    list: Vec<StreamState>,
}

impl Streams {
    pub(crate) fn with_capacity(capacity: usize) -> Streams {
        Streams {
            list: Vec::with_capacity(capacity),
        }
    }

    #[inline]
    pub(crate) fn find(&self, ssrc: Ssrc) -> Option<usize> {
        self.list.iter().position(|s| s.ssrc == ssrc)
    }

    #[inline]
    pub(crate) fn get(&self, at: Option<usize>, ssrc: Ssrc) -> StreamState {
        at.and_then(|at| self.list.get(at))
            .copied()
            .unwrap_or_else(|| StreamState::new(ssrc))
    }

    /// Stores a state; `false` when it is a new one and the list is full.
    #[inline]
    pub(crate) fn put(&mut self, at: Option<usize>, state: StreamState, max: usize) -> bool {
        if let Some(slot) = at.and_then(|at| self.list.get_mut(at)) {
            *slot = state;
            return true;
        }
        let room = self.list.len() < max;
        if room {
            self.list.push(state);
        }
        room
    }

    /// A source that [`Streams::find`] has found.
    #[inline]
    pub(crate) fn at(&mut self, at: usize) -> Option<&mut StreamState> {
        self.list.get_mut(at)
    }

    pub(crate) fn remove(&mut self, ssrc: Ssrc) {
        self.list.retain(|s| s.ssrc != ssrc);
    }

    pub(crate) fn len(&self) -> usize {
        self.list.len()
    }

    /// Forgets what was seen under the old key, but not where each source is.
    pub(crate) fn rekeyed(&mut self) {
        for state in &mut self.list {
            state.rekeyed = true;
            state.window = Window::default();
            state.rtcp_window = Window::default();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_window_refuses_what_it_saw_and_what_is_too_old() {
        let mut w = Window::default();
        assert_eq!(w.check(0), Freshness::Fresh);
        w.accept(0);
        assert_eq!(w.check(0), Freshness::Seen);
        w.accept(127);
        assert_eq!(w.check(0), Freshness::Seen);
        assert_eq!(w.check(1), Freshness::Fresh);
        w.accept(128);
        assert_eq!(w.check(0), Freshness::TooOld);
        w.accept(1_000_000);
        assert_eq!(w.check(999_999), Freshness::Fresh);
        assert_eq!(w.check(1_000_000 - 128), Freshness::TooOld);
        w.accept(999_999);
        assert_eq!(w.check(999_999), Freshness::Seen);
        assert_eq!(w.check(1_000_001), Freshness::Fresh);
    }

    #[test]
    fn a_late_packet_never_moves_the_index_back() {
        let mut s = StreamState::new(Ssrc(1));
        for index in [65_530u64, 65_535, 65_536 + 3] {
            assert_eq!(s.guess(index as u16), index);
            s.accept(index);
        }
        assert_eq!(s.rollover(), 1);
        // 65534 of cycle 0 comes late: recognised as cycle 0, and the counter stays.
        assert_eq!(s.guess(65_534), 65_534);
        s.accept(65_534);
        assert_eq!(s.rollover(), 1);
        assert_eq!(s.guess(4), 65_536 + 4);
    }

    #[test]
    fn a_counter_can_be_set_before_the_first_packet() {
        let mut s = StreamState::new(Ssrc(1));
        s.set_rollover(7);
        assert_eq!(s.guess(60_000), 7 << 16 | 60_000);
        s.accept(7 << 16 | 60_000);
        assert_eq!(s.rollover(), 7);
        assert_eq!(s.guess(3), 8 << 16 | 3);
    }
}
