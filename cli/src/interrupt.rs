//! Ctrl-C where it must not simply end the program: something half made would be
//! left behind, or there is a last word to say.

use std::future::Future;

use anyhow::{Context as _, Result};

use crate::exit::Interrupted;

#[cfg(unix)]
type Signal = tokio::signal::unix::Signal;
#[cfg(windows)]
type Signal = tokio::signal::windows::CtrlC;

/// Listens for Ctrl-C from the moment it is made, so that none is lost between
/// two steps. From then on Ctrl-C does not end the program by itself.
#[derive(Debug)]
pub(crate) struct Interrupt(Signal);

impl Interrupt {
    pub(crate) fn listen() -> Result<Self> {
        #[cfg(unix)]
        let signal = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::interrupt());
        #[cfg(windows)]
        let signal = tokio::signal::windows::ctrl_c();
        Ok(Self(signal.context("cannot listen for Ctrl-C")?))
    }

    /// Does the work unless Ctrl-C comes first; `left` then says what there is
    /// after it.
    pub(crate) async fn or<T>(
        &mut self,
        left: &'static str,
        work: impl Future<Output = Result<T>>,
    ) -> Result<T> {
        let done = self.stops(work).await;
        done.unwrap_or_else(|| Err(Interrupted(left).into()))
    }

    /// Does the work; `None` if Ctrl-C came first.
    pub(crate) async fn stops<T>(&mut self, work: impl Future<Output = T>) -> Option<T> {
        tokio::select! {
            biased;
            _ = self.0.recv() => None,
            done = work => Some(done),
        }
    }
}
