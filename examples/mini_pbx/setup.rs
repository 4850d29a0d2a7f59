//! From arguments to an open switchboard.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};

use examples::chance::{chance, random};
use examples::screen::Screen;
use examples::tls::{self, Identity};
use sip_core::net::{Driver, Listen};
use sip_core::registrar::Policy;
use sip_core::{Config, DigestPolicy, Method, Referrals, Transport, Users};

use crate::args::{Cli, User};
use crate::pbx::Pbx;
use crate::places::{Places, outward};
use crate::relay::Relays;
use crate::story::{Shown, Story};

/// Where phones look for SIP, and where we put the rest when nothing is said.
const PORTS: [(Transport, u16); 5] = [
    (Transport::Udp, 5060),
    (Transport::Tcp, 5060),
    (Transport::Tls, 5061),
    (Transport::Ws, 5080),
    (Transport::Wss, 5081),
];

/// Listens, and says where.
///
/// # Errors
/// A line that says what cannot be.
pub(crate) async fn open(cli: &Cli, screen: Screen) -> Result<Pbx, String> {
    let (users, fresh) = users(cli)?;
    let groups = groups(cli, &users)?;
    let names: BTreeSet<String> = users.keys().cloned().collect();
    let mut driver = Driver::new(config(&cli.realm, users), chance().boxed());
    let listens = listens(cli);
    let secure = listens.iter().any(|(transport, _)| transport.is_secure());
    let mut certificate = None;
    if secure {
        let (identity, path) = identity(cli, &listens)?;
        driver.set_tls_server(identity.server);
        certificate = path;
    }
    let relays = relays(cli, &listens)?;
    let mut places = Places::default();
    for (transport, bind) in listens {
        let told = cli.advertise.unwrap_or_else(|| outward(bind));
        let mut listen = Listen::new(transport, bind);
        if cli.advertise.is_some() && bind.port() != 0 {
            listen = listen.advertise(host(told), bind.port());
        }
        let bound = driver.listen(listen).await.map_err(|error| {
            let option = transport.via().to_ascii_lowercase();
            format!(
                "cannot listen on {bind} for {transport}: {error}; name another with --{option}"
            )
        })?;
        places.add(transport, SocketAddr::new(told, bound.port()));
    }
    let story = Story::new(screen);
    story.opened(&Shown {
        places: &places,
        users: &names,
        fresh: &fresh,
        groups: &groups,
        realm: &cli.realm,
        certificate: certificate.as_deref(),
    });
    Ok(Pbx::new(
        driver, names, groups, places, cli.ring, story, relays,
    ))
}

/// What carries sound and video, at the address of the first door.
fn relays(cli: &Cli, listens: &[(Transport, SocketAddr)]) -> Result<Option<Relays>, String> {
    let Some((_, bind)) = listens.first().filter(|_| cli.relay) else {
        return Ok(None);
    };
    let told = cli.advertise.unwrap_or_else(|| outward(*bind));
    let ports = cli.relay_ports.first..=cli.relay_ports.last;
    Relays::new(bind.ip(), told, ports, cli.relay_secure).map(Some)
}

/// Those that are named, or two with fresh passwords; what is kept of each is its HA1.
#[allow(clippy::type_complexity)]
fn users(
    cli: &Cli,
) -> Result<
    (
        HashMap<String, Vec<sip_core::auth::Ha1>>,
        Vec<(String, String)>,
    ),
    String,
> {
    let mut known = HashMap::new();
    let mut fresh = Vec::new();
    let mut add = |name: &str, ha1| match known.insert(name.to_owned(), vec![ha1]) {
        None => Ok(()),
        Some(_) => Err(format!("user {name} is given twice")),
    };
    for user in &cli.user {
        add(&user.name, user.hashed(&cli.realm))?;
    }
    for user in &cli.user_ha1 {
        add(&user.name, user.ha1(&cli.realm)?)?;
    }
    if cli.user.is_empty() && cli.user_ha1.is_empty() {
        for name in ["alice", "bob"] {
            let password = password();
            add(name, User::new(name, password.clone()).hashed(&cli.realm))?;
            fresh.push((name.to_owned(), password));
        }
    }
    Ok((known, fresh))
}

/// Sixteen letters and digits that nobody takes for others, 80 bits.
fn password() -> String {
    const LETTERS: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";
    let bytes: [u8; 16] = random();
    bytes
        .iter()
        .map(|byte| char::from(LETTERS[usize::from(byte % 32)]))
        .collect()
}

fn groups<V>(
    cli: &Cli,
    users: &HashMap<String, V>,
) -> Result<BTreeMap<String, Vec<String>>, String> {
    let mut groups = BTreeMap::new();
    for group in &cli.group {
        for member in &group.members {
            if !users.contains_key(member) {
                return Err(format!("--group {}: no user {member}", group.name));
            }
        }
        if users.contains_key(&group.name)
            || groups
                .insert(group.name.clone(), group.members.clone())
                .is_some()
        {
            return Err(format!("--group {}: the name is taken", group.name));
        }
    }
    Ok(groups)
}

fn config(realm: &str, users: HashMap<String, Vec<sip_core::auth::Ha1>>) -> Config {
    let mut config = Config::default();
    let mut digest = DigestPolicy::new(realm, random());
    digest.users = Users::Known(users);
    config.digest = Some(digest);
    // Any host: phones name us by whatever address they were pointed at.
    config.registrar = Some(Policy::new(Vec::<String>::new()));
    config.methods = vec![Method::Message];
    config.referrals = Referrals::InCalls;
    // Safe to switch on: every caller has proved who it is.
    config.replaces = true;
    config
}

fn listens(cli: &Cli) -> Vec<(Transport, SocketAddr)> {
    let named = [cli.udp, cli.tcp, cli.tls, cli.ws, cli.wss];
    let plain = cli.udp.is_none() && cli.tcp.is_none();
    PORTS
        .into_iter()
        .zip(named)
        .filter_map(|((transport, port), named)| {
            let usual = SocketAddr::from(([0, 0, 0, 0], port));
            let always = matches!(transport, Transport::Udp | Transport::Tcp) && plain;
            let at = named.or((always || cli.is_plain()).then_some(usual))?;
            Some((transport, at))
        })
        .collect()
}

/// The certificate of the files, or a fresh one for every address and name that a phone may use.
fn identity(
    cli: &Cli,
    listens: &[(Transport, SocketAddr)],
) -> Result<(Identity, Option<PathBuf>), String> {
    if let (Some(certificate), Some(key)) = (&cli.certificate, &cli.key) {
        return Ok((tls::read(certificate, key)?, None));
    }
    let mut names = BTreeSet::from(["localhost", "127.0.0.1", "::1"].map(str::to_owned));
    names.extend(cli.advertise.map(|ip| ip.to_string()));
    names.extend(listens.iter().map(|(_, at)| outward(*at).to_string()));
    let identity = tls::generate(names.into_iter().collect())?;
    let path = cli.out.join("certificate.pem");
    let cannot = |path: &Path, error| format!("cannot write {}: {error}", path.display());
    std::fs::create_dir_all(&cli.out).map_err(|error| cannot(&cli.out, error))?;
    std::fs::write(&path, &identity.pem).map_err(|error| cannot(&path, error))?;
    Ok((identity, Some(path)))
}

fn host(ip: IpAddr) -> String {
    match ip {
        IpAddr::V4(ip) => ip.to_string(),
        IpAddr::V6(ip) => format!("[{ip}]"),
    }
}
