//! Prices: a product's standard price comes before its custom ones.

use super::Org;
use super::derive::integrity;
use super::draft::Draft;
use crate::fault::Fault;
use crate::id;
use crate::table::Row;
use crate::value::Value;

impl Org {
    /// Checks a price book entry against the product's other prices, and takes
    /// the product's name.
    pub(super) fn derive_price(&self, draft: &mut Draft<'_>) -> Result<(), Fault> {
        let product = draft.text("Product2Id").to_owned();
        let book = draft.text("Pricebook2Id").to_owned();
        let in_standard_book = id::same(&book, &self.standard_pricebook);
        let currency = draft.get("CurrencyIsoCode").clone();
        let standard = self.price_in(&product, &self.standard_pricebook, &currency);
        if draft.get("IsActive").is_true()
            && (draft.is_new() || draft.is_changed("IsActive"))
            && !self.value_of(&product, "IsActive").is_true()
        {
            return Err(integrity("Product2Id", "product has been inactivated"));
        }
        if draft.is_new() {
            if !in_standard_book && standard.is_none() {
                return Err(Fault::bad_request(
                    "STANDARD_PRICE_NOT_DEFINED",
                    "Before creating a custom price, create a standard price.",
                ));
            }
            if self.price_in(&product, &book, &currency).is_some() {
                return Err(Fault::bad_request(
                    "DUPLICATE_VALUE",
                    "This price definition already exists in this price book",
                ));
            }
            draft.set("Name", self.value_of(&product, "Name"));
            draft.set("ProductCode", self.value_of(&product, "ProductCode"));
        }
        if draft.get("UseStandardPrice").is_true() {
            if in_standard_book {
                return Err(integrity(
                    "UseStandardPrice",
                    "a standard price cannot use the standard price",
                ));
            }
            if let Some(row) = standard
                && let Some(column) = draft.object.column("UnitPrice")
            {
                draft.put(column, row.get(column).clone());
            }
        }
        Ok(())
    }

    /// A product's live price in a price book, in a currency where there are
    /// several.
    fn price_in(&self, product: &str, book: &str, currency: &Value) -> Option<&Row> {
        let object = self.schema.object("PricebookEntry")?;
        let by_product = object.column("Product2Id")?;
        let by_book = object.column("Pricebook2Id")?;
        let by_currency = object.column("CurrencyIsoCode");
        self.table(object)
            .find(by_product, &Value::text(product))
            .into_iter()
            .filter(|row| !row.is_deleted())
            .filter(|row| by_currency.is_none_or(|column| row.get(column) == currency))
            .find(|row| {
                row.get(by_book)
                    .as_str()
                    .is_some_and(|other| id::same(other, book))
            })
    }

    /// Prices carry their product's name and code.
    pub(super) fn rename_prices(&mut self, product: &Draft<'_>, id: &str) {
        if !product.is_changed("Name") && !product.is_changed("ProductCode") {
            return;
        }
        for entry in self.entries_of(id) {
            self.set_computed(
                &entry,
                &[
                    ("Name", product.get("Name").clone()),
                    ("ProductCode", product.get("ProductCode").clone()),
                ],
            );
        }
    }

    /// Prices that use the standard price change with it.
    pub(super) fn follow_standard_price(&mut self, entry: &Draft<'_>, id: &str) {
        let is_standard = id::same(entry.text("Pricebook2Id"), &self.standard_pricebook);
        if !is_standard || !entry.is_changed("UnitPrice") {
            return;
        }
        for other in self.entries_of(entry.text("Product2Id")) {
            if !id::same(&other, id) && self.value_of(&other, "UseStandardPrice").is_true() {
                self.set_computed(&other, &[("UnitPrice", entry.get("UnitPrice").clone())]);
            }
        }
    }

    fn entries_of(&self, product: &str) -> Vec<id::Id> {
        let Some(object) = self.schema.object("PricebookEntry") else {
            return Vec::new();
        };
        let Some(by_product) = object.column("Product2Id") else {
            return Vec::new();
        };
        self.table(object)
            .find(by_product, &Value::text(product))
            .into_iter()
            .filter(|row| !row.is_deleted())
            .map(Row::shared_id)
            .collect()
    }
}
