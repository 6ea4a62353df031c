// SPDX-License-Identifier: GPL-2.0
/*
 * Every short sequence of operations, from many small states of two branches: each
 * result, and the tree after it, is that of a plain directory.  The union is then
 * mounted again, and everything compared once more.
 *
 * There are some 680 000 sequences of one to three operations.  All of one operation
 * are tried, and of the longer ones a sample, which AUFS2_TEST_LONG=N makes N times
 * as large, until at 1000 it is all of them.  AUFS2_TEST_SEED=N takes other ones.
 */
#include "aufs2_states.h"

/* as many as are in one union at a time */
#define BATCH 250
#define MOST 3

static struct one {
	const struct state *state;
	int length;
	const struct op *ops[MOST];
} batch[BATCH];

static char told[1024];

static void __attribute__((format(printf, 2, 3))) wrong(int at, const char *fmt, ...)
{
	const struct one *one = &batch[at];
	va_list ap;
	int i, len;

	if (*told)
		return;
	len = snprintf(told, sizeof(told), "ro '%s' rw '%s':", one->state->ro, one->state->rw);
	for (i = 0; i < one->length; i++)
		len += snprintf(told + len, sizeof(told) - len, " op %d (%d %s %s)",
				(int)(one->ops[i] - ops), one->ops[i]->kind, one->ops[i]->a,
				one->ops[i]->b ?: "");
	len += snprintf(told + len, sizeof(told) - len, ": ");
	va_start(ap, fmt);
	vsnprintf(told + len, sizeof(told) - len, fmt, ap);
	va_end(ap);
}

/* --- the comparison --------------------------------------------------------------- */

static void compare(int at, const char *when, const char *path, bool identity)
{
	char full[2][96], names[2][512], text[2][64] = { "", "" }, *name, *rest;
	struct stat st[2];
	int side;

	snprintf(full[0], sizeof(full[0]), "u/%d%s", at, path);
	snprintf(full[1], sizeof(full[1]), "m/%d%s", at, path);
	for (side = 0; side < 2; side++)
		if (lstat(full[side], &st[side]))
			return wrong(at, "%s: %s: %s", when, full[side], errno_name(errno));
	if (st[0].st_mode != st[1].st_mode)
		return wrong(at, "%s: %s: mode %o and not %o", when, path, st[0].st_mode,
			     st[1].st_mode);
	for (side = 0; side < 2; side++) {
		if (S_ISLNK(st[0].st_mode))
			text[side][readlink(full[side], text[side], 63) & 63] = 0;
		else if (S_ISREG(st[0].st_mode))
			snprintf(text[side], sizeof(text[0]), "%s", read_file(full[side]));
		if (!S_ISLNK(st[0].st_mode) && getxattr(full[side], "user.x", names[0], 8) == 1)
			strcat(text[side], "+x");
	}
	if (strcmp(text[0], text[1]))
		return wrong(at, "%s: %s: '%s' and not '%s'", when, path, text[0], text[1]);
	if (!S_ISDIR(st[0].st_mode)) {
		if (identity && st[0].st_nlink != st[1].st_nlink)
			wrong(at, "%s: %s: %ld links and not %ld", when, path,
			      (long)st[0].st_nlink, (long)st[1].st_nlink);
		return;
	}
	for (side = 0; side < 2; side++)
		snprintf(names[side], sizeof(names[0]), "%s", list(full[side]));
	if (strcmp(names[0], names[1]))
		return wrong(at, "%s: %s: has '%s' and not '%s'", when, path, names[0], names[1]);
	for (name = strtok_r(names[0], " ", &rest); name; name = strtok_r(NULL, " ", &rest)) {
		char below[64];

		snprintf(below, sizeof(below), "%s/%s", path, name);
		compare(at, when, below, identity);
	}
}

