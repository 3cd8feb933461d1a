//! What an org may have beyond objects and fields, as schema files switch it
//! on: record types, person accounts, several currencies.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::load::{Access, FieldSpec, Values};
use super::{FieldKind, PicklistValue, Schema, SchemaError};
use crate::value::Value;

const PERSON_ACCOUNTS: &str = include_str!("../../schema/person_accounts.toml");
const CURRENCIES: &str = include_str!("../../schema/currencies.toml");

/// Objects that have a currency although no field of theirs is money.
const WITH_CURRENCY: [&str; 4] = ["Contact", "Order", "Product2", "Pricebook2"];

/// A record type of an object.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RecordType {
    /// The object whose records may be of it.
    pub object: String,
    /// The name that people see.
    pub name: String,
    /// The name for programs; made from the other when left out.
    #[serde(default)]
    pub developer_name: String,
    /// Whether new records may be of it.
    #[serde(default = "yes")]
    pub active: bool,
    /// Whether records that name none are of it.
    #[serde(default)]
    pub default: bool,
    /// Whether its accounts are people.
    #[serde(default)]
    pub person: bool,
    /// The values that each picklist keeps; a picklist left out keeps all.
    #[serde(default)]
    pub picklists: BTreeMap<String, Vec<String>>,
}

/// Switches of a whole org.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Features {
    /// Whether accounts may be people.
    #[serde(default)]
    pub person_accounts: bool,
    /// The currencies of an org with several; the first is its own.
    #[serde(default)]
    pub currencies: Vec<Currency>,
}

/// A currency of an org with several.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Currency {
    /// The ISO code, as `EUR`.
    pub code: String,
    /// How much of it one unit of the org's own currency is.
    #[serde(default = "one")]
    pub rate: f64,
    /// Digits after the point.
    #[serde(default = "two")]
    pub decimals: u32,
}

fn yes() -> bool {
    true
}

fn one() -> f64 {
    1.0
}

fn two() -> u32 {
    2
}

impl Schema {
    /// Switches on what a file asks for. What is on stays on.
    pub(super) fn switch_on(&mut self, wanted: Features) -> Result<(), SchemaError> {
        if wanted.person_accounts && !self.features.person_accounts {
            self.features.person_accounts = true;
            self.read(PERSON_ACCOUNTS, false)?;
        }
        if !wanted.currencies.is_empty() && self.features.currencies.is_empty() {
            let choices = wanted.currencies.iter().zip(0..);
            let choices = choices.map(|(currency, place)| PicklistValue {
                value: currency.code.as_str().into(),
                label: currency.code.clone(),
                active: true,
                default: place == 0,
            });
            self.picklists
                .insert("CurrencyIsoCode".to_owned(), choices.collect());
            self.features.currencies = wanted.currencies;
            self.read(CURRENCIES, false)?;
        }
        Ok(())
    }

    /// Adds the record types of a file.
    pub(super) fn add_record_types(&mut self, types: Vec<RecordType>) -> Result<(), SchemaError> {
        for mut kind in types {
            if kind.developer_name.is_empty() {
                kind.developer_name = kind.name.replace(|c: char| !c.is_ascii_alphanumeric(), "_");
            }
            let spec = FieldSpec {
                required: false,
                access: Access::Write,
                to: vec!["RecordType".to_owned()],
                parent: Some("RecordType".to_owned()),
                permissionable: Some(false),
                defaulted: Some(true),
                ..FieldSpec::system("RecordTypeId", "Record Type ID", FieldKind::Reference)
            };
            let field = self.field_from(spec, false)?;
            let object = self.object_mut(&kind.object)?;
            kind.object.clone_from(&object.name);
            if object
                .fields
                .iter()
                .all(|field| field.name != "RecordTypeId")
            {
                object.fields.push(field);
            }
            for name in kind.picklists.keys() {
                let is_picklist = object
                    .fields
                    .iter()
                    .any(|field| field.name == *name && !field.picklist.is_empty());
                if !is_picklist {
                    return Err(SchemaError(format!(
                        "the record type {} names {}.{name}, which is no picklist",
                        kind.name, object.name
                    )));
                }
            }
            self.record_types.push(kind);
        }
        Ok(())
    }

    /// Gives a currency to everything that has money in it.
    pub(super) fn add_currency_fields(&mut self) -> Result<(), SchemaError> {
        let Some(own) = self.features.currencies.first() else {
            return Ok(());
        };
        let spec = FieldSpec {
            required: false,
            access: Access::Write,
            values: Some(Values::Shared("CurrencyIsoCode".to_owned())),
            restricted: true,
            length: Some(3),
            defaulted: Some(true),
            ..FieldSpec::system("CurrencyIsoCode", "Currency ISO Code", FieldKind::Picklist)
        };
        let own = Value::text(own.code.as_str());
        let mut field = self.field_from(spec, false)?;
        field.default_value = Some(own);
        for object in &mut self.objects {
            let has_money = object
                .fields
                .iter()
                .any(|field| field.kind == FieldKind::Currency);
            let has_one = object
                .fields
                .iter()
                .any(|field| field.name == "CurrencyIsoCode");
            if !has_one && (has_money || WITH_CURRENCY.contains(&object.name.as_str())) {
                object.fields.push(field.clone());
            }
        }
        Ok(())
    }

    /// The record types of an object, as declared.
    pub fn record_types<'a>(&'a self, object: &'a str) -> impl Iterator<Item = &'a RecordType> {
        self.record_types
            .iter()
            .filter(move |kind| kind.object == object)
    }
}
