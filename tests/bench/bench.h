/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the rows of the benchmark share: the counter, the loop around an
 * operation, and the views of one set of files.
 */
#ifndef AUFS2_BENCH_H
#define AUFS2_BENCH_H

#define _GNU_SOURCE

#include <errno.h>
#include <math.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_ROUNDS 64

/* How the same files are looked at. */
enum kind { NATIVE, OVERLAYFS, AUFS2, AUFS2_NONE, KINDS };

extern const char *const kind_names[KINDS];

/* One way to the files: `ro` is where those of the lower branch are seen, `rw` where what is written goes. */
struct view {
	enum kind kind;
	const char *fs;		/* what the branches are on */
	const char *ro, *rw;	/* the same for a union */
	int depth;		/* the number of read-only branches */
};

/* A row: instructions of one operation, or NaN if this view cannot do it. */
struct row {
	const char *name;
	double (*run)(const struct view *v);
};

extern const struct row rows[];
extern const struct row depth_rows[];
extern const struct row branch_rows[];

extern const char *union_key, *union_value;	/* one more option of unions, or NULL */
extern double loop_cost;	/* instructions of the empty loop, per turn */

/*
 * The counter.  Under `-icount shift=0` the time stamp counter counts
 * instructions, and reading it is one.
 */
static inline uint64_t count(void)
{
	uint32_t low, high;

	asm volatile("lfence; rdtsc; lfence" : "=a"(low), "=d"(high) :: "memory");
	return (uint64_t)high << 32 | low;
}

extern bool profiled;		/* a debugger waits for the rounds: see scripts/bench-profile */
void profile_mark(void);

double median(double *samples, int n);
void complain(const char *what);

/* Gives the row up: a row that fails has no number. */
#define must(condition)					\
	do {						\
		if (!(condition)) {			\
			complain(#condition);		\
			return NAN;			\
		}					\
	} while (0)

/*
 * The median over `rounds` of the cost of one `op`, of `n` in a round.  `i` is
 * the number of the operation over all rounds, `round` that of the round.
 * `before` and `after` are done once a round, and not counted.
 */
#define BENCH_ROUNDS(rounds, n, before, op, after)			\
({									\
	double samples_[MAX_ROUNDS];					\
	uint64_t start_;						\
	int i = 0;							\
									\
	_Static_assert((rounds) <= MAX_ROUNDS, "too many rounds");	\
	for (int round = 0; round < (rounds); round++) {		\
		before;							\
		if (profiled)						\
			profile_mark();					\
		start_ = count();					\
		for (int turn_ = 0; turn_ < (n); turn_++, i++) {	\
			op;						\
			asm volatile("" ::: "memory");			\
		}							\
		samples_[round] = (double)(count() - start_) / (n) - loop_cost; \
		after;							\
	}								\
	(void)i;							\
	median(samples_, (rounds));					\
})

#define BENCH(rounds, n, op) BENCH_ROUNDS(rounds, n, (void)0, op, (void)0)

/* The path of a file: valid until the next few calls. */
const char *at(const char *dir, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* --- the files (layout.c) -------------------------------------------------- */

#define STAT_FILES	2000
#define LISTS		3
#define LIST_ENTRIES	10000
#define COPIES		48
#define LARGE_COPIES	33	/* of 1 MiB */
#define CLONES		33
#define DATA_SIZE	(16 << 20)
#define LAYERS		500
#define MANY		100000	/* cached inodes, when branches come and go */
#define DEPTHS		{ 1, 4, 16, 64, 120, 500 }
#define DEEP_FILES	250	/* for each view and each depth: no other has asked for them */

int write_file(const char *path, size_t size);
bool has_reflinks(const char *fs);
int make_files(const char *fs);
int show(struct view *v, enum kind kind, const char *fs);
int show_deep(struct view *v, enum kind kind, int depth);
int make_many(void);
int show_many(struct view *v, enum kind kind);
int hide(void);
int remount_union(const char *options);

/* --- processors in each other's way (contention.c) ------------------------- */

void contend(const struct view *v);

#endif
