//! The SOAP of outbound messages: what is sent, with the records as they are
//! when it is sent, and the answer that counts as received.

use std::fmt::Write as _;

use super::Notification;
use crate::http::soap::xml::{Element, escaped};
use crate::org::{ADMIN, Org};
use crate::state::Shared;
use crate::value::{Value, datetime_to_wire};

/// The version of the API that the message's addresses name.
const VERSION: &str = "60.0";

/// The message for notifications of one action.
pub(super) fn write(shared: &Shared, batch: &[Notification]) -> Option<String> {
    let action = &batch.first()?.action;
    let organization = shared.organization_id();
    let session = action.message.send_session_id.then(|| session(shared));
    let session = match session {
        Some(token) => format!("<SessionId>{}</SessionId>", escaped(&token)),
        None => "<SessionId xsi:nil=\"true\"/>".to_owned(),
    };
    let soap = |kind: &str| {
        format!(
            "{}/services/Soap/{kind}/{VERSION}/{organization}",
            shared.base_url
        )
    };
    let mut out = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
         <soapenv:Envelope xmlns:soapenv=\"http://schemas.xmlsoap.org/soap/envelope/\" \
         xmlns:xsd=\"http://www.w3.org/2001/XMLSchema\" \
         xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\">\n <soapenv:Body>\n  \
         <notifications xmlns=\"http://soap.sforce.com/2005/09/outbound\">\n   \
         <OrganizationId>{organization}</OrganizationId>\n   <ActionId>{}</ActionId>\n   \
         {session}\n   <EnterpriseUrl>{}</EnterpriseUrl>\n   <PartnerUrl>{}</PartnerUrl>\n",
        action.id,
        soap("c"),
        soap("u"),
    );
    let org = shared.org();
    for notification in batch {
        write_notification(&org, notification, &mut out);
    }
    out.push_str("  </notifications>\n </soapenv:Body>\n</soapenv:Envelope>\n");
    Some(out)
}

fn write_notification(org: &Org, notification: &Notification, out: &mut String) {
    let Some((object, row)) = org.row(&notification.record) else {
        return;
    };
    // Writing to a String cannot fail.
    let _ = write!(
        out,
        "   <Notification>\n    <Id>{}</Id>\n    <sObject xsi:type=\"sf:{}\" \
         xmlns:sf=\"urn:sobject.enterprise.soap.sforce.com\">\n     <sf:Id>{}</sf:Id>\n",
        notification.id, object.name, notification.record
    );
    for name in &notification.action.message.fields {
        let field = object.field(name).filter(|(_, field)| field.name != "Id");
        if let Some((column, field)) = field
            && let Some(text) = text_of(row.get(column))
        {
            let name = &field.name;
            let _ = writeln!(out, "     <sf:{name}>{}</sf:{name}>", escaped(&text));
        }
    }
    out.push_str("    </sObject>\n   </Notification>\n");
}

/// A value as XML Schema writes it; nothing for no value.
fn text_of(value: &Value) -> Option<String> {
    match value {
        Value::Null | Value::Blob(_) => None,
        Value::DateTime(ms) => Some(datetime_to_wire(*ms).replace("+0000", "Z")),
        value => Some(match value.to_json() {
            serde_json::Value::String(text) => text,
            other => other.to_string(),
        }),
    }
}

/// A session of the administrator.
fn session(shared: &Shared) -> String {
    let scopes = ["api".to_owned()];
    let now_ms = shared.clock.now_ms();
    let session = crate::oauth::Session::new(ADMIN, &shared.config.client_id, &scopes, now_ms);
    let mut oauth = shared.oauth();
    oauth.open_session(shared.organization_id(), session, None)
}

/// Whether an answer says that the message was received: with status 200 and the
/// word `true` in its place.
pub(super) fn is_acknowledged(status: u16, body: &str) -> bool {
    let root = Element::parse(body).filter(|root| root.name == "Envelope");
    let ack = root.as_ref().and_then(|root| {
        root.child("Body")?
            .child("notificationsResponse")?
            .text_of("Ack")
    });
    status == 200 && ack == Some("true")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_word_true_in_its_place_acknowledges() {
        let body = |inside: &str| {
            format!(
                "<s:Envelope xmlns:s=\"http://schemas.xmlsoap.org/soap/envelope/\"><s:Body>{inside}\
                 </s:Body></s:Envelope>"
            )
        };
        let ack = |word: &str| {
            let space = "http://soap.sforce.com/2005/09/outbound";
            body(&format!(
                "<notificationsResponse xmlns=\"{space}\"><Ack>{word}</Ack></notificationsResponse>"
            ))
        };
        assert!(is_acknowledged(200, &ack("true")));
        assert!(!is_acknowledged(500, &ack("true")));
        for not in [
            ack("false"),
            body("<Ack>true</Ack>"),
            String::new(),
            "true".to_owned(),
        ] {
            assert!(!is_acknowledged(200, &not), "{not}");
        }
    }
}
