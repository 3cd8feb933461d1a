//! The Salesforce connector: a component that runs inside Lockgate.

mod bindings;

use bindings::exports::lockgate::connector::records::*;
use bindings::lockgate::connector::http;

struct Connector;
struct C;
impl GuestCursor for C { async fn next(&self) -> Result<Option<Page>, Error> { Ok(None) } }
impl Guest for Connector {
    type Cursor = C;
    fn describe() -> Description { Description { product: String::new(), summary: String::new(), objects: vec![], actions: vec![], events: vec![], settings_schema: String::new() } }
    fn configure(_s: String) -> Result<(), Vec<SettingProblem>> { Ok(()) }
    async fn describe_global() -> Result<Vec<ObjectSummary>, Error> { 
        let r = http::send(http::Request { method: http::Method::Get, path: "/x".into(), query: vec![], headers: vec![], body: None, timeout_ms: 0 }).await;
        match r { Ok(a) => { let b = http::Response::take_body(a, 100).await; Err(Error::Unexpected(format!("{}", b.is_ok()))) } Err(_) => Err(Error::Reconnect) }
    }
    async fn describe_object(_o: String) -> Result<ObjectDescription, Error> { Err(Error::Reconnect) }
    async fn create(_o: String, _r: Vec<u8>, _w: WriteOptions) -> Result<Vec<RecordResult>, Error> { Err(Error::Reconnect) }
    async fn get(_o: String, _i: Vec<String>, _f: Vec<String>) -> Result<Vec<u8>, Error> { Err(Error::Reconnect) }
    async fn update(_o: String, _r: Vec<u8>, _w: WriteOptions) -> Result<Vec<RecordResult>, Error> { Err(Error::Reconnect) }
    async fn upsert(_o: String, _k: String, _r: Vec<u8>, _w: WriteOptions) -> Result<Vec<RecordResult>, Error> { Err(Error::Reconnect) }
    async fn delete(_o: String, _i: Vec<String>, _w: WriteOptions) -> Result<Vec<RecordResult>, Error> { Err(Error::Reconnect) }
    async fn query(_t: String, _o: QueryOptions) -> Result<Cursor, Error> { Err(Error::Reconnect) }
    async fn invoke(_a: String, _i: Vec<u8>) -> Result<Vec<u8>, Error> { Err(Error::Reconnect) }
}
