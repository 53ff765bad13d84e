//! What happens: old users, new users, a mail server that is away, and the past.

use std::error::Error;
use std::io::Write;
use std::sync::Arc;
use std::time::Duration;

use cqrs_core::{
    AsOf, CheckpointStore, CommandId, Context, Documents, EventStore, ExecuteError, Executed, GlobalPosition, Handle,
    ImportEvents, ReadModel, Repository, Timestamp,
};
use cqrs_projections::{Backoff, Projections, Reactions, RetryTransient, Running, RunningReactions, documents_as_of};
use showcase::{Report, grouped};

use crate::analytics::{Analytics, EVER, SIGN_UPS, SignUps};
use crate::directory::{DIRECTORY, Directory, Entry};
use crate::history::{import, signed_up_at};
use crate::mail::MailServer;
use crate::user::{ChangeEmail, SignUp, User, UserError, UserId};
use crate::welcome::{WELCOME_MAIL, WelcomeMail};

const CATCH_UP: Duration = Duration::from_secs(600);

/// Where everything is kept.
pub struct Adapters {
    pub store: Arc<dyn EventStore>,
    pub history: Arc<dyn ImportEvents>,
    pub checkpoints: Arc<dyn CheckpointStore>,
    pub documents: Arc<dyn ReadModel>,
}

/// The parts that run.
pub struct SignUpService {
    store: Arc<dyn EventStore>,
    users: Repository<User>,
    projections: Arc<Running>,
    reactions: RunningReactions,
    directory: Documents<Entry>,
    sign_ups: Documents<SignUps>,
    server: MailServer,
    /// The users of the past.
    old: u64,
    /// Whether nothing of this had happened before, in an earlier run.
    first_run: bool,
}

impl SignUpService {
    pub async fn open<W: Write>(adapters: Adapters, old: u64, report: &mut Report<W>) -> Result<Self, Box<dyn Error>> {
        let Adapters { store, history, checkpoints, documents } = adapters;
        let head = store.head().await?.position;
        report.part("users of the past")?;
        let imported = import(&*history, old).await?;
        report.check("all old users are there", &(imported.written + imported.repeated), &(old as usize));
        report.say(format_args!("  {:>9} users without an address, as user.created.v1", grouped(old)))?;

        let backoff = Backoff::new(Duration::from_millis(20), Duration::from_millis(200));
        let projections = Projections::new(Arc::clone(&store))
            .add(DIRECTORY, Directory, Arc::clone(&documents))
            .add(SIGN_UPS, Analytics, Arc::clone(&documents))
            .start()
            .await?;
        let projections = Arc::new(projections);
        let server = MailServer::default();
        let directory = || Documents::new(Arc::clone(&documents), DIRECTORY);
        let welcome =
            WelcomeMail { projections: Arc::clone(&projections), directory: directory()?, server: server.clone() };
        // From now on: nobody who signed up years ago is greeted.
        let reactions = Reactions::new(Arc::clone(&store), checkpoints)
            .add(WELCOME_MAIL, welcome)
            .error_policy(RetryTransient::new(backoff))
            .start()
            .await?;
        let users = Repository::new(Arc::clone(&store));
        let (directory, sign_ups) = (directory()?, Documents::new(Arc::clone(&documents), SIGN_UPS)?);
        let first_run = head == GlobalPosition::START;
        Ok(Self { store, users, projections, reactions, directory, sign_ups, server, old, first_run })
    }

    /// A program that runs again does nothing twice: the command's id is made of its place in the story.
    async fn execute<C>(&self, user: &str, step: u32, command: C) -> Result<Executed, ExecuteError<UserError>>
    where
        User: Handle<C>,
        C: Send + Sync + 'static,
    {
        let occurred = Timestamp::from_micros(1_717_200_000_000_000).plus_micros(i64::from(step) * 3_600_000_000);
        let id = CommandId::named(occurred, &format!("user_sign_up:story:{step}"));
        let context = Context::new().command_id(id).occurred_at(occurred).actor(user).source("user_sign_up");
        self.users.execute_with(&UserId::from(user.to_owned()), command, context).await
    }

    async fn sign_up(&self, step: u32, user: &str, email: &str) -> Result<Executed, ExecuteError<UserError>> {
        let name = user.to_uppercase();
        self.execute(user, step, SignUp { name, email: email.to_owned() }).await
    }

    async fn ever(&self) -> Result<u64, Box<dyn Error>> {
        Ok(self.sign_ups.get(EVER).await?.unwrap_or_default().users)
    }

    fn greeted<W: Write>(&self, what: &str, expected: &[&str], report: &mut Report<W>) {
        // Mails of an earlier run were sent then.
        if self.first_run {
            report.check(what, &self.server.recipients(), &expected.iter().map(|&to| to.to_owned()).collect());
        }
    }

