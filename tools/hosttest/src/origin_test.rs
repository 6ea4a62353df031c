// SPDX-License-Identifier: GPL-2.0

//! Tests of the names of pseudo-links.

use crate::{
    names::is_serial_plink,
    origin::{Origin, MOST_NAMES},
};
use proptest::prelude::{prop_assert, prop_assert_eq, proptest};

fn origin() -> Origin {
    Origin {
        fs: *b"0123456789abcdef",
        subvolume: 256,
        ino: 12,
        generation: 0xdead_beef,
        state: u64::MAX,
    }
}

#[test]
fn as_documented() {
    let name = "0.30313233343536373839616263646566.0000000000000100.000000000000000c.\
                00000000deadbeef.ffffffffffffffff.3";
    assert_eq!(origin().name(3).as_bytes(), name.as_bytes());
    assert_eq!(Origin::parse(name.as_bytes()), Some((origin(), 3)));
    let most = origin().name(MOST_NAMES);
    assert_eq!(Origin::parse(most.as_bytes()), Some((origin(), MOST_NAMES)));
    // The next mount does not sweep it.
    assert!(!is_serial_plink(name.as_bytes()));
}

#[test]
fn what_is_none() {
    let good = origin().name(3);
    let good = std::str::from_utf8(good.as_bytes()).unwrap();
    let stem = good.strip_suffix(".3").unwrap();
    for bad in [
        stem.to_string(),
        format!("{stem}."),
        format!("{stem}.0"),
        format!("{stem}.03"),
        format!("{stem}.+3"),
        format!("{stem}.1073741825"),
        format!("{stem}.4294967295"),
        format!("{stem}.4294967296"),
        format!("{stem}.99999999999999999999999999"),
        format!("{stem}.3.3"),
        format!("{good} "),
        format!("0{good}"),
        good.to_uppercase(),
        good.replace(".00000000deadbeef", ".00000001deadbeef"),
        good.replace(".000000000000000c", ".c"),
        "0.".to_string(),
        "0.1".to_string(),
        String::new(),
    ] {
        assert_eq!(Origin::parse(bad.as_bytes()), None, "{bad}");
    }
}

proptest! {
    #[test]
    fn what_is_written_is_read(fs: [u8; 16], subvolume: u64, ino: u64, generation: u32, state: u64, names in 1..=MOST_NAMES) {
        let origin = Origin { fs, subvolume, ino, generation, state };
        let name = origin.name(names);
        prop_assert!(name.as_bytes().len() <= 255);
        prop_assert_eq!(Origin::parse(name.as_bytes()), Some((origin, names)));
    }

    #[test]
    fn nothing_else_is(bytes: Vec<u8>) {
        if let Some((origin, names)) = Origin::parse(&bytes) {
            let name = origin.name(names);
            prop_assert_eq!(name.as_bytes(), &bytes[..]);
        }
    }
}
