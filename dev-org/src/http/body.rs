//! Bodies in and out: gzip both ways, and the two faults that damage a body
//! on its way out.

use std::io::{Read as _, Write as _};
use std::time::Duration;

use axum::body::Body;
use axum::response::Response;
use bytes::{Bytes, BytesMut};
use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use futures_util::stream;
use http_body_util::{BodyExt as _, Limited};
use hyper::HeaderMap;
use hyper::header::{self, HeaderValue};

use crate::faults::FaultKind;

/// Largest request body taken in general, before and after gzip.
pub(crate) const LIMIT: usize = 50 * 1024 * 1024;

/// The type of a file's content.
pub(crate) const FILE: HeaderValue = HeaderValue::from_static("application/octet-stream");

/// What is set aside for a body before it comes: its length is only a claim.
const FIRST_ROOM: usize = 1024 * 1024;

/// Below this the gzip header costs more than it saves.
const GZIP_FROM: usize = 1024;

/// Time for the kept half of a truncated body to leave before the connection
/// is closed, since closing discards what is still buffered.
const FLUSH: Duration = Duration::from_millis(20);

/// Why a request body could not be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unreadable {
    /// Larger than the limit.
    TooLarge,
    /// Cut off, or not the gzip it claims to be.
    Broken,
}

/// The whole body, unpacked, which may have up to `limit` bytes.
pub(crate) async fn read(
    headers: &HeaderMap,
    body: Body,
    limit: usize,
) -> Result<Bytes, Unreadable> {
    let mut body = Limited::new(body, limit);
    let claimed = claimed_length(headers).min(limit);
    let mut bytes = BytesMut::with_capacity(claimed.min(FIRST_ROOM));
    while let Some(frame) = body.frame().await {
        match frame {
            Ok(frame) => {
                let Some(data) = frame.data_ref() else {
                    continue;
                };
                let room = room_for(&bytes, data.len(), claimed);
                bytes.reserve(room);
                bytes.extend_from_slice(data);
            }
            Err(error) if error.is::<http_body_util::LengthLimitError>() => {
                return Err(Unreadable::TooLarge);
            }
            Err(_) => return Err(Unreadable::Broken),
        }
    }
    let bytes = bytes.freeze();
    let packed = headers
        .get(header::CONTENT_ENCODING)
        .is_some_and(|coding| coding.as_bytes().eq_ignore_ascii_case(b"gzip"));
    if !packed {
        return Ok(bytes);
    }
    let mut plain = Vec::new();
    // One byte over the limit tells a full body from one that is too large.
    let taken = limit as u64 + 1;
    GzDecoder::new(bytes.as_ref())
        .take(taken)
        .read_to_end(&mut plain)
        .map_err(|_| Unreadable::Broken)?;
    if plain.len() > limit {
        return Err(Unreadable::TooLarge);
    }
    Ok(plain.into())
}

/// How long a body says that it is.
fn claimed_length(headers: &HeaderMap) -> usize {
    let length = headers
        .get(header::CONTENT_LENGTH)
        .and_then(|length| length.to_str().ok()?.parse::<usize>().ok());
    length.unwrap_or(0)
}

/// How much room to ask for when more of a body comes: as much again as is there,
/// and no more than it says to need.
fn room_for(bytes: &BytesMut, n_more: usize, claimed: usize) -> usize {
    if bytes.capacity() - bytes.len() >= n_more {
        return n_more;
    }
    let left = claimed.saturating_sub(bytes.len());
    n_more.max(bytes.len().min(left))
}

/// Packs an answer that is worth it.
/// Files go as they are: most of them are packed already.
pub(crate) async fn gzip(response: Response) -> Response {
    if response.headers().get(header::CONTENT_TYPE) == Some(&FILE) {
        return response;
    }
    let (mut parts, body) = response.into_parts();
    let Ok(plain) = collect(body).await else {
        return Response::from_parts(parts, Body::empty());
    };
    if plain.len() < GZIP_FROM {
        return Response::from_parts(parts, Body::from(plain));
    }
    // The fastest level: on loopback, packing well takes longer than sending.
    let mut encoder = GzEncoder::new(Vec::with_capacity(plain.len() / 4), Compression::fast());
    let Ok(packed) = encoder.write_all(&plain).and_then(|()| encoder.finish()) else {
        return Response::from_parts(parts, Body::from(plain));
    };
    // The length of the plain body, which the router has set.
    parts.headers.remove(header::CONTENT_LENGTH);
    parts
        .headers
        .insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    // A packed answer is another representation and has its own ETag.
    if let Some(tag) = parts
        .headers
        .get(header::ETAG)
        .and_then(|tag| tag.to_str().ok())
        && let Ok(tag) = HeaderValue::from_str(&format!("{}--gzip\"", tag.trim_end_matches('"')))
    {
        parts.headers.insert(header::ETAG, tag);
    }
    Response::from_parts(parts, Body::from(packed))
}

/// Cuts a body off or sends it slowly, under its full `Content-Length`.
pub(crate) async fn disturb(response: Response, fault: &FaultKind) -> Response {
    let (mut parts, body) = response.into_parts();
    let Ok(whole) = collect(body).await else {
        return Response::from_parts(parts, Body::empty());
    };
    parts
        .headers
        .insert(header::CONTENT_LENGTH, HeaderValue::from(whole.len()));
    let body = match fault {
        FaultKind::Truncate { keep_bytes } => {
            truncated(&whole, keep_bytes.unwrap_or(whole.len() / 2))
        }
        FaultKind::Drip { bytes, every_ms } => {
            dripping(whole, (*bytes).max(1), Duration::from_millis(*every_ms))
        }
        _ => Body::from(whole),
    };
    Response::from_parts(parts, body)
}

fn truncated(whole: &Bytes, keep: usize) -> Body {
    let kept = whole.slice(..keep.min(whole.len()));
    Body::from_stream(stream::unfold(Some(kept), |kept| async move {
        match kept {
            Some(kept) if !kept.is_empty() => Some((Ok(kept), Some(Bytes::new()))),
            Some(_) => {
                tokio::time::sleep(FLUSH).await;
                // hyper closes the connection when a body fails.
                let cut = std::io::Error::from(std::io::ErrorKind::ConnectionAborted);
                Some((Err(cut), None))
            }
            None => None,
        }
    }))
}

fn dripping(whole: Bytes, piece: usize, every: Duration) -> Body {
    Body::from_stream(stream::unfold(whole, move |mut left| async move {
        if left.is_empty() {
            return None;
        }
        tokio::time::sleep(every).await;
        let next = left.split_to(piece.min(left.len()));
        Some((Ok::<_, std::io::Error>(next), left))
    }))
}

async fn collect(body: Body) -> Result<Bytes, axum::Error> {
    Ok(body.collect().await?.to_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn room_grows_with_what_has_come_and_not_with_what_is_claimed() {
        let claimed = 2 * 1024 * 1024 * 1024;
        let mut bytes = BytesMut::new();
        assert_eq!(room_for(&bytes, 10, claimed), 10);
        bytes.extend_from_slice(&[0; 1000]);
        let full = bytes.split_off(bytes.len());
        drop(full);
        assert_eq!(room_for(&bytes, 10, claimed), 1000);
        // The end of the body is in sight.
        assert_eq!(room_for(&bytes, 10, 1500), 500);
        assert_eq!(room_for(&bytes, 10, 0), 10);
    }
}
