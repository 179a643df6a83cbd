//! `just store`: what calls, lists and searches take in a store of a thousand, and of a million turns and ledger lines.

use std::{
    future::Future,
    io::{Write, stdout},
    path::PathBuf,
    time::{Duration, Instant},
};

use chrono::{DateTime, Days, Utc};
use futures_util::future::join_all;
use mcp_openai::{
    code::RequestEnd,
    handle::{Account, Id, IdMint, Owner},
    money::Usd,
    store::{
        Config, Error, LEASE, Store, StorePlace,
        money::{Charge, Reservation, Settlement, TallyBy},
        turns::{NewTurn, TurnQuery},
    },
};

const SIZES: [usize; 4] = [1_000, 10_000, 100_000, 1_000_000];
/// Every thousandth turn says a word that no other says.
const RARE: usize = 1_000;
const TURNS: usize = 10;

struct Filled {
    store: Store,
    mint: IdMint,
    turns: usize,
    /// The last turn of the conversation that is being written.
    last: Option<Id>,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    // Cargo passes flags of its own to a bench.
    let folder = std::env::args().skip(1).find(|argument| !argument.starts_with("--")).map(PathBuf::from);
    let own = folder.is_none().then(tempfile::tempdir).transpose()?;
    let folder = folder.or_else(|| own.as_ref().map(|own| own.path().to_owned())).unwrap_or_default();
    let place = StorePlace::Folder(folder.join("state"));
    let store = Store::build(Config { place, lease: LEASE });
    let mut filled = Filled { store, mint: IdMint::default(), turns: 0, last: None };
    writeln!(
        stdout(),
        "| turns and lines | a call, p50 | p99 | a thread of ten | the newest 20 | search | usage of a month |"
    )?;
    writeln!(stdout(), "|---|---|---|---|---|---|---|")?;
    for size in SIZES {
        filled.fill(size).await?;
        let row = filled.measure().await?;
        writeln!(stdout(), "| {size} | {} |", row.join(" | "))?;
    }
    Ok(())
}

impl Filled {
    async fn fill(&mut self, size: usize) -> Result<(), Error> {
        while self.turns < size {
            let calls: Vec<_> = (0..500).map(|_| self.call()).collect();
            join_all(calls.into_iter().map(|call| self.keep(call))).await.into_iter().collect::<Result<(), _>>()?;
        }
        Ok(())
    }

    /// The next call: ten turns make a conversation.
    fn call(&mut self) -> (Reservation, NewTurn) {
        let (id, amount) = (self.mint.mint(), Usd::from_picodollars(1_000_000_000));
        let parent = self.last.filter(|_| !self.turns.is_multiple_of(TURNS));
        let rare = if self.turns.is_multiple_of(RARE) { "zebra" } else { "horse" };
        let words =
            format!("{rare} Why is the sky blue? Because air scatters what is short of wave more than what is long.");
        self.turns += 1;
        self.last = Some(id);
        let (at, tool, model) = (Utc::now(), "ask-openai".to_owned(), format!("model-{}", self.turns % 5));
        let (account, client) = (Account("a".into()), "bench".to_owned());
        let turn = NewTurn {
            id,
            parent,
            owner: Owner::local(),
            at,
            tool: tool.clone(),
            model: model.clone(),
            cost: Some(amount),
            body: format!(r#"{{"said":"{words}"}}"#),
            words,
        };
        let per_day = Usd::from_dollars(1_000_000.0);
        (Reservation { id, at, account, tool, model, client, least: amount, most: amount, per_day, caller: None }, turn)
    }

    async fn keep(&self, (reservation, turn): (Reservation, NewTurn)) -> Result<(), Error> {
        let charge = Charge::Due { usage: None, cost: Some(reservation.most), request_id: None };
        self.store.money.reserve(reservation.clone()).await?;
        let amount = reservation.most;
        let (turn, ended) = (Some(turn), Some(RequestEnd::Complete));
        let end = Settlement { reservation, amount, charge, end: ended, turn, job: None };
        self.store.money.settle(end).await.map(drop)
    }

    async fn measure(&mut self) -> Result<Vec<String>, Error> {
        let mut calls = Vec::new();
        for _ in 0..1_000 {
            let call = self.call();
            let since = Instant::now();
            self.keep(call).await?;
            calls.push(since.elapsed());
        }
        calls.sort_unstable();
        let query = |since: DateTime<Utc>| TurnQuery { owner: Owner::local(), since, most: 20 };
        let (store, last) = (&self.store, self.last.unwrap_or_else(|| self.mint.mint()));
        let _ = store.turns.search(query(DateTime::UNIX_EPOCH), "zebra").await;
        let month = Utc::now().date_naive() - Days::new(30);
        let owner = Owner::local();
        let thread = median(|| store.turns.thread(&owner, last, DateTime::UNIX_EPOCH)).await;
        let newest = median(|| store.turns.newest(query(DateTime::UNIX_EPOCH))).await;
        let search = median(|| store.turns.search(query(DateTime::UNIX_EPOCH), "zebra blue")).await;
        let usage = median(|| store.money.tally(month, TallyBy::Model, None)).await;
        let [p50, p99] = [500, 990].map(|at| calls.get(at).copied().unwrap_or_default());
        Ok([p50, p99, thread, newest, search, usage].map(shown).into())
    }
}

async fn median<F: Future>(ask: impl Fn() -> F) -> Duration {
    let mut took = Vec::new();
    for _ in 0..11 {
        let since = Instant::now();
        ask().await;
        took.push(since.elapsed());
    }
    took.sort_unstable();
    took.get(5).copied().unwrap_or_default()
}

fn shown(time: Duration) -> String {
    match time.as_micros() {
        micros if micros < 10_000 => format!("{:.2} ms", time.as_secs_f64() * 1e3),
        _ => format!("{:.0} ms", time.as_secs_f64() * 1e3),
    }
}
