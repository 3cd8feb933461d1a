//! Plausible records, the same for the same seed: for demos and for tests that
//! need many. Every email address is at example.com or example.org, and every
//! telephone number is one that is set aside for fiction.

mod objects;
mod words;

use std::sync::Arc;

use crate::fault::Fault;
use crate::id::Id;
use crate::org::{ADMIN, LEAD_OWNER, Org};
use crate::schema::Schema;
use crate::user::User;
use crate::value::{DAY_MS, Value};
use words::{Random, Shared};

/// 2026-01-01, the day on which the youngest records were made. A fixed day,
/// since the records of a seed are to be the same tomorrow.
const YOUNGEST_MS: i64 = 1_767_225_600_000;
/// How long before that the oldest were made.
const SPAN_MS: i64 = 730 * DAY_MS;

/// Of a hundred records, how many are of each object. Parents come first.
const SHARES: [(&str, usize); 13] = [
    ("Account", 15),
    ("Product2", 1),
    ("PricebookEntry", 1),
    ("Contact", 24),
    ("Lead", 20),
    ("Opportunity", 14),
    ("OpportunityLineItem", 1),
    ("Order", 4),
    ("OrderItem", 6),
    ("Task", 10),
    ("Note", 2),
    ("ContentNote", 1),
    ("Invoice__c", 1),
];

/// Fills an org with `records` records over the objects.
///
/// A content note counts as one, though its document, version and link are
/// records too.
///
/// # Errors
/// When the org's own rules refuse a record: an extension may have declared a
/// field that these records do not fill.
pub fn fill(org: &mut Org, records: usize, seed: u64) -> Result<(), Fault> {
    let schema = Arc::clone(&org.schema);
    let (Some(admin), Some(seller)) = (org.user(ADMIN), org.user(LEAD_OWNER)) else {
        return Err(Fault::new(500, "UNKNOWN_EXCEPTION", "the org has no users"));
    };
    let now = org.stopped_at();
    let mut seeder = Seeder {
        org,
        schema: &schema,
        users: [admin, seller],
        random: Random::new(seed),
        words: Shared::new(),
        ids: SHARES.map(|(object, _)| (object, Vec::new())),
    };
    let outcome = seeder.run(records);
    seeder.org.set_now_ms(now);
    outcome
}

