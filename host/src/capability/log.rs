//! Interface `log`: a guest's messages go to `tracing`, bounded and unable to
//! forge lines of the log.

use std::fmt::Write as _;
use std::sync::Arc;

use wasmtime::component::HasData;

use crate::bindings::contract::log as wit;
use crate::meter::{Limit, Meter};
use crate::plain::is_forging;

/// The longest message with its fields, in bytes. The contract promises it.
const MAX_MESSAGE_BYTES: usize = 4 * 1024;

/// How many times its budget a guest may write in vain before it is stopped.
const FLOOD_FACTOR: u64 = 16;

/// Who is speaking, for the log's fields.
#[derive(Clone, Debug)]
pub(crate) struct Speaker {
    pub(crate) package: String,
    pub(crate) version: String,
    /// `tenant/name`, or empty for a transform that works for none.
    pub(crate) connection: String,
}

impl Speaker {
    /// Whose calls these are; empty if they belong to no connection.
    pub(crate) fn tenant(&self) -> &str {
        let tenant = self.connection.split_once('/');
        tenant.map_or("", |(tenant, _)| tenant)
    }
}

/// The log of one call.
#[derive(Debug)]
pub(crate) struct Log {
    speaker: Arc<Speaker>,
    offered_bytes: u64,
    dropped: u64,
    lines: u64,
}

impl Log {
    pub(crate) const fn new(speaker: Arc<Speaker>) -> Self {
        Self {
            speaker,
            offered_bytes: 0,
            dropped: 0,
            lines: 0,
        }
    }

    /// Messages since the instance was made, also those that were dropped.
    pub(crate) const fn lines(&self) -> u64 {
        self.lines
    }

    /// Begins a new page: the budget is full again.
    pub(crate) fn rearm(&mut self) {
        self.report_dropped();
        self.offered_bytes = 0;
    }

    fn write(
        &mut self,
        meter: &Meter,
        level: wit::Level,
        message: &str,
        fields: &[(String, String)],
    ) -> wasmtime::Result<()> {
        self.lines += 1;
        let text = one_line(message, fields);
        let offered = message.len() + fields.iter().map(|(k, v)| k.len() + v.len()).sum::<usize>();
        self.offered_bytes = self.offered_bytes.saturating_add(offered as u64);
        let budget = meter.limits().log_bytes;
        if self.offered_bytes > budget.saturating_mul(FLOOD_FACTOR) {
            return Err(meter.exceeded(Limit::Log).into());
        }
        if self.offered_bytes > budget {
            self.dropped += 1;
            return Ok(());
        }
        let Speaker {
            package,
            version,
            connection,
        } = &*self.speaker;
        match level {
            wit::Level::Debug => {
                tracing::debug!(target: "lockgate::guest", package, version, connection, "{text}");
            }
            wit::Level::Info => {
                tracing::info!(target: "lockgate::guest", package, version, connection, "{text}");
            }
            wit::Level::Warn => {
                tracing::warn!(target: "lockgate::guest", package, version, connection, "{text}");
            }
            wit::Level::Error => {
                tracing::error!(target: "lockgate::guest", package, version, connection, "{text}");
            }
        }
        Ok(())
    }

    fn report_dropped(&mut self) {
        if self.dropped > 0 {
            let Speaker {
                package,
                version,
                connection,
            } = &*self.speaker;
            tracing::warn!(
                target: "lockgate::guest", package, version, connection, dropped = self.dropped,
                "the guest wrote more than its log budget; messages were dropped"
            );
            self.dropped = 0;
        }
    }
}

impl Drop for Log {
    fn drop(&mut self) {
        self.report_dropped();
    }
}

/// A message with its fields as one line: control characters are escaped, so
/// that a guest can neither begin a line of its own nor move the cursor.
fn one_line(message: &str, fields: &[(String, String)]) -> String {
    let mut line = String::with_capacity(message.len().min(MAX_MESSAGE_BYTES));
    push_escaped(&mut line, message);
    for (name, value) in fields {
        if line.len() >= MAX_MESSAGE_BYTES {
            break;
        }
        line.push(' ');
        push_escaped(&mut line, name);
        line.push('=');
        // Debug quotes the value and escapes what could end the quotes.
        let end = value.floor_char_boundary(MAX_MESSAGE_BYTES);
        let _ = write!(line, "{:?}", value.get(..end).unwrap_or_default());
    }
    if line.len() > MAX_MESSAGE_BYTES {
        line.truncate(line.floor_char_boundary(MAX_MESSAGE_BYTES));
        line.push('…');
    }
    line
}

fn push_escaped(line: &mut String, text: &str) {
    for c in text.chars() {
        if line.len() > MAX_MESSAGE_BYTES {
            return;
        }
        if is_forging(c) {
            line.extend(c.escape_default());
        } else {
            line.push(c);
        }
    }
}

/// The log beside the meter that bounds it: what the interface works on, in
/// either world's state.
#[derive(Debug)]
pub(crate) struct LogView<'a> {
    pub(crate) log: &'a mut Log,
    pub(crate) meter: &'a mut Meter,
}

/// Names [`LogView`] to the linker.
#[derive(Debug)]
pub(crate) struct HasLog;

impl HasData for HasLog {
    type Data<'a> = LogView<'a>;
}

impl wit::Host for LogView<'_> {
    fn write(
        &mut self,
        level: wit::Level,
        message: String,
        fields: Vec<(String, String)>,
    ) -> wasmtime::Result<()> {
        self.meter.host_call()?;
        self.log.write(self.meter, level, &message, &fields)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_cannot_begin_a_line_of_its_own_or_paint() {
        let forged = "ok\r\n2026-01-01 ERROR host: all is lost \x1b[2J\u{2028}x\u{202e}y";
        let line = one_line(forged, &[("k\n".to_owned(), "v\"\n".to_owned())]);
        assert!(!line.chars().any(char::is_control), "{line}");
        assert!(
            !line.contains('\u{2028}') && !line.contains('\u{202e}'),
            "{line}"
        );
        assert!(line.contains(r#"k\n="v\"\n""#), "{line}");
    }

    #[test]
    fn a_long_message_is_cut_at_a_whole_character() {
        let line = one_line(&"ä".repeat(10_000), &[]);
        assert!(line.len() <= MAX_MESSAGE_BYTES + 4 && line.ends_with('…'));
    }
}
