//! The model catalogue: names to models.

use std::{fmt::Write as _, io::Write as _, path::PathBuf};

use chrono::NaiveDate;
use mcp_openai::{
    catalogue::{Catalogue, Config, ModelKind, Prices, Resolved, Retired, Temperature, Today, UnusableModel},
    model::ModelId,
    money::{Metered, Tier, Usage, Usd},
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

fn today() -> Catalogue {
    on("2026-11-22", Config::default())
}

fn resolve(catalogue: &Catalogue, kind: ModelKind, name: &str) -> Result<Resolved, UnusableModel> {
    catalogue.resolve(kind, Some(&id(name)))
}

fn file(text: &str) -> (tempfile::NamedTempFile, PathBuf) {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(text.as_bytes()).unwrap();
    let path = file.path().to_owned();
    (file, path)
}

#[test]
fn every_entry_resolves_to_a_model_that_answers() {
    let catalogue = today();
    let mut page = String::new();
    for entry in catalogue.entries() {
        let name = entry.id.as_str().trim_end_matches('*');
        let resolved = resolve(&catalogue, entry.kind, name).unwrap();
        let answering = resolved.entry.unwrap();
        assert!(answering.retires_on.is_none_or(|day| day > self::day("2026-11-22")), "{name} ends at a retired model");
        writeln!(page, "{} -> {} {:?}", entry.id, resolved.id, resolved.notice).unwrap();
        writeln!(page, "  {:?}\n  {:?}\n  {:?}", entry.price, entry.text, entry.image).unwrap();
    }
    insta::assert_snapshot!(page);
}

#[test]
fn replacements_are_models_of_the_same_kind_that_stay() {
    let catalogue = today();
    for entry in catalogue.entries() {
        let Some(replacement) = &entry.replaced_by else {
            assert_eq!(entry.retires_on, None, "{} retires without a replacement", entry.id);
            continue;
        };
        let next = catalogue.entries().find(|next| next.id == *replacement).expect("a replacement has its own entry");
        assert_eq!((next.kind, next.retires_on), (entry.kind, None), "{} -> {replacement}", entry.id);
    }
}

#[test]
fn no_name_is_the_default_and_the_user_may_choose_another() {
    let resolved = today().resolve(ModelKind::Text, None).unwrap();
    assert_eq!((resolved.id.as_str(), resolved.requested, resolved.notice), ("gpt-6.2-sol", None, None));
    assert_eq!(today().resolve(ModelKind::Image, None).unwrap().id.as_str(), "gpt-image-2.6-flare");
    let own = on("2026-11-22", Config { text: Some(id("llama-5")), ..Config::default() });
    assert_eq!(own.resolve(ModelKind::Text, None).unwrap().id.as_str(), "llama-5");
}

#[test]
fn a_retired_model_is_answered_by_its_replacement() {
    for (name, kind, replacement, retired_on) in [
        ("gpt-4", ModelKind::Text, "gpt-6.2-sol", "2026-10-23"),
        ("gpt-4-0613", ModelKind::Text, "gpt-6.2-sol", "2026-10-23"),
        ("gpt-4.1-nano-2025-04-14", ModelKind::Text, "gpt-6-luna", "2026-10-23"),
        ("gpt-3.5-turbo", ModelKind::Text, "gpt-6-luna", "2026-10-23"),
        ("dall-e-2", ModelKind::Image, "gpt-image-2.6-flare", "2026-05-12"),
        ("dall-e-3", ModelKind::Image, "gpt-image-2.6-flare", "2026-05-12"),
        ("gpt-image-1", ModelKind::Image, "gpt-image-2.6-flare", "2026-10-23"),
    ] {
        let resolved = resolve(&today(), kind, name).unwrap();
        assert_eq!(resolved.id.as_str(), replacement, "{name}");
        assert_eq!(resolved.requested, Some(id(name)));
        let notice = format!("{name} retired on {retired_on}; {replacement} answers instead.");
        assert_eq!(resolved.notice, Some(notice));
    }
}

#[test]
fn a_retirement_is_warned_of_thirty_days_before_and_holds_from_its_day() {
    let at = |today| resolve(&on(today, Config::default()), ModelKind::Text, "gpt-5").unwrap();
    assert_eq!(at("2026-11-10").notice, None);
    let notice = "gpt-5 retires on 2026-12-11; gpt-6.2-sol takes its place.";
    assert_eq!(at("2026-11-11").notice.as_deref(), Some(notice));
    assert_eq!(at("2026-12-10").id.as_str(), "gpt-5");
    assert_eq!(at("2026-12-11").id.as_str(), "gpt-6.2-sol");
}

#[test]
fn retired_models_may_be_refused_or_sent() {
    let refuse = on("2026-11-22", Config { retired: Retired::Refuse, ..Config::default() });
    let error = resolve(&refuse, ModelKind::Text, "gpt-4").unwrap_err();
    assert_eq!(error.to_string(), "gpt-4 retired on 2026-10-23; use gpt-6.2-sol instead");

    let send = on("2026-11-22", Config { retired: Retired::Send, ..Config::default() });
    let resolved = resolve(&send, ModelKind::Text, "gpt-4").unwrap();
    assert_eq!((resolved.id.as_str(), resolved.notice), ("gpt-4", None));
}

#[test]
fn the_exact_name_goes_before_a_snapshots_model_and_that_before_the_longest_pattern() {
    let entry = |name: &str| resolve(&today(), ModelKind::Text, name).unwrap().entry.map(|entry| entry.id.to_string());
    assert_eq!(entry("gpt-5.4-nano").as_deref(), Some("gpt-5.4-nano"));
    assert_eq!(entry("gpt-5.4-2026-03-05").as_deref(), Some("gpt-5.4"));
    assert_eq!(entry("gpt-4o-mini-2024-07-18").as_deref(), Some("gpt-4o-mini"));
    assert_eq!(entry("gpt-4o-2024-08-06").as_deref(), Some("gpt-4o"));
    assert_eq!(entry("gpt-5.4-9999-99-99"), None);
}

#[test]
fn a_model_that_is_not_known_is_sent_as_it_is() {
    let resolved = resolve(&today(), ModelKind::Text, "mistral-large").unwrap();
    assert_eq!(resolved.id.as_str(), "mistral-large");
    assert!(resolved.entry.is_none() && resolved.requested.is_none() && resolved.notice.is_none());
}

#[test]
fn a_model_of_the_other_kind_is_refused_with_the_choices() {
    insta::assert_snapshot!(resolve(&today(), ModelKind::Image, "gpt-6.2-sol").unwrap_err(), @"gpt-6.2-sol makes text, not pictures; use one of gpt-image-2.6-flare, gpt-image-2.6-sunburst, gpt-image-2");
    let error = resolve(&today(), ModelKind::Text, "dall-e-3").unwrap_err().to_string();
    assert!(error.starts_with("dall-e-3 makes pictures, not text; use one of gpt-6.2-sol, "), "{error}");
}

#[test]
fn a_price_is_old_from_its_91st_day_on() {
    let warned = |today: &str, config: Config| {
        let catalogue = Catalogue::build(Config { today: Today::At(day(today)), ..config }).unwrap();
        let text = catalogue.resolve(ModelKind::Text, None).unwrap();
        let image = catalogue.resolve(ModelKind::Image, None).unwrap();
        (text.old_price, image.old_price)
    };
    assert_eq!(warned("2027-02-24", Config::default()), (None, None));
    let (text, image) = warned("2027-02-25", Config::default());
    assert!(text.unwrap().starts_with("The price of gpt-6.2-sol was read on 2026-11-26, more than 90 days ago"));
    assert!(image.unwrap().starts_with("The price of gpt-image-2.6-flare was read on 2026-11-26"));
    let free = Config { prices: Prices::Free, ..Config::default() };
    assert_eq!(warned("2030-01-01", free), (None, None), "what costs nothing has no price to be old");
}

#[test]
fn costs_follow_the_price_and_are_absent_without_one() {
    let usage = Usage { input_tokens: 1_000_000, output_tokens: 0, ..Usage::default() };
    let cost = |kind, name: &str| {
        resolve(&today(), kind, name).unwrap().cost(&Metered { usage: Some(usage), ..Metered::default() })
    };
    assert_eq!(cost(ModelKind::Text, "gpt-6.2-sol"), Usd::from_dollars(4.0), "a long input costs twice");
    assert_eq!(cost(ModelKind::Image, "gpt-image-2"), Usd::from_dollars(5.0), "pictures know no long input");
    assert_eq!(cost(ModelKind::Text, "gpt-5.4"), Usd::from_dollars(5.0));
    assert_eq!(cost(ModelKind::Text, "mistral-large"), None);
    assert_eq!(today().prices_as_of(), day("2026-11-26"));
}

#[test]
fn the_users_file_changes_single_fields_and_adds() {
    let (_keep, path) = file(
        r#"
        [roles.text]
        default = "house-1"
        review = "gpt-5.6-sol"

        [[family]]
        kind = "text"
        temperature = "always"
        models = [{ id = "house-1", price = { input = 1, output = 2.5 } }]

        [[family]]
        kind = "text"
        models = [
            { id = "gpt-6.2-sol", price = { input = 1.5, output = 7 } },
            { id = "gpt-4o", retires_on = 2030-01-01 },
        ]
        "#,
    );
    let catalogue = on("2026-11-22", Config { file: Some(path), ..Config::default() });
    assert_eq!(catalogue.resolve(ModelKind::Text, None).unwrap().id.as_str(), "house-1");
    assert_eq!(resolve(&catalogue, ModelKind::Text, "review").unwrap().id.as_str(), "gpt-5.6-sol");
    assert_eq!(resolve(&catalogue, ModelKind::Text, "strong").unwrap().id.as_str(), "gpt-6.2-astra");
    assert_eq!(catalogue.resolve(ModelKind::Image, None).unwrap().id.as_str(), "gpt-image-2.6-flare");

    let (before, now) = (today(), resolve(&catalogue, ModelKind::Text, "gpt-6.2-sol").unwrap().entry.unwrap());
    let before = before.find(&id("gpt-6.2-sol")).unwrap();
    let usage = Usage { input_tokens: 1_000_000, ..Usage::default() };
    assert_eq!(
        now.price.unwrap().of(&usage, Tier::Default, day("2026-11-22")),
        Usd::from_dollars(1.5),
        "the price is the user's, without OpenAI's for long inputs"
    );
    assert_eq!(format!("{:?}", now.text), format!("{:?}", before.text), "the rest is as it was");

    let added = catalogue.find(&id("gpt-4o")).unwrap();
    assert_eq!(added.text.as_ref().unwrap().temperature, Temperature::Always, "as what spoke for it before");
    assert_eq!(catalogue.retires_on(&id("gpt-4o")), Some(day("2030-01-01")));
    assert_eq!(catalogue.entries().count(), today().entries().count() + 1);
}

#[test]
fn a_call_that_is_taken_over_is_paid_for_by_its_own_model_though_that_has_retired_since() {
    let (_keep, path) = file(
        r#"
        [[family]]
        kind = "text"
        models = [
            { id = "old", price = { input = 1, output = 1 }, retires_on = 2026-11-22, replaced_by = "new" },
            { id = "new", price = { input = 3, output = 3 } },
        ]
        "#,
    );
    let usage = Usage { output_tokens: 1_000_000, ..Usage::default() };
    for retired in [Retired::Replace, Retired::Refuse] {
        let catalogue = on("2026-11-22", Config { file: Some(path.clone()), retired, ..Config::default() });
        let model = catalogue.resolved(ModelKind::Text, &id("old"), None);
        let cost = model.cost(&Metered { usage: Some(usage), ..Metered::default() });
        assert_eq!((model.id.as_str(), cost), ("old", Usd::from_dollars(1.0)), "{retired:?}");
    }
}

#[test]
fn a_circle_of_replacements_ends() {
    let (_keep, path) = file(
        r#"
        [[family]]
        kind = "text"
        models = [
            { id = "a", retires_on = 2020-01-01, replaced_by = "b" },
            { id = "b", retires_on = 2020-01-01, replaced_by = "a" },
        ]
        "#,
    );
    let catalogue = on("2026-11-22", Config { file: Some(path), ..Config::default() });
    assert!(resolve(&catalogue, ModelKind::Text, "a").is_ok());
}

#[test]
fn p04_a_catalogue_that_cannot_be_read_says_where() {
    for (text, expected) in [
        ("[[family]]\nkind = \"text\"\nmodels = [{ id = }]", "3:18: "),
        ("[[family]]\nkind = \"sound\"\nmodels = []", "2:8: unknown variant `sound`, expected `text` or `image`"),
        ("[[family]]\nkind = \"text\"\nmodels = []\ntaste = 1", "4:1: unknown field `taste`"),
        ("[[family]]\nkind = \"image\"\nsizes = [\"big\"]\nmodels = []", "3:9: sizes are a list of `WxH`"),
        (
            "[[family]]\nkind = \"image\"\nmodels = []\nsizes = { multiple_of = 0, max_ratio = 1, min_pixels = 1, \
             max_pixels = 1, max_side = 1 }",
            "4:9: sizes are a list of `WxH`",
        ),
        ("[roles.sound]\nbest = \"x\"", "1:8: unknown field `sound`"),
        ("[prices]\nas_of = 2026-11-22T10:00:00Z", "2:9: a day is written 2026-11-22"),
    ] {
        let (_keep, path) = file(text);
        let config = Config { file: Some(path.clone()), ..Config::default() };
        let error = Catalogue::build(config).unwrap_err().to_string();
        assert!(error.starts_with(&format!("{}:{expected}", path.display())), "{error}");
        assert_eq!(std::fs::read_to_string(path).unwrap(), text, "the file stays as it is");
    }
    let missing = Config { file: Some("/nowhere/models.toml".into()), ..Config::default() };
    let error = Catalogue::build(missing).unwrap_err().to_string();
    assert!(error.contains("/nowhere/models.toml (models.file) cannot be read"), "{error}");
}
