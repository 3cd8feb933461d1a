//! What stands around a file in a body of parts.

use super::clash::Guard;

/// A body of two parts, the second one still without its content.
#[derive(Debug)]
pub(crate) struct Frame {
    /// The value of `Content-Type`.
    pub(crate) content_type: String,
    /// What comes before the content.
    pub(crate) before: Vec<u8>,
    /// What comes after it.
    pub(crate) after: Vec<u8>,
    /// Watches the content.
    pub(crate) guard: Guard,
}

impl Frame {
    /// A frame whose boundary is made of the time, for a record that is JSON.
    pub(super) fn new(now_ms: u64, object: &str, record: &[u8], field: &str) -> Self {
        let boundary = format!("lockgate-part-{now_ms:016x}");
        // The names that Salesforce's guides give to the record's part.
        let entity = match object.to_ascii_lowercase().as_str() {
            "contentversion" => "entity_content".to_owned(),
            object => format!("entity_{object}"),
        };
        let mut before = format!(
            "--{boundary}\r\nContent-Disposition: form-data; name=\"{entity}\";\r\n\
             Content-Type: application/json\r\n\r\n"
        )
        .into_bytes();
        before.extend_from_slice(record);
        before.extend_from_slice(
            format!(
                "\r\n--{boundary}\r\nContent-Type: application/octet-stream\r\n\
                 Content-Disposition: form-data; name=\"{field}\"; filename=\"content\"\r\n\r\n"
            )
            .as_bytes(),
        );
        let line = format!("\r\n--{boundary}");
        Self {
            content_type: format!("multipart/form-data; boundary=\"{boundary}\""),
            before,
            after: format!("{line}--\r\n").into_bytes(),
            guard: Guard::new(line.into_bytes()),
        }
    }

    /// How long the whole body is, for a content of so many bytes.
    pub(crate) fn length(&self, content: u64) -> u64 {
        content + (self.before.len() + self.after.len()) as u64
    }
}
