//! The action `publish-events`: platform events by the Pub/Sub API, which costs no
//! API calls.

mod encode;

use apache_avro::Schema;
use apache_avro::types::Value as Avro;
use apache_avro::writer::datum::GenericDatumWriter;
use prost::Message as _;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::eventbus::{ProducerEvent, PublishRequest, PublishResponse, PublishResult};
use super::layout::Layout;
use super::schemas::Schemas;
use super::source::{self, Source, Topic};
use super::trailers::{self, Verdict};
use super::unary;
use crate::api::Api;
use crate::bindings::exports::lockgate::connector::records::{Advice, Error};
use crate::fault::{self, refused, unexpected};
use crate::host::Host;

const PUBLISH: &str = "/eventbus.v1.PubSub/Publish";

/// The most events of one call of the action.
const MAX_EVENTS: usize = 2_000;
/// What Salesforce recommends as the most of one request.
const EVENTS_OF_REQUEST: usize = 200;
const BYTES_OF_REQUEST: usize = 3 * 1024 * 1024;
/// Salesforce's bound of one event, in bytes.
const MAX_EVENT_BYTES: usize = 1024 * 1024;
/// The longest id of one's own; Salesforce's are 36 characters.
const MAX_ID_BYTES: usize = 64;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct PublishInput {
    event: String,
    events: Vec<Input>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Input {
    #[serde(default)]
    id: String,
    fields: Map<String, Value>,
}

/// What became of one event.
#[derive(Clone, Debug, Serialize)]
struct Told {
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<String>,
    outcome: Outcome,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
enum Outcome {
    Published,
    Failed,
    /// The answer was lost: subscribers may see it.
    Unknown,
    /// Not sent, since an answer before it was lost.
    NotTried,
}

impl Told {
    fn because(outcome: Outcome, message: &str) -> Self {
        Self {
            id: None,
            outcome,
            message: Some(fault::cut(message.to_owned(), fault::MAX_MESSAGE_BYTES)),
        }
    }
}

#[derive(Serialize)]
struct Output {
    published: usize,
    events: Vec<Told>,
}

/// Publishes events, each by itself.
pub(crate) async fn publish<H: Host>(api: &Api<H>, input: PublishInput) -> Result<Vec<u8>, Error> {
    if input.events.len() > MAX_EVENTS {
        return Err(refused(
            Advice::FixRecord,
            "LIMIT_EXCEEDED",
            &format!(
                "{} events, and one call takes {MAX_EVENTS}",
                input.events.len()
            ),
        ));
    }
    let [topic] = topic_of(&input.event)?;
    let (schema_id, layout) = schema(api, &topic).await?;
    let mut told: Vec<Option<Told>> = vec![None; input.events.len()];
    let mut ready = Vec::new();
    for (at, event) in input.events.into_iter().enumerate() {
        match produced(&layout, &schema_id, event, api.host.now_ms()) {
            Ok(event) => ready.push((at, event)),
            Err(message) => set(&mut told, at, Told::because(Outcome::Failed, &message)),
        }
    }
    let mut ready = ready.into_iter().peekable();
    let mut is_lost = false;
    while ready.peek().is_some() {
        let (mut places, mut events, mut bytes) = (Vec::new(), Vec::new(), 0);
        while let Some((at, event)) = ready.next_if(|(_, event)| {
            events.is_empty()
                || (events.len() < EVENTS_OF_REQUEST
                    && bytes + event.payload.len() <= BYTES_OF_REQUEST)
        }) {
            bytes += event.payload.len();
            places.push(at);
            events.push(event);
        }
        let results = if is_lost {
            let not_tried = Told::because(Outcome::NotTried, "an answer before it was lost");
            vec![not_tried; places.len()]
        } else {
            match send(api, &topic, events).await? {
                Ok(results) => results.into_iter().map(outcome).collect(),
                Err(why) => {
                    is_lost = true;
                    vec![Told::because(Outcome::Unknown, &why); places.len()]
                }
            }
        };
        for (at, result) in places.into_iter().zip(results) {
            set(&mut told, at, result);
        }
    }
    let events: Vec<Told> = told.into_iter().flatten().collect();
    let published = events
        .iter()
        .filter(|told| told.outcome == Outcome::Published)
        .count();
    serde_json::to_vec(&Output { published, events })
        .map_err(|_| unexpected("results that are JSON"))
}

fn set(told: &mut [Option<Told>], at: usize, what: Told) {
    if let Some(place) = told.get_mut(at) {
        *place = Some(what);
    }
}

fn topic_of(name: &str) -> Result<[Topic; 1], Error> {
    let sources = source::read(&[name.to_owned()])?;
    let is_message = matches!(sources.as_slice(), [Source::Message(_)]);
    let topics = source::topics(&sources, 1)?;
    match <[Topic; 1]>::try_from(topics) {
        Ok(topic) if is_message => Ok(topic),
        _ => Err(refused(
            Advice::FixSchema,
            "INVALID_TYPE",
            "the name of a platform event ends with __e: other things that happen cannot be \
             published",
        )),
    }
}

/// The schema that events of a topic have now.
async fn schema<H: Host>(
    api: &Api<H>,
    topic: &Topic,
) -> Result<(String, std::rc::Rc<Layout>), Error> {
    let info = unary::topic(api, topic).await?;
    if !info.can_publish {
        return Err(refused(
            Advice::AskPermission,
            "EVENT_NOT_PUBLISHED",
            &format!(
                "{} cannot be published by the connected user: give it the permission to create \
                 this platform event",
                topic.names()
            ),
        ));
    }
    let layout = Schemas::default().layout(api, &info.schema_id).await?;
    Ok((info.schema_id, layout))
}

/// Publishes some events; the inner error is that nobody knows what became of
/// them, and why.
async fn send<H: Host>(
    api: &Api<H>,
    topic: &Topic,
    events: Vec<ProducerEvent>,
) -> Result<Result<Vec<PublishResult>, String>, Error> {
    let request = PublishRequest {
        topic_name: topic.channel.clone(),
        events,
    };
    match unary::ask(api, PUBLISH, request.encode_to_vec()).await {
        Ok(answer) => Ok(PublishResponse::decode(answer.as_slice())
            .ok()
            .map(|response| response.results)
            .filter(|results| results.len() == request.events.len())
            .ok_or_else(|| "the answer is none of these events".to_owned())),
        Err(unary::Lost::Ended(ending)) => match trailers::verdict(&ending) {
            // Refused before it was looked at; or broken off, nobody knows when.
            Verdict::Passing => Ok(Err(trailers::message(&ending))),
            _ => Ok(Ok(refused_all(&request, &trailers::message(&ending)))),
        },
        Err(unary::Lost::Error(Error::Unavailable(_))) => Ok(Err("there was no answer".to_owned())),
        Err(unary::Lost::Error(error)) => Err(error),
    }
}

/// The results of a request that was refused as a whole.
fn refused_all(request: &PublishRequest, said: &str) -> Vec<PublishResult> {
    let result = |_event| PublishResult {
        error: Some(super::eventbus::PublishError {
            msg: said.to_owned(),
        }),
        ..PublishResult::default()
    };
    request.events.iter().map(result).collect()
}

fn outcome(result: PublishResult) -> Told {
    let id = Some(result.correlation_key).filter(|id| !id.is_empty());
    match result.error {
        Some(error) => Told {
            id,
            ..Told::because(Outcome::Failed, &error.msg)
        },
        None => Told {
            id,
            outcome: Outcome::Published,
            message: None,
        },
    }
}

/// An event in the words of its schema; an error is a sentence for who wrote it.
fn produced(
    layout: &Layout,
    schema_id: &str,
    input: Input,
    now_ms: u64,
) -> Result<ProducerEvent, String> {
    let Schema::Record(record) = &layout.schema else {
        return Err("the event's schema is none of a record".to_owned());
    };
    if input.id.len() > MAX_ID_BYTES {
        return Err(format!("an id has at most {MAX_ID_BYTES} bytes"));
    }
    let mut given = input.fields;
    let mut values = Vec::with_capacity(record.fields.len());
    for (slot, field) in layout.slots.iter().zip(&record.fields) {
        let value = given.remove(&slot.name);
        let avro = match (slot.name.as_str(), value) {
            // Salesforce fills in both itself, and wants values all the same.
            ("CreatedDate", _) => Some(Avro::Long(i64::try_from(now_ms).unwrap_or(0))),
            ("CreatedById", _) => Some(Avro::String("005000000000000AAA".to_owned())),
            (_, value) => encode::value(slot.kind, &field.schema, &value.unwrap_or_default()),
        };
        let avro = avro.ok_or_else(|| format!("{} has a value that does not fit", slot.name))?;
        values.push((slot.name.clone(), avro));
    }
    if let Some(name) = given.keys().next() {
        return Err(format!("{} has no field {name}", layout.name));
    }
    let payload = GenericDatumWriter::builder(&layout.schema)
        .build()
        .and_then(|writer| writer.write_value_to_vec(Avro::Record(values)))
        .map_err(|_| "the event does not fit its schema".to_owned())?;
    if payload.len() > MAX_EVENT_BYTES {
        return Err(format!("the event has more than {MAX_EVENT_BYTES} bytes"));
    }
    Ok(ProducerEvent {
        id: input.id,
        schema_id: schema_id.to_owned(),
        payload,
    })
}

#[cfg(test)]
mod tests;
