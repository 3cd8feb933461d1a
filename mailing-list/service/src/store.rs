//! The members, and what happened to them.
//!
//! Every change has a moment of its own, a millisecond or more behind the one before,
//! so `updated_at` tells two states of a member apart.

use std::collections::{BTreeMap, HashMap, VecDeque};

use serde_json::{Map, Value as Json, json};

use crate::member::{Member, folded};
use crate::moment;
use crate::refusal::Refusal;

/// Everything that is kept.
#[derive(Clone, Debug)]
pub(crate) struct Store {
    members: BTreeMap<String, Member>,
    by_email: HashMap<String, String>,
    by_key: HashMap<String, String>,
    changes: VecDeque<Change>,
    kept_changes: usize,
    /// The number of the last change that is no longer kept.
    forgotten: u64,
    last_id: u64,
    last_change: u64,
    last_ms: u64,
    /// Tells the changes of this start from those of another one.
    start: u64,
}

/// Something that happened to a member.
#[derive(Clone, Debug)]
pub(crate) struct Change {
    number: u64,
    kind: &'static str,
    member: String,
    /// Of a deletion none, else those that have other values than before.
    fields: Map<String, Json>,
    at_ms: u64,
    by: String,
}

/// Which members are asked for. All that is given has to fit.
#[derive(Debug, Default)]
pub(crate) struct Filter {
    pub(crate) status: Option<String>,
    pub(crate) tag: Option<String>,
    /// Only members behind this id.
    pub(crate) after: Option<String>,
}

/// Changes, and where to go on.
#[derive(Debug)]
pub(crate) struct Told {
    pub(crate) changes: Vec<Json>,
    pub(crate) cursor: String,
}

/// Where somebody without a cursor begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Begin {
    Newest,
    Oldest,
}

impl Store {
    pub(crate) fn new(kept_changes: usize) -> Self {
        Self {
            members: BTreeMap::new(),
            by_email: HashMap::new(),
            by_key: HashMap::new(),
            changes: VecDeque::new(),
            kept_changes,
            forgotten: 0,
            last_id: 0,
            last_change: 0,
            last_ms: 0,
            start: moment::now_ms(),
        }
    }

    pub(crate) fn all(&self) -> impl Iterator<Item = &Member> {
        self.members.values()
    }

    pub(crate) const fn last_change(&self) -> u64 {
        self.last_change
    }

    pub(crate) fn forget_changes(&mut self) {
        self.changes.clear();
        self.forgotten = self.last_change;
    }

    pub(crate) fn member(&self, id: &str) -> Result<&Member, Refusal> {
        self.members.get(id).ok_or_else(|| Refusal::not_found(id))
    }

    /// Members that fit, in the order of their ids, and whether there are more.
    pub(crate) fn list(&self, filter: &Filter, limit: usize) -> (Vec<&Member>, bool) {
        let is_behind = |member: &&Member| filter.after.as_ref() < Some(&member.id);
        let fits = |member: &&Member| {
            let status = filter.status.as_deref();
            let tag = filter.tag.as_ref();
            status.is_none_or(|status| status == member.status())
                && tag.is_none_or(|tag| member.tags.contains(tag))
        };
        let mut found: Vec<&Member> = self
            .all()
            .filter(is_behind)
            .filter(fits)
            .take(limit.saturating_add(1))
            .collect();
        let has_more = found.len() > limit;
        found.truncate(limit);
        (found, has_more)
    }

    /// Members with one of these values in a field that tells them apart, in the order
    /// of their ids.
    pub(crate) fn search(&self, field: &str, values: &[String]) -> Result<Vec<&Member>, Refusal> {
        let mut found = BTreeMap::new();
        for value in values {
            if let Some(id) = self.id_by(field, value)?
                && let Some(member) = self.members.get(&id)
            {
                found.insert(id, member);
            }
        }
        Ok(found.into_values().collect())
    }

    /// The id of the member with this value in a field that tells members apart.
    fn id_by(&self, field: &str, value: &str) -> Result<Option<String>, Refusal> {
        Ok(match field {
            "id" => self.members.get(value).map(|member| member.id.clone()),
            "email" => self.by_email.get(&folded(value)).cloned(),
            "external_key" => self.by_key.get(value).cloned(),
            _ => {
                return Err(Refusal::of_field(
                    "no_key",
                    field,
                    "members are found by id, email or external_key",
                ));
            }
        })
    }

    /// A cursor for those who have none.
    pub(crate) fn cursor(&self, begin: Begin) -> String {
        self.cursor_at(match begin {
            Begin::Newest => self.last_change,
            Begin::Oldest => self.forgotten,
        })
    }

    fn cursor_at(&self, number: u64) -> String {
        format!("{}-{number}", self.start)
    }

