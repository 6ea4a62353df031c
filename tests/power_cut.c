// SPDX-License-Identifier: GPL-2.0
/*
 * The power is cut at each flush and at each write past the cache that the disk of a branch sees, while short
 * sequences of operations are done, from many small states of two branches, each followed by one of the calls that
 * have it written out, or by none.  The disk is mounted as it is then, with the union on it: every object is the old
 * one or the new one, what was acknowledged is there, nothing that is hidden shows and nothing that was not is
 * hidden, nothing is left over, and what is there can be removed and made again.
 *
 * What may be there is a state of a plain directory in which the same was done, no older than what was acknowledged
 * and no newer than what was begun.  Of the data of a file that nobody had written out, each byte may be old or new,
 * or zero where there was none.
 *
 * A check does a sample, another one for each commit, AUFS2_TEST_LONG=N one that is N times as large, and from 2 on
 * with cuts between two flushes, at which some of the writes since the last one have come to the disk, or parts of them.
 * AUFS2_TEST_SEED=N takes other ones.
 */
#include "aufs2_cut.h"
#include "aufs2_snaps.h"

/* --- what is done ----------------------------------------------------------------------- */

static bool is_about_names(const struct op *op)
{
	switch (op->kind) {
	case CREATE: case UNLINK: case MKDIR: case RMDIR: case RENAME: case LINK: case SYMLINK:
		return true;
	default:
		return false;
	}
}

static bool is_about_data(const struct op *op)
{
	return op->kind == CREATE || op->kind == WRITE || op->kind == APPEND || op->kind == STORE ||
	       op->kind == TRUNCATE;
}

/* The name that the object has afterwards, or NULL. */
static const char *target(const struct op *op)
{
	if (op->kind == UNLINK || op->kind == RMDIR || op->kind == SYMLINK)
		return NULL;
	return op->b ?: op->a;
}

/* Whether the call can be made, and has something to write out. */
static bool makes_sense(const struct op *op, enum how how)
{
	switch (how) {
	case FSYNC: return target(op);
	case FDATASYNC: return is_about_data(op);
	case FSYNC_DIR: case OLD_FSYNC_DIR: return is_about_names(op);
	case OLD_FSYNC: return target(op) && op->kind != CREATE && op->kind != MKDIR;
	default: return op->kind != CLEAR;
	}
}

/* The directory that an operation changes: the one of the name that goes, if there are two and it is OLD. */
static const char *changed_dir(const struct op *op, bool old)
{
	const char *name = op->kind == RENAME && old ? op->a : op->b ?: op->a, *slash = strchr(name, '/');

	return path_of("%.*s", slash ? (int)(slash - name) : 0, name);
}

static int opened(const char *dir, const char *name, int flags)
{
	return open(path_of("%s/%s", dir, name), O_RDONLY | O_NONBLOCK | O_CLOEXEC | flags);
}

/* Does step AT of a sequence in the union, and notes in the log what has been acknowledged. */
static void do_in_union(struct seq *seq, int at)
{
	int number = seq - batch, fd = -1, after = seq->after[at];
	const struct op *op = seq->ops[at];
	enum how how = seq->hows[at];
	const struct object *object;
	char dir[16];
	long err;

	snprintf(dir, sizeof(dir), "u/%d", number);
	if (how == OLD_FSYNC)
		fd = opened(dir, op->a, 0);
	else if (how == OLD_FSYNC_DIR)
		fd = opened(dir, changed_dir(op, true), O_DIRECTORY);
	cut_mark("b:%d:%d:0", number, after);
	err = perform(dir, op);
	if (err < 0)
		return wrong(seq, "step %d is %s", at, errno_name(-err));
	if (how == FSYNC || how == FDATASYNC)
		fd = opened(dir, target(op), 0);
	else if (how == FSYNC_DIR)
		fd = opened(dir, changed_dir(op, false), O_DIRECTORY);
	else if (how == SYNCFS)
		fd = opened("u", "", O_DIRECTORY);
	if (how == SYNC)
		sync();
	else
		err = how == NOTHING ? -1 : how == SYNCFS ? E(syncfs(fd)) : how == FDATASYNC ? E(fdatasync(fd)) : E(fsync(fd));
	close(fd);
	if (err < 0)
		return;
	/* in-place data need not change anything else */
	if (op->kind != WRITE || how == SYNC || how == SYNCFS)
		cut_mark("t:%d:%d:0", number, after);
	object = target(op) ? find(&seq->snaps[after], target(op)) : NULL;
	if (how == SYNC || how == SYNCFS)
		cut_mark("d:%d:%d:0", number, after);
	else if (object && how != FSYNC_DIR && how != OLD_FSYNC_DIR)
		cut_mark("d:%d:%d:%lu", number, after, (unsigned long)object->ino);
}

