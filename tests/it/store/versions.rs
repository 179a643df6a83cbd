//! Two versions of the program on one store, while both write: an earlier one beside this one, and this one beside a later
//! one whose marks say that it may.

use std::{fs, path::Path, time::Duration};

use futures_util::future::{join, join_all};
use mcp_openai::{
    handle::{Id, IdMint, Owner},
    store::{
        Store,
        jobs::FinishedJob,
        money::{Reserved, Settlement},
    },
};
use rusqlite::Connection;

use super::{
    EVER, Engine,
    child::{Running, Task},
    jobs, on_disk, paid, reservation, schema, stands, turn, usd,
};

/// Calls of each version.
const CALLS: usize = 40;
/// What a call of the earlier version costs, in picodollars.
const COST: i64 = 10_000_000_000;

/// Calls as every program since schema 1 writes them: its lease, then for each call a reservation under a budget, a job
/// that is handed out, and its end, in three transactions. The names of columns are those of schema 1.
fn earlier(ids: &[Id], begin: &str, no: &str) -> String {
    let now = chrono::Utc::now();
    let (at, day) = (now.timestamp_micros(), now.timestamp() / 86_400);
    let lease = at + 60_000_000;
    let lease = format!(
        "INSERT INTO processes (id, lease_until) VALUES (1, {lease})
         ON CONFLICT (id) DO UPDATE SET lease_until = excluded.lease_until;"
    );
    let call = |Id { number: id, secret }: &Id| {
        let found_by = if no == "false" { ("found_by, ", "to_tsvector('simple', 'words'), ") } else { ("", "") };
        let (column, words) = found_by;
        format!(
            "{begin};
             INSERT INTO days (account, day, spent) VALUES ('a', {day}, 0)
             ON CONFLICT (account, day) DO UPDATE SET spent = days.spent;
             INSERT INTO reservations (id, process, account, day, at, amount, tool, model, client)
             VALUES ({id}, 1, 'a', {day}, {at}, {COST}, 'ask-openai', 'm', 'c') ON CONFLICT (id) DO NOTHING;
             COMMIT;
             INSERT INTO jobs (id, secret, owner, tool, started_at, process, stage, resume)
             VALUES ({id}, {secret}, 'local', 'ask-openai', {at}, 1, 'thinking', NULL) ON CONFLICT (id) DO NOTHING;
             {begin};
             DELETE FROM reservations WHERE id = {id};
             INSERT INTO ledger (id, at, account, tool, model, client, usage, cost, reserved, request_id, unsettled)
             VALUES ({id}, {at}, 'a', 'ask-openai', 'm', 'c', NULL, {COST}, {COST}, NULL, {no});
             INSERT INTO days (account, day, spent) VALUES ('a', {day}, {COST})
             ON CONFLICT (account, day) DO UPDATE SET spent = days.spent + excluded.spent;
             INSERT INTO turns (id, secret, root, parent, owner, at, tool, model, cost, words, {column}body)
             VALUES ({id}, {secret}, {id}, NULL, 'local', {at}, 'ask-openai', 'm', {COST}, 'words', {words}'{{}}');
             UPDATE jobs SET result = 'of the earlier', ended_at = {at}, process = NULL, resume = NULL
             WHERE id = {id} AND secret = {secret} AND result IS NULL;
             COMMIT;"
        )
    };
    [vec![lease], ids.iter().map(call).collect()].concat().join("\n")
}

/// Ids whose secrets an integer of every engine holds.
fn mint(mint: &IdMint) -> Vec<Id> {
    (0..CALLS).map(|_| Id { secret: 7, ..mint.mint() }).collect()
}

/// A call of this program, from its reservation to its end.
async fn call(store: &Store, id: Id) {
    let request = reservation(id, 0.01, Some(1_000.0));
    assert!(matches!(store.money.reserve(request.clone()).await, Ok(Reserved::Granted(_))));
    store.jobs.hand_out(jobs::job(id, None)).await.unwrap();
    let job = Some(FinishedJob { id, result: "of this one".into() });
    store.money.settle(Settlement { turn: Some(turn(id, None, "words")), job, ..paid(&request, 0.01) }).await.unwrap();
}

