//! `mcp-openai models`: the catalogue, merged with what the upstream lists.

use std::{
    fmt::Write as _,
    io::{self, Write},
    process::ExitCode,
    time::Duration,
};

use chrono::NaiveDate;
use serde::Serialize;
use tokio::time::Instant;

use super::table;
use crate::{
    app::App,
    catalogue::{Catalogue, Entry, Kind, Price},
    model::ModelId,
    news::News,
    openai::{Failure, ListedModel, Reply, Terms},
};

/// The longest wait for the upstream.
const PATIENCE: Duration = Duration::from_secs(15);

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Print one JSON object instead of a table
    #[arg(long)]
    json: bool,
}

/// # Errors
/// When stdout cannot be written to.
pub async fn run(args: Args, app: App) -> anyhow::Result<ExitCode> {
    let listed = match ask_upstream(&app).await {
        Ok(reply) => Some(reply.value),
        Err(failure) => {
            let _ = writeln!(io::stderr(), "mcp-openai: the upstream's list is missing here: {failure}");
            None
        }
    };
    let models = Models::merge(&app.catalogue, listed.as_deref());
    let text = if args.json { serde_json::to_string_pretty(&models)? + "\n" } else { models.table() };
    io::stdout().write_all(text.as_bytes())?;
    Ok(ExitCode::SUCCESS)
}

/// What the upstream lists.
///
/// # Errors
/// When it cannot be asked.
pub(super) async fn ask_upstream(app: &App) -> Result<Reply<Vec<ListedModel>>, Failure> {
    let terms = Terms { deadline: Instant::now() + PATIENCE, news: News::unheard() };
    app.openai.models(&terms).await
}

/// The day from which a model no longer answers: the upstream's word goes before the catalogue's.
pub(super) fn retirement(listed: Option<&ListedModel>, entry: Option<&Entry>) -> Option<NaiveDate> {
    listed.and_then(|model| model.retires_on).or_else(|| entry?.retires_on)
}

#[derive(Debug, Serialize)]
struct Models {
    models: Vec<Model>,
    /// The day the prices were read, as `YYYY-MM-DD`.
    prices_as_of: String,
}

#[derive(Debug, Serialize)]
struct Model {
    id: ModelId,
    /// Absent: only the upstream knows it.
    #[serde(skip_serializing_if = "Option::is_none")]
    kind: Option<Kind>,
    default: bool,
    /// Whether the upstream lists it; absent when it was not asked or the id is a pattern.
    #[serde(skip_serializing_if = "Option::is_none")]
    listed: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    retires_on: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    replaced_by: Option<ModelId>,
    /// US dollars per million tokens.
    #[serde(skip_serializing_if = "Option::is_none")]
    price: Option<Price>,
}

impl Models {
    /// The catalogue's entries in their order, then what only the upstream lists.
    fn merge(catalogue: &Catalogue, listed: Option<&[ListedModel]>) -> Self {
        let known = catalogue.entries().map(|entry| Model::of(entry, catalogue, listed));
        let is_new = |model: &&ListedModel| catalogue.entries().all(|entry| entry.id != model.id);
        let new = listed.unwrap_or_default().iter().filter(is_new).map(|model| Model::only_listed(model, catalogue));
        Self { models: known.chain(new).collect(), prices_as_of: catalogue.prices_as_of().to_string() }
    }

    fn table(&self) -> String {
        let head =
            ["id", "kind", "default", "listed", "retires", "replaced by", "USD per million tokens"].map(str::to_owned);
        let rows: Vec<_> = [head].into_iter().chain(self.models.iter().map(Model::row)).collect();
        let mut table = table::columns(&rows);
        let _ = writeln!(table, "\nAn id that ends in `*` stands for all that start so.");
        let _ = writeln!(table, "Prices as of {}; no price: not known, and no cost is shown.", self.prices_as_of);
        table
    }
}

impl Model {
    fn of(entry: &Entry, catalogue: &Catalogue, listed: Option<&[ListedModel]>) -> Self {
        let upstream = listed.map(|listed| listed.iter().find(|model| model.id == entry.id));
        let listed = upstream.filter(|_| !entry.is_pattern()).map(|model| model.is_some());
        Self { listed, ..Self::merge(&entry.id, Some(entry), upstream.flatten(), catalogue) }
    }

    /// A model of the upstream; a pattern or the model of its snapshot may still say what it is.
    fn only_listed(model: &ListedModel, catalogue: &Catalogue) -> Self {
        let known = Self::merge(&model.id, catalogue.find(&model.id), Some(model), catalogue);
        Self { listed: Some(true), ..known }
    }

    fn merge(id: &ModelId, entry: Option<&Entry>, listed: Option<&ListedModel>, catalogue: &Catalogue) -> Self {
        Self {
            id: id.clone(),
            kind: entry.map(|entry| entry.kind),
            default: [Kind::Text, Kind::Image].iter().any(|kind| catalogue.default(*kind) == Some(id)),
            listed: None,
            retires_on: retirement(listed, entry).as_ref().map(NaiveDate::to_string),
            replaced_by: entry.and_then(|entry| entry.replaced_by.clone()),
            price: entry.and_then(|entry| entry.price),
        }
    }

    fn row(&self) -> [String; 7] {
        let kind = self.kind.map(|kind| match kind {
            Kind::Text => "text",
            Kind::Image => "image",
        });
        let listed = self.listed.map(|listed| if listed { "yes" } else { "no" });
        [
            self.id.to_string(),
            kind.unwrap_or("-").to_owned(),
            if self.default { "yes" } else { "-" }.to_owned(),
            listed.unwrap_or("-").to_owned(),
            self.retires_on.clone().unwrap_or_else(|| "-".to_owned()),
            self.replaced_by.as_ref().map_or_else(|| "-".to_owned(), ToString::to_string),
            self.price.as_ref().map_or_else(|| "-".to_owned(), rates),
        ]
    }
}

fn rates(price: &Price) -> String {
    format!("{} in, {} out", price.input.dollars(), price.output.dollars())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalogue;

    fn listed(id: &str, retires_on: Option<NaiveDate>) -> ListedModel {
        ListedModel { id: ModelId::parse(id).unwrap(), retires_on }
    }

    fn catalogue() -> Catalogue {
        Catalogue::build(catalogue::Config::default(), catalogue::Today::At("2026-11-22".parse().unwrap())).unwrap()
    }

    #[test]
    fn the_table_has_catalogue_and_upstream() {
        let upstream = [
            listed("gpt-6.2-sol", NaiveDate::from_ymd_opt(2027, 9, 1)),
            listed("gpt-4o-2024-08-06", None),
            listed("whisper-9", None),
        ];
        insta::assert_snapshot!(Models::merge(&catalogue(), Some(&upstream)).table());
    }

    #[test]
    fn without_an_upstream_nothing_is_said_of_what_it_lists() {
        let models = Models::merge(&catalogue(), None);
        assert!(models.models.iter().all(|model| model.listed.is_none()));
        insta::assert_json_snapshot!(models.models.first());
    }
}
