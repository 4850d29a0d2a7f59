//! The smaller bodies.

use std::net::Ipv4Addr;

use serde::Deserialize;
use serde::de::DeserializeOwned;

/// The most keys that one request presses.
const MOST_KEYS: usize = 128;

/// Reads JSON.
pub(super) fn json<T: DeserializeOwned>(body: &[u8]) -> Result<T, String> {
    serde_json::from_slice(body)
        .map_err(|error| format!("the body is not as it should be: {error}"))
}

/// What `POST /session/create` asks for, as a form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionOrder {
    /// Whether media passes through us; a phone can be dialled only then.
    pub routed: bool,
    /// Whether it is recorded from the first who comes.
    pub archive_always: bool,
    /// Where its participants are, as a hint.
    pub location: Option<Ipv4Addr>,
}

impl SessionOrder {
    /// Reads a form; fields that are not known are left alone.
    ///
    /// # Errors
    /// Which field has a value that it cannot have.
    pub fn parse(form: &[u8]) -> Result<Self, String> {
        let mut order = Self {
            routed: true,
            archive_always: false,
            location: None,
        };
        for (name, value) in form_urlencoded::parse(form) {
            match (&*name, &*value) {
                ("p2p.preference", "disabled") => order.routed = true,
                ("p2p.preference", "enabled") => order.routed = false,
                ("archiveMode", "manual") => order.archive_always = false,
                ("archiveMode", "always") => order.archive_always = true,
                ("e2ee", "false") | ("location", "") => {}
                ("e2ee", _) => {
                    return Err("e2ee must be false: phones need what they hear mixed".into());
                }
                ("location", address) => {
                    let address = address.parse();
                    order.location = Some(address.map_err(|_| "location must be an IPv4 address")?);
                }
                (name @ ("p2p.preference" | "archiveMode"), _) => {
                    return Err(format!("{name} cannot be {value:?}"));
                }
                _ => {}
            }
        }
        if order.archive_always && !order.routed {
            return Err("a session that is always archived must be routed".into());
        }
        Ok(order)
    }
}

/// Reads the digits of `play-dtmf`.
///
/// # Errors
/// Why they cannot be pressed.
pub fn keys(body: &[u8]) -> Result<String, String> {
    #[derive(Deserialize)]
    struct Body {
        digits: String,
    }
    let Body { digits } = json(body)?;
    if digits.is_empty() || digits.len() > MOST_KEYS {
        return Err(format!("digits must hold 1 to {MOST_KEYS} keys"));
    }
    let key = |c: char| c.is_ascii_digit() || matches!(c, '*' | '#' | 'p' | 'P');
    match digits.chars().find(|c| !key(*c)) {
        Some(wrong) => Err(format!(
            "{wrong:?} is no key: use 0-9, *, #, and p for a pause"
        )),
        None => Ok(digits),
    }
}

/// What a session-wide mute asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MuteOrder {
    /// Mute, or lift it.
    pub active: bool,
    /// The streams that stay as they are.
    pub excluded: Vec<String>,
}

impl MuteOrder {
    /// Reads a body.
    ///
    /// # Errors
    /// Why it is none.
    pub fn parse(body: &[u8]) -> Result<Self, String> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Body {
            active: Option<bool>,
            excluded_streams: Option<Vec<String>>,
        }
        let body: Body = json(body)?;
        Ok(Self {
            active: body.active.unwrap_or(true),
            excluded: body.excluded_streams.unwrap_or_default(),
        })
    }
}

/// What is signalled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignalOrder {
    /// Its kind.
    pub kind: String,
    /// What it says.
    pub data: String,
}

impl SignalOrder {
    /// Reads a body.
    ///
    /// # Errors
    /// Why it is none.
    pub fn parse(body: &[u8]) -> Result<Self, String> {
        #[derive(Deserialize)]
        struct Body {
            r#type: Option<String>,
            data: Option<String>,
        }
        let body: Body = json(body)?;
        Ok(Self {
            kind: body.r#type.unwrap_or_default(),
            data: body.data.unwrap_or_default(),
        })
    }
}

/// What is to be told, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallbackOrder {
    /// `session`, `connection`, `stream`, `call`, `signal` or `archive`.
    pub group: String,
    /// Which of the group's events.
    pub event: String,
    /// Where to, as it came: whoever delivers knows what can be reached.
    pub url: String,
}

