//! What topics and schemas there are.

use std::sync::Arc;

use tonic::{Code, Status};

use super::answer;
use super::caller::Caller;
use super::messages::{SchemaInfo, SchemaRequest, TopicInfo, TopicRequest};
use crate::events::Layout;
use crate::events::channel::{Channel, object_of};
use crate::state::Shared;
use crate::user::User;

/// A topic that somebody may read.
#[derive(Debug)]
pub(super) struct Topic {
    pub(super) channel: Channel,
    /// The layout of its events now, where all have the same.
    pub(super) layout: Option<Arc<Layout>>,
}

impl Topic {
    /// The topic of a name, which has case.
    pub(super) fn find(shared: &Shared, user: &User, name: &str) -> Result<Self, Status> {
        let org = shared.org();
        let schema = Arc::clone(&org.schema);
        drop(org);
        let no_topic = || answer::no_topic(name);
        let channel = shared.events.channel(&schema, name).ok_or_else(no_topic)?;
        let layout = match &channel {
            Channel::One(event) => {
                let object = object_of(&schema, event);
                let readable = object.filter(|object| user.object_permissions(&object.name).read);
                let object = readable.ok_or_else(no_topic)?;
                shared.events.layout(&schema, object)
            }
            Channel::AllChanges | Channel::Custom(_) => None,
        };
        Ok(Self { channel, layout })
    }

    /// Whether events can be published to it by this user.
    pub(super) fn takes_events(&self, user: &User) -> bool {
        self.layout.as_ref().is_some_and(|layout| {
            !layout.is_change() && user.object_permissions(&layout.object).create
        })
    }
}

/// `GetTopic`
pub(super) fn info(
    shared: &Shared,
    caller: &Caller,
    asked: TopicRequest,
) -> Result<TopicInfo, Status> {
    let topic = Topic::find(shared, &caller.user, &asked.topic_name)?;
    Ok(TopicInfo {
        topic_name: asked.topic_name,
        tenant_guid: shared.organization_id().to_owned(),
        can_publish: topic.takes_events(&caller.user),
        can_subscribe: true,
        // A topic of several events has none.
        schema_id: topic
            .layout
            .map_or_else(String::new, |layout| layout.id.clone()),
        rpc_id: crate::random::new_uuid(),
    })
}

/// `GetSchema`
pub(super) fn schema(shared: &Shared, asked: SchemaRequest) -> Result<SchemaInfo, Status> {
    let layout = shared.events.layout_of_id(&asked.schema_id);
    let layout = layout.ok_or_else(|| {
        answer::refused(
            Code::NotFound,
            "schema.not.found",
            "There is no schema of this id.",
        )
    })?;
    Ok(SchemaInfo {
        schema_json: layout.json.clone(),
        schema_id: asked.schema_id,
        rpc_id: crate::random::new_uuid(),
    })
}
