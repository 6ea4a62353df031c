// SPDX-License-Identifier: GPL-2.0

//! Tests of the policies for several writable branches.

use crate::policies::{
    copy_up, create, Candidate, CopyUp, Create, Kind, DEFAULT_SECONDS, MAX_SECONDS,
};
use kernel::prelude::*;
use proptest::prelude::{prop, prop_assert, prop_assert_eq, proptest, Strategy};

fn parsed(text: &str) -> Create {
    Create::parse(text.as_bytes()).unwrap()
}

/// Candidates by index, whether they have the parent, and free space.
fn candidates(list: &[(usize, bool, u64)]) -> Vec<Candidate> {
    list.iter()
        .map(|&(index, has_parent, free)| Candidate {
            index,
            has_parent,
            free,
        })
        .collect()
}

#[test]
fn create_values() {
    for (text, kind, low, seconds) in [
        ("tdp", Kind::TopDownParent, 0, DEFAULT_SECONDS),
        ("top-down-parent", Kind::TopDownParent, 0, DEFAULT_SECONDS),
        ("rr", Kind::RoundRobin, 0, DEFAULT_SECONDS),
        ("round-robin", Kind::RoundRobin, 0, DEFAULT_SECONDS),
        ("mfs", Kind::MostFree, 0, DEFAULT_SECONDS),
        ("most-free-space:5", Kind::MostFree, 0, 5),
        ("mfs:0", Kind::MostFree, 0, 0),
        ("tdmfs:1000", Kind::TopDownMostFree, 1000, DEFAULT_SECONDS),
        ("mfsrr:1000:7", Kind::MostFreeRoundRobin, 1000, 7),
        ("pmfs:3600", Kind::ParentMostFree, 0, MAX_SECONDS),
        (
            "pmfsrr:18446744073709551615:1",
            Kind::ParentMostFreeRoundRobin,
            u64::MAX,
            1,
        ),
    ] {
        assert_eq!(parsed(text), Create { kind, low, seconds }, "{text}");
        let create = parsed(text);
        assert_eq!(Create::unpack(create.pack()), create);
        // What is shown is what was meant.
        assert_eq!(parsed(&parsed(text).to_string()), parsed(text), "{text}");
    }
    for text in [
        "",
        "x",
        "TDP",
        "tdp:1",
        "rr:1",
        "mfs:",
        "mfs:x",
        "mfs:-1",
        "mfs:3601",
        "mfs:1:2",
        "mfsrr",
        "mfsrr:",
        "mfsrr:1:2:3",
        "tdmfs:18446744073709551616",
        "pmfsrr::1",
    ] {
        assert_eq!(Create::parse(text.as_bytes()), Err(EINVAL), "{text}");
    }
}

#[test]
fn where_new_objects_go() {
    let list = candidates(&[(0, false, 10), (2, true, 30), (3, true, 40), (5, false, 40)]);
    let choose = |text: &str, turn| create(parsed(text), &list, 2, turn);
    assert_eq!(choose("tdp", 0), Some(2));
    assert_eq!(choose("rr", 0), Some(5));
    assert_eq!(choose("rr", 1), Some(3));
    assert_eq!(choose("rr", 3), Some(0));
    assert_eq!(choose("rr", 4), Some(5));
    // The lower one of two with as much.
    assert_eq!(choose("mfs", 0), Some(5));
    assert_eq!(choose("tdmfs:5", 0), Some(0));
    assert_eq!(choose("tdmfs:10", 0), Some(2));
    assert_eq!(choose("tdmfs:40", 0), Some(5));
    assert_eq!(choose("mfsrr:40", 1), Some(5));
    assert_eq!(choose("mfsrr:41", 1), Some(3));
    assert_eq!(choose("pmfs", 0), Some(3));
    assert_eq!(choose("pmfsrr:40", 0), Some(3));
    assert_eq!(choose("pmfsrr:41", 3), Some(0));
}

#[test]
fn where_nobody_has_the_parent() {
    let list = candidates(&[(0, false, 1), (2, false, 2), (4, false, 3)]);
    for text in ["tdp", "pmfs"] {
        assert_eq!(create(parsed(text), &list, 3, 0), Some(2), "{text}");
        assert_eq!(create(parsed(text), &list, 0, 0), None, "{text}");
    }
    assert_eq!(create(parsed("rr"), &[], 3, 7), None);
    assert_eq!(create(parsed("mfs"), &[], 3, 7), None);
}

#[test]
fn where_copies_go() {
    let list = candidates(&[(0, true, 0), (2, true, 0), (3, false, 0)]);
    assert_eq!(copy_up(CopyUp::TopDownParent, &list, 0), Some(0));
    assert_eq!(copy_up(CopyUp::BottomUpParent, &list, 0), Some(2));
    assert_eq!(copy_up(CopyUp::BottomUp, &list, 0), Some(3));
    let list = candidates(&[(0, false, 0), (2, false, 0), (4, false, 0)]);
    assert_eq!(copy_up(CopyUp::TopDownParent, &list, 3), Some(4));
    assert_eq!(copy_up(CopyUp::BottomUpParent, &list, 3), Some(2));
    assert_eq!(copy_up(CopyUp::BottomUp, &list, 3), Some(4));
    assert_eq!(copy_up(CopyUp::BottomUp, &[], 3), None);
}

fn any_candidates() -> impl Strategy<Value = Vec<Candidate>> {
    prop::collection::vec(prop::option::of((prop::bool::ANY, 0..5_u64)), 1..9).prop_map(|list| {
        list.into_iter()
            .enumerate()
            .filter_map(|(index, found)| {
                found.map(|(has_parent, free)| Candidate {
                    index,
                    has_parent,
                    free,
                })
            })
            .collect()
    })
}

proptest! {
    /// Whatever there is to choose from, one of it is chosen; and none only if a policy that goes by
    /// the parent finds neither that nor anything above.
    #[test]
    fn one_of_them(list in any_candidates(), kind in 0..7_u64, low in 0..6_u64, turn: u32) {
        let policy = Create::unpack((kind << 16, low));
        let top = list.iter().find(|c| c.has_parent).map_or(9, |c| c.index);
        let chosen = create(policy, &list, top, turn);
        prop_assert_eq!(chosen.is_none(), list.is_empty());
        if let Some(chosen) = chosen {
            prop_assert!(list.iter().any(|c| c.index == chosen));
        }
    }
}
