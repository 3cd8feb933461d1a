//! Descriptions for tests: an account and a contact with a field of each sort.

use lockgate::{Field, ObjectDescription, ObjectSummary};

/// A field that can be written and may be empty, unless `change` says otherwise.
pub(crate) fn field(name: &str, kind: &str, change: impl FnOnce(&mut Field)) -> Field {
    let mut field = Field {
        name: name.into(),
        label: name.into(),
        kind: kind.into(),
        max_length: if kind == "string" { 80 } else { 0 },
        required: false,
        nillable: true,
        createable: true,
        updateable: true,
        custom: name.ends_with("__c"),
        unique: false,
        external_id: false,
        references: Vec::new(),
        picklist: Vec::new(),
        restricted: false,
    };
    change(&mut field);
    field
}

fn object(name: &str, fields: Vec<Field>) -> ObjectDescription {
    let mut all = vec![field("Id", "id", |field| {
        told(field);
        field.max_length = 18;
    })];
    all.extend(fields);
    all.push(field("SystemModstamp", "datetime", told));
    ObjectDescription {
        summary: ObjectSummary {
            name: name.into(),
            label: name.into(),
            custom: false,
            createable: true,
            updateable: true,
            deletable: true,
            queryable: true,
        },
        fields: all,
        children: Vec::new(),
        stamp_fields: vec!["SystemModstamp".into(), "LastModifiedDate".into()],
    }
}

fn told(field: &mut Field) {
    (field.createable, field.updateable) = (false, false);
}

pub(crate) fn account() -> ObjectDescription {
    object(
        "Account",
        vec![
            field("Name", "string", |field| field.required = true),
            field("ParentId", "reference", |field| {
                field.references = vec!["Account".into()];
            }),
            field("AnnualRevenue", "currency", |_| ()),
            field("Currency", "picklist", |field| {
                field.updateable = false;
                field.picklist = vec!["CHF".into(), "EUR".into()];
            }),
            field("Founded__c", "datetime", |_| ()),
            field("Sync_Key__c", "string", |field| field.external_id = true),
        ],
    )
}

pub(crate) fn contact() -> ObjectDescription {
    object(
        "Contact",
        vec![
            field("AccountId", "reference", |field| {
                field.references = vec!["Account".into()];
            }),
            field("FirstName", "string", |_| ()),
            field("LastName", "string", |field| field.required = true),
            field("Email", "email", |_| ()),
            field("Birthdate", "date", |_| ()),
            field("DoNotCall", "boolean", |_| ()),
            field("Score__c", "double", |_| ()),
            field("MailingAddress", "address", told),
            field("Sync_Key__c", "string", |field| field.external_id = true),
        ],
    )
}
