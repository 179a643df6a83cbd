//! Money: reserved exactly, settled once.

use chrono::{TimeDelta, Utc};
use futures_util::future::join_all;
use mcp_openai::{
    code::{Code, RequestEnd},
    handle::{Account, IdMint, Owner},
    money::{Usage, Usd},
    store::{
        LastTransaction,
        callers::CallerName,
        jobs::FinishedJob,
        money::{
            BudgetOf, CallerShare, CallerSpending, Charge, DayStanding, LineState, Reservation, Reserved, Settled,
            Settlement, TallyBy,
        },
    },
};

use super::{EVER, Engine, account, jobs, paid, reservation, said, settlement, standing, stands, turn, usd};

pub async fn of_a_hundred_reservations_under_a_budget_exactly_fifty_are_granted(engine: &impl Engine) {
    let (store, mint) = (engine.open(), IdMint::default());
    let all = join_all((0..100).map(|_| store.money.reserve(reservation(mint.mint(), 0.1, Some(5.0))))).await;
    let granted = all.into_iter().filter(|reserved| matches!(reserved, Ok(Reserved::Granted(_)))).count();
    assert_eq!(granted, 50);
    assert_eq!(standing(&store).await, DayStanding { spent: Usd::ZERO, reserved: usd(5.0) });
}

pub async fn a_reservation_takes_what_is_left(engine: &impl Engine) {
    let (store, mint) = (engine.open(), IdMint::default());
    let wide = |least: f64, most: f64| Reservation { least: usd(least), ..reservation(mint.mint(), most, Some(1.0)) };
    assert_eq!(store.money.reserve(wide(0.1, 0.7)).await.unwrap(), Reserved::Granted(usd(0.7)));
    assert_eq!(store.money.reserve(wide(0.1, 0.7)).await.unwrap(), Reserved::Granted(usd(0.3)));
    let refused = DayStanding { spent: Usd::ZERO, reserved: usd(1.0) };
    assert_eq!(
        store.money.reserve(wide(0.1, 0.7)).await.unwrap(),
        Reserved::Refused { of: BudgetOf::AccountDay, limit: usd(1.0), standing: refused }
    );
    assert_eq!(store.money.reserve(wide(0.0, 0.7)).await.unwrap(), Reserved::Granted(Usd::ZERO), "nothing is enough");
    let unbounded = Reservation { per_day: None, ..wide(9.0, 9.0) };
    assert_eq!(store.money.reserve(unbounded).await.unwrap(), Reserved::Granted(usd(9.0)));
}

pub async fn a_budget_is_an_accounts_and_a_days(engine: &impl Engine) {
    let (store, mint) = (engine.open(), IdMint::default());
    let yesterday = Utc::now() - TimeDelta::days(1);
    let all = [
        reservation(mint.mint(), 1.0, Some(1.0)),
        Reservation { account: Account("b".into()), ..reservation(mint.mint(), 1.0, Some(1.0)) },
        Reservation { at: yesterday, ..reservation(mint.mint(), 1.0, Some(1.0)) },
    ];
    for reservation in all {
        assert_eq!(store.money.reserve(reservation.clone()).await.unwrap(), Reserved::Granted(usd(1.0)));
        let again = Reservation { id: mint.mint(), ..reservation };
        assert!(matches!(store.money.reserve(again).await.unwrap(), Reserved::Refused { .. }));
    }
    let before = store.money.standing(&account(), yesterday.date_naive()).await.unwrap();
    assert_eq!(before.reserved, usd(1.0));
}

pub async fn a_request_that_is_settled_twice_counts_once(engine: &impl Engine) {
    let (store, reservation) = (engine.open(), reservation(IdMint::default().mint(), 0.1, Some(5.0)));
    store.money.reserve(reservation.clone()).await.unwrap();
    for cost in [0.03, 0.05, 0.04] {
        store.money.settle(paid(&reservation, cost)).await.unwrap();
    }
    assert_eq!(standing(&store).await, DayStanding { spent: usd(0.04), reserved: Usd::ZERO });
    let lines = store.money.lines_after(None, 10).await.unwrap();
    assert_eq!(lines.iter().map(|line| line.cost).collect::<Vec<_>>(), [Some(usd(0.04))]);
}

