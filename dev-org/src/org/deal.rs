//! Opportunities and their line items: what a stage decides, and sums.

use std::sync::Arc;

use super::Org;
use super::check::missing_fields;
use super::derive::integrity;
use super::draft::Draft;
use crate::fault::Fault;
use crate::value::{Value, date_of};

/// Forecast category names with the API names of `ForecastCategory`.
const FORECASTS: [(&str, &str); 5] = [
    ("Omitted", "Omitted"),
    ("Pipeline", "Pipeline"),
    ("Best Case", "BestCase"),
    ("Commit", "Forecast"),
    ("Closed", "Closed"),
];

impl Org {
    /// What the stage decides, the expected revenue and the fiscal period.
    pub(super) fn derive_opportunity(&self, draft: &mut Draft<'_>) {
        if draft.is_new() || draft.is_changed("StageName") {
            let stage = self.choice_row("OpportunityStage", draft.text("StageName"));
            let of_stage = |field: &str| {
                stage
                    .and_then(|(object, row)| Some(row.get(object.column(field)?).clone()))
                    .unwrap_or(Value::Null)
            };
            let or = |value: Value, other: Value| if value.is_null() { other } else { value };
            draft.set("IsClosed", or(of_stage("IsClosed"), Value::Bool(false)));
            draft.set("IsWon", or(of_stage("IsWon"), Value::Bool(false)));
            if !draft.is_given("Probability") || draft.get("Probability").is_null() {
                let probability = or(of_stage("DefaultProbability"), Value::Double(0.0));
                draft.set("Probability", probability);
            }
            if !draft.is_given("ForecastCategoryName")
                || draft.get("ForecastCategoryName").is_null()
            {
                let forecast = or(of_stage("ForecastCategoryName"), Value::text("Pipeline"));
                draft.set("ForecastCategoryName", forecast);
            }
            if !draft.is_new() {
                draft.set("LastStageChangeDate", self.stamp());
            }
        }
        let forecast = draft.text("ForecastCategoryName");
        let category = FORECASTS
            .iter()
            .find(|(name, _)| *name == forecast)
            .map_or("Pipeline", |(_, category)| category);
        let category = listed(draft, "ForecastCategory", category);
        let forecast = listed(draft, "ForecastCategoryName", forecast);
        draft.set("ForecastCategory", category);
        draft.set("ForecastCategoryName", forecast);
        // With line items the amount is their sum; Salesforce ignores another.
        if draft.get("HasOpportunityLineItem").is_true() && draft.is_given("Amount") {
            let sum = draft.before("Amount").clone();
            draft.set("Amount", sum);
        }
        let expected = draft
            .get("Amount")
            .as_f64()
            .zip(draft.get("Probability").as_f64())
            .map_or(Value::Null, |(amount, probability)| {
                Value::Double((amount * probability).round() / 100.0)
            });
        draft.set("ExpectedRevenue", expected);
        if let Value::Date(day) = *draft.get("CloseDate") {
            let date = date_of(day);
            let quarter = (u8::from(date.month()) - 1) / 3 + 1;
            draft.set("FiscalYear", Value::Int(i64::from(date.year())));
            draft.set("FiscalQuarter", Value::Int(i64::from(quarter)));
            draft.set("Fiscal", Value::text(format!("{} {quarter}", date.year())));
        }
    }

    /// A line item's product and price.
    pub(super) fn derive_line_item(&self, draft: &mut Draft<'_>) -> Result<(), Fault> {
        if draft.is_new() {
            let deal = draft.text("OpportunityId").to_owned();
            self.take_from_price(draft, &deal, "opportunity")?;
            if draft.get("UnitPrice").is_null() && draft.get("TotalPrice").is_null() {
                missing_fields(vec!["UnitPrice".to_owned()])?;
            }
            let product = self.value_of(draft.text("Product2Id"), "Name");
            let deal = self.value_of(draft.text("OpportunityId"), "Name");
            draft.set(
                "ProductCode",
                self.value_of(draft.text("Product2Id"), "ProductCode"),
            );
            draft.set(
                "Name",
                Value::text(format!(
                    "{} {}",
                    deal.as_str().unwrap_or_default(),
                    product.as_str().unwrap_or_default()
                )),
            );
        }
        if draft.is_given("UnitPrice") && draft.is_given("TotalPrice") && draft.is_new() {
            return Err(integrity(
                "unknown",
                "only one of unit price or total price may be specified",
            ));
        }
        let quantity = draft.get("Quantity").as_f64().unwrap_or(0.0);
        if draft.is_given("TotalPrice") && !draft.is_given("UnitPrice") && quantity != 0.0 {
            let total = draft.get("TotalPrice").as_f64().unwrap_or(0.0);
            draft.set("UnitPrice", cents(total / quantity));
        } else {
            let price = draft.get("UnitPrice").as_f64().unwrap_or(0.0);
            draft.set("TotalPrice", cents(price * quantity));
        }
        Ok(())
    }

