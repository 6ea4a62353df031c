// SPDX-License-Identifier: GPL-2.0
/*
 * Two operations at a time, and every moment of the first one: while A is held in one of the
 * operations that it asks of a branch, B is done, or waits; then A goes on.  Nobody hangs, and
 * the tree is what A and then B, or B and then A, make of a plain directory; it still is when
 * the union is mounted again.  After that, each operation of a branch fails once: the tree is
 * what it was, or what it was to be.
 *
 * The branches are on a filesystem of a test build (AUFS2_SAMPLE=1) that passes on to a tmpfs
 * and does that to operations.  A sample of all this is tried, which AUFS2_TEST_LONG=N makes N
 * times as large, until at 1000 it is all of it.  AUFS2_TEST_SEED=N takes another one.
 */
#include "aufs2.h"
#include <sys/mman.h>

#define OPERATIONS "/sys/kernel/debug/pairs/operations"

/* --- the operations ----------------------------------------------------------------- */

/* A directory has the files f and g, d with c in it, and e, which is empty. */
enum kind { WRITE, CREATE, READ, TRUNCATE, CHMOD, SETXATTR, LINK, UNLINK, RENAME, EXCHANGE,
	    MKDIR, RMDIR, SYMLINK, TMPFILE, READDIR, ADD, DEL };

static const struct op {
	const char *name;
	enum kind kind;
	const char *a, *b;
} ops[] = {
	{ "append to f", WRITE, "f" },
	{ "create n", CREATE, "n" },
	{ "create d/n", CREATE, "d/n" },
	{ "read f", READ, "f" },
	{ "truncate f", TRUNCATE, "f" },
	{ "chmod f", CHMOD, "f" },
	{ "chmod d", CHMOD, "d" },
	{ "setxattr f", SETXATTR, "f" },
	{ "link f n", LINK, "f", "n" },
	{ "link f d/n", LINK, "f", "d/n" },
	{ "unlink f", UNLINK, "f" },
	{ "unlink d/c", UNLINK, "d/c" },
	{ "rename f n", RENAME, "f", "n" },
	{ "rename f g", RENAME, "f", "g" },
	{ "rename d/c f", RENAME, "d/c", "f" },
	{ "rename d n", RENAME, "d", "n" },
	{ "rename d e", RENAME, "d", "e" },
	{ "exchange f g", EXCHANGE, "f", "g" },
	{ "exchange f d", EXCHANGE, "f", "d" },
	{ "mkdir n", MKDIR, "n" },
	{ "rmdir e", RMDIR, "e" },
	{ "symlink n", SYMLINK, "n" },
	{ "tmpfile d n", TMPFILE, "d", "n" },
	{ "readdir d", READDIR, "d" },
	/* a branch that has z in each of the directories */
	{ "add a branch", ADD },
	{ "remove a branch", DEL },
};

#define OPS ((int)ARRAY_SIZE(ops))
#define STATES 2

static bool changes_branches(const struct op *op)
{
	return op->kind == ADD || op->kind == DEL;
}

static long create(const char *path, mode_t mode)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL, mode);

	return fd < 0 ? -errno : E(close(fd));
}

static long append(const char *path, const char *what)
{
	int fd = open(path, O_WRONLY | O_APPEND);
	long err;

	if (fd < 0)
		return -errno;
	err = E(write(fd, what, strlen(what)));
	close(fd);
	return err < 0 ? err : 0;
}

static long make_nameless(const char *dir, const char *name, const char *what)
{
	int fd = open(dir, O_TMPFILE | O_WRONLY, 0644);
	char proc[32];
	long err;

	if (fd < 0)
		return -errno;
	snprintf(proc, sizeof(proc), "/proc/self/fd/%d", fd);
	err = E(write(fd, what, strlen(what)));
	if (err >= 0)
		err = E(linkat(AT_FDCWD, proc, AT_FDCWD, name, AT_SYMLINK_FOLLOW));
	close(fd);
	return err;
}

static long read_all(const char *path, bool dir)
{
	int fd = open(path, O_RDONLY | (dir ? O_DIRECTORY : 0));
	char entries[1024];
	long err;

	if (fd < 0)
		return -errno;
	err = dir ? E(syscall(SYS_getdents64, fd, entries, sizeof(entries))) :
		    E(read(fd, entries, sizeof(entries)));
	close(fd);
	return err < 0 ? err : 0;
}

static long change_branches(bool add)
{
	char options[300];

	snprintf(options, sizeof(options), add ? "append:%s/pass/ro2=ro" : "del:%s/pass/ro2", area);
	return E(mount("none", "u", NULL, MS_REMOUNT, options));
}

