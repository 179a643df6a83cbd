//! `mcp-openai doctor`: what is set, what works, and what to do about the rest.

use std::{io::Write, path::Path, process::ExitCode};

use super::{exit, models};
use crate::{
    app::App,
    artifact::{self, BucketFault},
    catalogue::{Catalogue, ModelKind},
    config::{self, Config, Unfilled},
    model::ListedModel,
    server::profile::KNOWN,
    text,
};

mod budgets;
mod clients;
mod key;
mod report;
mod trial;
mod updates;
mod upstream;

use report::{DoctorReport, Finding, ReportedSetting};

#[derive(Debug, clap::Args)]
#[allow(missing_docs, reason = "the help says it")]
pub struct Args {
    /// Print one JSON object instead of lines
    #[arg(long)]
    json: bool,
    /// Also make one answer and one picture (costs a cent or two)
    #[arg(long = "try")]
    trial: bool,
    /// Also ask crates.io whether there is a newer release
    #[arg(long)]
    check_updates: bool,
}

/// Examines everything that is set, and prints the report.
///
/// # Errors
/// When stdout cannot be written to.
pub async fn run(args: Args, app: App) -> anyhow::Result<ExitCode> {
    let config = &app.config;
    let mut findings = vec![file_finding(config)];
    findings.extend(config::unknown_variables().iter().map(misspelt));
    findings.extend(config.unfilled.iter().map(unfilled));
    findings.extend(config.clients.strangers().map(strange));
    findings.extend(examine(&app).await);
    if args.trial {
        findings.extend(trial::examine(&app).await);
    }
    findings.extend(clients::examine(config).await);
    if args.check_updates {
        findings.push(updates::examine(&app).await);
    }
    print(&args, &DoctorReport::new(config.provenance.iter().map(ReportedSetting::of).collect(), findings))
}

/// Prints the report on a configuration that cannot be used.
///
/// # Errors
/// When stdout cannot be written to.
pub fn refuse(args: &Args, error: &config::Error) -> anyhow::Result<ExitCode> {
    print(args, &DoctorReport::new(Vec::new(), error.0.iter().map(misconfigured).collect()))
}

fn print(args: &Args, report: &DoctorReport) -> anyhow::Result<ExitCode> {
    let text = if args.json { serde_json::to_string_pretty(report)? + "\n" } else { report.to_string() };
    anstream::stdout().write_all(text.as_bytes())?;
    Ok(ExitCode::from(report.exit_code()))
}

async fn examine(app: &App) -> Vec<Finding> {
    let config = &app.config;
    let mut findings = key::examine(config).await;
    let mut listed = None;
    // Before models are judged: lessons and the last list are in the store, which the catalogue has not read yet.
    app.catalogue.recall().await;
    if !config.openai.key.is_missing() {
        let (found, list) = upstream::examine(app).await;
        findings.extend(found);
        listed = list;
    }
    findings.extend(ModelKind::ALL.map(|kind| model_finding(&app.catalogue, kind, listed.as_deref())));
    findings.extend(app.catalogue.lessons().iter().map(|lesson| Finding::fine("learnt", lesson.to_string())));
    findings.extend(budgets::examine(app).await);
    findings.push(match &config.images.remote {
        Some(remote) => bucket_finding(app.artifacts.check_bucket().await, remote.bucket.place()),
        None => folder_finding(app.artifacts.check().await, config),
    });
    findings.push(project_finding(config));
    findings.extend(store_finding(app).await);
    let of_nobody = super::http::keys_of_nobody(&*app.store.callers, &config.openai.callers).await;
    findings.extend(of_nobody.iter().map(|name| key_of_nobody(name)));
    findings.extend(app.openai.sharing_failure().await.map(|why| limits_not_shared(&why)));
    // The image folder comes first; it is made at the first picture.
    findings
        .extend(config.inputs.folders.iter().skip(1).filter(|folder| !folder.is_dir()).map(|folder| no_input(folder)));
    findings
}

fn misconfigured(problem: &config::Problem) -> Finding {
    Finding::failed("configuration", problem.wrong(), &problem.remedy(), exit::CONFIGURATION)
}

fn misspelt((name, nearest): &(String, &str)) -> Finding {
    let message = format!("environment variable {name} is not a setting");
    Finding::doubtful("configuration", message, &format!("the nearest is {nearest}"))
}

fn unfilled(unfilled: &Unfilled) -> Finding {
    let remedy = "put the value itself there; most clients fill in no variables of your shell";
    Finding::doubtful("configuration", unfilled.to_string(), remedy)
}

fn strange(client: &str) -> Finding {
    let client = text::name(client);
    let nearest = text::nearest(&client, KNOWN.iter().map(|known| known.key));
    let message =
        format!("no client that calls itself `{client}` is known; what is set for it counts only for such a one");
    Finding::doubtful("configuration", message, &format!("the nearest that is known is clients.{nearest}"))
}

fn file_finding(config: &Config) -> Finding {
    let message = match (&config.file, config::default_file()) {
        (Some(read), _) => format!("read from {}", read.display()),
        (None, Some(none)) => format!("no file; it would be {}", none.display()),
        (None, None) => "no file".to_owned(),
    };
    Finding::fine("configuration", message)
}

