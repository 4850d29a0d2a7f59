//! The command line of this program.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};
use token::{Algorithm, KeyPath, Role};

/// Mints, verifies and looks into session tokens, and makes and delegates the keys for them.
///
/// A key is always a file: PEM (public, or private as PKCS #8, PKCS #1 or SEC 1), a JWK, a JWK set, or any other text,
/// which is then a secret as it stands, up to its line end. No command prints a secret or a private key.
#[derive(Debug, Parser)]
#[command(name = "token_tool", version, after_long_help = STORY)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

const STORY: &str = "\
Examples:
  One secret on both sides:
    token_tool keys generate --alg HS256 --out shared.txt
    token_tool mint --key shared.txt --session standup --role moderator > token.txt
    token_tool verify --key shared.txt --session standup - < token.txt

  A key pair; the gateway has the public half:
    token_tool keys generate --alg EdDSA --out signer.pem
    token_tool keys public signer.pem > gateway.pem
    token_tool mint --key signer.pem --session standup --life 10m > token.txt
    token_tool verify --key gateway.pem - < token.txt

  A tree of key pairs; the gateway has the root's public half, and verifies for all below it:
    token_tool delegate --key root.pem --at eu-1 --to shop --child shop.pub.pem --life 30d > shop.chain
    token_tool mint --key shop.pem --chain shop.chain --session standup > token.txt
    token_tool verify --key root.pub.pem --at eu-1 - < token.txt

Exit code: 0, or 2 with one line on standard error, for a token that is refused too.";

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Sign a token that lets its holder into a session
    Mint(Mint),
    /// Check a token, and show what it says
    Verify(Verify),
    /// Show what a token says of itself, without checking anything
    Inspect {
        /// The token, or - for standard input
        token: String,
    },
    /// Make keys, and show public ones
    #[command(subcommand)]
    Keys(Keys),
    /// Sign for another's public key, which may then sign tokens in this one's name
    Delegate(Delegate),
}

/// A key that signs or verifies.
#[derive(Debug, Args)]
pub(crate) struct KeyArgs {
    /// File with the key
    #[arg(long, value_name = "FILE")]
    pub(crate) key: PathBuf,

    /// Its algorithm, where the file does not say [default: HS256 for a secret, RS256 for an RSA key]
    #[arg(long, value_name = "NAME", value_parser = algorithm)]
    pub(crate) alg: Option<Algorithm>,

    /// Its name, which tokens carry in their header
    #[arg(long, value_name = "NAME", conflicts_with = "at")]
    pub(crate) kid: Option<String>,

    /// It is the root of a tree of keys; the path where it stands
    #[arg(long, value_name = "PATH", value_parser = path)]
    pub(crate) at: Option<KeyPath>,
}

#[derive(Debug, Args)]
pub(crate) struct Mint {
    #[command(flatten)]
    pub(crate) key: KeyArgs,

    /// What its parent in a tree of keys gave it
    #[arg(long, value_name = "FILE", conflicts_with_all = ["at", "kid"])]
    pub(crate) chain: Option<PathBuf>,

    /// The session to let the holder into
    #[arg(long, value_name = "NAME")]
    pub(crate) session: String,

    /// What the holder may do there: subscriber, publisher, publisheronly or moderator
    #[arg(long, default_value_t = Role::default())]
    pub(crate) role: Role,

    /// What others see of the holder, such as sip=true
    #[arg(long, value_name = "TEXT")]
    pub(crate) data: Option<String>,

    /// The holder's name or number (sub)
    #[arg(long, value_name = "TEXT")]
    pub(crate) subject: Option<String>,

    /// Who mints it (iss)
    #[arg(long, value_name = "TEXT")]
    pub(crate) issuer: Option<String>,

    /// Whom it is shown to (aud); may be given several times
    #[arg(long, value_name = "TEXT")]
    pub(crate) audience: Vec<String>,

    /// The token's own name (jti)
    #[arg(long, value_name = "TEXT")]
    pub(crate) id: Option<String>,

    /// How long it is valid (10m, 6h, 30d)
    #[arg(long, value_name = "TIME", default_value = "1h", value_parser = life)]
    pub(crate) life: Duration,
}