/* Does it in DIR: 0 or -errno.  WHO is what is written. */
static long perform(const char *dir, const struct op *op, const char *who, bool model)
{
	char a[64], b[64], z[64];

	snprintf(a, sizeof(a), "%s/%s", dir, op->a ?: "");
	snprintf(b, sizeof(b), "%s/%s", dir, op->b ?: "");
	snprintf(z, sizeof(z), "%s/z", dir);
	switch (op->kind) {
	case WRITE: return append(a, who);
	case CREATE: return create(a, *who == 'A' ? 0600 : 0640);
	case READ: return read_all(a, false);
	case TRUNCATE: return E(truncate(a, 3));
	case CHMOD: return E(chmod(a, *who == 'A' ? 0700 : 0750));
	case SETXATTR: return E(setxattr(a, "user.x", who, 1, 0));
	case LINK: return E(link(a, b));
	case UNLINK: return E(unlink(a));
	case RENAME: return E(rename(a, b));
	case EXCHANGE: return E(renameat2(AT_FDCWD, a, AT_FDCWD, b, RENAME_EXCHANGE));
	case MKDIR: return E(mkdir(a, 0755));
	case RMDIR: return E(rmdir(a));
	case SYMLINK: return E(symlink(who, a));
	case TMPFILE: return make_nameless(a, b, who);
	case READDIR: return read_all(a, true);
	case ADD: return !model ? change_branches(true) : access(z, F_OK) ? write_file(z, "z") : -EEXIST;
	case DEL: return model ? E(unlink(z)) : change_branches(false);
	}
	return 0;
}

/* --- trees --------------------------------------------------------------------------- */

/* What is below PATH, as text; names as they are called below NAME. */
static int describe(char *out, size_t room, const char *path, const char *name)
{
	char below[96], called[64], text[64] = "", names[256], *word, *rest;
	struct stat st;
	int len;

	if (lstat(path, &st))
		return snprintf(out, room, "%s: %s\n", name, errno_name(errno));
	if (S_ISLNK(st.st_mode))
		text[readlink(path, text, sizeof(text) - 1) & 63] = 0;
	else if (S_ISREG(st.st_mode))
		snprintf(text, sizeof(text), "%s", read_file(path));
	if (!S_ISLNK(st.st_mode) && getxattr(path, "user.x", names, sizeof(names)) == 1)
		snprintf(text + strlen(text), sizeof(text) - strlen(text), " x=%c", names[0]);
	len = snprintf(out, room, "%s %o %ld '%s'\n", name, st.st_mode,
		       S_ISDIR(st.st_mode) ? 0 : (long)st.st_nlink, text);
	if (!S_ISDIR(st.st_mode))
		return len;
	snprintf(names, sizeof(names), "%s", list(path));
	for (word = strtok_r(names, " ", &rest); word && len < (int)room; word = strtok_r(NULL, " ", &rest)) {
		snprintf(below, sizeof(below), "%s/%s", path, word);
		snprintf(called, sizeof(called), "%s/%s", name, word);
		len += describe(out + len, room - len, below, called);
	}
	return len;
}

struct tree { char text[1000]; };

static void look(struct tree *tree, const char *dir)
{
	describe(tree->text, sizeof(tree->text), dir, "");
}

static bool same_tree(const struct tree *a, const struct tree *b)
{
	return !strcmp(a->text, b->text);
}

/* Makes what the operations are done to: what shows of it is the same in each state. */
static void make_tree(const char *lower, const char *upper)
{
	mkdir(lower, 0755);
	mkdir(path_of("%s/d", lower), 0755);
	mkdir(path_of("%s/e", lower), 0755);
	write_file(path_of("%s/f", lower), upper ? "another" : "from f");
	write_file(path_of("%s/g", lower), "from g");
	write_file(path_of("%s/d/c", lower), "from c");
	if (!upper)
		return;
	write_file(path_of("%s/e/x", lower), "removed");
	mkdir(upper, 0755);
	mkdir(path_of("%s/d", upper), 0755);
	mkdir(path_of("%s/e", upper), 0755);
	write_file(path_of("%s/f", upper), "from f");
	whiteout(path_of("%s/e/x", upper));
}

/* --- the set-up ---------------------------------------------------------------------- */

#define BATCH 128

static struct one {
	const struct op *a, *b;
	int state;
	int k;		/* which operation of a branch */
	int error;	/* that it fails with, or 0 to be held */
	struct tree seen;
} batch[BATCH];

