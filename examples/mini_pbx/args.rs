//! What the program is told.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use clap::{Parser, ValueEnum};
use examples::args::duration;
use sip_core::auth::Ha1;
use sip_core::header::digest::HashAlgorithm;

/// A small switchboard: phones register over any transport and call each other across transports.
///
/// Without arguments: two users with fresh passwords, a fresh certificate, and the addresses to point a phone at.
#[derive(Debug, Parser)]
#[command(name = "mini_pbx", max_term_width = 100)]
pub(crate) struct Cli {
    /// A user, as name:password; may be given several times
    #[arg(long, value_name = "NAME:PASSWORD", value_parser = user)]
    pub(crate) user: Vec<User>,

    /// A user by HA1, as name:hex (MD5 of name:realm:password); may be given several times
    #[arg(long, value_name = "NAME:HEX", value_parser = user)]
    pub(crate) user_ha1: Vec<User>,

    /// A number that rings several users, as name=user,user; may be given several times
    #[arg(long, value_name = "NAME=A,B", value_parser = group)]
    pub(crate) group: Vec<Group>,

    /// Listen for UDP here [default: 0.0.0.0:5060, unless --tcp is given]
    #[arg(long, value_name = "ADDR:PORT")]
    pub(crate) udp: Option<SocketAddr>,

    /// Listen for TCP here [default: 0.0.0.0:5060, unless --udp is given]
    #[arg(long, value_name = "ADDR:PORT")]
    pub(crate) tcp: Option<SocketAddr>,

    /// Listen for TLS here
    #[arg(long, value_name = "ADDR:PORT")]
    pub(crate) tls: Option<SocketAddr>,

    /// Listen for WebSocket here
    #[arg(long, value_name = "ADDR:PORT")]
    pub(crate) ws: Option<SocketAddr>,

    /// Listen for WebSocket in TLS here
    #[arg(long, value_name = "ADDR:PORT")]
    pub(crate) wss: Option<SocketAddr>,

    /// The address to tell phones, where it differs from the one bound (NAT)
    #[arg(long, value_name = "IP")]
    pub(crate) advertise: Option<IpAddr>,

    /// The certificate of TLS and WSS, a PEM file; a fresh one is made otherwise
    #[arg(long, value_name = "FILE", requires = "key")]
    pub(crate) certificate: Option<PathBuf>,

    /// Its private key, a PEM file
    #[arg(long, value_name = "FILE", requires = "certificate")]
    pub(crate) key: Option<PathBuf>,

    /// Write a fresh certificate to this folder, for phones that shall trust it
    #[arg(long, value_name = "DIR", default_value = "target/mini_pbx")]
    pub(crate) out: PathBuf,

    /// Carry sound and video through here: each phone by its own means (a browser by ICE and DTLS-SRTP, others by SRTP
    /// or in the clear), so that a browser and a plain phone understand each other. They need a codec in common
    #[arg(long)]
    pub(crate) relay: bool,

    /// The ports of --relay
    #[arg(long, value_name = "FIRST-LAST", value_parser = ports, default_value = "20000-29999")]
    pub(crate) relay_ports: Ports,

    /// What --relay does for phones that are no browsers: encrypt where they ask for it (off), where they can (allow), or
    /// always (require)
    #[arg(long, value_name = "HOW", default_value = "allow")]
    pub(crate) relay_secure: Secrecy,

    /// What passwords are asked for; part of each HA1
    #[arg(long, value_name = "TEXT", default_value = "mini_pbx", value_parser = realm)]
    pub(crate) realm: String,

    /// How long a phone rings before the caller hears that nobody is there
    #[arg(long, value_name = "TIME", value_parser = duration, default_value = "30s")]
    pub(crate) ring: Duration,

    /// How long calls may go on after Ctrl-C or SIGTERM; a second one waits no longer
    #[arg(long, value_name = "TIME", value_parser = duration, default_value = "1s")]
    pub(crate) drain: Duration,

    /// Print one JSON object a line
    #[arg(long)]
    pub(crate) json: bool,
}

/// Whether sound is encrypted on the way to phones that are no browsers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Secrecy {
    /// Where they offer it.
    Off,
    /// Wherever they take it.
    Allow,
    /// Or they are not called.
    Require,
}

/// A range of ports, both ends included.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ports {
    pub(crate) first: u16,
    pub(crate) last: u16,
}

/// A name and what proves it. `Debug` shows the name only.
#[derive(Clone)]
pub(crate) struct User {
    pub(crate) name: String,
    secret: String,
}

impl std::fmt::Debug for User {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.name.fmt(f)
    }
}

/// A number that rings several users.
#[derive(Debug, Clone)]
pub(crate) struct Group {
    pub(crate) name: String,
    pub(crate) members: Vec<String>,
}

impl User {
    /// A user with this password.
    pub(crate) fn new(name: &str, password: String) -> Self {
        Self {
            name: name.to_owned(),
            secret: password,
        }
    }

    /// What is kept of a password.
    pub(crate) fn hashed(&self, realm: &str) -> Ha1 {
        Ha1::from_password(HashAlgorithm::Md5, &self.name, realm, &self.secret)
    }

    /// The HA1 that was given in its place.
    ///
    /// # Errors
    /// A line that says what is wrong with it, without repeating it.
    pub(crate) fn ha1(&self, realm: &str) -> Result<Ha1, String> {
        Ha1::from_hex(HashAlgorithm::Md5, realm, &self.secret)
            .map_err(|error| format!("--user-ha1 {}: {error}", self.name))
    }
}

impl Cli {
    /// Whether no transport is named.
    pub(crate) fn is_plain(&self) -> bool {
        [self.udp, self.tcp, self.tls, self.ws, self.wss]
            .iter()
            .all(Option::is_none)
    }
}

fn user(text: &str) -> Result<User, String> {
    let (user, secret) = text.split_once(':').ok_or("write name:password")?;
    if secret.is_empty() {
        return Err("the password is empty".into());
    }
    Ok(User::new(&name(user)?, secret.to_owned()))
}

fn group(text: &str) -> Result<Group, String> {
    let (group, members) = text.split_once('=').ok_or("write name=user,user")?;
    let members = members
        .split(',')
        .map(name)
        .collect::<Result<Vec<_>, _>>()?;
    Ok(Group {
        name: name(group)?,
        members,
    })
}

fn ports(text: &str) -> Result<Ports, String> {
    let parse = |part: &str| part.parse().map_err(|_| format!("{part:?} is no port"));
    let (first, last) = text.split_once('-').ok_or("write FIRST-LAST")?;
    Ok(Ports {
        first: parse(first)?,
        last: parse(last)?,
    })
}

/// A user part that every phone can dial as it stands.
fn name(text: &str) -> Result<String, String> {
    let fits = |b: u8| b.is_ascii_alphanumeric() || b"-_.+".contains(&b);
    if text.is_empty() || text.len() > 64 || !text.bytes().all(fits) {
        return Err(format!(
            "{text:?} is no name; use letters, digits, and - _ . +"
        ));
    }
    Ok(text.to_owned())
}

fn realm(text: &str) -> Result<String, String> {
    if text.is_empty() || text.contains(|c: char| c.is_control() || c == '"' || c == '\\') {
        return Err("empty, or holds what cannot stand in quotes".into());
    }
    Ok(text.to_owned())
}
