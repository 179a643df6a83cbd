//! `mcp-openai token`: callers of the HTTP service, made, listed, limited and revoked while it runs. A token is shown
//! once.

use std::{
    collections::BTreeSet,
    io::{self, Write},
    num::NonZeroU32,
    process::ExitCode,
};

use anyhow::bail;
use chrono::{DateTime, Local, Utc};
use clap::ValueEnum;
use clap_complete::ArgValueCandidates;
use secrecy::{ExposeSecret, SecretString};

use super::{
    candidates,
    failure::UnknownName,
    table::{self, Cut, Width},
};
use crate::{
    app::App,
    config::shape::limits::{LimitSetting, applied},
    money::Usd,
    store::{
        CallerStore, MoneyStore,
        callers::{
            CallerChange, CallerLimits, CallerName, CallerRights, CallerScope, KnownCaller, TokenHash, new_token,
        },
    },
    text::nearest,
    tools::ToolError,
    transport::http::OAuth,
};

#[derive(Debug, clap::Args)]
#[allow(missing_docs, reason = "the help says it")]
pub struct Args {
    #[command(subcommand)]
    action: TokenAction,
}

const LIMITS: &str = "\
Limits, each as NAME=VALUE, or NAME=none for none:
  requests   calls a minute
  pictures   pictures a minute
  running    calls at once, on all servers together
  day        US dollars of a day (UTC)
  month      US dollars of a month (UTC)";

#[derive(Debug, clap::Subcommand)]
enum TokenAction {
    /// Make a caller, and print its token: it is shown once
    #[command(after_help = LIMITS)]
    New {
        #[command(flatten)]
        caller: NameArgument,
        /// A limit of its own, such as day=5; several may be given
        #[arg(long = "limit", value_name = "NAME=VALUE", value_parser = LimitSetting::parse, value_delimiter = ',')]
        limits: Vec<LimitSetting>,
        /// The use that it is allowed [default: ask,pictures,usage]
        #[arg(long = "scope", value_name = "SCOPE", value_delimiter = ',')]
        scopes: Vec<ScopeName>,
        /// Print one JSON object
        #[arg(long)]
        json: bool,
    },
    /// List the callers with their limits
    List {
        /// Print one JSON object instead of a table
        #[arg(long)]
        json: bool,
    },
    /// Change limits and scopes of a caller; what is not named stays
    #[command(after_help = LIMITS)]
    Limit {
        #[command(flatten)]
        caller: NameArgument,
        /// A limit of its own, such as day=5 or day=none
        #[arg(value_name = "NAME=VALUE", value_parser = LimitSetting::parse, required_unless_present_any = ["named", "scopes"])]
        limits: Vec<LimitSetting>,
        /// The same, as `token new` takes it
        #[arg(long = "limit", value_name = "NAME=VALUE", value_parser = LimitSetting::parse, value_delimiter = ',')]
        named: Vec<LimitSetting>,
        /// The use that it is allowed from now on
        #[arg(long = "scope", value_name = "SCOPE", value_delimiter = ',')]
        scopes: Vec<ScopeName>,
    },
    /// Give a caller a new token in place of the old one, also after a revocation
    Rotate {
        #[command(flatten)]
        caller: NameArgument,
        /// Print one JSON object
        #[arg(long)]
        json: bool,
    },
    /// Revoke a caller's token
    Revoke {
        #[command(flatten)]
        caller: NameArgument,
    },
}