    /// What happened behind a cursor, at most `limit` changes; `asker` is told which
    /// are its own.
    pub(crate) fn changes(&self, after: &str, limit: usize, asker: &str) -> Result<Told, Refusal> {
        let gone = || {
            Refusal::new(
                410,
                "cursor_gone",
                "what happened behind this cursor is no longer kept: read all members",
            )
        };
        let (start, number) = after.split_once('-').ok_or_else(gone)?;
        let number: u64 = number.parse().map_err(|_| gone())?;
        let is_known = (self.forgotten..=self.last_change).contains(&number);
        if start != self.start.to_string() || !is_known {
            return Err(gone());
        }
        let behind = self.changes.iter().filter(|change| change.number > number);
        let told: Vec<&Change> = behind.take(limit).collect();
        let last = told.last().map_or(number, |change| change.number);
        let told = told.into_iter().map(|change| {
            json!({
                "id": self.cursor_at(change.number),
                "kind": change.kind,
                "member": change.member,
                "fields": change.fields,
                "at_ms": change.at_ms,
                "own": change.by == asker,
            })
        });
        Ok(Told {
            changes: told.collect(),
            cursor: self.cursor_at(last),
        })
    }
}

/// The store in the hands of one client.
pub(crate) struct Writer<'a> {
    store: &'a mut Store,
    by: &'a str,
}

impl<'a> Writer<'a> {
    pub(crate) const fn new(store: &'a mut Store, by: &'a str) -> Self {
        Self { store, by }
    }

    pub(crate) fn create(&mut self, fields: &Map<String, Json>) -> Result<&Member, Refusal> {
        let id = format!("m{:012}", self.store.last_id + 1);
        let mut member = Member::new(id.clone());
        member.set(fields)?;
        self.check_unique(&member)?;
        self.store.last_id += 1;
        let written = member.written();
        let told = written
            .into_iter()
            .filter(|(_, value)| !value.is_null())
            .collect();
        member.created_ms = self.note("created", &id, told);
        member.updated_ms = member.created_ms;
        self.keep(member);
        self.store.member(&id)
    }

    pub(crate) fn update(
        &mut self,
        id: &str,
        fields: &Map<String, Json>,
    ) -> Result<&Member, Refusal> {
        let before = self.store.member(id)?.clone();
        let mut member = before.clone();
        member.set(fields)?;
        if member == before {
            return self.store.member(id);
        }
        self.check_unique(&member)?;
        let (old, new) = (before.written(), member.written());
        let told = new
            .into_iter()
            .filter(|(name, value)| old.get(name) != Some(value))
            .collect();
        member.updated_ms = self.note("updated", id, told);
        self.forget(&before);
        self.keep(member);
        self.store.member(id)
    }

    /// Changes the member with this value in a field, or adds one; tells whether it is
    /// new.
    pub(crate) fn upsert(
        &mut self,
        key: &str,
        fields: &Map<String, Json>,
    ) -> Result<(&Member, bool), Refusal> {
        let value = fields.get(key).and_then(Json::as_str).unwrap_or_default();
        if value.is_empty() {
            return Err(Refusal::of_field(
                "required",
                key,
                "an upsert needs its key",
            ));
        }
        match self.store.id_by(key, value)? {
            Some(id) => self.update(&id, fields).map(|member| (member, false)),
            None if key == "id" => Err(Refusal::not_found(value)),
            None => self.create(fields).map(|member| (member, true)),
        }
    }

    pub(crate) fn remove(&mut self, id: &str) -> Result<(), Refusal> {
        let member = self.store.member(id)?.clone();
        self.note("deleted", id, Map::new());
        self.forget(&member);
        Ok(())
    }