/* Which of the names are one object. */
static void compare_identity(int at)
{
	static const char *const names[] = { "f", "g", "d", "d/c", "d/e", "g/c" };
	struct stat st[2][ARRAY_SIZE(names)];
	size_t i, j;

	for (i = 0; i < ARRAY_SIZE(names); i++) {
		if (lstat(path_of("u/%d/%s", at, names[i]), &st[0][i]))
			st[0][i].st_ino = -i - 1;
		if (lstat(path_of("m/%d/%s", at, names[i]), &st[1][i]))
			st[1][i].st_ino = -i - 1;
		for (j = 0; j < i; j++)
			if ((st[0][i].st_ino == st[0][j].st_ino) != (st[1][i].st_ino == st[1][j].st_ino))
				wrong(at, "%s and %s are one object on one side only", names[i],
				      names[j]);
	}
}

/* --- the runs ------------------------------------------------------------------------ */

/* Tries those that are in the batch; what is wrong, or "". */
static const char *try_batch(int count)
{
	char side[2][16], when[16];
	int at, step;
	long is[2];

	/* ro may only change while there is no union of it */
	area_unseal();
	shell("rm -rf ro/* rw/[0-9]* m/*");
	for (at = 0; at < count; at++) {
		mkdir(path_of("ro/%d", at), 0755);
		make(path_of("ro/%d", at), batch[at].state->ro);
		if (*batch[at].state->rw)
			mkdir(path_of("rw/%d", at), 0755);
		make(path_of("rw/%d", at), batch[at].state->rw);
		mkdir(path_of("m/%d", at), 0755);
		make(path_of("m/%d", at), batch[at].state->shows);
	}
	if (up("rw", "ro"))
		return "cannot mount";
	for (at = 0; at < count && !*told; at++) {
		snprintf(side[0], sizeof(side[0]), "u/%d", at);
		snprintf(side[1], sizeof(side[1]), "m/%d", at);
		for (step = 0; step < batch[at].length && !*told; step++) {
			is[0] = perform(side[0], batch[at].ops[step]);
			is[1] = perform(side[1], batch[at].ops[step]);
			snprintf(when, sizeof(when), "step %d", step);
			if (is[0] != is[1])
				wrong(at, "%s: is %ld and not %ld", when, is[0], is[1]);
			compare(at, when, "", true);
			compare_identity(at);
		}
	}
	if (!reference() && *list("rw/.wh..wh.orph"))
		wrong(0, "some of these left '%s' in the work directory", list("rw/.wh..wh.orph"));
	if (down() || up("rw", "ro"))
		return "cannot mount again";
	for (at = 0; at < count && !*told; at++)
		compare(at, "mounted again", "", !batch[at].state->links);
	if (down())
		return "cannot unmount";
	return told;
}

/* All sequences of LENGTH, or every so manyth of them. */
static const char *try_all(int length, long every)
{
	long count = STATES, number, rest;
	int i, filled = 0, tried = 0;
	const char *what = "";

	for (i = 0; i < length; i++)
		count *= OPS;
	every = sample_step(every, STATES * OPS);
	if (make_branch("m"))
		return "no room for the model";
	for (number = sample_from() % every; number < count && !*what; number += every) {
		batch[filled] = (struct one){ .state = &states[number % STATES], .length = length };
		for (i = 0, rest = number / STATES; i < length; i++, rest /= OPS)
			batch[filled].ops[i] = &ops[rest % OPS];
		tried++;
		if (++filled == BATCH || number + every >= count) {
			what = try_batch(filled);
			filled = 0;
		}
	}
	ksft_print_msg("%d of %ld sequences of %d\n", tried, count, length);
	return what;
}

AUFS2_FIXTURE

TEST_F(u, of_one)
{
	EXPECT_STREQ("", try_all(1, 1));
}

TEST_F(u, of_two)
{
	EXPECT_STREQ("", try_all(2, 31));
}

TEST_F(u, of_three)
{
	EXPECT_STREQ("", try_all(3, 991));
}

TEST_HARNESS_MAIN
