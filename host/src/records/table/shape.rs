//! Which records the rows of a table are, as a connector says it, held against the
//! contract: nothing that is made of a row grows beyond what these rules allow.

use crate::bindings::contract::tables as wit;

/// Objects and members of a shape, and bytes of text in it. The contract promises
/// these numbers.
const MAX_OBJECTS: usize = 512;
const MAX_MEMBERS: usize = 4_000;
const MAX_TEXT_BYTES: usize = 256 * 1024;

/// How many members may name one column: else a few bytes of a row could become
/// megabytes of a record.
const MAX_USES: u8 = 4;

/// How deep objects may lie in one another: less than what readers of JSON take.
const MAX_DEPTH: usize = 64;

/// What JSON needs of a member beside its name and its value, at most.
const PUNCTUATION_BYTES: usize = 8;

/// The objects that a row becomes, each before those within it.
#[derive(Debug)]
pub(crate) struct Shape {
    pub(super) objects: Vec<Object>,
    /// What fills a record beside the values of its row, in bytes of JSON.
    pub(crate) fixed_bytes: usize,
}

#[derive(Debug)]
pub(super) struct Object {
    /// The column that tells whether it is there.
    pub(super) present: Option<usize>,
    pub(super) members: Vec<Member>,
}

#[derive(Debug)]
pub(super) struct Member {
    pub(super) name: String,
    /// What stands before its value in JSON: `,"Name":`, or `{"Name":` of the first.
    pub(super) lead: Vec<u8>,
    pub(super) value: Value,
}

#[derive(Debug)]
pub(super) enum Value {
    Text(usize),
    Edited(Edited),
    Number(usize),
    Boolean(usize),
    Constant(Fixed),
    Object(usize),
}

/// A text that stands in its column in another form.
#[derive(Debug)]
pub(super) struct Edited {
    pub(super) column: usize,
    pub(super) prefix: Fixed,
    pub(super) ending: Option<(String, Fixed)>,
}

/// A text that is the same in each row.
#[derive(Debug)]
pub(super) struct Fixed {
    pub(super) plain: String,
    /// As it stands between the quotes of a JSON text.
    pub(super) json: Vec<u8>,
}

impl Shape {
    /// Takes over what a guest says of a table with so many columns.
    ///
    /// # Errors
    /// The rule that it breaks.
    pub(crate) fn new(shape: wit::Shape, n_columns: usize) -> Result<Self, &'static str> {
        let mut reader = Reader {
            n_columns,
            n_objects: shape.objects.len(),
            uses: vec![0; n_columns],
            depths: vec![None; shape.objects.len()],
            n_members: 0,
            text_bytes: 0,
        };
        match reader.depths.first_mut() {
            Some(record) => *record = Some(1),
            None => return Err("a shape has an object at least"),
        }
        if reader.n_objects > MAX_OBJECTS {
            return Err("a shape has at most 512 objects");
        }
        let objects = shape.objects.into_iter().enumerate();
        let objects: Vec<Object> = objects
            .map(|(at, object)| reader.object(at, object))
            .collect::<Result<_, _>>()?;
        if reader.depths.contains(&None) {
            return Err("each object is the value of one member");
        }
        Ok(Self {
            objects,
            fixed_bytes: reader.text_bytes + reader.n_members * PUNCTUATION_BYTES,
        })
    }
}

/// What was read of a shape so far.
struct Reader {
    n_columns: usize,
    n_objects: usize,
    /// How many members name each column.
    uses: Vec<u8>,
    /// How deep each object lies that is the value of a member.
    depths: Vec<Option<usize>>,
    n_members: usize,
    text_bytes: usize,
}

impl Reader {
    fn object(&mut self, at: usize, object: wit::Object) -> Result<Object, &'static str> {
        self.n_members += object.members.len();
        if self.n_members > MAX_MEMBERS {
            return Err("the objects of a shape have at most 4,000 members");
        }
        let mut members = Vec::with_capacity(object.members.len());
        for member in object.members {
            let mut lead = vec![if members.is_empty() { b'{' } else { b',' }];
            let name = self.fixed(member.name)?;
            lead.push(b'"');
            lead.extend_from_slice(&name.json);
            lead.extend_from_slice(b"\":");
            members.push(Member {
                value: self.value(at, member.value)?,
                name: name.plain,
                lead,
            });
        }
        let present = object.present.map(|column| self.column(column));
        Ok(Object {
            present: present.transpose()?,
            members,
        })
    }

    fn value(&mut self, object: usize, value: wit::Value) -> Result<Value, &'static str> {
        Ok(match value {
            wit::Value::Text(column) => Value::Text(self.named(column)?),
            wit::Value::Number(column) => Value::Number(self.named(column)?),
            wit::Value::Boolean(column) => Value::Boolean(self.named(column)?),
            wit::Value::EditedText(text) => Value::Edited(Edited {
                column: self.named(text.column)?,
                prefix: self.fixed(text.prefix)?,
                ending: match text.ending {
                    Some((from, to)) => Some((from, self.fixed(to)?)),
                    None => None,
                },
            }),
            wit::Value::Constant(text) => Value::Constant(self.fixed(text)?),
            wit::Value::Object(within) => Value::Object(self.within(object, within)?),
        })
    }

    /// An object that is within another one.
    fn within(&mut self, outer: usize, within: u32) -> Result<usize, &'static str> {
        const WRONG: &str = "an object is the value of one member, of an object before it";
        let place = usize::try_from(within).unwrap_or(usize::MAX);
        let depth = self.depths.get(outer).copied().flatten();
        let depth = depth.map_or(1, |depth| depth + 1);
        if depth > MAX_DEPTH {
            return Err("objects lie less than 64 deep");
        }
        match self.depths.get_mut(place) {
            Some(known @ None) if place > outer => *known = Some(depth),
            _ => return Err(WRONG),
        }
        Ok(place)
    }

    /// A column that a member names.
    fn named(&mut self, column: u32) -> Result<usize, &'static str> {
        let column = self.column(column)?;
        match self.uses.get_mut(column) {
            Some(uses) if *uses < MAX_USES => *uses += 1,
            _ => return Err("a column is named by at most 4 members"),
        }
        Ok(column)
    }

    fn column(&self, column: u32) -> Result<usize, &'static str> {
        let column = usize::try_from(column).unwrap_or(usize::MAX);
        match column < self.n_columns {
            true => Ok(column),
            false => Err("its columns are in the table"),
        }
    }

    /// A text of the shape.
    fn fixed(&mut self, plain: String) -> Result<Fixed, &'static str> {
        // Writing a text cannot fail.
        let quoted = serde_json::to_string(&plain).unwrap_or_default();
        let json = quoted
            .strip_prefix('"')
            .and_then(|text| text.strip_suffix('"'));
        let json = json.unwrap_or_default().as_bytes().to_vec();
        self.text_bytes += json.len();
        match self.text_bytes <= MAX_TEXT_BYTES {
            true => Ok(Fixed { plain, json }),
            false => Err("a shape has at most 256 KiB of text"),
        }
    }
}