impl CallbackOrder {
    /// The events that can be asked for, by group: one table for what is taken and what is told.
    pub const EVENTS: [(&str, &[&str]); 6] = [
        ("session", &["created", "destroyed"]),
        ("connection", &["created", "destroyed"]),
        ("stream", &["created", "destroyed"]),
        ("call", &["status", "key"]),
        ("signal", &["sent"]),
        ("archive", &["status"]),
    ];

    /// Reads a body.
    ///
    /// # Errors
    /// Why it is none.
    pub fn parse(body: &[u8]) -> Result<Self, String> {
        #[derive(Deserialize)]
        struct Body {
            group: String,
            event: String,
            url: String,
        }
        let Body { group, event, url } = json(body)?;
        let known = Self::EVENTS.iter().find(|(name, _)| *name == group);
        let (_, events) = known.ok_or_else(|| format!("there is no group {group:?}"))?;
        if !events.contains(&event.as_str()) {
            let events = events.join(", ");
            return Err(format!(
                "the group {group} has no event {event:?}, but {events}"
            ));
        }
        Ok(Self { group, event, url })
    }
}

/// What is to be recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ArchiveOrder {
    /// Which session.
    pub session_id: String,
    /// What to call it.
    pub name: Option<String>,
}

impl ArchiveOrder {
    /// Reads a body.
    ///
    /// # Errors
    /// Why it is none, or asks for what is not recorded.
    pub fn parse(body: &[u8]) -> Result<Self, String> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Body {
            session_id: String,
            name: Option<String>,
            has_audio: Option<bool>,
            output_mode: Option<String>,
        }
        let body: Body = json(body)?;
        if body.has_audio == Some(false) {
            return Err("hasAudio must not be false: sound is all that is recorded".into());
        }
        if body.output_mode.is_some_and(|mode| mode != "composed") {
            return Err("outputMode must be composed: the mix is recorded".into());
        }
        if body.name.as_ref().is_some_and(|name| name.len() > 256) {
            return Err("name has more than 256 bytes".into());
        }
        Ok(Self {
            session_id: body.session_id,
            name: body.name,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn session_forms() {
        let of = |form: &str| SessionOrder::parse(form.as_bytes());
        assert!(of("").unwrap().routed);
        let python = of("p2p.preference=enabled&archiveMode=manual&e2ee=false").unwrap();
        assert!(!python.routed && !python.archive_always);
        let node = of("archiveMode=always&location=192.0.2.1&p2p.preference=disabled").unwrap();
        assert!(node.routed && node.archive_always && node.location.is_some());
        for bad in [
            "p2p.preference=maybe",
            "archiveMode=sometimes",
            "location=here",
            "e2ee=true",
            "archiveMode=always&p2p.preference=enabled",
        ] {
            assert!(of(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn small_bodies_and_what_is_wrong_with_them() {
        assert_eq!(keys(br#"{"digits":"1p#*"}"#), Ok("1p#*".into()));
        for bad in [
            r#"{"digits":""}"#,
            r#"{"digits":"1a"}"#,
            r#"{"digits":12}"#,
            "{}",
            "",
            "[]",
        ] {
            assert!(keys(bad.as_bytes()).is_err(), "{bad}");
        }
        let mute = MuteOrder::parse(br#"{"active":true,"excludedStreams":["a"]}"#).unwrap();
        assert_eq!((mute.active, mute.excluded.len()), (true, 1));
        assert!(!MuteOrder::parse(br#"{"active":false}"#).unwrap().active);
        let signal = SignalOrder::parse(br#"{"type":"chat","data":null}"#).unwrap();
        assert_eq!((signal.kind.as_str(), signal.data.as_str()), ("chat", ""));
        let of = |group: &str, event: &str, url: &str| {
            let body = serde_json::json!({"group": group, "event": event, "url": url});
            CallbackOrder::parse(body.to_string().as_bytes())
        };
        for (group, events) in CallbackOrder::EVENTS {
            for event in events {
                assert!(of(group, event, "http://127.0.0.1/x").is_ok());
            }
        }
        assert!(of("call", "created", "http://127.0.0.1/x").is_err());
        assert!(of("room", "created", "http://127.0.0.1/x").is_err());
        let archive = |body: &str| ArchiveOrder::parse(body.as_bytes());
        assert!(
            archive(r#"{"sessionId":"s","name":"n","hasVideo":true,"outputMode":"composed"}"#)
                .is_ok()
        );
        assert!(archive(r#"{"sessionId":"s","hasAudio":false}"#).is_err());
        assert!(archive(r#"{"sessionId":"s","outputMode":"individual"}"#).is_err());
    }
}
