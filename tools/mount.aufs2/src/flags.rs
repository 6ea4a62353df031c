// SPDX-License-Identifier: GPL-2.0

//! The options that are not the filesystem's own: attributes of the mount,
//! flags of the super block, and what only mount(8) and fstab(5) read.

use rustix::mount::MountAttrFlags;

/// A change of the attributes of a mount, as `mount_setattr(2)` takes it: first
/// `clear` is removed, then `set` added.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attributes {
    /// The attributes to add.
    pub set: MountAttrFlags,
    /// The attributes to remove first.
    pub clear: MountAttrFlags,
}

impl Attributes {
    /// Changes nothing.
    pub const NONE: Self = Self::new(MountAttrFlags::empty(), MountAttrFlags::empty());

    const fn new(set: MountAttrFlags, clear: MountAttrFlags) -> Self {
        Self { set, clear }
    }

    /// Whether nothing is changed.
    pub fn is_none(self) -> bool {
        self == Self::NONE
    }

    /// Appends a change that comes later on the command line, and so wins.
    pub fn then(&mut self, later: Self) {
        self.set = self.set.difference(later.clear).union(later.set);
        self.clear |= later.clear;
    }
}

/// What a generic option does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Generic {
    /// Changes the mount only.
    Mount(Attributes),
    /// Changes the super block only: goes to the kernel by its name.
    Super,
    /// Changes both, unless `=vfs` or `=fs` asks for one of them.
    Both(Attributes),
    /// Asks for a reconfiguration of what is mounted.
    Remount,
    /// Was meant for mount(8) or fstab(5), or says what is so anyway.
    Ignored,
    /// Another operation of mount(8), which no helper does.
    Refused,
}

const fn set(flags: MountAttrFlags) -> Attributes {
    Attributes::new(flags, MountAttrFlags::empty())
}

const fn clear(flags: MountAttrFlags) -> Attributes {
    Attributes::new(MountAttrFlags::empty(), flags)
}

/// The four ways of keeping access times exclude each other.
const fn atime(flags: MountAttrFlags) -> Attributes {
    Attributes::new(flags, MountAttrFlags::MOUNT_ATTR__ATIME)
}

/// Finds what the generic option `name` does; `None` if it is the filesystem's.
pub fn generic(name: &[u8]) -> Option<Generic> {
    use Generic::{Both, Ignored, Mount, Refused, Remount, Super};

    Some(match name {
        b"ro" => Both(set(MountAttrFlags::MOUNT_ATTR_RDONLY)),
        b"rw" => Both(clear(MountAttrFlags::MOUNT_ATTR_RDONLY)),

        b"nosuid" => Mount(set(MountAttrFlags::MOUNT_ATTR_NOSUID)),
        b"suid" => Mount(clear(MountAttrFlags::MOUNT_ATTR_NOSUID)),
        b"nodev" => Mount(set(MountAttrFlags::MOUNT_ATTR_NODEV)),
        b"dev" => Mount(clear(MountAttrFlags::MOUNT_ATTR_NODEV)),
        b"noexec" => Mount(set(MountAttrFlags::MOUNT_ATTR_NOEXEC)),
        b"exec" => Mount(clear(MountAttrFlags::MOUNT_ATTR_NOEXEC)),
        b"nodiratime" => Mount(set(MountAttrFlags::MOUNT_ATTR_NODIRATIME)),
        b"diratime" => Mount(clear(MountAttrFlags::MOUNT_ATTR_NODIRATIME)),
        b"nosymfollow" => Mount(set(MountAttrFlags::MOUNT_ATTR_NOSYMFOLLOW)),
        b"symfollow" => Mount(clear(MountAttrFlags::MOUNT_ATTR_NOSYMFOLLOW)),
        b"noatime" => Mount(atime(MountAttrFlags::MOUNT_ATTR_NOATIME)),
        b"strictatime" => Mount(atime(MountAttrFlags::MOUNT_ATTR_STRICTATIME)),
        b"atime" | b"relatime" | b"nostrictatime" => {
            Mount(atime(MountAttrFlags::MOUNT_ATTR_RELATIME))
        }

        b"sync" | b"async" | b"dirsync" | b"lazytime" | b"nolazytime" | b"mand" | b"nomand" => {
            Super
        }

        b"remount" => Remount,
        b"bind" | b"rbind" | b"move" | b"rmove" => Refused,

        b"defaults" | b"auto" | b"noauto" | b"user" | b"nouser" | b"users" | b"nousers"
        | b"owner" | b"noowner" | b"group" | b"nogroup" | b"nofail" | b"_netdev" | b"comment"
        | b"helper" | b"uhelper" | b"silent" | b"loud" | b"norelatime" | b"iversion"
        | b"noiversion" => Ignored,
        _ if name.starts_with(b"x-") || name.starts_with(b"X-") => Ignored,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(names: &[&str]) -> Attributes {
        let mut sum = Attributes::NONE;
        for name in names {
            match generic(name.as_bytes()) {
                Some(Generic::Mount(change) | Generic::Both(change)) => sum.then(change),
                other => panic!("{name}: {other:?}"),
            }
        }
        sum
    }

    /// What `mount_setattr(2)` makes of attributes that are there already.
    fn apply(change: Attributes, before: MountAttrFlags) -> MountAttrFlags {
        before.difference(change.clear).union(change.set)
    }

    #[test]
    fn the_last_one_wins() {
        let none = MountAttrFlags::empty();
        let ro = MountAttrFlags::MOUNT_ATTR_RDONLY;
        assert_eq!(apply(all(&["rw", "ro"]), none), ro);
        assert_eq!(apply(all(&["ro", "rw"]), ro), none);
        assert_eq!(
            apply(all(&["nosuid", "dev"]), none),
            MountAttrFlags::MOUNT_ATTR_NOSUID
        );
        let noatime = MountAttrFlags::MOUNT_ATTR_NOATIME;
        let strict = MountAttrFlags::MOUNT_ATTR_STRICTATIME;
        assert_eq!(apply(all(&["noatime", "strictatime"]), noatime), strict);
        assert_eq!(apply(all(&["noatime", "relatime"]), strict), none);
    }

    /// The kernel refuses a change of one way of keeping access times that does
    /// not clear them all.
    #[test]
    fn access_times_are_cleared_as_a_whole() {
        for name in ["noatime", "strictatime", "relatime", "atime"] {
            let change = all(&["ro", name, "rw"]);
            assert!(
                change.clear.contains(MountAttrFlags::MOUNT_ATTR__ATIME),
                "{name}"
            );
        }
    }
}
