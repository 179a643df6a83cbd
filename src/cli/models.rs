//! `mcp-openai models`: the catalogue, merged with what the upstream lists.

use std::{
    borrow::Borrow,
    fmt::Write as _,
    io::{self, Write},
    process::ExitCode,
    sync::Arc,
    time::Duration,
};

use chrono::{DateTime, NaiveDate, Utc};
use serde::Serialize;

use super::table::{self, Cut, Width};
use crate::{
    app::App,
    catalogue::{Catalogue, CatalogueRole, Lesson, ModelKind, Overview, Price, Rates},
    model::ModelId,
    money::Usd,
    tools::list_models::{Makes, Model, ModelGroup, Models, PerMillion},
};

/// The longest wait for the upstream.
pub(super) const PATIENCE: Duration = Duration::from_secs(15);

#[derive(Debug, clap::Args)]
#[allow(missing_docs, reason = "the help says it")]
pub struct Args {
    /// Include retired models, with their replacements
    #[arg(long)]
    all: bool,
    /// Print one JSON object with all of them instead of tables
    #[arg(long)]
    json: bool,
}

/// # Errors
/// When stdout cannot be written to.
pub async fn run(args: Args, app: App) -> anyhow::Result<ExitCode> {
    if let Err(why) = app.list_models.upkeep.refresh(PATIENCE).await {
        let age = match app.catalogue.listing() {
            Some(listing) => format!("of {}", listing.read_at.format("%Y-%m-%d %H:%M UTC")),
            None => "missing here".to_owned(),
        };
        // No failure: the catalogue answers without the upstream, and says of what age its list is.
        let _ = writeln!(io::stderr(), "mcp-openai: the upstream's list is {age}: {why}");
    }
    let report = ModelsReport::of(&app.catalogue);
    let text = if args.json {
        serde_json::to_string_pretty(&report)? + "\n"
    } else if args.all {
        report.table(Width::of_stdout())
    } else {
        choices(&app.list_models.models(None, None), Width::of_stdout()) + &report.notes(Width::of_stdout())
    };
    io::stdout().write_all(text.as_bytes())?;
    Ok(ExitCode::SUCCESS)
}

#[derive(Debug, Serialize)]
struct ModelsReport {
    models: Vec<ModelRow>,
    /// Names that can be given instead of an id.
    roles: Vec<CatalogueRole>,
    /// Lessons of the upstream's refusals.
    lessons: Vec<Lesson>,
    /// The day the prices were read, as `YYYY-MM-DD`.
    prices_as_of: String,
    /// When the upstream's list was read; absent: never.
    #[serde(skip_serializing_if = "Option::is_none")]
    listed_at: Option<DateTime<Utc>>,
}

#[derive(Debug, Serialize)]
struct ModelRow {
    id: ModelId,
    /// Absent: only the upstream knows it.
    #[serde(skip_serializing_if = "Option::is_none")]
    kind: Option<ModelKind>,
    default: bool,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    roles: Vec<String>,
    /// True if the upstream lists it; absent when it was not asked or the id is a pattern.
    #[serde(skip_serializing_if = "Option::is_none")]
    listed: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    retires_on: Option<NaiveDate>,
    #[serde(skip_serializing_if = "Option::is_none")]
    replaced_by: Option<ModelId>,
    /// US dollars per million tokens.
    #[serde(skip_serializing_if = "Option::is_none")]
    price: Option<Price>,
}

impl ModelsReport {
    fn of(catalogue: &Catalogue) -> Self {
        Self {
            models: catalogue.overview().into_iter().map(ModelRow::of).collect(),
            roles: catalogue.roles().collect(),
            lessons: catalogue.lessons(),
            prices_as_of: catalogue.prices_as_of().to_string(),
            listed_at: catalogue.listing().map(|listing| listing.read_at),
        }
    }

    fn table(&self, width: Width) -> String {
        const CUTS: [Cut; 6] = [Cut::Start(20), Cut::Never, Cut::Never, Cut::End(12), Cut::Never, Cut::Never];
        let mut text = String::new();
        for (kind, what) in [(ModelKind::Text, "Text"), (ModelKind::Image, "Pictures")] {
            let head = ["id", "listed", "retires", "replaced by", "in", "out"].map(str::to_owned);
            let models = self.models.iter().filter(|model| model.kind == Some(kind));
            let mut rows: Vec<_> = [head].into_iter().chain(models.map(ModelRow::row)).collect();
            table::align_right(&mut rows, 4..6);
            let _ = writeln!(text, "{what}\n{}", table::fitted(&rows, CUTS, width));
        }
        let unknown = self.models.iter().filter(|model| model.kind.is_none()).map(|model| model.id.as_str());
        let unknown: Vec<_> = unknown.collect();
        if !unknown.is_empty() {
            text.push_str(&also_listed(&unknown, width));
        }
        text.trim_end_matches('\n').to_owned()
            + "\n"
            + &self.notes(width)
            + "An id that ends in `*` stands for every id that starts like it.\n"
    }

    /// Notes on lessons, and on reading the tables.
    fn notes(&self, width: Width) -> String {
        let mut table = String::new();
        if !self.lessons.is_empty() {
            let _ = writeln!(table, "\nLearnt from refusals, and held for 30 days:");
        }
        for lesson in &self.lessons {
            let _ = writeln!(table, "  {lesson}");
        }
        let prices = format!(
            "Prices are US dollars per million tokens, as of {}; none: not known, and no cost is shown.",
            self.prices_as_of
        );
        table.push('\n');
        table.push_str(&width.paragraph(&prices));
        let more = "A role can be given as a model. `--all` shows retired models too, `--json` all that is known.";
        table.push_str(&width.paragraph(more));
        table
    }
}

