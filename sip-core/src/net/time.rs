//! What wakes a task when something is due.

use std::pin::Pin;
use std::task::Context;
use std::time::Instant;

use tokio::time::Sleep;

use crate::Endpoint;

/// A timer that is set to whatever comes first, and made once.
#[derive(Debug, Default)]
pub(crate) struct Alarm {
    sleep: Option<Pin<Box<Sleep>>>,
}

impl Alarm {
    /// Does what is due in the endpoint, or has the task woken when that or `other` is; whether something was due.
    pub(crate) fn poll(
        &mut self,
        cx: &mut Context<'_>,
        now: Instant,
        other: Option<Instant>,
        endpoint: &mut Endpoint,
    ) -> bool {
        let due = endpoint.poll_timeout();
        if due.is_some_and(|at| at <= now) {
            endpoint.handle_timeout(now);
            return true;
        }
        match due.into_iter().chain(other).min() {
            Some(wanted) => self.wait(cx, wanted),
            None => false,
        }
    }

    /// Has the task woken then; whether that is past.
    pub(crate) fn wait(&mut self, cx: &mut Context<'_>, wanted: Instant) -> bool {
        let wanted = wanted.into();
        let sleep = self
            .sleep
            .get_or_insert_with(|| Box::pin(tokio::time::sleep_until(wanted)));
        if sleep.deadline() != wanted {
            sleep.as_mut().reset(wanted);
        }
        sleep.as_mut().poll(cx).is_ready()
    }
}
