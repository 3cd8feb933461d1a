//! The REST API below `/services/data`: every request is let in, read, and led
//! to the piece of work that its path and method name.

pub(crate) mod admit;
mod call;
mod collections;
mod composite;
mod conditional;
mod describe;
mod event_schema;
mod jobs;
mod limits;
pub(crate) mod locators;
mod multipart;
mod place_order;
mod query;
mod related;
mod replication;
mod resource;
mod rows;
mod search;
mod tooling;
mod transaction;
pub(crate) mod version;

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::response::Response;
use hyper::header;
use percent_encoding::percent_decode_str;
use serde_json::{Map, Value};

use self::call::{Answer, Call};
use self::resource::Resource;
use self::version::Version;
use crate::http::answer;
use crate::http::body::{self, Unreadable};
use crate::state::Shared;

/// The list of versions. Open to everyone, free, and without a limit header.
pub(crate) async fn versions() -> Response {
    answer::json(200, &version::list())
}

/// Everything below a version.
pub(crate) async fn serve(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    let (head, body) = request.into_parts();
    let mut segments = segments(head.uri.path()).skip(2);
    let version = match Version::parse(&segments.next().unwrap_or_default()) {
        Ok(version) => version,
        Err(refused) => return *refused,
    };
    let caller = match admit::admit(&shared, &head.headers) {
        Ok(caller) => caller,
        Err(refused) => return *refused,
    };
    let resource = Resource::parse(&segments.collect::<Vec<_>>());
    let limit = match &resource {
        Some(Resource::Jobs(path)) => path.body_limit(),
        Some(Resource::Object(object) | Resource::Row { object, .. })
            if multipart::content_type(&head.headers).is_some() =>
        {
            multipart::limit(object)
        }
        _ => body::LIMIT,
    };
    let body = match body::read(&head.headers, body, limit).await {
        Ok(body) => body,
        Err(unreadable) => return caller.sign(&shared, refuse_body(unreadable)),
    };
    let call = Call::new(
        Arc::clone(&shared),
        Arc::clone(&caller.user),
        version,
        &head,
        body,
    );
    let response = match (resource, wants_only_xml(&call)) {
        (None, _) => answer::not_found(),
        // This org writes JSON only; the edge answers such wishes with an
        // empty body.
        (_, true) => answer::empty(406),
        (Some(Resource::Jobs(path)), false) => jobs::serve(&call, &path),
        (Some(resource), false) => {
            work(&call, &resource).unwrap_or_else(|fault| call::refuse(&fault))
        }
    };
    caller.sign(&shared, response)
}

/// The parts of a path, decoded. Split before decoding: a value may hold an
/// encoded slash.
fn segments(path: &str) -> impl Iterator<Item = String> {
    path.split('/')
        .filter(|segment| !segment.is_empty())
        .map(|segment| percent_decode_str(segment).decode_utf8_lossy().into_owned())
}

