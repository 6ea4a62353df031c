// SPDX-License-Identifier: GPL-2.0

//! Mounting a union, and remounting it.

use super::{
    branch::{Branch, BranchId},
    instance::{Instance, Settings, Union, MAGIC},
    lookup,
    node::Layer,
    options::{self, BranchSpec, MemoryKey, Opt, Permission, Split},
    table::{Table, MAX_BRANCHES},
    whiteout, work,
};
use crate::vfs::{
    fs_context::{Context, Log, Param, Value},
    inode::INode,
    mount::PrivateMount,
    path::PathBuf,
    super_block::{FileSystem, Params, SuperBlock},
};
use kernel::{
    fmt,
    prelude::*,
    str::BStr,
    sync::{aref::ARef, Arc},
};

/// A branch that is asked for, with its path resolved when the option was read.
struct Wanted {
    name: KVec<u8>,
    /// `None` is a branch in memory.
    path: Option<PathBuf>,
    permission: Option<Permission>,
}

/// What a mount or a remount asks for.
pub(crate) struct Request {
    branches: KVVec<Wanted>,
    settings: Settings,
    memory: KVec<(MemoryKey, KVec<u8>)>,
}

impl Request {
    fn want(&mut self, log: &Log, spec: BranchSpec, front: bool) -> Result {
        if self.branches.len() >= MAX_BRANCHES {
            log.error(fmt!("more than {MAX_BRANCHES} branches"));
            return Err(EINVAL);
        }
        let path = if &spec.path[..] == options::MEMORY {
            None
        } else {
            let path = PathBuf::resolve(&spec.path).inspect_err(|e| {
                let shown = BStr::from_bytes(&spec.path);
                log.error(fmt!("branch '{shown}': {}", Reason(*e)));
            })?;
            Some(path)
        };
        self.insert(
            Wanted {
                name: spec.path,
                path,
                permission: spec.permission,
            },
            front,
        )
    }

    fn insert(&mut self, wanted: Wanted, front: bool) -> Result {
        self.branches.push(wanted, GFP_KERNEL)?;
        if front {
            self.branches.rotate_right(1);
        }
        Ok(())
    }

    /// `FSCONFIG_SET_PATH` and `FSCONFIG_SET_FD`: the key is `br`, and may have a permission after a
    /// `+`.
    fn want_place(&mut self, log: &Log, key: &[u8], path: PathBuf) -> Result<bool> {
        let (word, permission) = match key.iter().position(|&b| b == b'+') {
            Some(at) => (&key[..at], Some(&key[at + 1..])),
            None => (key, None),
        };
        if !matches!(word, b"br" | b"dirs" | b"append" | b"prepend") {
            return Ok(false);
        }
        let permission = match permission.filter(|text| !text.is_empty()) {
            Some(text) => Some(options::parse_permission(text).inspect_err(|_| {
                log.error(fmt!("bad permission '{}'", BStr::from_bytes(text)));
            })?),
            None => None,
        };
        let mut name = KVec::new();
        name.extend_from_slice(
            path.dentry.name().get().map_or(b"/", |n| n.as_bytes()),
            GFP_KERNEL,
        )?;
        self.insert(
            Wanted {
                name,
                path: Some(path),
                permission,
            },
            word == b"prepend",
        )?;
        Ok(true)
    }

    fn apply(&mut self, log: &Log, opt: Opt) -> Result {
        match opt {
            Opt::Append(list) => {
                for spec in list {
                    self.want(log, spec, false)?;
                }
            }
            Opt::Prepend(list) => {
                let mut list = list;
                // Each goes to the front, so that the last one goes first.
                while let Some(spec) = list.pop() {
                    self.want(log, spec, true)?;
                }
            }
            Opt::Udba(udba) => self.settings.udba = udba,
            Opt::Fsync(fsync) => self.settings.fsync = fsync,
            Opt::Sum(sum) => self.settings.sum = sum,
            Opt::Acl(acl) => self.settings.acl = acl,
            Opt::Mmap(mmap) => self.settings.mmap = mmap,
            Opt::MmapPath(union) => self.settings.mmap_path = union,
            Opt::Memory(key, value) => self.memory.push((key, value), GFP_KERNEL)?,
            Opt::Ignored => {}
        }
        Ok(())
    }

    fn memory_branch(&self, log: &Log) -> Result<PrivateMount> {
        let mut params: KVec<(&CStr, &[u8])> = KVec::new();
        // An instance of the kernel's own has no limits unless it is given some.
        let given = |key| self.memory.iter().any(|(k, _)| *k == key);
        if !given(MemoryKey::Size) {
            params.push((c"size", b"50%"), GFP_KERNEL)?;
        }
        if !given(MemoryKey::Mode) {
            params.push((c"mode", b"755"), GFP_KERNEL)?;
        }
        for (key, value) in &self.memory {
            let key = match key {
                MemoryKey::Size => c"size",
                MemoryKey::Inodes => c"nr_inodes",
                MemoryKey::Mode => c"mode",
            };
            params.push((key, value), GFP_KERNEL)?;
        }
        PrivateMount::new_instance(c"tmpfs", &params)
            .inspect_err(|e| log.error(fmt!("branch in memory: {}", Reason(*e))))
    }

