//! Layouts, which say how a page shows an object, and the picklist values of
//! each record type, which pages and forms are made of.

use serde_json::{Map, Value as Json, json};

use super::describe::field_json;
use super::record_type::MASTER;
use super::{Org, Urls};
use crate::fault::Fault;
use crate::schema::{Field, FieldKind, Object, PicklistValue};
use crate::user::User;

/// The one layout of an object; an org of this size has no use for more.
const LAYOUT_PREFIX: &str = "00h";
/// Fields side by side on a page.
const COLUMNS: usize = 2;

impl Org {
    /// `describe/layouts`: the layouts, and which record type has which.
    ///
    /// # Errors
    /// When the object is not there for this user or has no pages.
    pub fn layouts(&self, who: &User, object: &str, urls: Urls<'_>) -> Result<Json, Fault> {
        let object = self.laid_out(who, object)?;
        let layout = layout(who, object);
        let mut mappings = self.record_types(object, &urls.sobject(object));
        for mapping in mappings.as_array_mut().into_iter().flatten() {
            let id = mapping.get("recordTypeId").and_then(Json::as_str);
            let id = id.unwrap_or(MASTER).to_owned();
            let picklists: Vec<Json> = picklists(who, object)
                .map(|field| {
                    let values = self.choices(object, field, &id).map(|choice| {
                        json!({ "active": true, "defaultValue": choice.default,
                            "label": choice.label, "validFor": null, "value": &*choice.value })
                    });
                    json!({ "picklistName": field.name, "picklistValues": values.collect::<Json>() })
                })
                .collect();
            if let Some(mapping) = mapping.as_object_mut() {
                mapping.insert("layoutId".to_owned(), json!(layout_id(object)));
                mapping.insert("picklistsForRecordType".to_owned(), json!(picklists));
            }
        }
        let types = self.record_type_rows(object).len();
        Ok(json!({
            "layouts": [layout],
            "recordTypeMappings": mappings,
            "recordTypeSelectorRequired": [types > 1],
        }))
    }

    /// `describe/layouts/012...`: the layout of one record type.
    ///
    /// # Errors
    /// As for `layouts`, and when there is no such record type.
    pub fn layout_of(&self, who: &User, object: &str, kind: &str) -> Result<Json, Fault> {
        let object = self.laid_out(who, object)?;
        self.check_type(object, kind)?;
        Ok(layout(who, object))
    }

    /// The picklist values of a record type, of all fields or of one, as the
    /// UI API gives them. `url` is the address of the resource for all fields.
    ///
    /// # Errors
    /// When the object, the record type or the field is not there.
    pub fn picklist_values(
        &self,
        who: &User,
        object: &str,
        kind: &str,
        field: Option<&str>,
        url: &str,
    ) -> Result<Json, Fault> {
        let object = self.visible_object(&self.schema, who, object)?;
        self.check_type(object, kind)?;
        let values = |field: &Field| self.values_of(object, field, kind, url);
        if let Some(name) = field {
            let found = picklists(who, object).find(|field| field.name.eq_ignore_ascii_case(name));
            return found.map(values).ok_or_else(Fault::not_there);
        }
        let all: Map<String, Json> = picklists(who, object)
            .map(|field| (field.name.clone(), values(field)))
            .collect();
        let tag = tag_of(&json!(all));
        Ok(json!({ "eTag": tag, "picklistFieldValues": all }))
    }

    fn values_of(&self, object: &Object, field: &Field, kind: &str, url: &str) -> Json {
        let entry = |choice: &PicklistValue| {
            json!({ "attributes": null, "label": choice.label, "validFor": [],
                "value": &*choice.value })
        };
        let default = self
            .choices(object, field, kind)
            .find(|choice| choice.default)
            .map(entry);
        let values: Vec<Json> = self.choices(object, field, kind).map(entry).collect();
        json!({
            "controllerValues": {},
            "defaultValue": default,
            "eTag": tag_of(&json!([default, values])),
            "url": format!("{url}/{}", field.name),
            "values": values,
        })
    }