static long wrongs;	/* how many of these were wrong */
static bool hung;
static long held_ones, waits, gave_ups, failed_ones, refused_ones;

/* Says what is wrong with one, of the first few. */
static void __attribute__((format(printf, 2, 3))) wrong(int at, const char *fmt, ...)
{
	const struct one *one = &batch[at];
	char text[4000];
	va_list ap;

	if (++wrongs > 20)
		return;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	ksft_print_msg("'%s' and '%s', state %d, %s %d: %s\n", one->a->name,
		       one->b ? one->b->name : errno_name(one->error), one->state,
		       one->b ? "held at" : "fails at", one->k, text);
}

static void __attribute__((constructor(1001))) set_up(void)
{
	if (!fs_registered("aufs2_pass"))
		skip_program("the module was not built with AUFS2_SAMPLE=1");
	if (access("/sys/kernel/debug/aufs2", F_OK))
		mount("debugfs", "/sys/kernel/debug", "debugfs", 0, "");
	if (access("/sys/kernel/debug/aufs2", F_OK))
		skip_program("no debugfs");
}

static void __attribute__((format(printf, 1, 2))) tell(const char *fmt, ...)
{
	char command[32];
	va_list ap;
	int fd = open(OPERATIONS, O_WRONLY | O_CLOEXEC), len;

	va_start(ap, fmt);
	len = vsnprintf(command, sizeof(command), fmt, ap);
	va_end(ap);
	if (write(fd, command, len) != len)
		fail_program("cannot say '%s' to the branches: %m", command);
	close(fd);
}

/* The number after WORD in what there is to know of operations; 0 if there is none. */
static int asked(const char *word)
{
	const char *text = read_file(OPERATIONS), *at = strstr(text, word);

	return at ? atoi(at + strlen(word)) : 0;
}

static const char *mount_all(void)
{
	if (mount("none", "pass", "aufs2_pass", 0, path_of("dir=%s/base,control=pairs", area)))
		return "cannot mount the branches";
	return up("pass/rw=rw", "pass/ro=ro") ? "cannot mount" : "";
}

static const char *unmount_all(void)
{
	if (down())
		return "cannot unmount";
	return umount2("pass", 0) ? "cannot unmount the branches" : "";
}

/* Makes the trees of the batch and mounts them. */
static const char *start(int count)
{
	char upper[32];
	int at;

	shell("rm -rf base/* m");
	mkdir("m", 0755);
	mkdir("base/rw", 0755);
	mkdir("base/ro", 0755);
	mkdir("base/ro2", 0755);
	for (at = 0; at < count; at++) {
		snprintf(upper, sizeof(upper), "base/rw/%d", at);
		make_tree(path_of("base/ro/%d", at), batch[at].state ? upper : NULL);
		mkdir(path_of("base/ro2/%d", at), 0755);
		write_file(path_of("base/ro2/%d/z", at), "z");
	}
	return mount_all();
}

/* Everything is as it was when it is mounted again. */
static const char *finish(int count)
{
	static struct tree tree;
	const char *what;
	int at;

	what = unmount_all();
	if (*what)
		return what;
	what = mount_all();
	for (at = 0; at < count && !*what; at++) {
		look(&tree, path_of("u/%d", at));
		if (!same_tree(&tree, &batch[at].seen))
			wrong(at, "mounted again it is\n%s and was\n%s", tree.text,
			      batch[at].seen.text);
	}
	return *what ? what : unmount_all();
}

static bool has_branch;

/* Before and after what changes the branches. */
static void set_branch(bool wanted)
{
	if (has_branch != wanted)
		change_branches(wanted);
	has_branch = wanted;
}

/* What the directory of a turn becomes on a plain filesystem, by one operation and another. */
static void expect(struct tree *tree, bool results[2], const struct op *first,
		   const struct op *second, const char *who, bool had_branch)
{
	static int number;
	char dir[32];

	snprintf(dir, sizeof(dir), "m/%d", number++);
	make_tree(dir, NULL);
	if (had_branch)
		write_file(path_of("%s/z", dir), "z");
	results[0] = first && !perform(dir, first, who[0] == 'A' ? "A" : "B", true);
	results[1] = second && !perform(dir, second, who[1] == 'A' ? "A" : "B", true);
	look(tree, dir);
}

/* --- one at a time: how many operations ------------------------------------------------ */

static int lengths[OPS][STATES];

