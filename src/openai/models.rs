//! The model list: `GET /models`. <https://platform.openai.com/docs/api-reference/models/list>

use serde::{Deserialize, de::IgnoredAny};

use super::{
    Reply, Terms,
    client::{Answering, Client, PlannedRequest, Unanswered},
    failure::error::Error,
    kind::EndpointKind,
    text::answer::{not_json, unreadable},
    transport::{
        payload::Payload,
        wire::{BorrowedText, Lenient},
    },
};
use crate::model::{ListedModel, ModelId};

/// OpenAI's `data`; others have `models`, or a bare list.
#[derive(Deserialize)]
#[serde(untagged)]
enum ModelListing<'a> {
    Data {
        #[serde(borrow)]
        data: Vec<Lenient<ListedItem<'a>>>,
    },
    Models {
        #[serde(borrow)]
        models: Vec<Lenient<ListedItem<'a>>>,
    },
    Bare(#[serde(borrow)] Vec<Lenient<ListedItem<'a>>>),
}

#[derive(Deserialize)]
struct ListedItem<'a> {
    #[serde(borrow, alias = "name", alias = "model")]
    id: BorrowedText<'a>,
    #[serde(default, borrow)]
    shutdown_date: Lenient<BorrowedText<'a>>,
}

/// The models that the upstream lists; entries that are no models are passed over.
pub(super) async fn list(client: &Client, terms: &Terms) -> Result<Reply<Vec<ListedModel>>, Unanswered> {
    let call = PlannedRequest { kind: EndpointKind::List, path: "models", model: None, payload: Payload::Nothing };
    let Answering { mut body, trail, .. } = client.send(call, terms).await?;
    let models = match body.whole().await {
        Ok(json) => decode(&json),
        Err(error) => Err(error),
    };
    trail.close(models).map_err(Unanswered::Failed)
}

fn decode(json: &[u8]) -> Result<Vec<ListedModel>, Error> {
    serde_json::from_slice::<IgnoredAny>(json).map_err(|error| not_json(&error))?;
    let list = serde_json::from_slice(json).map_err(|_| unreadable("it is no list of models"))?;
    let (ModelListing::Data { data: items } | ModelListing::Models { models: items } | ModelListing::Bare(items)) =
        list;
    Ok(items.into_iter().filter_map(|item| item.0?.read()).collect())
}

impl ListedItem<'_> {
    fn read(&self) -> Option<ListedModel> {
        let retires_on = self.shutdown_date.text().and_then(|date| date.get(..10)?.parse().ok());
        Some(ListedModel { id: ModelId::parse(self.id.trim()).ok()?, retires_on })
    }
}
