//! What guests can do: one file for each interface of the contract that the host
//! serves, under the interface's name.

pub(crate) mod clock;
pub(crate) mod http;
pub(crate) mod log;
pub(crate) mod outgoing;
pub(crate) mod quota;
pub(crate) mod storage;
pub(crate) mod stream;
pub(crate) mod tables;
