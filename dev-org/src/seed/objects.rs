//! The fields of a plausible record of each object.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::Seeder;
use super::words::{
    CITIES, COMPANY_FIRST, COMPANY_LAST, COMPANY_SECOND, DEALS, DEPARTMENTS, FIRST_NAMES,
    LAST_NAMES, NOTES, PRODUCT_FIRST, PRODUCT_SECOND, STREETS, SUBJECTS, TITLES,
};
use crate::schema::Object;
use crate::value::{Value, day_of_ms};

/// A field and its value.
pub(super) type Set = (&'static str, Value);

impl Seeder<'_> {
    /// The fields of the record of a number.
    pub(super) fn fields_of(&mut self, object: &Object, number: usize, made_ms: i64) -> Vec<Set> {
        let mut fields = match object.name.as_str() {
            "Account" => self.account(object),
            "Contact" => self.contact(object, number),
            "Lead" => self.lead(object, number),
            "Opportunity" => self.opportunity(object, made_ms),
            "OpportunityLineItem" => self.line_item(),
            "Product2" => self.product(object, number),
            "PricebookEntry" => self.price(number),
            "Order" => self.order(made_ms),
            "OrderItem" => self.order_item(),
            "Task" => self.task(object, made_ms),
            "Note" => self.note(),
            "ContentNote" => self.content_note(),
            "Invoice__c" => self.invoice(object, made_ms),
            _ => Vec::new(),
        };
        fields.retain(|(_, value)| !value.is_null());
        fields
    }

    fn company(&mut self) -> String {
        format!(
            "{} {} {}",
            self.random.word(COMPANY_FIRST),
            self.random.word(COMPANY_SECOND),
            self.random.word(COMPANY_LAST)
        )
    }

    /// Street, city, state, postal code and country.
    fn place(&mut self) -> [Value; 5] {
        let (city, state, country, postal) = self.random.pick(CITIES).copied().unwrap_or_default();
        let street = format!(
            "{} {}",
            self.random.below(200) + 1,
            self.random.word(STREETS)
        );
        let postal = postal + u32::try_from(self.random.below(99)).unwrap_or(0);
        [
            Value::text(street),
            self.words.of(city),
            self.words.of(state),
            Value::text(format!("{postal:05}")),
            self.words.of(country),
        ]
    }

    /// A number of the range that is set aside for fiction.
    fn phone(&mut self) -> Value {
        let area = 200 + self.random.below(700);
        Value::text(format!("({area}) 555-01{:02}", self.random.below(100)))
    }

    fn amount(&mut self, most: usize) -> Value {
        let amount = u32::try_from((self.random.below(most) + 1) * 50).unwrap_or(50);
        Value::Double(f64::from(amount))
    }

    fn sometimes(&mut self, percent: usize, value: Value) -> Value {
        if self.random.chance(percent) {
            value
        } else {
            Value::Null
        }
    }

    fn day(&mut self, made_ms: i64, from: i32, days: usize) -> Value {
        let later = i32::try_from(self.random.below(days)).unwrap_or(0);
        Value::Date(day_of_ms(made_ms) + from + later)
    }

    fn account(&mut self, object: &Object) -> Vec<Set> {
        let name = self.company();
        let slug: String = name
            .to_lowercase()
            .chars()
            .filter(char::is_ascii_alphanumeric)
            .collect();
        let [street, city, state, postal, country] = self.place();
        let parent = self.some("Account");
        vec![
            ("Name", Value::text(name)),
            (
                "Website",
                Value::text(format!("https://{slug}.example.com")),
            ),
            ("Type", self.random.choice(object, "Type")),
            ("Industry", self.random.choice(object, "Industry")),
            ("Rating", self.random.choice(object, "Rating")),
            ("Phone", self.phone()),
            ("BillingStreet", street),
            ("BillingCity", city),
            ("BillingState", state),
            ("BillingPostalCode", postal),
            ("BillingCountry", country),
            ("AnnualRevenue", self.amount(2_000_000)),
            (
                "NumberOfEmployees",
                Value::Int(i64::try_from(self.random.below(5_000)).unwrap_or(0) + 1),
            ),
            ("ParentId", self.sometimes(5, parent)),
        ]
    }

    /// First name, last name and an address made of both.
    fn person(&mut self, number: usize) -> [Value; 3] {
        let first = self.random.word(FIRST_NAMES);
        let last = self.random.word(LAST_NAMES);
        let host = if self.random.chance(50) { "com" } else { "org" };
        let email = format!(
            "{}.{}.{number}@example.{host}",
            first.to_lowercase(),
            last.to_lowercase()
        );
        [
            self.words.of(first),
            self.words.of(last),
            Value::text(email),
        ]
    }

    fn contact(&mut self, object: &Object, number: usize) -> Vec<Set> {
        let [first, last, email] = self.person(number);
        let [street, city, state, postal, country] = self.place();
        let account = self.some("Account");
        let boss = self.some("Contact");
        let title = self.random.word(TITLES);
        let department = self.random.word(DEPARTMENTS);
        let birthdate = self.day(0, 0, 12_000);
        vec![
            ("FirstName", first),
            ("LastName", last),
            ("Email", email),
            ("Salutation", self.random.choice(object, "Salutation")),
            ("Title", self.words.of(title)),
            ("Department", self.words.of(department)),
            ("Phone", self.phone()),
            ("MailingStreet", street),
            ("MailingCity", city),
            ("MailingState", state),
            ("MailingPostalCode", postal),
            ("MailingCountry", country),
            ("LeadSource", self.random.choice(object, "LeadSource")),
            ("Birthdate", self.sometimes(30, birthdate)),
            ("AccountId", self.sometimes(95, account)),
            ("ReportsToId", self.sometimes(10, boss)),
        ]
    }

    fn lead(&mut self, object: &Object, number: usize) -> Vec<Set> {
        let [first, last, email] = self.person(number);
        let [street, city, state, postal, country] = self.place();
        let title = self.random.word(TITLES);
        // A converted lead would need the records that it became.
        let status = match self.random.choice(object, "Status") {
            Value::Text(status) if &*status == "Closed - Converted" => Value::Null,
            status => status,
        };
        vec![
            ("FirstName", first),
            ("LastName", last),
            ("Company", Value::text(self.company())),
            ("Title", self.words.of(title)),
            ("Email", email),
            ("Phone", self.phone()),
            ("Street", street),
            ("City", city),
            ("State", state),
            ("PostalCode", postal),
            ("Country", country),
            ("Status", status),
            ("LeadSource", self.random.choice(object, "LeadSource")),
            ("Industry", self.random.choice(object, "Industry")),
            ("Rating", self.random.choice(object, "Rating")),
            ("AnnualRevenue", self.amount(500_000)),
            (
                "NumberOfEmployees",
                Value::Int(i64::try_from(self.random.below(2_000)).unwrap_or(0) + 1),
            ),
        ]
    }

    fn opportunity(&mut self, object: &Object, made_ms: i64) -> Vec<Set> {
        let name = format!(
            "{} {}",
            self.random.word(COMPANY_FIRST),
            self.random.word(DEALS)
        );
        let next_step = self.random.word(SUBJECTS);
        vec![
            ("Name", Value::text(name)),
            ("AccountId", self.some("Account")),
            ("StageName", self.random.choice(object, "StageName")),
            ("CloseDate", self.day(made_ms, 10, 300)),
            ("Amount", self.amount(5_000)),
            ("Type", self.random.choice(object, "Type")),
            ("LeadSource", self.random.choice(object, "LeadSource")),
            ("NextStep", self.words.of(next_step)),
            (
                "Pricebook2Id",
                Value::Text(self.org.standard_pricebook_id()),
            ),
        ]
    }

    fn line_item(&mut self) -> Vec<Set> {
        vec![
            ("OpportunityId", self.some("Opportunity")),
            ("PricebookEntryId", self.some("PricebookEntry")),
            (
                "Quantity",
                Value::Double(f64::from(
                    u8::try_from(self.random.below(20) + 1).unwrap_or(1),
                )),
            ),
            ("UnitPrice", self.amount(200)),
        ]
    }

    fn product(&mut self, object: &Object, number: usize) -> Vec<Set> {
        let name = format!(
            "{} {} {}",
            self.random.word(PRODUCT_FIRST),
            self.random.word(PRODUCT_SECOND),
            number + 1
        );
        vec![
            ("Name", Value::text(name)),
            ("ProductCode", Value::text(format!("LG-{:05}", number + 1))),
            (
                "StockKeepingUnit",
                Value::text(format!("SKU{:07}", number + 1)),
            ),
            ("IsActive", Value::Bool(true)),
            ("Family", self.random.choice(object, "Family")),
        ]
    }

    /// The standard price of the product of the same number.
    fn price(&mut self, number: usize) -> Vec<Set> {
        let product = self
            .ids
            .iter()
            .find(|(object, _)| *object == "Product2")
            .and_then(|(_, ids)| ids.get(number))
            .map_or(Value::Null, |id| Value::Text(Arc::clone(id)));
        vec![
            (
                "Pricebook2Id",
                Value::Text(self.org.standard_pricebook_id()),
            ),
            ("Product2Id", product),
            ("UnitPrice", self.amount(200)),
            ("IsActive", Value::Bool(true)),
        ]
    }

    fn order(&mut self, made_ms: i64) -> Vec<Set> {
        let [street, city, state, postal, country] = self.place();
        vec![
            ("AccountId", self.some("Account")),
            ("EffectiveDate", self.day(made_ms, 0, 30)),
            ("Status", Value::text("Draft")),
            (
                "Pricebook2Id",
                Value::Text(self.org.standard_pricebook_id()),
            ),
            ("ShippingStreet", street),
            ("ShippingCity", city),
            ("ShippingState", state),
            ("ShippingPostalCode", postal),
            ("ShippingCountry", country),
        ]
    }

    fn order_item(&mut self) -> Vec<Set> {
        vec![
            ("OrderId", self.some("Order")),
            ("PricebookEntryId", self.some("PricebookEntry")),
            (
                "Quantity",
                Value::Double(f64::from(
                    u8::try_from(self.random.below(20) + 1).unwrap_or(1),
                )),
            ),
            ("UnitPrice", self.amount(200)),
        ]
    }

    fn task(&mut self, object: &Object, made_ms: i64) -> Vec<Set> {
        let subject = self.random.word(SUBJECTS);
        let about = match self.random.below(4) {
            0 => ("WhoId", self.some("Lead")),
            1 => ("WhoId", self.some("Contact")),
            2 => ("WhatId", self.some("Account")),
            _ => ("WhatId", self.some("Opportunity")),
        };
        vec![
            ("Subject", self.words.of(subject)),
            ("Status", self.random.choice(object, "Status")),
            ("Priority", self.random.choice(object, "Priority")),
            ("ActivityDate", self.day(made_ms, 1, 60)),
            about,
        ]
    }

    fn note(&mut self) -> Vec<Set> {
        let text = self.random.word(NOTES);
        let parent = match self.random.below(3) {
            0 => self.some("Contact"),
            1 => self.some("Lead"),
            _ => self.some("Account"),
        };
        vec![
            ("ParentId", parent),
            ("Title", Value::text("Note")),
            ("Body", self.words.of(text)),
        ]
    }

    fn content_note(&mut self) -> Vec<Set> {
        let text = self.random.word(NOTES);
        let html = format!("<p>{text}</p>");
        vec![
            ("Title", Value::text("Meeting")),
            ("Content", Value::text(STANDARD.encode(html))),
        ]
    }

    fn invoice(&mut self, object: &Object, made_ms: i64) -> Vec<Set> {
        vec![
            ("Account__c", self.some("Account")),
            ("Order__c", self.some("Order")),
            ("Amount__c", self.amount(2_000)),
            ("Due_Date__c", self.day(made_ms, 14, 30)),
            ("Status__c", self.random.choice(object, "Status__c")),
        ]
    }
}
