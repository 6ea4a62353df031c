// SPDX-License-Identifier: GPL-2.0
/*
 * Random operations on a union with lower content, and the same ones on a copy of it on a filesystem
 * that is no union: every result is the same, and so are the trees from time to time, also when the
 * union was mounted anew.  The branches are on what filesystem there is, or on odd ones.
 *
 * Everything follows from AUFS2_TEST_SEED=N, or the sample of a check, and AUFS2_TEST_LONG=N does N times as much.  What
 * fails is done over and over with less, and the operations that are still needed are printed.
 */
#include "aufs2_fuzz.h"
#include <linux/btrfs.h>

enum setup { USUAL, SUBVOLUMES, OVERLAY, VFAT, SERVER, PROJECT };

/* What a run is like. */
struct way {
	enum setup setup;
	bool links;		/* hard links on a lower branch */
	bool drops, mounts, timers;	/* what happens in between */
	bool no_flags;
};

#define POPULATION 120
#define ROUNDS 5
#define ROUND 150
#define MOST 2000
/* how often it is tried with less */
#define TRIES 300

static uint64_t random_state;
static struct op ops[MOST];
static int op_count;

static uint32_t rnd(uint32_t below)
{
	random_state = random_state * 6364136223846793005ULL + 1442695040888963407ULL;
	return (random_state >> 33) % below;
}

/* --- which operations ---------------------------------------------------------- */

/* A path below a root: few names, so that they meet. */
static void random_path(char *out)
{
	int depth = 1 + rnd(3);

	*out = 0;
	if (!rnd(8)) {
		sprintf(out, "/%c%c", "hi"[rnd(2)], "0123"[rnd(4)]);
		return;
	}
	while (depth--)
		sprintf(out + strlen(out), "/%c", "abcde"[rnd(5)]);
}

static struct op *add_op(int kind)
{
	struct op *op = &ops[op_count < MOST - 1 ? op_count++ : op_count];

	memset(op, 0, sizeof(*op));
	op->kind = kind;
	return op;
}

static struct op *add_random(int kind)
{
	struct op *op = add_op(kind);

	random_path(op->a);
	random_path(op->b);
	op->slot = rnd(SLOTS);
	op->user = rnd(2) ? 0 : 1 + rnd(2);
	op->x = rnd(4) ? rnd(200) : rnd(65536);
	op->y = rnd(4) ? rnd(200) : rnd(9000);
	op->flags = rnd(64);
	if (kind == OPEN)
		op->flags = open_flags[op->flags % ARRAY_SIZE(open_flags)];
	return op;
}

static int random_kind(void)
{
	int kind, at = 0;

	for (kind = 0; kind < RANDOM; kind++)
		at += kinds[kind].weight;
	at = rnd(at);
	for (kind = 0; (at -= kinds[kind].weight) >= 0; kind++)
		;
	return kind;
}

/* Something on the lower branches, of which names meet. */
static void choose_population(const struct way *way)
{
	static const int with[] = { CREATE, APPEND, SYMLINK, MKNOD, MKDIR, MKDIR, MKDIR, MKDIR };
	static const int then[] = { CHMOD, CHOWN, TIMES, SETXATTR, ACL, FLAGS };
	struct op *op, *more;
	int i;

	for (i = 0; i < POPULATION; i++) {
		op = add_random(with[rnd(ARRAY_SIZE(with))]);
		op->user = 0;
		op->before = 1 + i % 2;
		op->flags = 1;
		/* All names have to show: a link that is hidden by the branch above counts. */
		if (way->links && strchr("hi", op->a[1]))
			op->a[1] = 'a';
		if (way->links && strchr("hi", op->b[1]))
			op->b[1] = 'a';
		if (rnd(2))
			continue;
		more = add_random(then[rnd(ARRAY_SIZE(then))]);
		more->user = 0;
		more->before = op->before;
		strcpy(more->a, op->a);
		if (way->no_flags && more->kind == FLAGS)
			more->kind = TIMES;
	}
	for (i = 0; way->links && i < 4; i++) {
		op = add_random(rnd(4) ? CREATE : MKNOD);
		more = add_random(LINK);
		op->user = more->user = 0;
		op->before = more->before = 2;
		sprintf(op->a, "/h%d", i);
		sprintf(more->a, "/h%d", i);
		sprintf(more->b, "/i%d", i);
	}
}

