//! Records as they were read: by a load, a reconciliation, or because nobody knew
//! what had become of them.

use super::{Source, Told, Work, stamp_ms};
use crate::error::DatabaseError;
use crate::incoming::Record;

impl Work<'_> {
    pub(super) fn record(&mut self, record: &Record) -> Result<(), DatabaseError> {
        let Some(object) = self.plan.object(&record.object) else {
            return Ok(());
        };
        let Some(org_id) = self.id_of(&record.object, &record.fields) else {
            let reason = format!("the record has no {}", object.id_field);
            return self.letters(&record.object, &[], &reason, &record.fields);
        };
        let known = self.known(object, &org_id, &record.fields)?;
        let stamp = stamp_ms(object, &record.fields).unwrap_or(0);
        let told = Told {
            fields: &record.fields,
            at_ms: stamp,
            from: Source::Reading {
                ticket: record.ticket,
            },
        };
        match known {
            None => self.insert(object, &org_id, None, &told)?,
            Some(known) => match known.gone_ms {
                None => self.merge(object, known, &told)?,
                // Read before it went, or there again.
                Some(gone_ms) if record.ticket.is_none() && stamp <= gone_ms => (),
                Some(_) => self.insert(object, &org_id, Some(known), &told)?,
            },
        }
        self.answer(&record.object, Some(&org_id), record.ticket)
    }
}
