//! One turn of a line: decide a batch, write it, answer.

use super::decided::{Batch, outcomes, unwritten};
use super::{Line, Outcome, Waiting};
use crate::aggregate::Apply;
use crate::event_store::AppendError;
use crate::repository::fold::Fold;
use crate::repository::{ExecuteError, LoadError, Repository};

impl<A: Apply> Repository<A> {
    pub(super) async fn take_turn(&self, line: &Line<A>, mut commands: Vec<Waiting<A>>) {
        let mut pauses = self.pauses();
        loop {
            // A caller who has gone before its command was decided has withdrawn it.
            commands.retain(|command| !command.reply.is_closed());
            if commands.is_empty() {
                return;
            }
            let cached = line.take_state();
            let fresh = cached.is_none();
            let loaded = match cached {
                Some(fold) => Ok(fold),
                None => self.fold(&line.stream, None).await,
            };
            let found = match loaded {
                Ok(fold) => fold,
                Err(error) => return answer_all(commands, |_| Err(error.clone().into())),
            };
            let mut batch = Batch::decide(&line.stream, &found, &commands);
            if batch.append.events.is_empty() {
                // What a cached state refuses is refused only when that state is still the newest.
                match self.confirmed(line, &found, fresh).await {
                    Err(error) => return answer_all(commands, |_| Err(error.clone().into())),
                    Ok(Some(newer)) => line.keep(newer),
                    Ok(None) => {
                        let outcomes = outcomes(&line.stream, &found, batch.decided, None);
                        line.keep(found);
                        return self.answer(line, commands, outcomes).await;
                    }
                }
                continue;
            }
            match self.store.append(batch.append.clone()).await {
                Ok(appended) => {
                    batch.committed(&commands, &appended);
                    self.save_when_due(&line.stream, &mut batch.fold);
                    line.keep(batch.fold);
                    let outcomes = outcomes(&line.stream, &found, batch.decided, Some(&appended));
                    return self.answer(line, commands, outcomes).await;
                }
                Err(AppendError::Conflict { stream, expected, actual }) => {
                    // Others wrote: what was found is still the past, and is brought up to date.
                    match self.fold_on(&line.stream, found).await {
                        Err(error) => return answer_all(commands, |_| Err(error.clone().into())),
                        Ok(Some(newer)) => line.keep(newer),
                        Ok(None) => {}
                    }
                    let Some(pause) = pauses.next() else {
                        let conflict = || ExecuteError::Conflict { stream: stream.clone(), expected, actual };
                        return answer_all(commands, |_| Err(conflict()));
                    };
                    tokio::time::sleep(pause).await;
                }
                Err(AppendError::Transient(failure)) => {
                    let outcomes = unwritten(batch, &failure, false);
                    return answer_each(commands, outcomes);
                }
                Err(AppendError::Unknown { source, .. }) => {
                    let outcomes = unwritten(batch, &source, true);
                    return answer_each(commands, outcomes);
                }
                Err(error) if commands.len() == 1 => {
                    line.keep(found);
                    return self.answer(line, commands, vec![Err(error.into())]).await;
                }
                Err(_) => {
                    // One of them cannot be written: halved until it stands alone, the first half first.
                    line.keep(found);
                    let later = commands.split_off(commands.len() / 2);
                    Box::pin(self.take_turn(line, commands)).await;
                    return Box::pin(self.take_turn(line, later)).await;
                }
            }
        }
    }

    /// `None` when the state is that of the log's newest event, else the newer one.
    async fn confirmed(&self, line: &Line<A>, found: &Fold<A>, fresh: bool) -> Result<Option<Fold<A>>, LoadError> {
        if fresh {
            return Ok(None);
        }
        let newer = match self.fold_on(&line.stream, found.clone()).await? {
            Some(newer) => newer,
            None => self.fold(&line.stream, None).await?,
        };
        Ok((newer.last != found.last).then_some(newer))
    }

    async fn answer(&self, line: &Line<A>, commands: Vec<Waiting<A>>, outcomes: Vec<Outcome<A>>) {
        for (command, outcome) in commands.into_iter().zip(outcomes) {
            let settled = match command.context.given_command_id() {
                Some(id) => self.unless_repeated(&line.stream, id, outcome).await,
                None => outcome,
            };
            let _ = command.reply.send(settled);
        }
    }
}

fn answer_each<A: Apply>(commands: Vec<Waiting<A>>, outcomes: Vec<Outcome<A>>) {
    for (command, outcome) in commands.into_iter().zip(outcomes) {
        let _ = command.reply.send(outcome);
    }
}

fn answer_all<A: Apply>(commands: Vec<Waiting<A>>, outcome: impl Fn(&Waiting<A>) -> Outcome<A>) {
    for command in commands {
        let outcome = outcome(&command);
        let _ = command.reply.send(outcome);
    }
}