static void choose(uint64_t seed, const struct way *way)
{
	struct op *op;
	int i, round;

	random_state = seed * 0x9e3779b97f4a7c15ULL + 1;
	op_count = 0;
	choose_population(way);
	for (round = 0; round < ROUNDS; round++) {
		for (i = 0; i < ROUND; i++) {
			op = add_random(random_kind());
			if (way->no_flags && (op->kind == FLAGS || op->kind == FFLAGS))
				op->kind = FSTAT;
			if (way->timers && !rnd(40))
				add_op(TIMER)->x = rnd(3);
		}
		add_op(COMPARE);
		if (way->drops)
			add_op(DROP);
		if (way->mounts) {
			add_op(MOUNT_AGAIN);
			add_op(COMPARE);
		}
	}
	if (!way->mounts && (!way->links || way->no_flags))
		add_op(MOUNT_AGAIN);
	add_op(COMPARE);
}

/* --- where they are done ---------------------------------------------------------- */

static char odd[64];		/* where the odd filesystem is mounted, if there is one */
static const char *before[3];	/* the directories that `before` of an operation means */

static bool has_fs(const char *name)
{
	return fs_registered(name) || (shell("modprobe -q %s", name), fs_registered(name));
}

/* A filesystem for all runs of a case; NULL, or why there is none. */
static const char *make_odd(enum setup setup)
{
	const char *type = setup == SUBVOLUMES ? "btrfs" : "ext4";

	snprintf(odd, sizeof(odd), "/mnt/odd%d", getpid());
	if (setup == SUBVOLUMES)
		return make_fs(type, odd);
	if (setup == OVERLAY)
		return has_fs("overlay") ? NULL : "no overlayfs";
	if (setup == SERVER)
		return have("fuse-overlayfs") && has_fs("fuse") ? NULL : "no fuse-overlayfs";
	if (setup == PROJECT && shell("mkdir %s && truncate -s 256M %s.img && modprobe -q loop;"
				      "mkfs.ext4 -q -O quota,project -E lazy_itable_init=1 %s.img &&"
				      "mount -o loop,prjquota %s.img %s", odd, odd, odd, odd, odd))
		return "no ext4 with project quota";
	return NULL;
}

static void remove_odd(void)
{
	if (*odd)
		shell("umount %s; rm -f %s.img", odd, odd);
	*odd = 0;
}

/* A name on the odd filesystem for what NAME of this area shows. */
static const char *odd_name(const char *name)
{
	return path_of("%s%s.%s", odd, strrchr(area, '/'), name);
}

static int subvolume(const char *path, const char *of)
{
	char dir[256];
	const char *name;
	int at, from, err;

	split_path(path, dir, &name);
	at = open(dir, O_RDONLY | O_CLOEXEC);
	if (of) {
		struct btrfs_ioctl_vol_args_v2 args = { 0 };

		args.fd = from = open(of, O_RDONLY | O_CLOEXEC);
		snprintf(args.name, sizeof(args.name), "%s", name);
		err = E(ioctl(at, BTRFS_IOC_SNAP_CREATE_V2, &args));
		close(from);
	} else {
		struct btrfs_ioctl_vol_args args = { 0 };

		snprintf(args.name, sizeof(args.name), "%s", name);
		err = E(ioctl(at, BTRFS_IOC_SUBVOL_CREATE, &args));
	}
	close(at);
	return err;
}

/* What shows as NAME in this area. */
static int show(const char *from, const char *name)
{
	mkdir(name, 0755);
	area_mounts[area_mounted++] = strdup(path_of("%s/%s", area, name));
	return E(mount(from, name, NULL, MS_BIND, NULL));
}

static int project(const char *path)
{
	struct fsxattr fsx = { 0 };
	int fd, err;

	err = E(mkdir(path, 0755));
	fd = open(path, O_RDONLY | O_CLOEXEC);
	err = err ?: E(ioctl(fd, FS_IOC_FSGETXATTR, &fsx));
	fsx.fsx_projid = 5;
	fsx.fsx_xflags |= FS_XFLAG_PROJINHERIT;
	err = err ?: E(ioctl(fd, FS_IOC_FSSETXATTR, &fsx));
	close(fd);
	return err;
}