pub async fn a_line_says_how_its_request_ended(engine: &impl Engine) {
    let (store, reservation) = (engine.open(), reservation(IdMint::default().mint(), 0.1, None));
    store.money.begin(reservation.clone());
    // The last one has no cost, and replaces nothing.
    let ends = [
        (None, None, None),
        (Some(RequestEnd::Failed(Code::TimedOut)), None, Some("timed_out")),
        (Some(RequestEnd::Incomplete), Some(0.02), Some("incomplete")),
        (Some(RequestEnd::Failed(Code::Cancelled)), None, Some("incomplete")),
    ];
    for (end, dollars, outcome) in ends {
        let charge = Charge::Due { usage: None, cost: dollars.map(usd), request_id: None };
        store.money.settle(Settlement { end, ..settlement(&reservation, charge) }).await.unwrap();
        let line = store.money.lines_after(None, 1).await.unwrap().remove(0);
        assert_eq!(line.outcome.as_deref(), outcome);
    }
}

pub async fn a_known_cost_is_not_replaced_by_an_unknown_one(engine: &impl Engine) {
    let (store, reservation) = (engine.open(), reservation(IdMint::default().mint(), 0.1, Some(5.0)));
    store.money.reserve(reservation.clone()).await.unwrap();
    store.money.settle(paid(&reservation, 0.03)).await.unwrap();
    let unknown = Charge::Due { usage: None, cost: None, request_id: None };
    for charge in [unknown, Charge::Nothing] {
        store.money.settle(settlement(&reservation, charge)).await.unwrap();
        assert_eq!(standing(&store).await, DayStanding { spent: usd(0.03), reserved: Usd::ZERO });
    }
}

pub async fn amounts_beyond_all_counting_are_summed(engine: &impl Engine) {
    let (store, mint) = (engine.open(), IdMint::default());
    let most = Usd::from_picodollars(u64::MAX);
    let usage = Usage { input_tokens: u64::MAX, ..Usage::default() };
    for _ in 0..3 {
        let charge = Charge::Due { usage: Some(usage), cost: Some(most), request_id: None };
        store.money.settle(settlement(&reservation(mint.mint(), 0.1, None), charge)).await.unwrap();
    }
    assert!(standing(&store).await.spent > usd(1_000_000.0));
    let sum = store.money.tally(Utc::now().date_naive(), TallyBy::Day, None).await.unwrap().remove(0);
    assert!(sum.cost > usd(1_000_000.0) && sum.usage.input_tokens > 0, "{sum:?}");
    assert_eq!(store.money.lines_after(None, 10).await.unwrap().len(), 3);
}

pub async fn a_callers_days_beyond_all_counting_are_summed(engine: &impl Engine) {
    let (store, mint) = (engine.open(), IdMint::default());
    let alice = share("alice", None, Some(5.0));
    let on = |day: &str| {
        let at = format!("{day}T12:00:00Z").parse().unwrap();
        Reservation { at, ..of_caller(reservation(mint.mint(), 0.1, None), &alice) }
    };
    for day in ["2026-02-01", "2026-02-02"] {
        let charge = Charge::Due { usage: None, cost: Some(Usd::from_picodollars(u64::MAX)), request_id: None };
        store.money.settle(settlement(&on(day), charge)).await.unwrap();
    }
    let refused = store.money.reserve(on("2026-02-03")).await.unwrap();
    assert!(matches!(refused, Reserved::Refused { of: BudgetOf::CallerMonth, .. }), "{refused:?}");
    let spending = store.money.caller_spending("2026-02-03".parse().unwrap(), 9).await.unwrap();
    assert!(spending[0].month > usd(1_000_000.0) && spending[0].day == Usd::ZERO, "{spending:?}");
}

pub async fn a_day_that_was_beyond_all_counting_counts_on(engine: &impl Engine) {
    let (store, mint) = (engine.open(), IdMint::default());
    let requests = [reservation(mint.mint(), 0.1, None), reservation(mint.mint(), 0.1, None)];
    for request in &requests {
        let charge = Charge::Due { usage: None, cost: Some(Usd::from_picodollars(u64::MAX)), request_id: None };
        store.money.settle(settlement(request, charge)).await.unwrap();
    }
    for request in &requests {
        store.money.settle(paid(request, 0.04)).await.unwrap();
    }
    let before = standing(&store).await.spent;
    store.money.settle(paid(&reservation(mint.mint(), 0.1, None), 0.05)).await.unwrap();
    assert_eq!(standing(&store).await.spent, before + usd(0.05), "it is not below nothing");
}

