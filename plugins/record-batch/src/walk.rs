//! The one pass over a batch: slices are remembered, and records are written with
//! their edits if they have any.

use json_skim::{Malformed, Skim};

use crate::{Edits, Fields, Outcome, Record, Verdict};

/// Reads `input` and calls `each` with every record.
pub(crate) fn walk<F>(input: &str, fields: &Fields, each: F) -> Result<Outcome, Malformed>
where
    F: FnMut(&Record<'_, '_>, &mut Edits) -> Verdict,
{
    let mut walk = Walk {
        input,
        fields,
        each,
        values: vec![None; fields.len()],
        edits: Edits::default(),
        records: Vec::new(),
        verdicts: Vec::new(),
    };
    walk.records.push(b'[');
    let mut skim = Skim::new(input);
    skim.elements(|skim| walk.record(skim))?;
    skim.end()?;
    walk.records.push(b']');
    Ok(Outcome {
        records: walk.records,
        verdicts: walk.verdicts,
    })
}

struct Walk<'a, F> {
    input: &'a str,
    fields: &'a Fields,
    each: F,
    /// The values of the record at hand, by slot.
    values: Vec<Option<&'a str>>,
    edits: Edits,
    records: Vec<u8>,
    verdicts: Vec<Verdict>,
}

impl<'a, F> Walk<'a, F>
where
    F: FnMut(&Record<'_, '_>, &mut Edits) -> Verdict,
{
    fn record(&mut self, skim: &mut Skim<'a>) -> Result<(), Malformed> {
        self.values.fill(None);
        self.edits.forget();
        // From the first key to the end of the last value: all that is between
        // the braces but white space at either end.
        let mut body = None;
        skim.members(|key, skim| {
            let value = skim.value()?;
            let start = body.map_or_else(|| self.offset(key), |(start, _)| start);
            body = Some((start, skim.offset()));
            if let Some(slot) = self.fields.slot(key)
                && let Some(place) = self.values.get_mut(slot)
            {
                *place = Some(value);
            }
            Ok::<(), Malformed>(())
        })?;
        let record = Record {
            values: &self.values,
        };
        let verdict = (self.each)(&record, &mut self.edits);
        self.edits.forget_what_is_there(&self.values);
        let verdict = match verdict {
            Verdict::Keep | Verdict::Change if self.edits.changes.is_empty() => Verdict::Keep,
            Verdict::Keep | Verdict::Change => {
                self.write(body.unwrap_or((0, 0)));
                Verdict::Change
            }
            left_out => left_out,
        };
        self.verdicts.push(verdict);
        Ok(())
    }
}

impl<'a, F> Walk<'a, F> {
    /// Where a slice of the input begins in it.
    fn offset(&self, slice: &'a str) -> usize {
        (slice.as_ptr() as usize).saturating_sub(self.input.as_ptr() as usize)
    }

    /// Writes the record whose body lies between these offsets.
    fn write(&mut self, (start, end): (usize, usize)) {
        if self.records.len() == 1 {
            // Where one record is changed most of them are, and come out about as
            // large as they went in.
            self.records
                .reserve(self.input.len() + self.input.len() / 16 + 2);
        } else {
            self.records.push(b',');
        }
        self.records.push(b'{');
        let mut edits = std::mem::take(&mut self.edits);
        edits
            .changes
            .sort_unstable_by_key(|change| match self.value(change.slot) {
                Some(value) => (self.offset(value), change.slot),
                None => (usize::MAX, change.slot),
            });
        let mut copied = start;
        let mut is_empty = start == end;
        for change in &edits.changes {
            let Some(new) = edits.text.get(change.start..change.end) else {
                continue;
            };
            match self.value(change.slot) {
                Some(old) => {
                    let place = self.offset(old);
                    self.copy(copied, place);
                    copied = place + old.len();
                }
                None => {
                    self.copy(copied, end);
                    copied = end;
                    if !is_empty {
                        self.records.push(b',');
                    }
                    let name = self.fields.quoted(change.slot);
                    self.records.extend_from_slice(name.as_bytes());
                    self.records.push(b':');
                }
            }
            is_empty = false;
            self.records.extend_from_slice(new);
        }
        self.copy(copied, end);
        self.records.push(b'}');
        self.edits = edits;
    }