/* Makes the branches that are not just directories, and the model, which is like the writable one. */
static int prepare(enum setup setup)
{
	static const char *const both[] = { "rw", "m" };
	const char *at;
	int i, err = 0;

	before[1] = "ro";
	before[2] = "ro2";
	if (setup == OVERLAY || setup == SERVER) {
		before[1] = "oa";
		before[2] = "ob";
		err = make_branch("oa") ?: make_branch("ob");
	}
	if (setup == VFAT)
		return make_fs("vfat", "ro") ? -EIO :
		       (area_mounts[area_mounted++] = strdup(path_of("%s/ro", area)), make_branch("m"));
	if (setup != SUBVOLUMES && setup != PROJECT)
		return err ?: make_branch("m");
	for (i = 0; i < 2 && !err; i++) {
		at = odd_name(both[i]);
		err = setup == SUBVOLUMES ? subvolume(at, NULL) : E(mkdir(at, 0755));
		err = err ?: show(at, both[i]);
		at = path_of("%s/e", odd_name(both[i]));
		err = err ?: setup == SUBVOLUMES ? subvolume(at, NULL) : project(at);
	}
	if (setup == SUBVOLUMES)
		err = err ?: subvolume(odd_name("ro"), NULL) ?: show(odd_name("ro"), "ro");
	return err;
}

/* What is between the first and the second lower branch. */
static int prepare_second(enum setup setup)
{
	/* Objects of both have the same numbers, and some of them the same names. */
	if (setup == SUBVOLUMES)
		return subvolume(odd_name("ro2"), odd_name("ro")) ?: show(odd_name("ro2"), "ro2");
	return 0;
}

static int prepare_third(enum setup setup)
{
	if (setup != OVERLAY && setup != SERVER)
		return 0;
	area_mounts[area_mounted++] = strdup(path_of("%s/ro", area));
	return setup == OVERLAY ?
	       E(mount("none", "ro", "overlay", 0,
		       path_of("xino=off,lowerdir=%s/oa:%s/ob", area, area))) :
	       shell("fuse-overlayfs -o dev,lowerdir=oa:ob ./ro");
}

/* The flags are all that cp(1) does not copy. */
static void copy_flags(const char *path)
{
	char names[4096], *name, *rest;
	int side, fd, flags;
	long is[2];

	for (side = 0; side < 2; side++) {
		fd = open(path_of("%s%s", roots[side], path), O_RDONLY | O_NONBLOCK | O_NOFOLLOW | O_CLOEXEC);
		if (fd < 0)
			return;
		is[side] = flags_of(fd);
		if (side && is[0] != is[1] && !ioctl(fd, FS_IOC_GETFLAGS, &flags)) {
			flags = (flags & ~FLAGS_COMPARED) | is[0];
			ioctl(fd, FS_IOC_SETFLAGS, &flags);
		}
		close(fd);
	}
	if (!S_ISDIR(st_of(path_of("u%s", path)).st_mode))
		return;
	snprintf(names, sizeof(names), "%s", list(path_of("u%s", path)));
	for (name = strtok_r(names, " ", &rest); name; name = strtok_r(NULL, " ", &rest)) {
		char below[240];

		snprintf(below, sizeof(below), "%s/%s", path, name);
		copy_flags(below);
	}
}

static const char *start(const struct way *way)
{
	int err = prepare_third(way->setup);

	if (err)
		return path_of("cannot mount the branches: %d", err);
	/* fuse-overlayfs 1.14 cannot list some of the trees that there are, of what it merges by itself */
	if (way->setup == SERVER && shell("ls -R ro")) {
		ksft_print_msg("the server cannot list what is there\n");
		now.is_unusable = true;
		return "";
	}
	chmod("rw", 0777);
	if (up("rw", "ro", "ro2"))
		return "cannot mount";
	if (shell("cp -a u/. m/ > said 2>&1"))
		return path_of("cannot make the model: %s", read_file("said"));
	copy_flags("");
	return "";
}

