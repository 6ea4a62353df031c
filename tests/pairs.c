// SPDX-License-Identifier: GPL-2.0
/*
 * Two operations at a time, and every moment of the first one: while A is held in one of the
 * operations that it asks of a branch, B is done, or waits; then A goes on.  Nobody hangs, and
 * the tree is what A and then B, or B and then A, make of a plain directory; it still is when
 * the union is mounted again.  Then each operation of a branch fails, alone or with all that
 * come after it, or is done and says that it failed, or who asks for it is killed: the tree is what
 * it was, or what it was to be.
 *
 * The branches are on a filesystem of a test build (AUFS2_SAMPLE=1) that passes on to a tmpfs
 * and does that to operations.  A sample of all this is tried, which AUFS2_TEST_LONG=N makes N
 * times as large, until at 1000 it is all of it.  AUFS2_TEST_SEED=N takes another one, and
 * AUFS2_TEST_ONLY='unlink f:append to f' all there is of one pair, again and again.
 */
#include "aufs2_pairs.h"
#include "aufs2_pass.h"
#include <sys/mman.h>

/* --- the set-up ---------------------------------------------------------------------- */

#define BATCH 128

static struct one {
	const struct op *a, *b;
	int state;
	int k;		/* which operation of a branch */
	enum what { HOLD, FAIL, BREAK, DENY, LAPSE, CUT, KILL } what;
	int error;	/* that it fails with */
	int more;	/* how many of those fail that ask what was done */
	char asked[24];	/* what that operation is */
	struct tree seen, or;	/* as it was, or may be */
} batch[BATCH];

static const char *const whats[] = {
	"held at", "fails at", "fails from", "denied at", "denied, and some more fail, at", "denied, and fails, from",
	"killed at",
};

/* What a branch is told: the number of the operation and the error come after it. */
static const char *const commands[] = {
	[FAIL] = "fail %d %d", [BREAK] = "break %d %d", [DENY] = "deny %d %d", [LAPSE] = "deny %d %d %d",
	[CUT] = "deny %d %d 1000000",
};

/* Whether an operation is done that says that it failed. */
static bool denies(enum what what)
{
	return what == DENY || what == LAPSE || what == CUT;
}

/* Whether there may be no way to tidy up. */
static bool is_for_good(enum what what)
{
	return what == BREAK || what == CUT;
}

static long wrongs;	/* how many of these were wrong */
static bool hung;
static long held_ones, waits, gave_ups, failed_ones, refused_ones, killed_ones;

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
	ksft_print_msg("'%s' and '%s', state %d, %s %d%s%s: %s\n", one->a->name,
		       one->b ? one->b->name : errno_name(one->error), one->state,
		       whats[one->what], one->k, *one->asked ? ", a " : "", one->asked, text);
}

static void __attribute__((constructor(1001))) set_up(void)
{
	const char *why = no_pass();

	if (why)
		skip_program("%s", why);
}

static const char *mount_all(void)
{
	if (mount_pass("pass", "base", "pairs"))
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
		make_tree(path_of("base/ro/%d", at), batch[at].state == 1 ? upper : NULL,
			  batch[at].state);
		mkdir(path_of("base/ro2/%d", at), 0755);
		write_file(path_of("base/ro2/%d/z", at), "z");
	}
	return mount_all();
}

/*
 * Whether TREE is BEFORE, mounted again. What is counted for the next mount includes names that were
 * removed before; and a copy may be there, and not yet what says that it is one.
 */
