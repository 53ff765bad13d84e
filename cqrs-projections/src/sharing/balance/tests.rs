use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

fn member(number: u8) -> MemberId {
    MemberId::new(format!("m{number}")).unwrap()
}

/// What a lease store would keep, and members that act on it one after the other.
#[derive(Debug, Clone)]
struct World {
    partitions: Partitions,
    members: BTreeSet<MemberId>,
    held: BTreeMap<u16, MemberId>,
    /// Partitions that have changed hands.
    moved: usize,
}

impl World {
    fn new(partitions: u16, members: u8) -> Self {
        let partitions = Partitions::new(partitions).unwrap();
        Self { partitions, members: (0..members).map(member).collect(), held: BTreeMap::new(), moved: 0 }
    }

    /// Acts on what was seen, which may be out of date: a partition that is taken meanwhile is not given.
    fn act(&mut self, me: &MemberId, seen: &Self) {
        let decision = balance(me, &seen.members, &seen.held, self.partitions);
        for partition in decision.release {
            if self.held.get(&partition) == Some(me) {
                self.held.remove(&partition);
            }
        }
        let mut missing = decision.missing;
        for partition in decision.free {
            if missing > 0 && !self.held.contains_key(&partition) {
                self.held.insert(partition, me.clone());
                self.moved += 1;
                missing -= 1;
            }
        }
    }

    /// Everybody acts once, on what is so at that moment.
    fn round(&mut self) {
        for me in self.members.clone() {
            let seen = self.clone();
            self.act(&me, &seen);
        }
    }

    /// Two rounds: in the first, those who have too much give it back, in the second, others take it.
    fn settle(&mut self) {
        self.round();
        self.round();
    }

    fn leave(&mut self, me: &MemberId) {
        self.members.remove(me);
        self.held.retain(|_, holder| holder != me);
    }

    fn holds(&self, me: &MemberId) -> usize {
        self.held.values().filter(|holder| *holder == me).count()
    }

    fn assert_fair(&self) {
        assert_eq!(self.held.len(), usize::from(self.partitions.get()), "all are written: {self:?}");
        assert!(self.held.values().all(|holder| self.members.contains(holder)));
        let held = || self.members.iter().map(|member| self.holds(member));
        let (most, least) = (held().max().unwrap_or(0), held().min().unwrap_or(0));
        assert!(most - least <= 1, "{self:?}");
    }
}

#[test]
fn six_over_two_are_three_and_three_and_three_over_two_are_two_and_one() {
    for (partitions, shares) in [(6, [3, 3]), (3, [2, 1]), (1, [1, 0])] {
        let mut world = World::new(partitions, 2);
        world.settle();
        assert_eq!([0, 1].map(|number| world.holds(&member(number))), shares);
    }
}

#[test]
fn who_is_no_member_does_nothing() {
    let world = World::new(6, 2);
    assert_eq!(balance(&member(7), &world.members, &world.held, world.partitions), Decision::default());
}

#[test]
fn what_is_right_stays_as_it_is() {
    let mut world = World::new(7, 3);
    world.settle();
    for me in &world.members {
        let decision = balance(me, &world.members, &world.held, world.partitions);
        assert_eq!((decision.missing, decision.release), (0, vec![]));
    }
}

proptest! {
    #[test]
    fn members_that_act_on_what_is_so_share_fairly_after_two_rounds(partitions in 1..40_u16, members in 1..8_u8) {
        let mut world = World::new(partitions, members);
        world.settle();
        world.assert_fair();
        prop_assert_eq!(world.moved, usize::from(partitions), "each was taken once");
    }

    #[test]
    fn who_joins_is_given_its_share_and_nothing_else_moves(partitions in 1..40_u16, members in 1..8_u8) {
        let mut world = World::new(partitions, members);
        world.settle();
        let (before, new) = (world.clone(), member(members));
        world.members.insert(new.clone());
        world.settle();
        world.assert_fair();
        let moved = before.held.iter().filter(|(partition, holder)| world.held.get(*partition) != Some(*holder));
        prop_assert!(moved.clone().all(|(partition, _)| world.held[partition] == new));
        prop_assert_eq!(moved.count(), usize::from(partitions) / usize::from(members + 1));
    }

    #[test]
    fn what_somebody_leaves_behind_is_all_that_moves(partitions in 1..40_u16, members in 2..8_u8, who in 0..8_u8) {
        let mut world = World::new(partitions, members);
        world.settle();
        let (before, gone) = (world.clone(), member(who % members));
        world.leave(&gone);
        world.settle();
        world.assert_fair();
        let stays = |(_, holder): &(&u16, &MemberId)| **holder != gone;
        prop_assert!(before.held.iter().filter(stays).all(|(partition, holder)| world.held[partition] == *holder));
    }

    /// Members come and go, and act on what they saw a while ago.
    #[test]
    fn whatever_happened_they_share_fairly_in_the_end(
        partitions in 1..20_u16,
        steps in vec((0..6_u8, 0..4_u8, any::<bool>()), 0..60),
    ) {
        let mut world = World::new(partitions, 3);
        let mut seen = vec![world.clone(); 6];
        for (number, what, looks) in steps {
            let me = member(number);
            match what {
                0 => drop(world.members.insert(me.clone())),
                1 if world.members.len() > 1 => world.leave(&me),
                _ => {}
            }
            if looks {
                seen[usize::from(number)] = world.clone();
            }
            if world.members.contains(&me) {
                world.act(&me, &seen[usize::from(number)].clone());
            }
        }
        // Who is next to hold more may change once, while some have taken and others not yet given back.
        world.settle();
        world.settle();
        world.assert_fair();
        let moved = world.moved;
        world.settle();
        prop_assert_eq!(world.moved, moved, "and leave it so");
    }
}
