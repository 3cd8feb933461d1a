//! Words to make plausible records of, and the numbers to choose them by.

use std::sync::Arc;

use crate::schema::{Object, PicklistValue};
use crate::value::Value;

pub(super) const FIRST_NAMES: &[&str] = &[
    "Ada", "Alan", "Amara", "Anders", "Aoife", "Beatriz", "Bilal", "Carla", "Chen", "Daniel",
    "Dina", "Elena", "Emeka", "Farid", "Freya", "Grace", "Hana", "Hugo", "Ines", "Ivan", "Jamal",
    "Jonas", "Kaito", "Katrin", "Leila", "Liam", "Maja", "Mateo", "Mei", "Nadia", "Noah", "Olga",
    "Omar", "Priya", "Quentin", "Rosa", "Samir", "Sofia", "Tariq", "Uma", "Viktor", "Wanda",
    "Yusuf", "Zoe",
];
pub(super) const LAST_NAMES: &[&str] = &[
    "Abbott",
    "Bauer",
    "Castillo",
    "Dubois",
    "Eriksen",
    "Fischer",
    "Garcia",
    "Haddad",
    "Ito",
    "Jensen",
    "Kaplan",
    "Larsen",
    "Moreau",
    "Nakamura",
    "Okafor",
    "Petrov",
    "Quinn",
    "Rossi",
    "Schmidt",
    "Tanaka",
    "Usman",
    "Varga",
    "Weber",
    "Xu",
    "Yilmaz",
    "Zhang",
    "Andersson",
    "Brandt",
    "Costa",
    "Duarte",
    "Evans",
    "Ferrari",
    "Gupta",
    "Hansen",
    "Ivanova",
    "Jones",
    "Kowalski",
    "Lindqvist",
    "Murphy",
    "Novak",
    "Oliveira",
    "Patel",
    "Reyes",
    "Silva",
];
pub(super) const COMPANY_FIRST: &[&str] = &[
    "Northern", "Blue", "Harbor", "Summit", "Cedar", "Iron", "Silver", "Granite", "Meadow",
    "Coastal", "Alpine", "River", "Golden", "Prairie", "Lantern", "Copper", "Maple", "Falcon",
    "Beacon", "Cobalt", "Willow", "Delta", "Orchard", "Quarry", "Sable", "Tidal", "Umber", "Vista",
];
pub(super) const COMPANY_SECOND: &[&str] = &[
    "Freight",
    "Foods",
    "Analytics",
    "Robotics",
    "Textiles",
    "Energy",
    "Systems",
    "Logistics",
    "Dairy",
    "Optics",
    "Paper",
    "Marine",
    "Software",
    "Tools",
    "Health",
    "Media",
    "Motors",
    "Glass",
    "Ceramics",
    "Instruments",
    "Timber",
    "Networks",
    "Pumps",
    "Cables",
];
pub(super) const COMPANY_LAST: &[&str] = &["Inc.", "Ltd.", "GmbH", "LLC", "Group", "AB", "Co."];
pub(super) const STREETS: &[&str] = &[
    "Canal Street",
    "Mill Road",
    "Station Avenue",
    "Lock Lane",
    "Harbor Way",
    "Oak Drive",
    "Market Square",
    "Bridge Street",
    "Quay Road",
    "Church Lane",
    "Park Avenue",
    "High Street",
];
/// City, state, country, and the first digits of its postal codes.
pub(super) const CITIES: &[(&str, &str, &str, u32)] = &[
    ("Portland", "OR", "USA", 97_200),
    ("Austin", "TX", "USA", 78_700),
    ("Chicago", "IL", "USA", 60_600),
    ("Boston", "MA", "USA", 2_100),
    ("Denver", "CO", "USA", 80_200),
    ("Toronto", "ON", "Canada", 10_000),
    ("Manchester", "Greater Manchester", "United Kingdom", 20_000),
    ("Hamburg", "Hamburg", "Germany", 20_000),
    ("Lyon", "Rhône", "France", 69_000),
    ("Utrecht", "Utrecht", "Netherlands", 35_000),
    ("Gothenburg", "Västra Götaland", "Sweden", 41_100),
    ("Porto", "Porto", "Portugal", 40_000),
    ("Osaka", "Osaka", "Japan", 53_000),
    ("Pune", "Maharashtra", "India", 41_100),
];
pub(super) const TITLES: &[&str] = &[
    "Head of Operations",
    "Buyer",
    "Chief Financial Officer",
    "IT Manager",
    "Plant Manager",
    "Sales Director",
    "Procurement Lead",
    "Engineer",
    "Founder",
    "Office Manager",
];
pub(super) const DEPARTMENTS: &[&str] = &[
    "Operations",
    "Finance",
    "IT",
    "Sales",
    "Purchasing",
    "Engineering",
];
pub(super) const PRODUCT_FIRST: &[&str] = &[
    "Compact",
    "Heavy-Duty",
    "Remote",
    "Modular",
    "Premium",
    "Standard",
    "Portable",
    "Smart",
];
pub(super) const PRODUCT_SECOND: &[&str] = &[
    "Sluice",
    "Gate Motor",
    "Level Sensor",
    "Control Panel",
    "Service Plan",
    "Valve",
    "Pump",
    "Training Day",
    "Spare Kit",
    "Gauge",
];
pub(super) const DEALS: &[&str] = &[
    "Renewal",
    "Expansion",
    "Pilot",
    "Upgrade",
    "New Site",
    "Framework",
];
pub(super) const SUBJECTS: &[&str] = &[
    "Call",
    "Email",
    "Send Quote",
    "Send Letter",
    "Prepare demo",
    "Follow up",
    "Review contract",
];
pub(super) const NOTES: &[&str] = &[
    "Met at the trade fair; asked for a quote.",
    "Prefers to be called in the morning.",
    "Budget is decided in the autumn.",
    "Wants a visit before signing.",
    "Asked about delivery times.",
];

