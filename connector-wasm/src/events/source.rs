//! What is subscribed to: objects and kinds of message, and the channels on which
//! Salesforce tells of them.

use crate::bindings::exports::lockgate::connector::records::{Advice, Error};
use crate::fault::refused;
use crate::names;

/// The contract's bound of sources.
const MAX_SOURCES: usize = 32;

/// The channel of all changes.
const ALL_CHANGES: &str = "/data/ChangeEvents";

/// What a caller wants to hear of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Source {
    /// Changes of an object.
    Object(String),
    /// Messages of a kind.
    Message(String),
}

impl Source {
    /// Standard messages are named as no object is whose changes are told:
    /// `BatchApexErrorEvent`, `LoginEventStream`. `Event` is an object, the
    /// appointments.
    fn named(name: &str) -> Self {
        let is_message = name.ends_with("__e")
            || (name.ends_with("Event") && name != "Event")
            || name.ends_with("EventStream");
        if is_message {
            Self::Message(name.to_owned())
        } else {
            Self::Object(name.to_owned())
        }
    }

    /// Its name.
    pub(super) fn name(&self) -> &str {
        match self {
            Self::Object(name) | Self::Message(name) => name,
        }
    }

    /// The channel that tells of nothing else.
    fn channel(&self) -> String {
        match self {
            Self::Message(name) => format!("/event/{name}"),
            Self::Object(name) => match name.strip_suffix("__c") {
                Some(bare) => format!("/data/{bare}__ChangeEvent"),
                None => format!("/data/{name}ChangeEvent"),
            },
        }
    }
}

/// Checks the names of the sources, and gives them in an order of their own.
pub(super) fn read(names: &[String]) -> Result<Vec<Source>, Error> {
    if !(1..=MAX_SOURCES).contains(&names.len()) {
        return Err(refused(
            Advice::FixRecord,
            "INVALID_SOURCES",
            &format!(
                "{} sources, and a subscription has 1 to {MAX_SOURCES}",
                names.len()
            ),
        ));
    }
    let mut sources: Vec<Source> = Vec::with_capacity(names.len());
    for name in names {
        names::object(name)?;
        let is_known = |known: &Source| known.name().eq_ignore_ascii_case(name);
        if sources.iter().any(is_known) {
            return Err(refused(
                Advice::FixRecord,
                "INVALID_SOURCES",
                &format!("{name} is named twice"),
            ));
        }
        sources.push(Source::named(name));
    }
    // So that the same sources have the same places in a checkpoint.
    sources.sort_by_key(|source| source.name().to_ascii_lowercase());
    Ok(sources)
}

/// A channel, and which of its events are wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Topic {
    pub(super) channel: String,
    /// What it is followed for: one source, or objects of the channel of all
    /// changes.
    pub(super) sources: Vec<Source>,
}

impl Topic {
    /// Whether a change of this object is wanted. A channel of its own tells of
    /// nothing else.
    pub(super) fn wants(&self, object: &str) -> bool {
        self.channel != ALL_CHANGES
            || self
                .sources
                .iter()
                .any(|source| source.name().eq_ignore_ascii_case(object))
    }

    /// The names of its sources, for people.
    pub(super) fn names(&self) -> String {
        let names: Vec<&str> = self.sources.iter().map(Source::name).collect();
        names.join(", ")
    }
}

/// The channels of the sources, at most so many: one for each source, or else
/// all objects by the channel of all changes.
pub(super) fn topics(sources: &[Source], most: usize) -> Result<Vec<Topic>, Error> {
    let own = |source: &Source| Topic {
        channel: source.channel(),
        sources: vec![source.clone()],
    };
    if sources.len() <= most {
        return Ok(sources.iter().map(own).collect());
    }
    let is_message = |source: &&Source| matches!(source, Source::Message(_));
    let (messages, objects): (Vec<&Source>, Vec<&Source>) = sources.iter().partition(is_message);
    let room = most - usize::from(!objects.is_empty());
    if messages.len() > room {
        return Err(refused(
            Advice::FixRecord,
            "INVALID_SOURCES",
            &format!(
                "{} kinds of message, and a subscription can follow {room} of them: use several \
                 subscriptions",
                messages.len()
            ),
        ));
    }
    let mut topics: Vec<Topic> = messages.into_iter().map(own).collect();
    if !objects.is_empty() {
        topics.push(Topic {
            channel: ALL_CHANGES.to_owned(),
            sources: objects.into_iter().cloned().collect(),
        });
    }
    Ok(topics)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sources(names: &[&str]) -> Vec<Source> {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        read(&names).unwrap()
    }

    fn channels(names: &[&str], most: usize) -> Vec<String> {
        let topics = topics(&sources(names), most).unwrap();
        topics.into_iter().map(|topic| topic.channel).collect()
    }

    #[test]
    fn each_source_has_the_channel_that_salesforce_calls_it() {
        assert_eq!(
            channels(
                &[
                    "ns__Invoice__c",
                    "Contact",
                    "Low_Ink__e",
                    "BatchApexErrorEvent",
                    "Event"
                ],
                7
            ),
            [
                "/event/BatchApexErrorEvent",
                "/data/ContactChangeEvent",
                "/data/EventChangeEvent",
                "/event/Low_Ink__e",
                "/data/ns__Invoice__ChangeEvent",
            ]
        );
    }

    #[test]
    fn too_many_objects_share_the_channel_of_all_changes_which_is_sifted() {
        assert_eq!(
            channels(&["Contact", "A__e", "Account", "Lead"], 3),
            ["/event/A__e", "/data/ChangeEvents"]
        );
        let topics = topics(&sources(&["Contact", "Account"]), 1).unwrap();
        assert!(topics[0].wants("Account") && topics[0].wants("contact"));
        assert!(!topics[0].wants("Lead"));
        assert_eq!(topics[0].names(), "Account, Contact");
    }

    #[test]
    fn more_messages_than_exchanges_are_refused() {
        let sources = sources(&["A__e", "B__e", "Contact", "Lead"]);
        assert!(topics(&sources, 2).is_err());
        assert_eq!(topics(&sources, 3).unwrap().len(), 3);
    }

    #[test]
    fn names_that_are_none_missing_doubled_or_too_many_are_refused() {
        let refuses = |names: &[&str]| {
            let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
            read(&names).is_err()
        };
        assert!(refuses(&[]));
        assert!(refuses(&["Contact", "contact"]));
        assert!(refuses(&["Contact/../x"]));
        let many: Vec<String> = (0..33).map(|number| format!("A{number}__c")).collect();
        assert!(read(&many).is_err());
        assert!(read(&many[..32]).is_ok());
    }
}
