//! The work: leads as a query gives them, and the rules that score them.

use anyhow::Result;
use serde_json::{Value as Json, json};

/// The rules, as settings of the scorer.
pub const RULES: &str = include_str!("../rules.json");

/// So many leads, a JSON array of about 350 bytes each.
pub fn leads(count: usize) -> Result<Vec<u8>> {
    let lead = |n: usize| {
        json!({
            "attributes": {"type": "Lead", "url": format!("/services/data/v60.0/sobjects/Lead/00Q{n:015}")},
            "Id": format!("00Q{n:015}"),
            "FirstName": "Ada", "LastName": format!("Lovelace {n}"),
            "Company": format!("Analytical Engines {n} Ltd"),
            "Email": format!("ada.{n}@engines{n}.example.com"),
            "Phone": format!("(415) 555-{:04}", n % 10_000),
            "Country": "Germany", "Industry": "Engineering",
            "NumberOfEmployees": n * 7 % 900, "AnnualRevenue": 125_000.5 * (n % 40) as f64,
            "CreatedDate": "2026-05-01T07:25:37.000+0000"
        })
    };
    let leads: Vec<Json> = (0..count).map(lead).collect();
    Ok(serde_json::to_vec(&leads)?)
}
