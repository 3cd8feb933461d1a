//! describe and describeGlobal: the data model as one user sees it.

use serde_json::{Map, Value as Json, json};

use super::Org;
use super::record_type::MASTER;
use crate::fault::Fault;
use crate::schema::{ChildRelationship, Field, FieldKind, Object, PicklistValue};
use crate::table::Row;
use crate::user::User;
use crate::value::Value;

/// Bytes that the database sets aside for a character.
const BYTES_PER_CHARACTER: u32 = 3;
/// Digits of a whole-number field, and of one that an extension declared.
const DIGITS: u32 = 8;
const CUSTOM_DIGITS: u32 = 18;

/// What the URLs of an answer begin with.
#[derive(Clone, Copy, Debug)]
pub struct Urls<'a> {
    /// The API version, as `v60.0`.
    pub version: &'a str,
    /// Scheme and host of the org, for links to its pages.
    pub origin: &'a str,
}

impl Urls<'_> {
    pub(super) fn sobject(&self, object: &Object) -> String {
        format!("/services/data/{}/sobjects/{}", self.version, object.name)
    }
}

impl Org {
    /// Everything about an object: fields, relationships, record types.
    ///
    /// # Errors
    /// When the object is not there for this user.
    pub fn describe(&self, who: &User, object: &str, urls: Urls<'_>) -> Result<Json, Fault> {
        let object = self.visible_object(&self.schema, who, object)?;
        let mut answer = self.summary(who, object, urls);
        let root = urls.sobject(object);
        let fields: Vec<Json> = object
            .fields
            .iter()
            .filter(|field| who.can_read(&object.name, &field.name))
            .map(|field| field_json(who, object, field))
            .collect();
        let children: Vec<Json> = object
            .children
            .iter()
            .filter(|child| who.object_permissions(&child.object).read)
            .map(child_json)
            .collect();
        for (key, value) in [
            ("actionOverrides", json!([])),
            ("childRelationships", Json::Array(children)),
            ("compactLayoutable", json!(true)),
            ("fields", Json::Array(fields)),
            ("listviewable", Json::Null),
            ("lookupLayoutable", Json::Null),
            ("namedLayoutInfos", json!([])),
            ("networkScopeFieldName", Json::Null),
            ("recordTypeInfos", self.record_types(object, &root)),
            ("searchLayoutable", json!(object.searchable)),
            ("sobjectDescribeOption", json!("FULL")),
            ("supportedScopes", scopes(object)),
            ("urls", all_urls(object, &root, urls)),
        ] {
            answer.insert(key.to_owned(), value);
        }
        answer.sort_keys();
        Ok(Json::Object(answer))
    }

    /// Every object that this user sees, without fields.
    pub fn describe_global(&self, who: &User, urls: Urls<'_>) -> Json {
        let mut objects: Vec<&Object> = self
            .schema
            .objects()
            .filter(|object| who.object_permissions(&object.name).read)
            .collect();
        objects.sort_by(|left, right| left.name.cmp(&right.name));
        let sobjects: Vec<Json> = objects
            .into_iter()
            .map(|object| self.summary_json(who, object, urls))
            .collect();
        json!({"encoding": "UTF-8", "maxBatchSize": 200, "sobjects": sobjects})
    }

    /// The entry of one object in describeGlobal, which is also the
    /// `objectDescribe` of its basic information.
    ///
    /// # Errors
    /// When the object is not there for this user.
    pub fn describe_basic(&self, who: &User, object: &str, urls: Urls<'_>) -> Result<Json, Fault> {
        let object = self.visible_object(&self.schema, who, object)?;
        Ok(self.summary_json(who, object, urls))
    }

    fn summary_json(&self, who: &User, object: &Object, urls: Urls<'_>) -> Json {
        let mut entry = self.summary(who, object, urls);
        entry.sort_keys();
        Json::Object(entry)
    }

