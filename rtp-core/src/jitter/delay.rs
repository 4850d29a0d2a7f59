//! How long to wait: the distribution of how late packets are.

/// Packets whose lateness is remembered: ten seconds at 50 a second.
const HISTORY: usize = 512;
/// Width of a class of lateness in milliseconds.
const CLASS_MS: i64 = 5;
/// Classes: up to a second.
const CLASSES: usize = 200;
/// The least transit is taken over this many seconds at least, and twice as many at most.
const LINE_SECONDS: i64 = 2;

/// Times and lengths here are in ticks of the RTP clock.
#[derive(Debug, Clone)]
pub(crate) struct Delay {
    clock_rate: i64,
    /// The least transit of this period and of the one before.
    line: Option<(i64, i64)>,
    period_start: i64,
    history: Box<[u8; HISTORY]>,
    filled: usize,
    at: usize,
    classes: Box<[u16; CLASSES]>,
    on_time_permille: usize,
    /// The class that holds the wanted share, up to date after every packet.
    class: usize,
}

impl Delay {
    pub(crate) fn new(clock_rate: u32, on_time_permille: u16) -> Delay {
        Delay {
            clock_rate: i64::from(clock_rate.max(1)),
            line: None,
            period_start: 0,
            history: Box::new([0; HISTORY]),
            filled: 0,
            at: 0,
            classes: Box::new([0; CLASSES]),
            on_time_permille: usize::from(on_time_permille.min(1000)),
            class: 0,
        }
    }

    /// The transit of an undelayed packet; `None` before the first.
    pub(crate) fn line(&self) -> Option<i64> {
        self.line.map(|(this, before)| this.min(before))
    }

    /// Timestamps start anew; how late packets are is remembered.
    pub(crate) fn restart(&mut self) {
        self.line = None;
    }

    /// Counts a packet that arrived at `now` with `transit`.
    pub(crate) fn packet(&mut self, now: i64, transit: i64) {
        let (this, before) = match self.line {
            None => {
                self.period_start = now;
                (transit, transit)
            }
            Some((this, before)) => {
                let age = now - self.period_start;
                let period = LINE_SECONDS * self.clock_rate;
                if age >= 2 * period {
                    // Both are from before a long silence: drift may have moved the line.
                    self.period_start = now;
                    (transit, transit)
                } else if age >= period {
                    self.period_start = now;
                    (transit, this)
                } else {
                    (this.min(transit), before)
                }
            }
        };
        self.line = Some((this, before));
        let late_ms = (transit - this.min(before)) * 1000 / self.clock_rate;
        let class = usize::try_from(late_ms / CLASS_MS)
            .unwrap_or(0)
            .min(CLASSES - 1);
        if self.filled == HISTORY {
            let gone = usize::from(self.history[self.at]);
            self.classes[gone] = self.classes[gone].saturating_sub(1);
        } else {
            self.filled += 1;
        }
        self.history[self.at] = class as u8;
        self.classes[class] += 1;
        self.at = (self.at + 1) % HISTORY;
        self.class = self.find();
    }

    fn find(&self) -> usize {
        let wanted = (self.filled * self.on_time_permille).div_ceil(1000);
        let mut sum = 0;
        for (class, &count) in self.classes.iter().enumerate() {
            sum += usize::from(count);
            if sum >= wanted {
                return class;
            }
        }
        CLASSES - 1
    }

    /// The delay at which the wanted share would have been in time.
    pub(crate) fn needed(&self) -> i64 {
        if self.filled == 0 {
            return 0;
        }
        (self.class as i64 + 1) * CLASS_MS * self.clock_rate / 1000
    }

    /// Whether enough has been seen to believe [`Delay::needed`].
    pub(crate) fn settled(&self) -> bool {
        self.filled >= 50
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn needs_little_on_a_still_line_and_much_on_a_rough_one() {
        let mut delay = Delay::new(8000, 985);
        for n in 0..600i64 {
            delay.packet(n * 160, 1000);
        }
        assert_eq!(delay.needed(), 40);
        assert_eq!(delay.line(), Some(1000));
        // Every tenth packet 60 ms late.
        for n in 600..1200i64 {
            let late = if n % 10 == 0 { 480 } else { 0 };
            delay.packet(n * 160, 1000 + late);
        }
        assert_eq!(delay.needed(), 65 * 8);
        for n in 1200..1800i64 {
            delay.packet(n * 160, 1000);
        }
        assert_eq!(delay.needed(), 40);
    }

    #[test]
    fn the_line_follows_drift_upwards() {
        let mut delay = Delay::new(8000, 985);
        // 200 ppm: one tick every 5000.
        for n in 0..30_000i64 {
            delay.packet(n * 160, n * 160 / 5000);
        }
        let line = delay.line().unwrap();
        let truth = 30_000 * 160 / 5000;
        assert!((truth - line) < 10, "{line} {truth}");
        assert_eq!(delay.needed(), 40);
    }
}
