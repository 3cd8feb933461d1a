//! What goes wrong in a call of a connector, from what its guest says of it to what
//! the app is told.

use std::time::Duration;

use super::Instance;
use crate::bindings::connector::exports::lockgate::connector::records as wit;
use crate::error::{Error, GuestCall};
use crate::meter::{Exceeded, Limit};
use crate::records::{Problem, bounded};

impl Instance {
    /// Says that the guest broke the contract.
    pub(crate) fn broken(&self, call: &'static str, what: String) -> Error {
        self.guest.fault();
        Error::BrokenContract {
            guest: self.guest_call(call),
            what,
        }
    }

    /// Says that what a guest handed on of the product's answer makes no sense.
    pub(crate) fn not_understood(&self, call: &'static str, what: &str) -> Error {
        self.guest.fault();
        Error::Unexpected {
            call: self.guest_call(call),
            what: bounded(what),
        }
    }

    fn guest_call(&self, call: &'static str) -> GuestCall {
        GuestCall {
            package: self.speaker.package.clone(),
            version: self.speaker.version.clone(),
            call,
        }
    }

    /// The limit that made a call give up: to the guest a request too many is one that
    /// was denied, and it cannot tell people what to do about it.
    fn too_many_requests(&mut self) -> Option<Exceeded> {
        let state = self.guest.state_mut();
        let is_over = state.http.is_over();
        is_over.then(|| state.meter.exceeded(Limit::HttpRequests))
    }

    pub(super) async fn refusal(&mut self, call: &'static str, error: wit::Error) -> Error {
        let call = self.guest_call(call);
        let after = Duration::from_millis;
        if let wit::Error::Refused(_) | wit::Error::Unexpected(_) = &error
            && let Some(Exceeded { limit, allowed }) = self.too_many_requests()
        {
            self.guest.fault();
            return Error::LimitExceeded {
                guest: call,
                limit,
                allowed,
            };
        }
        match error {
            wit::Error::Refused(problem) => Error::Refused {
                call,
                problem: Box::new(Problem::from(problem)),
            },
            wit::Error::Reconnect => self.reconnect_reason().await,
            wit::Error::OverQuota(ms) => Error::OverQuota {
                call,
                budget: Box::new(self.quota.status()),
                retry_after: after(ms),
            },
            wit::Error::Unavailable(ms) => Error::Unavailable {
                call,
                retry_after: after(ms),
            },
            wit::Error::UnknownOutcome => Error::UnknownOutcome { call },
            wit::Error::Unexpected(what) => {
                self.guest.fault();
                Error::Unexpected {
                    call,
                    what: bounded(&what),
                }
            }
        }
    }
}
