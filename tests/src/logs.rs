//! What a run writes to its log, as a subscriber of `tracing` would print it.

use std::io::Write;
use std::sync::{Arc, Mutex};

use tracing::subscriber::DefaultGuard;
use tracing_subscriber::fmt::MakeWriter;

/// The lines that were logged on this thread while it lives.
#[derive(Debug)]
pub struct Logs {
    lines: Sink,
    _guard: DefaultGuard,
}

impl Logs {
    /// Begins to listen, on this thread only: use a runtime that stays on it.
    pub fn capture() -> Self {
        let lines = Sink::default();
        let subscriber = tracing_subscriber::fmt()
            .with_writer(lines.clone())
            .with_max_level(tracing::Level::DEBUG)
            .with_ansi(false)
            .finish();
        Self {
            lines,
            _guard: tracing::subscriber::set_default(subscriber),
        }
    }

    /// All bytes so far, as text.
    pub fn text(&self) -> String {
        String::from_utf8(self.lines.0.lock().unwrap().clone()).unwrap()
    }

    /// The lines that guests caused.
    pub fn of_guests(&self) -> Vec<String> {
        let text = self.text();
        let of_guests = |line: &&str| line.contains("lockgate::guest");
        text.split('\n')
            .filter(of_guests)
            .map(str::to_owned)
            .collect()
    }
}

#[derive(Clone, Debug, Default)]
struct Sink(Arc<Mutex<Vec<u8>>>);

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Sink {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}