#[derive(Debug, clap::Args)]
struct NameArgument {
    /// Lower-case letters, digits, `.`, `_`, `@` and `-`
    #[arg(value_parser = CallerName::parse, add = ArgValueCandidates::new(candidates::callers))]
    name: CallerName,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum ScopeName {
    /// Ask models
    Ask,
    /// Make and edit pictures
    Pictures,
    /// Read what its own calls cost
    Usage,
    /// Read what everybody's calls cost
    Admin,
}

/// Scopes of a caller for whom none are named.
/// Not `Admin`: what everybody's calls cost is for those alone who are named for it.
const USUAL: [CallerScope; 3] = [CallerScope::Ask, CallerScope::Pictures, CallerScope::Usage];

/// # Errors
/// When there is no such caller, its name is taken, the store cannot be used, or what is told cannot be written.
pub async fn run(args: Args, app: App) -> anyhow::Result<ExitCode> {
    app.readable()?;
    let callers = Callers(&*app.store.callers);
    match args.action {
        TokenAction::New { caller: NameArgument { name }, limits, scopes, json } => {
            if name.is_issued() {
                bail!("names that begin with `oauth.` are those of callers with an issuer's tokens: take another");
            }
            let scopes = if scopes.is_empty() { USUAL.into() } else { set_of(&scopes) };
            callers
                .make(name, CallerRights { scopes, limits: applied(CallerLimits::default(), &limits) }, json)
                .await?;
        }
        TokenAction::List { json } => {
            let all = callers.all().await?;
            list(&all, json)?;
            if !json {
                note_unlisted(&all, &*app.store.money).await?;
            }
        }
        TokenAction::Limit { caller: NameArgument { name }, limits, named, scopes } => {
            let limits = [limits, named].concat();
            let mut rights = callers.find_or_note(&name, app.config.http.oauth.as_ref()).await?.rights;
            rights.limits = applied(rights.limits, &limits);
            if !scopes.is_empty() {
                rights.scopes = set_of(&scopes);
            }
            callers.change(&name, CallerChange::Rights(rights)).await?;
            list(&[callers.find(&name).await?], false)?;
        }
        TokenAction::Rotate { caller: NameArgument { name }, json } if !name.is_issued() => {
            let token = new_token();
            callers.change(&name, CallerChange::Token(TokenHash::of(&token))).await?;
            show(&name, &token, json)?;
        }
        TokenAction::Rotate { caller: NameArgument { name }, .. } => {
            callers.change(&name, CallerChange::Token(TokenHash::NONE)).await?;
            writeln!(io::stderr(), "the issuer's tokens of {name} count (again) within 5 s; it gets no other here")?;
        }
        TokenAction::Revoke { caller: NameArgument { name } } => {
            callers.find_or_note(&name, app.config.http.oauth.as_ref()).await?;
            // Revoked and never removed: a new caller of that name would be given what this one kept.
            callers.change(&name, CallerChange::Revoked(Utc::now())).await?;
            writeln!(
                io::stdout(),
                "revoked {name}: its token stops counting within 5 s, and what it kept stays its own"
            )?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// The callers in the store, with errors for people.
struct Callers<'a>(&'a dyn CallerStore);

impl Callers<'_> {
    async fn all(&self) -> anyhow::Result<Vec<KnownCaller>> {
        Ok(self.0.callers().await.map_err(ToolError::from)?)
    }

    async fn make(&self, name: CallerName, rights: CallerRights, json: bool) -> anyhow::Result<()> {
        let token = new_token();
        let caller = KnownCaller::new(name.clone(), TokenHash::of(&token), rights);
        if !self.0.add_caller(caller).await.map_err(ToolError::from)? {
            bail!("there is a caller {name}: `mcp-openai token rotate {name}` gives it a new token");
        }
        Ok(show(&name, &token, json)?)
    }

    async fn find(&self, name: &CallerName) -> anyhow::Result<KnownCaller> {
        let all = self.all().await?;
        if let Some(found) = all.iter().find(|caller| caller.name == *name) {
            return Ok(found.clone());
        }
        match nearest(name.as_str(), all.iter().map(|caller| caller.name.as_str())) {
            "" => Err(UnknownName(format!("there is no caller yet: `mcp-openai token new {name}` makes one")).into()),
            nearest => Err(UnknownName(format!("there is no caller {name}; the nearest is {nearest}")).into()),
        }
    }

    /// The same; a caller with an issuer's tokens is written down as soon as something is said of it.
    async fn find_or_note(&self, name: &CallerName, oauth: Option<&OAuth>) -> anyhow::Result<KnownCaller> {
        if name.is_issued() {
            let limits = oauth.map(|oauth| oauth.limits).unwrap_or_default();
            // All scopes: its tokens say which of them it has.
            let rights = CallerRights { scopes: CallerScope::ALL.into(), limits };
            let caller = KnownCaller::new(name.clone(), TokenHash::NONE, rights);
            // Only now: an issuer may have a hundred thousand callers. One that is there stays as it is.
            self.0.add_caller(caller).await.map_err(ToolError::from)?;
        }
        self.find(name).await
    }

    async fn change(&self, name: &CallerName, change: CallerChange) -> anyhow::Result<()> {
        if self.0.change_caller(name, change).await.map_err(ToolError::from)? {
            return Ok(());
        }
        self.find(name).await.map(drop)
    }
}

/// Prints a token alone on stdout, where a pipe takes it.
fn show(name: &CallerName, token: &SecretString, json: bool) -> io::Result<()> {
    // Shown once, since only its SHA-256 is kept.
    let token = token.expose_secret();
    if json {
        return writeln!(io::stdout(), "{:#}", serde_json::json!({ "name": name, "token": token }));
    }
    writeln!(io::stdout(), "{token}")?;
    let shown =
        // Their lists of callers are 3 s old at most.
        format!("This is the token of {name}, shown once; servers know it within 5 s. A client sends the header");
    writeln!(io::stderr(), "{}  Authorization: Bearer TOKEN", Width::of_stderr().paragraph(&shown))
}

fn list(callers: &[KnownCaller], json: bool) -> io::Result<()> {
    if json {
        let callers: Vec<_> = callers.iter().map(listed).collect();
        return writeln!(io::stdout(), "{:#}", serde_json::json!({ "callers": callers }));
    }
    if callers.is_empty() {
        return writeln!(io::stderr(), "mcp-openai: there is no caller yet; `mcp-openai token new NAME` makes one");
    }
    let head = ["name", "scopes", "last used", "state", "limits"].map(str::to_owned);
    let rows: Vec<_> = [head].into_iter().chain(callers.iter().map(row)).collect();
    let cuts = [Cut::End(8), Cut::End(8), Cut::End(11), Cut::End(7), Cut::Wrapped];
    io::stdout().write_all(table::fitted(&rows, cuts, Width::of_stdout()).as_bytes())
}

/// Counts callers with an issuer's tokens who are known only by what they spent this month. They have limits all the
/// same.
async fn note_unlisted(listed: &[KnownCaller], money: &dyn MoneyStore) -> anyhow::Result<()> {
    let spending = money.caller_spending(Utc::now().date_naive(), usize::MAX).await.map_err(ToolError::from)?;
    let listed: BTreeSet<&str> = listed.iter().map(|caller| caller.name.as_str()).collect();
    let is_issued = |name: &str| CallerName::parse(name).is_ok_and(|name| name.is_issued());
    let names = spending.iter().map(|own| own.caller.as_str());
    let unlisted = names.filter(|name| !listed.contains(name) && is_issued(name)).count();
    if unlisted > 0 {
        let note = format!(
            "callers with the issuer's tokens that spent something this month and are not listed: {unlisted}; \
             `mcp-openai usage --by caller` names them"
        );
        io::stderr().write_all(Width::of_stderr().paragraph(&note).as_bytes())?;
    }
    Ok(())
}

fn row(caller: &KnownCaller) -> [String; 5] {
    let local = |at: DateTime<Utc>| at.with_timezone(&Local).format("%Y-%m-%d %H:%M").to_string();
    [
        caller.name.to_string(),
        caller.rights.scopes.iter().map(|scope| scope.name()).collect::<Vec<_>>().join(","),
        caller.used_at.map_or_else(|| "-".to_owned(), local),
        caller.revoked_at.map_or_else(|| "active".to_owned(), |at| format!("revoked {}", local(at))),
        limits(&caller.rights.limits),
    ]
}

/// The limits as `--limit` takes them.
fn limits(limits: &CallerLimits) -> String {
    let CallerLimits { requests_per_minute, pictures_per_minute, running, usd_per_day, usd_per_month } = *limits;
    let number = |name, limit: Option<NonZeroU32>| limit.map(|limit| format!("{name}={limit}"));
    let amount = |name, limit: Option<Usd>| limit.map(|limit| format!("{name}={}", limit.dollars()));
    let set: Vec<_> = [
        number("requests", requests_per_minute),
        number("pictures", pictures_per_minute),
        number("running", running),
        amount("day", usd_per_day),
        amount("month", usd_per_month),
    ]
    .into_iter()
    .flatten()
    .collect();
    if set.is_empty() { "none".to_owned() } else { set.join(" ") }
}

fn listed(caller: &KnownCaller) -> serde_json::Value {
    serde_json::json!({
        "name": caller.name,
        "scopes": caller.rights.scopes,
        "limits": caller.rights.limits,
        "created_at": caller.created_at,
        "revoked_at": caller.revoked_at,
        "last_used_at": caller.used_at,
    })
}

fn set_of(names: &[ScopeName]) -> BTreeSet<CallerScope> {
    let scope = |name: &ScopeName| match name {
        ScopeName::Ask => CallerScope::Ask,
        ScopeName::Pictures => CallerScope::Pictures,
        ScopeName::Usage => CallerScope::Usage,
        ScopeName::Admin => CallerScope::Admin,
    };
    names.iter().map(scope).collect()
}
