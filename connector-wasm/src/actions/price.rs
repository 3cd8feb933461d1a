//! A product's price in a price book. A standard price comes first: Salesforce
//! takes no other before there is one.
//!
//! What is there is looked up first, so doing it again after a lost answer makes
//! nothing twice.

use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::query;
use crate::api::Api;
use crate::bindings::exports::lockgate::connector::records::{Advice, Error, Operation};
use crate::fault::refused;
use crate::host::Host;
use crate::soql::Literal;
use crate::{names, write};

const OBJECT: &str = "PricebookEntry";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PriceInput<'a> {
    product: String,
    #[serde(default)]
    price_book: Option<String>,
    #[serde(borrow)]
    unit_price: &'a RawValue,
    #[serde(default, borrow)]
    standard_price: Option<&'a RawValue>,
    #[serde(default)]
    currency: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Book {
    id: String,
}

/// A price that is there.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Entry {
    id: String,
    pricebook2_id: String,
    unit_price: Option<f64>,
    is_active: bool,
}

/// A price as it is to be.
struct Price<'p> {
    product: &'p str,
    book: &'p str,
    amount: &'p RawValue,
    currency: Option<&'p str>,
}

/// Makes sure that a product has this price, active.
pub(super) async fn set<H: Host>(api: &Api<H>, input: PriceInput<'_>) -> Result<Vec<u8>, Error> {
    let id = |id: &str| names::id(id).map_err(Error::Refused);
    let product = id(&input.product)?;
    let wanted_book = input.price_book.as_deref().map(id).transpose()?;
    check(&input)?;
    let currency = input.currency.as_deref();
    let standard_book = standard_book(api).await?;
    let book = wanted_book.as_deref().unwrap_or(&standard_book);
    let entries = entries(api, &product, currency).await?;
    let of = |book: &str| entries.iter().find(|entry| entry.pricebook2_id == book);

    let standard_known = of(&standard_book);
    let mut standard = json!({ "entry": standard_known.map(|e| &e.id), "outcome": "unchanged" });
    if book != standard_book && standard_known.is_none() {
        let price = Price {
            product: &product,
            book: &standard_book,
            amount: input.standard_price.unwrap_or(input.unit_price),
            currency,
        };
        standard = price.set(api, None).await?;
    }
    let price = Price {
        product: &product,
        book,
        amount: input.unit_price,
        currency,
    };
    let told = price.set(api, of(book)).await?;
    if book == standard_book {
        standard = told.clone();
    }
    Ok(json!({ "price": told, "standard": standard })
        .to_string()
        .into_bytes())
}

fn check(input: &PriceInput<'_>) -> Result<(), Error> {
    let is_amount = |raw: &RawValue| {
        let amount = raw.get().parse::<f64>();
        amount.is_ok_and(|amount| amount.is_finite() && amount >= 0.0)
    };
    if !is_amount(input.unit_price) || !input.standard_price.is_none_or(is_amount) {
        return Err(refused(
            Advice::FixRecord,
            "NUMBER_OUTSIDE_VALID_RANGE",
            "a price is a number that is not negative",
        ));
    }
    let is_code = |code: &String| code.len() == 3 && code.bytes().all(|b| b.is_ascii_uppercase());
    if !input.currency.as_ref().is_none_or(is_code) {
        return Err(refused(
            Advice::FixRecord,
            "INVALID_INPUT",
            "a currency is a code such as EUR",
        ));
    }
    Ok(())
}

async fn standard_book<H: Host>(api: &Api<H>) -> Result<String, Error> {
    let soql = "SELECT Id FROM Pricebook2 WHERE IsStandard = true LIMIT 1";
    let books: Vec<Book> = query(api, soql.to_owned(), "Pricebook2").await?;
    let book = books.first().and_then(|book| names::id(&book.id).ok());
    book.ok_or_else(|| {
        refused(
            Advice::AskPermission,
            "STANDARD_PRICE_NOT_DEFINED",
            "the connected user sees no standard price book: products need one that is active",
        )
    })
}

async fn entries<H: Host>(
    api: &Api<H>,
    product: &str,
    currency: Option<&str>,
) -> Result<Vec<Entry>, Error> {
    let mut soql = format!(
        "SELECT Id,Pricebook2Id,UnitPrice,IsActive FROM {OBJECT} WHERE Product2Id = {}",
        Literal::text(product)
    );
    if let Some(currency) = currency {
        soql.push_str(" AND CurrencyIsoCode = ");
        soql.push_str(&Literal::text(currency).to_string());
    }
    query(api, soql, OBJECT).await
}

impl Price<'_> {
    async fn set<H: Host>(&self, api: &Api<H>, known: Option<&Entry>) -> Result<Value, Error> {
        let amount = self.amount.get();
        let result = match known {
            Some(entry) if entry.is_active && entry.unit_price == amount.parse().ok() => {
                return Ok(json!({ "entry": entry.id, "outcome": "unchanged" }));
            }
            Some(entry) => {
                let id = &entry.id;
                let row = format!(r#"{{"Id":"{id}","UnitPrice":{amount},"IsActive":true}}"#);
                write::one(api, OBJECT, &Operation::Update, &row).await?
            }
            None => {
                let currency = self.currency;
                let currency = currency.map_or_else(String::new, |currency| {
                    format!(r#","CurrencyIsoCode":"{currency}""#)
                });
                let row = format!(
                    r#"{{"Pricebook2Id":"{}","Product2Id":"{}","UnitPrice":{amount},"IsActive":true{currency}}}"#,
                    self.book, self.product
                );
                write::one(api, OBJECT, &Operation::Create, &row).await?
            }
        };
        let id = super::written(result)?;
        let outcome = if known.is_some() {
            "updated"
        } else {
            "created"
        };
        Ok(json!({ "entry": id, "outcome": outcome }))
    }
}
