// SPDX-License-Identifier: GPL-2.0

//! `AUFS_CTL_MVDOWN`: moving a file down to a lower writable branch.

use crate::{
    union::{
        branch::branch::Branch,
        branches::table::Table,
        entries::move_down::{self, How, Moved, Reason, Refused},
        object::instance::Union,
    },
    vfs::{
        admin::ioctl::Command, attr::stat::StatFs, own::file::FsFile, sync::task::may_administer,
    },
};
use kernel::{ioctl::_IOC_SIZE, prelude::*, sync::Arc};

/// `AUFS_CTL_MVDOWN`.
pub(crate) const MOVE_DOWN: u32 = 0xc060_4104;

/// `struct aufs_mvdown`: `__u32 flags; struct aufs_stbr stbr[2]; __s8 au_errno;`, aligned to 8 bytes.
const SIZE: usize = _IOC_SIZE(MOVE_DOWN);
/// What `struct aufs_stbr` has beside its `__s16 brid`.
const SIDE_REST: usize = 38;
const _: () = assert!(SIZE == 2 * size_of::<u64>() + 2 * (size_of::<i16>() + SIDE_REST));

/// `AUFS_MVDOWN_OWLOWER`: replaces a file of the same name on the lower branch.
const OVERWRITE: u32 = 1 << 1;
/// `AUFS_MVDOWN_KUPPER`: leaves the original where it is.
const KEEP: u32 = 1 << 2;
/// `AUFS_MVDOWN_BRID_UPPER`, `_LOWER`: the branch is given by its identity.
const UPPER_GIVEN: u32 = 1 << 7;
const LOWER_GIVEN: u32 = 1 << 8;
/// `AUFS_MVDOWN_FHSM_LOWER`: to a branch with the attribute `fhsm`, which none has here.
const FHSM: u32 = 1 << 9;
/// `AUFS_MVDOWN_STFS`: asks for what `statfs(2)` says about both branches.
const STATFS: u32 = 1 << 10;
/// `AUFS_MVDOWN_STFS_FAILED`, an answer.
const STATFS_FAILED: u32 = 1 << 11;
/// `AUFS_MVDOWN_BOTTOM`, an answer: no writable branch is below the lower one.
const BOTTOM: u32 = 1 << 12;
/// All there are.
const KNOWN: u32 = (1 << 13) - 1;
/// The answers: the three above, and `ROLOWER_R` and `ROUPPER_R`.
const ANSWERS: u32 = 1 << 4 | 1 << 6 | STATFS_FAILED | BOTTOM;

/// What `au_errno` says.
fn number(reason: Reason) -> u64 {
    match reason {
        Reason::Hidden => 1,
        Reason::Whiteout => 2,
        Reason::Between => 3,
        Reason::Bottom => 4,
        Reason::NoUpper => 5,
        Reason::NoLower => 6,
    }
}

/// `struct aufs_stbr`.
#[derive(Clone, Copy, Default)]
struct BranchArgument {
    id: i16,
    index: i16,
    statfs: [u64; 4],
}

impl BranchArgument {
    fn set(&mut self, table: &Table, index: usize) {
        // CAST: As aufs's type has it; a union with more branches than that has no use for it.
        self.index = index as i16;
        self.id = table.branches[index].id().0 as i16;
    }
}

/// `struct aufs_mvdown`, but for `au_errno`.
#[derive(Default)]
struct MoveArgument {
    flags: u32,
    upper: BranchArgument,
    lower: BranchArgument,
}

impl MoveArgument {
    fn read(command: Command) -> Result<Self> {
        let mut reader = command.reader(SIZE);
        let flags: u32 = reader.read()?;
        let _: u32 = reader.read()?;
        let mut side = || -> Result<BranchArgument> {
            let id: i16 = reader.read()?;
            let _: [u8; SIDE_REST] = reader.read()?;
            Ok(BranchArgument {
                id,
                ..BranchArgument::default()
            })
        };
        let (upper, lower) = (side()?, side()?);
        let _: u64 = reader.read()?;
        Ok(Self {
            flags,
            upper,
            lower,
        })
    }

