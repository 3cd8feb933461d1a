//! Query locators: results that wait to be fetched page by page. A user has
//! ten of them; the eleventh pushes the oldest out.

use std::collections::{HashMap, VecDeque};

use crate::random;
use crate::soql::Answer;

/// Open results of one user.
const OPEN: usize = 10;

/// A result that nobody fetches is forgotten after two days.
const LIFE_MS: i64 = 2 * 24 * 60 * 60 * 1000;

/// The result of one statement with the children that did not fit.
#[derive(Debug)]
struct Cursor {
    id: String,
    answer: Answer,
    children: Vec<(String, Answer)>,
    size: usize,
    opened_ms: i64,
    /// Its last page has been written. It stays for clients that ask for that
    /// page again, but is the first to go.
    exhausted: bool,
}

/// A result found by its locator.
#[derive(Clone, Debug)]
pub(crate) struct Found {
    pub(crate) id: String,
    pub(crate) answer: Answer,
    pub(crate) size: usize,
    pub(crate) from: usize,
}

/// All open results by username, oldest first.
#[derive(Debug, Default)]
pub(crate) struct Locators {
    users: HashMap<String, VecDeque<Cursor>>,
}

/// An id as a locator begins with.
pub(crate) fn new_id() -> String {
    let letters: String = random::token(16)
        .chars()
        .filter(char::is_ascii_alphanumeric)
        .chain(std::iter::repeat('A'))
        .take(13)
        .collect();
    format!("0r8xx{letters}")
}

impl Locators {
    /// Keeps a result.
    pub(crate) fn open(
        &mut self,
        username: &str,
        id: &str,
        answer: Answer,
        size: usize,
        now_ms: i64,
    ) {
        let cursors = self.users.entry(username.to_owned()).or_default();
        cursors.retain(|cursor| now_ms - cursor.opened_ms < LIFE_MS);
        if cursors.len() >= OPEN {
            let spent = cursors.iter().position(|cursor| cursor.exhausted);
            cursors.remove(spent.unwrap_or(0));
        }
        cursors.push_back(Cursor {
            id: id.to_owned(),
            answer,
            children: Vec::new(),
            size,
            opened_ms: now_ms,
            exhausted: false,
        });
    }

    /// Keeps children that did not fit with the result they belong to.
    pub(crate) fn add_children(
        &mut self,
        username: &str,
        id: &str,
        children: Vec<(String, Answer)>,
    ) {
        if let Some(cursor) = self.cursor(username, id) {
            cursor.children.extend(children);
        }
    }

    /// Notes that the last page of a result was written.
    pub(crate) fn exhaust(&mut self, username: &str, id: &str) {
        if let Some(cursor) = self.cursor(username, id) {
            // Children are still to be fetched under the same result.
            cursor.exhausted = cursor.children.is_empty();
        }
    }

    /// Finds `0r8...-2000`.
    pub(crate) fn find(&self, username: &str, locator: &str, now_ms: i64) -> Option<Found> {
        let (id, from) = locator.rsplit_once('-')?;
        let from: usize = from.parse().ok()?;
        let cursors = self.users.get(username)?.iter();
        let mut alive = cursors.filter(|cursor| now_ms - cursor.opened_ms < LIFE_MS);
        let (cursor, answer) = alive.find_map(|cursor| {
            if cursor.id == id {
                return Some((cursor, &cursor.answer));
            }
            let child = cursor.children.iter().find(|(child, _)| child == id)?;
            Some((cursor, &child.1))
        })?;
        (from < answer.total()).then(|| Found {
            id: id.to_owned(),
            answer: answer.clone(),
            size: cursor.size,
            from,
        })
    }

    fn cursor(&mut self, username: &str, id: &str) -> Option<&mut Cursor> {
        self.users
            .get_mut(username)?
            .iter_mut()
            .find(|cursor| cursor.id == id)
    }
}
