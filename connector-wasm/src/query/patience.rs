//! How long a page waits for a job: for it to be done, and for answers that did not
//! come.

use crate::bindings::exports::lockgate::connector::records::Error;
use crate::host::Host;

/// How long one page may wait for the job before it is given empty, in
/// milliseconds. A host stops a page after 150,000 if nobody asked for more.
const PATIENCE_MS: u64 = 30_000;

/// How often a request without an answer is sent again, and the longest pause
/// before, in milliseconds.
pub(super) const MAX_AGAIN: u32 = 3;
const LONGEST_PAUSE_MS: u64 = 10_000;
/// The pause after an answer that makes no sense, in milliseconds.
const SENSELESS_PAUSE_MS: u64 = 1_000;

/// What is left of the time that one page may take.
pub(super) struct Patience<'a, H> {
    host: &'a H,
    began_ms: u64,
    waited_ms: u64,
}

impl<'a, H: Host> Patience<'a, H> {
    pub(super) fn new(host: &'a H) -> Self {
        Self {
            host,
            began_ms: host.now_ms(),
            waited_ms: 0,
        }
    }

    /// The clock may jump, so what was waited counts as well.
    pub(super) fn is_over(&self) -> bool {
        let passed_ms = self.host.now_ms().saturating_sub(self.began_ms);
        passed_ms.max(self.waited_ms) >= PATIENCE_MS
    }

    pub(super) async fn wait(&mut self, duration_ms: u32) {
        self.host.wait(duration_ms).await;
        self.waited_ms += u64::from(duration_ms);
    }
}

/// Sends a read again if its answer was lost or makes no sense.
pub(super) async fn again<H: Host, T>(
    patience: &mut Patience<'_, H>,
    send: impl AsyncFn() -> Result<T, Error>,
) -> Result<T, Error> {
    let mut left = MAX_AGAIN;
    loop {
        match send().await {
            Err(error @ (Error::Unavailable(_) | Error::Unexpected(_))) if left > 0 => {
                left -= 1;
                patience.wait(pause_of(&error)).await;
            }
            answer => return answer,
        }
    }
}

/// How long to wait before the same is asked for again, in milliseconds.
pub(super) fn pause_of(error: &Error) -> u32 {
    let pause_ms = match error {
        Error::Unavailable(pause_ms) => *pause_ms,
        _ => SENSELESS_PAUSE_MS,
    };
    u32::try_from(pause_ms.min(LONGEST_PAUSE_MS)).unwrap_or(0)
}