static const char *only;	/* what the words for a sequence have to have in them */
static struct seq *now;

static const char *plain_dir(const struct seq *seq)
{
	return path_of("%s/m/%d", cut.dir, (int)(seq - batch));
}

static void take_snap(void)
{
	if (now->last + 1 < SNAPS)
		read_tree(plain_dir(now), &now->snaps[++now->last]);
}

static void forget_seq(struct seq *seq)
{
	int i;

	for (i = 0; i < SNAPS; i++)
		forget_tree(&seq->snaps[i]);
}

/* Does a sequence in a plain directory; whether it can be done, and does something. */
static bool do_plainly(struct seq *seq)
{
	char dir[64];
	int i, before;

	now = seq;
	snprintf(dir, sizeof(dir), "%s", plain_dir(seq));
	clear(dir, 0);
	mkdir(dir, 0755);
	make(dir, seq->state->shows);
	seq->last = -1;
	take_snap();
	for (i = 0; i < seq->length; i++) {
		before = seq->last;
		part_done = take_snap;
		if (perform(dir, seq->ops[i]) < 0)
			break;
		part_done = NULL;
		take_snap();
		seq->after[i] = seq->last;
		seq->begun = seq->last;
		if (is_about_names(seq->ops[i]) && !tree_differs(seq, before, &seq->snaps[seq->last]))
			break;
	}
	part_done = NULL;
	seq->begun = 0;
	if (i < seq->length)
		forget_seq(seq);
	return i == seq->length;
}

/* --- the log ----------------------------------------------------------------------------- */

static struct seq *busy;	/* the one that the last mark is about */

static void take_mark(const char *mark)
{
	int number, at;
	unsigned long ino;
	char what;

	if (sscanf(mark, "%c:%d:%d:%lu", &what, &number, &at, &ino) != 4)
		return;
	busy = &batch[number];
	if (what == 'b') {
		busy->begun = at;
	} else if (what == 't') {
		busy->there = at;
	} else if (busy->written_count < (int)ARRAY_SIZE(busy->written)) {
		busy->written[busy->written_count].ino = ino;
		busy->written[busy->written_count++].at = at;
	}
}

static char options[512];

static int mount_union(const char *more)
{
	int err;

	if (plain()) {
		err = E(mount("disk/rw", "u", NULL, MS_BIND, NULL));
	} else {
		union_options(options, sizeof(options), (const char * const []){ "disk/rw=rw", "ro", NULL });
		err = E(mount("none", "u", fs_name(), 0, path_of("%s%s%s%s%s", options, *test_options() ? "," : "",
								 test_options(), *more ? "," : "", more)));
	}
	union_up = !err;
	return err;
}

/* What is there can be removed, and made again. */
static void use(struct seq *seq)
{
	char dir[16], file[24];
	long err;

	snprintf(dir, sizeof(dir), "u/%d", (int)(seq - batch));
	snprintf(file, sizeof(file), "%s/x", dir);
	err = clear(dir, 0) ?: E(mkdir(dir, 0755));
	err = err ?: write_file(file, "x");
	if (err || strcmp(list(dir), "x") || strcmp(read_file(file), "x"))
		wrong(seq, "cannot be removed and made again: %s, '%s'", errno_name(-err), list(dir));
}

static void look_for_leftovers(const char *when)
{
	const char *left = list("disk/rw/.wh..wh.orph");

	if (*left && strcmp(left, "ENOENT"))
		wrong(NULL, "the work directory has '%s' %s", left, when);
}

/* The power is cut; what there is then is looked at. */
static const char *try_cut(void)
{
	int i, err = cut_boot();

	cuts++;
	if (err)
		return path_of("cut %d: the disk cannot be mounted: %s", cuts, errno_name(-err));
	unlink("disk/rw/.wh..wh.volatile");
	err = mount_union("");
	if (err)
		return path_of("cut %d: the union cannot be mounted: %s", cuts, errno_name(-err));
	look_for_leftovers("after a mount");
	for (i = 0; i < batch_count; i++)
		look_at(&batch[i], path_of("u/%d", i));
	if (busy)
		use(busy);
	use(&batch[cuts % batch_count]);
	if (down())
		return "the union cannot be unmounted";
	look_for_leftovers("after it was used");
	return cut_unmount() ? "the disk cannot be unmounted" : NULL;
}