    /// One event, three consumers.
    pub async fn three_consumers<W: Write>(&self, report: &mut Report<W>) -> Result<(), Box<dyn Error>> {
        report.part("one event, three consumers")?;
        self.sign_up(1, "ann", "Ann@Example.com").await?;
        let ben = self.sign_up(2, "ben", "ben@example.com").await?;
        self.projections.wait_for(ben.position, CATCH_UP).await?;
        self.reactions.wait_for(ben.position, CATCH_UP).await?;
        let entry = Entry { name: "ANN".to_owned(), email: Some("ann@example.com".to_owned()) };
        report.check("the directory took all from the event", &self.directory.get("ann").await?, &Some(entry));
        let day = self.sign_ups.get("2024-06-01").await?.unwrap_or_default().users;
        report.check("both signed up on one day", &(day >= 2), &true);
        self.greeted("both are greeted", &["ann@example.com", "ben@example.com"], report);
        report.say("  directory     event-carried state transfer: the event holds all that it keeps")?;
        report.say("  sign-ups      simple event: that it happened is counted")?;
        report.say("  welcome-mail  notification event: the id is taken, the rest is asked for")?;
        Ok(())
    }

    /// An address is one user's.
    pub async fn one_address_one_user<W: Write>(&self, report: &mut Report<W>) -> Result<(), Box<dyn Error>> {
        report.part("an address is one user's")?;
        let refused = self.sign_up(3, "bob", "ANN@example.com").await;
        let Err(ExecuteError::Claimed { key, holder }) = &refused else {
            return Err(format!("somebody else's address was taken: {refused:?}").into());
        };
        report.check("the holder is named", &holder.as_str(), &"user-ann");
        report.say(format_args!("  bob is refused: {key} is held by {holder}"))?;
        Ok(())
    }

    /// A consumer that fails holds up none of the others, and nothing is lost.
    pub async fn a_consumer_fails<W: Write>(&self, report: &mut Report<W>) -> Result<(), Box<dyn Error>> {
        report.part("the mail server is away")?;
        self.server.away(true);
        let cyd = self.sign_up(4, "cyd", "cyd@example.com").await?;
        let dan = self.sign_up(5, "dan", "dan@example.com").await?;
        self.projections.wait_for(dan.position, CATCH_UP).await?;
        let new = 4;
        report.check("its siblings have counted everybody", &self.ever().await?, &(self.old + new));
        if self.first_run {
            self.server.refused(2).await;
            let status = self.reactions.status().await.swap_remove(0);
            report.check("it has not passed the event", &(status.position < cyd.position), &true);
        }
        self.greeted("nobody new is greeted", &["ann@example.com", "ben@example.com"], report);
        report.say("  directory and sign-ups go on, welcome-mail tries again")?;
        self.server.away(false);
        self.reactions.wait_for(dan.position, CATCH_UP).await?;
        let all = ["ann@example.com", "ben@example.com", "cyd@example.com", "dan@example.com"];
        self.greeted("everybody is greeted once", &all, report);
        report.say("  it comes back, and both are greeted")?;
        Ok(())
    }

    /// Old events are read like new ones, wherever they are read.
    pub async fn old_events<W: Write>(&self, report: &mut Report<W>) -> Result<(), Box<dyn Error>> {
        report.part("old events, read like new ones")?;
        let number = self.old / 2;
        let id = UserId::from(number.to_string());
        let changed = self.execute(&id.to_string(), 6, ChangeEmail { to: format!("{number}@example.com") }).await?;
        let then = self.users.load_as_of(&id, AsOf::Recorded(signed_up_at(number)?)).await?.map(|user| user.state);
        let expected = User { name: Some(format!("User {number}")), email: None };
        report.check("time travel to an old event", &then, &Some(expected));
        self.projections.wait_for(changed.position, CATCH_UP).await?;
        let entry = Entry { name: format!("User {number}"), email: Some(format!("{number}@example.com")) };
        report.check("an old user has an address now", &self.directory.get(&number.to_string()).await?, &Some(entry));

        let as_of = AsOf::Recorded(signed_up_at(number)?);
        let past = documents_as_of(Analytics, Arc::clone(&self.store), as_of).await?;
        let ever = past.get(EVER).await?.unwrap_or_default().users;
        report.check("sign-ups as of then", &ever, &(number + 1));
        report.say(format_args!("  {:>9} had signed up when user {number} did", grouped(ever)))?;

        let mails = self.server.recipients().len();
        let (directory, sign_ups) =
            (self.projections.rebuild(DIRECTORY).compare().await?, self.projections.rebuild(SIGN_UPS).compare().await?);
        let different =
            [directory.differences, sign_ups.differences].map(|found| found.is_none_or(|found| found.is_empty()));
        report.check("a rebuild gives the same documents", &different, &[true; 2]);
        report.check("a rebuild counts everybody", &self.ever().await?, &(self.old + 4));
        report.check("a rebuild sends no mail", &self.server.recipients().len(), &mails);
        report.say(format_args!(
            "  {:>9} events rebuilt into the same documents, and no mail sent",
            grouped(directory.events)
        ))?;
        Ok(())
    }

    pub async fn close(self) {
        self.reactions.stop().await;
        // The mails, which waited for it, are done with.
        if let Some(projections) = Arc::into_inner(self.projections) {
            projections.stop().await;
        }
    }
}