static const char *measure(void)
{
	const char *what;
	int at;

	for (at = 0; at < OPS * STATES; at++)
		batch[at] = (struct one){ .a = &ops[at % OPS], .state = at / OPS };
	what = start(OPS * STATES);
	for (at = 0; at < OPS * STATES && !*what; at++) {
		set_branch(batch[at].a->kind == DEL);
		tell("count");
		if (perform(path_of("u/%d", at), batch[at].a, "A", false) &&
		    batch[at].a != &ops[16])
			wrong(at, "failed by itself: %s", errno_name(errno));
		lengths[at % OPS][at / OPS] = asked("seen ");
		has_branch ^= changes_branches(batch[at].a);
	}
	set_branch(false);
	return *what ? what : unmount_all();
}

/* --- two at a time ---------------------------------------------------------------------- */

static struct shared {
	volatile int done[2];
	volatile long result[2];
} *shared;

static pid_t begin(int at, int side)
{
	pid_t pid = fork();

	if (pid)
		return pid;
	shared->result[side] = perform(path_of("u/%d", at), side ? batch[at].b : batch[at].a,
				       side ? "B" : "A", false);
	shared->done[side] = 1;
	_exit(0);
}

/* Whether it ends, rather than to wait for something. */
static bool ends(pid_t pid, int side)
{
	int seen = 0;

	while (!shared->done[side]) {
		char state = state_of(pid);

		if (state == 'Z' || !state)
			break;
		seen = state == 'D' || state == 'S' ? seen + 1 : 0;
		if (seen == 6)
			return false;
		usleep(500);
	}
	return true;
}

/* Whether it is done within a time that nothing here takes, by far. */
static bool reap(int at, pid_t pid, int side)
{
	int tries;

	for (tries = 0; tries < 60000 && !waitpid(pid, NULL, WNOHANG); tries++)
		usleep(tries < 100 ? 200 : 1000);
	if (tries < 60000)
		return true;
	hung = true;
	wrong(at, "%s hangs:\n%s", side ? "the second" : "the first",
	      read_file(path_of("/proc/%d/stack", pid)));
	return false;
}

/*
 * Whether nothing was done that would have been done after the other one, or before it: link(2)
 * finds what it links before it locks anything, as everywhere, and the union has no order of
 * locks for some renames.
 */
static bool gave_up(const struct op *op, long result)
{
	switch (op->kind) {
	case LINK: return result == -ENOENT;
	case RENAME:
	case EXCHANGE:
	case ADD:
	case DEL: return result == -EBUSY;
	default: return false;
	}
}

/* Compares with what may have become of it. */
static void judge(int at, bool had_branch)
{
	struct one *one = &batch[at];
	static struct tree trees[2], seen;
	bool results[2];
	int order;

	look(&seen, path_of("u/%d", at));
	one->seen = seen;
	for (order = 0; order < 2; order++) {
		const struct op *a = gave_up(one->a, shared->result[0]) ? NULL : one->a;
		const struct op *b = gave_up(one->b, shared->result[1]) ? NULL : one->b;

		gave_ups += !order && (!a || !b);
		expect(&trees[order], results, order ? b : a, order ? a : b, order ? "BA" : "AB",
		       had_branch);
		if (same_tree(&trees[order], &seen) &&
		    results[order] == !shared->result[0] && results[!order] == !shared->result[1])
			return;
	}
	wrong(at, "results %s and %s, the tree is\n%s and not\n%s nor\n%s",
	      shared->result[0] ? errno_name(-shared->result[0]) : "0",
	      shared->result[1] ? errno_name(-shared->result[1]) : "0", seen.text, trees[0].text,
	      trees[1].text);
}

static void try_pair(int at)
{
	struct one *one = &batch[at];
	bool had_branch = one->a->kind == DEL || (one->b->kind == DEL && one->a->kind != ADD);
	pid_t pids[2];
	bool held;

	set_branch(had_branch);
	memset(shared, 0, sizeof(*shared));
	tell("hold %d", one->k);
	pids[0] = begin(at, 0);
	while (!(held = asked("held ") == one->k) && !shared->done[0])
		usleep(100);
	/* What has not come so far has ended, and the other comes after it. */
	if (!held) {
		reap(at, pids[0], 0);
		pids[0] = 0;
		tell("count");
	}
	pids[1] = begin(at, 1);
	if (held) {
		held_ones++;
		waits += !ends(pids[1], 1);
		tell("release");
		if (!reap(at, pids[0], 0))
			kill(pids[0], SIGKILL);
	}
	if (!reap(at, pids[1], 1))
		kill(pids[1], SIGKILL);
	if (hung)
		return;
	judge(at, had_branch);
	if (changes_branches(one->a) || changes_branches(one->b)) {
		/* it may be there or not */
		change_branches(false);
		has_branch = false;
		look(&one->seen, path_of("u/%d", at));
	}
}

