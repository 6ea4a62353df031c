// SPDX-License-Identifier: GPL-2.0

//! Mounting a union, and remounting it.

use crate::{
    union::{
        branch::{
            branch::{Branch, MAGIC},
            volatile,
        },
        branches::{
            ids::Ids,
            lasting,
            table::{Table, MAX_BRANCHES},
        },
        change::{
            plan::{self, Plan},
            wanted::{known, want, BranchMaker, ErrorName, Named, Wanted},
        },
        find::{lookup, refresh},
        object::instance::{Instance, Memory, Union, AUFS},
        text::{
            options::{self, Change, Expected, Opt, Split},
            policies::Create,
            settings::{Chosen, Privmap, Settings, Udba},
        },
    },
    vfs::{
        admin::log::Log,
        attr::stat::Stat,
        fs::{
            fs_context::{Context, Param, Value},
            super_ops::Params,
        },
        mount::path::PathBuf,
        object::super_block::{BlockSize, Uuid},
        own::{
            file_system::FileSystem,
            inode::OwnInode,
            kept::Kept,
            super_block::{Reconfigured, SuperBlock},
        },
        sync::task::may_administer,
    },
};
use kernel::{
    alloc::flags::GFP_KERNEL_ACCOUNT,
    prelude::*,
    str::BStr,
    sync::{aref::ARef, Arc},
};

/// What a mount or a remount asks for.
pub(crate) struct Request {
    changes: KVVec<Change<Wanted, Named>>,
    /// What is chosen anew: what is not stays as it is when it is made so, and not as it was when that was begun.
    chosen: Chosen,
    create: Option<Create>,
    memory: Memory,
    /// Whether branches hold the mounts that they are on, as those of aufs do.
    holds: bool,
    /// Whether the union is mounted already.
    is_remount: bool,
    /// What somebody watches in the union whose branches are to change. The VFS drops all names that
    /// are not in use before it calls [`Context::reconfigure`], and no name would lead to the
    /// watched inode any more where another branch is on top.
    watched: Option<Kept<Union>>,
}

impl Request {
    /// `FSCONFIG_SET_PATH` and `FSCONFIG_SET_FD`: the key is a word of the options about branches,
    /// and may have a permission after a `+`.
    fn want_place(&mut self, log: &Log, key: &[u8], path: PathBuf) -> Result<bool> {
        let (word, permission) = match key.iter().position(|&b| b == b'+') {
            Some(at) => (&key[..at], Some(&key[at + 1..])),
            None => (key, None),
        };
        if !matches!(
            word,
            b"br" | b"dirs" | b"append" | b"prepend" | b"del" | b"mod"
        ) {
            return Ok(false);
        }
        let permission = permission.filter(|text| !text.is_empty());
        let refused = |text: &[u8]| {
            log.error(fmt!(
                "bad permission '{}'{}",
                BStr::from_bytes(text),
                options::PERMISSION
            ));
        };
        let permission = permission.map(|text| {
            let read = options::parse_permission(text);
            read.inspect_err(|_| refused(text))
        });
        let permission = permission.transpose()?;
        let named = Named::by_descriptor(path)?;
        let change = match (word, permission) {
            (b"del", None) => Change::Delete(named),
            (b"mod", Some(permission)) => Change::Modify(named, permission),
            (b"del" | b"mod", _) => {
                log.error(fmt!(
                    "'{}' of '{}': {}",
                    BStr::from_bytes(key),
                    named.shown(),
                    match word {
                        b"del" => "a permission is of no use where a branch goes",
                        _ => "which permission? As in mod+ro",
                    }
                ));
                return Err(EINVAL);
            }
            // As where it is said by its path.
            (b"br" | b"dirs", _) if self.is_remount => return Ok(true),
            (_, permission) => {
                let wanted = Wanted { named, permission };
                match word {
                    b"prepend" => Change::Insert(0, wanted),
                    b"append" => Change::Append(wanted),
                    _ => Change::Initial(wanted),
                }
            }
        };
        self.add(log, change)?;
        Ok(true)
    }

    fn add(&mut self, log: &Log, change: Change<Wanted, Named>) -> Result {
        if self.changes.len() >= MAX_BRANCHES {
            log.error(fmt!("more than {MAX_BRANCHES} branches"));
            return Err(EINVAL);
        }
        Ok(self.changes.push(change, GFP_KERNEL_ACCOUNT)?)
    }

