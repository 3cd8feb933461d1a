//! An outbound message: notifications of saved records, by SOAP.
//!
//! <https://developer.salesforce.com/docs/atlas.en-us.api.meta/api/sforce_api_om_outboundmessaging_notifications.htm>

use super::xml::{Document, Element, Malformed, Space};
use crate::names;

/// Salesforce's bound of notifications in a message.
const MAX_NOTIFICATIONS: usize = 100;
/// Fields of a record: an object has 800 at most, and some of its own.
const MAX_FIELDS: usize = 1_000;

/// What a message says.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Message {
    /// The id of the org that sent it, of 18 characters.
    pub(super) organization: String,
    /// The object of all its records.
    pub(super) object: String,
    pub(super) notifications: Vec<Notification>,
}

/// A record that was saved, as it is when the message goes out.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Notification {
    /// Of 18 characters; the same however often it is sent.
    pub(super) id: String,
    /// With their texts; none stands for no value.
    pub(super) fields: Vec<(String, Option<String>)>,
}

impl Message {
    pub(super) fn read(text: &str) -> Result<Self, Malformed> {
        let mut document = Document::new(text);
        only(document.child()?, Space::Soap, "Envelope")?;
        let mut message = None;
        while let Some(part) = document.child()? {
            match part.is(Space::Soap, "Body") && message.is_none() {
                true => message = Some(Self::body(&mut document)?),
                false => document.skip()?,
            }
        }
        if document.child()?.is_some() {
            return Err(Malformed("there is something behind its end"));
        }
        message.ok_or(Malformed("its envelope has no body"))
    }

    fn body(document: &mut Document<'_>) -> Result<Self, Malformed> {
        only(document.child()?, Space::Outbound, "notifications")?;
        let message = Self::notifications(document)?;
        match document.child()? {
            None => Ok(message),
            Some(_) => Err(Malformed("its body holds more than notifications")),
        }
    }

    fn notifications(document: &mut Document<'_>) -> Result<Self, Malformed> {
        let (mut organization, mut action, mut object) = (None, None, None);
        let mut notifications = Vec::new();
        while let Some(part) = document.child()? {
            match (part.space, part.name.as_str()) {
                (Space::Outbound, "OrganizationId") => {
                    id(document, &mut organization, "its OrganizationId is no id")?;
                }
                (Space::Outbound, "ActionId") => {
                    id(document, &mut action, "its ActionId is no id")?;
                }
                (Space::Outbound, "Notification") if notifications.len() == MAX_NOTIFICATIONS => {
                    return Err(Malformed("it has more than 100 notifications"));
                }
                (Space::Outbound, "Notification") => {
                    let (of, notification) = Notification::read(document)?;
                    if object.get_or_insert_with(|| of.clone()) != &of {
                        return Err(Malformed("its records are of several objects"));
                    }
                    notifications.push(notification);
                }
                // The session, which is a credential that nobody here needs, and
                // addresses of other APIs.
                _ => document.skip()?,
            }
        }
        action.ok_or(Malformed("it has no ActionId"))?;
        Ok(Self {
            organization: organization.ok_or(Malformed("it has no OrganizationId"))?,
            object: object.ok_or(Malformed("it has no notification"))?,
            notifications,
        })
    }
}

impl Notification {
    /// The notification with the object of its record.
    fn read(document: &mut Document<'_>) -> Result<(String, Self), Malformed> {
        let (mut own, mut record) = (None, None);
        while let Some(part) = document.child()? {
            if part.is(Space::Outbound, "Id") {
                id(document, &mut own, "the Id of a notification is none")?;
            } else if part.is(Space::Outbound, "sObject") && record.is_none() {
                let object = match part.kind {
                    Some((Space::Objects, object)) if names::object(&object).is_ok() => object,
                    _ => return Err(Malformed("a record does not say of which object it is")),
                };
                record = Some((object, fields(document)?));
            } else {
                document.skip()?;
            }
        }
        let id = own.ok_or(Malformed("a notification has no Id"))?;
        let (object, fields) = record.ok_or(Malformed("a notification has no record"))?;
        Ok((object, Self { id, fields }))
    }
}

/// The fields of a record. One that comes twice has its last value.
fn fields(document: &mut Document<'_>) -> Result<Vec<(String, Option<String>)>, Malformed> {
    let mut fields: Vec<(String, Option<String>)> = Vec::new();
    while let Some(field) = document.child()? {
        if field.space != Space::Objects || names::key_field(&field.name).is_err() {
            return Err(Malformed("a record has an element that is no field"));
        }
        let text = document.text()?;
        let value = (!field.is_nil).then_some(text);
        fields.retain(|(name, _)| *name != field.name);
        if fields.len() == MAX_FIELDS {
            return Err(Malformed("a record has more than 1,000 fields"));
        }
        fields.push((field.name, value));
    }
    Ok(fields)
}