    /// Checks that an item's price book entry is active and of the right price
    /// book, and takes product and list price from it.
    pub(super) fn take_from_price(
        &self,
        draft: &mut Draft<'_>,
        parent: &str,
        owner: &str,
    ) -> Result<(), Fault> {
        let book = self.value_of(parent, "Pricebook2Id");
        let currency = self.value_of(parent, "CurrencyIsoCode");
        let entry = draft.text("PricebookEntryId").to_owned();
        if entry.is_empty() {
            return missing_fields(vec!["PricebookEntryId".to_owned()]);
        }
        if !self.value_of(&entry, "IsActive").is_true() {
            return Err(integrity(
                "PricebookEntryId",
                "pricebook entry has been inactivated",
            ));
        }
        if book.is_null() || self.value_of(&entry, "Pricebook2Id") != book {
            return Err(integrity(
                "PricebookEntryId",
                &format!(
                    "pricebook entry is in a different pricebook than the one assigned to the {owner}"
                ),
            ));
        }
        if self.value_of(&entry, "CurrencyIsoCode") != currency {
            return Err(integrity(
                "PricebookEntryId",
                &format!("pricebook entry currency code does not match the {owner} currency code"),
            ));
        }
        draft.set("CurrencyIsoCode", currency);
        draft.set("Product2Id", self.value_of(&entry, "Product2Id"));
        draft.set("ListPrice", self.value_of(&entry, "UnitPrice"));
        Ok(())
    }

    /// Brings a deal's amount up to date with its line items.
    pub(super) fn sum_line_items(&mut self, deal: &str) {
        let (sum, count) = self.sum_of("OpportunityLineItem", "OpportunityId", deal);
        let mut fields = vec![("HasOpportunityLineItem", Value::Bool(count > 0))];
        if count > 0 {
            let probability = self.value_of(deal, "Probability").as_f64().unwrap_or(0.0);
            fields.push(("Amount", cents(sum)));
            fields.push(("ExpectedRevenue", cents(sum * probability / 100.0)));
        }
        self.set_computed(deal, &fields);
    }

    /// The sum of `TotalPrice` over the live items of a parent, and their number.
    pub(super) fn sum_of(&self, items: &str, parent_field: &str, parent: &str) -> (f64, usize) {
        let Some(object) = self.schema.object(items) else {
            return (0.0, 0);
        };
        let (Some(by_parent), Some(total)) =
            (object.column(parent_field), object.column("TotalPrice"))
        else {
            return (0.0, 0);
        };
        self.table(object)
            .find(by_parent, &Value::text(parent))
            .into_iter()
            .filter(|row| !row.is_deleted())
            .fold((0.0, 0), |(sum, count), row| {
                (sum + row.get(total).as_f64().unwrap_or(0.0), count + 1)
            })
    }
}

/// An amount of money, rounded to cents.
pub(super) fn cents(amount: f64) -> Value {
    Value::Double((amount * 100.0).round() / 100.0)
}

/// The schema's own copy of a picklist value.
fn listed(draft: &Draft<'_>, field: &str, value: &str) -> Value {
    draft
        .object
        .field(field)
        .and_then(|(_, field)| field.picklist.iter().find(|choice| &*choice.value == value))
        .map_or_else(
            || Value::text(value),
            |choice| Value::Text(Arc::clone(&choice.value)),
        )
}
