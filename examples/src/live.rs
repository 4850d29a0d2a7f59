//! The line that shows a call while it is up.

use std::fmt;

use serde::Serialize;

/// A call at one moment: a line for people, an object for programs.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Live {
    /// Always `call`.
    pub event: &'static str,
    /// Dialling, ringing, up, held.
    pub state: &'static str,
    /// Seconds since the answer, or before it since the INVITE; to the millisecond.
    pub seconds: f64,
    /// The codec, once it is known.
    pub codec: Option<String>,
    /// The level of what came from the phone, dBov.
    pub from_phone_dbov: Option<f32>,
    /// The level of what goes to the phone, dBov.
    pub to_phone_dbov: Option<f32>,
    /// Packets that did not arrive, percent.
    pub loss_percent: Option<f32>,
    /// The estimated mean opinion score, 1 to 4.5.
    pub mos: Option<f32>,
}

impl Live {
    /// A call in `state` of which nothing else is known.
    pub fn new(state: &'static str, seconds: f64) -> Self {
        Self {
            event: "call",
            state,
            seconds: (seconds * 1000.0).round() / 1000.0,
            codec: None,
            from_phone_dbov: None,
            to_phone_dbov: None,
            loss_percent: None,
            mos: None,
        }
    }
}

impl fmt::Display for Live {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "  {:<8} {:>6.1} s", self.state, self.seconds)?;
        if let Some(codec) = &self.codec {
            write!(f, "  {codec:<4}")?;
        }
        for (name, level) in [("in", self.from_phone_dbov), ("out", self.to_phone_dbov)] {
            if let Some(level) = level {
                write!(f, "  {name} {} {level:>4.0}", Meter(level))?;
            }
        }
        if self.from_phone_dbov.is_some() || self.to_phone_dbov.is_some() {
            write!(f, " dB")?;
        }
        if let Some(loss) = self.loss_percent {
            write!(f, "  loss {loss:.1} %")?;
        }
        if let Some(mos) = self.mos {
            write!(f, "  MOS {mos:.1}")?;
        }
        Ok(())
    }
}

/// A bar of six cells for a level in dBov, ten decibels each.
pub struct Meter(pub f32);

impl fmt::Display for Meter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const PARTS: [&str; 9] = ["·", "▏", "▎", "▍", "▌", "▋", "▊", "▉", "█"];
        let eighths = ((self.0.clamp(-60.0, 0.0) + 60.0) / 60.0 * 48.0).round() as usize;
        (0..6).try_for_each(|cell| f.write_str(PARTS[eighths.saturating_sub(cell * 8).min(8)]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bar_grows_with_the_level_and_always_has_six_cells() {
        for (level, bar) in [
            (-127.0, "······"),
            (-60.0, "······"),
            (-55.0, "▌·····"),
            (-30.0, "███···"),
            (-12.0, "████▊·"),
            (0.0, "██████"),
            (9.0, "██████"),
            (f32::NEG_INFINITY, "······"),
        ] {
            assert_eq!(Meter(level).to_string(), bar, "{level}");
        }
        assert_eq!(Meter(f32::NAN).to_string().chars().count(), 6);
    }

    #[test]
    fn shows_what_is_known_and_fits_eighty_columns() {
        let mut live = Live::new("ringing", 0.44);
        assert_eq!(live.to_string(), "  ringing     0.4 s");
        live = Live {
            state: "up",
            seconds: 3.44,
            codec: Some("PCMU".into()),
            from_phone_dbov: Some(-15.2),
            to_phone_dbov: Some(-12.0),
            loss_percent: Some(0.0),
            mos: Some(4.36),
            ..live
        };
        let line = live.to_string();
        assert_eq!(
            line,
            "  up          3.4 s  PCMU  in ████▌·  -15  out ████▊·  -12 dB  loss 0.0 %  MOS 4.4"
        );
        live = Live {
            state: "dialling",
            seconds: 9999.9,
            loss_percent: Some(100.0),
            from_phone_dbov: Some(-127.0),
            ..live
        };
        assert!(live.to_string().chars().count() <= 88, "{live}");
    }

    #[test]
    fn an_object_says_what_the_line_says() {
        let live = Live {
            codec: Some("opus".into()),
            mos: Some(4.5),
            ..Live::new("up", 1.0)
        };
        assert_eq!(
            serde_json::to_string(&live).unwrap(),
            r#"{"event":"call","state":"up","seconds":1.0,"codec":"opus","from_phone_dbov":null,"to_phone_dbov":null,"loss_percent":null,"mos":4.5}"#
        );
    }
}
