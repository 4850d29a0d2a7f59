//! STUN and TURN servers: as the command line names them, and where they are.

use std::fmt;
use std::io::Read as _;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};

use clap::Args;
use rtp_core::turn::{Transport, Uri};
use signaling::net::{IceServers, TurnServer};

/// How many STUN servers are asked.
const STUN_SERVERS: usize = 4;

/// Longest file that is read for a password, in bytes.
const LONGEST: u64 = 4096;

/// Servers that help ICE.
#[derive(Debug, Clone, Default, Args)]
pub struct ServerArgs {
    /// Ask this STUN server what our address is on its side of a NAT, for calls with ICE; may be given several times
    #[arg(long, value_name = "HOST[:PORT]", value_parser = stun)]
    pub stun: Vec<Uri>,

    /// Relay the sound of calls with ICE through this TURN server where there is no other way, such as
    /// turn:relay.example.org; may be given several times
    #[arg(long, value_name = "URI", value_parser = turn, requires_all = ["turn_user", "turn_password_file"])]
    pub turn: Vec<Uri>,

    /// The account on the TURN servers
    #[arg(long, value_name = "NAME", requires = "turn")]
    pub turn_user: Option<String>,

    /// A file whose first line is its password: on a command line everybody on the machine could read it
    #[arg(long, value_name = "FILE", requires = "turn")]
    pub turn_password_file: Option<PathBuf>,

    /// Let the sound of calls with ICE go through the TURN servers alone
    #[arg(long, requires = "turn")]
    pub relay_only: bool,
}

impl ServerArgs {
    /// Whether there are any.
    pub fn is_empty(&self) -> bool {
        self.stun.is_empty() && self.turn.is_empty()
    }

    /// Looks the servers up, as sockets on `bind` reach them, and reads the password.
    ///
    /// # Errors
    /// A line that names what cannot be found or read, and says why.
    pub async fn find(&self, bind: IpAddr) -> Result<IceServers, String> {
        let mut found = IceServers::default();
        found.relay_only = self.relay_only;
        if self.stun.len() > STUN_SERVERS {
            return Err(format!("--stun: at most {STUN_SERVERS} servers are asked"));
        }
        for uri in &self.stun {
            found.stun.push(look_up("--stun", uri, bind).await?);
        }
        let (Some(user), Some(file)) = (&self.turn_user, &self.turn_password_file) else {
            return Ok(found);
        };
        let password = password(file)?;
        for uri in &self.turn {
            let address = look_up("--turn", uri, bind).await?;
            found.turn.push(TurnServer::new(address, user, &password));
        }
        Ok(found)
    }
}

/// `HOST`, `HOST:PORT`, or either after `stun:`.
fn stun(text: &str) -> Result<Uri, String> {
    let is_uri = text
        .get(..5)
        .is_some_and(|head| head.eq_ignore_ascii_case("stun:"));
    let text = match is_uri {
        true => text.to_owned(),
        false => format!("stun:{text}"),
    };
    text.parse()
        .map_err(|_| "write a host, with a port or without".to_owned())
}

/// A `turn:` URI; calls reach such a server over UDP.
fn turn(text: &str) -> Result<Uri, String> {
    let uri: Uri = text
        .parse()
        .map_err(|_| "write turn:HOST or turn:HOST:PORT".to_owned())?;
    if !uri.relays() {
        return Err("a STUN server goes with --stun".to_owned());
    }
    match uri.transport() {
        Transport::Udp => Ok(uri),
        _ => Err("calls reach TURN servers over UDP alone".to_owned()),
    }
}

/// The first of a host's addresses that is of the same family as `bind`.
async fn look_up(option: &str, uri: &Uri, bind: IpAddr) -> Result<SocketAddr, String> {
    let wrong = |why: &dyn fmt::Display| format!("{option} {}: {why}", uri.host());
    let mut addresses = tokio::net::lookup_host((uri.host(), uri.port()))
        .await
        .map_err(|error| wrong(&error))?;
    let family = if bind.is_ipv4() { "IPv4" } else { "IPv6" };
    addresses
        .find(|address| address.is_ipv4() == bind.is_ipv4())
        .ok_or_else(|| {
            wrong(&format!(
                "it has no {family} address, which we would reach from {bind}"
            ))
        })
}