/* --- mounting again -------------------------------------------------------------- */

static void close_slots(void)
{
	int side, i;

	for (side = 0; side < 2; side++) {
		for (i = 0; i < SLOTS; i++) {
			if (now.slots[side][i] >= 0)
				close(now.slots[side][i]);
			now.slots[side][i] = -1;
		}
	}
}

static void mount_again(const struct way *way)
{
	close_slots();
	now.guessed = way->links;
	if (!access("rw/.wh..wh.orph", F_OK) && *list("rw/.wh..wh.orph"))
		wrong("'%s' is left in the work directory", list("rw/.wh..wh.orph"));
	if (down())
		wrong("cannot unmount: %s", errno_name(errno));
	else if (up("rw", "ro", "ro2"))
		wrong("cannot mount again");
}

/* --- timers ------------------------------------------------------------------------ */

static void nothing(int sig)
{
}

/* A signal every so often, after which calls are continued, or not, or none. */
static void set_timer(uint32_t what)
{
	struct sigaction action = { .sa_handler = nothing, .sa_flags = what == 1 ? SA_RESTART : 0 };
	struct itimerval every = { { 0, what ? 1500 : 0 }, { 0, what ? 1500 : 0 } };

	sigaction(SIGALRM, &action, NULL);
	setitimer(ITIMER_REAL, &every, NULL);
	now.signals = what;
}

/* --- the runs ------------------------------------------------------------------------ */

static void do_one(const struct way *way, struct op *op, long number)
{
	switch (op->kind) {
	case TIMER: return set_timer(op->x);
	case DROP: return drop_caches();
	case MOUNT_AGAIN: return mount_again(way);
	case COMPARE: return compare();
	default: perform_both(op, number);
	}
}

/* Does COUNT operations in an area of their own; the number of that which failed, or -1. */
static int run(const struct way *way, struct op *list, int count)
{
	const char *left;
	int i, fd = -1, done = 0;

	memset(&now, 0, sizeof(now));
	memset(now.slots, -1, sizeof(now.slots));
	if (area_enter() || prepare(way->setup)) {
		wrong("cannot prepare");
	}
	for (i = 0; i < count && list[i].before == 1; i++)
		list[i].is[0] = perform(before[1], &fd, &list[i]);
	if (prepare_second(way->setup))
		wrong("cannot prepare");
	for (; i < count && list[i].before == 2; i++)
		list[i].is[0] = perform(before[2], &fd, &list[i]);
	if (!*now.wrong)
		wrong("%s", start(way));
	for (; i < count && !*now.wrong && !now.is_unusable; i++) {
		done = i;
		do_one(way, &list[i], i);
	}
	set_timer(0);
	close_slots();
	left = area_leave();
	if (left)
		wrong("%s", left);
	return *now.wrong ? done : -1;
}

/* The population of the first branch comes first. */
static void order(void)
{
	static struct op sorted[MOST];
	int i, count = 0, branch;

	for (branch = 1; branch <= 3; branch++)
		for (i = 0; i < op_count; i++)
			if ((ops[i].before ?: 3) == branch)
				sorted[count++] = ops[i];
	memcpy(ops, sorted, sizeof(*ops) * count);
}

static void print_op(const struct op *op)
{
	char where[16] = "", user[16] = "";

	if (op->before)
		snprintf(where, sizeof(where), "%s ", before[op->before]);
	if (op->user)
		snprintf(user, sizeof(user), "user %u ", op->user);
	ksft_print_msg("%s%s%s %s %s slot %d flags %#o x %u y %u: %ld\n", where, user,
		       kinds[op->kind].name, op->a, op->b, op->slot, op->flags, op->x, op->y, op->is[0]);
}

/* Leaves out whatever can be left out so that it still fails, in so many tries. */
static int shorten(const struct way *way, int count, int tries)
{
	static struct op less[MOST];
	int size, at, some;
	bool again = true;

	for (size = count / 2; size && tries > 0; size = size > 1 || !again ? size / 2 : 1) {
		again = false;
		for (at = 0; at < count && tries > 0; tries--) {
			some = size < count - at ? size : count - at;
			memcpy(less, ops, at * sizeof(*ops));
			memcpy(less + at, ops + at + some, (count - at - some) * sizeof(*ops));
			if (run(way, less, count - some) < 0) {
				at += some;
				continue;
			}
			count -= some;
			memcpy(ops, less, count * sizeof(*ops));
			again = true;
		}
	}
	return count;
}

