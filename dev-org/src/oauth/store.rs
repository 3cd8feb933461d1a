//! Who is logged in: codes that wait to be exchanged, sessions, and refresh
//! tokens with the family of tokens that grew out of one approval.

use std::collections::{BTreeMap, HashMap, VecDeque};

use super::app::App;
use crate::random;

/// A code lives for 15 minutes.
const CODE_MS: i64 = 15 * 60 * 1000;

/// The sixth approval of a user for an app ends the oldest.
const APPROVALS: usize = 5;

/// A login that the authorize page is in the middle of.
#[derive(Clone, Debug)]
pub(crate) struct Pending {
    pub(crate) client_id: String,
    pub(crate) redirect_uri: String,
    pub(crate) scopes: Vec<String>,
    pub(crate) state: Option<String>,
    pub(crate) challenge: Option<String>,
    pub(crate) nonce: Option<String>,
    /// Set when the password was right.
    pub(crate) username: Option<String>,
}

/// An approved login that waits for its app to fetch the tokens.
#[derive(Clone, Debug)]
pub(crate) struct Code {
    pub(crate) login: Pending,
    pub(crate) username: String,
    issued_ms: i64,
}

/// A session, found by its access token.
#[derive(Clone, Debug)]
pub(crate) struct Session {
    pub(crate) username: String,
    pub(crate) client_id: String,
    pub(crate) scopes: Vec<String>,
    pub(crate) issued_ms: i64,
    /// Requests push the end of a session back.
    pub(crate) used_ms: i64,
    family: Option<u64>,
}

impl Session {
    pub(crate) fn has_scope(&self, wanted: &[&str]) -> bool {
        self.scopes
            .iter()
            .any(|scope| scope == "full" || wanted.contains(&scope.as_str()))
    }
}

/// What grew out of one approval: one refresh token at a time and its sessions.
#[derive(Clone, Debug)]
pub(crate) struct Family {
    pub(crate) username: String,
    pub(crate) client_id: String,
    pub(crate) scopes: Vec<String>,
    pub(crate) issued_ms: i64,
    current: String,
}

/// What a revocation has hit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Revoked {
    Session,
    Family,
    Nothing,
}

/// The whole state of logins.
#[derive(Debug, Default)]
pub(crate) struct Store {
    pub(crate) apps: BTreeMap<String, App>,
    pub(crate) rotate: bool,
    pub(crate) session_ms: i64,
    pending: HashMap<String, Pending>,
    codes: HashMap<String, Code>,
    sessions: HashMap<String, Session>,
    families: BTreeMap<u64, Family>,
    /// Every refresh token ever issued, so that a used one is recognised.
    refresh_tokens: HashMap<String, u64>,
    /// Approvals by user and app, oldest first.
    approvals: HashMap<(String, String), VecDeque<u64>>,
    last_family: u64,
}

impl Store {
    pub(crate) fn hold(&mut self, login: Pending) -> String {
        let ticket = random::token(24);
        self.pending.insert(ticket.clone(), login);
        ticket
    }

    pub(crate) fn pending(&mut self, ticket: &str) -> Option<&mut Pending> {
        self.pending.get_mut(ticket)
    }

    pub(crate) fn finish(&mut self, ticket: &str) -> Option<Pending> {
        self.pending.remove(ticket)
    }

    /// A code ends in `==` as Salesforce's do, so that a client that forgets
    /// to decode `%3D%3D` is found out.
    pub(crate) fn issue_code(&mut self, login: Pending, username: &str, now_ms: i64) -> String {
        let code = format!("aPrx{}==", random::token(42));
        let username = username.to_owned();
        self.codes.insert(
            code.clone(),
            Code {
                login,
                username,
                issued_ms: now_ms,
            },
        );
        code
    }

    /// Takes a code out: whatever comes of it, it was used.
    pub(crate) fn take_code(&mut self, code: &str, now_ms: i64) -> Option<Code> {
        self.codes
            .remove(code)
            .filter(|code| now_ms - code.issued_ms < CODE_MS)
    }

