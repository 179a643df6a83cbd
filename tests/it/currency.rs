//! Models that keep themselves current: roles, the upstream's list, what refusals taught, and what is said of it when.

use std::{path::Path, time::Duration};

use chrono::NaiveDate;
use mcp_openai::{
    catalogue::{Catalogue, Config, LearntApi, ModelKind, ModelSource, Resolved, Retired, Taught, Today},
    handle::Account,
    model::{ListedModel, ModelId},
    store::{
        self, LEASE, Store, StorePlace,
        facts::{Fact, FactKind},
    },
};

fn day(text: &str) -> NaiveDate {
    text.parse().unwrap()
}

fn id(text: &str) -> ModelId {
    ModelId::parse(text).unwrap()
}

fn on(today: &str, config: Config) -> Catalogue {
    Catalogue::build(Config { today: Today::At(day(today)), ..config }).unwrap()
}

/// In a process of its own that remembers in `dir`.
fn in_folder(today: &str, dir: &Path) -> Catalogue {
    of_upstream("one", today, dir)
}

fn of_upstream(upstream: &str, today: &str, dir: &Path) -> Catalogue {
    let store = Store::build(store::Config { place: StorePlace::Folder(dir.to_owned()), lease: LEASE });
    let refresh = Some(Duration::from_hours(24));
    let config = Config { upstream: upstream.to_owned(), refresh, ..Config::default() };
    Catalogue::sharing(Config { today: Today::At(day(today)), ..config }, store.facts).unwrap()
}

fn account() -> Account {
    Account("one".to_owned())
}

fn listed(models: &[(&str, Option<&str>)]) -> Vec<ListedModel> {
    models.iter().map(|(name, on)| ListedModel { id: id(name), retires_on: on.map(day) }).collect()
}

fn resolve(catalogue: &Catalogue, name: &str) -> Resolved {
    catalogue.resolve(ModelKind::Text, Some(&id(name))).unwrap()
}

fn refuses(argument: &str, with: Option<&str>) -> Taught {
    Taught::Refuses { refuses: argument.to_owned(), with: with.map(str::to_owned) }
}

#[test]
fn a_role_stands_for_a_model_of_its_kind_without_a_word() {
    let catalogue = on("2026-11-22", Config::default());
    for (kind, role, model) in [
        (ModelKind::Text, "default", "gpt-6.2-sol"),
        (ModelKind::Text, "strong", "gpt-6.2-astra"),
        (ModelKind::Text, "cheap", "gpt-6-luna"),
        (ModelKind::Text, "fast", "gpt-6.1-terra"),
        (ModelKind::Image, "default", "gpt-image-2.6-flare"),
        (ModelKind::Image, "best", "gpt-image-2.6-sunburst"),
    ] {
        let resolved = catalogue.resolve(kind, Some(&id(role))).unwrap();
        assert_eq!((resolved.id, resolved.requested, resolved.notice), (id(model), None, None), "{role}");
    }
    let error = catalogue.resolve(ModelKind::Text, Some(&id("best"))).unwrap_err().to_string();
    assert_eq!(
        error,
        "`best` is a role for pictures, not for text; the roles for text are cheap, default, fast, strong"
    );
}

#[test]
fn the_users_default_is_the_default_by_its_role_too_and_may_be_a_role() {
    let default = |model: &str| {
        let catalogue = on("2026-11-22", Config { text: Some(id(model)), ..Config::default() });
        let told =
            catalogue.roles().find(|role| (role.kind, role.name.as_str()) == (ModelKind::Text, "default")).unwrap();
        let (none, named) = (catalogue.resolve(ModelKind::Text, None).unwrap().id, resolve(&catalogue, "default").id);
        assert_eq!((&none, &none), (&named, &told.model));
        none
    };
    assert_eq!(default("llama-5"), id("llama-5"));
    assert_eq!(default("cheap"), id("gpt-6-luna"));
    assert_eq!(default("default"), id("gpt-6.2-sol"));
}

#[test]
fn elsewhere_a_model_may_be_called_like_a_role_unless_the_users_file_says_what_is_meant() {
    let elsewhere = Config { at: ModelSource::Elsewhere, retired: Retired::Send, ..Config::default() };
    let catalogue = on("2026-11-22", elsewhere.clone());
    assert_eq!(resolve(&catalogue, "default").id, id("default"));
    assert_eq!(catalogue.roles().count(), 0);

    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "[roles.text]\nstrong = \"qwen-9\"").unwrap();
    let catalogue = on("2026-11-22", Config { file: Some(file.path().to_owned()), ..elsewhere });
    assert_eq!(resolve(&catalogue, "strong").id, id("qwen-9"));
    assert_eq!(resolve(&catalogue, "default").id, id("default"));
}

