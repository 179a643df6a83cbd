//! The model list: `GET /models`. <https://platform.openai.com/docs/api-reference/models/list>

use serde_json::Value;

use super::{
    Reply, Terms,
    client::{Answering, Client, PlannedRequest, Unanswered},
    failure::{complaint::Complaint, error::Error},
    kind::EndpointKind,
    text::answer::{not_json, unreadable},
    transport::payload::Payload,
};
use crate::model::{ListedModel, ModelId};

/// The models that the upstream lists; entries that are no models are passed over.
pub(super) async fn list(client: &Client, terms: &Terms) -> Result<Reply<Vec<ListedModel>>, Unanswered> {
    let call = PlannedRequest { kind: EndpointKind::List, path: "models", model: None, payload: Payload::Nothing };
    let Answering { mut body, trail, .. } = client.send(call, &mut 0, terms).await?;
    let whole = body.whole().await;
    let models = whole.and_then(|json| body.refuse_packed(&json).and_then(|()| decode(&json)));
    trail.close(models).map_err(Unanswered::Failed)
}

fn decode(json: &[u8]) -> Result<Vec<ListedModel>, Error> {
    let value = serde_json::from_slice(json).map_err(|error| not_json(&error))?;
    let complaint = || Complaint::find(&value).map(|complaint| complaint.inside_200());
    listed(&value).ok_or_else(|| complaint().unwrap_or_else(|| unreadable("it is not a list of models")))
}

/// Reads OpenAI's `data`, the `models` of others, a bare list, or a map by ids; `None` where there is none of them.
fn listed(value: &Value) -> Option<Vec<ListedModel>> {
    const LISTS: [&str; 5] = ["data", "models", "model_list", "result", "items"];
    match value {
        Value::Array(items) => Some(items.iter().filter_map(|item| model(item, "")).collect()),
        Value::Object(fields) => {
            if let Some(list) = LISTS.iter().find_map(|name| fields.get(*name)) {
                return if list.is_null() { Some(Vec::new()) } else { listed(list) };
            }
            if let Some(alone) = model(value, "") {
                return Some(vec![alone]);
            }
            let is_map = fields.values().all(Value::is_object) && !fields.contains_key("error");
            is_map.then(|| fields.iter().filter_map(|(id, item)| model(item, id)).collect())
        }
        Value::String(_) | Value::Null | Value::Bool(_) | Value::Number(_) => None,
    }
}

/// Reads an entry, which is an id or an object that has one; `key` is its id where it names none.
fn model(item: &Value, key: &str) -> Option<ListedModel> {
    let named = || ["id", "name", "model"].iter().find_map(|name| item.get(*name)?.as_str());
    let id = item.as_str().or_else(named).unwrap_or(key);
    let shutdown = item.get("shutdown_date").and_then(Value::as_str);
    let retires_on = shutdown.and_then(|date| date.get(..10)?.parse().ok());
    Some(ListedModel { id: ModelId::parse(id.trim()).ok()?, retires_on })
}
