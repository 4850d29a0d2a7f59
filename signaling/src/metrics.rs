//! A gateway's figures as Prometheus text (feature `metrics`): every name in one table.
//!
//! ```no_run
//! # fn scrape(gateway: &signaling::net::Gateway) -> String {
//! signaling::metrics::prometheus(&gateway.figures())
//! # }
//! ```

use crate::net::Figures;
use std::fmt::Write as _;

/// The content type of the text.
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// One metric: how it is called and where its value stands.
struct Metric {
    name: &'static str,
    kind: &'static str,
    help: &'static str,
    read: fn(&Figures) -> Value,
}

enum Value {
    One(f64),
    /// There is none now.
    None,
    /// By the value of a label.
    By(&'static str, Vec<(&'static str, f64)>),
}

#[allow(clippy::cast_precision_loss)] // Prometheus has nothing but doubles.
fn count(count: u64) -> Value {
    Value::One(count as f64)
}

fn amount(amount: usize) -> Value {
    count(amount as u64)
}

/// Names end in their unit, and in `_total` where they only grow, as Prometheus asks.
const TABLE: &[Metric] = &[
    Metric {
        name: "patchcord_sessions",
        kind: "gauge",
        help: "Open sessions.",
        read: |figures| amount(figures.sessions),
    },
    Metric {
        name: "patchcord_participants",
        kind: "gauge",
        help: "Participants of all sessions, phones included.",
        read: |figures| amount(figures.participants),
    },
    Metric {
        name: "patchcord_calls",
        kind: "gauge",
        help: "Calls that are not over.",
        read: |figures| amount(figures.calls),
    },
    Metric {
        name: "patchcord_calls_up",
        kind: "gauge",
        help: "Calls that are answered and not over.",
        read: |figures| amount(figures.calls_up),
    },
    Metric {
        name: "patchcord_media_port_pairs",
        kind: "gauge",
        help: "Pairs of media ports in use.",
        read: |figures| amount(figures.ports),
    },
    Metric {
        name: "patchcord_calls_dialled_total",
        kind: "counter",
        help: "Calls dialled.",
        read: |figures| count(figures.dialled),
    },
    Metric {
        name: "patchcord_calls_incoming_total",
        kind: "counter",
        help: "Calls that came in.",
        read: |figures| count(figures.incoming),
    },
    Metric {
        name: "patchcord_calls_answered_total",
        kind: "counter",
        help: "Calls that were answered.",
        read: |figures| count(figures.answered),
    },
    Metric {
        name: "patchcord_call_setup_seconds_total",
        kind: "counter",
        help: "Time from INVITE to answer of all answered calls.",
        read: |figures| Value::One(figures.setup.as_secs_f64()),
    },
    Metric {
        name: "patchcord_calls_ended_total",
        kind: "counter",
        help: "Calls that are over, by what ended them.",
        read: |figures| {
            let ended = figures.ended.iter();
            #[allow(clippy::cast_precision_loss)]
            Value::By(
                "reason",
                ended.map(|(reason, &n)| (*reason, n as f64)).collect(),
            )
        },
    },
    Metric {
        name: "patchcord_rtp_packets_received_total",
        kind: "counter",
        help: "RTP packets from phones.",
        read: |figures| count(figures.packets_received),
    },
    Metric {
        name: "patchcord_rtp_packets_lost",
        kind: "gauge",
        help: "RTP packets from phones that never came; late ones lower it again.",
        read: |figures| count(figures.packets_lost),
    },
    Metric {
        name: "patchcord_call_mos_worst",
        kind: "gauge",
        help: "The worst mean opinion score of the calls that are up, 1 to 4.5.",
        read: |figures| figures.worst_mos.map_or(Value::None, Value::One),
    },
    Metric {
        name: "patchcord_media_ticks_total",
        kind: "counter",
        help: "Ticks of the media thread that is latest.",
        read: |figures| count(figures.lateness.ticks),
    },
    Metric {
        name: "patchcord_media_ticks_late_total",
        kind: "counter",
        help: "Ticks of it that ran more than 5 ms after they were due.",
        read: |figures| count(figures.lateness.late),
    },
    Metric {
        name: "patchcord_media_ticks_dropped_total",
        kind: "counter",
        help: "Ticks of it that were dropped.",
        read: |figures| count(figures.lateness.dropped),
    },
    Metric {
        name: "patchcord_media_tick_lateness_worst_seconds",
        kind: "gauge",
        help: "The latest that a tick ever ran.",
        read: |figures| Value::One(figures.lateness.worst.as_secs_f64()),
    },
];

/// The names of all metrics.
pub fn names() -> impl Iterator<Item = &'static str> {
    TABLE.iter().map(|metric| metric.name)
}

/// The figures as text in the exposition format of Prometheus.
pub fn prometheus(figures: &Figures) -> String {
    let mut text = String::new();
    for metric in TABLE {
        let Metric {
            name, kind, help, ..
        } = metric;
        // Writing into a string cannot fail.
        let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} {kind}");
        let _ = match (metric.read)(figures) {
            Value::One(value) => writeln!(text, "{name} {value}"),
            Value::None => Ok(()),
            Value::By(label, values) => values
                .iter()
                .try_for_each(|(of, value)| writeln!(text, "{name}{{{label}=\"{of}\"}} {value}")),
        };
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::{BTreeMap, HashSet};
    use std::time::Duration;

    #[test]
    fn every_metric_once_with_its_value() {
        let mut figures = Figures {
            calls: 3,
            setup: Duration::from_millis(1500),
            ended: BTreeMap::from([("hung_up", 2), ("rejected", 1)]),
            ..Figures::default()
        };
        let text = prometheus(&figures);
        for name in names() {
            assert!(text.contains(&format!("# TYPE {name} ")), "{name}");
        }
        assert_eq!(names().collect::<HashSet<_>>().len(), TABLE.len());
        for line in [
            "patchcord_calls 3\n",
            "patchcord_call_setup_seconds_total 1.5\n",
            "patchcord_calls_ended_total{reason=\"rejected\"} 1\n",
        ] {
            assert!(text.contains(line), "{line}{text}");
        }
        assert!(
            !text.contains("\npatchcord_call_mos_worst "),
            "no call, no MOS: {text}"
        );
        figures.worst_mos = Some(4.25);
        assert!(prometheus(&figures).contains("patchcord_call_mos_worst 4.25\n"));
        for metric in TABLE {
            assert_eq!(
                metric.name.ends_with("_total"),
                metric.kind == "counter",
                "{}",
                metric.name
            );
        }
    }
}