/* --- failures ----------------------------------------------------------------------------- */

static void try_failure(int at)
{
	struct one *one = &batch[at];
	static struct tree before, after, seen;
	bool had_branch = one->a->kind == DEL, results[2];
	long result, again;
	int number;

	set_branch(had_branch);
	expect(&before, results, NULL, NULL, "AB", had_branch);
	expect(&after, results, one->a, NULL, "AB", had_branch);
	tell("fail %d %d", one->k, one->error);
	result = perform(path_of("u/%d", at), one->a, "A", false);
	number = asked("failed ");
	failed_ones += number == one->k;
	refused_ones += number && result;
	tell("count");
	look(&seen, path_of("u/%d", at));
	if (result ? !same_tree(&seen, &before) && !same_tree(&seen, &after) :
		     !same_tree(&seen, &after))
		wrong(at, "result %s, the tree is\n%s and not\n%s nor\n%s",
		      result ? errno_name(-result) : "0", seen.text, before.text, after.text);
	if (result && same_tree(&seen, &before) && !same_tree(&before, &after)) {
		again = perform(path_of("u/%d", at), one->a, "A", false);
		look(&seen, path_of("u/%d", at));
		if (again || !same_tree(&seen, &after))
			wrong(at, "result %s, and once more %s, the tree is\n%s and not\n%s",
			      errno_name(-result), again ? errno_name(-again) : "0", seen.text,
			      after.text);
	}
	if (changes_branches(one->a)) {
		change_branches(false);
		has_branch = false;
		look(&seen, path_of("u/%d", at));
	}
	one->seen = seen;
}

/* --- the runs ------------------------------------------------------------------------------- */

/* Tries those that are in the batch; what is wrong, or "". */
static const char *try_batch(int count)
{
	const char *what = start(count);
	int at;

	for (at = 0; at < count && !*what && !hung; at++) {
		if (batch[at].b)
			try_pair(at);
		else
			try_failure(at);
	}
	if (hung)
		return "somebody hangs";
	return *what ? what : finish(count);
}

/* Every so manyth of all, from that of the seed on: pairs, or failures. */
static const char *try_all(bool pairs, long every)
{
	const char *long_by = getenv("AUFS2_TEST_LONG"), *seed = getenv("AUFS2_TEST_SEED"), *what;
	static const int errors[] = { EIO, ENOSPC };
	long number = 0, tried = 0, skip;
	int a, state, k, other, filled = 0;

	every /= long_by && atol(long_by) > 0 ? atol(long_by) : 1;
	every = every < 1 ? 1 : every;
	skip = (seed ? atol(seed) : 0) % every;
	if (make_branch("base") || mkdir("pass", 0755))
		return "no room for the branches";
	area_mounts[area_mounted++] = strdup(path_of("%s/pass", area));
	what = measure();
	for (state = 0; state < STATES; state++) {
		for (a = 0; a < OPS; a++) {
			for (k = 1; k <= lengths[a][state]; k++) {
				for (other = 0; other < (pairs ? OPS : 2); other++, number++) {
					if (*what || number % every != skip)
						continue;
					batch[filled++] = (struct one){
						.a = &ops[a], .state = state, .k = k,
						.b = pairs ? &ops[other] : NULL,
						.error = errors[other % 2],
					};
					tried++;
					if (filled == BATCH) {
						what = try_batch(filled);
						filled = 0;
					}
				}
			}
		}
	}
	if (!*what && filled)
		what = try_batch(filled);
	ksft_print_msg("%ld of %ld, %ld of them wrong\n", tried, number, wrongs);
	return *what || !wrongs ? what : "some of them are wrong";
}

AUFS2_FIXTURE

TEST_F(u, pairs)
{
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, (void *)shared);
	EXPECT_STREQ("", try_all(true, 61));
	ksft_print_msg("%ld were held, %ld of the others waited, %ld gave up\n", held_ones,
		       waits, gave_ups);
	/* otherwise it is not about pairs */
	EXPECT_LT(100, held_ones);
	EXPECT_LT(10, waits);
}

TEST_F(u, failures)
{
	EXPECT_STREQ("", try_all(false, 9));
	ksft_print_msg("%ld failed, %ld operations for that\n", failed_ones, refused_ones);
	EXPECT_LT(50, failed_ones);
	EXPECT_LT(30, refused_ones);
}

TEST_HARNESS_MAIN
