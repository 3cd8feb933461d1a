//! `lockgate plugin test --record`: makes the calls of golden folders through a real
//! connection, and writes what was asked and answered as their `exchanges.json`.
//!
//! What is written is what the connector saw: the host adds credentials after it and
//! takes them out before it. On top of that, whatever looks like a secret is hidden.

use anyhow::Result;
use lockgate::manifest::World;
use lockgate::{Connection, Package, RecordedExchange, Rehearsal};
use serde::Serialize;
use serde_json::{Map, Value as Json};

use super::call::Call;
use super::exchanges::{self, Answer, Exchange, Request};
use super::golden::{Folder, Outcome};
use super::json_text;
use super::secrets::Secrets;
use crate::args::{Common, Owner, Target};
use crate::exit::{advised, usage};
use crate::{packages, session, text};

/// What the product's own origin is written as.
const ORIGIN: &str = "https://product.example.com";

#[derive(Clone, Debug, clap::Args)]
pub(super) struct RecordArgs {
    /// First make the calls through this connection, and write what was asked and
    /// answered, without secrets: of the folders that are named, or of all that have no
    /// exchanges.json yet. Calls that write do write there
    #[arg(long, value_name = "CONNECTION")]
    record: Option<String>,
    /// Whose connection it is
    #[arg(
        long,
        value_name = "NAME",
        default_value = "default",
        requires = "record"
    )]
    tenant: String,
}

/// What was recorded for a folder.
#[derive(Debug, Serialize)]
pub(super) struct Recorded {
    name: String,
    exchanges: usize,
    /// Why the call was refused, if it was.
    refused: Option<String>,
    /// What was hidden, and where.
    redacted: Vec<String>,
}

impl RecordArgs {
    /// The connection, if calls are to be recorded.
    pub(super) fn target(&self) -> Option<Target> {
        Some(Target {
            connection: self.record.clone()?,
            owner: Owner {
                tenant: self.tenant.clone(),
                package: None,
            },
        })
    }
}

/// The folders to record: those that were named, or those with nothing recorded.
pub(super) fn wanted(folders: &[Folder], are_named: bool) -> Result<Vec<&Folder>> {
    let mut wanted = Vec::new();
    for folder in folders {
        if are_named || folder.text(exchanges::FILE)?.is_none() {
            wanted.push(folder);
        }
    }
    match wanted.is_empty() {
        false => Ok(wanted),
        true => Err(usage(
            "all folders have their exchanges.json: name those to record anew with --case",
        )),
    }
}

/// Records folders, one after the other. What is written of one is whole.
pub(super) async fn run(
    common: &Common,
    target: &Target,
    package: &Package,
    folders: &[&Folder],
) -> Result<Vec<Recorded>> {
    let host = session::of(common, target).await?;
    packages::load(&host, package, World::Connector).await?;
    let connection = host
        .connection(&target.owner.tenant, &target.connection)
        .await?;
    let record = connection.record().await?;
    if record.package != package.name() {
        return Err(usage(format!(
            "the connection is of the connector `{}`, and this one is `{}`",
            record.package,
            package.name()
        )));
    }
    let mut recorded = Vec::new();
    for folder in folders {
        let done = one(&connection, package, record.origin.as_deref(), folder).await;
        // Calls that were made count, also if one of them failed.
        host.flush().await?;
        recorded.push(done?);
    }
    Ok(recorded)
}

async fn one(
    connection: &Connection,
    package: &Package,
    origin: Option<&str>,
    folder: &Folder,
) -> Result<Recorded> {
    let call = Call::of(folder)?;
    let rehearsal = Rehearsal::new(call.recorded());
    let mut rehearsing = connection.rehearsing(&rehearsal);
    if call.settings.is_object() {
        rehearsing = rehearsing.with_settings(call.settings.clone());
    }
    // A call that is refused is a test as well.
    let outcome = super::test::outcome(call.operation.run(&rehearsing).await, package)?;
    let refused = match outcome {
        Outcome::Refused(why) => Some(why),
        Outcome::Done { .. } => None,
    };
    let came = rehearsal.exchanges();
    let secrets = Secrets::of(&came);
    let mut written = Vec::new();
    for exchange in &came {
        written.push(exchange_of(exchange, origin, &secrets)?);
    }
    folder.write(
        exchanges::FILE,
        &(serde_json::to_string_pretty(&written)? + "\n"),
    )?;
    Ok(Recorded {
        name: folder.name.clone(),
        exchanges: written.len(),
        refused,
        redacted: secrets.told(),
    })
}

