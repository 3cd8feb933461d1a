//! The life of an order: a draft with items of one price book, then activated
//! in a step of its own.

use std::sync::Arc;

use super::Org;
use super::check::missing_fields;
use super::deal::cents;
use super::derive::integrity;
use super::draft::Draft;
use crate::fault::Fault;
use crate::user::User;
use crate::value::Value;

impl Org {
    /// An order's status category, and the rules of activation.
    pub(super) fn derive_order(&self, who: &User, draft: &mut Draft<'_>) -> Result<(), Fault> {
        let was_active = draft.before("StatusCode").as_str() == Some("Activated");
        let is_active = draft.text("Status") == "Activated";
        if draft.is_new() && is_active {
            return Err(failed_activation(
                "Choose a valid order status and save your changes. Ask your admin for details.",
            )
            .on("Status"));
        }
        if is_active && !was_active {
            let (_, items) = self.sum_of("OrderItem", "OrderId", draft.text("Id"));
            if items == 0 {
                return Err(failed_activation(
                    "An order must have at least one product.",
                ));
            }
            let others: Vec<&str> = draft
                .object
                .fields
                .iter()
                .enumerate()
                .filter(|(column, field)| {
                    field.name != "Status" && draft.at(*column) != draft.before_at(*column)
                })
                .map(|(_, field)| field.name.as_str())
                .collect();
            if let Some(field) = others.first() {
                return Err(failed_activation(
                    "The activation of an order must not change other fields.",
                )
                .on(*field));
            }
            draft.set("ActivatedDate", self.stamp());
            draft.set("ActivatedById", Value::Text(Arc::clone(&who.id)));
        }
        if was_active && !is_active {
            draft.set("ActivatedDate", Value::Null);
            draft.set("ActivatedById", Value::Null);
        }
        if !draft.is_new() {
            self.check_fixed_fields(draft, was_active)?;
        }
        let code = if is_active { "Activated" } else { "Draft" };
        let code = draft
            .object
            .field("StatusCode")
            .and_then(|(_, field)| field.picklist.iter().find(|choice| &*choice.value == code))
            .map_or_else(
                || Value::text(code),
                |choice| Value::Text(Arc::clone(&choice.value)),
            );
        draft.set("StatusCode", code);
        Ok(())
    }

    /// Account and price book are fixed once activated; the price book also
    /// once there are items, since their prices are of it.
    fn check_fixed_fields(&self, draft: &Draft<'_>, was_active: bool) -> Result<(), Fault> {
        for field in ["AccountId", "Pricebook2Id"] {
            if was_active && draft.is_changed(field) {
                return Err(integrity(field, "cannot be changed on an activated order"));
            }
        }
        if draft.is_changed("Pricebook2Id")
            && self.sum_of("OrderItem", "OrderId", draft.text("Id")).1 > 0
        {
            return Err(integrity(
                "Pricebook2Id",
                "cannot be changed on an order that has products",
            ));
        }
        Ok(())
    }

    /// The items of an activated order stay as they are.
    pub(super) fn check_items_not_fixed(&self, order: &str) -> Result<(), Fault> {
        if self.value_of(order, "StatusCode").as_str() == Some("Activated") {
            return Err(integrity(
                "OrderId",
                "products of an activated order cannot be added, changed or deleted",
            ));
        }
        Ok(())
    }

    /// An item's product and prices.
    pub(super) fn derive_order_item(&self, draft: &mut Draft<'_>) -> Result<(), Fault> {
        let order = draft.text("OrderId").to_owned();
        self.check_items_not_fixed(&order)?;
        if draft.is_new() {
            self.take_from_price(draft, &order, "order")?;
            draft.set("AvailableQuantity", draft.get("Quantity").clone());
        }
        if draft.get("UnitPrice").is_null() {
            missing_fields(vec!["UnitPrice".to_owned()])?;
        }
        let quantity = draft.get("Quantity").as_f64().unwrap_or(0.0);
        let price = draft.get("UnitPrice").as_f64().unwrap_or(0.0);
        draft.set("TotalPrice", cents(quantity * price));
        Ok(())
    }

    /// Brings an order's total up to date with its items.
    pub(super) fn sum_order_items(&mut self, order: &str) {
        let (sum, _) = self.sum_of("OrderItem", "OrderId", order);
        self.set_computed(order, &[("TotalAmount", cents(sum))]);
    }
}

fn failed_activation(message: &str) -> Fault {
    Fault::bad_request("FAILED_ACTIVATION", message)
}
