//! The Pub/Sub API: gRPC over HTTP/2. Salesforce has it on a host of its own, here
//! it is at the org's own address. The service is `eventbus.v1.PubSub` of the public proto.

mod answer;
mod caller;
mod messages;
mod publish;
mod subscribe;
mod topic;

use std::convert::Infallible;
use std::sync::Arc;

use futures_util::Stream;
use hyper::body::Incoming;
use hyper::{Request, Response};
use prost::Message;
use tokio::sync::Notify;
use tonic::body::Body;
use tonic::server::Grpc;
use tonic::{Status, Streaming};
use tonic_prost::ProstCodec;

use self::caller::Caller;
use crate::state::Shared;

/// The largest message, as gRPC has it.
const MESSAGE_BYTES: usize = 4 * 1024 * 1024;

/// Replay ids are opaque to clients: the number, and two bytes that are always
/// zero, as seen from real orgs.
fn replay_id(number: u64) -> Vec<u8> {
    let mut bytes = number.to_be_bytes().to_vec();
    bytes.extend([0, 0]);
    bytes
}

/// The number of a replay id; nothing for bytes that are none.
fn replay_number(id: &[u8]) -> Option<u64> {
    match id.split_last_chunk::<2>()? {
        (number, [0, 0]) => Some(u64::from_be_bytes(number.try_into().ok()?)),
        _ => None,
    }
}

/// Answers one call. `kill` hangs up on the connection that it came by.
pub(crate) async fn serve(
    shared: Arc<Shared>,
    request: Request<Incoming>,
    kill: Arc<Notify>,
) -> Result<Response<Body>, Infallible> {
    let Some(method) = request.uri().path().strip_prefix("/eventbus.v1.PubSub/") else {
        return Ok(Status::unimplemented("there is no such service").into_http());
    };
    let caller = match Caller::of(&shared, request.headers()) {
        Ok(caller) => caller,
        Err(refused) => return Ok(refused.into_http()),
    };
    Ok(match method {
        "GetTopic" => unary(request, |asked| topic::info(&shared, &caller, asked)).await,
        "GetSchema" => unary(request, |asked| topic::schema(&shared, asked)).await,
        "Publish" => unary(request, |asked| publish::run(&shared, &caller, asked)).await,
        "PublishStream" => {
            streaming(request, |asked| {
                publish::stream(Arc::clone(&shared), caller.clone(), asked)
            })
            .await
        }
        "Subscribe" => {
            streaming(request, |asked| {
                subscribe::stream(
                    Arc::clone(&shared),
                    caller.clone(),
                    asked,
                    Arc::clone(&kill),
                )
            })
            .await
        }
        _ => Status::unimplemented("there is no such method").into_http(),
    })
}

/// A call with one message each way.
async fn unary<Q, A>(
    request: Request<Incoming>,
    mut answer: impl FnMut(Q) -> Result<A, Status>,
) -> Response<Body>
where
    Q: Message + Default + Send + 'static,
    A: Message + Send + 'static,
{
    let service = tower::service_fn(|request: tonic::Request<Q>| {
        std::future::ready(answer(request.into_inner()).map(tonic::Response::new))
    });
    Grpc::new(ProstCodec::<A, Q>::default())
        .max_decoding_message_size(MESSAGE_BYTES)
        .unary(service, request)
        .await
}

/// A call with streams both ways. The answer begins before anything was asked,
/// since some clients wait for it.
async fn streaming<Q, A, S>(
    request: Request<Incoming>,
    mut open: impl FnMut(Streaming<Q>) -> S + Send,
) -> Response<Body>
where
    Q: Message + Default + Send + 'static,
    A: Message + Send + 'static,
    S: Stream<Item = Result<A, Status>> + Send + 'static,
{
    let service = tower::service_fn(|request: tonic::Request<Streaming<Q>>| {
        let answers = open(request.into_inner());
        std::future::ready(Ok::<_, Status>(tonic::Response::new(answers)))
    });
    Grpc::new(ProstCodec::<A, Q>::default())
        .max_decoding_message_size(MESSAGE_BYTES)
        .streaming(service, request)
        .await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_replay_id_is_ten_bytes_and_others_are_refused() {
        let id = replay_id(487_273);
        assert_eq!(id, [0, 0, 0, 0, 0, 7, 0x6f, 0x69, 0, 0]);
        assert_eq!(replay_number(&id), Some(487_273));
        assert_eq!(replay_number(&id[..8]), None);
        assert_eq!(replay_number(&[1; 10]), None);
        assert_eq!(replay_number(&[]), None);
    }
}