#[tokio::test]
async fn the_upstreams_dates_go_before_the_catalogues_and_not_before_the_users() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let family = "[[family]]\nkind = \"text\"\nmodels = [{ id = \"gpt-5-mini\", retires_on = 2026-12-20 }]";
    std::fs::write(file.path(), family).unwrap();
    let catalogue = on("2026-11-22", Config { file: Some(file.path().to_owned()), ..Config::default() });
    catalogue
        .keep_list(
            account(),
            listed(&[
                ("gpt-6.2-astra", Some("2026-12-01")),
                ("gpt-5", Some("2027-06-01")),
                ("gpt-5-mini", Some("2027-06-01")),
                ("gpt-5-nano", None),
                ("gpt-6.2-sol", Some("2026-11-22")),
                ("gpt-7-preview", Some("2026-11-01")),
            ]),
        )
        .await;
    let said = |name: &str| resolve(&catalogue, name).notice;
    assert_eq!(said("strong").as_deref(), Some("gpt-6.2-astra retires on 2026-12-01."));
    assert_eq!(said("gpt-5"), None);
    assert_eq!(said("gpt-5-mini").as_deref(), Some("gpt-5-mini retires on 2026-12-20; gpt-6.1-terra takes its place."));
    assert_eq!(said("gpt-5-nano").as_deref(), Some("gpt-5-nano retires on 2026-12-11; gpt-6-luna takes its place."));
    assert_eq!(resolve(&catalogue, "strong").entry.unwrap().retires_on, Some(day("2026-12-01")));

    // Even the default may end before this program is renewed; then whatever still answers does, and for a model that
    // only the upstream knew, too.
    let default = catalogue.resolve(ModelKind::Text, None).unwrap();
    assert_eq!(default.notice.as_deref(), Some("gpt-6.2-sol retired on 2026-11-22; gpt-6.2-astra answers instead."));
    assert_eq!(default.requested, Some(id("gpt-6.2-sol")));
    assert_eq!(resolve(&catalogue, "gpt-7-preview").id, id("gpt-6.2-astra"));
}

#[tokio::test]
async fn elsewhere_the_catalogues_dates_mean_nothing_and_the_upstreams_do() {
    let catalogue =
        on("2026-11-22", Config { at: ModelSource::Elsewhere, retired: Retired::Send, ..Config::default() });
    catalogue.keep_list(account(), listed(&[("qwen-9", Some("2026-12-01")), ("gpt-5", None)])).await;
    assert_eq!(resolve(&catalogue, "qwen-9").notice.as_deref(), Some("qwen-9 retires on 2026-12-01."));
    assert_eq!(resolve(&catalogue, "gpt-5").notice, None);
    let choices: Vec<_> = catalogue.choices(ModelKind::Text).into_iter().map(String::from).collect();
    assert_eq!(choices, ["gpt-6.2-sol", "gpt-5"], "the embedded models need not be there");
}

#[test]
fn a_retirement_is_said_once_a_day_a_model() {
    let catalogue = on("2026-11-22", Config::default());
    let say = |name: &str| !catalogue.once_a_day(&resolve(&catalogue, name)).is_empty();
    assert_eq!(
        [say("gpt-4"), say("gpt-5"), say("gpt-4"), say("gpt-5"), say("gpt-6.2-sol")],
        [true, true, false, false, false]
    );
    assert_eq!(resolve(&catalogue, "gpt-4").requested, Some(id("gpt-4")), "what answers is told each time");
}

#[tokio::test]
async fn the_list_outlives_the_process_and_grows_old() {
    let dir = tempfile::tempdir().unwrap();
    let process = async |today: &str| {
        let catalogue = in_folder(today, dir.path());
        catalogue.recall().await;
        catalogue
    };
    let first = process("2026-11-22").await;
    assert!(first.list_is_due() && first.listing().is_none());
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0, "nothing is made for a question");
    first.keep_list(account(), listed(&[("gpt-6.2-sol", Some("2027-09-01"))])).await;
    assert!(!first.list_is_due());

    let again = process("2026-11-22").await;
    assert_eq!(again.listing(), first.listing());
    assert!(again.has_list_of(&account(), Duration::from_mins(10)));
    assert!(!again.has_list_of(&Account("another".to_owned()), Duration::from_mins(10)), "accounts differ in models");
    let later = process("2026-11-23").await;
    assert!(later.list_is_due() && !later.has_list_of(&account(), Duration::from_mins(10)));
    assert!(process("2026-11-21").await.list_is_due(), "a list from the future is as good as none");
    assert_eq!(later.retires_on(&id("gpt-6.2-sol")), Some(day("2027-09-01")), "old dates are better than none");

    // Another process has read it meanwhile.
    process("2026-11-23").await.keep_list(account(), Vec::new()).await;
    later.recall_now().await;
    assert!(!later.list_is_due() && later.retires_on(&id("gpt-6.2-sol")).is_none());

    let elsewhere = of_upstream("another", "2026-11-23", dir.path());
    elsewhere.recall().await;
    assert!(elsewhere.listing().is_none());
}

