//! One hook: what is sent, how often it is tried, and what came back.

use super::exchange::{self, Head};
use super::signature::sign;
use super::url::HookUrl;
use crate::Random;
use ::http::{HeaderValue, StatusCode};
use bytes::Bytes;
use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

/// What a client is told once. Build it with [`HookConfig::new`] and change what differs.
#[derive(Clone)]
#[non_exhaustive]
pub struct HookConfig {
    /// How long a try may take, connecting and the whole answer included; default 5 s.
    pub timeout: Duration,
    /// How often it is tried; default 5.
    pub tries: u32,
    /// The wait after the first failure, doubled after each; default 500 ms. A random part of up to half is taken off,
    /// so that those who failed together do not come back together.
    pub backoff: Duration,
    /// The longest wait; default 30 s. A receiver's Retry-After is heeded up to this.
    pub max_backoff: Duration,
    /// The longest answer that is read, bytes; default 64 KiB.
    pub max_answer: usize,
    /// How many hooks wait in a [`queue`](super::queue) or are under way; default 1024.
    pub queue: usize,
    /// How many of them may be for one address; default 128: one that is down does not take the place of the others.
    pub queue_per_url: usize,
    /// How many addresses are told at the same time; default 16.
    pub concurrent: usize,
    /// What the signature is made with; default none, and then hooks bear none.
    pub secret: Option<Vec<u8>>,
    /// How `https` addresses are reached; default none, and then they cannot be.
    pub tls: Option<Arc<rustls::ClientConfig>>,
    /// Random bytes for waits and names of deliveries.
    pub random: Random,
}

impl HookConfig {
    /// The defaults.
    pub fn new(random: Random) -> Self {
        Self {
            timeout: Duration::from_secs(5),
            tries: 5,
            backoff: Duration::from_millis(500),
            max_backoff: Duration::from_secs(30),
            max_answer: 64 * 1024,
            queue: 1024,
            queue_per_url: 128,
            concurrent: 16,
            secret: None,
            tls: None,
            random,
        }
    }
}

impl fmt::Debug for HookConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HookConfig")
            .field("timeout", &self.timeout)
            .field("tries", &self.tries)
            .field("signs", &self.secret.is_some())
            .field("tls", &self.tls.is_some())
            .finish_non_exhaustive()
    }
}

/// Something to post.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Hook {
    /// Where to.
    pub url: HookUrl,
    /// The type of its content.
    pub content_type: HeaderValue,
    /// Its content.
    pub body: Bytes,
}

impl Hook {
    /// Posts `application/json`.
    pub fn json(url: HookUrl, json: impl Into<Bytes>) -> Self {
        let content_type = HeaderValue::from_static("application/json");
        Self::new(url, content_type, json)
    }

    /// Posts this type of content.
    pub fn new(url: HookUrl, content_type: HeaderValue, body: impl Into<Bytes>) -> Self {
        Self {
            url,
            content_type,
            body: body.into(),
        }
    }
}

/// What a receiver said.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct HookAnswer {
    /// A status of 200 to 299.
    pub status: StatusCode,
    /// What it carried.
    pub body: Bytes,
    /// How many tries it took.
    pub tries: u32,
}

/// Why a hook was not delivered.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HookError {
    /// The receiver refused; statuses that may pass were tried again.
    #[error("the receiver answered {0}")]
    Refused(StatusCode),
    /// Nothing came in time.
    #[error("no answer within {0:?}")]
    TimedOut(Duration),
    /// The receiver cannot be reached.
    #[error("cannot be reached: {0}")]
    Unreachable(#[source] io::Error),
    /// What came is no HTTP, or breaks off.
    #[error("the answer cannot be read: {0}")]
    Protocol(String),
    /// The answer is longer than is read.
    #[error("the answer has more than {0} bytes")]
    TooLong(usize),
    /// The address is `https`, and [`HookConfig::tls`] is not set.
    #[error("https is not set up")]
    NoTls,
}

