//! A spinner or a bar for long work, on a terminal only: in a pipe nothing is drawn.

use std::borrow::Cow;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use tokio::io::{AsyncRead, ReadBuf};

use crate::output;

/// Work under way. Gone from the screen when dropped.
#[derive(Debug)]
pub(crate) struct Progress(ProgressBar);

impl Progress {
    /// Begins to spin. indicatif draws nothing if standard error is no terminal.
    pub(crate) fn spinner(message: impl Into<Cow<'static, str>>) -> Self {
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
        bar.set_style(ProgressStyle::default_spinner());
        bar.set_message(message);
        bar.enable_steady_tick(Duration::from_millis(120));
        Self(bar)
    }

    /// Counts bytes, of so many if that is known.
    pub(crate) fn bytes(message: &'static str, total: Option<u64>) -> Self {
        let bar = ProgressBar::with_draw_target(total, ProgressDrawTarget::stderr());
        let template = match total {
            Some(_) => "{msg} {wide_bar} {bytes}/{total_bytes} {bytes_per_sec}",
            None => "{spinner} {msg} {bytes} {bytes_per_sec}",
        };
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        bar.set_message(message);
        Self(bar)
    }

    /// Counts so many more bytes.
    pub(crate) fn advance(&self, bytes: usize) {
        self.0.inc(bytes as u64);
    }

    /// Says how far it is.
    pub(crate) fn say(&self, message: impl Into<Cow<'static, str>>) {
        self.0.set_message(message);
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}

/// A word from the work itself while it makes no progress: a spinner of its own,
/// or, where nothing is drawn, a line on standard error. Clones are the same.
#[derive(Clone, Debug, Default)]
pub(crate) struct Note(Arc<Mutex<Option<Progress>>>);

impl Note {
    /// Shows this until something else is said.
    pub(crate) fn say(&self, message: String) {
        let mut shown = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let progress = Progress::spinner(message.clone());
        if progress.0.is_hidden() {
            output::tell(&message);
        }
        *shown = Some(progress);
    }

    /// Shows nothing more.
    pub(crate) fn clear(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
    }
}

/// A reader whose bytes are counted as they go.
#[derive(Debug)]
pub(crate) struct Counted<R> {
    reader: R,
    bar: ProgressBar,
}

impl<R> Counted<R> {
    pub(crate) fn new(reader: R, progress: &Progress) -> Self {
        Self {
            reader,
            bar: progress.0.clone(),
        }
    }
}

impl<R: AsyncRead + Unpin> AsyncRead for Counted<R> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let outcome = Pin::new(&mut self.reader).poll_read(context, buffer);
        self.bar.inc((buffer.filled().len() - before) as u64);
        outcome
    }
}
