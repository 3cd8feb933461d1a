//! Attacks with webhooks: answers that are none, events that lie, and calls that do
//! something else than to look at the request.

use serde_json::json;

use super::events::{change, lying};
use crate::guest::bindings::exports::lockgate::connector::events::Event;
use crate::guest::bindings::exports::lockgate::connector::hooks::{
    Acceptance, Answer, Outcome, Refusal, Request,
};
use crate::guest::bindings::exports::lockgate::connector::records::Error;

/// Does what the body says.
pub(crate) async fn receive(request: Request) -> Result<Outcome, Error> {
    let command = String::from_utf8_lossy(&request.body).into_owned();
    let (command, rest) = command.split_once(' ').unwrap_or((&command, ""));
    match command {
        "tell" => {
            let count = rest.parse().unwrap_or(1);
            Ok(accepted((1..=count).map(change).collect(), answer()))
        }
        "show" => {
            let headers: Vec<_> = request
                .headers
                .iter()
                .map(|header| format!("{}: {}", header.name, header.value))
                .collect();
            let shown = json!({
                "method": request.method,
                "query": request.query,
                "headers": headers,
            });
            let mut answer = answer();
            answer.body = shown.to_string().into_bytes();
            Ok(accepted(Vec::new(), answer))
        }
        "lie" => Ok(lie(rest)),
        "refuse" => Ok(Outcome::Refused(Refusal {
            reason: format!("\u{1b}[31mno\r\nforged line {}", "ß".repeat(100_000)),
            answer: Answer {
                status: 403,
                content_type: String::new(),
                body: Vec::new(),
            },
        })),
        "fail" => Err(super::failure(rest)),
        "do" => {
            super::run(rest).await?;
            Ok(accepted(Vec::new(), answer()))
        }
        _ => Err(Error::Unexpected("a command".to_owned())),
    }
}

fn lie(kind: &str) -> Outcome {
    let mut answer = answer();
    match kind {
        "status-low" => answer.status = 101,
        "status-high" => answer.status = 600,
        "type-forged" => answer.content_type = "text/xml\r\nset-cookie: a=b".to_owned(),
        "type-long" => answer.content_type = "t".repeat(257),
        "body-long" => answer.body = vec![b'b'; 64 * 1024 + 1],
        "flood" => return accepted((1..=1_001).map(change).collect(), answer),
        "refuse-with-success" => {
            return Outcome::Refused(Refusal {
                reason: String::new(),
                answer,
            });
        }
        kind => return accepted(vec![change(1), lying(kind)], answer),
    }
    accepted(vec![change(1)], answer)
}

fn accepted(events: Vec<Event>, answer: Answer) -> Outcome {
    Outcome::Accepted(Acceptance { events, answer })
}

fn answer() -> Answer {
    Answer {
        status: 200,
        content_type: "text/plain".to_owned(),
        body: b"told".to_vec(),
    }
}
