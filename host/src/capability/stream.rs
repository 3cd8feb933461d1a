//! Interface `stream`: long-lived exchanges of messages with the endpoints that
//! the manifest names.
//!
//! A message is carried and not understood. Each one that comes begins the
//! limits of the call anew, so that a subscription can last; the credential is
//! put into the metadata last and taken out of whatever comes back.

mod driver;
mod pipe;
mod tape;

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use wasmtime::component::{Accessor, FutureReader, StreamReader};

use crate::bindings::contract::stream as wit;
use crate::capability::http::Backend;
use crate::grant::Grant;
use crate::limits::Limits;
use crate::manifest::StreamEndpoint;
use crate::patience::Patience;
use crate::state::{ConnectorHost, ConnectorState};
use driver::Driver;
use pipe::{Arrivals, Departures};

/// The longest name of a method, in bytes.
const MAX_METHOD_BYTES: usize = 256;

/// The interface's state in one call.
#[derive(Debug)]
pub(crate) struct Exchanges {
    /// None where there is nothing to reach: every exchange is denied.
    backend: Option<Arc<Backend>>,
    places: Arc<Semaphore>,
    /// The clock of the call. It stands still while the guest waits for a
    /// message: the product then has its own limit, that of an idle exchange.
    pub(crate) patience: Patience,
}

/// An exchange that keeps the rules, with its place among those that may be open.
struct Admitted {
    backend: Arc<Backend>,
    endpoint: StreamEndpoint,
    method: String,
    place: OwnedSemaphorePermit,
}

impl Exchanges {
    pub(crate) fn new(backend: Option<Arc<Backend>>, limits: &Limits) -> Self {
        Self {
            backend,
            places: Arc::new(Semaphore::new(limits.exchanges as usize)),
            patience: Patience::new(limits.wall),
        }
    }

    fn admit(&self, endpoint: &str, method: String) -> Result<Admitted, wit::Error> {
        let backend = self.backend.as_ref().ok_or(wit::Error::Denied)?;
        let mut endpoints = backend.vendor.stream.iter();
        let endpoint = endpoints
            .find(|known| known.name == endpoint)
            .filter(|_| is_method(&method))
            .ok_or(wit::Error::Invalid)?;
        let place = Arc::clone(&self.places).try_acquire_owned();
        Ok(Admitted {
            backend: Arc::clone(backend),
            endpoint: endpoint.clone(),
            method,
            place: place.map_err(|_| wit::Error::Denied)?,
        })
    }
}

/// `/package.Service/Method`: nothing that could lead elsewhere on the host.
fn is_method(text: &str) -> bool {
    let is_word = |word: &str, dots: bool| {
        word.starts_with(|c: char| c.is_ascii_alphabetic())
            && word
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b == b'_' || (dots && b == b'.'))
            && !word.contains("..")
            && !word.ends_with('.')
    };
    text.len() <= MAX_METHOD_BYTES
        && text
            .strip_prefix('/')
            .and_then(|text| text.split_once('/'))
            .is_some_and(|(service, method)| is_word(service, true) && is_word(method, false))
}

impl wit::Host for ConnectorState {}

impl wit::HostWithStore<ConnectorState> for ConnectorHost {
    async fn open(
        accessor: &Accessor<ConnectorState, Self>,
        endpoint: String,
        method: String,
        mut outgoing: StreamReader<Vec<u8>>,
    ) -> wasmtime::Result<Result<(StreamReader<Vec<u8>>, FutureReader<wit::Ending>), wit::Error>>
    {
        let begun = accessor.with(|mut access| {
            let state = access.get();
            // Each is a request as well, so that they cannot be opened without end.
            let admitted = match state.one_more_request(Grant::Stream)? {
                Some(_) => state.stream.admit(&endpoint, method),
                None => Err(wit::Error::Denied),
            };
            wasmtime::error::Ok(match admitted {
                Ok(admitted) => {
                    let limit = admitted.endpoint.max_message_bytes;
                    let (departures, messages) = Departures::new(limit);
                    outgoing.pipe(&mut access, departures)?;
                    Ok((admitted, messages))
                }
                Err(error) => {
                    outgoing.close(&mut access)?;
                    Err(error)
                }
            })
        })?;
        let (admitted, messages) = match begun {
            Ok(begun) => begun,
            Err(error) => return Ok(Err(error)),
        };
        let driver = match Driver::begin(admitted, messages).await {
            Ok(driver) => driver,
            Err(error) => return Ok(Err(error)),
        };
        accessor.with(|mut access| {
            let grants = Arc::clone(access.get().grants());
            let (arrivals, ended) = Arrivals::new(driver, grants);
            let reader = StreamReader::new(&mut access, arrivals)?;
            let ending = async move {
                // Nothing is said only if the guest let go of the messages.
                wasmtime::error::Ok(ended.await.unwrap_or_else(|_| driver::let_go()))
            };
            let ending = FutureReader::new(&mut access, ending)?;
            Ok(Ok((reader, ending)))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_method_is_a_service_and_a_name_and_nothing_else() {
        for good in ["/a.b.v1.Service/Method", "/Service/do_it", "/S/M2"] {
            assert!(is_method(good), "{good}");
        }
        for bad in [
            "",
            "/",
            "/Service",
            "/Service/",
            "//Method",
            "Service/Method",
            "/Service/Method/",
            "/Service/Method?x",
            "/Service/Me.thod",
            "/../Method",
            "/a..b/Method",
            "/.a/Method",
            "/a./Method",
            "/a/%2e",
            "/a/b\r\nc",
            "/ä/b",
        ] {
            assert!(!is_method(bad), "{bad:?}");
        }
        assert!(!is_method(&format!("/a/{}", "b".repeat(MAX_METHOD_BYTES))));
    }
}
