// SPDX-License-Identifier: GPL-2.0

//! Tests of the grammar of mount options, and that `mount.aufs2` and the module
//! mean the same by it.

use crate::options::{
    expected, key_value, parse, parse_branches, parse_permission, Access, Attributes, BranchSpec,
    Change, MemoryKey, Opt, Permission, Split,
};
use crate::policies::Kind;
use kernel::prelude::*;
use kernel::testing::until_enough;
use mount_aufs2::options::{Param, Request};
use proptest::prelude::{prop, prop_assert, prop_assert_eq, prop_oneof, proptest, Strategy};

/// A branch, in a form that can be compared and printed.
type Branch = (Vec<u8>, Option<Permission>);

fn branch(spec: &BranchSpec) -> Branch {
    (spec.path.to_vec(), spec.permission)
}

fn appended(option: Option<Opt>) -> Option<Vec<Branch>> {
    match option {
        Some(Opt::Branches(list)) => list
            .iter()
            .map(|change| match change {
                Change::Initial(spec) | Change::Append(spec) => Some(branch(spec)),
                _ => None,
            })
            .collect(),
        _ => None,
    }
}

/// The one change that a text asks for.
fn change(text: &str) -> Option<Change<Branch, Vec<u8>>> {
    let Ok(Some(Opt::Branches(list))) = parse_text(text.as_bytes()) else {
        return None;
    };
    let mut changes = list.into_iter().map(|change| match change {
        Change::Initial(spec) => Change::Initial(branch(&spec)),
        Change::Append(spec) => Change::Append(branch(&spec)),
        Change::Insert(index, spec) => Change::Insert(index, branch(&spec)),
        Change::Delete(path) => Change::Delete(path.to_vec()),
        Change::Modify(path, permission) => Change::Modify(path.to_vec(), permission),
        Change::Move(index, path) => Change::Move(index, path.to_vec()),
    });
    let first = changes.next();
    first.filter(|_| changes.next().is_none())
}

/// One option as text, cut the way mount(8) does.
fn parse_text(text: &[u8]) -> Result<Option<Opt>> {
    let (key, value) = key_value(text);
    parse(key, value)
}

#[test]
fn what_is_wanted_of_what_is_refused() {
    let of = |text: &str| {
        let (key, value) = key_value(text.as_bytes());
        assert!(parse(key, value).is_err(), "{text}");
        expected(key, value).unwrap().to_string()
    };
    for text in [
        "mod:/a=RO",
        "mod:/a",
        "br:/a=rw:/b=rx:/c",
        "add:1:/a=ro+",
        "append=/a=nosuch",
        "mod:0",
        "mod:0=",
    ] {
        assert!(of(text).contains("a permission is rw"), "{text}");
    }
    for text in ["add:x:/a=ro", "mv:1", "mv:x:/a=b"] {
        assert!(of(text).contains("an index and a branch"), "{text}");
    }
    for text in [
        "create=tdmfs:100M",
        "create=mfs:4000",
        "create_policy=nosuch",
    ] {
        assert!(of(text).contains("whole numbers"), "{text}");
    }
    for text in ["br", "br:", "br=", "append:", "dirs:/a::/b", "br:/a=rw:"] {
        assert!(of(text).contains("a list of paths"), "{text}");
    }
    for text in ["del", "del:", "del="] {
        assert!(of(text).contains("its path or its index"), "{text}");
    }
    assert_eq!(of("udba=nosuch"), ": reval or none");
    assert_eq!(of("fsync"), ": auto, strict or volatile");
    assert_eq!(of("copyup_policy=tdq"), ": tdp, bup or bu");
    assert_eq!(of("diropq=nosuch"), "");
}

fn permission(text: &str) -> Permission {
    parse_permission(text.as_bytes()).unwrap()
}

/// A path the way it is written in a list.
fn escape(path: &[u8]) -> Vec<u8> {
    let mut text = Vec::new();
    for &byte in path {
        if b"\\:,=".contains(&byte) {
            text.push(b'\\');
        }
        text.push(byte);
    }
    text
}

fn write(branches: &[Branch]) -> Vec<u8> {
    let items: Vec<Vec<u8>> = branches
        .iter()
        .map(|(path, permission)| {
            let mut item = escape(path);
            if let Some(permission) = permission {
                item.push(b'=');
                item.extend_from_slice(permission.to_string().as_bytes());
            }
            item
        })
        .collect();
    items.join(&b':')
}

fn any_path(longest: usize) -> impl Strategy<Value = Vec<u8>> {
    let byte = prop_oneof![
        3 => 1..=255u8,
        2 => prop::sample::select(b"\\:,=+\" /rwo".to_vec()),
    ];
    prop::collection::vec(byte, 1..longest)
}

