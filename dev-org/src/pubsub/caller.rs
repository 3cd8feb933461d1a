//! Who calls: the session, the org's address and its id, which every call has in
//! its metadata.

use std::sync::Arc;

use hyper::HeaderMap;
use tonic::{Code, Status};

use super::answer;
use crate::id;
use crate::state::Shared;
use crate::user::User;

/// A caller with a session.
#[derive(Clone, Debug)]
pub(super) struct Caller {
    token: String,
    pub(super) user: Arc<User>,
}

impl Caller {
    /// The caller of a request.
    pub(super) fn of(shared: &Shared, headers: &HeaderMap) -> Result<Self, Status> {
        let header = |name: &str| {
            let value = headers.get(name).and_then(|value| value.to_str().ok());
            let missing = || {
                let message = format!("The metadata has no {name}.");
                answer::unauthenticated(&message)
            };
            value.filter(|value| !value.is_empty()).ok_or_else(missing)
        };
        let (token, url, tenant) = (
            header("accesstoken")?,
            header("instanceurl")?,
            header("tenantid")?,
        );
        if url.trim_end_matches('/') != shared.base_url {
            return Err(answer::unauthenticated(
                "The instance URL is another org's.",
            ));
        }
        if !id::same(tenant, shared.organization_id()) {
            return Err(answer::unauthenticated("The tenant id is another org's."));
        }
        Self::of_token(shared, token)
            .ok_or_else(|| answer::unauthenticated("The access token is invalid or expired."))
    }

    fn of_token(shared: &Shared, token: &str) -> Option<Self> {
        let now_ms = shared.clock.now_ms();
        let session = shared.oauth().session(token, now_ms)?;
        let user = session
            .has_scope(&["api"])
            .then(|| shared.org().user(&session.username))??;
        Some(Self {
            token: token.to_owned(),
            user,
        })
    }

    /// Whether the session still lives. Using a stream keeps it alive.
    pub(super) fn check(&self, shared: &Shared) -> Result<(), Status> {
        match Self::of_token(shared, &self.token) {
            Some(_) => Ok(()),
            None => Err(answer::unauthenticated("The session has ended.")),
        }
    }

    /// Goes on with another session, when a message brings one.
    pub(super) fn refresh(&mut self, shared: &Shared, token: &str) -> Result<(), Status> {
        if token.is_empty() {
            return Ok(());
        }
        *self = Self::of_token(shared, token).ok_or_else(|| {
            answer::refused(
                Code::Unauthenticated,
                "service.auth.refresh.invalid",
                "The refreshed authentication is invalid.",
            )
        })?;
        Ok(())
    }
}
