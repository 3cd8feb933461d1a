//! Files of a connection: contents down and up, as streams that nobody holds.

use serde_json::Value as Json;
use wasmtime::component::StreamReader;

use super::Connection;
use crate::content::{Content, Download};
use crate::error::Error;
use crate::patience::Patience;
use crate::records::RecordResult;

impl Connection {
    /// The content of a file: of the record with this id, in this field. Which
    /// objects have such fields is the product's. The transfer goes on as the
    /// stream is read, under limits that count afresh with each MiB.
    ///
    /// # Errors
    /// See [`Self::objects`]; later failures come as items of the stream.
    pub async fn download(&self, object: &str, id: &str, field: &str) -> Result<Download, Error> {
        let mut instance = self.instance().await?;
        let content = loop {
            let (object, id, field) = (object.to_owned(), id.to_owned(), field.to_owned());
            let content = instance
                .call("download", async |records, accessor| {
                    records.call_download(accessor, object, id, field).await
                })
                .await;
            match content {
                Ok(content) => break content,
                Err(error) => instance.park(error).await?,
            }
        };
        Ok(Download::new(instance, content))
    }

    /// Writes one record with a file in `field`; `record` has the other fields. A
    /// record with its id is changed, one without is created. Neither host nor
    /// guest holds the content, and limits count afresh with each MiB of it.
    ///
    /// Dropping the future gives the transfer up; nothing is written then, unless
    /// all of the content was sent.
    ///
    /// # Errors
    /// [`Error::Input`] if the record is no JSON object, or the content cannot be
    /// read or does not have its length: nothing is written then. After
    /// [`Error::Unavailable`] nothing was written either: begin again with the
    /// content from its start. Otherwise as [`Self::objects`].
    pub async fn upload(
        &self,
        object: &str,
        record: &Json,
        field: &str,
        content: Content,
    ) -> Result<RecordResult, Error> {
        if !record.is_object() {
            return Err(Error::Input("a record is a JSON object".to_owned()));
        }
        let mut instance = self.instance().await?;
        let (object, field) = (object.to_owned(), field.to_owned());
        let fields = record.to_string().into_bytes();
        let patience = Patience::new(instance.wall());
        let length = content.length();
        let feed = content.feed(&patience);
        let result = instance
            .call_within(&patience, "upload", async |records, accessor| {
                let content = accessor.with(|access| StreamReader::new(access, feed))?;
                records
                    .call_upload(accessor, object, fields, field, content, length)
                    .await
            })
            .await?;
        Ok(result.into())
    }
}