    fn apply(&mut self, log: &Log, opt: Opt) -> Result {
        match opt {
            Opt::Branches(changes) => {
                for change in changes {
                    let change = match change {
                        // mount(8) repeats what the mount was given from fstab(5): a branch that
                        // was removed since must not come back by that.
                        Change::Initial(_) if self.is_remount => continue,
                        Change::Initial(spec) => Change::Initial(want(log, spec)?),
                        Change::Append(spec) => Change::Append(want(log, spec)?),
                        Change::Insert(index, spec) => Change::Insert(index, want(log, spec)?),
                        Change::Delete(path) => Change::Delete(known(path)),
                        Change::Modify(path, permission) => Change::Modify(known(path), permission),
                        Change::Move(index, path) => Change::Move(index, known(path)),
                    };
                    self.add(log, change)?;
                }
            }
            Opt::Setting(chosen) => self.chosen.then(chosen),
            Opt::Create(create) => self.create = Some(create),
            Opt::Memory(key, value) => match self.memory.iter_mut().find(|(k, _)| *k == key) {
                Some((_, old)) => *old = value,
                None => self.memory.push((key, value), GFP_KERNEL)?,
            },
            Opt::Ignored => {}
        }
        Ok(())
    }

    /// Keeps what is watched in `sb` from here on, if its branches are to change. For who may change
    /// them only: it costs memory. `ENOMEM`.
    fn keep_watched(&mut self, sb: Option<&SuperBlock<Union>>) -> Result {
        if let Some(sb) = sb {
            if self.watched.is_none() && !self.changes.is_empty() && may_administer() {
                self.watched = Some(Kept::watched(sb)?);
            }
        }
        Ok(())
    }

    /// The settings that are to be, of those `before`.
    fn settings(&self, mut before: Settings) -> Settings {
        before.choose(self.chosen);
        before.create = self.create.unwrap_or(before.create);
        before
    }

    /// Whether a branch in memory is to be made.
    fn adds_memory(&self) -> bool {
        self.changes.iter().any(|change| match change {
            Change::Initial(w) | Change::Append(w) | Change::Insert(_, w) => w.named.is_memory(),
            _ => false,
        })
    }

    /// What branches in memory are made with is for one that is made, or was made with it: mount(8) repeats what
    /// fstab(5) has, also when that branch has gone. `EINVAL`.
    fn check_memory(&self, log: &Log, made_with: &Memory) -> Result {
        if self.adds_memory() {
            return Ok(());
        }
        for (key, value) in &self.memory {
            let before = made_with.iter().find(|(k, _)| k == key);
            // `size=1M` is `size=1m`.
            if before.is_some_and(|(_, before)| before.eq_ignore_ascii_case(value)) {
                continue;
            }
            let (key, value) = (key.word().to_bytes(), BStr::from_bytes(value));
            let key = BStr::from_bytes(key);
            match before {
                Some((_, before)) => log.error(fmt!(
                    "{key}={value}: a branch in memory cannot be changed, and has {key}={}",
                    BStr::from_bytes(before)
                )),
                None => log.error(fmt!(
                    "{key}={value}: a branch in memory cannot be changed, and none is made"
                )),
            }
            return Err(EINVAL);
        }
        Ok(())
    }

    /// A branch in memory that is made anew, as where it is thrown away, is made with what the last one was, where nothing
    /// else is said. `ENOMEM`.
    fn inherit_memory(&mut self, made_with: &Memory) -> Result {
        if !self.adds_memory() {
            return Ok(());
        }
        for (key, value) in made_with {
            if !self.memory.iter().any(|(given, _)| given == key) {
                let value = options::copy(value)?;
                self.memory.push((*key, value), GFP_KERNEL)?;
            }
        }
        Ok(())
    }

