//! What a new org contains before anybody writes to it: the organization,
//! profiles, an administrator, the standard price book, stages and statuses.

use std::sync::Arc;

use super::Org;
use super::draft::Draft;
use crate::id::Id;
use crate::table::Row;
use crate::user::User;
use crate::value::Value;

/// Stages of deals: name, probability, closed, won, forecast category's name
/// and API name.
const STAGES: &[(&str, f64, bool, bool, &str, &str)] = &[
    ("Prospecting", 10.0, false, false, "Pipeline", "Pipeline"),
    ("Qualification", 10.0, false, false, "Pipeline", "Pipeline"),
    ("Needs Analysis", 20.0, false, false, "Pipeline", "Pipeline"),
    (
        "Value Proposition",
        50.0,
        false,
        false,
        "Pipeline",
        "Pipeline",
    ),
    (
        "Id. Decision Makers",
        60.0,
        false,
        false,
        "Pipeline",
        "Pipeline",
    ),
    (
        "Perception Analysis",
        70.0,
        false,
        false,
        "Pipeline",
        "Pipeline",
    ),
    (
        "Proposal/Price Quote",
        75.0,
        false,
        false,
        "Best Case",
        "BestCase",
    ),
    (
        "Negotiation/Review",
        90.0,
        false,
        false,
        "Commit",
        "Forecast",
    ),
    ("Closed Won", 100.0, true, true, "Closed", "Closed"),
    ("Closed Lost", 0.0, true, false, "Omitted", "Omitted"),
];
/// The login name of the administrator of a new org.
pub const ADMIN: &str = "admin@example.com";
/// The login name of the user who gets leads by assignment.
pub const LEAD_OWNER: &str = "leads@example.com";

impl Org {
    /// Fills a new org.
    pub(super) fn set_up(&mut self) {
        let nobody = User::new(Arc::from(""), "", "", "");
        self.organization = self.add_setup_row(
            &nobody,
            "Organization",
            &[
                ("Name", Value::text("Lockgate Dev Org")),
                ("DefaultLocaleSidKey", Value::text("en_US")),
                ("TimeZoneSidKey", Value::text("America/Los_Angeles")),
                ("LanguageLocaleKey", Value::text("en_US")),
                ("OrganizationType", Value::text("Developer Edition")),
                ("FiscalYearStartMonth", Value::Int(1)),
                ("InstanceName", Value::text("LG1")),
                ("IsSandbox", Value::Bool(false)),
            ],
        );
        for profile in ["System Administrator", "Standard User"] {
            self.add_setup_row(
                &nobody,
                "Profile",
                &[
                    ("Name", Value::text(profile)),
                    ("UserType", Value::text("Standard")),
                ],
            );
        }
        let admin = self.add_user(ADMIN, "Ada", "Admin", "System Administrator");
        let lead_owner = self.add_user(LEAD_OWNER, "Lena", "Leads", "Standard User");
        self.lead_assignee = Some(Arc::clone(&lead_owner.id));
        self.standard_pricebook = self.add_setup_row(
            &admin,
            "Pricebook2",
            &[
                ("Name", Value::text("Standard Price Book")),
                ("IsActive", Value::Bool(true)),
                ("IsStandard", Value::Bool(true)),
            ],
        );
        self.add_setup_row(
            &admin,
            "AssignmentRule",
            &[
                ("Name", Value::text("Standard")),
                ("SobjectType", Value::text("Lead")),
                ("Active", Value::Bool(true)),
            ],
        );
        self.add_stages(&admin);
        self.add_statuses(
            &admin,
            "LeadStatus",
            "Lead",
            "IsConverted",
            "Closed - Converted",
        );
        self.add_statuses(&admin, "TaskStatus", "Task", "IsClosed", "Completed");
        self.add_record_types(&admin);
        self.add_currencies(&admin);
    }

    /// Says in the organization's record what kind of org this is.
    pub fn set_edition(&mut self, organization_type: &str, is_sandbox: bool) {
        let schema = Arc::clone(&self.schema);
        let Some(object) = schema.object("Organization") else {
            return;
        };
        let Some(row) = self.table(object).row_at(0) else {
            return;
        };
        let mut values = row.to_values(object.fields.len());
        for (name, value) in [
            ("OrganizationType", Value::text(organization_type)),
            ("IsSandbox", Value::Bool(is_sandbox)),
        ] {
            let column = object.field(name).map(|(column, _)| column);
            if let Some(slot) = column.and_then(|column| values.get_mut(column)) {
                *slot = value;
            }
        }
        self.replace_row(object, 0, Row::new(values));
    }