/// The first line of a file.
fn password(file: &Path) -> Result<String, String> {
    let wrong = |why: &dyn fmt::Display| format!("--turn-password-file {}: {why}", file.display());
    let mut text = String::new();
    std::fs::File::open(file)
        .and_then(|file| file.take(LONGEST).read_to_string(&mut text))
        .map_err(|error| wrong(&error))?;
    match text.lines().next() {
        Some(line) if !line.is_empty() => Ok(line.to_owned()),
        _ => Err(wrong(&"its first line is empty")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::one_line;
    use clap::Parser;
    use std::net::{Ipv4Addr, Ipv6Addr};

    #[derive(Debug, Parser)]
    struct Cli {
        #[command(flatten)]
        servers: ServerArgs,
    }

    const V4: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

    fn parse(args: &[&str]) -> Result<ServerArgs, String> {
        Cli::try_parse_from([&["test"], args].concat())
            .map(|cli| cli.servers)
            .map_err(|error| one_line(&error))
    }

    fn find(args: &[&str], bind: IpAddr) -> Result<IceServers, String> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap();
        runtime.block_on(parse(args)?.find(bind))
    }

    /// A file of this text.
    fn file(name: &str, text: &str) -> String {
        let path =
            std::env::temp_dir().join(format!("patchcord-ice-{}-{name}", std::process::id()));
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    }

    #[test]
    fn servers_are_found_with_their_account() {
        let secret = file("good", "s3cret word\nnot this\n");
        let account = ["--turn-user", "alice", "--turn-password-file", &secret];
        let servers = [
            "--stun",
            "127.0.0.1",
            "--stun",
            "stun:127.0.0.2:99",
            "--turn",
            "turn:127.0.0.3",
            "--relay-only",
        ];
        let found = find(&[&servers[..], &account].concat(), V4).unwrap();
        std::fs::remove_file(&secret).unwrap();
        let addresses: Vec<_> = found.stun.iter().map(ToString::to_string).collect();
        assert_eq!(addresses, ["127.0.0.1:3478", "127.0.0.2:99"]);
        assert_eq!(found.turn.len(), 1);
        assert_eq!(found.turn[0].address.to_string(), "127.0.0.3:3478");
        assert_eq!(
            (&*found.turn[0].username, &*found.turn[0].password),
            ("alice", "s3cret word")
        );
        assert!(found.relay_only);
        let none = parse(&[]).unwrap();
        assert!(none.is_empty());
        let none = find(&[], V4).unwrap();
        assert!(none.stun.is_empty() && none.turn.is_empty() && !none.relay_only);
        let v6 = find(&["--stun", "[::1]:7"], IpAddr::V6(Ipv6Addr::LOCALHOST)).unwrap();
        assert_eq!(v6.stun[0].to_string(), "[::1]:7");
    }

    fn server<'a>(uri: &'a str, file: &'a str) -> Vec<&'a str> {
        let account = ["--turn-user", "a", "--turn-password-file", file];
        ["--turn", uri].into_iter().chain(account).collect()
    }

    #[test]
    fn what_cannot_be_used_is_one_line_without_a_secret() {
        let (empty, secret) = (file("empty", "\nlater\n"), file("secret", "s3cret"));
        let turn = |uri| server(uri, &secret);
        let with = |file| server("turn:127.0.0.1", file);
        let cases = [
            (vec!["--stun", ""], "write a host"),
            (vec!["--stun", "h:0"], "write a host"),
            (vec!["--stun", "turn:h"], "write a host"),
            (vec!["--stun", "h?transport=tcp"], "write a host"),
            (vec!["--stun", "::1"], "write a host"),
            (["--stun", "127.0.0.1"].repeat(5), "at most 4"),
            (vec!["--stun", "host.invalid"], "--stun host.invalid: "),
            (
                vec!["--stun", "[::1]"],
                "--stun ::1: it has no IPv4 address",
            ),
            (turn("127.0.0.1"), "write turn:HOST"),
            (turn("turn:127.0.0.1:99999"), "write turn:HOST"),
            (turn("stun:127.0.0.1"), "goes with --stun"),
            (turn("turns:127.0.0.1"), "over UDP alone"),
            (turn("turn:127.0.0.1?transport=tcp"), "over UDP alone"),
            (turn("turn:host.invalid"), "--turn host.invalid: "),
            (vec!["--turn", "turn:127.0.0.1"], "--turn-user"),
            (
                vec!["--turn", "turn:127.0.0.1", "--turn-user", "a"],
                "--turn-password-file",
            ),
            (vec!["--turn-user", "a"], "--turn <URI>"),
            (vec!["--relay-only"], "--turn <URI>"),
            (with("/nowhere"), "--turn-password-file /nowhere: "),
            (with(&empty), "its first line is empty"),
        ];
        for (args, part) in cases {
            let line = find(&args, V4).unwrap_err();
            assert!(
                line.contains(part) && !line.contains('\n'),
                "{args:?}: {line}"
            );
            assert!(!line.contains("s3cret"), "{args:?}: {line}");
        }
        std::fs::remove_file(empty).unwrap();
        std::fs::remove_file(secret).unwrap();
    }
}
