// SPDX-License-Identifier: GPL-2.0

//! Tests of the names that mean something on a branch.

use crate::names::{
    check_creatable, hash, hides, is_reserved, long, temporary, Hides, BASE, LONG_SLOTS, OPAQUE,
    PREFIX, WORK,
};
use kernel::prelude::EPERM;
use proptest::prelude::*;
use std::collections::HashSet;

const NAME_MAX: usize = 255;

/// Whether it can be the name of a file at all.
fn is_name(bytes: &[u8]) -> bool {
    (1..=NAME_MAX).contains(&bytes.len())
        && bytes.iter().all(|&byte| byte != 0 && byte != b'/')
        && bytes != b"."
        && bytes != b".."
}

/// What `vfs::value::name::Joined` makes of the prefix and a name.
fn whiteout(name: &[u8]) -> Option<Vec<u8>> {
    let joined = [PREFIX, name].concat();
    (joined.len() <= NAME_MAX).then_some(joined)
}

/// Any name, the reserved ones and the longest ones more often than by chance.
fn name() -> impl Strategy<Value = Vec<u8>> {
    let byte = prop_oneof![1..=255u8, prop::sample::select(b".whlopqtaufs0".to_vec()),];
    let prefix = prop::sample::select(vec![
        &b""[..],
        b".",
        b".w",
        b".wh",
        b".wh.",
        b".wh..",
        b".wh..wh.",
        b".wh..wh..opq",
        b".wh..wh.l.",
        b".wh..wh.t.",
    ]);
    let rest = prop_oneof![
        prop::collection::vec(byte.clone(), 0..20),
        prop::collection::vec(byte, 235..=NAME_MAX),
    ];
    (prefix, rest).prop_filter_map("not a name", |(prefix, rest)| {
        let mut name = [prefix, &rest].concat();
        name.truncate(NAME_MAX);
        is_name(&name).then_some(name)
    })
}

#[test]
fn the_format_of_aufs() {
    assert_eq!(whiteout(b"file").as_deref(), Some(&b".wh.file"[..]));
    assert!(matches!(hides(b".wh.file"), Hides::Name(b"file")));
    assert!(matches!(hides(b".wh..wh..opq"), Hides::All));
    // What aufs itself leaves on a branch hides nothing.
    for name in [
        &b".wh..wh.aufs"[..],
        b".wh..wh.plnk",
        b".wh..wh.orph",
        b".wh..wh.file.1a2b",
        b".wh..wh..dr.1",
        b".wh.",
    ] {
        assert!(is_reserved(name));
        assert!(matches!(hides(name), Hides::Nothing), "{name:?}");
    }
    // A name that only looks like it.
    for name in [&b".wh"[..], b"wh.", b"x.wh.y", b".Wh.a", b".whx.a"] {
        assert!(!is_reserved(name));
        assert_eq!(check_creatable(name), Ok(()));
    }
}

#[test]
fn the_own_names_are_reserved_and_differ() {
    let mut seen = HashSet::new();
    for name in [BASE, OPAQUE, WORK] {
        assert!(is_name(name) && is_reserved(name));
        assert_eq!(check_creatable(name), Err(EPERM));
        assert!(seen.insert(name.to_vec()));
    }
    for serial in [0, 1, 0x10, u64::MAX - 1, u64::MAX] {
        let name = temporary(serial);
        assert!(is_name(name.as_bytes()));
        assert!(matches!(hides(name.as_bytes()), Hides::Nothing));
        assert!(seen.insert(name.as_bytes().to_vec()));
    }
    for slot in 0..LONG_SLOTS {
        assert!(seen.insert(long(b"x", slot).as_bytes().to_vec()));
    }
}

/// The longest name that has a whiteout of the plain kind, and the next.
#[test]
fn where_long_names_begin() {
    let longest = [b'x'; NAME_MAX - 4];
    assert_eq!(whiteout(&longest).map(|file| file.len()), Some(NAME_MAX));
    assert!(whiteout(&[b'x'; NAME_MAX - 3]).is_none());
    assert!(whiteout(&[b'x'; NAME_MAX]).is_none());
}

/// The names are on disks: the hash must never change.
#[test]
fn the_hash_is_fnv_1a() {
    assert_eq!(hash(b""), 0xcbf2_9ce4_8422_2325);
    assert_eq!(hash(b"a"), 0xaf63_dc4c_8601_ec8c);
    assert_eq!(hash(b"foobar"), 0x8594_4171_f739_67e8);
    assert_eq!(long(b"foobar", 0).as_bytes(), b".wh..wh.l.85944171f73967e8");
    assert_eq!(
        long(b"foobar", 15).as_bytes(),
        b".wh..wh.l.85944171f73967e8.f"
    );
}

proptest! {
    #[test]
    fn every_creatable_name_has_a_whiteout_that_hides_it(name in name()) {
        prop_assert_eq!(check_creatable(&name).is_ok(), !is_reserved(&name));
        prop_assert_eq!(is_reserved(&name), name.starts_with(PREFIX));
        if is_reserved(&name) {
            return Ok(());
        }
        if let Some(file) = whiteout(&name) {
            prop_assert!(is_name(&file));
            prop_assert!(is_reserved(&file));
            prop_assert!(
                matches!(hides(&file), Hides::Name(hidden) if hidden == &name[..])
            );
        } else {
            prop_assert!(PREFIX.len() + name.len() > NAME_MAX);
            let mut files = HashSet::new();
            for slot in 0..LONG_SLOTS {
                let buffer = long(&name, slot);
                let file = buffer.as_bytes();
                prop_assert!(is_name(file));
                prop_assert!(is_reserved(file));
                prop_assert!(matches!(hides(file), Hides::InFile));
                prop_assert!(files.insert(file.to_vec()));
            }
        }
    }

    /// Reading a name the other way round never claims what could not have been
    /// written: what is hidden is a name that can be made.
    #[test]
    fn what_is_hidden_could_exist(rest in name()) {
        let name = [PREFIX, &rest].concat();
        prop_assume!(is_name(&name));
        if let Hides::Name(hidden) = hides(&name) {
            prop_assert_eq!(check_creatable(hidden), Ok(()));
            prop_assert_eq!(whiteout(hidden), Some(name));
        }
    }

    #[test]
    fn temporary_names_differ(a in any::<u64>(), b in any::<u64>()) {
        let (first, second) = (temporary(a), temporary(b));
        prop_assert_eq!(a == b, first.as_bytes() == second.as_bytes());
    }
}
