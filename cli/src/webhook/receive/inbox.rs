//! `lockgate webhook receive inbox`.

use std::collections::BTreeSet;

use anyhow::Result;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use lockgate::Inbox;
use lockgate::store::{ListedItem, QueueOutcome, QueueState, Settled};
use serde_json::{Value as Json, json};

use super::status::moment;
use super::{Named, definition};
use crate::args::{Common, Shape};
use crate::exit::{Status, advised};
use crate::{input, output, table, text};

const EXAMPLES: &str = "\
Examples:
  lockgate webhook receive inbox leads
  lockgate webhook receive inbox leads --output json | jq '.[].content'
  lockgate webhook receive inbox leads --done 04l5J000004TNtzQAG
      Once all effects of it are durable. It is not shown again, and not kept again if it is
      sent again within a week.
  jq -r '.[].id' shown.json | lockgate webhook receive inbox leads --done -";

/// Items that are shown unless more are asked for.
const SHOWN: u32 = 100;

#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    #[command(flatten)]
    webhook: Named,
    /// At most so many, the oldest first
    #[arg(long, value_name = "N", default_value_t = SHOWN, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    limit: u32,
    /// Mark these as done, by their ids; `-` reads ids from standard input
    #[arg(long, value_name = "ID", num_args = 1.., conflicts_with = "limit")]
    done: Vec<String>,
    #[command(flatten)]
    shape: Shape,
}

pub(crate) async fn run(common: &Common, args: Args) -> Result<Status> {
    let (host, webhook) = definition::find(common, &args.webhook).await?;
    let inbox = webhook.inbox(&host).await?;
    if args.done.is_empty() {
        let page = inbox.queue().list(QueueState::Waiting, None, args.limit);
        show(&page.await?.items, args.shape)?;
        return Ok(Status::Done);
    }
    if webhook.definition.into.is_some() {
        return Err(advised(
            format!(
                "what comes by {} is written as records, and nobody else takes it",
                webhook.name
            ),
            "see how that goes with `lockgate webhook receive status`",
        ));
    }
    done(&inbox, input::ids(args.done)?, args.shape).await
}

async fn done(inbox: &Inbox, ids: Vec<String>, shape: Shape) -> Result<Status> {
    let ids: BTreeSet<String> = ids.into_iter().collect();
    let settled: Vec<Settled> = ids
        .iter()
        .map(|id| Settled {
            id: id.clone(),
            // That something is done is true whoever has taken it.
            leased_until_ms: 0,
            outcome: QueueOutcome::Done,
        })
        .collect();
    let n_done = inbox.settle(&settled).await?;
    match shape.is_json() {
        true => output::json(&json!({"done": n_done, "unknown": ids.len() as u64 - n_done}))?,
        false => output::line(&format!(
            "{n_done} of {} done",
            text::counted(ids.len(), "item")
        ))?,
    }
    Ok(Status::Done)
}

fn show(items: &[ListedItem], shape: Shape) -> Result<()> {
    if shape.is_json() {
        return output::json(&items.iter().map(json).collect::<Vec<_>>());
    }
    if items.is_empty() {
        output::tell("nothing waits");
        return Ok(());
    }
    let rows = items.iter().map(|item| {
        [
            moment(item.put_ms),
            item.id.clone(),
            String::from_utf8_lossy(&item.bytes).into_owned(),
        ]
    });
    table::print(["came", "id", "content"], rows)
}

/// An item for programs. A content that is no JSON is told as text, or in base64.
pub(super) fn json(item: &ListedItem) -> Json {
    let (name, body) = match str::from_utf8(&item.bytes) {
        Ok(text) => {
            let body = serde_json::from_str(text).unwrap_or_else(|_| Json::from(text));
            ("content", body)
        }
        Err(_) => ("content_base64", Json::from(BASE64.encode(&item.bytes))),
    };
    json!({
        "id": item.id,
        "put_ms": item.put_ms,
        "tries": item.tries,
        "problem": item.problem,
        name: body,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_content_is_shown_as_json_as_text_or_in_base64() {
        let shown = |bytes: &[u8]| {
            json(&ListedItem {
                number: 1,
                id: "msg_1".to_owned(),
                bytes: bytes.to_vec(),
                put_ms: 7,
                due_ms: 7,
                tries: 0,
                problem: None,
            })
        };
        assert_eq!(shown(b"{\"a\": [1]}")["content"], json!({"a": [1]}));
        assert_eq!(shown(b"a=1&b=2")["content"], "a=1&b=2");
        assert_eq!(shown(b"\xff")["content_base64"], "/w==");
    }
}
