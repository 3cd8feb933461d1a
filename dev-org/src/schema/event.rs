//! Platform events: objects whose name ends in `__e`. They are published like
//! records are created, and then belong to their subscribers alone.

use super::build::{expanded, reference};
use super::load::{Access, FieldSpec, ObjectSpec};
use super::types::{Object, SystemColumns};
use super::{FieldKind, Schema, SchemaError};

impl Schema {
    /// Adds what `[[object]]` declares when its name ends in `__e`.
    pub(super) fn add_event(&mut self, spec: ObjectSpec) -> Result<(), SchemaError> {
        let text = |name: &str, label: &str| FieldSpec {
            access: Access::Read,
            ..FieldSpec::new(name.to_owned(), label.to_owned(), FieldKind::Text)
        };
        let label = format!("{} ID", spec.label);
        let mut specs = vec![
            FieldSpec::system("Id", &label, FieldKind::Id),
            text("ReplayId", "Replay ID"),
            text("EventUuid", "Event UUID"),
            FieldSpec::system("CreatedDate", "Created Date", FieldKind::DateTime),
            reference("CreatedById", "Created By ID", "CreatedBy", Access::Read),
        ];
        specs.extend(expanded(spec.fields));
        let fields = specs.into_iter().map(|field| {
            let custom = field.name.ends_with("__c");
            self.field_from(field, custom)
        });
        let fields = fields.collect::<Result<_, _>>()?;
        self.objects.push(Object {
            name: spec.name,
            label: spec.label,
            label_plural: spec.plural,
            key_prefix: spec.prefix,
            fields,
            children: Vec::new(),
            createable: true,
            updateable: false,
            deletable: false,
            queryable: false,
            undeletable: false,
            replicateable: false,
            searchable: false,
            custom: true,
            system: SystemColumns::default(),
            name_column: None,
            index: 0,
            by_name: Default::default(),
            by_relationship: Default::default(),
        });
        Ok(())
    }
}