pub async fn what_was_not_billed_leaves_no_line(engine: &impl Engine) {
    let (store, mint) = (engine.open(), IdMint::default());
    let (reserved, begun) = (reservation(mint.mint(), 0.1, Some(5.0)), reservation(mint.mint(), 0.1, None));
    store.money.reserve(reserved.clone()).await.unwrap();
    store.money.begin(begun.clone());
    for reservation in [reserved, begun] {
        store.money.settle(settlement(&reservation, Charge::Nothing)).await.unwrap();
    }
    assert_eq!(standing(&store).await, DayStanding::default());
    assert!(store.money.lines_after(None, 10).await.unwrap().is_empty());
}

pub async fn a_request_of_unknown_cost_counts_what_was_set_aside(engine: &impl Engine) {
    let (store, reservation) = (engine.open(), reservation(IdMint::default().mint(), 0.1, Some(5.0)));
    store.money.reserve(reservation.clone()).await.unwrap();
    let unknown = Charge::Due { usage: None, cost: None, request_id: Some("req_1".into()) };
    store.money.settle(settlement(&reservation, unknown)).await.unwrap();
    assert_eq!(standing(&store).await, DayStanding { spent: usd(0.1), reserved: Usd::ZERO });
    let line = store.money.lines_after(None, 1).await.unwrap().remove(0);
    assert_eq!((line.cost, line.reserved, line.state), (None, usd(0.1), LineState::Settled));
    assert_eq!((line.request_id.as_deref(), line.id.number), (Some("req_1"), reservation.id.number));
    let sum = store.money.tally(Utc::now().date_naive(), TallyBy::Model, None).await.unwrap().remove(0);
    assert_eq!((sum.calls, sum.calls_of_unknown_cost, sum.cost, sum.estimated), (1, 1, Usd::ZERO, usd(0.1)));
}

pub async fn the_end_of_a_request_is_kept_whole(engine: &impl Engine) {
    let (store, mint) = (engine.open(), IdMint::default());
    let (first, gone) = (said(&store, &mint, None, "the first").await, mint.mint());
    for (parent, settled) in [(first, Settled::Whole), (gone, Settled::WithoutTurn)] {
        let (reservation, job) = (reservation(mint.mint(), 0.1, None), mint.mint());
        store.money.begin(reservation.clone());
        store.jobs.hand_out(jobs::job(job, None)).await.unwrap();
        let turn = turn(mint.mint(), Some(parent), "the second");
        let end = Settlement {
            turn: Some(turn.clone()),
            job: Some(FinishedJob { id: job, result: "done".into() }),
            ..paid(&reservation, 0.02)
        };
        assert_eq!(store.money.settle(end).await.unwrap(), settled);
        let kept = store.turns.thread(&Owner::local(), turn.id, EVER).await.unwrap();
        let has_ended = jobs::state(&store, job).await == Some(jobs::finished("done"));
        // A result that names a turn which is not there must not be told.
        assert_eq!((kept.len(), has_ended), if settled == Settled::Whole { (2, true) } else { (0, false) });
    }
    assert_eq!(standing(&store).await.spent, usd(0.04));
}

pub async fn what_is_settled_before_it_was_written_counts_once_and_its_parts_apart(engine: &impl Engine) {
    let (store, mint) = (engine.open(), IdMint::default());
    let short = reservation(mint.mint(), 0.1, None);
    store.money.begin(short.clone());
    store.money.settle(paid(&short, 0.02)).await.unwrap();
    let pictures = reservation(mint.mint(), 0.4, None);
    let parts = [pictures.id, mint.mint(), mint.mint(), mint.mint()];
    store.money.begin(pictures.clone());
    store.money.split(pictures.id, &parts).await.unwrap();
    stands(&store, 0.02, 0.4).await;
    for id in parts {
        store.money.settle(paid(&Reservation { id, ..pictures.clone() }, 0.05)).await.unwrap();
    }
    stands(&store, 0.22, 0.0).await;
}

pub async fn a_reservation_is_split_to_the_picodollar(engine: &impl Engine) {
    let (store, mint) = (engine.open(), IdMint::default());
    let amount = Usd::from_picodollars(100);
    let whole = Reservation { least: amount, most: amount, ..reservation(mint.mint(), 0.1, Some(5.0)) };
    store.money.reserve(whole.clone()).await.unwrap();
    let parts = [whole.id, mint.mint(), mint.mint()];
    store.money.split(whole.id, &parts).await.unwrap();
    assert_eq!(standing(&store).await.reserved, amount);
    let nothing = |id| settlement(&Reservation { id, ..whole.clone() }, Charge::Nothing);
    store.money.settle(nothing(parts[1])).await.unwrap();
    store.money.settle(nothing(parts[2])).await.unwrap();
    assert_eq!(standing(&store).await.reserved, Usd::from_picodollars(34), "the first keeps what does not divide");
}