    /// Opens a family and answers with its first refresh token.
    pub(crate) fn approve(
        &mut self,
        username: &str,
        client_id: &str,
        scopes: &[String],
        now_ms: i64,
    ) -> (u64, String) {
        self.last_family += 1;
        let family = self.last_family;
        let token = new_refresh_token();
        self.refresh_tokens.insert(token.clone(), family);
        self.families.insert(
            family,
            Family {
                username: username.to_owned(),
                client_id: client_id.to_owned(),
                scopes: scopes.to_vec(),
                issued_ms: now_ms,
                current: token.clone(),
            },
        );
        let approvals = self
            .approvals
            .entry((username.to_owned(), client_id.to_owned()))
            .or_default();
        approvals.push_back(family);
        if approvals.len() > APPROVALS
            && let Some(oldest) = approvals.pop_front()
        {
            self.end_family(oldest);
        }
        (family, token)
    }

    /// Whether this user has approved this app and not taken it back.
    pub(crate) fn has_approved(&self, username: &str, client_id: &str) -> bool {
        self.families
            .values()
            .any(|family| family.username == username && family.client_id == client_id)
    }

    /// The family a refresh token belongs to. A token that was rotated away
    /// ends its whole family: either the caller or a thief has the other one.
    pub(crate) fn refresh(&mut self, token: &str) -> Option<(u64, Family)> {
        let id = *self.refresh_tokens.get(token)?;
        let family = self.families.get(&id)?.clone();
        if family.current != token {
            self.end_family(id);
            return None;
        }
        Some((id, family))
    }

    /// Replaces the family's refresh token when rotation is on.
    pub(crate) fn rotate(&mut self, family: u64) -> Option<String> {
        if !self.rotate {
            return None;
        }
        let token = new_refresh_token();
        self.families.get_mut(&family)?.current.clone_from(&token);
        self.refresh_tokens.insert(token.clone(), family);
        Some(token)
    }

    pub(crate) fn open_session(
        &mut self,
        organization_id: &str,
        mut session: Session,
        family: Option<u64>,
    ) -> String {
        session.family = family;
        // Tokens carry the organization's id with 15 characters.
        let organization: String = organization_id.chars().take(15).collect();
        let token = format!("{organization}!{}", random::token(72));
        self.sessions.insert(token.clone(), session);
        token
    }

    /// The session of an access token, if it is still alive.
    pub(crate) fn session(&mut self, token: &str, now_ms: i64) -> Option<Session> {
        let alive = self
            .sessions
            .get_mut(token)
            .filter(|session| now_ms - session.used_ms < self.session_ms)
            .map(|session| {
                session.used_ms = session.used_ms.max(now_ms);
                session.clone()
            });
        if alive.is_none() {
            self.sessions.remove(token);
        }
        alive
    }

    /// The same without pushing its end back: asking about a session is not
    /// using it.
    pub(crate) fn peek(&self, token: &str, now_ms: i64) -> Option<Session> {
        self.sessions
            .get(token)
            .filter(|session| now_ms - session.used_ms < self.session_ms)
            .cloned()
    }

    /// A refresh token that still works, without using it.
    pub(crate) fn family_of(&self, refresh_token: &str) -> Option<&Family> {
        let family = self.families.get(self.refresh_tokens.get(refresh_token)?)?;
        (family.current == refresh_token).then_some(family)
    }

    /// Access tokens that are alive, and all refresh tokens.
    pub(crate) fn tokens(&self) -> Vec<String> {
        let sessions = self.sessions.keys();
        sessions
            .chain(self.refresh_tokens.keys())
            .cloned()
            .collect()
    }

    /// Revokes an access token, or a refresh token and all that came from it.
    pub(crate) fn revoke(&mut self, token: &str) -> Revoked {
        if self.sessions.remove(token).is_some() {
            return Revoked::Session;
        }
        match self.refresh_tokens.get(token).copied() {
            Some(family) if self.families.contains_key(&family) => {
                self.end_family(family);
                Revoked::Family
            }
            _ => Revoked::Nothing,
        }
    }

