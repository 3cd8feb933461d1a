//! The messages of `eventbus.v1`, as the public proto numbers their fields.
//! Those of managed subscriptions are left out with the method.

use prost::{Enumeration, Message};

/// Asks what a topic is.
#[derive(Clone, PartialEq, Message)]
pub(super) struct TopicRequest {
    #[prost(string, tag = "1")]
    pub(super) topic_name: String,
}

/// What a topic is.
#[derive(Clone, PartialEq, Message)]
pub(super) struct TopicInfo {
    #[prost(string, tag = "1")]
    pub(super) topic_name: String,
    #[prost(string, tag = "2")]
    pub(super) tenant_guid: String,
    #[prost(bool, tag = "3")]
    pub(super) can_publish: bool,
    #[prost(bool, tag = "4")]
    pub(super) can_subscribe: bool,
    #[prost(string, tag = "5")]
    pub(super) schema_id: String,
    #[prost(string, tag = "6")]
    pub(super) rpc_id: String,
}

/// Asks for a schema.
#[derive(Clone, PartialEq, Message)]
pub(super) struct SchemaRequest {
    #[prost(string, tag = "1")]
    pub(super) schema_id: String,
}

/// A schema.
#[derive(Clone, PartialEq, Message)]
pub(super) struct SchemaInfo {
    #[prost(string, tag = "1")]
    pub(super) schema_json: String,
    #[prost(string, tag = "2")]
    pub(super) schema_id: String,
    #[prost(string, tag = "3")]
    pub(super) rpc_id: String,
}

/// Something about an event that is not part of it.
#[derive(Clone, PartialEq, Message)]
pub(super) struct EventHeader {
    #[prost(string, tag = "1")]
    pub(super) key: String,
    #[prost(bytes = "vec", tag = "2")]
    pub(super) value: Vec<u8>,
}

/// An event.
#[derive(Clone, PartialEq, Message)]
pub(super) struct ProducerEvent {
    #[prost(string, tag = "1")]
    pub(super) id: String,
    #[prost(string, tag = "2")]
    pub(super) schema_id: String,
    #[prost(bytes = "vec", tag = "3")]
    pub(super) payload: Vec<u8>,
    #[prost(message, repeated, tag = "4")]
    pub(super) headers: Vec<EventHeader>,
}

/// An event with its place on the bus.
#[derive(Clone, PartialEq, Message)]
pub(super) struct ConsumerEvent {
    #[prost(message, optional, tag = "1")]
    pub(super) event: Option<ProducerEvent>,
    #[prost(bytes = "vec", tag = "2")]
    pub(super) replay_id: Vec<u8>,
}

/// Where a subscription begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enumeration)]
pub(super) enum ReplayPreset {
    Latest = 0,
    Earliest = 1,
    Custom = 2,
}

/// Asks for events.
#[derive(Clone, PartialEq, Message)]
pub(super) struct FetchRequest {
    #[prost(string, tag = "1")]
    pub(super) topic_name: String,
    #[prost(enumeration = "ReplayPreset", tag = "2")]
    pub(super) replay_preset: i32,
    #[prost(bytes = "vec", tag = "3")]
    pub(super) replay_id: Vec<u8>,
    #[prost(int32, tag = "4")]
    pub(super) num_requested: i32,
    #[prost(string, tag = "5")]
    pub(super) auth_refresh: String,
}

/// Events, or none to show that the stream lives.
#[derive(Clone, PartialEq, Message)]
pub(super) struct FetchResponse {
    #[prost(message, repeated, tag = "1")]
    pub(super) events: Vec<ConsumerEvent>,
    #[prost(bytes = "vec", tag = "2")]
    pub(super) latest_replay_id: Vec<u8>,
    #[prost(string, tag = "3")]
    pub(super) rpc_id: String,
    #[prost(int32, tag = "4")]
    pub(super) pending_num_requested: i32,
}

/// Events to publish.
#[derive(Clone, PartialEq, Message)]
pub(super) struct PublishRequest {
    #[prost(string, tag = "1")]
    pub(super) topic_name: String,
    #[prost(message, repeated, tag = "2")]
    pub(super) events: Vec<ProducerEvent>,
    #[prost(string, tag = "3")]
    pub(super) auth_refresh: String,
}

/// What kind of error an event met.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enumeration)]
pub(super) enum ErrorCode {
    Unknown = 0,
    Publish = 1,
    Commit = 2,
}

/// Why an event was not published.
#[derive(Clone, PartialEq, Message)]
pub(super) struct PublishError {
    #[prost(enumeration = "ErrorCode", tag = "1")]
    pub(super) code: i32,
    #[prost(string, tag = "2")]
    pub(super) msg: String,
}

/// What came of one event.
#[derive(Clone, PartialEq, Message)]
pub(super) struct PublishResult {
    #[prost(bytes = "vec", tag = "1")]
    pub(super) replay_id: Vec<u8>,
    #[prost(message, optional, tag = "2")]
    pub(super) error: Option<PublishError>,
    #[prost(string, tag = "3")]
    pub(super) correlation_key: String,
}

/// What came of the events, in their order.
#[derive(Clone, PartialEq, Message)]
pub(super) struct PublishResponse {
    #[prost(message, repeated, tag = "1")]
    pub(super) results: Vec<PublishResult>,
    #[prost(string, tag = "2")]
    pub(super) schema_id: String,
    #[prost(string, tag = "3")]
    pub(super) rpc_id: String,
}
