//! A service for many: callers with a token each, a day's budget and the store on.

use std::{net::SocketAddr, path::PathBuf};

use anyhow::Result;

use super::{Bench, Rows};
use crate::{
    child::{self, Running, Surroundings},
    crowd::{Caller, Question},
};

mod constant;
mod cores;
mod latency;
mod memory;
mod replicas;

pub use constant::{constant, constant_on_postgres};
pub use cores::cores;
pub use latency::{latency, latency_on_postgres};
pub use memory::{at_a_thousand, waiting};
pub use replicas::replicas;

/// Callers; each has one call in flight at most.
const CALLERS: usize = 64;
const QUESTION: &str = r#"{"query":"What is the capital of France?"}"#;
/// Checked, priced and answered as any other, without the upstream and without the store.
const DRY_RUN: &str = r#"{"query":"What is the capital of France?","dry_run":true}"#;

/// The home that the servers of a service share, and its callers' tokens.
struct Service {
    ours: PathBuf,
    home: Surroundings,
    tokens: Vec<String>,
}

/// One server of it, or the floor.
struct Served {
    process: Running,
    address: SocketAddr,
}

impl Served {
    /// So many connections of nobody's.
    fn connect(&self, connections: usize, tool: &str, arguments: &str) -> Result<Vec<Caller>> {
        let question = Question::call(self.address, None, tool, arguments);
        (0..connections).map(|_| Caller::connect(question.clone())).collect()
    }
}

impl Service {
    /// A service over this upstream, with a budget that nothing ever reaches.
    fn open(bench: &Bench, upstream: &str, store: Option<&str>) -> Result<Self> {
        let home = Surroundings::of(upstream.to_owned())?.with("MCP_OPENAI_SPEND_PER_DAY", "1000000");
        Self::of(bench, home, store)
    }

    fn of(bench: &Bench, home: Surroundings, store: Option<&str>) -> Result<Self> {
        let home = home
            .with("MCP_OPENAI_MAX_RUNNING", "1000")
            // All of its connections come from one address, as from a proxy.
            .with("MCP_OPENAI_HTTP_PROXIES", "127.0.0.1")
            .with("MCP_OPENAI_ANSWER_WITHIN", "off");
        let home = store.into_iter().fold(home, |home, url| home.with("MCP_OPENAI_STORE_URL", url));
        let tokens = (0..CALLERS).map(|number| home.new_caller(&bench.ours, &format!("caller-{number}")));
        let tokens = tokens.collect::<Result<_>>()?;
        Ok(Self { ours: bench.ours.clone(), home, tokens })
    }

    /// Starts a server, and returns once it has answered.
    fn serve(&self) -> Result<Served> {
        let (process, address) = child::start_http(&self.ours, &self.home)?;
        let served = Served { process, address };
        self.callers(&served, 1, DRY_RUN)?.iter_mut().try_for_each(Caller::call)?;
        Ok(served)
    }

    /// The floor over the same upstream.
    fn serve_peer(&self, bench: &Bench) -> Result<Served> {
        let (process, address) = child::start_http(&bench.http_peer, &self.home)?;
        Ok(Served { process, address })
    }

    /// So many connections with one question; the callers take turns.
    fn callers(&self, served: &Served, connections: usize, arguments: &str) -> Result<Vec<Caller>> {
        self.spread(std::slice::from_ref(served), connections, arguments)
    }

    /// The same over several servers; these take turns, too.
    fn spread(&self, servers: &[Served], connections: usize, arguments: &str) -> Result<Vec<Caller>> {
        let lanes = self.tokens.iter().cycle().zip(servers.iter().cycle()).take(connections);
        let question = |token, served: &Served| Question::call(served.address, Some(token), "ask-openai", arguments);
        lanes.map(|(token, served)| Caller::connect(question(token, served))).collect()
    }
}
