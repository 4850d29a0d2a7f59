//! Ctrl-C: the first asks for a tidy end, the second does not wait for it.

use tokio::sync::watch;

/// What a shell expects of a program that SIGINT ended.
pub const EXIT: u8 = 130;

/// Whether somebody pressed Ctrl-C.
#[derive(Debug, Clone)]
pub struct Interrupt(watch::Receiver<bool>);

impl Interrupt {
    /// Listens from now on. Needs a runtime.
    pub fn listen() -> Self {
        let (tell, asked) = watch::channel(false);
        tokio::spawn(async move {
            if tokio::signal::ctrl_c().await.is_err() {
                // Without a handler the system's own stays: Ctrl-C ends the program.
                return std::future::pending().await;
            }
            let _ = tell.send(true);
            let _ = tokio::signal::ctrl_c().await;
            std::process::exit(EXIT.into());
        });
        Self(asked)
    }

    /// Waits for Ctrl-C.
    pub async fn wait(&self) {
        let mut asked = self.0.clone();
        if asked.wait_for(|asked| *asked).await.is_err() {
            std::future::pending().await
        }
    }
}