fn only(element: Option<Element>, space: Space, name: &str) -> Result<(), Malformed> {
    match element {
        Some(element) if element.is(space, name) => Ok(()),
        _ => Err(Malformed("it is no outbound message")),
    }
}

/// Takes an id of 15 or 18 characters, once.
fn id(
    document: &mut Document<'_>,
    place: &mut Option<String>,
    wrong: &'static str,
) -> Result<(), Malformed> {
    let id = names::id(document.text()?.trim()).map_err(|_| Malformed(wrong))?;
    match place.replace(id) {
        None => Ok(()),
        Some(_) => Err(Malformed("it has an id twice")),
    }
}

#[cfg(test)]
mod tests {

    use super::super::tests::{envelope, notification};
    use super::*;

    fn read(inside: &str) -> Result<Message, Malformed> {
        Message::read(&envelope(inside))
    }

    const HEAD: &str = "<OrganizationId>00DdM00000vfgTu</OrganizationId><ActionId>\
                        04kdM00000000AB</ActionId><SessionId>00D!secret</SessionId>";

    #[test]
    fn several_notifications_are_read_with_ids_of_18_characters() {
        let one = notification("04l5J000004TNtz", "<sf:Name>A &amp; B</sf:Name>");
        let two = notification(
            "04l5J000004TNtzQAG",
            "<sf:Phone xsi:nil=\"true\"/><sf:Name/><sf:Phone>7</sf:Phone>",
        );
        let message = read(&format!("{HEAD}{one}{two}")).unwrap();
        assert_eq!(message.organization, "00DdM00000vfgTuUAI");
        assert_eq!(message.object, "Lead");
        let [one, two] = &message.notifications[..] else {
            panic!("{message:?}");
        };
        assert_eq!([&one.id, &two.id], ["04l5J000004TNtzQAG"; 2]);
        let field = |name: &str, value: Option<&str>| (name.to_owned(), value.map(str::to_owned));
        assert_eq!(one.fields, [field("Name", Some("A & B"))]);
        assert_eq!(
            two.fields,
            [field("Name", Some("")), field("Phone", Some("7"))]
        );
        // The session is in nothing that was read.
        assert!(!format!("{message:?}").contains("secret"));
    }

    #[test]
    fn what_a_message_needs_and_lacks_is_said() {
        let one = notification("04l5J000004TNtz", "<sf:Name>A</sf:Name>");
        let lead = "xsi:type=\"sf:Lead\"";
        for (inside, why) in [
            (
                format!("<ActionId>04kdM00000000AB</ActionId>{one}"),
                "it has no OrganizationId",
            ),
            (
                format!("<OrganizationId>00DdM00000vfgTu</OrganizationId>{one}"),
                "it has no ActionId",
            ),
            (HEAD.to_owned(), "it has no notification"),
            (
                format!("{HEAD}{}", one.replace("04l5J000004TNtz", "04l")),
                "the Id of a notification is none",
            ),
            (
                format!("{HEAD}{}", one.replace(lead, "xsi:type=\"Lead\"")),
                "a record does not say of which object it is",
            ),
            (
                format!("{HEAD}{one}{}", one.replace(lead, "xsi:type=\"sf:Task\"")),
                "its records are of several objects",
            ),
            (format!("{HEAD}{HEAD}{one}"), "it has an id twice"),
            (
                format!("{HEAD}{}", one.replace("A", "<sf:City>A</sf:City>")),
                "it has elements where text belongs",
            ),
            (
                format!("{HEAD}{}", one.replace("sf:Name", "Name")),
                "a record has an element that is no field",
            ),
        ] {
            assert_eq!(read(&inside), Err(Malformed(why)), "{inside}");
        }
    }

    #[test]
    fn a_hundred_notifications_are_read_and_one_more_is_refused() {
        let some = |count: usize| {
            let one = notification("04l5J000004TNtz", "<sf:Name>A</sf:Name>");
            format!("{HEAD}{}", one.repeat(count))
        };
        assert_eq!(read(&some(100)).unwrap().notifications.len(), 100);
        let more = Malformed("it has more than 100 notifications");
        assert_eq!(read(&some(101)), Err(more));
    }

    #[test]
    fn a_namespace_is_meant_and_not_a_prefix() {
        let text = envelope(&format!(
            "{HEAD}{}",
            notification("04l5J000004TNtz", "<sf:Name>A</sf:Name>")
        ));
        let renamed = text
            .replace("soapenv:", "e:")
            .replace("xmlns:soapenv", "xmlns:e");
        assert_eq!(Message::read(&renamed), Message::read(&text));
        assert!(Message::read(&renamed).is_ok());
        for uri in [
            "http://schemas.xmlsoap.org/soap/envelope/",
            "http://soap.sforce.com/2005/09/outbound",
            "urn:sobject.enterprise.soap.sforce.com",
        ] {
            let foreign = text.replace(uri, "urn:another");
            assert!(Message::read(&foreign).is_err(), "{uri}");
        }
        let behind = format!("{text}<more/>");
        assert!(Message::read(&behind).is_err());
    }
}
