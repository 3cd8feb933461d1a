//! The settings: which fields are handled as what, and what becomes of values
//! that cannot be read.

mod defaults;
mod read;

use record_batch::Fields;

/// What a field holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A given or a middle name.
    GivenName,
    /// A family name.
    FamilyName,
    /// A whole name, the given name first.
    FullName,
    /// Any text: only white space is tidied.
    Text,
    /// An e-mail address.
    Email,
    /// A phone number.
    Phone,
    /// A country, by name or code.
    Country,
}

/// What becomes of a value that cannot be read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Policy {
    /// It stays as it is, byte for byte.
    #[default]
    Keep,
    /// It becomes `null`.
    Clear,
    /// The record is rejected.
    Reject,
}

/// A setting that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Where, as a JSON pointer.
    pub pointer: String,
    /// What is wrong and what would be right.
    pub message: String,
}

/// Settings that were found sound.
#[derive(Clone, Debug)]
pub struct Settings {
    pub(crate) default_country: Option<String>,
    pub(crate) invalid_email: Policy,
    pub(crate) invalid_phone: Policy,
    pub(crate) unknown_country: Policy,
    /// By object name.
    plans: Vec<(String, Plan)>,
}

/// The fields of one object.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    /// The handled fields, and after them those that only say where phones are
    /// at home.
    fields: Fields,
    handled: Vec<Field>,
    phone_country: Vec<usize>,
}

/// One handled field.
#[derive(Clone, Debug)]
pub(crate) struct Field {
    pub(crate) name: String,
    pub(crate) kind: Kind,
}

impl Settings {
    /// Reads settings, a JSON object as text.
    ///
    /// # Errors
    /// All problems at once.
    pub fn parse(text: &str) -> Result<Self, Vec<Problem>> {
        read::settings(text)
    }

    pub(crate) fn plan(&self, object: &str) -> Option<&Plan> {
        let plan = self.plans.iter().find(|(name, _)| name == object);
        plan.map(|(_, plan)| plan)
    }
}

impl Default for Settings {
    /// No default country, everything that cannot be read is kept, the usual
    /// fields of the objects `Contact` and `Lead`.
    fn default() -> Self {
        Self {
            default_country: None,
            invalid_email: Policy::Keep,
            invalid_phone: Policy::Keep,
            unknown_country: Policy::Keep,
            plans: defaults::plans(),
        }
    }
}

impl Plan {
    fn new(handled: Vec<Field>, phone_country: &[String]) -> Self {
        let mut names: Vec<String> = handled.iter().map(|field| field.name.clone()).collect();
        let mut slots = Vec::new();
        for name in phone_country {
            let slot = names.iter().position(|known| known == name);
            slots.push(slot.unwrap_or_else(|| {
                names.push(name.clone());
                names.len() - 1
            }));
        }
        Self {
            fields: Fields::new(names),
            handled,
            phone_country: slots,
        }
    }

    pub(crate) fn fields(&self) -> &Fields {
        &self.fields
    }

    pub(crate) fn handled(&self) -> impl Iterator<Item = (usize, &Field)> {
        self.handled.iter().enumerate()
    }

    pub(crate) fn phone_country_slots(&self) -> impl Iterator<Item = usize> {
        self.phone_country.iter().copied()
    }
}
