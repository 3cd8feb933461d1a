//! The comparison of all records of an object with those that are known here: what
//! nobody told of is found by it. Both come in the order of their ids, so that neither
//! is ever held as a whole.

use std::cmp::Ordering;

use futures_util::TryStreamExt as _;
use lockgate::{Pages, ScanOptions};

use super::load::{fields, text};
use super::{Engine, SyncError};
use crate::apply::EARLY_MS;
use crate::kind::milliseconds;
use crate::plan::ObjectPlan;
use crate::status::KnownRecord;

/// Records of the database that are compared at a time.
const COMPARED_AT_A_TIME: u32 = 1_000;

/// How a record differs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Differs {
    /// The org has it, and it is not known here.
    OnlyThere,
    /// The org has changed it since.
    Changed,
    /// It was read so soon after it was changed that it may have been changed again.
    Unsure,
    /// It is known here, and the org has it no longer.
    OnlyHere,
}

/// A comparison under way.
pub(super) struct Comparison<'a> {
    org: InOrg<'a>,
    known: Known<'a>,
    there: Option<KnownRecord>,
    here: Option<KnownRecord>,
}

impl<'a> Comparison<'a> {
    pub(super) async fn begin(
        engine: &'a Engine,
        object: &'a ObjectPlan,
    ) -> Result<Self, SyncError> {
        let stamp = object.stamp_field();
        let options = ScanOptions {
            fields: stamp.into_iter().map(str::to_owned).collect(),
            ..ScanOptions::default()
        };
        let pages = engine.backfill().scan(&object.object, options).await?;
        let mut org = InOrg::new(object, pages);
        let mut known = Known::new(engine, object);
        let (there, here) = (org.next().await?, known.next().await?);
        Ok(Self {
            org,
            known,
            there,
            here,
        })
    }

    /// The next record that differs, by its id.
    pub(super) async fn next(&mut self) -> Result<Option<(Differs, String)>, SyncError> {
        loop {
            let order = match (&self.there, &self.here) {
                (None, None) => return Ok(None),
                (Some(_), None) => Ordering::Less,
                (None, Some(_)) => Ordering::Greater,
                (Some(there), Some(here)) => there.org_id.cmp(&here.org_id),
            };
            let (mut there, mut here) = (None, None);
            if order.is_le() {
                there = std::mem::replace(&mut self.there, self.org.next().await?);
            }
            if order.is_ge() {
                here = std::mem::replace(&mut self.here, self.known.next().await?);
            }
            match (there, here) {
                (Some(there), None) => return Ok(Some((Differs::OnlyThere, there.org_id))),
                (None, Some(here)) => return Ok(Some((Differs::OnlyHere, here.org_id))),
                (Some(there), Some(here)) if there.stamp_ms > here.stamp_ms + EARLY_MS => {
                    return Ok(Some((Differs::Changed, there.org_id)));
                }
                (Some(there), Some(here)) if there.stamp_ms > here.stamp_ms => {
                    return Ok(Some((Differs::Unsure, there.org_id)));
                }
                _ => {}
            }
        }
    }
}

/// The records of the org, by their ids.
struct InOrg<'a> {
    object: &'a ObjectPlan,
    pages: Pages,
    page: std::vec::IntoIter<KnownRecord>,
    last: Option<String>,
}

impl<'a> InOrg<'a> {
    fn new(object: &'a ObjectPlan, pages: Pages) -> Self {
        Self {
            object,
            pages,
            page: Vec::new().into_iter(),
            last: None,
        }
    }

    async fn next(&mut self) -> Result<Option<KnownRecord>, SyncError> {
        loop {
            if let Some(record) = self.page.next() {
                if self.last.as_ref() >= Some(&record.org_id) {
                    return Err(self.not_to_be_relied_on(&record.org_id));
                }
                self.last = Some(record.org_id.clone());
                return Ok(Some(record));
            }
            let Some(page) = self.pages.try_next().await? else {
                return Ok(None);
            };
            let mut records = Vec::with_capacity(page.records.len());
            for row in page.records.rows()? {
                let fields = fields(self.object, row.get().as_bytes())?;
                let org_id = text(&fields, &self.object.id_field)
                    .ok_or_else(|| self.not_to_be_relied_on("a record"))?;
                let stamp = self.object.stamp_field();
                let stamp = stamp.and_then(|stamp| text(&fields, stamp));
                records.push(KnownRecord {
                    org_id,
                    stamp_ms: stamp.and_then(|text| milliseconds(&text)).unwrap_or(0),
                });
            }
            self.page = records.into_iter();
        }
    }

    fn not_to_be_relied_on(&self, what: &str) -> SyncError {
        SyncError::Records {
            object: self.object.object.clone(),
            what: format!("a scan gave {what} out of the order of ids, or without one"),
        }
    }
}

/// The records that the database knows, by their ids.
struct Known<'a> {
    engine: &'a Engine,
    object: &'a ObjectPlan,
    page: std::vec::IntoIter<KnownRecord>,
    after: String,
    is_over: bool,
}

impl<'a> Known<'a> {
    fn new(engine: &'a Engine, object: &'a ObjectPlan) -> Self {
        Self {
            engine,
            object,
            page: Vec::new().into_iter(),
            after: String::new(),
            is_over: false,
        }
    }

    async fn next(&mut self) -> Result<Option<KnownRecord>, SyncError> {
        if self.page.len() == 0 && !self.is_over {
            let (object, limit) = (&self.object.object, COMPARED_AT_A_TIME);
            let database = &self.engine.database;
            let page = database.known_records(object, &self.after, limit).await?;
            match page.last() {
                Some(last) => self.after.clone_from(&last.org_id),
                None => self.is_over = true,
            }
            self.page = page.into_iter();
        }
        Ok(self.page.next())
    }
}
