//! The suite that every engine of the store must pass. A property is a function over an [`Engine`], and a second engine
//! adds nothing but its own and a line below.

use std::{
    io::{Write as _, stderr},
    time::Duration,
};

use chrono::{DateTime, Utc};
use mcp_openai::{
    code::RequestEnd,
    handle::{Account, Id, IdMint, Owner},
    money::Usd,
    store::{
        Config, LEASE, PostgresUrl, Store, StorePlace,
        money::{Charge, DayStanding, Reservation, Settlement},
        turns::NewTurn,
    },
};
use tempfile::TempDir;

mod audit;
#[cfg(unix)]
pub mod bouncer;
mod callers;
mod child;
#[cfg(unix)]
mod clock;
#[cfg(unix)]
pub mod cluster;
mod damage;
#[cfg(unix)]
mod disk;
mod facts;
#[cfg(unix)]
mod hints;
mod jobs;
mod killed;
mod money;
mod pace;
mod pictures;
#[cfg(unix)]
pub mod remote;
mod running;
mod schema;
mod search;
mod shared;
mod turns;
mod versions;

/// A process whose last sign of life is older is dead to the others.
const SHORT_LEASE: Duration = Duration::from_millis(300);

/// An engine that is held to the suite, with a store of its own.
trait Engine {
    /// The store as one more process opens it; where nobody shares it, the only one.
    fn open(&self) -> Store;

    /// `false` where this machine lacks what it needs; then it says so for the property.
    fn is_there(&self, _property: &str) -> bool {
        true
    }
}

struct OnDisk(TempDir);

struct InMemory(Store);

/// A place in this process's PostgreSQL.
#[cfg(unix)]
struct InPostgres(Option<PostgresUrl>);

impl Engine for OnDisk {
    fn open(&self) -> Store {
        Store::build(Config { place: StorePlace::Folder(self.0.path().join("state")), lease: SHORT_LEASE })
    }
}

impl Engine for InMemory {
    fn open(&self) -> Store {
        self.0.clone()
    }
}

fn on_disk() -> OnDisk {
    OnDisk(TempDir::new().unwrap())
}

fn in_memory() -> InMemory {
    InMemory(Store::build(Config { place: StorePlace::Memory, lease: LEASE }))
}

#[cfg(unix)]
impl Engine for InPostgres {
    fn open(&self) -> Store {
        let place = StorePlace::Postgres(self.0.clone().unwrap());
        Store::build(Config { place, lease: SHORT_LEASE })
    }

    fn is_there(&self, property: &str) -> bool {
        if self.0.is_none() {
            let _ = writeln!(stderr(), "{property}: not tried, PostgreSQL is not installed");
        }
        self.0.is_some()
    }
}

#[cfg(unix)]
fn in_postgres() -> InPostgres {
    let place = cluster::SHARED.as_ref().map(cluster::Cluster::new_place);
    InPostgres(place.map(|url| PostgresUrl::parse(&url).unwrap()))
}

/// Makes a test of each property, for one engine.
macro_rules! properties {
    ($engine:ident: $($kind:ident { $($property:ident),* $(,)? })*) => {
        $($(
            #[tokio::test]
            async fn $property() {
                let engine = super::super::$engine();
                if super::super::Engine::is_there(&engine, stringify!($property)) {
                    super::super::$kind::$property(&engine).await;
                }
            }
        )*)*
    };
}

/// What holds within one process.
macro_rules! alone {
    ($engine:ident) => {
        mod alone {
            properties! { $engine:
                turns {
                    fifty_branches_of_one_turn_are_all_kept,
                    a_thread_is_the_way_from_its_first_turn,
                    a_conversation_has_all_its_branches_in_order,
                    turns_are_their_owners_alone,
                    a_turn_without_the_one_before_is_not_kept,
                    a_turn_is_kept_once,
                    conversations_are_listed_newest_first_and_no_more_than_asked_for,
                    the_cost_of_a_conversation_is_known_or_absent,
                    a_conversation_beyond_all_counting_is_listed,
                    turns_are_exported_in_pages,
                    a_conversation_is_removed_with_all_that_belongs_to_it,
                    conversations_expire_by_their_newest_turn,
                    an_attachment_may_come_before_its_conversation,
                    heavy_turns_are_read_back,
                    turns_may_say_anything,
                }
                search {
                    all_words_must_stand_in_one_turn,
                    nothing_in_words_is_an_operator_or_an_error,
                    words_are_found_in_every_script,
                    letters_that_do_not_stand_together_are_no_word,
                    what_was_removed_is_not_found,
                    turns_that_end_late_are_found,
                    only_the_owners_living_conversations_are_found,
                }
                jobs {
                    a_job_is_handed_out_once_and_its_first_result_stays,
                    jobs_are_their_owners_alone,
                    the_newest_jobs_come_first_without_their_results,
                    a_job_is_noted_until_it_ends,
                    whoever_runs_a_job_hears_that_it_shall_be_cancelled,
                    jobs_that_ended_expire_and_those_that_run_stay,
                    a_released_job_is_claimed_by_exactly_one,
                    a_call_that_was_given_up_is_known_until_one_is_told_its_result,
                }
                money {
                    of_a_hundred_reservations_under_a_budget_exactly_fifty_are_granted,
                    a_reservation_takes_what_is_left,
                    a_budget_is_an_accounts_and_a_days,
                    budgets_of_a_caller_hold_its_own_requests_and_all_of_them_hold,
                    a_callers_budget_is_exact_among_a_hundred_at_once,
                    what_a_caller_spends_counts_for_its_month_and_is_its_own,
                    a_request_that_is_settled_twice_counts_once,
                    transactions_are_counted_with_their_time,
                    a_line_says_how_its_request_ended,
                    a_known_cost_is_not_replaced_by_an_unknown_one,
                    amounts_beyond_all_counting_are_summed,
                    a_callers_days_beyond_all_counting_are_summed,
                    a_day_that_was_beyond_all_counting_counts_on,
                    what_was_not_billed_leaves_no_line,
                    a_request_of_unknown_cost_counts_what_was_set_aside,
                    the_end_of_a_request_is_kept_whole,
                    what_is_settled_before_it_was_written_counts_once_and_its_parts_apart,
                    a_reservation_is_split_to_the_picodollar,
                    sums_are_of_days_models_and_clients,
                    lines_are_exported_in_pages,
                }
                pace {
                    places_of_one_cap_are_taken_one_after_another,
                    a_place_that_is_too_far_is_not_taken,
                    places_are_taken_together_or_not_at_all,
                    accounts_and_caps_have_their_own_pace,
                    a_hold_passes_and_is_lifted,
                }
                running {
                    calls_at_once_are_counted_until_they_end_or_are_dropped,
                }
                pictures {
                    pictures_are_found_by_their_words_in_their_gallery,
                    the_index_of_pictures_forgets_and_keeps_each_once,
                }
                callers {
                    callers_are_kept_in_the_order_of_their_names,
                    a_caller_is_changed_and_never_lost,
                }
                audit {
                    a_line_of_calls_that_failed_is_replaced_by_one_of_more,
                    calls_that_failed_are_read_in_pages_and_by_caller,
                    a_caller_that_fails_without_end_loses_its_own_oldest_failures,
                }
                facts {
                    the_newest_fact_of_a_name_counts,
                    facts_are_told_apart_by_kind_and_upstream,
                    the_oldest_facts_go_beyond_a_thousand,
                }
            }
        }
    };
}

