//! The operations of a run, as they are diced.

use std::fmt;

use super::books::Books;
use super::trouble::Trouble;
use lockgate_tests::dice::Dice;

/// Enough for two requests of a collection and two pages of a query.
const MANY: u64 = 260;

/// What is done to records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verb {
    Create,
    Update,
    Upsert,
    Delete,
}

/// How they are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// As the connector likes, which is by REST for so few.
    Usual,
    AllOrNone,
    Bulk,
    /// By a bulk job with a name, whose host dies now and then.
    Named,
}

/// One operation.
#[derive(Clone, Debug)]
pub(super) enum Action {
    Write {
        verb: Verb,
        way: Way,
        rows: Vec<usize>,
        /// The value that the records get.
        value: i64,
        /// One of them that the org refuses.
        wrong: Option<usize>,
    },
    Query {
        by_bulk: bool,
    },
    Get {
        rows: Vec<usize>,
    },
}

/// One operation and what goes wrong with it.
#[derive(Clone, Debug)]
pub(super) struct Step {
    pub(super) action: Action,
    pub(super) trouble: Trouble,
}

impl Step {
    pub(super) fn any(dice: &mut Dice, books: &mut Books, is_scarce: bool) -> Self {
        let mut trouble = Trouble::any(dice);
        let action = match dice.below(10) {
            0 => Action::Query {
                by_bulk: dice.percent(30),
            },
            1 => Action::Get {
                rows: dice.some_of(&books.which(|entry| entry.id.is_some()), 5),
            },
            _ => write(dice, books, is_scarce),
        };
        if is_scarce {
            // One trouble at a time: there are few calls to play it on.
            trouble = Trouble::default();
        }
        Self { action, trouble }
    }
}

fn write(dice: &mut Dice, books: &mut Books, is_scarce: bool) -> Action {
    let way = match dice.below(10) {
        0..=4 => Way::Usual,
        5 => Way::AllOrNone,
        6 | 7 => Way::Bulk,
        // It could not come to an end.
        _ if is_scarce => Way::Bulk,
        _ => Way::Named,
    };
    let verb = dice.one_of(&[
        Verb::Create,
        Verb::Create,
        Verb::Update,
        Verb::Upsert,
        Verb::Upsert,
        Verb::Delete,
    ]);
    let n = match dice.below(6) {
        0 | 1 => 1,
        5 if way != Way::AllOrNone => MANY,
        _ => 2 + dice.below(8),
    };
    let most = usize::try_from(n).unwrap();
    let mut rows = match verb {
        Verb::Create => books.open(n, false),
        Verb::Upsert => {
            // Some that are there, some that are gone, some that are new.
            let known = books.which(|entry| entry.has_key);
            let mut rows = dice.some_of(&known, most / 2);
            rows.extend(books.open(n - rows.len() as u64, true));
            rows
        }
        Verb::Update | Verb::Delete => {
            let is_any = dice.percent(20);
            let fits = books.which(|entry| match is_any {
                true => entry.id.is_some(),
                false => entry.value.is_some(),
            });
            // Not all of them are deleted at once.
            let most = if verb == Verb::Delete {
                most.min(40)
            } else {
                most
            };
            dice.some_of(&fits, most)
        }
    };
    if rows.is_empty() {
        rows = books.open(1, false);
        return Action::Write {
            verb: Verb::Create,
            way,
            rows,
            value: books.value(),
            wrong: None,
        };
    }
    let wrong = (verb != Verb::Delete && dice.percent(25)).then(|| dice.one_of(&rows));
    Action::Write {
        verb,
        way,
        rows,
        value: books.value(),
        wrong,
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.action {
            Action::Write {
                verb,
                way,
                rows,
                value,
                wrong,
            } => {
                let n = rows.len();
                let some = &rows[..n.min(8)];
                write!(
                    f,
                    "{verb:?} {n} {way:?} {some:?} = {value}, wrong {wrong:?}"
                )?;
            }
            Action::Query { by_bulk } => write!(f, "query, by bulk: {by_bulk}")?,
            Action::Get { rows } => write!(f, "get {rows:?}")?,
        }
        self.trouble.fmt(f)
    }
}
