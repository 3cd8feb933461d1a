//! A spinner for long work, on a terminal only: in a pipe nothing is drawn.

use std::borrow::Cow;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

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