fn any_permission() -> impl Strategy<Value = Option<Permission>> {
    prop::option::of(
        prop::sample::select(vec![
            "rw",
            "ro",
            "rr",
            "ro+wh",
            "rr+wh",
            "rw+nolwh+icex",
            "ro+coo_reg+moo",
            "rr+wh+coo_all+icexusr",
        ])
        .prop_map(permission),
    )
}

fn any_branches(longest: usize) -> impl Strategy<Value = Vec<Branch>> {
    prop::collection::vec((any_path(longest), any_permission()), 1..12)
}

#[test]
fn every_way_a_list_arrives() {
    let expected = vec![
        (b"/a".to_vec(), Some(permission("rw"))),
        (b"/b".to_vec(), Some(permission("ro+wh"))),
        (b"/c".to_vec(), None),
    ];
    for (key, value) in [
        ("br", "/a=rw:/b=ro+wh:/c"),
        ("dirs", "/a=rw:/b=ro+wh:/c"),
        ("append", "/a=rw:/b=ro+wh:/c"),
        // mount(8) from 2.39 on.
        ("br:/a", "rw:/b=ro+wh:/c"),
        ("dirs:/a", "rw:/b=ro+wh:/c"),
    ] {
        let option = parse(key.as_bytes(), Some(value.as_bytes())).unwrap();
        assert_eq!(appended(option).unwrap(), expected, "{key}={value}");
    }
    let option = parse(b"br:/a:/b", None).unwrap();
    assert_eq!(
        appended(option).unwrap(),
        [(b"/a".to_vec(), None), (b"/b".to_vec(), None)]
    );
}

#[test]
fn changes_of_branches() {
    let a = || b"/a".to_vec();
    let ro = Some(permission("ro"));
    for (text, expected) in [
        ("br:/a=ro", Change::Initial((a(), ro))),
        ("append:/a=ro", Change::Append((a(), ro))),
        ("append=/a", Change::Append((a(), None))),
        ("prepend:/a=ro", Change::Insert(0, (a(), ro))),
        ("add:3:/a=ro", Change::Insert(3, (a(), ro))),
        ("add=3:/a=ro", Change::Insert(3, (a(), ro))),
        ("ins:0:/a", Change::Insert(0, (a(), None))),
        ("del:/a", Change::Delete(a())),
        ("del=/a", Change::Delete(a())),
        ("del:/a=b", Change::Delete(b"/a=b".to_vec())),
        ("mod:/a=rw", Change::Modify(a(), permission("rw"))),
        ("mv:2:/a", Change::Move(2, a())),
    ] {
        assert_eq!(change(text), Some(expected), "{text}");
    }
    let Ok(Some(Opt::Branches(list))) = parse_text(b"prepend:/a:/b") else {
        panic!("not a list");
    };
    // The first one ends up first.
    assert!(matches!(&list[0], Change::Insert(0, spec) if *spec.path == *b"/a"));
    assert!(matches!(&list[1], Change::Insert(1, spec) if *spec.path == *b"/b"));
    for text in [
        "add:/a",
        "add:x:/a",
        "add::/a",
        "add:-1:/a",
        "add:100000:/a",
        "add:1:",
        "del:",
        "del",
        "mod:/a",
        "mod:/a=xx",
        "mv:/a",
        "mv:1:",
    ] {
        assert_eq!(parse_text(text.as_bytes()).err(), Some(EINVAL), "{text}");
    }
}

#[test]
fn an_equals_sign_in_a_path() {
    let option = parse_text(b"br:/a=b=rw:/c\\=d").unwrap();
    assert_eq!(
        appended(option).unwrap(),
        [
            (b"/a=b".to_vec(), Some(permission("rw"))),
            (b"/c=d".to_vec(), None)
        ]
    );
    // Without a backslash it is taken for a permission, and that one is wrong.
    assert!(parse_text(b"br:/a=b").is_err());
}

