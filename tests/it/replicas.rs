//! Several servers on one PostgreSQL, as real programs over HTTP: one budget, one ledger, and any job on any of them.

mod announced;
mod clocks;
mod cut_off;
mod killed;
mod lost;
mod relay;
mod running;

use std::{
    net::{Ipv4Addr, SocketAddr, TcpListener},
    process::{Child, Stdio},
    sync::atomic::{AtomicU8, Ordering},
    time::{Duration, Instant},
};

use futures_util::future::join_all;
use mcp_openai::store::{self, LEASE, PostgresUrl, Store, StorePlace, callers::CallerLimits};
use reqwest::header::{AUTHORIZATION, HeaderMap};
use serde_json::{Value, json};
use tempfile::TempDir;
use wiremock::MockServer;

use crate::{
    authentication, cli,
    ledger::{answering, response_with, sent},
    peer::modern,
    store::{
        bouncer::Bouncer,
        cluster::Cluster,
        remote::{own, shared},
    },
};

/// A call of a thousand tokens of it costs 10 cents, whatever is asked.
const MODELS: &str = r#"
[[family]]
kind = "text"
models = [{ id = "dime", price = { input = 0.0, output = 100.0 } }]
"#;

const PATIENCE: Duration = Duration::from_mins(1);

/// The things that all replicas share.
struct Company {
    upstream: MockServer,
    store: String,
    folder: TempDir,
    /// The last of its replicas' addresses: each is a host of its own on loopback, where the system has more than one.
    hosts: AtomicU8,
}

struct Replica {
    program: Child,
    address: SocketAddr,
}

impl Company {
    async fn new(cluster: &Cluster, delay: Duration) -> Self {
        Self::at(cluster.new_place(), delay).await
    }