/// Finds everything that both versions said they kept, by this program.
async fn all_there(store: &Store, earlier: &[Id], ours: &[Id]) {
    let dollars = 0.01 * f64::from(u32::try_from(earlier.len() + ours.len()).unwrap());
    stands(store, dollars, 0.0).await;
    let lines = store.money.lines_after(None, 1_000).await.unwrap();
    assert_eq!((lines.len(), lines[0].cost), (earlier.len() + ours.len(), Some(usd(0.01))));
    let said = [("of the earlier", earlier), ("of this one", ours)];
    for (result, id) in said.iter().flat_map(|(result, ids)| ids.iter().map(move |id| (result, id))) {
        assert_eq!(jobs::state(store, *id).await, Some(jobs::finished(result)));
        assert_eq!(store.turns.thread(&Owner::local(), *id, EVER).await.unwrap().len(), 1);
    }
}

#[tokio::test]
async fn an_earlier_program_goes_on_in_a_database_that_this_one_migrated() {
    for fixture in schema::FIXTURES {
        let engine = on_disk();
        let path = engine.0.path().join("state/store.sqlite3");
        fs::create_dir(path.parent().unwrap()).unwrap();
        fs::copy(Path::new(env!("CARGO_MANIFEST_DIR")).join(fixture), &path).unwrap();
        // Open before the migration, as that of a program that runs.
        let running = Connection::open(&path).unwrap();
        running.busy_timeout(Duration::from_secs(30)).unwrap();
        running.execute_batch("DELETE FROM ledger; DELETE FROM days").unwrap();
        let (store, minted) = (engine.open(), IdMint::default());
        let (theirs, ours) = (mint(&minted), mint(&minted));
        let script = earlier(&theirs, "BEGIN IMMEDIATE", "0");
        let writes = tokio::task::spawn_blocking(move || running.execute_batch(&script).unwrap());
        let (written, _) = join(writes, join_all(ours.iter().map(|id| call(&store, *id)))).await;
        written.unwrap();
        all_there(&store, &theirs, &ours).await;
    }
}

#[tokio::test]
async fn this_program_goes_on_while_a_later_one_migrates_its_database() {
    let engine = on_disk();
    let path = engine.0.path().join("state/store.sqlite3");
    let (store, minted) = (engine.open(), IdMint::default());
    schema::fill(&store).await;
    let state = path.parent().unwrap();
    let children = [(); 3].map(|()| Running::start(Task::Hammer(CALLS.try_into().unwrap()), state));
    let later = Connection::open(&path).unwrap();
    later.busy_timeout(Duration::from_secs(30)).unwrap();
    migrate_as_a_later_one(&later);
    let ours = mint(&minted);
    join_all(ours.iter().map(|id| call(&store, *id))).await;
    for child in children {
        assert_eq!(child.rest().len(), 1, "it did all of its calls");
    }
    // Of the fixture's calls one was paid for.
    let lines = store.money.lines_after(None, 1_000).await.unwrap().len();
    assert_eq!(lines, 1 + ours.len() + 3 * CALLS);
    // Whoever starts now finds the later schema, and all doors take what they took.
    let started = engine.open();
    for id in &ours {
        assert_eq!(jobs::state(&started, *id).await, Some(jobs::finished("of this one")));
    }
    call(&started, minted.mint()).await;
    let version: u32 = later.query_row("PRAGMA user_version", [], |row| row.get(0)).unwrap();
    assert_eq!(version, known(&later) + 1, "nobody took it back");
}

/// The schema that the program under test knows, by the mark that the later one left.
fn known(database: &Connection) -> u32 {
    database.query_row("SELECT value FROM marks WHERE name = 'usable_from'", [], |row| row.get(0)).unwrap()
}

/// Adds a column to every table, and a table, in one transaction, as migrations do; programs of the schema before may go
/// on.
fn migrate_as_a_later_one(database: &Connection) {
    let tables = "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE '%\\_words%' ESCAPE '\\'
                  AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'";
    let mut tables = database.prepare(tables).unwrap();
    let tables: Vec<String> = tables.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect();
    assert!(tables.len() > 10, "{tables:?}");
    let add = tables.iter().map(|table| format!("ALTER TABLE {table} ADD COLUMN later TEXT NOT NULL DEFAULT '';"));
    let known: u32 = database.query_row("PRAGMA user_version", [], |row| row.get(0)).unwrap();
    let migration = format!(
        "BEGIN IMMEDIATE; {} CREATE TABLE later (id INTEGER PRIMARY KEY) STRICT; CREATE INDEX jobs_later ON jobs (later);
         PRAGMA user_version = {}; UPDATE marks SET value = {known} WHERE name = 'usable_from'; COMMIT",
        add.collect::<String>(),
        known + 1
    );
    database.execute_batch(&migration).unwrap();
}