#[test]
fn permissions() {
    for (text, access, whiteouts) in [
        ("rw", Access::ReadWrite, true),
        ("ro", Access::ReadOnly, false),
        ("ro+wh", Access::ReadOnly, true),
        ("rr", Access::RealReadOnly, false),
        ("rr+wh", Access::RealReadOnly, true),
    ] {
        let expected = Permission {
            access,
            whiteouts,
            attributes: Attributes::NONE,
        };
        assert_eq!(parse_permission(text.as_bytes()), Ok(expected), "{text}");
        assert_eq!(expected.to_string(), text);
    }
    for (text, shown) in [
        ("rw+nolwh", "rw+nolwh"),
        ("rw+moo+coo_reg", "rw+coo_reg+moo"),
        ("ro+coo_all+wh", "ro+wh+coo_all"),
        ("rw+fhsm+unpin", "rw+fhsm+unpin"),
        ("ro+icexusr+icexsec", "ro+icexsec+icexusr"),
        ("ro+icexsys+icextr+icexoth", "ro+icexsys+icextr+icexoth"),
        ("rr+icex", "rr+icex"),
        ("rr+icexsec+icexsys+icextr+icexusr+icexoth", "rr+icex"),
        ("rr+icex+icexsec", "rr+icex"),
    ] {
        assert_eq!(permission(text).to_string(), shown, "{text}");
        assert_eq!(
            Permission::unpack(permission(text).pack()),
            permission(text)
        );
    }
    assert!(permission("ro+icex").attributes.has(Attributes::LOSE_OTHER));
    assert!(!permission("ro+icexusr")
        .attributes
        .has(Attributes::LOSE_OTHER));
    for text in [
        "", "r", "rwx", "RW", "rw ", "rw+", "+rw", "ro+", "ro+wh+", "rw+wh", "ro+nolwh", "ro+x",
    ] {
        assert_eq!(parse_permission(text.as_bytes()), Err(EINVAL), "{text}");
    }
}

#[test]
fn lists_that_make_no_sense() {
    for text in [
        "br:",
        "br=",
        "br",
        "dirs",
        "append:",
        "br::",
        "br:/a:",
        "br::/a",
        "br:/a::/b",
        "br:=rw",
        "br:/a=",
        "br:/a=xx",
        "br:/a=rw=",
    ] {
        assert_eq!(parse_text(text.as_bytes()).err(), Some(EINVAL), "{text}");
    }
}

/// What aufs has, and what changes nothing here.
const IGNORED: &[&str] = &[
    "si=1a2b",
    "xino=/x",
    "noxino",
    "trunc_xino",
    "notrunc_xino",
    "trunc_xino=/x",
    "trunc_xino_path=/x",
    "itrunc_xino=1",
    "trunc_xib",
    "notrunc_xib",
    "plink",
    "noplink",
    "list_plink",
    "clean_plink",
    "dirperm1",
    "nodirperm1",
    "dirren",
    "nodirren",
    "dirwh=3",
    "diropq=w",
    "diropq=whiteouted",
    "diropq=a",
    "diropq=always",
    "dio",
    "nodio",
    "rdcache=10",
    "rdblk=512",
    "rdblk=def",
    "rdhash=32",
    "rdhash=def",
    "verbose",
    "v",
    "noverbose",
    "quiet",
    "q",
    "silent",
    "fhsm_sec=30",
    "coo=none",
    "coo=leaf",
    "coo=all",
    "dlgt",
    "nodlgt",
    "debug=1",
    "delete=all",
    "imap=/x",
    "relatime",
];

/// `mount.aufs2` hands on what is the filesystem's, and does what is not.
#[test]
fn the_helper_knows_every_option() {
    for text in IGNORED.iter().chain(&[
        "create=mfs:5",
        "cpup=bup",
        "noretry",
        "shwh",
        "wsum",
        "nowarn_perm",
    ]) {
        let request = Request::parse(text.as_bytes()).unwrap();
        for param in request.params {
            let option = match &param {
                Param::Flag(key) => parse(key, None),
                Param::Text { key, value } => parse(key, Some(value)),
                other => panic!("{text}: {other}"),
            };
            assert!(matches!(option, Ok(Some(_))), "{text}: {param}");
        }
    }
    for level in ["droplvl=3", "droplvl=-3", "ephemeral"] {
        for param in Request::parse(level.as_bytes()).unwrap().params {
            let option = match &param {
                Param::Flag(key) => parse(key, None),
                Param::Text { key, value } => parse(key, Some(value)),
                other => panic!("{level}: {other}"),
            };
            assert!(matches!(option, Ok(Some(_))), "{level}: {param}");
        }
    }
}