    /// The branches that the changes make of those `before`, in the union that is mounted with them.
    fn plan(
        &self,
        log: &Log,
        settings: &Settings,
        ids: &mut Ids,
        mounted: Option<(&SuperBlock<Union>, &Table)>,
    ) -> Result<Plan> {
        let (sb, before) = mounted.unzip();
        ids.begin();
        let mut plan = Plan::new(before)?;
        let mut maker = BranchMaker {
            ids,
            memory: &self.memory,
            sb: sb.map(|sb| &**sb),
            holds: self.holds,
        };
        for change in &self.changes {
            plan.apply(log, &mut maker, change)?;
        }
        if settings.privmap() == Privmap::Snapshot {
            plan.check_snapshots(log, sb.is_some())?;
        }
        if settings.warn_permission() {
            warn_of_permissions(&plan.branches, before);
        }
        Ok(plan)
    }
}

/// Whiteouts that show could be removed, or made, by anybody: `EINVAL` if the union can be written
/// to.
fn check_shown_whiteouts(log: &Log, settings: &Settings, writable: bool) -> Result {
    if settings.show_whiteouts() && writable {
        log.error(fmt!("shwh is for a union that is read-only"));
        return Err(EINVAL);
    }
    Ok(())
}

/// Tells of branches that were not there before, and whose owner or mode is not that of the first
/// one: the root of the union will change them when the first one goes.
fn warn_of_permissions(branches: &[Arc<Branch>], before: Option<&Table>) {
    let root = |branch: &Branch| Stat::of(branch.at(branch.root())).ok();
    let Some((first, rest)) = branches.split_first() else {
        return;
    };
    let Some(shown) = root(first) else {
        return;
    };
    let is_new = |branch: &&Arc<Branch>| before.is_none_or(|table| !table.has(branch));
    for branch in rest.iter().filter(is_new) {
        if root(branch).is_some_and(|stat| !stat.same_permissions(&shown)) {
            pr_warn!(
                "branch '{}': the owner or the mode of its root is not that of '{}'\n",
                branch.name(),
                first.name()
            );
        }
    }
}

/// The size of a block on the topmost branch.
fn first_block_size(table: &Table) -> Result<BlockSize> {
    let first = table.branches.first().ok_or(EINVAL)?;
    Ok(first.mnt().super_block().block_size())
}

/// Whether there are POSIX ACLs on any of the branches.
fn any_acl(branches: &[Arc<Branch>]) -> bool {
    branches
        .iter()
        .any(|branch| branch.mnt().super_block().has_posix_acl())
}

#[vtable]
impl Context for Request {
    type Fs = Union;

    fn new(_log: &Log, sb: Option<&SuperBlock<Union>>, type_name: &CStr) -> Result<Self> {
        Ok(Self {
            holds: *type_name == *AUFS,
            changes: KVVec::new(),
            chosen: Chosen::default(),
            create: None,
            memory: KVec::new(),
            is_remount: sb.is_some(),
            watched: None,
        })
    }

    fn parse(
        &mut self,
        log: &Log,
        sb: Option<&SuperBlock<Union>>,
        key: &CStr,
        value: Value<'_>,
    ) -> Result<bool> {
        let key = key.to_bytes();
        let value = match value {
            Value::Flag => None,
            Value::String(text) => Some(text.to_bytes()),
            Value::Place(path) => {
                let is_known = self.want_place(log, key, path)?;
                self.keep_watched(sb)?;
                return Ok(is_known);
            }
        };
        let opt = options::parse(key, value).inspect_err(|e| {
            log.error(fmt!(
                "bad option '{}{}{}': {}{}",
                BStr::from_bytes(key),
                if value.is_some() { "=" } else { "" },
                BStr::from_bytes(value.unwrap_or(b"")),
                ErrorName(*e),
                options::expected(key, value).unwrap_or(Expected::Nothing)
            ));
        })?;
        let Some(opt) = opt else {
            return Ok(false);
        };
        self.apply(log, opt)?;
        self.keep_watched(sb)?;
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
        self.check_memory(log, &KVec::new())?;
        let mut ids = Ids::new()?;
        let settings = self.settings(Settings::default());
        let mut plan = self.plan(log, &settings, &mut ids, None)?;
        plan.set_permissions();
        let table = Table::new(log, 1, plan.take())?;
        ids.commit(&table.branches);
        let writable = table.writable().is_ok();
        if !readonly {
            check_shown_whiteouts(log, &settings, writable)?;
        }
        let swept = |branch: &&Arc<Branch>| branch.is_writable() && !readonly;
        for branch in table.branches.iter().filter(swept) {
            plan::sweep(log, branch)?;
        }
        for branch in &table.branches {
            plan::read_records(log, branch, branch.is_writable())?;
        }
        lasting::keep_numbers(&table);
        let granularity = table
            .writable()
            .map_or(1, |branch| branch.mnt().super_block().time_granularity());
        let params = Params {
            magic: MAGIC,
            max_bytes: i64::MAX,
            time_granularity: granularity,
            block_size: first_block_size(&table)?,
            uuid: Uuid::NONE,
            stack_depth: table.stack_depth(),
            posix_acl: settings.acl() && any_acl(&table.branches),
            own_pages: false,
            readonly: readonly || !writable,
            revalidated: true,
        };
        let memory = core::mem::replace(&mut self.memory, KVec::new());
        let instance = Instance::new(table, ids, settings, memory)?;
        let instance = KBox::pin_init(instance, GFP_KERNEL)?;
        if instance.is_volatile() && !readonly {
            volatile::begin(log, &instance.table()?.branches)?;
        }
        Ok((params, instance))
    }