fn model_finding(catalogue: &Catalogue, kind: ModelKind, listed: Option<&[ListedModel]>) -> Finding {
    let (check, setting) = match kind {
        ModelKind::Text => ("text model", "models.text"),
        ModelKind::Image => ("image model", "models.image"),
    };
    let resolved = match catalogue.resolve(kind, None) {
        Ok(resolved) => resolved,
        Err(error) => {
            let remedy = format!("set {setting} to a model that answers");
            return Finding::failed(check, error.to_string(), &remedy, exit::CONFIGURATION);
        }
    };
    let id = &resolved.id;
    let on_upstream = listed.map(|listed| listed.iter().find(|model| model.id == *id));
    let retirement =
        catalogue.retires_on(id).map_or_else(|| "no retirement known".to_owned(), |day| format!("retires on {day}"));
    let message = format!("{id}, {retirement}");
    if let Some(notice) = resolved.notice {
        return Finding::doubtful(check, notice, &format!("set {setting} to a current model, or to a role"));
    }
    if on_upstream == Some(None) {
        let remedy = format!("set {setting} to one that `mcp-openai models` shows as listed");
        return Finding::doubtful(check, format!("{message}; the upstream does not list it"), &remedy);
    }
    Finding::fine(check, message)
}

fn folder_finding(checked: Result<(), artifact::Error>, config: &Config) -> Finding {
    match checked {
        Ok(()) => Finding::fine("image folder", format!("{} can be written to", config.images.dir.display())),
        Err(error) => {
            let remedy = "set images.dir (MCP_OPENAI_IMAGES_DIR) to a folder that you can write to";
            Finding::failed("image folder", error.to_string(), remedy, exit::FAILED)
        }
    }
}

fn bucket_finding(checked: Result<(), BucketFault>, place: &str) -> Finding {
    match checked {
        Ok(()) => Finding::fine("image store", format!("{place} can be written to")),
        Err(fault) => Finding::failed("image store", fault.to_string(), fault.remedy(), exit::CONFIGURATION),
    }
}

/// The store, where no server starts without it.
async fn store_finding(app: &App) -> Option<Finding> {
    if !app.config.needs_store() {
        return None;
    }
    Some(match app.store.ready().await {
        Ok(()) => Finding::fine("store", format!("{} can be used", app.store.place)),
        Err(error) => Finding::failed("store", error.to_string(), error.remedy(), exit::CONFIGURATION),
    })
}

fn key_of_nobody(name: &str) -> Finding {
    let message = format!("callers.{name} has a key, and there is no caller {name}: it pays for nobody");
    Finding::doubtful(
        "callers",
        message,
        "correct the name by `mcp-openai token list`, or make it: `mcp-openai token new`",
    )
}

fn limits_not_shared(why: &str) -> Finding {
    let message = format!("rate limits are not shared with other programs: {why}");
    Finding::doubtful("rate limits", message, "set state.dir (MCP_OPENAI_STATE_DIR) to a folder that you can write to")
}

fn project_finding(config: &Config) -> Finding {
    let message = match &config.inputs.project {
        Some(project) => format!(
            "{} ({}): its files may be read, except what git ignores and what looks like a secret; --project and \
             MCP_OPENAI_PROJECT name another",
            project.root().display(),
            project.origin().description()
        ),
        None => "none here; a client may name one, or --project, MCP_OPENAI_PROJECT and CLAUDE_PROJECT_DIR".to_owned(),
    };
    Finding::fine("project", message)
}

fn no_input(folder: &Path) -> Finding {
    let message = format!("there is no folder {}: nothing is read from it", folder.display());
    Finding::doubtful(
        "image inputs",
        message,
        "give the whole path of each folder in images.inputs (MCP_OPENAI_IMAGE_INPUTS)",
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        catalogue,
        config::Upstream,
        handle::Account,
        model::ModelId,
        openai::{self, ApiKeySource, Error, Failure},
    };

    fn on(day: &str) -> Catalogue {
        let today = catalogue::Today::At(day.parse().unwrap());
        Catalogue::build(catalogue::Config { today, ..catalogue::Config::default() }).unwrap()
    }

    fn plain(shown: &impl ToString) -> String {
        anstream::adapter::strip_str(&shown.to_string()).to_string()
    }

    #[tokio::test]
    async fn a_default_model_is_checked_against_catalogue_and_upstream() {
        let finding = async |listed: Option<&[ListedModel]>| {
            let catalogue = on("2026-11-22");
            if let Some(listed) = listed {
                catalogue.keep_list(Account("a".to_owned()), listed.to_vec()).await;
            }
            plain(&model_finding(&catalogue, ModelKind::Text, listed))
        };
        let retiring = |day: &str| {
            let id = ModelId::parse("gpt-6.2-sol").unwrap();
            [ListedModel { id, retires_on: Some(day.parse().unwrap()) }]
        };
        let (late, soon, past) = (retiring("2027-09-01"), retiring("2026-12-01"), retiring("2026-11-01"));
        let findings = [None, Some(&late[..]), Some(&soon), Some(&past), Some(&[])].map(finding);
        let findings = futures_util::future::join_all(findings).await;
        insta::assert_snapshot!(findings.join("\n"));
    }

    #[test]
    fn a_report_has_every_finding_with_its_remedy_and_the_gravest_exit_code() {
        let unreachable = Failure {
            error: Error::Unreachable { host: "api.example".to_owned(), class: openai::UnreachableClass::Refused },
            meta: Box::default(),
        };
        let findings = vec![
            Finding::fine("configuration", "read from config.toml".to_owned()),
            key::source(&ApiKeySource::Missing, Upstream::Configured),
            upstream::finding(&Err(unreachable), "api.example"),
        ];
        let settings = vec![ReportedSetting {
            key: "log.level".to_owned(),
            value: "warn".to_owned(),
            source: "flag --log-level".to_owned(),
        }];
        let report = DoctorReport::new(settings, findings);
        assert_eq!(report.exit_code(), exit::CONFIGURATION);
        // A release changes nothing here.
        insta::assert_snapshot!(plain(&report).replace(env!("CARGO_PKG_VERSION"), "VERSION"));
        insta::assert_json_snapshot!(report, { ".version" => "VERSION" });
    }
}
