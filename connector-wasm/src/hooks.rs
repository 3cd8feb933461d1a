//! Webhooks: outbound messages, which a workflow or a flow of the org sends by SOAP
//! when records are saved.
//!
//! They are signed by nobody. The address is the secret that the host keeps, and
//! what a message can be held against besides is the id of its org.

mod message;
mod organization;
mod value;
mod xml;

use std::collections::BTreeMap;

use crate::api::Api;
use crate::bindings::exports::lockgate::connector::events::{Event, Message as Told};
use crate::bindings::exports::lockgate::connector::hooks::{
    Acceptance, Answer, Outcome, Refusal, Request,
};
use crate::bindings::exports::lockgate::connector::records::Error;
use crate::describe::{Age, described};
use crate::host::{Host, Level};
use crate::wire::push_text;
use message::{Message, Notification};

/// The one answer that counts: everything else, with status 200 as well, has the same
/// message sent again for a day.
const ACK: &str = "<soapenv:Envelope xmlns:soapenv=\"http://schemas.xmlsoap.org/soap/envelope/\">\
    <soapenv:Body><notificationsResponse xmlns=\"http://soap.sforce.com/2005/09/outbound\">\
    <Ack>true</Ack></notificationsResponse></soapenv:Body></soapenv:Envelope>";

/// Types of fields by their names.
type Kinds = BTreeMap<String, String>;

/// Looks at a request.
pub(crate) async fn receive<H: Host>(api: &Api<H>, request: &Request) -> Result<Outcome, Error> {
    let message = match read(request) {
        Ok(message) => message,
        Err((status, why)) => return Ok(refusal(status, why)),
    };
    if !organization::is_ours(api, &message.organization).await? {
        return Ok(refusal(403, "the message is of another org"));
    }
    let kinds = kinds(api, &message.object).await?;
    let now_ms = api.host.now_ms();
    let notifications = message.notifications.iter();
    let events = notifications.map(|notification| {
        Event::Message(Told {
            id: notification.id.clone(),
            name: message.object.clone(),
            payload: payload(notification, &kinds),
            published_ms: now_ms,
        })
    });
    Ok(Outcome::Accepted(Acceptance {
        events: events.collect(),
        answer: Answer {
            status: 200,
            content_type: "text/xml; charset=utf-8".to_owned(),
            body: ACK.into(),
        },
    }))
}

/// The message of a request; or the status and why there is none.
fn read(request: &Request) -> Result<Message, (u16, &'static str)> {
    if request.method != "POST" {
        return Err((405, "an outbound message comes by POST"));
    }
    let content_type = request
        .headers
        .iter()
        .find(|header| header.name == "content-type");
    if !content_type.is_some_and(|header| header.value.to_ascii_lowercase().contains("xml")) {
        return Err((415, "an outbound message is XML"));
    }
    let text = str::from_utf8(&request.body).map_err(|_| (400, "the message is not in UTF-8"))?;
    Message::read(text).map_err(|malformed| (400, malformed.0))
}

/// What is sent back says why to who sets the message up in the org; who can read it
/// knows the secret address already.
fn refusal(status: u16, why: &str) -> Outcome {
    Outcome::Refused(Refusal {
        reason: format!("the outbound message is refused: {why}"),
        answer: Answer {
            status,
            content_type: "text/plain; charset=utf-8".to_owned(),
            body: format!("{why}\n").into_bytes(),
        },
    })
}

/// The types of an object's fields. What the user cannot see is told as texts; after a
/// fault that passes the org sends the message again.
async fn kinds<H: Host>(api: &Api<H>, object: &str) -> Result<Kinds, Error> {
    match described(api, object, Age::Recent).await {
        Ok((description, _)) => {
            let fields = description.fields.into_iter();
            Ok(fields.map(|field| (field.name, field.kind)).collect())
        }
        Err(error @ (Error::OverQuota(_) | Error::Unavailable(_) | Error::Reconnect)) => Err(error),
        Err(_) => {
            let object = [("object", object.to_owned())];
            let message = "an outbound message is read without a description of its object";
            api.host.log(Level::Warn, message, &object);
            Ok(Kinds::new())
        }
    }
}

/// The record as JSON.
fn payload(notification: &Notification, kinds: &Kinds) -> Vec<u8> {
    let mut out = vec![b'{'];
    for (at, (name, text)) in notification.fields.iter().enumerate() {
        if at > 0 {
            out.push(b',');
        }
        push_text(&mut out, name);
        out.push(b':');
        match text {
            Some(text) => value::push(&mut out, kinds.get(name).map(String::as_str), text),
            None => out.extend_from_slice(b"null"),
        }
    }
    out.push(b'}');
    out
}

#[cfg(test)]
mod tests;