/* Runs one seed; what went wrong, or "". */
static const char *fuzz_one(const struct way *way, uint64_t seed)
{
	static char what[512];
	int failed, i;

	choose(seed, way);
	order();
	failed = run(way, ops, op_count);
	ksft_print_msg("seed %llu: %d operations\n", (unsigned long long)seed,
		       failed < 0 ? op_count : failed + 1);
	if (failed < 0)
		return "";
	snprintf(what, sizeof(what), "%s", now.wrong);
	ksft_print_msg("operation %d: %s; shortened:\n", failed, what);
	ops[failed + 1] = (struct op){ .kind = COMPARE };
	op_count = shorten(way, failed + 2, TRIES);
	run(way, ops, op_count);
	for (i = 0; i < op_count; i++)
		print_op(&ops[i]);
	ksft_print_msg("%s\n", now.wrong);
	return what;
}

/* SEEDS seeds, or N times as many; what went wrong with the first that failed, or "". */
static const char *fuzz(const struct way *way, uint64_t number, int seeds)
{
	const char *what = "";
	uint64_t seed = sample_from() + number;
	long i;

	for (i = 0; i < long_ms(seeds) && !*what; i++)
		what = fuzz_one(way, seed + i * 1000);
	return what;
}

/* Each seed has an area of its own. */
FIXTURE(u) { int unused; };
FIXTURE_SETUP(u)
{
}
FIXTURE_TEARDOWN(u)
{
	remove_odd();
}

#define ODD(setup) do { \
	const char *why_; \
	AUFS2_ONLY("it is about branches"); \
	why_ = make_odd(setup); \
	if (why_) \
		SKIP(return, "%s", why_); \
} while (0)

TEST_F(u, warm)
{
	const struct way way = { .links = true };

	EXPECT_STREQ("", fuzz(&way, 1, 3));
}

TEST_F(u, caches_dropped)
{
	const struct way way = { .links = true, .drops = true };

	EXPECT_STREQ("", fuzz(&way, 2, 3));
}

TEST_F(u, mounted_again)
{
	const struct way way = { .mounts = true };

	EXPECT_STREQ("", fuzz(&way, 3, 3));
}

TEST_F(u, links_mounted_again)
{
	const struct way way = { .mounts = true, .links = true, .no_flags = true };

	AUFS2_ONLY("it keeps other names");
	EXPECT_STREQ("", fuzz(&way, 4, 2));
}

TEST_F(u, signals)
{
	const struct way way = { .timers = true, .drops = true };

	EXPECT_STREQ("", fuzz(&way, 5, 2));
}

TEST_F(u, on_subvolumes)
{
	const struct way way = { .setup = SUBVOLUMES, .mounts = true };

	ODD(SUBVOLUMES);
	EXPECT_STREQ("", fuzz(&way, 6, 2));
}

TEST_F(u, above_an_overlay)
{
	const struct way way = { .setup = OVERLAY, .mounts = true };

	ODD(OVERLAY);
	EXPECT_STREQ("", fuzz(&way, 7, 2));
}

TEST_F(u, above_vfat)
{
	/* It has no flags. */
	const struct way way = { .setup = VFAT, .mounts = true, .no_flags = true };

	ODD(VFAT);
	EXPECT_STREQ("", fuzz(&way, 8, 2));
}

TEST_F(u, above_a_server)
{
	const struct way way = { .setup = SERVER, .mounts = true, .no_flags = true };

	ODD(SERVER);
	EXPECT_STREQ("", fuzz(&way, 9, 2));
}

TEST_F(u, in_a_project)
{
	const struct way way = { .setup = PROJECT, .mounts = true };

	ODD(PROJECT);
	EXPECT_STREQ("", fuzz(&way, 10, 2));
}

TEST_HARNESS_MAIN
