//! What happens at the bank, and what can be known of it afterwards.

use std::error::Error;
use std::io::Write;
use std::time::{Duration, Instant};

use cqrs_core::{
    AsOf, AuditEntry, Context, DomainEvent, ExecuteError, Executed, Handle, LoadError, SnapshotQuery, StreamName,
    Timestamp, Version,
};

use crate::account::{
    Account, AccountError, AccountEvent, AccountId, Close, Correct, CreditInterest, Deposit, Open, Status, TransferIn,
    TransferOut, Withdraw,
};
use crate::amount::Amount;
use crate::audit;
use crate::bank::{Bank, BookError, Slip};
use showcase::Report;

/// How long a snapshot may take that is written in the background.
const SNAPSHOT: Duration = Duration::from_secs(30);

/// Entries in a page of an audit.
const AUDITED: usize = 100;

type Told = Result<(), Box<dyn Error>>;

/// Books an entry and shows the balance in the read models, which has to be this one.
async fn entry<C>(bank: &mut Bank, slip: Slip<'_>, command: C, balance: i64, report: &mut Report<impl Write>) -> Told
where
    Account: Handle<C>,
    C: Send + Sync + 'static,
{
    let written = bank.book(slip, command).await?;
    show_entry(bank, slip, &written, balance, report).await
}

async fn show_entry(
    bank: &Bank,
    slip: Slip<'_>,
    written: &Executed,
    balance: i64,
    report: &mut Report<impl Write>,
) -> Told {
    let Slip { account, at, reason, .. } = slip;
    let summary = bank.summary(written).await?;
    let before = if written.repeated { " (was booked before)" } else { "" };
    let shown = Amount(summary.balance).to_string();
    report.say(format_args!("  {account}  {at}  {reason:<26}  {shown:>15}  {}{before}", summary.status))?;
    if !written.repeated {
        report.check(format_args!("{account} after {reason}"), &summary.balance, &balance);
    }
    Ok(())
}

/// An entry that has to be refused, in the first run for this reason.
async fn refused<C>(
    bank: &mut Bank,
    slip: Slip<'_>,
    command: C,
    reason: AccountError,
    report: &mut Report<impl Write>,
) -> Told
where
    Account: Handle<C>,
    C: Send + Sync + 'static,
{
    let found = match bank.book(slip, command).await {
        Err(BookError::Execute(ExecuteError::Domain(reason))) => Some(reason),
        Err(error) => return Err(error.into()),
        Ok(_) => None,
    };
    if let Some(reason) = &found {
        report.say(format_args!("  {}  {}  {:<26}  refused: {reason}", slip.account, slip.at, slip.reason))?;
    }
    // Where the account has come further in an earlier run, it has other reasons.
    let expected = if bank.repeated { found.clone().or(Some(reason)) } else { Some(reason) };
    report.check(format_args!("{} refuses {}", slip.account, slip.reason), &found, &expected);
    Ok(())
}

/// ACC-001, and ACC-003 to which it sends money.
pub async fn two_accounts(bank: &mut Bank, report: &mut Report<impl Write>) -> Told {
    report.part("entries, each read back from the read models")?;
    let one = |at, actor, reason| Slip { account: "ACC-001", at, actor, reason };
    let three = |at, actor, reason| Slip { account: "ACC-003", at, actor, reason };
    let open = |owner: &str| Open { owner: owner.to_owned() };

    entry(bank, one("2024-01-01T09:00:00Z", "teller-7", "account opened"), open("Nguyen Van An"), 0, report).await?;
    entry(bank, three("2024-01-02T09:00:00Z", "teller-2", "account opened"), open("Tran Thi Binh"), 0, report).await?;
    let deposit = Deposit { amount: 2_000_000 };
    entry(bank, one("2024-01-05T10:00:00Z", "teller-7", "salary"), deposit, 2_000_000, report).await?;
    let withdraw = Withdraw { amount: 500_000 };
    entry(bank, one("2024-01-10T15:30:00Z", "atm-12", "cash"), withdraw, 1_500_000, report).await?;
    transfer(bank, report).await?;
    let interest = CreditInterest { amount: 300_000 };
    entry(bank, one("2024-01-15T00:00:00Z", "interest", "monthly interest"), interest, 1_500_000, report).await?;

    // What is wrong stays in the log. It is set right by a further entry.
    let fee = Withdraw { amount: 50_000 };
    entry(bank, three("2024-01-16T00:00:00Z", "fees", "fee of another account"), fee, 250_000, report).await?;
    let correction = Correct { amount: 50_000, entry: 3 };
    entry(bank, three("2024-01-17T11:00:00Z", "auditor-1", "wrong account charged"), correction, 300_000, report)
        .await?;
    let not_empty = AccountError::NotEmpty(300_000);
    refused(bank, three("2024-01-31T16:00:00Z", "teller-2", "account closed"), Close, not_empty, report).await?;
    let withdraw = Withdraw { amount: 300_000 };
    entry(bank, three("2024-01-31T16:05:00Z", "teller-2", "paid out"), withdraw, 0, report).await?;
    entry(bank, three("2024-01-31T16:10:00Z", "teller-2", "account closed"), Close, 0, report).await?;
    let closed = AccountError::Status(Status::Closed);
    refused(bank, three("2024-02-01T09:00:00Z", "teller-2", "late deposit"), Deposit { amount: 1 }, closed, report)
        .await
}

/// Money leaves one account and, because of that, arrives at the other.
async fn transfer(bank: &mut Bank, report: &mut Report<impl Write>) -> Told {
    let (from, to) = (AccountId::new("ACC-001"), AccountId::new("ACC-003"));
    let (amount, at) = (300_000, "2024-01-12T08:00:00Z");
    let out = Slip { account: "ACC-001", at, actor: "customer", reason: "rent" };
    let sent = bank.book(out, TransferOut { amount, to: to.clone() }).await?;
    show_entry(bank, out, &sent, 1_200_000, report).await?;

    let history = bank.accounts.history(&from).await?;
    let cause =
        history.iter().find(|event| Some(event.version) == sent.version).ok_or("the transfer is not in the log")?;
    let r#in = Slip { account: "ACC-003", at, actor: "transfers", reason: "rent of ACC-001" };
    let received = bank.book_with(r#in, TransferIn { amount, from }, Context::new().caused_by(cause)).await?;
    show_entry(bank, r#in, &received, 300_000, report).await?;

    let history = bank.accounts.history(&to).await?;
    let arrived = history.iter().find(|event| Some(event.version) == received.version);
    let correlation = arrived.map(|event| event.metadata()).transpose()?.and_then(|metadata| metadata.correlation_id);
    report.check("the correlation of both sides of the transfer", &correlation, &cause.metadata()?.correlation_id);
    Ok(())
}

/// ACC-002: +1000 -300 +500.
pub async fn second_account(bank: &mut Bank, report: &mut Report<impl Write>) -> Told {
    let slip = |at, reason| Slip { account: "ACC-002", at, actor: "teller-7", reason };
    let open = Open { owner: "Le Van Cuong".to_owned() };
    entry(bank, slip("2024-02-01T09:00:00Z", "account opened"), open, 0, report).await?;
    entry(bank, slip("2024-02-02T09:00:00Z", "first deposit"), Deposit { amount: 1_000 }, 1_000, report).await?;
    entry(bank, slip("2024-02-03T09:00:00Z", "cash"), Withdraw { amount: 300 }, 700, report).await?;
    let insufficient = AccountError::InsufficientFunds { balance: 700, amount: 5_000 };
    refused(bank, slip("2024-02-04T09:00:00Z", "more cash"), Withdraw { amount: 5_000 }, insufficient, report).await?;
    entry(bank, slip("2024-02-05T09:00:00Z", "second deposit"), Deposit { amount: 500 }, 1_200, report).await?;
    let now = bank.accounts.load(&AccountId::new("ACC-002")).await?;
    report.check("ACC-002", &now.map(|loaded| loaded.state.balance), &Some(1_200));
    Ok(())
}

/// What had happened by a time, as far as it was known when an entry was recorded.
fn known(occurred: Timestamp, at: &AuditEntry) -> AsOf {
    AsOf::Bitemporal { occurred, recorded: at.recorded_at }
}

/// ACC-001 as it was.
pub async fn time_travel(bank: &Bank, report: &mut Report<impl Write>) -> Told {
    let id = AccountId::new("ACC-001");
    let audit = bank.accounts.replay(&id).report(AUDITED).await?;
    report.part("the history of ACC-001")?;
    audit::show(&audit, report)?;
    let now = bank.accounts.load(&id).await?.ok_or("ACC-001 was not opened")?;
    report.check("ACC-001", &now.state.balance, &1_500_000);
    let newest = audit.entries.last().and_then(|entry| entry.changes.first());
    let newest = newest.map(|change| (change.path.as_str(), change.after.clone()));
    report.check("ACC-001 replayed", &newest, &Some(("/balance", Some(now.state.balance.into()))));

    report.part("ACC-001 as of")?;
    let salary: Timestamp = "2024-01-05T10:00:00Z".parse()?;
    let middle: Timestamp = "2024-01-14T14:00:00Z".parse()?;
    let third = audit.entries.get(2).ok_or("ACC-001 has no third entry")?;
    for (moment, as_of, balance) in [
        ("occurred by 2023-12-31", AsOf::Occurred("2023-12-31T23:59:59Z".parse()?), None),
        ("occurred before the salary", AsOf::Occurred(salary.plus_micros(-1)), Some(0)),
        ("occurred by the salary", AsOf::Occurred(salary), Some(2_000_000)),
        ("occurred by 2024-01-14T14:00Z", AsOf::Occurred(middle), Some(1_200_000)),
        ("version 3", AsOf::Version(third.version), Some(1_500_000)),
        // In January 2024 this bank knew nothing yet: it has recorded these entries just now.
        ("recorded by 2024-01-14T14:00Z", AsOf::Recorded(middle), None),
        ("recorded by the third entry", AsOf::Recorded(third.recorded_at), Some(1_500_000)),
        // When the third entry was recorded, the transfer of 12 January had happened and was not known.
        ("by 01-14, as known at the third", known(middle, third), Some(1_500_000)),
        ("by the salary, known at the third", known(salary, third), Some(2_000_000)),
    ] {
        let then = bank.accounts.load_as_of(&id, as_of).await?.map(|loaded| loaded.state.balance);
        let shown = then.map_or("not there yet".to_owned(), |balance| Amount(balance).to_string());
        report.say(format_args!("  {moment:<33}  {shown:>15}"))?;
        report.check(format_args!("ACC-001 as of {moment}"), &then, &balance);
    }

    let beyond = bank.accounts.load_as_of(&id, AsOf::Version(now.version.next())).await;
    if let Err(error) = &beyond {
        report.say(format_args!("  version {:<25}  refused: {error}", now.version.next()))?;
    }
    report.check("a version beyond the end", &matches!(beyond, Err(LoadError::VersionBeyondEnd { .. })), &true);

    report.part("the history of ACC-003: the wrong entry stays, the correction is one of its own")?;
    audit::show(&bank.accounts.replay(&AccountId::new("ACC-003")).report(AUDITED).await?, report)
}

/// An account with many entries, whose past states start from a snapshot.
pub async fn snapshots(bank: &mut Bank, report: &mut Report<impl Write>) -> Told {
    report.part("ACC-100, with 250 entries and a snapshot for each 100")?;
    let id = AccountId::new("ACC-100");
    let opened = "2024-03-01T00:00:00Z";
    let opening = Slip { account: "ACC-100", at: opened, actor: "till", reason: "account opened" };
    let mut written = bank.book(opening, Open { owner: "Pho 24".to_owned() }).await?;
    for day in 1..250 {
        let at = opened.parse::<Timestamp>()?.plus_micros(day * 24 * 60 * 60 * 1_000_000).to_string();
        written = bank.book(Slip { at: &at, reason: "takings", ..opening }, Deposit { amount: 1_000 * day }).await?;
    }
    let summary = bank.summary(&written).await?;
    report.check("the entries of ACC-100", &summary.entries, &250);
    report.check("ACC-100", &summary.balance, &31_125_000);

    let stream = StreamName::of("account", &id)?;
    for (number, from) in [(99, None), (150, Some(100)), (250, Some(200))] {
        let version = Version::new(number).ok_or("versions count from 1")?;
        let query = SnapshotQuery {
            stream: stream.clone(),
            as_of: Some(AsOf::Version(version)),
            state_version: 1,
            fingerprint: AccountEvent::FINGERPRINT,
        };
        let snapshot = newest(bank, &query, from).await?;
        let then = bank.accounts.load_as_of(&id, AsOf::Version(version)).await?.map(|loaded| loaded.state.balance);
        let shown = Amount(then.unwrap_or_default()).to_string();
        let start = snapshot.map_or("the first event".to_owned(), |version| format!("the snapshot at {version}"));
        report.say(format_args!("  version {number:>3}  {shown:>15}  folded from {start}"))?;
        let deposits = i64::try_from(number)? - 1;
        report.check(format_args!("ACC-100 at version {number}"), &then, &Some(1_000 * deposits * (deposits + 1) / 2));
        report.check(format_args!("a snapshot for version {number}"), &snapshot.is_some(), &from.is_some());
    }
    Ok(())
}

/// The version of the newest snapshot, once there is one from a version on: snapshots are written off the command's path.
async fn newest(bank: &Bank, query: &SnapshotQuery, from: Option<u64>) -> Result<Option<u64>, Box<dyn Error>> {
    let mut look = tokio::time::interval(Duration::from_millis(10));
    let deadline = Instant::now() + SNAPSHOT;
    loop {
        let found = bank.snapshots.newest(query).await?.map(|snapshot| snapshot.version.get());
        if found >= from || Instant::now() > deadline {
            return Ok(found);
        }
        look.tick().await;
    }
}
