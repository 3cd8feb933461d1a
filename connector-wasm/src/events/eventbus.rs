//! The messages of the Pub/Sub API that are used here, as Salesforce's public
//! proto has them (`eventbus.v1`, forcedotcom/pub-sub-api, CC0-1.0).

/// Opens a subscription, and asks for more of it. Topic and start count in the
/// first of an exchange only.
#[derive(Clone, PartialEq, Eq, Hash, ::prost::Message)]
pub(crate) struct FetchRequest {
    #[prost(string, tag = "1")]
    pub(crate) topic_name: String,
    #[prost(enumeration = "ReplayPreset", tag = "2")]
    pub(crate) replay_preset: i32,
    #[prost(bytes = "vec", tag = "3")]
    pub(crate) replay_id: Vec<u8>,
    #[prost(int32, tag = "4")]
    pub(crate) num_requested: i32,
}

/// Where a subscription begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, ::prost::Enumeration)]
#[repr(i32)]
pub(crate) enum ReplayPreset {
    Latest = 0,
    Earliest = 1,
    Custom = 2,
}

/// Events, or none of them as a sign of life.
#[derive(Clone, PartialEq, ::prost::Message)]
pub(crate) struct FetchResponse {
    #[prost(message, repeated, tag = "1")]
    pub(crate) events: Vec<ConsumerEvent>,
    #[prost(bytes = "vec", tag = "2")]
    pub(crate) latest_replay_id: Vec<u8>,
    #[prost(int32, tag = "4")]
    pub(crate) pending_num_requested: i32,
}

/// An event with its place in the topic.
#[derive(Clone, PartialEq, ::prost::Message)]
pub(crate) struct ConsumerEvent {
    #[prost(message, optional, tag = "1")]
    pub(crate) event: Option<ProducerEvent>,
    #[prost(bytes = "vec", tag = "2")]
    pub(crate) replay_id: Vec<u8>,
}

/// An event. Its payload is a bare datum of Avro.
#[derive(Clone, PartialEq, ::prost::Message)]
pub(crate) struct ProducerEvent {
    #[prost(string, tag = "1")]
    pub(crate) id: String,
    #[prost(string, tag = "2")]
    pub(crate) schema_id: String,
    #[prost(bytes = "vec", tag = "3")]
    pub(crate) payload: Vec<u8>,
}

#[derive(Clone, PartialEq, Eq, Hash, ::prost::Message)]
pub(crate) struct SchemaRequest {
    #[prost(string, tag = "1")]
    pub(crate) schema_id: String,
}

#[derive(Clone, PartialEq, Eq, Hash, ::prost::Message)]
pub(crate) struct SchemaInfo {
    #[prost(string, tag = "1")]
    pub(crate) schema_json: String,
    #[prost(string, tag = "2")]
    pub(crate) schema_id: String,
}

#[derive(Clone, PartialEq, Eq, Hash, ::prost::Message)]
pub(crate) struct TopicRequest {
    #[prost(string, tag = "1")]
    pub(crate) topic_name: String,
}

#[derive(Clone, PartialEq, Eq, Hash, ::prost::Message)]
pub(crate) struct TopicInfo {
    #[prost(bool, tag = "3")]
    pub(crate) can_publish: bool,
    #[prost(bool, tag = "4")]
    pub(crate) can_subscribe: bool,
    /// Empty where events of several schemas come.
    #[prost(string, tag = "5")]
    pub(crate) schema_id: String,
}

#[derive(Clone, PartialEq, ::prost::Message)]
pub(crate) struct PublishRequest {
    #[prost(string, tag = "1")]
    pub(crate) topic_name: String,
    #[prost(message, repeated, tag = "2")]
    pub(crate) events: Vec<ProducerEvent>,
}

/// A result for each event, in their order.
#[derive(Clone, PartialEq, ::prost::Message)]
pub(crate) struct PublishResponse {
    #[prost(message, repeated, tag = "1")]
    pub(crate) results: Vec<PublishResult>,
}

#[derive(Clone, PartialEq, Eq, Hash, ::prost::Message)]
pub(crate) struct PublishResult {
    #[prost(bytes = "vec", tag = "1")]
    pub(crate) replay_id: Vec<u8>,
    #[prost(message, optional, tag = "2")]
    pub(crate) error: Option<PublishError>,
    /// The id of the event.
    #[prost(string, tag = "3")]
    pub(crate) correlation_key: String,
}

#[derive(Clone, PartialEq, Eq, Hash, ::prost::Message)]
pub(crate) struct PublishError {
    #[prost(string, tag = "2")]
    pub(crate) msg: String,
}