    /// Adds a user who can log in.
    pub fn add_user(
        &mut self,
        username: &str,
        first: &str,
        last: &str,
        profile: &str,
    ) -> Arc<User> {
        let profile_id = self.id_by_text("Profile", "Name", profile);
        let nobody = User::new(Arc::from(""), "", "", "");
        let maker = self.user(ADMIN).unwrap_or_else(|| Arc::new(nobody));
        let alias: String = last.chars().take(8).collect::<String>().to_lowercase();
        let name = format!("{first} {last}");
        let text = |text: &str| Value::text(text);
        let id = self.add_setup_row(
            &maker,
            "User",
            &[
                ("Username", text(username)),
                ("Email", text(username)),
                ("FirstName", text(first)),
                ("LastName", text(last)),
                ("Name", text(&name)),
                ("Alias", text(&alias)),
                ("CommunityNickname", text(&alias)),
                ("IsActive", Value::Bool(true)),
                ("TimeZoneSidKey", text("America/Los_Angeles")),
                ("LocaleSidKey", text("en_US")),
                ("EmailEncodingKey", text("UTF-8")),
                ("LanguageLocaleKey", text("en_US")),
                ("DigestFrequency", text("D")),
                ("DefaultGroupNotificationFrequency", text("N")),
                ("UserType", text("Standard")),
                ("ProfileId", profile_id.map_or(Value::Null, Value::Text)),
            ],
        );
        let user = Arc::new(User::new(id, username, &name, profile));
        self.users
            .insert(username.to_lowercase(), Arc::clone(&user));
        user
    }

    fn add_stages(&mut self, admin: &User) {
        for (order, (name, probability, closed, won, forecast, category)) in (1..).zip(STAGES) {
            self.add_setup_row(
                admin,
                "OpportunityStage",
                &[
                    ("MasterLabel", Value::text(*name)),
                    ("ApiName", Value::text(*name)),
                    ("IsActive", Value::Bool(true)),
                    ("SortOrder", Value::Int(order)),
                    ("IsClosed", Value::Bool(*closed)),
                    ("IsWon", Value::Bool(*won)),
                    ("ForecastCategory", Value::text(*category)),
                    ("ForecastCategoryName", Value::text(*forecast)),
                    ("DefaultProbability", Value::Double(*probability)),
                ],
            );
        }
    }

    /// One row for each value of an object's `Status` picklist.
    fn add_statuses(&mut self, admin: &User, table: &str, object: &str, flag: &str, flagged: &str) {
        let schema = Arc::clone(&self.schema);
        let values = schema
            .object(object)
            .and_then(|object| object.field("Status"))
            .map(|(_, field)| field.picklist.as_slice())
            .unwrap_or_default();
        for (order, choice) in (1..).zip(values) {
            self.add_setup_row(
                admin,
                table,
                &[
                    ("MasterLabel", Value::text(choice.label.as_str())),
                    ("ApiName", Value::Text(Arc::clone(&choice.value))),
                    ("SortOrder", Value::Int(order)),
                    ("IsDefault", Value::Bool(choice.default)),
                    (flag, Value::Bool(&*choice.value == flagged)),
                ],
            );
        }
    }

    /// One row for each currency of an org with several.
    fn add_currencies(&mut self, admin: &User) {
        let currencies = self.schema.features.currencies.clone();
        for (place, currency) in currencies.iter().enumerate() {
            self.add_setup_row(
                admin,
                "CurrencyType",
                &[
                    ("IsoCode", Value::text(currency.code.as_str())),
                    ("ConversionRate", Value::Double(currency.rate)),
                    ("DecimalPlaces", Value::Int(currency.decimals.into())),
                    ("IsActive", Value::Bool(true)),
                    ("IsCorporate", Value::Bool(place == 0)),
                ],
            );
        }
    }

    /// Adds a row as the org itself does, without the checks of a user's write.
    pub(super) fn add_setup_row(
        &mut self,
        who: &User,
        object: &str,
        fields: &[(&str, Value)],
    ) -> Id {
        let schema = Arc::clone(&self.schema);
        let Some(object) = schema.object(object) else {
            return Arc::from("");
        };
        let mut draft = Draft::new(object);
        for (column, field) in object.fields.iter().enumerate() {
            if let Some(value) = &field.default_value {
                draft.put(column, value.clone());
            }
        }
        for (field, value) in fields {
            draft.set(field, value.clone());
        }
        self.store_new(who, &mut draft)
    }

    /// The id of the first live record with a text in a field.
    pub(super) fn id_by_text(&self, object: &str, field: &str, text: &str) -> Option<Id> {
        let object = self.schema.object(object)?;
        let column = object.column(field)?;
        self.table(object)
            .find(column, &Value::text(text))
            .into_iter()
            .find(|row| !row.is_deleted())
            .map(crate::table::Row::shared_id)
    }
}