/* Some of the writes FROM to TO have come to the disk, or parts of them. */
static int some_of(int from, int to)
{
	int err = 0;

	for (; from < to && !err; from++) {
		const struct cut_write *write = &cut.writes[from];
		uint64_t blocks = write->sectors / 8, begin = 0, count = write->sectors;

		if (write->flags & CUT_MARK || random() % 2)
			continue;
		if (blocks > 1 && random() % 2) {
			begin = random() % blocks * 8;
			count = (1 + random() % (blocks - begin / 8)) * 8;
		}
		err = cut_write(cut.images[CUT_WORK], write, begin, count);
	}
	return err;
}

/* Applies the log, and cuts the power at each flush, and BETWEEN times between two. */
static const char *replay(int between)
{
	bool is_other = true;
	const char *what;
	int at, end, i;

	for (at = 0; at < cut.count; at = end + 1) {
		bool has_writes = false;

		for (end = at; end < cut.count && !(cut.writes[end].flags & (CUT_FLUSH | CUT_FUA)); end++) {
			if (cut.writes[end].flags & CUT_MARK) {
				take_mark(cut.writes[end].mark);
				is_other |= *cut.writes[end].mark == 't' || *cut.writes[end].mark == 'd';
			} else {
				has_writes = true;
			}
		}
		if (is_other && (what = cut_power() ? "no room" : try_cut()))
			return what;
		for (i = 0; i < between && has_writes; i++)
			if ((what = cut_power() || some_of(at, end) ? "no room" : try_cut()))
				return what;
		is_other = has_writes;
		for (; at <= end && at < cut.count; at++) {
			is_other |= cut.writes[at].sectors > 0;
			if (!(cut.writes[at].flags & CUT_MARK) && cut_apply(&cut.writes[at]))
				return "the log cannot be applied";
		}
	}
	return cut_power() ? "no room" : try_cut();
}

/* --- the runs ------------------------------------------------------------------------------ */

/* Does those that are in the batch, and has a log of it. */
static const char *record(const char *more)
{
	int i, step;

	area_unseal();
	shell("rm -rf ro/*");
	if (cut_empty())
		return "no empty disk";
	mkdir("disk/rw", 0755);
	for (i = 0; i < batch_count; i++) {
		if (!plain()) {
			mkdir(path_of("ro/%d", i), 0755);
			make(path_of("ro/%d", i), batch[i].state->ro);
		}
		if (plain() || *batch[i].state->rw)
			mkdir(path_of("disk/rw/%d", i), 0755);
		make(path_of("disk/rw/%d", i), plain() ? batch[i].state->shows : batch[i].state->rw);
	}
	area_seal();
	if (cut_record())
		return "nothing can be recorded";
	if (mount_union(more))
		return "cannot mount";
	for (i = 0; i < batch_count; i++)
		for (step = 0; step < batch[i].length; step++)
			do_in_union(&batch[i], step);
	if (down())
		return "cannot unmount";
	return cut_recorded() ? "the log cannot be read" : NULL;
}

static void empty_batch(void)
{
	while (batch_count)
		forget_seq(&batch[--batch_count]);
	memset(batch, 0, sizeof(batch));
	busy = NULL;
}

/* Adds a sequence, unless nothing can come of it, or others are wanted. */
static bool add(const struct state *state, int length, const struct op * const *of, const enum how *hows)
{
	struct seq *seq = &batch[batch_count];
	int i;

	*seq = (struct seq){ .state = state, .length = length };
	for (i = 0; i < length; i++) {
		seq->ops[i] = of[i];
		seq->hows[i] = hows[i];
		if (!makes_sense(of[i], hows[i]))
			return false;
	}
	if ((only && !strstr(described(seq), only)) || !do_plainly(seq))
		return false;
	batch_count++;
	return true;
}

static char writeback[16];

static const char *set_up(void)
{
	bool is_one = !strcmp(test_fs(), "xfs") || !strcmp(test_fs(), "btrfs");
	const char *why = cut_open(is_one ? test_fs() : "ext4");

	state_grain = 9000;
	op_grain = 5000;
	if (!why && mkdir(path_of("%s/m", cut.dir), 0755))
		why = "no room";
	/* nothing is written out by a clock */
	snprintf(writeback, sizeof(writeback), "%s", read_file("/proc/sys/vm/dirty_writeback_centisecs"));
	put("/proc/sys/vm/dirty_writeback_centisecs", 0, "0");
	return why;
}

static void take_down(void)
{
	put("/proc/sys/vm/dirty_writeback_centisecs", 0, writeback);
	cut_close();
}

#define ALL_OPS (OPS + (long)ARRAY_SIZE(more_ops))

static const struct op *op_of(long number)
{
	return number < OPS ? &ops[number] : &more_ops[number - OPS];
}