#[cfg(unix)]
mod in_postgres {
    use mcp_openai::store::{Config, LEASE, PostgresUrl, StorePlace};

    use super::{super::remote::shared, *};

    const SCHEMAS: [&str; 6] = [
        include_str!("../../../src/store/postgres/schema_1.sql"),
        include_str!("../../../src/store/postgres/schema_2.sql"),
        include_str!("../../../src/store/postgres/schema_3.sql"),
        include_str!("../../../src/store/postgres/schema_4.sql"),
        include_str!("../../../src/store/postgres/schema_5.sql"),
        include_str!("../../../src/store/postgres/schema_6.sql"),
    ];

    fn open(url: &str) -> Store {
        Store::build(Config { place: StorePlace::Postgres(PostgresUrl::parse(url).unwrap()), lease: LEASE })
    }

    #[tokio::test]
    async fn an_earlier_program_goes_on_in_a_database_that_this_one_migrated() {
        let test = "an_earlier_program_goes_on_in_a_database_that_this_one_migrated";
        let Some(cluster) = shared(test) else { return };
        for known in 1..=SCHEMAS.len() {
            let url = cluster.new_place();
            let place = url.rsplit("%3D").next().unwrap().to_owned();
            let schema = SCHEMAS[..known].join(";");
            let marks = format!("INSERT INTO marks VALUES ('schema', {known}), ('usable_from', 1)");
            cluster.sql(&format!("SET search_path = {place}; {schema}; {marks}"));
            let (store, minted) = (open(&url), IdMint::default());
            let (theirs, ours) = (mint(&minted), mint(&minted));
            let script = format!("SET search_path = {place};\n{}", earlier(&theirs, "BEGIN", "false"));
            let writes = tokio::task::spawn_blocking(move || cluster.sql(&script));
            let (written, _) = join(writes, join_all(ours.iter().map(|id| call(&store, *id)))).await;
            written.unwrap();
            all_there(&store, &theirs, &ours).await;
        }
    }

    #[tokio::test]
    async fn this_program_goes_on_while_a_later_one_migrates_its_database() {
        let test = "this_program_goes_on_while_a_later_one_migrates_its_database";
        let Some(cluster) = shared(test) else { return };
        let url = cluster.new_place();
        let place = url.rsplit("%3D").next().unwrap().to_owned();
        let (stores, minted) = ([(); 2].map(|()| open(&url)), IdMint::default());
        schema::fill(&stores[0]).await;
        // In one transaction under the lock of those that migrate.
        let migration = format!(
            "BEGIN; SET LOCAL search_path = {place};
             DO $$ DECLARE name text; BEGIN
                 FOR name IN SELECT tablename FROM pg_tables WHERE schemaname = '{place}' ORDER BY tablename LOOP
                     EXECUTE format('ALTER TABLE %I ADD COLUMN later text NOT NULL DEFAULT ''''', name);
                 END LOOP;
             END $$;
             CREATE TABLE later (id bigint PRIMARY KEY);
             UPDATE marks SET value = (SELECT value FROM marks WHERE name = 'schema') WHERE name = 'usable_from';
             UPDATE marks SET value = value + 1 WHERE name = 'schema'; COMMIT"
        );
        // Whichever of two that wait for each other is broken off begins again.
        let migrate = move || (0..10).any(|_| cluster.try_sql(&migration));
        let later = tokio::task::spawn_blocking(migrate);
        let ours = mint(&minted);
        let calls = ours.iter().zip(stores.iter().cycle()).map(|(id, store)| call(store, *id));
        let (migrated, _) = join(later, join_all(calls)).await;
        assert!(migrated.unwrap());
        let started = open(&url);
        call(&started, minted.mint()).await;
        for id in &ours {
            assert_eq!(jobs::state(&started, *id).await, Some(jobs::finished("of this one")));
        }
        // The fixture's line, these, and the one after.
        assert_eq!(started.money.lines_after(None, 1_000).await.unwrap().len(), ours.len() + 2);
    }
}