impl HookError {
    /// Whether another try may help.
    fn may_pass(&self) -> bool {
        match self {
            Self::Refused(status) => {
                status.is_server_error() || matches!(status.as_u16(), 408 | 425 | 429)
            }
            Self::TimedOut(_) | Self::Unreachable(_) | Self::Protocol(_) => true,
            Self::TooLong(_) | Self::NoTls => false,
        }
    }
}

/// Posts hooks. Cheap to clone.
///
/// Each try opens a connection of its own: hooks are rare beside what they tell of, and a receiver that was restarted
/// never leaves a dead connection behind.
#[derive(Debug, Clone)]
pub struct HookClient(Arc<HookConfig>);

impl HookClient {
    /// A client.
    pub fn new(config: HookConfig) -> Self {
        Self(Arc::new(config))
    }

    /// What it was told.
    pub fn config(&self) -> &HookConfig {
        &self.0
    }

    /// Posts a hook, again if need be, and gives the answer. Needs a runtime of tokio with time and I/O.
    ///
    /// Dropped early, it stops; the receiver may have seen the hook.
    ///
    /// # Errors
    /// Those of the last try.
    pub async fn call(&self, hook: &Hook) -> Result<HookAnswer, HookError> {
        let config = &*self.0;
        let delivery = format!(
            "{:016x}{:016x}",
            config.random.number(),
            config.random.number()
        );
        let mut tried = 0;
        loop {
            let signature = config.secret.as_ref();
            let signature = signature.map(|secret| sign(secret, &hook.body, SystemTime::now()));
            let head = Head {
                delivery: &delivery,
                signature: signature.as_deref(),
                max_answer: config.max_answer,
                tls: config.tls.as_ref(),
            };
            tried += 1;
            let answer = tokio::time::timeout(config.timeout, exchange::post(hook, &head)).await;
            let (error, asked) = match answer {
                Err(_) => (HookError::TimedOut(config.timeout), None),
                Ok(Err(error)) => (error, None),
                Ok(Ok(answer)) if answer.status.is_success() => {
                    return Ok(HookAnswer {
                        status: answer.status,
                        body: answer.body,
                        tries: tried,
                    });
                }
                Ok(Ok(answer)) => (HookError::Refused(answer.status), answer.retry_after),
            };
            if tried >= config.tries || !error.may_pass() {
                return Err(error);
            }
            tokio::time::sleep(self.wait(tried, asked)).await;
        }
    }

    /// How long to wait after so many failures.
    fn wait(&self, failures: u32, asked: Option<Duration>) -> Duration {
        let config = &*self.0;
        let doubled = 2u32.saturating_pow(failures.saturating_sub(1));
        let whole = config
            .backoff
            .saturating_mul(doubled)
            .max(asked.unwrap_or_default())
            .min(config.max_backoff);
        // 62 bits of chance as a share of a half.
        let share = (config.random.number() >> 30) as f64 / f64::from(u32::MAX);
        whole.mul_f64(1.0 - share.clamp(0.0, 1.0) / 2.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_a_bound_and_are_never_all_the_same() {
        for (byte, share) in [(0, 1.0), (0xff, 0.5)] {
            let mut config = HookConfig::new(Random::new(move |bytes| bytes.fill(byte)));
            config.max_backoff = Duration::from_secs(3);
            let client = HookClient::new(config);
            for (failures, ms) in [
                (1, 500.0),
                (2, 1000.0),
                (3, 2000.0),
                (4, 3000.0),
                (99, 3000.0),
            ] {
                let wait = client.wait(failures, None).as_secs_f64() * 1000.0;
                assert!((wait - ms * share).abs() < 1.0, "{failures}: {wait}");
            }
            let asked = client.wait(1, Some(Duration::from_secs(2))).as_secs_f64();
            assert!((asked - 2.0 * share).abs() < 0.01, "{asked}");
        }
    }
}
