//! An org in memory: records, and the events that it tells of them. What the engine
//! of a sync does between an org and a database, in the plainest way.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Write as _;
use std::path::Path;

use lockgate_sync::{
    Batch, Change, ChangeKind, Database, Fields, Gone, Incoming, OutgoingChange, Record,
    SendOperation, SendOutcome, Settlement, Value, fields_from_json, fields_to_json,
};

/// Fields of pairs; numbers and texts as they look.
pub(crate) fn fields(pairs: &[(&str, &str)]) -> Fields {
    let pairs = pairs.iter();
    pairs
        .map(|(field, value)| ((*field).to_owned(), Value::text(*value)))
        .collect()
}

#[derive(Default)]
pub(crate) struct Org {
    /// By object and id.
    pub(crate) records: BTreeMap<(String, String), Fields>,
    /// All that was ever told.
    pub(crate) events: Vec<Change>,
    /// Events that were handed on.
    pub(crate) delivered: usize,
    /// How often a record of this key was made, and how often one was deleted.
    pub(crate) made: BTreeMap<String, u32>,
    pub(crate) gone: BTreeMap<String, u32>,
    /// Writes that came from the sync.
    pub(crate) received: usize,
    /// Where it is kept, if it outlives the process.
    log: Option<File>,
    /// What a flow of the org does to a contact that the sync writes.
    pub(crate) flow: Option<(&'static str, &'static str)>,
}

impl Org {
    fn now_ms(&self) -> i64 {
        1_700_000_000_000 + i64::try_from(self.events.len()).unwrap() * 1_000
    }

    fn tell(&mut self, object: &str, id: &str, kind: ChangeKind, fields: Fields, own: bool) {
        let committed_ms = self.now_ms();
        let change = Change {
            id: format!("event-{}", self.events.len()),
            object: object.to_owned(),
            record_ids: vec![id.to_owned()],
            kind,
            fields,
            committed_ms,
            own,
        };
        if let Some(log) = &mut self.log {
            // One write: a process that is killed has made it or not.
            log.write_all(line(&change).as_bytes()).unwrap();
        }
        self.happened(change);
    }

    /// What a change means for the records.
    fn happened(&mut self, change: Change) {
        let place = (change.object.clone(), change.record_ids[0].clone());
        let key = |fields: &Fields| {
            let key = fields.get("Sync_Key__c").and_then(Value::as_text);
            key.map(str::to_owned)
        };
        match change.kind {
            ChangeKind::Deleted => {
                if let Some(key) = self.records.remove(&place).as_ref().and_then(key) {
                    *self.gone.entry(key).or_default() += 1;
                }
            }
            _ => {
                if let (ChangeKind::Created, Some(key)) = (change.kind, key(&change.fields)) {
                    *self.made.entry(key).or_default() += 1;
                }
                let record = self.records.entry(place).or_default();
                record.extend(change.fields.clone());
            }
        }
        self.events.push(change);
    }

    /// The org of a file, and what it does from now on goes there.
    pub(crate) fn of_log(path: &Path) -> Self {
        let mut org = Self::default();
        for line in std::fs::read_to_string(path).unwrap().lines() {
            org.happened(of_line(line));
        }
        org.log = Some(File::options().append(true).open(path).unwrap());
        org
    }

    /// The same moment as a text, for some weeks of an event each second.
    fn stamp(&self) -> Value {
        let seconds = (22 * 60 + 13) * 60 + 20 + self.events.len();
        Value::text(format!(
            "2023-11-{:02}T{:02}:{:02}:{:02}.000+0000",
            14 + seconds / 86_400,
            seconds / 3_600 % 24,
            seconds / 60 % 60,
            seconds % 60
        ))
    }

    pub(crate) fn create(&mut self, object: &str, mut fields: Fields, own: bool) -> String {
        let id = format!("{:.1}{:017}", object, self.events.len());
        fields.insert("SystemModstamp".into(), self.stamp());
        self.tell(object, &id, ChangeKind::Created, fields, own);
        id
    }

    /// False if there is no such record.
    pub(crate) fn update(&mut self, object: &str, id: &str, mut fields: Fields, own: bool) -> bool {
        let is_there = self.has(object, id);
        if is_there {
            fields.insert("SystemModstamp".into(), self.stamp());
            self.tell(object, id, ChangeKind::Updated, fields, own);
        }
        is_there
    }

    pub(crate) fn delete(&mut self, object: &str, id: &str, own: bool) {
        if self.has(object, id) {
            self.tell(object, id, ChangeKind::Deleted, Fields::new(), own);
        }
    }

    fn has(&self, object: &str, id: &str) -> bool {
        let place = (object.to_owned(), id.to_owned());
        self.records.contains_key(&place)
    }

