//! Ctrl-C, which ends what the program does and not the program at once.

use std::io;

use tokio::sync::watch;

/// Whether Ctrl-C was pressed since this was made.
#[derive(Clone)]
pub(crate) struct Interrupt(watch::Receiver<bool>);

impl Interrupt {
    /// From now on Ctrl-C no longer ends the process. Needs a tokio runtime around it.
    pub(crate) fn listen() -> io::Result<Self> {
        #[cfg(unix)]
        let mut signal = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::interrupt())?;
        #[cfg(windows)]
        let mut signal = tokio::signal::windows::ctrl_c()?;
        let (pressed, interrupt) = watch::channel(false);
        tokio::spawn(async move {
            signal.recv().await;
            pressed.send_replace(true);
        });
        Ok(Self(interrupt))
    }

    /// Ends when Ctrl-C is or was pressed.
    pub(crate) async fn pressed(&mut self) {
        if self.0.wait_for(|pressed| *pressed).await.is_err() {
            // Nobody listens any more, so nobody can press it.
            std::future::pending::<()>().await;
        }
    }
}