    /// The keys that describe and describeGlobal share.
    fn summary(&self, who: &User, object: &Object, urls: Urls<'_>) -> Map<String, Json> {
        let may = who.object_permissions(&object.name);
        let root = urls.sobject(object);
        let people = matches!(object.name.as_str(), "Account" | "Contact" | "Lead");
        let mut entry = Map::new();
        for (key, value) in [
            ("activateable", false),
            ("createable", object.createable && may.create),
            ("custom", object.custom),
            ("customSetting", false),
            ("deepCloneable", object.name == "Opportunity"),
            ("deletable", object.deletable && may.delete),
            ("deprecatedAndHidden", false),
            ("feedEnabled", object.undeletable),
            ("hasSubtypes", false),
            ("isInterface", false),
            ("isSubtype", false),
            ("layoutable", object.searchable),
            ("mergeable", people),
            ("mruEnabled", object.searchable),
            ("queryable", object.queryable),
            ("replicateable", object.replicateable),
            ("retrieveable", true),
            ("searchable", object.searchable),
            ("triggerable", object.searchable),
            ("undeletable", object.undeletable),
            ("updateable", object.updateable && may.edit),
        ] {
            entry.insert(key.to_owned(), Json::Bool(value));
        }
        for key in [
            "associateEntityType",
            "associateParentEntity",
            "defaultImplementation",
            "extendedBy",
            "extendsInterfaces",
            "implementedBy",
            "implementsInterfaces",
        ] {
            entry.insert(key.to_owned(), Json::Null);
        }
        for (key, value) in [
            ("keyPrefix", json!(object.key_prefix)),
            ("label", json!(object.label)),
            ("labelPlural", json!(object.label_plural)),
            ("name", json!(object.name)),
            (
                "urls",
                json!({
                    "sobject": root,
                    "describe": format!("{root}/describe"),
                    "rowTemplate": format!("{root}/{{ID}}"),
                }),
            ),
        ] {
            entry.insert(key.to_owned(), value);
        }
        entry
    }

    /// The record types of an object, the master last.
    pub(super) fn record_types(&self, object: &Object, root: &str) -> Json {
        let default = self.default_type(object).map(Row::id);
        let mut found: Vec<Json> = self
            .record_type_rows(object)
            .into_iter()
            .map(|row| {
                let text = |field: &str| self.value_of(row.id(), field).to_json();
                record_type(
                    [&text("Name"), &text("DeveloperName"), &text("IsActive")],
                    row.id(),
                    default == Some(row.id()),
                    root,
                )
            })
            .collect();
        let master = json!("Master");
        let names = [&master, &master, &json!(true)];
        found.push(record_type(names, MASTER, found.is_empty(), root));
        Json::Array(found)
    }
}

fn record_type(names: [&Json; 3], id: &str, is_default: bool, root: &str) -> Json {
    let [name, developer_name, active] = names;
    json!({
        "active": active,
        "available": true,
        "defaultRecordTypeMapping": is_default,
        "developerName": developer_name,
        "master": id == MASTER,
        "name": name,
        "recordTypeId": id,
        "urls": {"layout": format!("{root}/describe/layouts/{id}")},
    })
}

fn scopes(object: &Object) -> Json {
    let plural = object.label_plural.to_lowercase();
    if object.system.owner_id.is_none() {
        return json!([{"label": format!("All {plural}"), "name": "everything"}]);
    }
    json!([
        {"label": format!("All {plural}"), "name": "everything"},
        {"label": format!("My {plural}"), "name": "mine"},
        {"label": format!("My team's {plural}"), "name": "team"},
    ])
}

fn all_urls(object: &Object, root: &str, urls: Urls<'_>) -> Json {
    let page = match &object.key_prefix {
        Some(prefix) => format!("{}/{prefix}/e", urls.origin),
        None => format!("{}/e", urls.origin),
    };
    json!({
        "compactLayouts": format!("{root}/describe/compactLayouts"),
        "rowTemplate": format!("{root}/{{ID}}"),
        "approvalLayouts": format!("{root}/describe/approvalLayouts"),
        "uiDetailTemplate": format!("{}/{{ID}}", urls.origin),
        "uiEditTemplate": format!("{}/{{ID}}/e", urls.origin),
        "defaultValues": format!("{root}/defaultValues?recordTypeId&fields"),
        "listviews": format!("{root}/listviews"),
        "describe": format!("{root}/describe"),
        "uiNewRecord": page,
        "quickActions": format!("{root}/quickActions"),
        "layouts": format!("{root}/describe/layouts"),
        "sobject": root,
    })
}

fn child_json(child: &ChildRelationship) -> Json {
    json!({
        "cascadeDelete": child.cascade_delete,
        "childSObject": child.object,
        "deprecatedAndHidden": false,
        "field": child.field,
        "junctionIdListNames": [],
        "junctionReferenceTo": [],
        "relationshipName": child.name,
        "restrictedDelete": child.restricted_delete,
    })
}

