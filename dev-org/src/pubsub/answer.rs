//! Errors as the Pub/Sub API gives them: a gRPC status, with Salesforce's own
//! code and the call's id in the trailers.

use tonic::metadata::{MetadataMap, MetadataValue};
use tonic::{Code, Status};

/// An error. `code` is what follows `sfdc.platform.eventbus.grpc.`.
pub(super) fn refused(status: Code, code: &str, message: &str) -> Status {
    let rpc_id = crate::random::new_uuid();
    let mut trailers = MetadataMap::new();
    let values = [
        ("error-code", format!("sfdc.platform.eventbus.grpc.{code}")),
        ("rpc-id", rpc_id.clone()),
    ];
    for (name, value) in values {
        if let Ok(value) = MetadataValue::try_from(value) {
            trailers.insert(name, value);
        }
    }
    Status::with_metadata(status, format!("{message} rpcId: {rpc_id}"), trailers)
}

/// The session is not, or not any more, good for this.
pub(super) fn unauthenticated(message: &str) -> Status {
    refused(Code::Unauthenticated, "service.auth.error", message)
}

/// The service cannot go on, which says nothing about the caller.
pub(super) fn unavailable() -> Status {
    refused(
        Code::Internal,
        "service.unavailable",
        "The service is temporarily unavailable. Try again later.",
    )
}

/// There is no such topic, or not for this caller.
pub(super) fn no_topic(name: &str) -> Status {
    let message = format!("The topic {name} does not exist or you have no access to it.");
    refused(Code::NotFound, "topic.not.found", &message)
}