    fn by_key(&self, object: &str, key: &str) -> Option<String> {
        let is_it = |(_, fields): &(&(String, String), &Fields)| {
            fields.get("Sync_Key__c") == Some(&Value::text(key))
        };
        let mut records = self.records.iter().filter(|((name, _), _)| name == object);
        records.find(is_it).map(|((_, id), _)| id.clone())
    }

    /// Does what the sync sends.
    pub(crate) fn receive(&mut self, change: &OutgoingChange) -> SendOutcome {
        self.received += 1;
        let object = &change.object;
        let key = change.key.as_ref().map(|(_, key)| key.as_str());
        let mut fields = change.fields.clone();
        if let Some((field, value)) = self.flow.filter(|_| object == "Contact") {
            fields.insert(field.into(), Value::text(value));
        }
        match change.operation {
            SendOperation::Create => {
                let found = key.and_then(|key| self.by_key(object, key));
                let id = match found {
                    Some(id) => {
                        self.update(object, &id, fields, true);
                        id
                    }
                    None => self.create(object, fields, true),
                };
                SendOutcome::Written(id)
            }
            SendOperation::Update => {
                let id = change.org_id.clone().unwrap();
                if self.update(object, &id, fields, true) {
                    SendOutcome::Written(id)
                } else {
                    SendOutcome::Gone
                }
            }
            SendOperation::Delete => {
                let id = change.org_id.clone();
                let id = id.or_else(|| self.by_key(object, key.unwrap()));
                if let Some(id) = id {
                    self.delete(object, &id, true);
                }
                SendOutcome::Deleted
            }
        }
    }

    /// Sends what is to be sent, once, and gives what it was.
    pub(crate) async fn send(&mut self, database: &Database) -> Vec<OutgoingChange> {
        let outgoing = database.outgoing(100).await.unwrap();
        let settlements = outgoing.changes.iter().map(|change| Settlement {
            send: change.send,
            outcome: self.receive(change),
        });
        let settlements = settlements.collect();
        database.settle(settlements).await.unwrap();
        outgoing.changes
    }

    /// Hands on the next events, at most so many.
    pub(crate) async fn deliver(&mut self, database: &Database, limit: usize) {
        let events = self.events.iter().skip(self.delivered).take(limit);
        let items: Vec<_> = events.cloned().map(Incoming::Change).collect();
        self.delivered += items.len();
        let checkpoint = Some(("events".to_owned(), self.delivered.to_string().into_bytes()));
        let batch = Batch {
            items,
            checkpoint,
            ..Batch::default()
        };
        database.apply(batch).await.unwrap();
    }

    /// A record as a query gives it.
    pub(crate) fn read(&self, object: &str, id: &str, ticket: Option<i64>) -> Incoming {
        match self.records.get(&(object.to_owned(), id.to_owned())) {
            Some(fields) => {
                let mut fields = fields.clone();
                fields.insert("Id".into(), Value::text(id));
                Incoming::Record(Record {
                    object: object.to_owned(),
                    fields,
                    ticket,
                })
            }
            None => Incoming::Gone(Gone {
                object: object.to_owned(),
                org_id: id.to_owned(),
                ticket,
            }),
        }
    }

    /// Reads again what must be, and gives how many that were.
    pub(crate) async fn read_again(&self, database: &Database) -> usize {
        let unread = database.unread(100).await.unwrap();
        let items = unread.iter().filter_map(|unread| {
            let id = unread.org_id.as_ref()?;
            Some(self.read(&unread.object, id, Some(unread.ticket)))
        });
        let batch = Batch {
            items: items.collect(),
            ..Batch::default()
        };
        database.apply(batch).await.unwrap();
        unread.len()
    }
}

/// A batch of one.
pub(crate) fn batch(item: Incoming) -> Batch {
    Batch {
        items: vec![item],
        ..Batch::default()
    }
}

const KINDS: [ChangeKind; 3] = [
    ChangeKind::Created,
    ChangeKind::Updated,
    ChangeKind::Deleted,
];

fn line(change: &Change) -> String {
    let kind = KINDS.iter().position(|kind| *kind == change.kind).unwrap();
    format!(
        "{}\t{}\t{}\t{kind}\t{}\t{}\t{}\n",
        change.id,
        change.object,
        change.record_ids[0],
        change.committed_ms,
        change.own,
        fields_to_json(&change.fields)
    )
}

fn of_line(line: &str) -> Change {
    let parts: Vec<&str> = line.split('\t').collect();
    Change {
        id: parts[0].to_owned(),
        object: parts[1].to_owned(),
        record_ids: vec![parts[2].to_owned()],
        kind: KINDS[parts[3].parse::<usize>().unwrap()],
        committed_ms: parts[4].parse().unwrap(),
        own: parts[5] == "true",
        fields: fields_from_json(parts[6].as_bytes()).unwrap(),
    }
}