    /// Ends sessions: one token's, one user's, or all. Refresh tokens stay.
    pub(crate) fn expire(&mut self, token: Option<&str>, username: Option<&str>) -> usize {
        let before = self.sessions.len();
        self.sessions.retain(|key, session| {
            let hit = token.is_none_or(|token| token == key)
                && username.is_none_or(|username| username == session.username);
            !hit
        });
        before - self.sessions.len()
    }

    /// Kills refresh tokens: one, one user's, or all. Sessions stay, as when
    /// an administrator blocks an app while people are at work.
    pub(crate) fn kill_refresh(&mut self, token: Option<&str>, username: Option<&str>) -> usize {
        let of_token = token.map(|token| self.refresh_tokens.get(token).copied());
        let before = self.families.len();
        self.families.retain(|id, family| {
            let hit = of_token.is_none_or(|wanted| wanted == Some(*id))
                && username.is_none_or(|username| username == family.username);
            !hit
        });
        before - self.families.len()
    }

    fn end_family(&mut self, family: u64) {
        self.families.remove(&family);
        self.sessions
            .retain(|_, session| session.family != Some(family));
    }
}

impl Session {
    pub(crate) fn new(username: &str, client_id: &str, scopes: &[String], now_ms: i64) -> Self {
        Self {
            username: username.to_owned(),
            client_id: client_id.to_owned(),
            scopes: scopes.to_vec(),
            issued_ms: now_ms,
            used_ms: now_ms,
            family: None,
        }
    }
}

fn new_refresh_token() -> String {
    format!("5Aep861{}", random::token(60))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn store() -> Store {
        Store {
            session_ms: 1000,
            rotate: true,
            ..Store::default()
        }
    }

    fn session() -> Session {
        Session::new("ada@example.com", "app", &["api".to_owned()], 0)
    }

    #[test]
    fn a_request_pushes_the_end_of_a_session_back() {
        let mut store = store();
        let token = store.open_session("00D000000000001AAA", session(), None);
        assert!(token.starts_with("00D000000000001!"));
        assert!(store.session(&token, 900).is_some());
        assert!(store.session(&token, 1800).is_some());
        assert!(store.session(&token, 2800).is_none());
    }

    #[test]
    fn a_rotated_refresh_token_that_comes_back_ends_its_family() {
        let mut store = store();
        let (family, first) = store.approve("ada@example.com", "app", &[], 0);
        let access = store.open_session("00D000000000001AAA", session(), Some(family));
        let (family, _) = store.refresh(&first).unwrap();
        let second = store.rotate(family).unwrap();
        assert!(store.refresh(&first).is_none());
        assert!(store.refresh(&second).is_none());
        assert!(store.session(&access, 1).is_none());
    }

    #[test]
    fn the_sixth_approval_ends_the_oldest() {
        let mut store = store();
        let tokens: Vec<String> = (0..6)
            .map(|_| store.approve("ada@example.com", "app", &[], 0).1)
            .collect();
        assert!(store.refresh(&tokens[0]).is_none());
        assert!(store.refresh(&tokens[1]).is_some());
    }

    #[test]
    fn a_code_works_once_and_for_15_minutes() {
        let mut store = store();
        let login = Pending {
            client_id: "app".to_owned(),
            redirect_uri: "http://localhost/".to_owned(),
            scopes: vec![],
            state: None,
            challenge: None,
            nonce: None,
            username: None,
        };
        let code = store.issue_code(login.clone(), "ada@example.com", 0);
        assert!(store.take_code(&code, CODE_MS - 1).is_some());
        assert!(store.take_code(&code, CODE_MS - 1).is_none());
        let late = store.issue_code(login, "ada@example.com", 0);
        assert!(store.take_code(&late, CODE_MS).is_none());
    }
}