pub(super) fn field_json(who: &User, object: &Object, field: &Field) -> Json {
    let may_edit = who.can_edit(&object.name, &field.name);
    let is_text = field.kind.is_text();
    let byte_length = match field.kind {
        _ if is_text => field.length.saturating_mul(BYTES_PER_CHARACTER),
        kind if kind.is_id() => 18,
        _ => 0,
    };
    let is_whole = field.kind == FieldKind::Int;
    let digits = match (is_whole, field.custom) {
        (false, _) => 0,
        (true, false) => DIGITS,
        (true, true) => CUSTOM_DIGITS,
    };
    let aggregatable = field.filterable
        && !matches!(
            field.kind,
            FieldKind::Boolean | FieldKind::Address | FieldKind::Base64
        );
    let is_lookup = field.kind == FieldKind::Reference;
    let mut entry = Map::new();
    for (key, value) in [
        ("aggregatable", aggregatable),
        ("aiPredictionField", false),
        ("autoNumber", field.auto_number.is_some()),
        ("calculated", field.calculated),
        ("cascadeDelete", field.custom && field.cascade_delete),
        ("caseSensitive", field.case_sensitive),
        ("createable", field.createable && may_edit),
        ("custom", field.custom),
        ("defaultedOnCreate", field.defaulted_on_create),
        ("dependentPicklist", false),
        ("deprecatedAndHidden", false),
        ("displayLocationInDecimal", false),
        ("encrypted", field.kind == FieldKind::EncryptedString),
        ("externalId", field.external_id),
        ("filterable", field.filterable),
        ("formulaTreatNullNumberAsZero", false),
        ("groupable", field.groupable),
        ("highScaleNumber", false),
        (
            "htmlFormatted",
            field.extra_type_info.as_deref() == Some("richtextarea"),
        ),
        ("idLookup", field.id_lookup),
        ("nameField", field.name_field),
        ("namePointing", field.is_polymorphic()),
        ("nillable", field.nillable),
        ("permissionable", field.permissionable),
        ("polymorphicForeignKey", field.is_polymorphic()),
        ("queryByDistance", field.kind == FieldKind::Address),
        ("restrictedDelete", field.custom && field.restricted_delete),
        ("restrictedPicklist", field.restricted_picklist),
        (
            "searchPrefilterable",
            is_lookup && field.createable && field.nillable,
        ),
        ("sortable", field.sortable),
        ("unique", field.unique),
        ("updateable", field.updateable && may_edit),
        ("writeRequiresMasterRead", false),
    ] {
        entry.insert(key.to_owned(), Json::Bool(value));
    }
    for key in [
        "calculatedFormula",
        "controllerName",
        "defaultValueFormula",
        "filteredLookupInfo",
        "mask",
        "maskType",
        "referenceTargetField",
        "relationshipOrder",
    ] {
        entry.insert(key.to_owned(), Json::Null);
    }
    let picklist: Vec<Json> = field.picklist.iter().map(picklist_json).collect();
    for (key, value) in [
        ("byteLength", json!(byte_length)),
        ("compoundFieldName", json!(field.compound)),
        ("defaultValue", default_json(field)),
        ("digits", json!(digits)),
        ("extraTypeInfo", json!(field.extra_type_info)),
        ("inlineHelpText", json!(field.help)),
        ("label", json!(field.label)),
        ("length", json!(field.length)),
        ("name", json!(field.name)),
        ("picklistValues", Json::Array(picklist)),
        ("precision", json!(field.precision)),
        ("referenceTo", json!(field.reference_to)),
        ("relationshipName", json!(field.relationship_name)),
        ("scale", json!(field.scale)),
        ("soapType", json!(field.kind.soap_type())),
        ("type", json!(field.kind.wire_name())),
    ] {
        entry.insert(key.to_owned(), value);
    }
    entry.sort_keys();
    Json::Object(entry)
}

/// Only checkboxes that can be given and picklists show their default; the
/// org's own columns show it for checkboxes too.
fn default_json(field: &Field) -> Json {
    match &field.default_value {
        Some(value @ (Value::Bool(_) | Value::Text(_))) => value.to_json(),
        _ => Json::Null,
    }
}

fn picklist_json(choice: &PicklistValue) -> Json {
    json!({
        "active": choice.active,
        "defaultValue": choice.default,
        "label": choice.label,
        "validFor": null,
        "value": &*choice.value,
    })
}
