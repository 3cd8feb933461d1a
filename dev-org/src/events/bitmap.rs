//! The lists of fields in a change event's header: hexadecimal numbers whose
//! bits, from the lowest on, are the fields of the schema in their order. Fields
//! inside of a record have a number of their own, behind the record's place.

use super::layout::{Layout, Part, Shape};

/// The columns as `["0x0A", "3-0x01"]`; nothing for no columns.
pub(super) fn of(layout: &Layout, columns: &[usize]) -> Vec<String> {
    let has = |column: &usize| columns.contains(column);
    let mut own = Vec::new();
    let mut nested = Vec::new();
    for (place, slot) in layout.slots.iter().enumerate() {
        let parts: &[Part] = match &slot.shape {
            Shape::Header => &[],
            Shape::One { column, .. } => {
                own.extend(has(column).then_some(place));
                &[]
            }
            Shape::Parts(parts) => parts,
            Shape::Switchable { whole, parts } => {
                let in_parts = parts
                    .iter()
                    .any(|part| part.column.as_ref().is_some_and(has));
                // A person's name is known by its parts.
                own.extend((has(whole) && !in_parts).then_some(place));
                parts
            }
        };
        let bits: Vec<usize> = parts
            .iter()
            .enumerate()
            .filter(|(_, part)| part.column.as_ref().is_some_and(has))
            .map(|(bit, _)| bit)
            .collect();
        if !bits.is_empty() {
            nested.push(format!("{place}-{}", hex(&bits)));
        }
    }
    let own = (!own.is_empty()).then(|| hex(&own));
    own.into_iter().chain(nested).collect()
}

/// The bits as a number of whole bytes, the highest first.
fn hex(bits: &[usize]) -> String {
    let length = bits.iter().max().map_or(0, |highest| highest / 8 + 1);
    let mut bytes = vec![0_u8; length];
    for bit in bits {
        if let Some(byte) = bytes.get_mut(length - 1 - bit / 8) {
            *byte |= 1 << (bit % 8);
        }
    }
    let digits = bytes.iter().map(|byte| format!("{byte:02X}"));
    std::iter::once("0x".to_owned()).chain(digits).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::Schema;

    #[test]
    fn a_bit_is_a_field_from_the_lowest_on_and_bytes_are_whole() {
        assert_eq!(hex(&[1]), "0x02");
        assert_eq!(hex(&[2, 8]), "0x0104");
        assert_eq!(hex(&[0, 23]), "0x800001");
    }

    #[test]
    fn fields_of_a_compound_stand_behind_its_place() {
        let schema = Schema::standard().unwrap();
        let contact = schema.object("Contact").unwrap();
        let layout = Layout::of(contact, 0).unwrap();
        let place = |name: &str| {
            layout
                .slots
                .iter()
                .position(|slot| slot.name == name)
                .unwrap()
        };
        let columns: Vec<usize> = ["FirstName", "LastName", "MailingCity", "Phone"]
            .map(|name| contact.column(name).unwrap())
            .into();
        let mut wanted = vec![hex(&[place("Phone")])];
        wanted.push(format!("{}-0x06", place("Name")));
        wanted.push(format!("{}-0x02", place("MailingAddress")));
        assert_eq!(of(&layout, &columns), wanted);
        assert!(of(&layout, &[]).is_empty());
    }
}