/// What holds between processes.
macro_rules! shared {
    ($engine:ident) => {
        mod shared {
            properties! { $engine:
                shared {
                    branches_of_three_processes_are_all_kept,
                    a_budget_holds_for_three_processes_together,
                    a_callers_budget_holds_for_three_processes_and_survives_a_dead_one,
                    money_of_a_dead_process_is_spent_for_whoever_reserves_next,
                    a_cap_holds_for_three_processes_together,
                    a_lease_lasts_as_long_as_its_process_runs_something,
                    an_orphaned_job_is_claimed_by_exactly_one,
                    an_orphaned_job_is_interrupted_once_and_its_late_result_counts,
                    a_job_is_cancelled_from_another_process,
                    a_dead_process_s_request_is_unsettled_until_it_is_taken_over,
                    what_one_process_keeps_another_sees_at_once,
                    whoever_goes_in_order_leaves_nothing_behind,
                }
                running {
                    of_calls_at_once_in_three_processes_exactly_as_many_run_as_may,
                    calls_of_a_dead_process_count_until_its_lease_is_over,
                }
            }
        }
    };
}

mod sqlite_on_disk {
    alone!(on_disk);
    shared!(on_disk);
}

mod sqlite_in_memory {
    alone!(in_memory);
}

#[cfg(unix)]
mod postgres {
    alone!(in_postgres);
    shared!(in_postgres);
}

// What the properties are told with.

fn turn(id: Id, parent: Option<Id>, words: &str) -> NewTurn {
    NewTurn {
        id,
        parent,
        owner: Owner::local(),
        at: Utc::now(),
        tool: "ask-openai".into(),
        model: "m".into(),
        cost: Usd::from_dollars(0.01),
        words: words.into(),
        body: format!("{{\"said\":\"{words}\"}}"),
    }
}

fn usd(dollars: f64) -> Usd {
    Usd::from_dollars(dollars).unwrap()
}

fn account() -> Account {
    Account("a".into())
}

pub fn reservation(id: Id, dollars: f64, per_day: Option<f64>) -> Reservation {
    Reservation {
        id,
        at: Utc::now(),
        account: account(),
        tool: "ask-openai".into(),
        model: "m".into(),
        client: "test".into(),
        least: usd(dollars),
        most: usd(dollars),
        per_day: per_day.map(usd),
        caller: None,
    }
}

fn settlement(reservation: &Reservation, charge: Charge) -> Settlement {
    let (reservation, amount) = (reservation.clone(), reservation.most);
    Settlement { reservation, amount, charge, end: Some(RequestEnd::Complete), turn: None, job: None }
}

pub fn paid(reservation: &Reservation, dollars: f64) -> Settlement {
    settlement(reservation, Charge::Due { usage: None, cost: Some(usd(dollars)), request_id: None })
}

async fn standing(store: &Store) -> DayStanding {
    store.money.standing(&account(), Utc::now().date_naive()).await.unwrap()
}

/// Appends a turn that must be kept.
async fn said(store: &Store, mint: &IdMint, parent: Option<Id>, words: &str) -> Id {
    let id = mint.mint();
    assert!(store.turns.append_turn(turn(id, parent, words)).await.unwrap());
    id
}

/// Asks again until the answer is this: what happens at a moment of the engine's own cannot be waited for otherwise.
async fn until<T: PartialEq + std::fmt::Debug>(expected: T, ask: impl AsyncFn() -> T) {
    let mut found = ask().await;
    for _ in 0..1000 {
        if found == expected {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
        found = ask().await;
    }
    panic!("{found:?} instead of {expected:?}");
}

async fn stands(store: &Store, spent: f64, reserved: f64) {
    until(DayStanding { spent: usd(spent), reserved: usd(reserved) }, async || standing(store).await).await;
}

const EVER: DateTime<Utc> = DateTime::UNIX_EPOCH;