    fn value(&self, slot: usize) -> Option<&'a str> {
        self.values.get(slot).copied().flatten()
    }

    fn copy(&mut self, start: usize, end: usize) {
        if let Some(bytes) = self.input.as_bytes().get(start..end) {
            self.records.extend_from_slice(bytes);
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::{Edits, Fields, Record, Verdict, rewrite};

    /// Changes `new` of each record, and nothing else.
    fn touch(input: &str) -> String {
        let fields = Fields::new(["new"]);
        let touch = |_: &Record<'_, '_>, edits: &mut Edits| {
            edits.set_number(0, 1);
            Verdict::Keep
        };
        let outcome = rewrite(input.as_bytes(), &fields, touch).unwrap();
        String::from_utf8(outcome.records).unwrap()
    }

    #[test]
    fn what_is_not_touched_stays_byte_for_byte() {
        let records = r#"[{"z":1.50,"a" : 1e400, "\u0061b":"\/","n":{"x":[ 1 ,2]},"big":123456789012345678901234567890,"new":0}]"#;
        assert_eq!(touch(records), records.replace(r#""new":0"#, r#""new":1"#));
        assert_eq!(touch(" [ { } , {\n} ] "), r#"[{"new":1},{"new":1}]"#);
        assert_eq!(touch("[]"), "[]");
    }

    #[test]
    fn a_record_that_comes_out_as_it_went_in_is_kept_and_not_written() {
        let fields = Fields::new(["a"]);
        let input = br#"[{"a":1},{"a":2},{"a":1},{}]"#;
        let outcome = rewrite(input, &fields, |record, edits| {
            if record.raw(0).is_some() {
                edits.set_number(0, 1);
            }
            // Whatever it calls it.
            Verdict::Change
        })
        .unwrap();
        let kept = Verdict::Keep;
        assert_eq!(outcome.records, br#"[{"a":1}]"#);
        assert_eq!(
            outcome.verdicts,
            [kept.clone(), Verdict::Change, kept.clone(), kept]
        );
    }

    #[test]
    fn values_are_replaced_in_place_and_new_fields_come_last() {
        let fields = Fields::new(["new", "b", "a"]);
        let input = br#"[{"a":1,"k":2,"b":"x"},{}]"#;
        let outcome = rewrite(input, &fields, |_, edits| {
            edits.set_number(1, 7);
            edits.set_text(0, "q\"");
            edits.set_text(2, "first");
            edits.clear(2);
            Verdict::Keep
        })
        .unwrap();
        assert_eq!(
            String::from_utf8(outcome.records).unwrap(),
            r#"[{"a":null,"k":2,"b":7,"new":"q\""},{"new":"q\"","b":7,"a":null}]"#
        );
    }

    #[test]
    fn dropped_and_rejected_records_leave_no_gap() {
        let fields = Fields::new(["a"]);
        let input = br#"[{"a":1},{"a":2},{"a":3},{"a":4}]"#;
        let outcome = rewrite(input, &fields, |record, edits| {
            edits.set_number(0, 0);
            match record.raw(0) {
                Some("1") => Verdict::Drop,
                Some("3") => Verdict::Reject("three".to_owned()),
                _ => Verdict::Keep,
            }
        })
        .unwrap();
        assert_eq!(outcome.records, br#"[{"a":0},{"a":0}]"#);
        assert_eq!(outcome.verdicts.len(), 4);
    }

    #[test]
    fn of_a_key_that_comes_twice_the_last_counts() {
        let fields = Fields::new(["a"]);
        let outcome = rewrite(br#"[{"a":1,"a":2}]"#, &fields, |record, edits| {
            assert_eq!(record.raw(0), Some("2"));
            edits.set_number(0, 3);
            Verdict::Keep
        })
        .unwrap();
        assert_eq!(outcome.records, br#"[{"a":1,"a":3}]"#);
    }

    #[test]
    fn what_is_no_array_of_objects_is_malformed_and_not_quoted() {
        let fields = Fields::new(["a"]);
        for bad in [
            "",
            "{}",
            "[1]",
            "[{]",
            "[{}",
            "[{}] x",
            "[\"secret\"]",
            "null",
            "[{\"a\":tru}]",
        ] {
            let error = rewrite(bad.as_bytes(), &fields, |_, _| Verdict::Keep).unwrap_err();
            assert!(!error.to_string().contains("secret"), "{error}");
        }
        assert!(rewrite(b"[{\"a\":\"\xff\"}]", &fields, |_, _| Verdict::Keep).is_err());
    }

    #[test]
    fn endless_nesting_in_a_value_is_malformed() {
        let deep = format!("[{{\"a\":{}", "[".repeat(1_000_000));
        assert!(rewrite(deep.as_bytes(), &Fields::new(["a"]), |_, _| Verdict::Keep).is_err());
    }

    #[test]
    fn half_a_surrogate_pair_is_no_text_but_is_passed_on() {
        let fields = Fields::new(["a"]);
        let input = r#"[{"a":"\ud800"}]"#;
        let outcome = rewrite(input.as_bytes(), &fields, |record, _| {
            assert_eq!(record.text(0), None);
            Verdict::Keep
        })
        .unwrap();
        assert_eq!(
            (outcome.records.as_slice(), outcome.verdicts),
            (&b"[]"[..], vec![Verdict::Keep])
        );
    }
}
