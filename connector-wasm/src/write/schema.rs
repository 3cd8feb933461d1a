//! What the objects of a write are, asked of the org once for each of them.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use crate::api::Api;
use crate::bindings::exports::lockgate::connector::records::{
    Child, Error, Field, ObjectDescription,
};
use crate::describe::{Age, described};
use crate::host::Host;

/// Objects that records often refer to, and how their ids begin in every org.
const PREFIXES: [(&str, &str); 20] = [
    ("Account", "001"),
    ("Asset", "02i"),
    ("Campaign", "701"),
    ("Case", "500"),
    ("Contact", "003"),
    ("ContentDocument", "069"),
    ("ContentVersion", "068"),
    ("Contract", "800"),
    ("Group", "00G"),
    ("Lead", "00Q"),
    ("Opportunity", "006"),
    ("OpportunityLineItem", "00k"),
    ("Order", "801"),
    ("OrderItem", "802"),
    ("Pricebook2", "01s"),
    ("PricebookEntry", "01u"),
    ("Product2", "01t"),
    ("RecordType", "012"),
    ("Task", "00T"),
    ("User", "005"),
];

/// Descriptions by the names of their objects, in lower case.
#[derive(Debug, Default)]
pub(super) struct Schema {
    known: RefCell<HashMap<String, Rc<Described>>>,
}

/// One object.
#[derive(Debug)]
pub(super) struct Described {
    pub(super) object: ObjectDescription,
    /// The first three characters of its ids, if they are its own.
    pub(super) prefix: Option<String>,
}

impl Schema {
    /// An object's description.
    pub(super) async fn of<H: Host>(
        &self,
        api: &Api<H>,
        object: &str,
    ) -> Result<Rc<Described>, Error> {
        if let Some(known) = self.known(object) {
            return Ok(known);
        }
        let (object, prefix) = described(api, object, Age::Recent).await?;
        let described = Rc::new(Described { object, prefix });
        let name = described.object.summary.name.to_ascii_lowercase();
        self.known.borrow_mut().insert(name, Rc::clone(&described));
        Ok(described)
    }

    /// The first three characters of an object's ids, if they are known without
    /// asking.
    pub(super) fn prefix(&self, object: &str) -> Option<String> {
        if let Some(known) = self.known(object) {
            return known.prefix.clone();
        }
        let mut known = PREFIXES.iter();
        let known = known.find(|(name, _)| name.eq_ignore_ascii_case(object));
        known.map(|(_, prefix)| (*prefix).to_owned())
    }

    /// A description that was asked for before.
    pub(super) fn known(&self, object: &str) -> Option<Rc<Described>> {
        self.known
            .borrow()
            .get(&object.to_ascii_lowercase())
            .cloned()
    }
}

impl Described {
    /// A field by its name.
    pub(super) fn field(&self, name: &str) -> Option<&Field> {
        let mut fields = self.object.fields.iter();
        fields.find(|field| field.name.eq_ignore_ascii_case(name))
    }

    /// The children that a record holds under a name.
    pub(super) fn children(&self, relationship: &str) -> Option<&Child> {
        self.object.children.iter().find(|child| {
            child
                .relationship
                .as_deref()
                .is_some_and(|name| name.eq_ignore_ascii_case(relationship))
        })
    }
}