    fn laid_out(&self, who: &User, object: &str) -> Result<&Object, Fault> {
        let object = self.visible_object(&self.schema, who, object)?;
        if object.searchable {
            Ok(object)
        } else {
            Err(Fault::not_there())
        }
    }

    /// The record type of an address: the master or one of the object.
    fn check_type(&self, object: &Object, kind: &str) -> Result<(), Fault> {
        let rows = self.record_type_rows(object);
        let is_known =
            crate::id::same(kind, MASTER) || rows.iter().any(|row| crate::id::same(row.id(), kind));
        if is_known {
            Ok(())
        } else {
            Err(Fault::not_there())
        }
    }
}

fn picklists<'a>(who: &'a User, object: &'a Object) -> impl Iterator<Item = &'a Field> {
    object
        .fields
        .iter()
        .filter(|field| {
            matches!(
                field.kind,
                FieldKind::Picklist | FieldKind::MultiPicklist | FieldKind::Combobox
            )
        })
        .filter(|field| who.can_read(&object.name, &field.name))
}

fn layout_id(object: &Object) -> String {
    let place = u64::try_from(object.index).unwrap_or(0);
    crate::id::make(LAYOUT_PREFIX, place + 1).to_string()
}

fn layout(who: &User, object: &Object) -> Json {
    let on_page: Vec<&Field> = object
        .fields
        .iter()
        .filter(|field| field.kind != FieldKind::Id && field.name != "SystemModstamp")
        .filter(|field| who.can_read(&object.name, &field.name))
        .collect();
    let rows = |fields: &[&Field]| -> Vec<Json> {
        fields
            .chunks(COLUMNS)
            .map(|row| {
                let items: Vec<Json> = row.iter().map(|field| item(who, object, field)).collect();
                json!({ "numItems": items.len(), "layoutItems": items })
            })
            .collect()
    };
    let writable: Vec<&Field> = on_page
        .iter()
        .copied()
        .filter(|field| field.createable || field.updateable)
        .collect();
    let section = |rows: Vec<Json>| {
        json!([{
            "collapsed": false,
            "columns": COLUMNS,
            "heading": format!("{} Information", object.label),
            "layoutRows": rows,
            "layoutSectionId": null,
            "parentLayoutId": layout_id(object),
            "rows": rows.len(),
            "tabOrder": "TopToBottom",
            "useCollapsibleSection": false,
            "useHeading": true,
        }])
    };
    json!({
        "buttonLayoutSection": { "detailButtons": [] },
        "detailLayoutSections": section(rows(&on_page)),
        "editLayoutSections": section(rows(&writable)),
        "feedView": null,
        "highlightsPanelLayoutSection": null,
        "id": layout_id(object),
        "multirowEditLayoutSections": [],
        "offlineLinks": [],
        "quickActionList": { "quickActionListItems": [] },
        "relatedContent": null,
        "relatedLists": [],
        "saveOptions": [],
    })
}

fn item(who: &User, object: &Object, field: &Field) -> Json {
    let may_edit = who.can_edit(&object.name, &field.name);
    json!({
        "editableForNew": field.createable && may_edit,
        "editableForUpdate": field.updateable && may_edit,
        "label": field.label,
        "layoutComponents": [{
            "details": field_json(who, object, field),
            "displayLines": 1,
            "tabOrder": 1,
            "type": "Field",
            "value": field.name,
        }],
        "placeholder": false,
        "required": field.required_on_create(),
    })
}

/// Thirty-two hex digits that differ when the values do.
fn tag_of(values: &Json) -> String {
    let hash = ring::digest::digest(&ring::digest::SHA256, values.to_string().as_bytes());
    let bytes = hash.as_ref().iter().take(16);
    bytes.map(|byte| format!("{byte:02x}")).collect()
}