    fn write(&self, command: Command, reason: Option<Reason>) -> Result {
        let mut writer = command.writer(0, SIZE);
        writer.write(&u64::from(self.flags))?;
        for side in [&self.upper, &self.lower] {
            writer.write(&side.id)?;
            writer.write(&side.index)?;
            writer.write(&0u32)?;
            for number in &side.statfs {
                writer.write(number)?;
            }
        }
        writer.write(&reason.map_or(0, number))
    }

    fn has(&self, flag: u32) -> bool {
        self.flags & flag != 0
    }

    /// The indices of the two branches: the file is on the one at `upper`.
    fn choose(&mut self, table: &Table, upper: usize) -> Result<(usize, usize), Refused> {
        let index = |id: i16| {
            let has = |branch: &Arc<Branch>| branch.id().0 as i16 == id;
            table.branches.iter().position(has)
        };
        if self.has(UPPER_GIVEN) && index(self.upper.id) != Some(upper) {
            return Err(Reason::NoUpper.into());
        }
        self.upper.set(table, upper);
        let lower = if self.has(LOWER_GIVEN) {
            let given = index(self.lower.id).filter(|&lower| lower > upper);
            given.ok_or(Reason::NoLower)?
        } else {
            let mut below = table.branches.iter().skip(upper + 1);
            let at = below.position(|branch| branch.is_writable());
            let at = at.filter(|_| !self.has(FHSM)).ok_or(Reason::Bottom)?;
            upper + 1 + at
        };
        self.lower.set(table, lower);
        Ok((upper, lower))
    }

    /// What is told of the branches after the move. They are not kept while the caller's memory is written to.
    fn tell(&mut self, moved: Moved) {
        let branches = &moved.table.branches;
        if !branches[moved.lower + 1..].iter().any(|b| b.is_writable()) {
            self.flags |= BOTTOM;
        }
        if self.has(STATFS) {
            match (
                statfs(&branches[moved.upper]),
                statfs(&branches[moved.lower]),
            ) {
                (Ok(upper), Ok(lower)) => (self.upper.statfs, self.lower.statfs) = (upper, lower),
                _ => self.flags |= STATFS_FAILED,
            }
        }
    }
}

fn statfs(branch: &Branch) -> Result<[u64; 4]> {
    Ok(StatFs::of(branch.at(branch.root()))?.room())
}

/// Moves the file down. The answer is written whether that succeeds or not.
///
/// `EPERM`; `EFAULT`; `EINVAL`, with a number that says why; `EROFS` for a branch that the union does
/// not write to; `EBUSY` for a file that somebody else has open, that is mapped, open for writing,
/// or has several names; `EPERM` if it, or its directory on either branch, is immutable or append-only;
/// `EEXIST` if the lower branch has the name, unless it may be overwritten.
pub(crate) fn ioctl(file: &FsFile<Union>, command: Command) -> Result<u32> {
    if !may_administer() {
        return Err(EPERM);
    }
    let mut argument = MoveArgument::read(command)?;
    if argument.flags & !KNOWN != 0 {
        return Err(EINVAL);
    }
    argument.flags &= !ANSWERS;
    // The structure must be writable, before anything is moved.
    argument.write(command, None)?;
    let how = How {
        overwrite: argument.has(OVERWRITE),
        keep: argument.has(KEEP),
    };
    match move_down::move_down(file, how, |table, upper| argument.choose(table, upper)) {
        Ok(moved) => {
            let instance = file.dentry().sb().data();
            instance.cred.scope(|| argument.tell(moved));
            argument.write(command, None)?;
            Ok(0)
        }
        Err(Refused(e, reason)) => {
            argument.write(command, reason)?;
            Err(e)
        }
    }
}
