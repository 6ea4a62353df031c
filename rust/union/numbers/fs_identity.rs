// SPDX-License-Identifier: GPL-2.0

//! Which filesystem is which, over mounts.

use crate::{
    union::text::names,
    vfs::{below::block, object::super_block::AnySuperBlock},
};

/// Tells a filesystem from others.
pub(crate) type Identity = [u8; 16];

/// What a squashfs says of itself, at the start of its device.
const SQUASHFS_SUPER: usize = 96;

/// That of the filesystem of `sb`. `None` if it has none.
pub(crate) fn of(sb: &AnySuperBlock) -> Option<Identity> {
    match sb.type_name().to_bytes() {
        // It has several objects of one number, and may show the subvolumes of what is below it.
        b"overlay" => None,
        b"squashfs" => image(sb),
        _ => Some(sb.uuid())
            .filter(|uuid| !uuid.is_null())
            .map(|uuid| uuid.bytes()),
    }
}

/// That of an image that has no UUID: by when and of how much it was made, and where what is in it.
fn image(sb: &AnySuperBlock) -> Option<Identity> {
    let mut described = [0; SQUASHFS_SUPER];
    if !block::read_first(sb, &mut described).ok()? {
        return None;
    }
    let whole = u128::from(sb.magic() as u64) << 64 | u128::from(names::hash(&described));
    Some(whole.to_be_bytes())
}
