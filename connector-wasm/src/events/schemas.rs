//! The schemas of events: asked for once, kept for this subscription and, where
//! they fit, for later ones.
//!
//! A schema never changes under its id. In the store they have a fixed number of
//! places, as descriptions have (`describe/kept.rs`), so that they crowd nothing
//! out.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use prost::Message as _;

use super::eventbus::{SchemaInfo, SchemaRequest};
use super::layout::Layout;
use super::trailers::{self, Verdict};
use super::unary;
use crate::api::Api;
use crate::bindings::exports::lockgate::connector::records::{Advice, Error};
use crate::describe::{Age, described};
use crate::fault::{refused, unexpected};
use crate::host::{Host, Level};

/// The method that gives a schema.
const GET_SCHEMA: &str = "/eventbus.v1.PubSub/GetSchema";
/// Ids are 22 characters of base64.
const MAX_ID_BYTES: usize = 64;
/// Schemas in memory. A subscription has one for each source, and another one
/// when its fields change.
const MAX_KNOWN: usize = 64;
/// Places in the store, of up to 64 KiB.
const PLACES: u64 = 32;
/// What the store takes as one value, in bytes.
const MAX_KEPT_BYTES: usize = 64 * 1024;

/// The schemas that are known.
#[derive(Debug, Default)]
pub(super) struct Schemas(RefCell<BTreeMap<String, Rc<Layout>>>);

impl Schemas {
    /// The layout of a schema.
    pub(super) async fn layout<H: Host>(
        &self,
        api: &Api<H>,
        id: &str,
    ) -> Result<Rc<Layout>, Error> {
        if let Some(layout) = self.0.borrow().get(id) {
            return Ok(Rc::clone(layout));
        }
        let json = schema(api, id).await?;
        let mut layout =
            Layout::read(&json).ok_or_else(|| unexpected("a schema of an event in Avro"))?;
        let object = layout.object().unwrap_or_else(|| layout.name.clone());
        match described(api, &object, Age::Recent).await {
            Ok((description, _)) => layout.describe(&description.fields),
            // The schema's own words will do.
            Err(_) => api.host.log(
                Level::Warn,
                "events are read without a description of their object",
                &[("object", object)],
            ),
        }
        let layout = Rc::new(layout);
        let mut known = self.0.borrow_mut();
        if known.len() == MAX_KNOWN {
            known.clear();
        }
        known.insert(id.to_owned(), Rc::clone(&layout));
        Ok(layout)
    }
}

/// A schema as JSON, kept or asked for.
pub(super) async fn schema<H: Host>(api: &Api<H>, id: &str) -> Result<String, Error> {
    let is_id = (1..=MAX_ID_BYTES).contains(&id.len())
        && id
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b));
    if !is_id {
        return Err(unexpected("the id of a schema"));
    }
    let key = key(id);
    if let Some(kept) = api.host.load(&key).await
        && let Some(json) = recall(&kept, id)
    {
        return Ok(json);
    }
    let request = SchemaRequest {
        schema_id: id.to_owned(),
    };
    let answer = unary::ask(api, GET_SCHEMA, request.encode_to_vec()).await;
    let answer = answer.map_err(|lost| match lost {
        unary::Lost::Error(error) => error,
        unary::Lost::Ended(ending) => match trailers::verdict(&ending) {
            Verdict::Unknown | Verdict::Denied | Verdict::Invalid => refused(
                Advice::FixSchema,
                "UNKNOWN_SCHEMA",
                &format!(
                    "the schema of an event is not told. {}",
                    trailers::message(&ending)
                ),
            ),
            _ => Error::Unavailable(unary::PAUSE_MS),
        },
    })?;
    let info = SchemaInfo::decode(answer.as_slice()).map_err(|_| unexpected("a SchemaInfo"))?;
    let kept = [id.as_bytes(), b"\n", info.schema_json.as_bytes()].concat();
    if kept.len() <= MAX_KEPT_BYTES {
        api.host.store(&key, kept).await;
    }
    Ok(info.schema_json)
}

/// What is kept, if it is of this id.
fn recall(kept: &[u8], id: &str) -> Option<String> {
    let (known, json) = str::from_utf8(kept).ok()?.split_once('\n')?;
    (known == id).then(|| json.to_owned())
}

/// Where a schema is kept.
fn key(id: &str) -> String {
    let sum = id.bytes().fold(0_u64, |sum, byte| {
        sum.wrapping_mul(31).wrapping_add(u64::from(byte))
    });
    format!("event-schema/{}", sum % PLACES)
}
