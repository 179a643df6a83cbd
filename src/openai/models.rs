//! The model list: `GET /models`. <https://platform.openai.com/docs/api-reference/models/list>

use serde::Deserialize;

use super::{
    Reply, Terms,
    client::{Answering, Call, Client, Unanswered},
    failure::error::Error,
    kind::Kind,
    text::answer::not_json,
    transport::{
        payload::Payload,
        wire::{Lenient, Text},
    },
};
use crate::model::{ListedModel, ModelId};

#[derive(Deserialize)]
struct List<'a> {
    #[serde(borrow)]
    data: Vec<Lenient<Item<'a>>>,
}

#[derive(Deserialize)]
struct Item<'a> {
    #[serde(borrow)]
    id: Text<'a>,
    #[serde(default, borrow)]
    shutdown_date: Lenient<Text<'a>>,
}

/// The models that the upstream lists; entries that are no models are passed over.
pub(super) async fn list(client: &Client, terms: &Terms) -> Result<Reply<Vec<ListedModel>>, Unanswered> {
    let call = Call { kind: Kind::List, path: "models", model: None, payload: Payload::Nothing };
    let Answering { mut body, trail, .. } = client.send(call, terms).await?;
    let models = match body.whole().await {
        Ok(json) => decode(&json),
        Err(error) => Err(error),
    };
    trail.close(models).map_err(Unanswered::Failed)
}

fn decode(json: &[u8]) -> Result<Vec<ListedModel>, Error> {
    let list: List<'_> = serde_json::from_slice(json).map_err(|error| not_json(&error))?;
    Ok(list.data.into_iter().filter_map(|item| item.0?.read()).collect())
}

impl Item<'_> {
    fn read(&self) -> Option<ListedModel> {
        let retires_on = self.shutdown_date.text().and_then(|date| date.get(..10)?.parse().ok());
        Some(ListedModel { id: ModelId::parse(&self.id).ok()?, retires_on })
    }
}
