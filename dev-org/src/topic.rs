//! A channel as somebody may use it, however they are connected.

use std::sync::Arc;

use crate::events::Layout;
use crate::events::channel::{Channel, object_of};
use crate::state::Shared;
use crate::user::User;

/// A channel that somebody may read.
#[derive(Debug)]
pub(crate) struct Topic {
    pub(crate) channel: Channel,
    /// The layout of its events now, where all have the same.
    pub(crate) layout: Option<Arc<Layout>>,
}

impl Topic {
    /// The channel of a name, which has case; nothing when it is not there or
    /// not for this user.
    pub(crate) fn find(shared: &Shared, user: &User, name: &str) -> Option<Self> {
        let schema = Arc::clone(&shared.org().schema);
        let channel = shared.events.channel(&schema, name)?;
        let layout = match &channel {
            Channel::One(event) => {
                let object = object_of(&schema, event)?;
                if !user.object_permissions(&object.name).read {
                    return None;
                }
                shared.events.layout(&schema, object)
            }
            Channel::AllChanges | Channel::Custom(_) => None,
        };
        Some(Self { channel, layout })
    }

    /// Whether events can be published to it by this user.
    pub(crate) fn takes_events(&self, user: &User) -> bool {
        self.layout.as_ref().is_some_and(|layout| {
            !layout.is_change() && user.object_permissions(&layout.object).create
        })
    }
}