/// How many records of each object a total makes. What integer shares leave
/// over, and what missing objects would have had, are contacts.
fn counts(schema: &Schema, records: usize) -> [(&'static str, usize); 13] {
    let mut counts = SHARES.map(|(object, share)| {
        let known = schema.object(object).is_some();
        (object, if known { records * share / 100 } else { 0 })
    });
    // Items and prices need products.
    let has_products = counts
        .iter()
        .any(|(object, count)| *object == "Product2" && *count > 0);
    for (object, count) in &mut counts {
        if !has_products
            && matches!(
                *object,
                "PricebookEntry" | "OrderItem" | "OpportunityLineItem"
            )
        {
            *count = 0;
        }
    }
    let planned: usize = counts.iter().map(|(_, count)| count).sum();
    for (object, count) in &mut counts {
        if *object == "Contact" {
            *count += records - planned;
        }
    }
    counts
}

/// The records of one run.
struct Seeder<'a> {
    org: &'a mut Org,
    schema: &'a Schema,
    users: [Arc<User>; 2],
    random: Random,
    words: Shared,
    /// The ids made so far, by object.
    ids: [(&'static str, Vec<Id>); 13],
}

impl Seeder<'_> {
    fn run(&mut self, records: usize) -> Result<(), Fault> {
        for (object, count) in counts(self.schema, records) {
            let Some(known) = self.schema.object(object) else {
                continue;
            };
            let external_id = known.column("External_Id__c").is_some();
            for number in 0..count {
                let made_ms = made_at(number, count);
                self.org.set_now_ms(Some(made_ms));
                let mut fields = self.fields_of(known, number, made_ms);
                if external_id {
                    let prefix = object.get(..3).unwrap_or(object).to_uppercase();
                    let key = format!("{prefix}-{:07}", number + 1);
                    fields.push(("External_Id__c", Value::text(key)));
                }
                let who = self.user();
                let id = self.org.add_seeded(&who, known, fields)?;
                if let Some((_, ids)) = self.ids.iter_mut().find(|(name, _)| *name == object) {
                    ids.push(id);
                }
            }
        }
        self.activate_orders();
        Ok(())
    }

    /// One of the two users.
    fn user(&mut self) -> Arc<User> {
        let [admin, seller] = &self.users;
        Arc::clone(if self.random.chance(60) {
            seller
        } else {
            admin
        })
    }

    /// The id of some record of an object.
    fn some(&mut self, object: &str) -> Value {
        let ids = self
            .ids
            .iter()
            .find(|(name, _)| *name == object)
            .map(|(_, ids)| ids.as_slice())
            .unwrap_or_default();
        self.random
            .pick(ids)
            .map_or(Value::Null, |id| Value::Text(Arc::clone(id)))
    }

    /// Two thirds of the orders that have items are activated.
    fn activate_orders(&mut self) {
        let orders = self
            .ids
            .iter()
            .find(|(name, _)| *name == "Order")
            .map(|(_, ids)| ids.clone())
            .unwrap_or_default();
        for order in orders {
            if self.random.chance(66) {
                let who = self.user();
                self.org.activate_seeded_order(&who, &order);
            }
        }
    }
}

/// When the record of a number was made: older ones first, in whole seconds.
fn made_at(number: usize, count: usize) -> i64 {
    let number = i64::try_from(number).unwrap_or(0);
    let count = i64::try_from(count.max(1)).unwrap_or(1);
    let at = YOUNGEST_MS - SPAN_MS + SPAN_MS / count * number;
    at - at.rem_euclid(1000)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::DEMO;

    fn seeded(records: usize, seed: u64) -> Org {
        let mut schema = Schema::standard().unwrap();
        schema.extend(DEMO).unwrap();
        let mut org = Org::new(schema);
        fill(&mut org, records, seed).unwrap();
        org
    }

    #[test]
    fn as_many_records_are_made_as_asked_for() {
        for records in [0, 1, 7, 99, 1000] {
            let org = seeded(records, 1);
            // The standard price book and setup rows are not counted.
            let made: usize = SHARES
                .iter()
                .map(|(object, _)| org.table_of(object).len())
                .sum();
            assert_eq!(made, records);
        }
    }

    #[test]
    fn the_same_seed_makes_the_same_records_and_another_does_not() {
        let names = |org: &Org| -> Vec<Value> {
            let contact = org.schema.object("Contact").unwrap();
            let columns = [contact.column("Name"), contact.column("SystemModstamp")];
            org.table(contact)
                .rows()
                .flat_map(|row| columns.map(|column| row.get(column.unwrap()).clone()))
                .collect()
        };
        let first = names(&seeded(500, 7));
        assert_eq!(first, names(&seeded(500, 7)));
        assert_ne!(first, names(&seeded(500, 8)));
    }

    #[test]
    fn every_reference_is_to_a_live_record_and_every_email_is_at_an_example() {
        let org = seeded(2000, 3);
        for object in org.schema.objects() {
            for row in org.table(object).rows() {
                for (column, field) in object.fields.iter().enumerate() {
                    let value = row.get(column).as_str().unwrap_or_default();
                    if value.is_empty() {
                        continue;
                    }
                    if !field.reference_to.is_empty() {
                        let (target, _) = org.row(value).unwrap();
                        assert!(field.reference_to.contains(&target.name), "{}", field.name);
                    }
                    if field.kind == crate::schema::FieldKind::Email {
                        let ends = ["@example.com", "@example.org"];
                        assert!(ends.iter().any(|end| value.ends_with(end)), "{value}");
                    }
                }
            }
        }
    }

    #[test]
    fn some_orders_are_activated_and_have_a_total() {
        let org = seeded(2000, 3);
        let order = org.schema.object("Order").unwrap();
        let status = order.column("StatusCode").unwrap();
        let total = order.column("TotalAmount").unwrap();
        let active: Vec<f64> = org
            .table(order)
            .rows()
            .filter(|row| row.get(status).as_str() == Some("Activated"))
            .filter_map(|row| row.get(total).as_f64())
            .collect();
        assert!(!active.is_empty() && active.iter().all(|total| *total > 0.0));
        assert!(active.len() < org.table(order).len());
    }
}
