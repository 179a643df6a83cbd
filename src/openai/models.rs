//! The model list: `GET /models`. <https://platform.openai.com/docs/api-reference/models/list>

use serde::{Deserialize, de::IgnoredAny};

use super::{
    Reply, Terms,
    client::{Answering, Call, Client, Unanswered},
    failure::error::Error,
    kind::Kind,
    text::answer::{not_json, unreadable},
    transport::{
        payload::Payload,
        wire::{Lenient, Text},
    },
};
use crate::model::{ListedModel, ModelId};

/// OpenAI's `data`; others have `models`, or a bare list.
#[derive(Deserialize)]
#[serde(untagged)]
enum List<'a> {
    Data {
        #[serde(borrow)]
        data: Vec<Lenient<Item<'a>>>,
    },
    Models {
        #[serde(borrow)]
        models: Vec<Lenient<Item<'a>>>,
    },
    Bare(#[serde(borrow)] Vec<Lenient<Item<'a>>>),
}

#[derive(Deserialize)]
struct Item<'a> {
    #[serde(borrow, alias = "name", alias = "model")]
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
    serde_json::from_slice::<IgnoredAny>(json).map_err(|error| not_json(&error))?;
    let list = serde_json::from_slice(json).map_err(|_| unreadable("it is no list of models"))?;
    let (List::Data { data: items } | List::Models { models: items } | List::Bare(items)) = list;
    Ok(items.into_iter().filter_map(|item| item.0?.read()).collect())
}

impl Item<'_> {
    fn read(&self) -> Option<ListedModel> {
        let retires_on = self.shutdown_date.text().and_then(|date| date.get(..10)?.parse().ok());
        Some(ListedModel { id: ModelId::parse(self.id.trim()).ok()?, retires_on })
    }
}
