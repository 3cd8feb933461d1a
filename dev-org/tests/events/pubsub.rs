//! A client of the Pub/Sub API: generated from the public proto, over a real
//! connection.

use apache_avro::Schema;
use apache_avro::reader::datum::GenericDatumReader;
use apache_avro::types::Value as Avro;
use futures_util::stream;
use tokio::sync::mpsc;
use tonic::metadata::MetadataValue;
use tonic::transport::Channel;
use tonic::{Request, Status, Streaming};

use super::eventbus::pub_sub_client::PubSubClient;
use super::eventbus::{
    ConsumerEvent, FetchRequest, FetchResponse, ReplayPreset, SchemaRequest, TopicInfo,
    TopicRequest,
};
use super::support::Session;

/// A connection with a session.
#[derive(Clone)]
pub(crate) struct PubSub {
    pub(crate) client: PubSubClient<Channel>,
    /// What every call has in its metadata.
    pub(crate) metadata: Vec<(&'static str, String)>,
}

/// An open subscription.
pub(crate) struct Subscriber {
    requests: mpsc::UnboundedSender<FetchRequest>,
    pub(crate) answers: Streaming<FetchResponse>,
}

impl PubSub {
    pub(crate) async fn connect(session: &Session) -> Self {
        let channel = Channel::from_shared(session.base.clone()).unwrap();
        Self::over(session, channel.connect().await.unwrap())
    }

    pub(crate) fn over(session: &Session, channel: Channel) -> Self {
        let tenant = session.control.org(|org| org.organization_id().to_string());
        Self {
            client: PubSubClient::new(channel),
            metadata: vec![
                ("accesstoken", session.token.clone()),
                ("instanceurl", session.base.clone()),
                ("tenantid", tenant),
            ],
        }
    }

    /// A message with the metadata of every call.
    pub(crate) fn with<T>(&self, message: T) -> Request<T> {
        let mut request = Request::new(message);
        for (name, value) in &self.metadata {
            let value = MetadataValue::try_from(value).unwrap();
            request.metadata_mut().insert(*name, value);
        }
        request
    }

    pub(crate) async fn topic(&self, name: &str) -> Result<TopicInfo, Status> {
        let request = self.with(TopicRequest {
            topic_name: name.to_owned(),
        });
        let answer = self.client.clone().get_topic(request).await?;
        Ok(answer.into_inner())
    }

    pub(crate) async fn schema(&self, id: &str) -> Result<Schema, Status> {
        let request = self.with(SchemaRequest {
            schema_id: id.to_owned(),
        });
        let answer = self.client.clone().get_schema(request).await?.into_inner();
        assert_eq!(answer.schema_id, id);
        Ok(Schema::parse_str(&answer.schema_json).unwrap())
    }

    /// An event with the schema that it names.
    pub(crate) async fn decode(&self, event: &ConsumerEvent) -> Avro {
        let event = event.event.as_ref().unwrap();
        let schema = self.schema(&event.schema_id).await.unwrap();
        decode(&schema, &event.payload)
    }

    /// Opens a stream and sends nothing.
    pub(crate) async fn open(&self) -> Subscriber {
        let (requests, receiver) = mpsc::unbounded_channel();
        let stream = stream::unfold(receiver, |mut receiver| async {
            Some((receiver.recv().await?, receiver))
        });
        let answers = self.client.clone().subscribe(self.with(stream)).await;
        Subscriber {
            requests,
            answers: answers.unwrap().into_inner(),
        }
    }

    /// Follows a channel with what happens from now on.
    pub(crate) async fn follow(&self, topic: &str, wanted: i32) -> Subscriber {
        let subscriber = self.open().await;
        subscriber.send(fetch(topic, ReplayPreset::Latest, wanted));
        subscriber
    }

    /// Follows a channel from the oldest event on.
    pub(crate) async fn replay(&self, topic: &str, wanted: i32) -> Subscriber {
        let subscriber = self.open().await;
        subscriber.send(fetch(topic, ReplayPreset::Earliest, wanted));
        subscriber
    }

    /// Follows a channel from behind a replay id on.
    pub(crate) async fn resume(&self, topic: &str, replay_id: &[u8], wanted: i32) -> Subscriber {
        let subscriber = self.open().await;
        subscriber.send(FetchRequest {
            replay_id: replay_id.to_vec(),
            ..fetch(topic, ReplayPreset::Custom, wanted)
        });
        subscriber
    }
}

impl Subscriber {
    pub(crate) fn send(&self, request: FetchRequest) {
        self.requests.send(request).unwrap();
    }

    /// Asks for some more.
    pub(crate) fn more(&self, wanted: i32) {
        self.send(FetchRequest {
            num_requested: wanted,
            ..FetchRequest::default()
        });
    }

    /// The next answer.
    pub(crate) async fn next(&mut self) -> FetchResponse {
        self.answers.message().await.unwrap().unwrap()
    }

    /// The next events, so many.
    pub(crate) async fn take(&mut self, count: usize) -> Vec<ConsumerEvent> {
        let mut events = Vec::new();
        while events.len() < count {
            events.append(&mut self.next().await.events);
        }
        assert_eq!(events.len(), count);
        events
    }

    /// The error that ends the stream.
    pub(crate) async fn error(&mut self) -> Status {
        loop {
            match self.answers.message().await {
                Err(status) => return status,
                Ok(answer) => assert!(answer.is_some(), "the stream ended without an error"),
            }
        }
    }
}

pub(crate) fn fetch(topic: &str, preset: ReplayPreset, wanted: i32) -> FetchRequest {
    FetchRequest {
        topic_name: topic.to_owned(),
        replay_preset: preset.into(),
        num_requested: wanted,
        ..FetchRequest::default()
    }
}

/// Reads bytes by a schema, all of them.
pub(crate) fn decode(schema: &Schema, mut bytes: &[u8]) -> Avro {
    let reader = GenericDatumReader::builder(schema).build().unwrap();
    let value = reader.read_value(&mut bytes).unwrap();
    assert!(bytes.is_empty());
    value
}

/// A field of a record, without the union around it.
pub(crate) fn field<'v>(value: &'v Avro, name: &str) -> &'v Avro {
    let Avro::Record(fields) = value else {
        panic!("no record: {value:?}");
    };
    let found = fields.iter().find(|(field, _)| field == name);
    match &found.unwrap_or_else(|| panic!("no {name} in {fields:?}")).1 {
        Avro::Union(_, inner) => inner,
        plain => plain,
    }
}

/// A text in a field.
pub(crate) fn text<'v>(value: &'v Avro, name: &str) -> &'v str {
    match field(value, name) {
        Avro::String(text) | Avro::Enum(_, text) => text,
        other => panic!("no text: {other:?}"),
    }
}

/// The texts of a list in a field.
pub(crate) fn texts<'v>(value: &'v Avro, name: &str) -> Vec<&'v str> {
    let Avro::Array(items) = field(value, name) else {
        panic!("no list");
    };
    let text = |item: &'v Avro| match item {
        Avro::String(text) => text.as_str(),
        other => panic!("no text: {other:?}"),
    };
    items.iter().map(text).collect()
}

/// Salesforce's own code of an error.
pub(crate) fn error_code(status: &Status) -> &str {
    let code = status.metadata().get("error-code");
    let code = code.unwrap_or_else(|| panic!("no code in {status:?}"));
    let code = code.to_str().unwrap();
    code.strip_prefix("sfdc.platform.eventbus.grpc.").unwrap()
}