async fn learn(catalogue: &Catalogue, model: &str, taught: Taught) -> bool {
    let new = catalogue.learn(&id(model), taught);
    let is_new = new.is_some();
    catalogue.keep_lessons(new.into_iter().collect()).await;
    is_new
}

#[tokio::test]
async fn what_a_refusal_taught_is_known_to_later_processes_and_forgotten_after_thirty_days() {
    let dir = tempfile::tempdir().unwrap();
    let first = in_folder("2026-11-22", dir.path());
    assert!(learn(&first, "gpt-7", refuses("temperature", None)).await);
    assert!(!learn(&first, "gpt-7", refuses("temperature", None)).await, "it was known");
    assert!(learn(&first, "gpt-7", refuses("reasoning_effort", Some("max"))).await);
    let second = in_folder("2026-11-23", dir.path());
    assert!(learn(&second, "gpt-7-pro", Taught::OnlyBy { only_by: LearntApi::Responses }).await);
    learn(&first, "gpt-8", refuses("verbosity", Some("low"))).await;

    let later = in_folder("2026-12-21", dir.path());
    later.recall().await;
    let of = |name: &str| resolve(&later, name);
    assert!(of("gpt-7").refuses("temperature", None).is_some() && of("gpt-7").refuses("max_tokens", None).is_none());
    assert!(of("gpt-7").refuses("reasoning_effort", Some("max")).is_some(), "this word");
    assert!(of("gpt-7").refuses("reasoning_effort", Some("low")).is_none(), "and no other");
    assert_eq!((of("gpt-7-pro").only_by(), of("gpt-7").only_by()), (Some(LearntApi::Responses), None));
    assert_eq!(of("gpt-8").lessons.len(), 1);

    let forgotten = in_folder("2026-12-22", dir.path());
    forgotten.recall().await;
    assert!(resolve(&forgotten, "gpt-7").lessons.is_empty() && resolve(&forgotten, "gpt-7-pro").only_by().is_some());
}

#[tokio::test(start_paused = true)]
async fn what_another_process_learns_is_seen_after_a_minute() {
    let dir = tempfile::tempdir().unwrap();
    let (first, second) = (in_folder("2026-11-22", dir.path()), in_folder("2026-11-22", dir.path()));
    learn(&first, "gpt-7", refuses("temperature", None)).await;
    second.recall().await;
    learn(&first, "gpt-8", refuses("temperature", None)).await;
    let known = |name: &str| resolve(&second, name).lessons.len();
    second.recall().await;
    assert_eq!((known("gpt-7"), known("gpt-8")), (1, 0), "it was looked just now");
    tokio::time::advance(Duration::from_mins(1)).await;
    second.recall().await;
    assert_eq!((known("gpt-7"), known("gpt-8")), (1, 1));
}

#[tokio::test]
async fn p04_what_is_remembered_may_be_damaged_or_unwritable_and_nothing_fails() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::build(store::Config { place: StorePlace::Folder(dir.path().to_owned()), lease: LEASE });
    for (damage, kind) in
        [("{", FactKind::Lesson), ("{\"version\": 9}", FactKind::Listing), ("\u{0}", FactKind::Listing)]
    {
        let learnt_at = day("2026-11-22").and_time(chrono::NaiveTime::MIN).and_utc();
        let fact = Fact { kind, upstream: "one".into(), name: "a".into(), value: damage.into(), learnt_at };
        store.facts.learn(fact).await.unwrap();
        let catalogue = in_folder("2026-11-22", dir.path());
        catalogue.recall().await;
        assert_eq!(resolve(&catalogue, "gpt-6.2-sol").lessons, []);
        assert!(catalogue.listing().is_none());
    }
    let file = dir.path().join("a file");
    std::fs::write(&file, "").unwrap();
    let catalogue = in_folder("2026-11-22", &file.join("no folder"));
    catalogue.recall().await;
    catalogue.keep_list(account(), listed(&[("gpt-6.2-sol", Some("2027-09-01"))])).await;
    learn(&catalogue, "gpt-7", refuses("temperature", None)).await;
    assert_eq!(catalogue.retires_on(&id("gpt-6.2-sol")), Some(day("2027-09-01")));
    assert_eq!(resolve(&catalogue, "gpt-7").lessons.len(), 1);
}
