//! What CometD says, and what it means that something is wrong.

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::bindings::exports::lockgate::connector::records::Error;
use crate::fault::{MAX_MESSAGE_BYTES, cut};

/// One message.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Said {
    pub(super) channel: String,
    #[serde(default)]
    successful: Option<bool>,
    #[serde(default)]
    pub(super) client_id: Option<String>,
    #[serde(default)]
    pub(super) subscription: Option<String>,
    #[serde(default)]
    error: Option<String>,
    #[serde(default)]
    ext: Option<Ext>,
    #[serde(default)]
    pub(super) data: Option<Box<RawValue>>,
}

#[derive(Debug, Deserialize)]
struct Ext {
    #[serde(default)]
    sfdc: Option<Sfdc>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Sfdc {
    #[serde(default)]
    failure_reason: Option<String>,
}

/// Why a message was not taken.
#[derive(Debug)]
pub(super) enum Trouble {
    /// The request has no answer.
    Error(Error),
    /// The client is not known, or not any more.
    Forgotten,
    /// The session is over.
    Session,
    /// What is behind the replay id is gone, or it never was one.
    Stale(String),
    /// The events of the day are used up.
    OverQuota,
    /// Too many clients are there.
    Crowded,
    /// The channel is not there, or not for this user.
    Refused { channel: String, said: String },
}

impl From<Error> for Trouble {
    fn from(error: Error) -> Self {
        Self::Error(error)
    }
}

impl Said {
    /// Whether the message that this answers was taken.
    pub(super) fn check(&self) -> Result<(), Trouble> {
        if self.successful != Some(false) {
            return Ok(());
        }
        let error = self.error.as_deref().unwrap_or_default();
        let reason = self.ext.as_ref().and_then(|ext| ext.sfdc.as_ref());
        let reason = reason.and_then(|sfdc| sfdc.failure_reason.as_deref());
        let says = |words: &str| error.contains(words) || reason.is_some_and(|r| r.contains(words));
        let said = || cut(format!("Salesforce says: {error}"), MAX_MESSAGE_BYTES / 2);
        Err(if says("401::") {
            Trouble::Session
        } else if says("Unknown client") {
            Trouble::Forgotten
        } else if says("replayId") {
            Trouble::Stale(said())
        } else if says("daily limit exceeded") {
            Trouble::OverQuota
        } else if says("concurrent user limit") {
            Trouble::Crowded
        } else {
            Trouble::Refused {
                channel: self.subscription.clone().unwrap_or_default(),
                said: said(),
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn trouble(error: &str, ext: &serde_json::Value) -> String {
        let said = json!({ "channel": "/meta/subscribe", "successful": false, "error": error,
            "subscription": "/event/A__e", "ext": ext });
        let said: Said = serde_json::from_value(said).unwrap();
        format!("{:?}", said.check().unwrap_err())
    }

    #[test]
    fn each_of_salesforces_errors_asks_for_something_else() {
        let none = json!({});
        for (error, expected) in [
            ("401::Authentication invalid", "Session"),
            ("403::Unknown client", "Forgotten"),
            (
                "400::The replayId {5} you provided was invalid.  Please provide a valid ID, -2 \
                 to replay all events, or -1 to replay only new events.",
                "Stale",
            ),
            (
                "403::Organization total events daily limit exceeded",
                "OverQuota",
            ),
            (
                "403::Organization concurrent user limit exceeded",
                "Crowded",
            ),
            (
                "400::The channel you requested to subscribe to does not exist {/event/A__e}",
                "Refused",
            ),
        ] {
            assert!(trouble(error, &none).starts_with(expected), "{error}");
        }
        let ext = json!({ "sfdc": { "failureReason": "401::Authentication invalid" } });
        assert_eq!(trouble("403::Handshake denied", &ext), "Session");
    }

    #[test]
    fn what_says_nothing_of_success_is_none_of_failure() {
        let said = json!({ "channel": "/event/A__e", "data": {} });
        let said: Said = serde_json::from_value(said).unwrap();
        assert!(said.check().is_ok());
    }
}