pub async fn sums_are_of_days_models_and_clients(engine: &impl Engine) {
    let (store, mint, now) = (engine.open(), IdMint::default(), Utc::now());
    let usage = Usage { input_tokens: 10, output_tokens: 5, ..Usage::default() };
    for (model, client, days) in [("b", "one", 0), ("a", "two", 0), ("a", "one", 1), ("a", "one", 40)] {
        let at = now - TimeDelta::days(days);
        let id = mcp_openai::handle::Id {
            number: mcp_openai::handle::Id::earliest(at).number + mint.mint().number % 4096,
            ..mint.mint()
        };
        let request = Reservation { at, model: model.into(), client: client.into(), ..reservation(id, 0.1, None) };
        let charge = Charge::Due { usage: Some(usage), cost: Some(usd(0.01)), request_id: None };
        store.money.settle(settlement(&request, charge)).await.unwrap();
    }
    let since = (now - TimeDelta::days(30)).date_naive();
    let sums = async |by| {
        let sums = store.money.tally(since, by, None).await.unwrap();
        sums.into_iter().map(|sum| (sum.name, sum.calls, sum.usage.input_tokens, sum.cost)).collect::<Vec<_>>()
    };
    let row =
        |name: &str, calls: u64| (name.to_owned(), calls, calls * 10, Usd::from_picodollars(calls * 10_000_000_000));
    assert_eq!(sums(TallyBy::Model).await, [row("a", 2), row("b", 1)]);
    assert_eq!(sums(TallyBy::Client).await, [row("one", 2), row("two", 1)]);
    let [before, today] = [1, 0].map(|days| (now - TimeDelta::days(days)).date_naive().to_string());
    assert_eq!(sums(TallyBy::Day).await, [row(&before, 1), row(&today, 2)]);
}

pub async fn lines_are_exported_in_pages(engine: &impl Engine) {
    let (store, mint) = (engine.open(), IdMint::default());
    let mut all = Vec::new();
    for _ in 0..7 {
        let request = reservation(mint.mint(), 0.1, None);
        store.money.settle(paid(&request, 0.01)).await.unwrap();
        all.push(request.id.number);
    }
    let (mut exported, mut after) = (Vec::new(), None);
    loop {
        let page = store.money.lines_after(after, 3).await.unwrap();
        let Some(last) = page.last() else { break };
        after = Some(last.id);
        exported.extend(page.into_iter().map(|line| line.id.number));
    }
    assert_eq!(exported, all);
}

pub fn share(name: &str, per_day: Option<f64>, per_month: Option<f64>) -> CallerShare {
    let name = CallerName::parse(name).unwrap();
    CallerShare { name, per_day: per_day.map(usd), per_month: per_month.map(usd) }
}

pub fn of_caller(reservation: Reservation, caller: &CallerShare) -> Reservation {
    Reservation { caller: Some(caller.clone()), ..reservation }
}

pub async fn budgets_of_a_caller_hold_its_own_requests_and_all_of_them_hold(engine: &impl Engine) {
    let (store, mint) = (engine.open(), IdMint::default());
    let (alice, bob) = (share("alice", Some(0.5), Some(0.8)), share("bob", None, None));
    let reserve = async |dollars, per_day, caller: &CallerShare| {
        let request = of_caller(reservation(mint.mint(), dollars, per_day), caller);
        store.money.reserve(request).await.unwrap()
    };
    assert_eq!(reserve(0.3, Some(1.0), &alice).await, Reserved::Granted(usd(0.3)));
    let standing = DayStanding { spent: Usd::ZERO, reserved: usd(0.3) };
    let refused = Reserved::Refused { of: BudgetOf::CallerDay, limit: usd(0.5), standing };
    assert_eq!(reserve(0.3, Some(1.0), &alice).await, refused);
    assert_eq!(reserve(0.6, Some(1.0), &bob).await, Reserved::Granted(usd(0.6)), "another has budgets of its own");
    let standing = DayStanding { spent: Usd::ZERO, reserved: usd(0.9) };
    let refused = Reserved::Refused { of: BudgetOf::AccountDay, limit: usd(1.0), standing };
    assert_eq!(reserve(0.2, Some(1.0), &alice).await, refused, "and the account's holds, too");
    let tight = share("alice", None, Some(0.4));
    let standing = DayStanding { spent: Usd::ZERO, reserved: usd(0.3) };
    let refused = Reserved::Refused { of: BudgetOf::CallerMonth, limit: usd(0.4), standing };
    assert_eq!(reserve(0.2, None, &tight).await, refused);
    let wide = of_caller(Reservation { least: usd(0.01), ..reservation(mint.mint(), 9.0, Some(9.0)) }, &tight);
    assert_eq!(store.money.reserve(wide).await.unwrap(), Reserved::Granted(usd(0.1)), "what all of them have left");
}

