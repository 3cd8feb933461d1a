//! What a host and its compiler say to each other: a line of JSON, then bytes, each way.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::engine::CodeSettings;

/// What is to be done. The component's bytes follow.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Request {
    /// The host's engine, which that of the compiler must be equal to.
    pub(super) engine: String,
    pub(super) settings: CodeSettings,
    pub(super) memory_bytes: u64,
    pub(super) cpu_seconds: u64,
    pub(super) component_bytes: usize,
}

/// What came of it.
#[derive(Debug, PartialEq)]
pub(super) enum Answer {
    Code(Bytes),
    /// Wasmtime's words.
    Refused(String),
    OutOfMemory,
    /// The version that the compiler is of.
    OtherEngine(String),
}

/// The line of an answer.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Head {
    /// So many bytes follow.
    Code(usize),
    Refused(String),
    OutOfMemory,
    OtherEngine(String),
}

impl Request {
    pub(super) fn to_line(&self) -> Vec<u8> {
        line(self)
    }

    pub(super) fn parse(line: &[u8]) -> serde_json::Result<Self> {
        serde_json::from_slice(line)
    }
}

impl Answer {
    /// The line, and what follows it.
    pub(super) fn into_parts(self) -> (Vec<u8>, Bytes) {
        let (head, code) = match self {
            Self::Code(code) => (Head::Code(code.len()), code),
            Self::Refused(reason) => (Head::Refused(reason), Bytes::new()),
            Self::OutOfMemory => (Head::OutOfMemory, Bytes::new()),
            Self::OtherEngine(version) => (Head::OtherEngine(version), Bytes::new()),
        };
        (line(&head), code)
    }

    /// Reads a whole answer; nothing if it is none, or not whole.
    pub(super) fn parse(answer: Vec<u8>) -> Option<Self> {
        let mut code = Bytes::from(answer);
        let end = code.iter().position(|byte| *byte == b'\n')?;
        let head = code.split_to(end + 1);
        let (answer, n_bytes) = match serde_json::from_slice(&head).ok()? {
            Head::Code(n_bytes) => (Self::Code(code.clone()), n_bytes),
            Head::Refused(reason) => (Self::Refused(reason), 0),
            Head::OutOfMemory => (Self::OutOfMemory, 0),
            Head::OtherEngine(version) => (Self::OtherEngine(version), 0),
        };
        (code.len() == n_bytes).then_some(answer)
    }
}

/// Strings and numbers always are JSON; an empty line would be refused.
fn line(head: &impl Serialize) -> Vec<u8> {
    let mut line = serde_json::to_vec(head).unwrap_or_default();
    line.push(b'\n');
    line
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::Concurrency;

    #[test]
    fn what_one_side_says_the_other_hears() {
        let request = Request {
            engine: "ab".to_owned(),
            settings: CodeSettings {
                concurrency: Concurrency::On,
                is_counting: true,
            },
            memory_bytes: 1,
            cpu_seconds: 2,
            component_bytes: 3,
        };
        assert_eq!(Request::parse(&request.to_line()).unwrap(), request);
        for answer in [
            || Answer::Code(Bytes::from_static(b"\n{code}\n")),
            || Answer::Code(Bytes::new()),
            || Answer::Refused("a\nb".to_owned()),
            || Answer::OutOfMemory,
            || Answer::OtherEngine("0.1.0".to_owned()),
        ] {
            let (line, code) = answer().into_parts();
            let whole = [line.as_slice(), &code].concat();
            assert_eq!(Answer::parse(whole.clone()), Some(answer()));
            assert_eq!(Answer::parse([whole.as_slice(), b"x"].concat()), None);
            for end in 0..whole.len() {
                assert_eq!(Answer::parse(whole[..end].to_vec()), None, "cut at {end}");
            }
        }
    }
}