    fn make_root(sb: &SuperBlock<Union>) -> Result<ARef<OwnInode<Union>>> {
        let table = sb.data().table()?;
        let layers = sb.data().cred.scope(|| refresh::root_layers(&table))?;
        lookup::inode_of(sb, table.generation, layers)
    }

    fn reconfigure(&mut self, log: &Log, sb: &Reconfigured<'_, Union>, readonly: bool) -> Result {
        let instance = sb.data();
        let table = instance.table()?;
        {
            let made_with = instance.memory.lock();
            self.check_memory(log, &made_with)?;
            self.inherit_memory(&made_with)?;
        }
        let adds_memory = self.adds_memory();
        let old = instance.all_settings();
        let settings = self.settings(old);
        if old.privmap() != settings.privmap() {
            log.error(fmt!(
                "privmap= is for a mount: what is mapped stays mapped as it is"
            ));
            return Err(EINVAL);
        }
        // The paths are given up at the end, so that they do not keep what goes.
        let plan = {
            let mut ids = instance.changing.lock();
            self.plan(log, &settings, &mut ids, Some((sb, &table)))?
        };
        self.changes.clear();
        drop(table);
        if !readonly && sb.is_readonly() && !plan.has_writable() {
            log.error(fmt!("no branch is writable"));
            return Err(EROFS);
        }
        if !readonly {
            check_shown_whiteouts(log, &settings, plan.has_writable())?;
        }
        if readonly && !sb.is_readonly() && !instance.is_volatile() {
            // No call writes any more, and nothing is written out by syncfs(2) from now on; that tells of what fails.
            if let Err(e) = Union::sync(sb, true) {
                sb.note_write_error(e);
            }
        }
        instance.set_settings(settings);
        let mut watched = self.watched.take();
        // What is watched from now on has to be looked at again first; and what names mean changes
        // with what shows.
        let starts_watching = old.udba() == Udba::None && instance.looks_at_branches();
        let shows_otherwise = old.show_whiteouts() != settings.show_whiteouts();
        // What has ACLs shows them from the first moment on, and to the last.
        let (had_acl, has_acl) = (
            sb.has_posix_acl(),
            settings.acl() && any_acl(&plan.branches),
        );
        sb.set_posix_acl(had_acl || has_acl);
        let done = if plan.changed || starts_watching || shows_otherwise {
            plan.carry_out(log, sb, readonly, watched.as_mut())
        } else if !readonly && sb.is_readonly() {
            plan::take_over_all(log, instance)
        } else {
            Ok(())
        };
        done.inspect_err(|_| {
            sb.set_posix_acl(had_acl);
            instance.set_settings(old);
        })?;
        sb.set_posix_acl(has_acl);
        if adds_memory {
            let memory = core::mem::replace(&mut self.memory, KVec::new());
            let before = core::mem::replace(&mut *instance.memory.lock(), memory);
            drop(before);
        }
        let table = instance.table()?;
        let is_volatile = instance.is_volatile() && !readonly;
        instance
            .cred
            .scope(|| volatile::adjust(log, &table.branches, is_volatile));
        Ok(())
    }
}