/// The models that can be asked, those that take the same in one table.
fn choices(models: &Models, width: Width) -> String {
    let mut text = String::new();
    for ModelGroup { kind, takes, models: alike } in models.alike() {
        let what = if kind == Makes::Image { "Pictures" } else { "Text" };
        let retires = alike.iter().any(|model| model.retires_on.is_some());
        let [day, then] = if retires { ["retires", "then"] } else { [""; 2] };
        let head = ["id", "roles", "in", "cached", "out", day, then].map(str::to_owned);
        let mut rows: Vec<_> = [head].into_iter().chain(alike.iter().map(|model| choice(models, model))).collect();
        table::align_right(&mut rows, 2..5);
        let cuts = [Cut::Never, Cut::Never, Cut::Never, Cut::Never, Cut::Never, Cut::Never, Cut::End(6)];
        let _ = writeln!(text, "{}{}", width.paragraph(&format!("{what}: {takes}")), table::fitted(&rows, cuts, width));
    }
    let others = models.unknown();
    if !others.is_empty() {
        text.push_str(&also_listed(&others, width));
    }
    text.trim_end_matches('\n').to_owned() + "\n"
}

fn also_listed(ids: &[impl Borrow<str>], width: Width) -> String {
    width.paragraph(&format!("Also listed, of unknown kind: {}", ids.join(", ")))
}

fn choice(models: &Models, model: &Model) -> [String; 7] {
    let price = |of: fn(&PerMillion) -> Option<f64>| {
        model.price.as_ref().and_then(of).map_or_else(|| "-".to_owned(), |usd| usd.to_string())
    };
    [
        model.id.clone(),
        models.roles_of(model),
        price(|price| Some(price.input)),
        price(|price| price.cached_input),
        price(|price| Some(price.output)),
        model.retires_on.clone().unwrap_or_default(),
        model.replaced_by.clone().filter(|_| model.retires_on.is_some()).unwrap_or_default(),
    ]
}

impl ModelRow {
    fn of(known: Overview) -> Self {
        let (replaced_by, price) = known.entry.map(|entry| (entry.replaced_by, entry.price)).unwrap_or_default();
        Self {
            id: known.id,
            kind: known.kind,
            default: known.default,
            roles: known.roles,
            listed: known.listed,
            retires_on: known.retires_on,
            replaced_by,
            price: price.map(Arc::unwrap_or_clone),
        }
    }

    fn row(&self) -> [String; 6] {
        let listed = self.listed.map(|listed| if listed { "yes" } else { "no" });
        let is_plain_default = self.default && self.roles.is_empty();
        let roles = if is_plain_default { "default".to_owned() } else { self.roles.join(", ") };
        let id = if roles.is_empty() { self.id.to_string() } else { format!("{} ({roles})", self.id) };
        let price = |of: fn(&Rates) -> Usd| self.price.as_ref().map(|price| of(&price.rates).dollars().to_string());
        let or_dash = |cell: String| if cell.is_empty() { "-".to_owned() } else { cell };
        [
            id,
            listed.unwrap_or("-").to_owned(),
            or_dash(self.retires_on.map(|day| day.to_string()).unwrap_or_default()),
            or_dash(self.replaced_by.as_ref().map(ToString::to_string).unwrap_or_default()),
            or_dash(price(|rates| rates.input).unwrap_or_default()),
            or_dash(price(|rates| rates.output).unwrap_or_default()),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        catalogue::{self, Taught, Today},
        handle::Account,
        model::ListedModel,
    };

    fn catalogue() -> Catalogue {
        let today = Today::At("2026-11-22".parse().unwrap());
        Catalogue::build(catalogue::Config { today, ..catalogue::Config::default() }).unwrap()
    }

    #[tokio::test]
    async fn the_table_has_catalogue_and_upstream_and_what_was_learnt() {
        let catalogue = catalogue();
        let id = |id: &str| ModelId::parse(id).unwrap();
        let listed = [("gpt-6.2-sol", Some("2027-09-01")), ("gpt-4o-2024-08-06", None), ("whisper-9", None)];
        let listed =
            listed.map(|(name, day)| ListedModel { id: id(name), retires_on: day.map(|d| d.parse().unwrap()) });
        catalogue.keep_list(Account("a".to_owned()), listed.into()).await;
        let refuses = Taught::Refuses { refuses: "reasoning_effort".to_owned(), with: Some("max".to_owned()) };
        catalogue.learn(&id("gpt-6.1-sol"), refuses);
        catalogue.learn(&id("whisper-9"), Taught::OnlyBy { only_by: catalogue::LearntApi::Responses });
        let report = ModelsReport::of(&catalogue);
        insta::assert_snapshot!(report.table(Width::Any));
        insta::assert_json_snapshot!(report.lessons);
    }

    #[test]
    fn without_an_upstream_nothing_is_said_of_what_it_lists() {
        let report = ModelsReport::of(&catalogue());
        assert!(report.models.iter().all(|model| model.listed.is_none()));
        insta::assert_json_snapshot!(report.models.first());
    }
}