static bool comes_back(const struct one *one, const struct tree *tree, const struct tree *before)
{
	if (one->state != 2)
		return same_tree(tree, before);
	return same_tree_but_links(tree, before, is_for_good(one->what));
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
		if (!comes_back(&batch[at], &tree, &batch[at].seen) &&
		    !comes_back(&batch[at], &tree, &batch[at].or))
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

/* --- one at a time: how many operations ------------------------------------------------ */

static int lengths[OPS][STATES];

/* Of more operations it is not known which can be denied. */
#define KNOWN 256

static bool changes[OPS][STATES][KNOWN];

/* Which of those that the branches were asked for change something. */
static void note_changes(bool *which)
{
	const char *at = strstr(read_file(pass_operations), "changes");
	int len = 0, number;

	for (at = at ? at + strlen("changes") : ""; sscanf(at, " %d%n", &number, &len) == 1; at += len)
		if (number < KNOWN)
			which[number] = true;
}

static const char *measure(void)
{
	const char *what;
	int at;

	for (at = 0; at < OPS * STATES; at++)
		batch[at] = (struct one){ .a = &ops[at % OPS], .state = at / OPS };
	what = start(OPS * STATES);
	for (at = 0; at < OPS * STATES && !*what; at++) {
		set_branch(batch[at].a->kind == DEL);
		open_f(path_of("u/%d", at), batch[at].a, NULL);
		tell("count");
		perform(path_of("u/%d", at), batch[at].a, "A", false);
		lengths[at % OPS][at / OPS] = asked("seen ");
		note_changes(changes[at % OPS][at / OPS]);
		close_f();
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
		expect(&trees[order], results, one->state, order ? b : a, order ? a : b, order ? "BA" : "AB",
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

/* Begins the first, which is held, or has ended and was reaped: then there is no process. */
static pid_t begin_first(int at)
{
	pid_t pid;

	memset(shared, 0, sizeof(*shared));
	tell("hold %d", batch[at].k);
	pid = begin(at, 0);
	while (!shared->done[0])
		if (asked("held ") == batch[at].k)
			return pid;
	reap(at, pid, 0);
	tell("count");
	return 0;
}

/* The branches are as before the turn: the other one may be there or not. */
static void settle(int at)
{
	struct one *one = &batch[at];

	if (!changes_branches(one->a) && !(one->b && changes_branches(one->b)))
		return;
	change_branches(false);
	has_branch = false;
	look(&one->seen, path_of("u/%d", at));
}

static void try_pair(int at)
{
	struct one *one = &batch[at];
	bool had_branch = one->a->kind == DEL || (one->b->kind == DEL && one->a->kind != ADD);
	pid_t pids[2];

	set_branch(had_branch);
	open_f(path_of("u/%d", at), one->a, one->b);
	pids[0] = begin_first(at);
	pids[1] = begin(at, 1);
	if (pids[0]) {
		held_ones++;
		waits += !ends(pids[1], &shared->done[1]);
		tell("release");
		if (!reap(at, pids[0], 0))
			kill(pids[0], SIGKILL);
	}
	if (!reap(at, pids[1], 1))
		kill(pids[1], SIGKILL);
	close_f();
	if (hung)
		return;
	judge(at, had_branch);
	settle(at);
}

/* --- failures ----------------------------------------------------------------------------- */

/* Does the operation of a turn while something happens to those of the branches: 0 or -errno. */
static long in_trouble(int at)
{
	struct one *one = &batch[at];
	long result;
	int number;
	pid_t pid;

	if (one->what != KILL) {
		tell(commands[one->what], one->k, one->error, one->more);
		result = perform(path_of("u/%d", at), one->a, "A", false);
		number = asked("failed ");
		if (number == one->k)
			sscanf(strstr(read_file(pass_operations), "failed "), "failed %*d %23[^\n]", one->asked);
		failed_ones += number != 0;
		refused_ones += number && result;
		tell("count");
		return result;
	}
	pid = begin_first(at);
	if (!pid)
		return shared->result[0];
	killed_ones++;
	kill(pid, SIGKILL);
	reap(at, pid, 0);
	return -EINTR;
}

/* Whether TREE may be what WANTED is, after an operation that failed. */
static bool may_be(const struct one *one, const struct tree *tree, const struct tree *wanted)
{
	/* what was done, and cannot be known of, is found by the next mount */
	if (one->what == CUT)
		return true;
	return same_tree(tree, wanted);
}

static void try_trouble(int at)
{
	struct one *one = &batch[at];
	static struct tree before, after, seen;
	bool had_branch = one->a->kind == DEL, results[2];
	const char *dir = path_of("u/%d", at);
	long result, again;
	char path[32];

	snprintf(path, sizeof(path), "%s", dir);
	set_branch(had_branch);
	expect(&before, results, one->state, NULL, NULL, "AB", had_branch);
	expect(&after, results, one->state, one->a, NULL, "AB", had_branch);
	open_f(path, one->a, NULL);
	result = in_trouble(at);
	look(&seen, path);
	one->seen = seen;
	if (result ? !may_be(one, &seen, &before) && !may_be(one, &seen, &after) : !same_tree(&seen, &after))
		wrong(at, "result %s, the tree is\n%s and not\n%s nor\n%s",
		      result ? errno_name(-result) : "0", seen.text, before.text, after.text);
	if (is_for_good(one->what)) {
		/* what could not be written need not be there after a mount */
		one->seen = before;
		one->or = after;
	} else if (result && results[0] && same_tree(&seen, &before) &&
		   !same_tree(&before, &after)) {
		again = perform(path, one->a, "A", false);
		look(&seen, path);
		one->seen = seen;
		if (again || !same_tree(&seen, &after))
			wrong(at, "result %s, and once more %s, the tree is\n%s and not\n%s",
			      errno_name(-result), again ? errno_name(-again) : "0", seen.text,
			      after.text);
	}
	close_f();
	settle(at);
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
			try_trouble(at);
	}
	if (hung)
		return "somebody hangs";
	return *what ? what : finish(count);
}

/* Whether a pair, or one operation, is the one that is asked for. */
static bool is_asked_for(const char *only, const struct op *a, const struct op *b)
{
	char *name = NULL;
	bool is;

	if (!*only)
		return true;
	if (asprintf(&name, b ? "%s:%s" : "%s", a->name, b ? b->name : "") < 0)
		return false;
	is = !strcmp(only, name);
	free(name);
	return is;
}

/* Less than so many is no test, unless there is a reason. */
static long at_least(long number)
{
	return *(getenv("AUFS2_TEST_ONLY") ?: "") ? -1 : number;
}

/* Every so manyth of all, from that of the seed on. */
static const char *try_all(enum what what, long every)
{
	const char *long_by = getenv("AUFS2_TEST_LONG"), *err;
	/* the first ones are those of a branch that fails; what was lost, and is sent once more, has others */
	static const int errors[] = { EIO, ENOSPC, EXDEV, ENOENT, EEXIST, EPERM, EINTR, EOPNOTSUPP };
	int others = what == HOLD ? OPS : what == KILL ? 1 : denies(what) ? (int)ARRAY_SIZE(errors) : 2;
	const char *only = getenv("AUFS2_TEST_ONLY") ?: "";
	long number = 0, tried = 0, skip;
	int a, state, k, other, rounds, filled = 0;

	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (shared == MAP_FAILED || make_branch("base") || mkdir("pass", 0755))
		return "no room";
	area_mounts[area_mounted++] = strdup(path_of("%s/pass", area));
	every = *only ? 1 : sample_step(every, 6L * others * OPS);
	skip = sample_from() % every;
	err = measure();
	rounds = *only && long_by ? atol(long_by) : 1;
	for (state = 0; state < STATES * rounds; state++) {
		for (a = 0; a < OPS; a++) {
			for (k = 1; k <= lengths[a][state % STATES]; k++) {
				for (other = 0; other < others; other++, number++) {
					if (denies(what) && (k >= KNOWN || !changes[a][state % STATES][k])) {
						number--;
						continue;
					}
					if (*err || number % every != skip ||
					    !is_asked_for(only, &ops[a], what == HOLD ? &ops[other] : NULL))
						continue;
					batch[filled++] = (struct one){
						.a = &ops[a], .state = state % STATES, .k = k, .what = what,
						.b = what == HOLD ? &ops[other] : NULL,
						.error = what == KILL ? EINTR : errors[other % ARRAY_SIZE(errors)],
						/* by the second one it is known how many links there are */
						.more = state % STATES == 2 ? 1 : 1 + other % 3,
					};
					tried++;
					if (filled == BATCH) {
						err = try_batch(filled);
						filled = 0;
					}
				}
			}
		}
	}
	if (!*err && filled)
		err = try_batch(filled);
	ksft_print_msg("%ld of %ld, %ld of them wrong\n", tried, number, wrongs);
	return *err || !wrongs ? err : "some of them are wrong";
}

AUFS2_FIXTURE

TEST_F(u, pairs)
{
	EXPECT_STREQ("", try_all(HOLD, 251));
	ksft_print_msg("%ld were held, %ld of the others waited, %ld gave up\n", held_ones,
		       waits, gave_ups);
	/* otherwise it is not about pairs */
	EXPECT_LT(at_least(100), held_ones);
	EXPECT_LT(at_least(50), waits);
}

TEST_F(u, failures)
{
	EXPECT_STREQ("", try_all(FAIL, 41));
	ksft_print_msg("%ld failed, %ld operations for that\n", failed_ones, refused_ones);
	EXPECT_LT(at_least(50), failed_ones);
	EXPECT_LT(at_least(30), refused_ones);
}

/* As after a failure of the disk, and as a crash leaves it. */
TEST_F(u, failures_for_good)
{
	EXPECT_STREQ("", try_all(BREAK, 41));
	ksft_print_msg("%ld failed, %ld operations for that\n", failed_ones, refused_ones);
	EXPECT_LT(at_least(50), failed_ones);
	EXPECT_LT(at_least(30), refused_ones);
}

FIXTURE(lost) { int unused; };
FIXTURE_VARIANT(lost) { enum what what; const char *options; };
FIXTURE_SETUP(lost)
{
	ASSERT_EQ(0, area_enter());
	pass_options = variant->options;
}
FIXTURE_TEARDOWN(lost)
{
	EXPECT_STREQ("", area_leave() ?: "");
}

/* What a server does whose answer is lost. */
FIXTURE_VARIANT_ADD(lost, denials) { DENY, "" };
/* And what it has done is not known from what is cached of it. */
FIXTURE_VARIANT_ADD(lost, denials_of_a_server) { DENY, ",remote" };
/* Whoever asks what was done is not told, either. */
FIXTURE_VARIANT_ADD(lost, lapses) { LAPSE, "" };
FIXTURE_VARIANT_ADD(lost, lapses_of_a_server) { LAPSE, ",remote" };
/* Nor is anything done after that. */
FIXTURE_VARIANT_ADD(lost, cuts) { CUT, "" };
FIXTURE_VARIANT_ADD(lost, cuts_of_a_server) { CUT, ",remote" };

TEST_F(lost, answers)
{
	EXPECT_STREQ("", try_all(variant->what, variant->what == DENY ? 23 : 101));
	ksft_print_msg("%ld were denied, %ld operations failed of it\n", failed_ones, refused_ones);
	EXPECT_LT(at_least(20), failed_ones);
}

TEST_F(u, kills)
{
	EXPECT_STREQ("", try_all(KILL, 31));
	ksft_print_msg("%ld were killed\n", killed_ones);
	EXPECT_LT(at_least(30), killed_ones);
}

TEST_HARNESS_MAIN
