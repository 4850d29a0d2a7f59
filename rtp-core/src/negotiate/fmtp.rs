//! What `a=fmtp` parameters mean for a match and for an answer.
//!
//! Most parameters are declarations ("this is what I like to receive") and never prevent a match: Opus
//! (RFC 7587 §7.1), G.729 `annexb` (RFC 4856), and whatever is unknown here. The exceptions:
//!
//! | codec | parameter | rule |
//! |---|---|---|
//! | AMR, AMR-WB (RFC 4867 §8.3.1) | `octet-align`, `interleaving`, `crc`, `robust-sorting` | both sides alike |
//! | AMR, AMR-WB | `mode-set` | the answer repeats the offer's |
//! | iLBC (RFC 3952 §5) | `mode` | 30 when either says 30 or nothing |
//! | G7221 (RFC 5577 §4.2) | `bitrate` | both alike |
//! | telephone-event (RFC 4733 §2.5) | events | those that both list |

use std::collections::BTreeSet;

/// `name=value;…`, names compared without regard to letter case.
fn parameter<'p>(parameters: Option<&'p str>, name: &str) -> Option<&'p str> {
    parameters?.split(';').find_map(|parameter| {
        let (key, value) = parameter.split_once('=')?;
        key.trim().eq_ignore_ascii_case(name).then(|| value.trim())
    })
}

/// A parameter whose absence means 0.
fn flag(parameters: Option<&str>, name: &str) -> bool {
    parameter(parameters, name).is_some_and(|value| value != "0")
}

/// Whether both sides' parameters of one codec can work together.
pub(super) fn compatible(name: &str, ours: Option<&str>, theirs: Option<&str>) -> bool {
    match name.to_ascii_uppercase().as_str() {
        "AMR" | "AMR-WB" => {
            let interleaved = |side| parameter(side, "interleaving").is_some();
            // Interleaving, CRC and robust sorting each imply octet alignment (RFC 4867 §8.1).
            let aligned = |side| {
                flag(side, "octet-align")
                    || interleaved(side)
                    || flag(side, "crc")
                    || flag(side, "robust-sorting")
            };
            aligned(ours) == aligned(theirs)
                && interleaved(ours) == interleaved(theirs)
                && flag(ours, "crc") == flag(theirs, "crc")
                && flag(ours, "robust-sorting") == flag(theirs, "robust-sorting")
        }
        "G7221" => parameter(ours, "bitrate") == parameter(theirs, "bitrate"),
        _ => true,
    }
}

/// The parameters to answer an offered codec with; `ours` when the rule is "declare your own".
pub(super) fn answer(name: &str, ours: Option<&str>, offered: Option<&str>) -> Option<String> {
    match name.to_ascii_lowercase().as_str() {
        "telephone-event" => ours.map(|ours| common_events(ours, offered)),
        "ilbc" => {
            let short = |side| parameter(side, "mode") == Some("20");
            Some(
                if short(ours) && short(offered) {
                    "mode=20"
                } else {
                    "mode=30"
                }
                .to_owned(),
            )
        }
        // Longer than any list of the nine modes: not worth keeping.
        "amr" | "amr-wb" => match (
            ours,
            parameter(offered, "mode-set").filter(|set| set.len() <= 32),
        ) {
            (Some(ours), Some(set)) if parameter(Some(ours), "mode-set").is_none() => {
                Some(format!("{ours};mode-set={set}"))
            }
            (None, Some(set)) => Some(format!("mode-set={set}")),
            (ours, _) => ours.map(str::to_owned),
        },
        _ => ours.map(str::to_owned),
    }
}

/// The events in both lists, in the form of RFC 4733 §2.5.1.1: `0-15,66,70`. No list means 0-15.
fn common_events(ours: &str, offered: Option<&str>) -> String {
    let (ours, theirs) = (events(ours), events(offered.unwrap_or("0-15")));
    let mut common = ours.intersection(&theirs).copied().peekable();
    let mut out = String::new();
    while let Some(first) = common.next() {
        let mut last = first;
        while let Some(next) = common.next_if(|next| last.checked_add(1) == Some(*next)) {
            last = next;
        }
        if !out.is_empty() {
            out.push(',');
        }
        out.push_str(&first.to_string());
        if last > first {
            out.push('-');
            out.push_str(&last.to_string());
        }
    }
    // Nothing in common: the keys of a telephone are what anybody means by this payload.
    if out.is_empty() {
        "0-15".to_owned()
    } else {
        out
    }
}

fn events(list: &str) -> BTreeSet<u8> {
    let mut events = BTreeSet::new();
    // The loop is bounded by the 256 events, not by the list: a long list of wide ranges stays cheap.
    for range in list.split(',').take(256) {
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        if let (Ok(first), Ok(last)) = (first.trim().parse::<u8>(), last.trim().parse::<u8>()) {
            events.extend(first..=last);
        }
    }
    events
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_cannot_work_together_is_refused() {
        for (name, ours, theirs, works) in [
            (
                "opus",
                Some("stereo=1"),
                Some("stereo=0;useinbandfec=1"),
                true,
            ),
            ("G729", None, Some("annexb=no"), true),
            ("AMR", Some("octet-align=1"), None, false),
            (
                "AMR",
                Some("octet-align=1"),
                Some("Octet-Align = 1; mode-set=7"),
                true,
            ),
            ("amr-wb", None, Some("octet-align=0"), true),
            ("AMR", None, Some("robust-sorting=1"), false),
            ("AMR", Some("octet-align=1"), Some("interleaving=30"), false),
            ("G7221", Some("bitrate=24000"), Some("bitrate=32000"), false),
            ("unheard-of", Some("a=1"), Some("a=2"), true),
        ] {
            assert_eq!(
                compatible(name, ours, theirs),
                works,
                "{name} {ours:?} {theirs:?}"
            );
            assert_eq!(
                compatible(name, theirs, ours),
                works,
                "{name} {theirs:?} {ours:?}"
            );
        }
    }

    #[test]
    fn answers_by_the_codecs_rule() {
        for (name, ours, offered, answered) in [
            (
                "opus",
                Some("useinbandfec=1"),
                Some("stereo=1"),
                Some("useinbandfec=1"),
            ),
            (
                "telephone-event",
                Some("0-16"),
                Some("0-15,66,70"),
                Some("0-15"),
            ),
            (
                "telephone-event",
                Some("0-16,70"),
                Some("0-11,16,70-71"),
                Some("0-11,16,70"),
            ),
            ("telephone-event", Some("0-16"), None, Some("0-15")),
            (
                "telephone-event",
                Some("0-16"),
                Some("rubbish"),
                Some("0-15"),
            ),
            (
                "telephone-event",
                Some("250-255"),
                Some("0-255"),
                Some("250-255"),
            ),
            ("iLBC", Some("mode=20"), Some("mode=20"), Some("mode=20")),
            ("iLBC", Some("mode=20"), None, Some("mode=30")),
            (
                "AMR",
                Some("octet-align=1"),
                Some("octet-align=1;mode-set=0,2"),
                Some("octet-align=1;mode-set=0,2"),
            ),
            ("PCMU", None, Some("x=1"), None),
        ] {
            assert_eq!(
                answer(name, ours, offered).as_deref(),
                answered,
                "{name} {offered:?}"
            );
        }
    }
}
