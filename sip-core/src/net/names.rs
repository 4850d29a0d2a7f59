//! The endpoint's questions about names, asked in the background.

use std::task::{Context, Poll};
use std::time::Instant;

use tokio::sync::mpsc;

#[cfg(feature = "dns")]
use super::dns::Dns;
use crate::Endpoint;
use crate::endpoint::{QuestionAnswer, QuestionId};
use crate::resolve::{DnsAnswer, DnsQuery};

/// How many answers may wait for the endpoint; those who have more wait with theirs.
const ANSWERS: usize = 64;

#[derive(Debug)]
pub(crate) struct Names {
    answers: mpsc::Receiver<(QuestionId, DnsAnswer)>,
    answerer: mpsc::Sender<(QuestionId, DnsAnswer)>,
    ours: bool,
    #[cfg(feature = "dns")]
    dns: Option<Dns>,
}

impl Names {
    pub(crate) fn new() -> Self {
        let (answerer, answers) = mpsc::channel(ANSWERS);
        Self {
            answers,
            answerer,
            ours: true,
            #[cfg(feature = "dns")]
            dns: None,
        }
    }

    /// Leaves the questions to the application.
    pub(crate) fn leave(&mut self) {
        self.ours = false;
    }

    /// Whether the questions are not left to the application.
    pub(crate) fn are_ours(&self) -> bool {
        self.ours
    }

    /// Asks this resolver instead of the system's.
    #[cfg(feature = "dns")]
    pub(crate) fn ask(&mut self, dns: Dns) {
        self.dns = Some(dns);
    }

    /// The system's resolver knows addresses only.
    pub(crate) fn look_up(&self, endpoint: &mut Endpoint, id: QuestionId, query: DnsQuery) {
        let answerer = self.answerer.clone();
        #[cfg(feature = "dns")]
        if let Some(dns) = self.dns.clone() {
            tokio::spawn(async move {
                let answer = dns.look_up(query).await;
                // The driver may be gone by now.
                let _ = answerer.send((id, answer)).await;
            });
            return;
        }
        let DnsQuery::Address(host) = query else {
            let nothing = QuestionAnswer::Dns(DnsAnswer::Nothing);
            // Gone when what asked is over.
            let _ = endpoint.answer_question(Instant::now(), id, nothing);
            return;
        };
        tokio::spawn(async move {
            let answer = match tokio::net::lookup_host((host.as_str(), 0)).await {
                Ok(addresses) => DnsAnswer::Addresses(addresses.map(|at| at.ip()).collect()),
                Err(_) => DnsAnswer::Nothing,
            };
            let _ = answerer.send((id, answer)).await;
        });
    }

    /// Hands over the answers that have come; whether there were any.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>, endpoint: &mut Endpoint) -> bool {
        let mut any = false;
        while let Poll::Ready(Some((id, answer))) = self.answers.poll_recv(cx) {
            any = true;
            // Gone when its deadline passed first.
            let _ = endpoint.answer_question(Instant::now(), id, QuestionAnswer::Dns(answer));
        }
        any
    }
}
