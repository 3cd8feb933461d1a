//! What to change in the org when it does not tell of a source.

use super::source::{Source, Topic};
use crate::api::Api;
use crate::bindings::exports::lockgate::connector::records::{Advice, Error};
use crate::describe::{Age, described};
use crate::fault::refused;
use crate::host::Host;

/// The error of a channel that the org refuses, with what it says, if anything.
pub(super) async fn topic<H: Host>(api: &Api<H>, topic: &Topic, said: &str) -> Error {
    let [source] = topic.sources.as_slice() else {
        return may_not(
            topic,
            "Change Data Capture is not there for the connected user: editions from Enterprise \
             and Developer on have it, and reading all of its changes takes the permission View \
             All Data",
            said,
        );
    };
    let name = source.name();
    match described(api, name, Age::Recent).await {
        // It may be written in another case, which objects have none of.
        Ok((description, _)) if description.summary.name != name => refused(
            Advice::FixSchema,
            "UNKNOWN_SOURCE",
            &format!(
                "{name} is called {}: write it so. {said}",
                description.summary.name
            ),
        ),
        Ok(_) => match source {
            Source::Object(_) => may_not(
                topic,
                "select the object in Setup under Change Data Capture, and give the connected user \
                 View All for it; what cannot be selected can be heard of by the way polling, \
                 which costs API calls",
                said,
            ),
            Source::Message(_) => may_not(
                topic,
                "give the connected user the permission to read this platform event",
                said,
            ),
        },
        Err(Error::Refused(problem)) if problem.advice == Advice::FixSchema => refused(
            Advice::FixSchema,
            "UNKNOWN_SOURCE",
            &format!(
                "{name} is no object and no platform event that the connected user can see. {said}"
            ),
        ),
        // The org cannot be asked now; what it has said already is sure.
        Err(_) => may_not(topic, "look whether the connected user can see it", said),
    }
}

fn may_not(topic: &Topic, what: &str, said: &str) -> Error {
    refused(
        Advice::AskPermission,
        "SOURCE_NOT_TOLD",
        &format!("the org does not tell of {}: {what}. {said}", topic.names()),
    )
}
