//! INFO and its packages (RFC 6086).
//!
//! Recv-Info stands in every INVITE of ours, its 2xx, and re-INVITE, when
//! [`Config::info_packages`](crate::Config::info_packages) names any; an INFO of another package
//! gets 469. An INFO without a package is of the old kind (RFC 2976), taken always.

use std::time::Instant;

use super::body::Body;
use super::call::{Call, CallState};
use super::command::CommandError;
use super::event::{CallId, Event};
use super::table::Key;
use super::{Endpoint, wire};
use crate::header::InfoPackage;
use crate::{HeaderName, Message, Method, StatusCode};

impl Endpoint {
    /// The value of Recv-Info, if it is written.
    pub(crate) fn recv_info(&self) -> Option<String> {
        let packages = &self.config.info_packages;
        (!packages.is_empty()).then(|| packages.join(", "))
    }

    pub(crate) fn info_came(
        &mut self,
        now: Instant,
        server: Key,
        call: &mut Call,
        request: &Message,
    ) {
        let named = request.header(HeaderName::INFO_PACKAGE).is_some();
        let package = request
            .typed::<InfoPackage<'_>>()
            .ok()
            .map(|package| package.package().to_owned());
        let taken = match &package {
            Some(package) => self
                .config
                .info_packages
                .iter()
                .any(|taken| taken.eq_ignore_ascii_case(package)),
            None => !named,
        };
        if !taken {
            // RFC 6086 section 4.2.2: with the list, empty or not.
            let packages = self.recv_info().unwrap_or_default();
            let status = StatusCode::BAD_INFO_PACKAGE;
            self.respond_status(now, server, request, status, |builder| {
                builder.header(HeaderName::RECV_INFO, &packages)
            });
            return;
        }
        self.respond_status(now, server, request, StatusCode::OK, |builder| builder);
        if let Some(key) = call.key {
            self.out.tell(Event::Info {
                call: CallId(key),
                package,
                body: wire::body(request),
                request: request.clone(),
            });
        }
    }

    pub(crate) fn send_info(
        &mut self,
        now: Instant,
        call: &mut Call,
        package: Option<&str>,
        body: Option<Body>,
    ) -> Result<(), CommandError> {
        if !matches!(call.state, CallState::Established | CallState::Accepted) {
            return Err(CommandError::State("an answered call"));
        }
        if let Some(package) = package {
            let mut taken = call.peer_packages.iter();
            if !taken.any(|taken| taken.eq_ignore_ascii_case(package)) {
                return Err(CommandError::State("a peer that takes this Info package"));
            }
        }
        self.send_inside(now, call, Method::Info, |mut builder| {
            if let Some(package) = package {
                builder = builder.header(HeaderName::INFO_PACKAGE, package);
            }
            match body {
                Some(mut body) => {
                    if package.is_some() && body.disposition.is_none() {
                        body.disposition = Some("Info-Package".to_owned());
                    }
                    wire::with_body(builder, &body)
                }
                None => builder,
            }
        })
    }
}