fn work(call: &Call, resource: &Resource) -> Answer {
    use Resource as R;
    let method = match call.method.as_str() {
        "HEAD" => "GET",
        method => method,
    };
    match (method, resource) {
        ("GET", R::Root) => Ok(answer::json(200, &resources(call))),
        ("GET", R::Limits) => Ok(limits::limits(&call.shared)),
        ("GET", R::RecordCount) => describe::record_count(call),
        ("GET", R::Recent) => describe::recent(call),
        ("GET", R::Objects) => describe::all(call),
        ("GET", R::Object(object)) => describe::short(call, object),
        ("GET", R::Describe(object)) => describe::one(call, object),
        ("GET", R::Layouts(object, kind)) => describe::layouts(call, object, kind.as_deref()),
        (
            "GET",
            R::PicklistValues {
                object,
                kind,
                field,
            },
        ) => describe::picklist_values(call, object, kind, field.as_deref()),
        ("GET", R::Updated(object)) => replication::updated(call, object),
        ("GET", R::EventSchema(object)) => event_schema::of_object(call, object),
        ("GET", R::SchemaOfId(id)) => event_schema::of_id(call, id),
        ("GET", R::Deleted(object)) => replication::deleted(call, object),
        ("POST", R::Object(object)) => rows::create(call, object),
        // A row named `Id` on POST is the long way to create a record.
        ("POST", R::Row { object, id }) if id.eq_ignore_ascii_case("Id") => {
            rows::create(call, object)
        }
        ("GET", R::Row { object, id }) => rows::read(call, object, id),
        ("PATCH", R::Row { object, id }) => rows::update(call, object, id),
        ("DELETE", R::Row { object, id }) => rows::delete(call, object, id),
        ("GET", R::RowPart { object, id, part }) => related::read(call, object, id, part),
        ("PATCH", R::RowPart { object, id, part }) => related::update(call, object, id, part),
        ("DELETE", R::RowPart { object, id, part }) => related::delete(call, object, id, part),
        (
            "GET",
            R::External {
                object,
                field,
                value,
            },
        ) => rows::read_external(call, object, field, value),
        (
            "PATCH",
            R::External {
                object,
                field,
                value,
            },
        ) => rows::upsert(call, object, field, value),
        (
            "DELETE",
            R::External {
                object,
                field,
                value,
            },
        ) => rows::delete_external(call, object, field, value),
        ("GET", R::Composite) => composite::resources(call),
        ("POST", R::Composite) => composite::run(call),
        ("POST", R::Batch) => composite::batch::run(call),
        ("POST", R::Graph) => composite::graph::run(call),
        ("POST", R::Tree(object)) => composite::tree::run(call, object),
        ("POST", R::Collections) => collections::create(call),
        ("PATCH", R::Collections) => collections::update(call),
        ("DELETE", R::Collections) => collections::delete(call),
        ("GET" | "POST", R::CollectionsOf(object)) => collections::read(call, object),
        ("PATCH", R::CollectionsUpsert { object, field }) => {
            collections::upsert(call, object, field)
        }
        ("POST", R::CustomField) => tooling::add_field(call),
        ("POST", R::PlaceOrder) => place_order::run(call),
        ("GET", R::Search) => search::sosl(call),
        ("GET" | "POST", R::ParameterizedSearch) => search::parameterized(call),
        ("GET", R::Query) => query::first(call, false),
        ("GET", R::QueryAll) => query::first(call, true),
        ("GET", R::QueryMore(locator)) => query::more(call, locator),
        _ => Ok(not_allowed(call, resource.methods())),
    }
}

fn not_allowed(call: &Call, methods: &[&str]) -> Response {
    let methods = methods.join(",");
    let message = format!(
        "HTTP Method '{}' not allowed. Allowed are {methods}",
        call.method
    );
    let mut response = answer::error(405, "METHOD_NOT_ALLOWED", &message);
    if let Ok(methods) = methods.parse() {
        response.headers_mut().insert(header::ALLOW, methods);
    }
    response
}

fn refuse_body(unreadable: Unreadable) -> Response {
    match unreadable {
        Unreadable::TooLarge => answer::bad_message(413, "Request Entity Too Large"),
        Unreadable::Broken => {
            answer::error(400, "JSON_PARSER_ERROR", "The request body cannot be read")
        }
    }
}

fn wants_only_xml(call: &Call) -> bool {
    call.header(header::ACCEPT.as_str()).is_some_and(|accept| {
        accept.contains("xml") && !accept.contains("json") && !accept.contains('*')
    })
}

/// What there is below a version.
fn resources(call: &Call) -> Value {
    let entries = [
        "composite",
        "jobs",
        "limits",
        "parameterizedSearch",
        "query",
        "queryAll",
        "recent",
        "search",
        "sobjects",
        "tooling",
    ];
    let mut all: Map<String, Value> = entries
        .iter()
        .map(|name| {
            let path = format!("{}/{name}", call.version.path());
            ((*name).to_owned(), Value::from(path))
        })
        .collect();
    // Some clients find out who they are from here.
    let identity = call.shared.identity_url(&call.who.id);
    all.insert("identity".to_owned(), Value::from(identity));
    Value::Object(all)
}