pub async fn a_callers_budget_is_exact_among_a_hundred_at_once(engine: &impl Engine) {
    let (store, mint) = (engine.open(), IdMint::default());
    let alice = share("alice", None, Some(5.0));
    let all = (0..100).map(|_| store.money.reserve(of_caller(reservation(mint.mint(), 0.1, Some(50.0)), &alice)));
    let all = join_all(all).await;
    let granted = all.into_iter().filter(|all| matches!(all.as_ref().unwrap(), Reserved::Granted(_))).count();
    assert_eq!(granted, 50);
}

pub async fn what_a_caller_spends_counts_for_its_month_and_is_its_own(engine: &impl Engine) {
    let (store, mint) = (engine.open(), IdMint::default());
    let (alice, bob) = (share("alice", Some(1.0), Some(1.5)), share("bob", None, None));
    // On the first and the last day of one month, and on the first of the next.
    let on = |day: &str, dollars, caller| {
        let at = format!("{day}T12:00:00Z").parse().unwrap();
        Reservation { at, ..of_caller(reservation(mint.mint(), dollars, None), caller) }
    };
    for (request, dollars) in [(on("2026-02-01", 0.9, &alice), 0.7), (on("2026-02-28", 0.9, &bob), 0.9)] {
        store.money.reserve(request.clone()).await.unwrap();
        store.money.settle(paid(&request, dollars)).await.unwrap();
    }
    let refused = store.money.reserve(on("2026-02-28", 0.9, &alice)).await.unwrap();
    let standing = DayStanding { spent: usd(0.7), reserved: Usd::ZERO };
    assert_eq!(refused, Reserved::Refused { of: BudgetOf::CallerMonth, limit: usd(1.5), standing });
    assert!(matches!(store.money.reserve(on("2026-03-01", 0.9, &alice)).await.unwrap(), Reserved::Granted(_)));
    let reader = share("a-reader", Some(1.0), None);
    let nothing = on("2026-02-27", 0.1, &reader);
    store.money.reserve(nothing.clone()).await.unwrap();
    store.money.settle(settlement(&nothing, Charge::Nothing)).await.unwrap();
    let since = "2026-01-01".parse().unwrap();
    // Lines are found by the moment in their ids, which is now.
    let sums = store.money.tally(since, TallyBy::Caller, None).await.unwrap();
    let sums: Vec<_> = sums.into_iter().map(|sum| (sum.name, sum.cost)).collect();
    assert_eq!(sums, [("alice".to_owned(), usd(0.7)), ("bob".to_owned(), usd(0.9))]);
    let own = store.money.tally(since, TallyBy::Model, Some(&alice.name)).await.unwrap();
    assert_eq!((own.len(), own[0].cost), (1, usd(0.7)));
    let lines = store.money.lines_after(None, 10).await.unwrap();
    let callers: Vec<_> = lines.iter().map(|line| line.caller.as_deref()).collect();
    assert_eq!(callers, [Some("alice"), Some("bob")]);
    let spending = async |day: &str, most| store.money.caller_spending(day.parse().unwrap(), most).await.unwrap();
    let of = |caller: &str, day, month| CallerSpending { caller: caller.to_owned(), day: usd(day), month: usd(month) };
    assert_eq!(spending("2026-02-28", 9).await, [of("alice", 0.0, 0.7), of("bob", 0.9, 0.9)]);
    assert_eq!(spending("2026-02-27", 9).await, [of("alice", 0.0, 0.7)], "the month until then");
    assert_eq!(spending("2026-02-28", 1).await.len(), 1);
    assert_eq!(spending("2026-01-31", 9).await, []);
}

pub async fn transactions_are_counted_with_their_time(engine: &impl Engine) {
    let (store, mint) = (engine.open(), IdMint::default());
    for _ in 0..3 {
        let request = reservation(mint.mint(), 0.1, Some(5.0));
        store.money.reserve(request.clone()).await.unwrap();
        store.money.settle(paid(&request, 0.1)).await.unwrap();
    }
    let standing = store.standing();
    assert!(standing.transactions >= 6 && !standing.time.is_zero(), "{standing:?}");
    assert_eq!((standing.failures, standing.last), (0, LastTransaction::Kept));
}
