//! Replicas that are cut off from their database, or far from it: whatever is sent is counted, once.

use std::time::Duration;

use futures_util::future::{join, join_all};

use super::{
    Company, client, code,
    relay::{Relay, WHOLE, WireState},
};
use crate::{ledger::sent, store::remote::shared};

/// Some of them are in the middle of a transaction when the wire is cut.
const AT_ONCE: usize = 4;

#[tokio::test]
async fn replicas_cut_off_in_any_direction_send_nothing_uncounted_and_hold_up_no_other() {
    let test = "replicas_cut_off_in_any_direction_send_nothing_uncounted_and_hold_up_no_other";
    let Some(cluster) = shared(test) else { return };
    let (company, http) = (Company::new(cluster, Duration::from_secs(2)).await, client());
    let ways = [(WireState::Cut, WireState::Cut), (WireState::Cut, WHOLE), (WHOLE, WireState::Cut)];
    let relays = join_all(ways.map(|_| Relay::before(cluster))).await;
    let to_the_end = ("MCP_OPENAI_ANSWER_WITHIN", "off");
    let (mut replicas, company) = (Vec::new(), &company);
    for relay in &relays {
        let url = relay.url(&company.store, cluster);
        replicas.push(company.replica("20", &[to_the_end, ("MCP_OPENAI_STORE_URL", &url)]).await);
    }
    let other = company.replica("20", &[to_the_end]).await;

    let (http, replicas) = (&http, &replicas);
    let in_flight = join_all(replicas.iter().map(|replica| replica.ask(http)));
    let cut = async {
        company.arrived(3).await;
        // So that the wire is cut within transactions, and not between them.
        let slowly = WireState::Slowed(Duration::from_millis(10));
        for relay in &relays {
            relay.set(slowly, slowly);
        }
        let begun = join_all((0..AT_ONCE).flat_map(|_| replicas).map(|replica| replica.ask(http)));
        let within = async {
            company.arrived(4).await;
            for (relay, (there, back)) in relays.iter().zip(ways) {
                relay.set(there, back);
            }
            let refused = join_all(replicas.iter().map(|replica| replica.ask(http)));
            let served = join_all((0..AT_ONCE).map(|_| async {
                // One of the others may have held the budget's row when it was cut off: that ends by itself.
                loop {
                    let result = other.ask(http).await;
                    if code(&result) != "storage_failed" {
                        return result;
                    }
                }
            }));
            join(refused, served).await
        };
        join(begun, within).await
    };
    let (in_flight, (begun, (refused, served))) = join(in_flight, cut).await;
    assert!(in_flight.iter().chain(&served).all(|result| code(result) == "-"), "{in_flight:?} {served:?}");
    assert!(refused.iter().all(|result| code(result) == "storage_failed"), "{refused:?}");
    let all = in_flight.iter().chain(&served).chain(&begun).chain(&refused);
    let told: Vec<_> = all.map(code).collect();
    assert!(told.iter().all(|code| ["-", "storage_failed"].contains(code)), "{told:?}");
    let all = in_flight.iter().chain(&served).chain(&begun);
    let answered = all.filter(|result| result["structuredContent"]["text"] == "It scatters.").count();
    assert_eq!(answered, told.iter().filter(|code| **code == "-").count(), "{told:?}");
    assert_eq!(sent(&company.upstream).await.len(), answered, "whatever is sent reaches its caller: {told:?}");

    for relay in &relays {
        relay.set(WHOLE, WHOLE);
    }
    company.adds_up(cluster).await;
    let again = join_all(replicas.iter().map(|replica| replica.ask(http))).await;
    assert!(again.iter().all(|result| code(result) == "-"), "{again:?}");
    company.adds_up(cluster).await;
}

#[tokio::test]
async fn a_database_that_is_far_away_answers_all_and_its_books_agree() {
    let Some(cluster) = shared("a_database_that_is_far_away_answers_all_and_its_books_agree") else { return };
    let (company, http, relay) = (Company::new(cluster, Duration::ZERO).await, client(), Relay::before(cluster).await);
    let url = relay.url(&company.store, cluster);
    let through = [("MCP_OPENAI_STORE_URL", url.as_str())];
    let replicas = join_all((0..2).map(|_| company.replica("1", &through))).await;
    let later = WireState::Slowed(Duration::from_millis(20));
    relay.set(later, later);
    let results = join_all((0..20).map(|at: usize| replicas[at % 2].ask(&http))).await;
    let codes: Vec<_> = results.iter().map(code).collect();
    assert_eq!(codes.iter().filter(|code| **code == "-").count(), 10, "{codes:?}");
    assert_eq!(codes.iter().filter(|code| **code == "over_budget").count(), 10, "{codes:?}");
    company.adds_up(cluster).await;
}
