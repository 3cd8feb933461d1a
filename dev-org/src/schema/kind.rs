//! The kinds of fields and what a kind alone decides: its wire names and
//! whether queries can filter, sort and group by it.

use serde::Deserialize;

/// What kind of value a field holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FieldKind {
    /// The record's own id.
    Id,
    /// A line of text.
    #[serde(rename = "string")]
    Text,
    /// Text of several lines.
    TextArea,
    /// One of a list of values.
    Picklist,
    /// Several of a list of values, joined with semicolons.
    MultiPicklist,
    /// Free text with suggestions.
    Combobox,
    /// The id of another record.
    Reference,
    /// A checkbox.
    Boolean,
    /// A whole number.
    Int,
    /// A number.
    Double,
    /// An amount of money.
    Currency,
    /// A percentage, 0 to 100.
    Percent,
    /// A day.
    Date,
    /// An instant.
    DateTime,
    /// A time of day.
    Time,
    /// An email address.
    Email,
    /// A telephone number.
    Phone,
    /// A web address.
    Url,
    /// A read-only compound of address fields.
    Address,
    /// Binary content.
    Base64,
    /// Text that only some users see in clear.
    EncryptedString,
}

impl FieldKind {
    /// The `type` that describe gives.
    pub fn wire_name(self) -> &'static str {
        match self {
            Self::Id => "id",
            Self::Text => "string",
            Self::TextArea => "textarea",
            Self::Picklist => "picklist",
            Self::MultiPicklist => "multipicklist",
            Self::Combobox => "combobox",
            Self::Reference => "reference",
            Self::Boolean => "boolean",
            Self::Int => "int",
            Self::Double => "double",
            Self::Currency => "currency",
            Self::Percent => "percent",
            Self::Date => "date",
            Self::DateTime => "datetime",
            Self::Time => "time",
            Self::Email => "email",
            Self::Phone => "phone",
            Self::Url => "url",
            Self::Address => "address",
            Self::Base64 => "base64",
            Self::EncryptedString => "encryptedstring",
        }
    }

    /// The `soapType` that describe gives.
    pub fn soap_type(self) -> &'static str {
        match self {
            Self::Id | Self::Reference => "tns:ID",
            Self::Boolean => "xsd:boolean",
            Self::Int => "xsd:int",
            Self::Double | Self::Currency | Self::Percent => "xsd:double",
            Self::Date => "xsd:date",
            Self::DateTime => "xsd:dateTime",
            Self::Time => "xsd:time",
            Self::Address => "urn:address",
            Self::Base64 => "xsd:base64Binary",
            _ => "xsd:string",
        }
    }

    /// Whether values are text.
    pub fn is_text(self) -> bool {
        matches!(
            self,
            Self::Text
                | Self::TextArea
                | Self::Picklist
                | Self::MultiPicklist
                | Self::Combobox
                | Self::Email
                | Self::Phone
                | Self::Url
                | Self::EncryptedString
        )
    }

    /// Whether values are ids.
    pub fn is_id(self) -> bool {
        matches!(self, Self::Id | Self::Reference)
    }

    /// Whether values are numbers with a fraction.
    pub fn is_decimal(self) -> bool {
        matches!(self, Self::Double | Self::Currency | Self::Percent)
    }

    /// The length when a declaration gives none.
    pub(super) fn default_length(self) -> u32 {
        match self {
            Self::Id | Self::Reference => 18,
            Self::Text | Self::TextArea | Self::Url | Self::Picklist | Self::Combobox => 255,
            Self::Email => 80,
            Self::Phone => 40,
            Self::MultiPicklist => 4099,
            Self::EncryptedString => 175,
            _ => 0,
        }
    }

    /// Whether a field of this kind and length can stand in WHERE.
    pub(super) fn is_filterable(self, length: u32) -> bool {
        match self {
            Self::Base64 | Self::EncryptedString => false,
            Self::TextArea => length <= 255,
            _ => true,
        }
    }

    /// Whether a field of this kind and length can stand in ORDER BY.
    pub(super) fn is_sortable(self, length: u32) -> bool {
        self.is_filterable(length) && !matches!(self, Self::MultiPicklist | Self::Address)
    }

    /// Whether a field of this kind and length can stand in GROUP BY.
    pub(super) fn is_groupable(self, length: u32) -> bool {
        self.is_sortable(length)
            && !self.is_decimal()
            && !matches!(self, Self::DateTime | Self::Time)
    }
}
