//! TLS: what the gateway shows of itself, and whom it trusts.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};

use examples::tls::{self, Identity};
use signaling::net::Gateway;
use sip_core::net::Listen;
use sip_core::{Local, Transport};

use crate::args::Cli;

/// What REST and SIP show over TLS: the files, or a certificate made up for this run.
///
/// # Errors
/// A line that names the file and says what is wrong with it.
pub(crate) fn identity(cli: &Cli) -> Result<Option<Identity>, String> {
    if let (Some(cert), Some(key)) = (&cli.tls_cert, &cli.tls_key) {
        return tls::read(cert, key).map(Some);
    }
    if !cli.tls && cli.sip_tls.is_none() {
        return Ok(None);
    }
    let mut names = BTreeSet::from(["localhost", "127.0.0.1", "::1"].map(String::from));
    let told = [
        Some(cli.http.ip()),
        cli.sip_tls.map(|at| at.ip()),
        cli.advertise,
    ];
    let told = told.into_iter().flatten().filter(|ip| !ip.is_unspecified());
    names.extend(told.map(|ip| ip.to_string()));
    tls::generate(names.into_iter().collect()).map(Some)
}

/// Lets phones be called over TLS, and listens for them if that is wanted: where.
///
/// # Errors
/// A line that says what cannot be.
pub(crate) async fn sip_over_tls(
    cli: &Cli,
    gateway: &mut Gateway,
    identity: &Option<Identity>,
) -> Result<Option<SocketAddr>, String> {
    let (sip, driver) = (gateway.sip_addr(), gateway.driver());
    match tls::client(cli.ca.as_deref()) {
        Ok(client) => driver.set_tls_client(client),
        Err(why) if cli.ca.is_some() => return Err(why),
        // A system that trusts nobody: a dial over TLS says so when there is one.
        Err(_) => {}
    }
    let host = cli.advertise.map(host);
    let (Some(at), Some(identity)) = (cli.sip_tls, identity) else {
        // Nobody listens there; the connection that we open is the phone's way back.
        let mut local = Local::new(Transport::Tls, sip);
        if let Some(host) = host {
            local = local.advertise(host, sip.port());
        }
        driver.endpoint().add_local(local);
        return Ok(None);
    };
    driver.set_tls_server(identity.server.clone());
    let mut listen = Listen::new(Transport::Tls, at);
    if let Some(host) = host.filter(|_| at.port() != 0) {
        listen = listen.advertise(host, at.port());
    }
    let bound = driver.listen(listen).await;
    let bound =
        bound.map_err(|error| format!("cannot listen for SIP over TLS at {at}: {error}"))?;
    Ok(Some(bound))
}

fn host(ip: IpAddr) -> String {
    match ip {
        IpAddr::V4(ip) => ip.to_string(),
        IpAddr::V6(ip) => format!("[{ip}]"),
    }
}