/// A stream of numbers that is the same for the same seed (SplitMix64).
#[derive(Debug)]
pub(super) struct Random(u64);

impl Random {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number from zero up to, not including, `end`.
    pub(super) fn below(&mut self, end: usize) -> usize {
        let end = u64::try_from(end.max(1)).unwrap_or(1);
        usize::try_from(self.next() % end).unwrap_or(0)
    }

    /// True in `percent` of a hundred cases.
    pub(super) fn chance(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }

    /// One of a list; `None` from an empty one.
    pub(super) fn pick<'a, T>(&mut self, from: &'a [T]) -> Option<&'a T> {
        from.get(self.below(from.len()))
    }

    /// One word of a list.
    pub(super) fn word(&mut self, from: &[&'static str]) -> &'static str {
        self.pick(from).copied().unwrap_or_default()
    }

    /// One of a picklist field's values, shared with the schema.
    pub(super) fn choice(&mut self, object: &Object, field: &str) -> Value {
        let listed: &[PicklistValue] = object
            .field(field)
            .map(|(_, field)| field.picklist.as_slice())
            .unwrap_or_default();
        self.pick(listed)
            .map_or(Value::Null, |choice| Value::Text(Arc::clone(&choice.value)))
    }
}

/// Lists of words as shared text, so that a city is in memory once.
#[derive(Debug)]
pub(super) struct Shared(Vec<(&'static str, Arc<str>)>);

impl Shared {
    pub(super) fn new() -> Self {
        let places = CITIES
            .iter()
            .flat_map(|(city, state, country, _)| [*city, *state, *country]);
        let words = [
            TITLES,
            DEPARTMENTS,
            SUBJECTS,
            NOTES,
            FIRST_NAMES,
            LAST_NAMES,
        ]
        .into_iter()
        .flatten()
        .copied();
        let mut all: Vec<(&'static str, Arc<str>)> = places
            .chain(words)
            .map(|word| (word, Arc::from(word)))
            .collect();
        all.sort_by_key(|(word, _)| *word);
        all.dedup_by_key(|(word, _)| *word);
        Self(all)
    }

    /// The shared text of a word.
    pub(super) fn of(&self, word: &str) -> Value {
        self.0
            .binary_search_by_key(&word, |(known, _)| known)
            .ok()
            .and_then(|at| self.0.get(at))
            .map_or_else(
                || Value::text(word),
                |(_, shared)| Value::Text(Arc::clone(shared)),
            )
    }
}
