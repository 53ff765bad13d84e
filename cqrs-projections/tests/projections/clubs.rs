//! Members of clubs: documents that show what they are joined with, and an oracle that knows nothing of projectors.

use std::collections::{BTreeMap, BTreeSet};

use cqrs_core::in_memory::{InMemoryEventStore, InMemoryReadModel};
use cqrs_core::{Documents, DomainEvent, EventSet, NewEvent, Recorded, StreamName};
use cqrs_projections::{JoinProjector, Lookups, ProjectError};
use serde::{Deserialize, Serialize};

use crate::ledger::log;

#[derive(Debug, Clone, Serialize, Deserialize, DomainEvent)]
#[event(domain = "member")]
pub enum MemberEvent {
    Joined { member: String, club: String },
    Left { member: String, club: String },
    Spoke { member: String },
}

#[derive(Debug, Clone, Serialize, Deserialize, DomainEvent)]
#[event(domain = "club")]
pub enum ClubEvent {
    Named { club: String, name: String },
    Closed { club: String },
}

#[derive(Debug, Clone, EventSet)]
pub enum Happening {
    Member(MemberEvent),
    Club(ClubEvent),
}

use ClubEvent::{Closed, Named};
use MemberEvent::{Joined, Left, Spoke};

#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Club {
    pub name: Option<String>,
    pub members: BTreeSet<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Member {
    pub clubs: BTreeSet<String>,
    /// Every event that touched it, with the names of its clubs at that moment.
    pub seen: Vec<(u64, Vec<Option<String>>)>,
}

/// Keys are `{city}name`, so that what is joined lies in one partition.
#[derive(Debug)]
pub struct Members(pub u16);

impl JoinProjector for Members {
    type Event = Happening;
    type Lookup = Club;
    type Document = Member;

    fn partitions(&self) -> u16 {
        self.0
    }

    fn lookups(&self, event: &Recorded<Happening>, to: &mut Vec<String>) {
        match &event.event {
            Happening::Member(Joined { club, .. } | Left { club, .. }) => to.push(club.clone()),
            Happening::Member(Spoke { .. }) => {}
            Happening::Club(Named { club, .. } | Closed { club }) => to.push(club.clone()),
        }
    }

    fn look_up(&self, event: &Recorded<Happening>, _: &str, club: Option<Club>) -> Result<Option<Club>, ProjectError> {
        let mut club = club.unwrap_or_default();
        match &event.event {
            Happening::Member(Joined { member, .. }) => drop(club.members.insert(member.clone())),
            Happening::Member(Left { member, .. }) => drop(club.members.remove(member)),
            Happening::Member(Spoke { .. }) => {}
            Happening::Club(Named { name, .. }) if name == "nameless" => return Err(ProjectError::new("a bad name")),
            Happening::Club(Named { name, .. }) => club.name = Some(name.clone()),
            Happening::Club(Closed { .. }) => return Ok(None),
        }
        Ok(Some(club))
    }

    fn route(&self, event: &Recorded<Happening>, clubs: &Lookups<'_, Club>, to: &mut Vec<String>) {
        match &event.event {
            Happening::Member(Joined { member, .. } | Left { member, .. } | Spoke { member }) => {
                to.push(member.clone())
            }
            Happening::Club(Named { club, .. } | Closed { club }) => {
                to.extend(clubs.get(club).iter().flat_map(|club| club.members.iter().cloned()));
            }
        }
    }

    fn project(
        &self,
        event: &Recorded<Happening>,
        _: &str,
        document: Option<Member>,
        clubs: &Lookups<'_, Club>,
    ) -> Result<Option<Member>, ProjectError> {
        let mut member = document.unwrap_or_default();
        match &event.event {
            Happening::Member(Joined { club, .. }) => drop(member.clubs.insert(club.clone())),
            Happening::Member(Left { club, .. }) => drop(member.clubs.remove(club)),
            Happening::Member(Spoke { .. }) | Happening::Club(_) => {}
        }
        let names = member.clubs.iter().map(|club| clubs.get(club).and_then(|club| club.name.clone())).collect();
        member.seen.push((event.position.get(), names));
        Ok(Some(member))
    }
}

pub fn happened(event: impl Into<Happening>) -> NewEvent {
    match event.into() {
        Happening::Member(event) => NewEvent::encode(StreamName::new("member-all").unwrap(), &event),
        Happening::Club(event) => NewEvent::encode(StreamName::new("club-all").unwrap(), &event),
    }
    .unwrap()
}

impl From<MemberEvent> for Happening {
    fn from(event: MemberEvent) -> Self {
        Self::Member(event)
    }
}

impl From<ClubEvent> for Happening {
    fn from(event: ClubEvent) -> Self {
        Self::Club(event)
    }
}

fn keys() -> Vec<(String, String)> {
    let cities = ["north", "south", "east"];
    cities
        .iter()
        .flat_map(|city| (0..3).map(move |n| (format!("{{{city}}}m{n}"), format!("{{{city}}}c{}", n % 2))))
        .collect()
}

/// A few events of one city.
pub fn some(seed: u64) -> Vec<NewEvent> {
    let keys = keys();
    let (member, club) = keys[seed as usize % keys.len()].clone();
    vec![happened(match seed / 7 % 7 {
        0 | 1 => Happening::from(Joined { member, club }),
        2 => Left { member, club }.into(),
        3..=5 => Named { club, name: format!("name {seed}") }.into(),
        _ if seed.is_multiple_of(3) => Closed { club }.into(),
        _ => Spoke { member }.into(),
    })]
}

pub type Joint = BTreeMap<String, Member>;

/// The documents as they should be.
pub async fn oracle(store: &InMemoryEventStore) -> Joint {
    let (mut members, mut clubs) = (Joint::new(), BTreeMap::<String, Club>::new());
    let wanted = Happening::event_types();
    let events = log(store).await.into_iter().filter(|event| wanted.contains(&event.event_type)).collect();
    for event in Recorded::<Happening>::decode_all(events).unwrap() {
        let mut touched = Vec::new();
        match &event.event {
            Happening::Member(Joined { member, club }) => {
                clubs.entry(club.clone()).or_default().members.insert(member.clone());
                members.entry(member.clone()).or_default().clubs.insert(club.clone());
                touched.push(member.clone());
            }
            Happening::Member(Left { member, club }) => {
                clubs.entry(club.clone()).or_default().members.remove(member);
                members.entry(member.clone()).or_default().clubs.remove(club);
                touched.push(member.clone());
            }
            Happening::Member(Spoke { member }) => touched.push(member.clone()),
            Happening::Club(Named { club, name }) => {
                let club = clubs.entry(club.clone()).or_default();
                club.name = Some(name.clone());
                touched.extend(club.members.iter().cloned());
            }
            Happening::Club(Closed { club }) => drop(clubs.remove(club)),
        }
        for key in touched {
            let member = members.entry(key).or_default();
            let names = member.clubs.iter().map(|club| clubs.get(club).and_then(|club| club.name.clone())).collect();
            member.seen.push((event.position.get(), names));
        }
    }
    members
}

/// The documents as they are.
pub async fn documents(sink: &InMemoryReadModel, projection: &str) -> Joint {
    let keys: Vec<_> = keys().into_iter().map(|(member, _)| member).collect();
    let found = Documents::<Member>::new(sink.clone(), projection).unwrap().get_many(&keys).await.unwrap();
    keys.into_iter().zip(found).filter_map(|(key, member)| Some((key, member?))).collect()
}