/* All sequences of LENGTH, or every so manyth of them. */
static const char *try_all(int length, long every)
{
	long count = STATES, number, at, rest, factor = long_ms(1);
	const struct op *of[MOST];
	enum how hows[MOST];
	const char *what = NULL;
	int i, tried = 0;

	only = getenv("AUFS2_TEST_ONLY");
	for (i = 0; i < length; i++)
		count *= ALL_OPS * HOWS;
	every = only && *only && length == 1 ? 1 : sample_step(every, STATES * ALL_OPS * HOWS);
	srandom(sample_from());
	for (number = sample_from() % every; number < count && !what; number += every) {
		/* most of two are none: the next one that is */
		for (at = number; at < count && at < number + every; at++) {
			for (i = 0, rest = at / STATES; i < length; i++) {
				of[i] = op_of(rest % ALL_OPS);
				rest /= ALL_OPS;
				hows[i] = rest % HOWS;
				rest /= HOWS;
			}
			if (add(&states[at % STATES], length, of, hows)) {
				tried++;
				break;
			}
			if (length == 1)
				break;
		}
		if (batch_count == BATCH || (batch_count && number + every >= count)) {
			what = record("") ?: replay(factor > 1 ? 1 : 0);
			empty_batch();
		}
	}
	ksft_print_msg("%d sequences of %d, %d cuts, %d wrong\n", tried, length, cuts, wrongs);
	return what ?: "";
}

/* What a disk, or a union, could do wrong, and would have to be seen. */
static const struct loss {
	const char *name;
	struct state state;
	struct op op;
	enum how how;
	char lost;		/* writes of this character are lost, of what is done; or all writes */
	const char *options;	/* or nothing is, of a union with these */
} losses[] = {
	{ "a whiteout", { "f:r", "", "f:r" }, { UNLINK, "f" }, FSYNC_DIR },
	{ "what was written in place", { "", "f:w", "f:w" }, { WRITE, "f" }, FDATASYNC },
	{ "the data of a new file", { "", "", "" }, { CREATE, "f" }, FSYNC, 'n' },
	{ "the data of a copy", { "f:r", "", "f:r" }, { CHMOD, "f" }, FSYNC, 'r' },
	{ "what is not written out", { "", "", "" }, { CREATE, "f" }, FSYNC, 0, "fsync=volatile" },
};

static bool is_lost(const struct loss *loss, const struct cut_write *write)
{
	char first;

	if (loss->options || !busy)
		return false;
	return !loss->lost || (pread(cut.images[CUT_LOG], &first, 1, write->data) == 1 && first == loss->lost);
}

/* Cuts the power when all was acknowledged, and writes are lost; how much is found wrong then, or what is. */
static const char *lose(const struct loss *loss)
{
	const struct op *op = &loss->op;
	const char *what = add(&loss->state, 1, &op, &loss->how) ? NULL : "cannot be done";
	int i, last = 0;

	what = what ?: record(loss->options ?: "");
	for (i = 0; i < cut.count; i++)
		if (cut.writes[i].flags & CUT_MARK && strcmp(cut.writes[i].mark, "dm-log-writes-end"))
			last = i;
	for (i = 0; i < last && !what; i++)
		if (cut.writes[i].flags & CUT_MARK)
			take_mark(cut.writes[i].mark);
		else if (!is_lost(loss, &cut.writes[i]) && cut_apply(&cut.writes[i]))
			what = "the log cannot be applied";
	take_mark(cut.writes[last].mark);
	is_quiet = true;
	wrongs = 0;
	what = what ?: cut_power() ? "no room" : try_cut();
	is_quiet = false;
	empty_batch();
	return what ?: wrongs ? "seen" : "not seen";
}

AUFS2_FIXTURE

#define SET_UP() do { \
	const char *why_ = reference() && !plain() ? "overlayfs wants a directory beside the upper one" : set_up(); \
	if (why_) \
		SKIP(return, "%s", why_); \
} while (0)

TEST_F(u, after_one_operation)
{
	SET_UP();
	EXPECT_STREQ("", try_all(1, 61));
	EXPECT_EQ(0, wrongs);
	EXPECT_LE(only && *only ? 1 : 45, cuts);
	take_down();
}

TEST_F(u, after_two_operations)
{
	SET_UP();
	EXPECT_STREQ("", try_all(2, 240007));
	EXPECT_EQ(0, wrongs);
	EXPECT_LE(only && *only ? 0 : 12, cuts);
	take_down();
}

TEST_F(u, what_is_lost_is_seen)
{
	const char *what;
	size_t i;

	SET_UP();
	for (i = 0; i < ARRAY_SIZE(losses); i++) {
		if (plain() && (losses[i].options || losses[i].lost == 'r'))
			continue;
		what = lose(&losses[i]);
		EXPECT_STREQ("seen", what) TH_LOG("%s", losses[i].name);
	}
	take_down();
}

TEST_HARNESS_MAIN