    /// The same with this URL of the store.
    async fn at(store: String, delay: Duration) -> Self {
        let usage = json!({ "input_tokens": 10, "output_tokens": 1000, "total_tokens": 1010 });
        let upstream =
            answering(response_with(&json!({ "status": "completed", "usage": usage })).set_delay(delay)).await;
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("models.toml"), MODELS).unwrap();
        Self { upstream, store, folder, hosts: AtomicU8::new(1) }
    }

    /// Starts one more server, and returns once it is ready.
    async fn replica(&self, per_day: &str, settings: &[(&str, &str)]) -> Replica {
        let host = Ipv4Addr::new(127, 0, 0, self.hosts.fetch_add(1, Ordering::Relaxed) + 1);
        let free = TcpListener::bind((host, 0)).or_else(|_| TcpListener::bind((Ipv4Addr::LOCALHOST, 0)));
        let address = free.unwrap().local_addr().unwrap();
        let mut command = cli::mcp_openai(&["http", "--bind", &address.to_string()]);
        command.envs(self.environment()).env("MCP_OPENAI_SPEND_PER_DAY", per_day);
        command.envs(settings.iter().copied()).stdout(Stdio::null()).stderr(Stdio::null());
        let replica = Replica { program: command.spawn().unwrap(), address };
        let since = Instant::now();
        let http = client();
        while http.get(format!("http://{address}/readyz")).send().await.is_err() {
            assert!(since.elapsed() < PATIENCE, "never ready");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        replica
    }

    fn environment(&self) -> Vec<(&'static str, String)> {
        let file = |name: &str| self.folder.path().join(name).to_str().unwrap().to_owned();
        vec![
            ("OPENAI_BASE_URL", self.upstream.uri()),
            ("OPENAI_API_KEY", "sk-test-canary".to_owned()),
            ("MCP_OPENAI_STORE_URL", self.store.clone()),
            ("MCP_OPENAI_MODELS_FILE", file("models.toml")),
            ("MCP_OPENAI_STATE_DIR", file("state")),
            ("MCP_OPENAI_IMAGES_DIR", file("images")),
        ]
    }

    /// A client of its own for each of so many callers, with a token.
    async fn callers(&self, number: usize, limits: CallerLimits) -> Vec<reqwest::Client> {
        let place = StorePlace::Postgres(PostgresUrl::parse(&self.store).unwrap());
        let store = Store::build(store::Config { place, lease: LEASE });
        let mut clients = Vec::new();
        for at in 0..number {
            let header = authentication::caller(&store.callers, &format!("caller-{at}"), limits).await;
            let token = header.trim_end().strip_prefix("Authorization: ").unwrap().parse().unwrap();
            clients.push(client_of([(AUTHORIZATION, token)].into_iter().collect()));
        }
        clients
    }

    /// The sums of the ledger, as any machine of the company is told them.
    fn usage(&self) -> Value {
        let output = cli::mcp_openai(&["usage", "--json"]).envs(self.environment()).output().unwrap();
        let (code, out, err) = cli::told(&output);
        assert_eq!(code, 0, "{err}");
        serde_json::from_str(&out).unwrap()
    }

    /// Waits until nothing is reserved and the ledger has a line of 10 cents for each request that was sent.
    async fn adds_up(&self, cluster: &Cluster) {
        let nothing_is_reserved = format!("SELECT 1 / (count(*) = 0)::int FROM {}.reservations", self.place());
        let since = Instant::now();
        loop {
            let (sent, usage) = (sent(&self.upstream).await.len(), self.usage());
            let total = &usage["total"];
            let is_counted = total["calls"] == json!(sent) && total["unsettled_calls"] == json!(0);
            let dollars = total["cost_usd"].as_f64().unwrap_or_default();
            if is_counted && cluster.try_sql(&nothing_is_reserved) && (dollars * 10.0 - dimes(sent)).abs() < 1e-6 {
                return;
            }
            assert!(since.elapsed() < PATIENCE, "{sent} were sent, the books say {total}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// The name of its schema.
    fn place(&self) -> &str {
        self.store.rsplit("%3D").next().unwrap()
    }

    async fn arrived(&self, most: usize) {
        let since = Instant::now();
        while sent(&self.upstream).await.len() < most {
            assert!(since.elapsed() < PATIENCE, "{} arrived", sent(&self.upstream).await.len());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

impl Replica {
    /// The result of a call.
    async fn call(&self, http: &reqwest::Client, tool: &str, arguments: Value) -> Value {
        self.request(http, "tools/call", tool, modern(json!({ "name": tool, "arguments": arguments }))).await
    }

    /// The result of a request for the thing of this name.
    async fn request(&self, http: &reqwest::Client, method: &str, name: &str, params: Value) -> Value {
        let body = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params });
        let request = http.post(format!("http://{}/mcp", self.address)).body(body.to_string());
        let headers = [
            ("host", "localhost"),
            ("content-type", "application/json"),
            ("accept", "application/json"),
            ("mcp-protocol-version", "2026-07-28"),
            ("mcp-method", method),
            ("mcp-name", name),
        ];
        let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
        let answer = request.send().await.unwrap().text().await.unwrap();
        serde_json::from_str::<Value>(&answer).expect(&answer)["result"].clone()
    }

    async fn ask(&self, http: &reqwest::Client) -> Value {
        self.call(http, "ask-openai", json!({ "query": "Why?", "model": "dime", "max_tokens": 1000 })).await
    }
}

impl Drop for Replica {
    fn drop(&mut self) {
        let _ = self.program.kill();
        let _ = self.program.wait();
    }
}

fn dimes(calls: usize) -> f64 {
    f64::from(u32::try_from(calls).unwrap())
}

/// The code of a failure, `-` for a success.
fn code(result: &Value) -> &str {
    result["structuredContent"]["error"]["code"].as_str().unwrap_or("-")
}

fn client() -> reqwest::Client {
    client_of(HeaderMap::new())
}

/// A client that sends these headers with each request.
fn client_of(headers: HeaderMap) -> reqwest::Client {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = reqwest::Client::builder().default_headers(headers).no_proxy().timeout(Duration::from_mins(5));
    // A server closes a connection that idles for 20 s, and the request that just comes is lost with it.
    client.pool_idle_timeout(Duration::from_secs(5)).build().unwrap()
}

#[tokio::test]
async fn of_a_thousand_calls_of_ten_cents_on_three_replicas_exactly_five_hundred_pass_fifty_dollars() {
    let test = "of_a_thousand_calls_of_ten_cents_on_three_replicas_exactly_five_hundred_pass_fifty_dollars";
    let Some(cluster) = shared(test) else { return };
    let company = Company::new(cluster, Duration::from_millis(50)).await;
    let callers = company.callers(40, CallerLimits::default()).await;
    let room =
        [("MCP_OPENAI_MAX_WAITING", "1000"), ("MCP_OPENAI_MAX_RUNNING", "64"), ("MCP_OPENAI_ANSWER_WITHIN", "off")];
    let replicas = join_all((0..3).map(|_| company.replica("50", &room))).await;
    let results = join_all((0..1_000).map(|at: usize| replicas[at % 3].ask(&callers[at % 40]))).await;
    let passed = results.iter().filter(|result| code(result) == "-").count();
    let refused = results.iter().filter(|result| code(result) == "over_budget").count();
    assert_eq!((passed, refused), (500, 500), "{:?}", results.iter().find(|result| code(result) == "storage_failed"));
    assert_eq!(sent(&company.upstream).await.len(), 500, "nothing is sent that has no money");
    let usage = company.usage();
    let total = &usage["total"];
    assert_eq!((total["calls"].as_u64(), total["cost_usd"].as_f64()), (Some(500), Some(50.0)), "{usage}");
}

#[tokio::test]
async fn a_replica_that_is_killed_costs_what_it_had_reserved_once_its_lease_is_over() {
    let test = "a_replica_that_is_killed_costs_what_it_had_reserved_once_its_lease_is_over";
    let Some(cluster) = shared(test) else { return };
    let (company, http) = (Company::new(cluster, Duration::from_mins(5)).await, client());
    let mut replicas = join_all((0..2).map(|_| company.replica("1.05", &[]))).await;
    let doomed = replicas.remove(0);
    let calls = {
        let http = http.clone();
        async move { join_all((0..10).map(|_| doomed.ask(&http))).await }
    };
    tokio::select! {
        _ = calls => unreachable!("the upstream says nothing for minutes"),
        // Dropped with its calls in flight: killed between reserve and settle.
        () = company.arrived(10) => {}
    }
    assert_eq!(code(&replicas[0].ask(&http).await), "over_budget", "it is reserved");
    cluster.sql(&format!("UPDATE {}.processes SET lease_until = 0", company.place()));
    assert_eq!(code(&replicas[0].ask(&http).await), "over_budget", "it is spent");
    let total = &company.usage()["total"];
    assert_eq!((total["calls"].as_u64(), total["unsettled_calls"].as_u64()), (Some(10), Some(10)), "{total}");
    assert_eq!(total["estimated_usd"].as_f64(), Some(1.0), "{total}");
    assert_eq!(sent(&company.upstream).await.len(), 10);
}

/// Has a job handed out by one replica, and collects it on another, which may cancel it first.
async fn job_of_another(store: String, takes: Duration, first: Value) -> Value {
    let (company, http) = (Company::at(store, takes).await, client());
    let soon = [("MCP_OPENAI_ANSWER_WITHIN", "200ms")];
    let replicas = join_all((0..2).map(|_| company.replica("5", &soon))).await;
    let handed_out = replicas[0].ask(&http).await;
    let job = handed_out["structuredContent"]["job"].as_str().expect("a job").to_owned();
    let mut arguments = first;
    let since = Instant::now();
    loop {
        arguments["job"] = job.as_str().into();
        let result = replicas[1].call(&http, "get-result", arguments).await;
        if result["structuredContent"]["status"] != "running" {
            return result;
        }
        assert!(since.elapsed() < PATIENCE, "{result}");
        arguments = json!({});
    }
}

#[tokio::test]
async fn a_job_of_one_replica_is_collected_on_another() {
    let Some(cluster) = shared("a_job_of_one_replica_is_collected_on_another") else { return };
    let collected = job_of_another(cluster.new_place(), Duration::from_secs(2), json!({})).await;
    assert_eq!(collected["structuredContent"]["text"], "It scatters.", "{collected}");
}

#[tokio::test]
async fn a_job_of_one_replica_is_cancelled_on_another() {
    let Some(cluster) = shared("a_job_of_one_replica_is_cancelled_on_another") else { return };
    let cancelled = job_of_another(cluster.new_place(), Duration::from_mins(5), json!({ "cancel": true })).await;
    assert_eq!(code(&cancelled), "cancelled", "{cancelled}");
}

/// Notifications never come: the polls see all.
#[tokio::test]
async fn behind_pgbouncer_a_job_of_one_replica_is_collected_and_cancelled_on_another() {
    let test = "behind_pgbouncer_a_job_of_one_replica_is_collected_and_cancelled_on_another";
    let Some(cluster) = shared(test) else { return };
    let Some(bouncer) = Bouncer::before(cluster, test) else { return };
    let collected = job_of_another(bouncer.url.clone(), Duration::from_secs(2), json!({})).await;
    assert_eq!(collected["structuredContent"]["text"], "It scatters.", "{collected}");
    let cancelled = job_of_another(bouncer.url.clone(), Duration::from_mins(5), json!({ "cancel": true })).await;
    assert_eq!(code(&cancelled), "cancelled", "{cancelled}");
}

/// Waits until a replica, which is ready all along, says this of it.
async fn says(http: &reqwest::Client, admin: &str, ready: &str) {
    let since = Instant::now();
    loop {
        let answer = http.get(format!("http://{admin}/readyz")).send().await.unwrap();
        assert_eq!(answer.status(), 200);
        let said = answer.text().await.unwrap();
        if said == ready {
            return;
        }
        assert!(since.elapsed() < PATIENCE, "{said}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn while_the_database_is_gone_replicas_send_nothing_and_they_recover_by_themselves() {
    let test = "while_the_database_is_gone_replicas_send_nothing_and_they_recover_by_themselves";
    let Some(cluster) = own(test) else { return };
    let (company, http) = (Company::new(&cluster, Duration::ZERO).await, client());
    let admin = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().to_string();
    let replica = company.replica("5", &[("MCP_OPENAI_HTTP_ADMIN_BIND", &admin)]).await;
    assert_eq!(code(&replica.ask(&http).await), "-");
    says(&http, &admin, "ok").await;
    cluster.stop();
    let refused = replica.ask(&http).await;
    assert_eq!(code(&refused), "storage_failed", "{refused}");
    assert_eq!(refused["structuredContent"]["error"]["retryable"], true, "{refused}");
    assert!(!refused.to_string().contains("canary"), "{refused}");
    assert_eq!(sent(&company.upstream).await.len(), 1, "nothing is sent that is not counted");
    says(&http, &admin, r#"{"status":"ok","store":"away"}"#).await;
    cluster.serve();
    says(&http, &admin, "ok").await;
    let since = Instant::now();
    while code(&replica.ask(&http).await) != "-" {
        assert!(since.elapsed() < PATIENCE, "it does not recover");
    }
    let (calls, counted) = (sent(&company.upstream).await.len(), company.usage());
    assert_eq!(counted["total"]["calls"], json!(calls), "{counted}");
}
