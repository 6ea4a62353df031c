// SPDX-License-Identifier: GPL-2.0

//! Branches that a mount or a remount asks for, and making them.

use crate::{
    union::{
        branch::{branch::Branch, place::Place, volatile},
        branches::{ids::Ids, table::check_beside},
        text::{
            names,
            options::{self, BranchSpec, MemoryKey, Permission},
        },
    },
    vfs::{
        admin::log::Log,
        below::namei,
        mount::{path::PathBuf, private_mount::PrivateMount},
        object::super_block::AnySuperBlock,
        value::name::Name,
    },
};
use kernel::{fmt, prelude::*, str::BStr, sync::Arc};

/// A branch as an option gives it: by a path, which was resolved when the option was read, or by what
/// [`Plan::named`](super::plan::Plan) makes of the text.
pub(crate) struct Named {
    pub(crate) name: KVec<u8>,
    /// `None` for a branch in memory, and for a branch that is to go whose path is not there.
    pub(crate) path: Option<PathBuf>,
    /// Whether it was given by a descriptor, which is that directory's and means no other, whatever that was called.
    is_exact: bool,
}

impl Named {
    /// The directory of a descriptor. Its name is for messages, and for who names it when it is not there any more.
    pub(crate) fn by_descriptor(path: PathBuf) -> Result<Self> {
        let name = match path.as_ref().absolute() {
            Ok(name) => name,
            // One that is too long to be told.
            Err(_) => {
                let mut name = KVec::new();
                let last = path.as_ref().dentry().name();
                name.extend_from_slice(last.get().map_or(b"/", |n| n.as_bytes()), GFP_KERNEL)?;
                name
            }
        };
        Ok(Self {
            name,
            path: Some(path),
            is_exact: true,
        })
    }

    /// Whether a branch that is not there may be meant, by what it was called.
    pub(crate) fn may_be_by_name(&self) -> bool {
        !self.is_exact
    }

    /// The path as it was given.
    pub(crate) fn shown(&self) -> &BStr {
        BStr::from_bytes(&self.name)
    }

    pub(crate) fn is_memory(&self) -> bool {
        self.path.is_none() && &self.name[..] == options::MEMORY
    }
}

/// A branch that is asked for.
pub(crate) struct Wanted {
    pub(crate) named: Named,
    pub(crate) permission: Option<Permission>,
}

/// A branch that is to be there. `ENOENT` and its like if the path is not.
pub(crate) fn want(log: &Log, spec: BranchSpec) -> Result<Wanted> {
    let path = if &spec.path[..] == options::MEMORY {
        None
    } else {
        let path = PathBuf::resolve(&spec.path).inspect_err(|e| {
            let shown = BStr::from_bytes(&spec.path);
            log.error(fmt!("branch '{shown}': {}", ErrorName(*e)));
        })?;
        Some(path)
    };
    Ok(Wanted {
        named: Named {
            name: spec.path,
            path,
            is_exact: false,
        },
        permission: spec.permission,
    })
}

/// A branch that is there already, it is said.
pub(crate) fn known(name: KVec<u8>) -> Named {
    let path = match &name[..] == options::MEMORY {
        true => None,
        // What has no such path any more may still be known by it.
        false => PathBuf::resolve(&name).ok(),
    };
    Named {
        name,
        path,
        is_exact: false,
    }
}

/// Makes branches of what is asked for.
pub(crate) struct BranchMaker<'a> {
    pub(crate) ids: &'a mut Ids,
    pub(crate) memory: &'a [(MemoryKey, KVec<u8>)],
    /// The union that they are to be beside the others of, if it is mounted.
    pub(crate) sb: Option<&'a AnySuperBlock>,
    /// Whether branches hold the mounts that they are on.
    pub(crate) holds: bool,
}

impl BranchMaker<'_> {
    /// Makes the branch that is to be at `index`, beside `others`.
    pub(crate) fn make(
        &mut self,
        log: &Log,
        index: usize,
        wanted: &Wanted,
        others: &[Arc<Branch>],
    ) -> Result<Arc<Branch>> {
        let place = wanted.named.path.as_ref();
        let id = self.ids.take(place.map(PathBuf::as_ref)).inspect_err(|_| {
            log.error(fmt!(
                "this union has had all the branches that one can have"
            ));
        })?;
        let mut name = KVec::new();
        name.extend_from_slice(&wanted.named.name, GFP_KERNEL)?;
        match place {
            Some(path) => {
                if let Some(sb) = self.sb {
                    let below = path.as_ref().mnt().super_block();
                    check_beside(log, BStr::from_bytes(&wanted.named.name), below, sb)?;
                }
                let space = self.ids.space(path.as_ref(), id, others)?;
                let first = index == 0;
                let branch = Branch::new(log, id, space, name, path, wanted.permission, first)?;
                volatile::check(log, &branch)?;
                if self.holds {
                    branch.place().hold(path.clone());
                }
                warn_of_whiteouts(&branch);
                Ok(branch)
            }
            None if wanted.named.is_memory() => {
                let permission = wanted
                    .permission
                    .unwrap_or(Permission::new(options::Access::ReadWrite));
                let place = Place::memory()?;
                let (mnt, looked_at) = self.memory_branch(log)?;
                let space = self.ids.space(mnt.at(mnt.root()), id, others)?;
                let mounts = (mnt, Some(looked_at));
                Branch::with_mounts(id, space, name, place, mounts, permission)
            }
            None => Err(ENOENT),
        }
    }

    fn memory_branch(&self, log: &Log) -> Result<(PrivateMount, PrivateMount)> {
        let mut params: KVec<(&CStr, &[u8])> = KVec::new();
        // An instance of the kernel's own has no limits unless it is given some.
        let given = |key| self.memory.iter().any(|(k, _)| *k == key);
        if !given(MemoryKey::Size) {
            params.push((c"size", b"50%"), GFP_KERNEL)?;
        }
        if !given(MemoryKey::Mode) {
            params.push((c"mode", b"755"), GFP_KERNEL)?;
        }
        for (key, value) in self.memory {
            params.push((key.word(), value), GFP_KERNEL)?;
        }
        PrivateMount::new_with_look(c"tmpfs", &params, |key, value| {
            let (key, value) = (key.to_bytes(), BStr::from_bytes(value));
            let key = BStr::from_bytes(key);
            log.error(fmt!("branch in memory: '{key}={value}' makes no sense"));
        })
        .inspect_err(|e| log.error(fmt!("branch in memory: {}", ErrorName(*e))))
    }
}

/// Tells of a branch that was a writable one once, as its root says, and whose whiteouts do not count
/// as it is used now: what was deleted is there again.
fn warn_of_whiteouts(branch: &Branch) {
    if branch.obeys_whiteouts() || branch.is_writable() {
        return;
    }
    let was_writable = Name::new(names::BASE)
        .and_then(|name| namei::lookup(branch.mnt(), branch.root(), name))
        .is_ok_and(|found| found.is_some());
    if was_writable {
        pr_warn!(
            "branch '{}' has whiteouts, which do not count without +wh: what they delete shows\n",
            branch.name()
        );
    }
}

/// An error for people.
pub(crate) struct ErrorName(pub(crate) Error);

impl fmt::Display for ErrorName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.name() {
            Some(name) => write!(f, "{}", name.to_str().unwrap_or("?")),
            None => write!(f, "error {}", self.0.to_errno()),
        }
    }
}