/// An exchange as the file has it.
fn exchange_of(
    came: &RecordedExchange,
    origin: Option<&str>,
    secrets: &Secrets,
) -> Result<Exchange> {
    let what = format!("{} {}", came.method, secrets.hide(&came.path));
    let (Some(status), true) = (came.status, came.is_whole) else {
        return Err(advised(
            format!("the answer to {what} did not come whole, so it cannot be recorded"),
            "record the folder again; what no recording can show goes into exchanges.json by hand",
        ));
    };
    let plain = |text: &str| {
        let hidden = secrets.hide(text);
        match origin {
            Some(origin) => hidden.replace(origin, ORIGIN),
            None => hidden,
        }
    };
    let body = |bytes: &[u8]| -> Result<Json> {
        let text = std::str::from_utf8(bytes).map_err(|_| {
            advised(
                format!("a body of {what} is no text, so it cannot be recorded"),
                "record calls that send and get text",
            )
        })?;
        Ok(body_of(&plain(text)))
    };
    let headers = came
        .headers
        .iter()
        .filter(|(name, _)| !Secrets::is_name(name))
        .map(|(name, value)| (name.clone(), Json::String(plain(value))));
    Ok(Exchange {
        request: Request {
            method: came.method.clone(),
            path: plain(&came.path),
            body: came.body.as_deref().map(body).transpose()?,
        },
        response: Answer {
            status,
            headers: Map::from_iter(headers),
            body: body(&came.answer)?,
        },
    })
}

/// A body: as JSON if nothing is lost by that, else as its text.
fn body_of(text: &str) -> Json {
    if text.is_empty() {
        return Json::Null;
    }
    let json = serde_json::from_str::<Json>(text).ok();
    let is_same = |json: &Json| {
        !matches!(json, Json::String(_) | Json::Null)
            && json_text::spread(&json.to_string()) == json_text::spread(text)
    };
    json.filter(is_same)
        .unwrap_or_else(|| Json::String(text.to_owned()))
}

impl std::fmt::Display for Recorded {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let exchanges = text::counted(self.exchanges, "exchange");
        write!(f, "recorded {}: {exchanges}", text::clean(&self.name))?;
        if let Some(why) = &self.refused {
            write!(f, "; the call failed: {}", text::clean(why))?;
        }
        match self.redacted.is_empty() {
            true => f.write_str("; nothing in them looked like a secret"),
            false => write!(f, "; hidden: {}", text::clean(&self.redacted.join(", "))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_is_written_as_json_only_if_that_loses_nothing() {
        assert_eq!(body_of("{\"a\": [1]}"), serde_json::json!({ "a": [1] }));
        for text in ["{\"a\":1.50}", "{\"a\":1,\"a\":2}", "\"text\"", "Id,Name\n"] {
            assert_eq!(body_of(text), Json::String(text.to_owned()), "{text}");
        }
        assert_eq!(body_of(""), Json::Null);
    }

    #[test]
    fn an_exchange_holds_neither_secrets_nor_the_address_of_the_product() {
        let came = RecordedExchange {
            method: "POST".to_owned(),
            path: "/v1/login?session_id=s3cr3t-session-1".to_owned(),
            body: Some(br#"{"password":"hunter2","name":"ann"}"#.to_vec()),
            status: Some(200),
            headers: [("x-session-token", "s3cr3t-header"), ("etag", "5")]
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .into(),
            answer: br#"{"next":"https://eu7.example.org/v1/s3cr3t-session-1"}"#.to_vec(),
            is_whole: true,
        };
        let secrets = Secrets::of(std::slice::from_ref(&came));
        let written = exchange_of(&came, Some("https://eu7.example.org"), &secrets).unwrap();
        let text = serde_json::to_string(&written).unwrap();
        for secret in ["s3cr3t", "hunter2", "eu7"] {
            assert!(!text.contains(secret), "{text}");
        }
        assert_eq!(written.response.headers.len(), 1);
        // The same secret has the same name wherever it stands.
        assert!(
            written.request.path.ends_with("session_id=redacted-1"),
            "{text}"
        );
        assert!(
            text.contains("https://product.example.com/v1/redacted-1"),
            "{text}"
        );
        let half = RecordedExchange {
            is_whole: false,
            ..came
        };
        assert!(exchange_of(&half, None, &secrets).is_err());
    }
}
