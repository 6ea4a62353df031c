// SPDX-License-Identifier: GPL-2.0

//! Tests of what can be chosen at mount: each choice is read as what it is shown as, and documented.

use crate::policies::{CopyUp, Create};
use crate::settings::{all, parse, Fsync, Mmap, Privmap, Settings, Udba};
use kernel::prelude::*;

/// The default, but for what `options` say.
fn chosen(options: &str) -> Settings {
    let mut settings = Settings::default();
    for option in options.split(',').filter(|option| !option.is_empty()) {
        let (word, value) = match option.split_once('=') {
            Some((word, value)) => (word, Some(value.as_bytes())),
            None => (option, None),
        };
        settings.choose(parse(word.as_bytes(), value).unwrap().expect(option));
    }
    settings
}

#[test]
fn defaults() {
    let settings = Settings::default();
    assert_eq!(settings.fsync(), Fsync::Auto);
    assert_eq!(settings.udba(), Udba::Reval);
    assert_eq!(settings.mmap(), Mmap::Direct);
    assert_eq!(settings.privmap(), Privmap::Shared);
    assert_eq!(settings.copy_up(), CopyUp::TopDownParent);
    assert!(settings.acl() && settings.refrof() && settings.retry() && settings.warn_permission());
    assert!(!settings.sum() && !settings.mmap_path() && !settings.show_whiteouts());
    assert_eq!(settings.to_string(), "");
}

#[test]
fn choices() {
    assert_eq!(chosen("udba=none").udba(), Udba::None);
    for option in ["udba=reval", "udba=notify", "udba=fsnotify"] {
        assert_eq!(chosen(&format!("udba=none,{option}")).udba(), Udba::Reval);
    }
    assert_eq!(chosen("fsync=strict").fsync(), Fsync::Strict);
    assert_eq!(chosen("fsync=volatile").fsync(), Fsync::Volatile);
    assert_eq!(chosen("fsync=volatile,fsync=auto").fsync(), Fsync::Auto);
    assert!(chosen("sum").sum() && chosen("wsum").sum() && !chosen("sum,nosum").sum());
    assert!(!chosen("noacl").acl() && chosen("noacl,acl").acl());
    assert_eq!(chosen("mmap=fault").mmap(), Mmap::Fault);
    assert_eq!(chosen("mmap=fault,mmap=direct").mmap(), Mmap::Direct);
    assert_eq!(chosen("privmap=snapshot").privmap(), Privmap::Snapshot);
    assert_eq!(
        chosen("privmap=snapshot,privmap=shared").privmap(),
        Privmap::Shared
    );
    assert!(chosen("mmap_path=union").mmap_path());
    assert!(!chosen("mmap_path=union,mmap_path=branch").mmap_path());
    assert!(!chosen("norefrof").refrof() && chosen("norefrof,refrof").refrof());
    for option in ["cpup=bu", "copyup=bu", "copyup_policy=bottom-up"] {
        assert_eq!(chosen(option).copy_up(), CopyUp::BottomUp);
    }
    assert_eq!(chosen("cpup=bup").copy_up(), CopyUp::BottomUpParent);
    assert!(!chosen("noretry").retry() && chosen("noretry,retry").retry());
    assert!(chosen("shwh").show_whiteouts() && !chosen("shwh,noshwh").show_whiteouts());
    assert!(!chosen("nowarn_perm").warn_permission());
}

#[test]
fn what_is_no_choice() {
    for (word, value) in [
        ("udba", None),
        ("udba", Some("")),
        ("udba", Some("x")),
        ("fsync", Some("Auto")),
        ("mmap_path", Some("direct")),
        ("cpup", Some("rr")),
    ] {
        let read = parse(word.as_bytes(), value.map(str::as_bytes));
        assert_eq!(read, Err(EINVAL), "{word} {value:?}");
    }
    for (word, value) in [
        ("", None),
        ("acl", Some("")),
        ("none", None),
        ("create", Some("rr")),
    ] {
        assert_eq!(
            parse(word.as_bytes(), value.map(str::as_bytes)),
            Ok(None),
            "{word}"
        );
    }
}

/// What is shown chooses the same, and each choice but the default is shown.
#[test]
fn shown_is_what_was_chosen() {
    for option in all() {
        let settings = chosen(&option);
        let shown = settings.to_string();
        assert_eq!(chosen(&shown), settings, "{option}");
        assert_eq!(
            shown.is_empty(),
            settings == Settings::default(),
            "{option}"
        );
        assert_eq!(
            shown.split(',').filter(|o| !o.is_empty()).count(),
            shown.matches(',').count()
        );
    }
    // No choice takes another one away.
    let all = all().join(",");
    assert_eq!(chosen(&chosen(&all).to_string()), chosen(&all));
    let create = Settings::new(chosen("sum").chosen(), Create::parse(b"mfs:5").unwrap());
    assert_eq!(create.to_string(), ",sum,create=mfs:5");
}

/// Each option that is shown is in the documents for users.
#[test]
fn documented() {
    let usage = include_str!("../../../Documentation/usage.md");
    let manual = include_str!("../../../Documentation/man/aufs2.5");
    for option in all() {
        let word = option.split_inclusive('=').next().unwrap();
        assert!(usage.contains(&format!("`{word}")), "usage.md lacks {word}");
        let shown = chosen(&option).to_string();
        let in_manual = manual.contains(&format!("{} ", shown.trim_start_matches(',')))
            || manual.contains(&format!("{}\n", shown.trim_start_matches(',')))
            || shown.starts_with(",cpup=");
        assert!(in_manual, "aufs2(5) lacks {shown}");
    }
}