    /// Does a job whole or not at all.
    pub(crate) fn whole<T>(
        &mut self,
        job: impl FnOnce(&mut Writer<'_>) -> Result<T, Refusal>,
    ) -> Result<T, Refusal> {
        let before = self.store.clone();
        let done = job(self);
        if done.is_err() {
            *self.store = before;
        }
        done
    }

    fn check_unique(&self, member: &Member) -> Result<(), Refusal> {
        let store = &self.store;
        let email = store.by_email.get(&folded(&member.email));
        let key = member.external_key.as_ref();
        let key = key.and_then(|key| store.by_key.get(key));
        for (code, field, holder) in [
            ("email_taken", "email", email),
            ("external_key_taken", "external_key", key),
        ] {
            if let Some(id) = holder.filter(|id| **id != member.id) {
                return Err(Refusal {
                    status: 409,
                    id: Some(id.clone()),
                    ..Refusal::of_field(code, field, "another member has it")
                });
            }
        }
        Ok(())
    }

    /// Notes a change, and gives its moment.
    fn note(&mut self, kind: &'static str, id: &str, fields: Map<String, Json>) -> u64 {
        let store = &mut *self.store;
        store.last_change += 1;
        store.last_ms = moment::now_ms().max(store.last_ms + 1);
        let mut fields = fields;
        let moments: &[&str] = match kind {
            "created" => &["created_at", "updated_at"],
            "updated" => &["updated_at"],
            _ => &[],
        };
        for name in moments {
            fields.insert((*name).to_owned(), moment::text(store.last_ms).into());
        }
        store.changes.push_back(Change {
            number: store.last_change,
            kind,
            member: id.to_owned(),
            fields,
            at_ms: store.last_ms,
            by: self.by.to_owned(),
        });
        while store.changes.len() > store.kept_changes {
            if let Some(oldest) = store.changes.pop_front() {
                store.forgotten = oldest.number;
            }
        }
        store.last_ms
    }

    fn keep(&mut self, member: Member) {
        let (store, id) = (&mut *self.store, member.id.clone());
        store.by_email.insert(folded(&member.email), id.clone());
        if let Some(key) = &member.external_key {
            store.by_key.insert(key.clone(), id.clone());
        }
        store.members.insert(id, member);
    }

    fn forget(&mut self, member: &Member) {
        let store = &mut *self.store;
        store.by_email.remove(&folded(&member.email));
        if let Some(key) = &member.external_key {
            store.by_key.remove(key);
        }
        store.members.remove(&member.id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn create(store: &mut Store, fields: Json) -> Result<String, Refusal> {
        let mut writer = Writer::new(store, "app");
        let member = writer.create(fields.as_object().unwrap())?;
        Ok(member.id.clone())
    }

    #[test]
    fn an_address_has_one_member_whatever_its_case() {
        let mut store = Store::new(10);
        let id = create(&mut store, json!({"email": "Ann@Example.com"})).unwrap();
        let refusal = create(&mut store, json!({"email": "ann@example.COM"})).unwrap_err();
        assert_eq!(
            (refusal.code, refusal.id),
            ("email_taken", Some(id.clone()))
        );
        let mut writer = Writer::new(&mut store, "app");
        let fields = json!({"email": "ANN@example.com", "first_name": "Ann"});
        let (member, is_new) = writer.upsert("email", fields.as_object().unwrap()).unwrap();
        assert_eq!((&member.id, is_new), (&id, false));
        writer.remove(&id).unwrap();
        create(&mut store, json!({"email": "ann@example.com"})).unwrap();
    }

    #[test]
    fn changes_tell_what_is_other_than_before_and_whose_it_was() {
        let mut store = Store::new(10);
        let begun = store.cursor(Begin::Newest);
        let id = create(
            &mut store,
            json!({"email": "a@example.com", "tags": ["vip"]}),
        )
        .unwrap();
        let fields = json!({"email": "a@example.com", "tags": null, "status": "unsubscribed"});
        let fields = fields.as_object().unwrap();
        Writer::new(&mut store, "other")
            .update(&id, fields)
            .unwrap();
        Writer::new(&mut store, "other")
            .update(&id, fields)
            .unwrap();
        let told = store.changes(&begun, 10, "app").unwrap();
        assert_eq!(told.changes.len(), 2, "what changes nothing is no change");
        assert_eq!(told.changes[0]["own"], true);
        assert_eq!(told.changes[1]["own"], false);
        let fields = &told.changes[1]["fields"];
        assert_eq!(fields["status"], "unsubscribed");
        assert_eq!(fields["tags"], json!([]));
        assert_eq!(
            fields["updated_at"],
            store.member(&id).unwrap().json()["updated_at"]
        );
        assert_eq!(fields.as_object().unwrap().len(), 3);
        let nothing = store.changes(&told.cursor, 10, "app").unwrap();
        assert!(nothing.changes.is_empty());
        assert_eq!(nothing.cursor, told.cursor);
    }

    #[test]
    fn a_cursor_whose_changes_are_gone_is_refused() {
        let mut store = Store::new(2);
        let begun = store.cursor(Begin::Oldest);
        for n in 0..3 {
            create(&mut store, json!({"email": format!("{n}@example.com")})).unwrap();
        }
        for cursor in [begun.as_str(), "0-0", "", "x"] {
            let refusal = store.changes(cursor, 10, "app").unwrap_err();
            assert_eq!(refusal.code, "cursor_gone", "{cursor}");
        }
        let kept = store
            .changes(&store.cursor(Begin::Oldest), 10, "app")
            .unwrap();
        assert_eq!(kept.changes.len(), 2);
    }

    #[test]
    fn a_job_that_fails_leaves_nothing() {
        let mut store = Store::new(10);
        let failed = Writer::new(&mut store, "app").whole(|writer| {
            let first = json!({"email": "a@example.com"});
            writer.create(first.as_object().unwrap())?;
            writer.create(&Map::new()).map(|_| ())
        });
        assert_eq!(failed.unwrap_err().code, "required");
        assert_eq!(store.all().count(), 0);
        assert_eq!(store.last_change(), 0);
    }
}
