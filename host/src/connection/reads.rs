//! What is read of a connection: descriptions, records by id, and answers page by
//! page. Reads change nothing, so they wait for calls and are made again.

use bytes::Bytes;
use serde_json::value::RawValue;

use super::Connection;
use crate::bindings::connector::exports::lockgate::connector::records as wit;
use crate::error::Error;
use crate::pages::Pages;
use crate::records::{ObjectDescription, ObjectSummary, QueryOptions, ScanOptions, bounded};

/// The longest query text in bytes: products take less.
const MAX_QUERY_BYTES: usize = 1024 * 1024;

/// What pages are an answer to.
#[derive(Clone)]
enum Asked {
    Query(String, wit::QueryOptions),
    Scan(String, wit::ScanOptions),
}

impl Connection {
    /// All objects that the connected user can see.
    ///
    /// # Errors
    /// Any of [`Error`]'s call errors; so do all calls below.
    pub async fn objects(&self) -> Result<Vec<ObjectSummary>, Error> {
        let mut instance = self.instance().await?;
        let objects = loop {
            let objects = instance
                .call("describe-global", async |records, accessor| {
                    records.call_describe_global(accessor).await
                })
                .await;
            match objects {
                Ok(objects) => break objects,
                Err(error) => instance.park(error).await?,
            }
        };
        Ok(objects.into_iter().map(ObjectSummary::from).collect())
    }

    /// One object with its fields, as the connected user sees them.
    ///
    /// # Errors
    /// See [`Self::objects`].
    pub async fn describe(&self, object: &str) -> Result<ObjectDescription, Error> {
        let mut instance = self.instance().await?;
        let description = loop {
            let object = object.to_owned();
            let description = instance
                .call("describe-object", async |records, accessor| {
                    records.call_describe_object(accessor, object).await
                })
                .await;
            match description {
                Ok(description) => break description,
                Err(error) => instance.park(error).await?,
            }
        };
        Ok(description.into())
    }

    /// Reads records by id, in the order of the ids; JSON `null` stands for one
    /// that is not there or cannot be seen. No fields means all.
    ///
    /// # Errors
    /// See [`Self::objects`].
    pub async fn get(
        &self,
        object: &str,
        ids: &[String],
        fields: &[String],
    ) -> Result<Bytes, Error> {
        let n_ids = ids.len();
        let mut instance = self.instance().await?;
        let json = loop {
            let (object, ids, fields) = (object.to_owned(), ids.to_vec(), fields.to_vec());
            let json = instance
                .call("get", async |records, accessor| {
                    records.call_get(accessor, object, ids, fields).await
                })
                .await;
            match json {
                Ok(json) => break json,
                Err(error) => instance.park(error).await?,
            }
        };
        match serde_json::from_slice::<Vec<&RawValue>>(&json) {
            Ok(rows) if rows.len() != n_ids => {
                let n_rows = rows.len();
                Err(instance.broken("get", format!("{n_rows} records for {n_ids} ids")))
            }
            Ok(rows) => match rows.iter().position(|row| !is_record_or_null(row)) {
                Some(at) => Err(instance.broken("get", format!("record {at} is none"))),
                None => Ok(json.into()),
            },
            Err(error) => {
                let what = format!("the records are no JSON array: {error}");
                Err(instance.broken("get", bounded(&what)))
            }
        }
    }

    /// Runs a query in the product's own language. Pages come as they are asked
    /// for; dropping the stream ends the query.
    ///
    /// # Errors
    /// See [`Self::objects`]; later failures come as items of the stream.
    pub async fn query(&self, text: &str, options: QueryOptions) -> Result<Pages, Error> {
        if text.len() > MAX_QUERY_BYTES {
            let length = text.len();
            return Err(Error::Input(format!(
                "a query of {length} bytes is longer than {MAX_QUERY_BYTES} bytes"
            )));
        }
        let options = wit::QueryOptions {
            include_deleted: options.include_deleted,
            page_size: options.page_size,
            way: options.way,
        };
        self.pages(Asked::Query(text.to_owned(), options)).await
    }

    /// Goes through the records of an object in the order of their ids. Pages come
    /// as they are asked for; dropping the stream ends the scan, and one behind the
    /// last id that came goes on.
    ///
    /// # Errors
    /// See [`Self::objects`]; later failures come as items of the stream.
    pub async fn scan(&self, object: &str, options: ScanOptions) -> Result<Pages, Error> {
        let options = wit::ScanOptions {
            fields: options.fields,
            after: options.after,
            matching: options
                .matching
                .map(|(field, values)| wit::Matching { field, values }),
            way: options.way,
        };
        self.pages(Asked::Scan(object.to_owned(), options)).await
    }

    /// Begins an answer, and again after a wait for calls, and gives its pages.
    async fn pages(&self, asked: Asked) -> Result<Pages, Error> {
        let call = match asked {
            Asked::Query(..) => "query",
            Asked::Scan(..) => "scan",
        };
        let mut instance = self.instance().await?;
        let cursor = loop {
            let asked = asked.clone();
            let cursor = instance
                .call(call, async |records, accessor| match asked {
                    Asked::Query(text, options) => {
                        records.call_query(accessor, text, options).await
                    }
                    Asked::Scan(object, options) => {
                        records.call_scan(accessor, object, options).await
                    }
                })
                .await;
            match cursor {
                Ok(cursor) => break cursor,
                Err(error) => instance.park(error).await?,
            }
        };
        let way = instance.way(cursor).await?;
        Ok(Pages::new(instance, cursor, way))
    }
}

fn is_record_or_null(row: &RawValue) -> bool {
    row.get().starts_with('{') || row.get() == "null"
}
