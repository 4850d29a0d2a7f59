//! Ctrl-C, or the SIGTERM of whoever runs a service: the first asks for a tidy end, the second does not wait for it.

use tokio::sync::watch;

/// What a shell expects of a program that SIGINT ended.
pub const EXIT: u8 = 130;

/// Whether somebody wants the program to end.
#[derive(Debug, Clone)]
pub struct Interrupt(watch::Receiver<bool>);

impl Interrupt {
    /// Listens from now on. Needs a runtime.
    pub fn listen() -> Self {
        let (tell, asked) = watch::channel(false);
        tokio::spawn(async move {
            if asked_once().await.is_err() {
                // Without a handler the system's own stays: Ctrl-C ends the program.
                return std::future::pending().await;
            }
            let _ = tell.send(true);
            let _ = asked_once().await;
            std::process::exit(EXIT.into());
        });
        Self(asked)
    }

    /// Waits for Ctrl-C or SIGTERM.
    pub async fn wait(&self) {
        let mut asked = self.0.clone();
        if asked.wait_for(|asked| *asked).await.is_err() {
            std::future::pending().await
        }
    }
}

#[cfg(unix)]
async fn asked_once() -> std::io::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut term = signal(SignalKind::terminate())?;
    tokio::select! {
        asked = tokio::signal::ctrl_c() => asked,
        _ = term.recv() => Ok(()),
    }
}

#[cfg(not(unix))]
async fn asked_once() -> std::io::Result<()> {
    tokio::signal::ctrl_c().await
}