#[test]
fn other_options() {
    let is = |text: &str, wanted: fn(&Opt) -> bool| {
        assert!(
            parse_text(text.as_bytes())
                .unwrap()
                .is_some_and(|opt| wanted(&opt)),
            "{text}"
        );
    };
    is("udba=none", |opt| matches!(opt, Opt::Setting(_)));
    is("sum", |opt| matches!(opt, Opt::Setting(_)));
    is(
        "size=50%",
        |opt| matches!(opt, Opt::Memory(MemoryKey::Size, v) if *v == *b"50%"),
    );
    is(
        "nr_inodes=1k",
        |opt| matches!(opt, Opt::Memory(MemoryKey::Inodes, v) if *v == *b"1k"),
    );
    is(
        "mode=755",
        |opt| matches!(opt, Opt::Memory(MemoryKey::Mode, v) if *v == *b"755"),
    );
    is(
        "create=rr",
        |opt| matches!(opt, Opt::Create(c) if c.kind == Kind::RoundRobin),
    );
    is(
        "create_policy=mfs:5",
        |opt| matches!(opt, Opt::Create(c) if c.kind == Kind::MostFree && c.seconds == 5),
    );
    for text in IGNORED {
        is(text, |opt| matches!(opt, Opt::Ignored));
    }
    for text in [
        "udba",
        "udba=",
        "udba=x",
        "fsync",
        "fsync=1",
        "mmap",
        "mmap=Fault",
        "mmap_path=direct",
        "create=x",
        "create",
        "cpup=rr",
        "cpup",
        "dirwh=x",
        "diropq=x",
        "rdcache=def",
        "rdblk=x",
        "coo",
        "coo=reg",
        "itrunc_xino=",
        "fhsm_sec",
    ] {
        assert_eq!(parse_text(text.as_bytes()).err(), Some(EINVAL), "{text}");
    }
    for text in [
        "",
        "=",
        ":",
        "ro",
        "source=x",
        "brr=/a",
        "BR=/a",
        "x:br=/a",
        "sum:1",
        "context=x",
    ] {
        assert!(parse_text(text.as_bytes()).unwrap().is_none(), "{text}");
    }
}

/// Each allocation that fails makes the whole fail, with `ENOMEM`.
#[test]
fn without_memory() {
    for text in ["br:/a\\:b=rw:/c", "br=/a", "size=1"] {
        let (_, errors) = until_enough(|| parse_text(text.as_bytes()));
        assert!(!errors.is_empty());
        assert!(errors.iter().all(|&error| error == ENOMEM), "{text}");
    }
}

proptest! {
    /// What is written is what is read, however mount(8) cuts it.
    #[test]
    fn any_list_survives(branches in any_branches(60), form in "(br|dirs|append)[:=]") {
        let list = write(&branches);
        let read = parse_branches(&list).unwrap();
        prop_assert_eq!(&read.iter().map(branch).collect::<Vec<_>>(), &branches);
        let option = parse_text(&[form.as_bytes(), &list].concat()).unwrap();
        prop_assert_eq!(appended(option), Some(branches));
    }

    /// The comma of an option string does not cut a list.
    #[test]
    fn a_list_is_one_option(branches in any_branches(60)) {
        let list = write(&branches);
        let text = [b"acl,br:", &list[..], b",sum"].concat();
        let pieces: Vec<&[u8]> = Split::new(&text, b',').collect();
        prop_assert_eq!(pieces.len(), 3);
        prop_assert_eq!(appended(parse_text(pieces[1]).unwrap()), Some(branches));
    }

    /// No text makes the parser stumble, and no branch is without a path.
    #[test]
    fn any_text_is_read_or_refused(
        key in prop_oneof!["(br|dirs|append|prepend|add|ins|del|mod|mv):?", "[a-z:=0-9]{0,6}"],
        value in prop::option::of(any_path(80)),
    ) {
        match parse(key.as_bytes(), value.as_deref()) {
            Ok(Some(Opt::Branches(list))) => {
                prop_assert!(!list.is_empty());
                let named = list.iter().all(|change| match change {
                    Change::Initial(spec) | Change::Append(spec) | Change::Insert(_, spec) => {
                        !spec.path.is_empty()
                    }
                    Change::Delete(path) | Change::Modify(path, _) | Change::Move(_, path) => {
                        !path.is_empty()
                    }
                });
                prop_assert!(named);
            }
            Ok(_) => {}
            Err(error) => prop_assert_eq!(error, EINVAL),
        }
    }

    /// Whatever the helper makes of a list, the module reads the same branches
    /// in the same order.
    #[test]
    fn the_helper_and_the_module_agree(branches in any_branches(300)) {
        let text = [b"br:", &write(&branches)[..]].concat();
        let mut read = Vec::new();
        for param in Request::parse(&text).unwrap().params {
            match param {
                Param::Text { key, value } => {
                    prop_assert!(key.len() <= 255 && value.len() <= 255);
                    read.extend(appended(parse(&key, Some(&value)).unwrap()).unwrap());
                }
                Param::Branch { key, path } => {
                    let text = key.strip_prefix(b"br+").unwrap();
                    let permission =
                        (!text.is_empty()).then(|| parse_permission(text).unwrap());
                    read.push((path, permission));
                }
                other => prop_assert!(false, "{}", other),
            }
        }
        prop_assert_eq!(read, branches);
    }
}
