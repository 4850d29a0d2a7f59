//! What somebody types.

use tokio::io::{AsyncBufReadExt as _, BufReader, Lines, Stdin};

/// What is understood.
pub(crate) const HELP: &str =
    "  call NAME|URI        answer      hang up      hold      resume      dtmf KEYS
  transfer NAME|URI    lets the other side call them in our place
  transfer to #N       joins the other side and that of call N
  message NAME|URI TEXT            status       quit
  #N after a command names a call (hold #2); without, the newest is meant";

/// A command. The number names a call; without one, the newest is meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Command {
    Call(String),
    Answer(Option<u32>),
    Reject(Option<u32>),
    HangUp(Option<u32>),
    Hold(Option<u32>),
    Resume(Option<u32>),
    Transfer(Option<u32>, String),
    TransferTo(Option<u32>, u32),
    Dtmf(Option<u32>, String),
    Message(String, String),
    Status,
    Help,
    Quit,
}

impl Command {
    /// Reads one line; `None` for an empty one.
    ///
    /// # Errors
    /// A line that says what is not understood.
    pub(crate) fn parse(line: &str) -> Result<Option<Self>, String> {
        let mut rest = line.trim();
        if rest.is_empty() {
            return Ok(None);
        }
        let mut word = next(&mut rest);
        if word == "hang" && rest.split_whitespace().next() == Some("up") {
            next(&mut rest);
            word = "hangup";
        }
        let which = match rest.strip_prefix('#') {
            Some(after) if word != "call" && word != "message" => {
                let digits = after.split_whitespace().next().unwrap_or_default();
                rest = after[digits.len()..].trim_start();
                Some(
                    digits
                        .parse()
                        .map_err(|_| format!("#{digits} is no call"))?,
                )
            }
            _ => None,
        };
        let whole = rest;
        let command = match word {
            "call" => Self::Call(one(&mut rest, "call whom?")?),
            "answer" => Self::Answer(which),
            "reject" => Self::Reject(which),
            "hangup" => Self::HangUp(which),
            "hold" => Self::Hold(which),
            "resume" => Self::Resume(which),
            "transfer" => {
                let to = one(&mut rest, "transfer to whom?")?;
                match (to.as_str(), rest.strip_prefix('#')) {
                    ("to", Some(number)) => {
                        let number = number.trim();
                        rest = "";
                        let other = number
                            .parse()
                            .map_err(|_| format!("#{number} is no call"))?;
                        Self::TransferTo(which, other)
                    }
                    _ => Self::Transfer(which, to),
                }
            }
            "dtmf" => {
                rest = "";
                if whole.is_empty() {
                    return Err("which keys?".into());
                }
                Self::Dtmf(which, whole.split_whitespace().collect())
            }
            "message" => {
                let to = one(&mut rest, "write to whom?")?;
                if rest.is_empty() {
                    return Err("write what?".into());
                }
                Self::Message(to, std::mem::take(&mut rest).to_owned())
            }
            "status" => Self::Status,
            "help" | "?" => Self::Help,
            "quit" | "exit" => Self::Quit,
            other => return Err(format!("{other:?} is no command; help lists them")),
        };
        match rest {
            "" => Ok(Some(command)),
            more => Err(format!("{more:?} is too much")),
        }
    }
}

fn next<'t>(rest: &mut &'t str) -> &'t str {
    let end = rest.find(char::is_whitespace).unwrap_or(rest.len());
    let (word, after) = rest.split_at(end);
    *rest = after.trim_start();
    word
}

fn one(rest: &mut &str, lacking: &str) -> Result<String, String> {
    match next(rest) {
        "" => Err(lacking.to_owned()),
        word => Ok(word.to_owned()),
    }
}

/// Standard input, for as long as there is one.
pub(crate) struct Typed(Option<Lines<BufReader<Stdin>>>);

impl Typed {
    pub(crate) fn listen() -> Self {
        Self(Some(BufReader::new(tokio::io::stdin()).lines()))
    }

    /// The next line, and `None` once after the last. Cancel safe.
    pub(crate) async fn next(&mut self) -> Option<String> {
        let Some(lines) = &mut self.0 else {
            return std::future::pending().await;
        };
        match lines.next_line().await {
            Ok(Some(line)) => Some(line),
            Ok(None) | Err(_) => {
                self.0 = None;
                None
            }
        }
    }
}
