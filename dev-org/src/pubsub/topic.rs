//! What topics and schemas there are.

use tonic::{Code, Status};

use super::answer;
use super::caller::Caller;
use super::messages::{SchemaInfo, SchemaRequest, TopicInfo, TopicRequest};
use crate::state::Shared;
use crate::topic::Topic;

/// `GetTopic`
pub(super) fn info(
    shared: &Shared,
    caller: &Caller,
    asked: TopicRequest,
) -> Result<TopicInfo, Status> {
    let topic = Topic::find(shared, &caller.user, &asked.topic_name);
    let topic = topic.ok_or_else(|| answer::no_topic(&asked.topic_name))?;
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