#[derive(Debug, Args)]
pub(crate) struct Verify {
    #[command(flatten)]
    pub(crate) key: KeyArgs,

    /// Refuse a token of ours that opens another session
    #[arg(long, value_name = "NAME")]
    pub(crate) session: Option<String>,

    /// Refuse a token of ours with another role; may be given several times
    #[arg(long)]
    pub(crate) role: Vec<Role>,

    /// Refuse a token for another audience
    #[arg(long, value_name = "TEXT")]
    pub(crate) audience: Option<String>,

    /// Refuse a token of another issuer; may be given several times
    #[arg(long, value_name = "TEXT")]
    pub(crate) issuer: Vec<String>,

    /// The token, or - for standard input
    pub(crate) token: String,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Keys {
    /// Make a key into a new file that its owner alone can read: a secret, or the private half of a pair as PEM
    Generate {
        /// HS256, HS384, HS512, ES256 or EdDSA
        #[arg(long, value_name = "NAME", value_parser = algorithm)]
        alg: Algorithm,
        /// The file, which must not exist
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
    },
    /// Show the public half of keys
    Public {
        /// As what
        #[arg(long, value_enum, default_value_t)]
        format: Format,
        /// Their algorithm, where the files do not say [default: RS256 for an RSA key]
        #[arg(long, value_name = "NAME", value_parser = algorithm)]
        alg: Option<Algorithm>,
        /// PEM or JWK, public or private
        #[arg(required = true, value_name = "FILE")]
        files: Vec<PathBuf>,
    },
}

#[derive(Debug, Clone, Copy, Default, ValueEnum)]
pub(crate) enum Format {
    /// PUBLIC KEY, as OpenSSL writes it
    #[default]
    Pem,
    /// A JSON Web Key a line, named by its thumbprint unless the file names it
    Jwk,
    /// One JWK set of all, likewise
    Jwks,
}

#[derive(Debug, Args)]
pub(crate) struct Delegate {
    #[command(flatten)]
    pub(crate) key: KeyArgs,

    /// What its own parent gave it, where it is not the root
    #[arg(long, value_name = "FILE", conflicts_with = "at")]
    pub(crate) chain: Option<PathBuf>,

    /// The name of the step down, such as the application's
    #[arg(long, value_name = "SEGMENT")]
    pub(crate) to: String,

    /// The other's public key
    #[arg(long, value_name = "FILE")]
    pub(crate) child: PathBuf,

    /// Its algorithm, where the file does not say [default: RS256 for an RSA key]
    #[arg(long, value_name = "NAME", value_parser = algorithm)]
    pub(crate) child_alg: Option<Algorithm>,

    /// How long it holds (10m, 6h, 30d)
    #[arg(long, value_name = "TIME", default_value = "30d", value_parser = life)]
    pub(crate) life: Duration,
}

fn algorithm(name: &str) -> Result<Algorithm, String> {
    Algorithm::from_name(name).ok_or_else(|| {
        let names = Algorithm::ALL.map(Algorithm::name).join(", ");
        format!("not an algorithm; one of {names}")
    })
}

fn path(text: &str) -> Result<KeyPath, String> {
    text.parse()
        .map_err(|error: token::KeyError| error.to_string())
}

/// Whole seconds, since tokens know no less.
fn life(text: &str) -> Result<Duration, String> {
    const HELP: &str = "not a time; write 90s, 10m, 6h or 30d";
    let number = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let seconds: u64 = match &text[number.len()..] {
        "" | "s" => 1,
        "m" | "min" => 60,
        "h" => 3600,
        "d" => 86_400,
        _ => return Err(HELP.to_owned()),
    };
    if !number.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(HELP.to_owned());
    }
    let number: u64 = number.parse().map_err(|_| HELP.to_owned())?;
    match number.checked_mul(seconds) {
        Some(0) => Err("must be longer than 0".to_owned()),
        // Ten years: what is to last longer is no token.
        Some(seconds) if seconds <= 3653 * 86_400 => Ok(Duration::from_secs(seconds)),
        _ => Err("longer than ten years".to_owned()),
    }
}