    fn make_branch(&self, log: &Log, index: usize, wanted: &Wanted) -> Result<Arc<Branch>> {
        // CAST: `want` keeps the number of branches below the number of identities.
        let id = BranchId(index as u16);
        let mut name = KVec::new();
        name.extend_from_slice(&wanted.name, GFP_KERNEL)?;
        match &wanted.path {
            Some(path) => Branch::new(log, id, name, path, wanted.permission, index == 0),
            None => {
                let permission = wanted
                    .permission
                    .unwrap_or(Permission::new(options::Access::ReadWrite));
                Branch::with_mount(id, name, self.memory_branch(log)?, permission)
            }
        }
    }
}

#[vtable]
impl Context for Request {
    type Fs = Union;

    fn new(_log: &Log, sb: Option<&SuperBlock<Union>>) -> Result<Self> {
        Ok(Self {
            branches: KVVec::new(),
            settings: sb.map_or_else(Settings::default, |sb| sb.data().settings()),
            memory: KVec::new(),
        })
    }

    fn parse(&mut self, log: &Log, key: &CStr, value: Value<'_>) -> Result<bool> {
        let key = key.to_bytes();
        let value = match value {
            Value::Flag => None,
            Value::String(text) => Some(text.to_bytes()),
            Value::Place(path) => return self.want_place(log, key, path),
        };
        let opt = options::parse(key, value).inspect_err(|e| {
            log.error(fmt!(
                "bad option '{}{}{}': {}",
                BStr::from_bytes(key),
                if value.is_some() { "=" } else { "" },
                BStr::from_bytes(value.unwrap_or(b"")),
                Reason(*e)
            ));
        })?;
        let Some(opt) = opt else {
            return Ok(false);
        };
        self.apply(log, opt)?;
        Ok(true)
    }

    fn split_monolithic(data: &[u8], param: &mut Param<'_>) -> Result {
        for piece in Split::new(data, b',').filter(|piece| !piece.is_empty()) {
            let (key, value) = options::key_value(piece);
            param(key, value)?;
        }
        Ok(())
    }

    fn prepare(
        &mut self,
        log: &Log,
        readonly: bool,
    ) -> Result<(Params, <Union as FileSystem>::SuperData)> {
        let mut branches = KVVec::with_capacity(self.branches.len(), GFP_KERNEL)?;
        for (index, wanted) in self.branches.iter().enumerate() {
            branches.push(self.make_branch(log, index, wanted)?, GFP_KERNEL)?;
        }
        let table = Table::new(log, 1, branches)?;
        let writable = table.writable().is_ok();
        let swept = |branch: &&Arc<Branch>| branch.is_writable() && !readonly;
        for branch in table.branches.iter().filter(swept) {
            work::sweep(branch).inspect_err(|e| {
                log.error(fmt!("branch '{}': {}", branch.name(), Reason(*e)));
            })?;
        }
        let first_acl = table
            .branches
            .iter()
            .any(|branch| branch.mnt().super_block().has_posix_acl());
        let granularity = table
            .writable()
            .map_or(1, |branch| branch.mnt().super_block().time_granularity());
        let params = Params {
            magic: MAGIC,
            max_bytes: i64::MAX,
            time_granularity: granularity,
            stack_depth: table.stack_depth(),
            posix_acl: first_acl && self.settings.acl,
            readonly: readonly || !writable,
        };
        let instance = KBox::pin_init(Instance::new(table, self.settings)?, GFP_KERNEL)?;
        Ok((params, instance))
    }

    fn make_root(sb: &SuperBlock<Union>) -> Result<ARef<INode<Union>>> {
        let table = sb.data().table()?;
        let mut layers = KVec::with_capacity(table.branches.len(), GFP_KERNEL)?;
        for branch in &table.branches {
            let layer = Layer {
                branch: branch.clone(),
                dentry: branch.root().into(),
            };
            let hides =
                branch.has_whiteouts() && sb.data().cred.scope(|| whiteout::is_opaque(&layer))?;
            layers.push(layer, GFP_KERNEL)?;
            if hides {
                break;
            }
        }
        lookup::node(sb, table.generation, layers)
    }

    fn reconfigure(&mut self, log: &Log, sb: &SuperBlock<Union>, readonly: bool) -> Result {
        if !self.branches.is_empty() {
            log.error(fmt!("branches cannot be changed by a remount"));
            return Err(EINVAL);
        }
        if !self.memory.is_empty() {
            log.error(fmt!("the branch in memory cannot be changed by a remount"));
            return Err(EINVAL);
        }
        if !readonly {
            sb.data().table()?.writable().inspect_err(|_| {
                log.error(fmt!("no branch is writable"));
            })?;
        }
        sb.data().set_settings(self.settings);
        Ok(())
    }
}

/// An error for people.
struct Reason(Error);

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.name() {
            Some(name) => write!(f, "{}", name.to_str().unwrap_or("?")),
            None => write!(f, "error {}", self.0.to_errno()),
        }
    }
}
