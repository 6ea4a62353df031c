// SPDX-License-Identifier: GPL-2.0
/*
 * What processors cost each other: the same operation in one process, and in
 * one a processor at once, on one file or in one directory.  Prints a line
 * "contention OPERATION VIEW RATE RATE": operations a second of one process, and
 * of all together.  These are times, so they are told and not checked.
 */
#include "bench.h"
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define SECONDS		2
#define MAX_TASKS	16
#define PAGE		4096
#define PAGES		256
#define AROUND		16	/* pages that one fault maps */

/* What the processes share, each a cache line of its own. */
struct task {
	volatile unsigned long done;
	volatile bool failed;
} __attribute__((aligned(128)));

static struct {
	volatile bool go, stop;
	struct task tasks[MAX_TASKS];
} *shared;

/* An operation, done over and over by task `number`; returns whether it was right. */
struct operation {
	const char *name;
	bool (*once)(const struct view *v, int number, unsigned long turn);
};

static bool stat_one(const struct view *v, int number, unsigned long turn)
{
	struct stat st;

	(void)number, (void)turn;
	return !stat(at(v->ro, "s/f00000"), &st);
}

static bool stat_each(const struct view *v, int number, unsigned long turn)
{
	struct stat st;

	return !stat(at(v->ro, "s/f%05lu", (turn * MAX_TASKS + number) % STAT_FILES), &st);
}

static bool open_one(const struct view *v, int number, unsigned long turn)
{
	int fd = open(at(v->ro, "s/f00000"), O_RDONLY);

	(void)number, (void)turn;
	return fd >= 0 && !close(fd);
}

static bool create_in_one(const struct view *v, int number, unsigned long turn)
{
	const char *path = at(v->rw, "w/new%d", number);
	int fd = open(path, O_CREAT | O_EXCL | O_WRONLY, 0644);

	(void)turn;
	return fd >= 0 && !close(fd) && !unlink(path);
}

static bool fault_one(const struct view *v, int number, unsigned long turn)
{
	static volatile char *map;
	unsigned long page = turn * AROUND % PAGES;

	(void)number;
	if (!map) {
		int fd = open(at(v->ro, "data"), O_RDONLY);

		map = mmap(NULL, PAGES * PAGE, PROT_READ, MAP_SHARED, fd, 0);
		close(fd);
		if (map == MAP_FAILED)
			return false;
	}
	if (!page && madvise((void *)map, PAGES * PAGE, MADV_DONTNEED))
		return false;
	return map[page * PAGE] == 'x';
}

static const struct operation operations[] = {
	{ "stat_one_file", stat_one },
	{ "stat_in_one_directory", stat_each },
	{ "open_one_file", open_one },
	{ "create_in_one_directory", create_in_one },
	{ "fault_one_file", fault_one },
};

static void work(const struct operation *op, const struct view *v, int number)
{
	struct task *task = &shared->tasks[number];

	/* The first turn is not counted: it finds the file. */
	if (!op->once(v, number, 0))
		task->failed = true;
	while (!shared->go)
		usleep(100);
	while (!shared->stop && !task->failed) {
		if (!op->once(v, number, task->done))
			task->failed = true;
		task->done++;
	}
	_exit(0);
}

/* Operations a second of `tasks` processes together; NaN if one failed. */
static double rate(const struct operation *op, const struct view *v, int tasks)
{
	struct timespec start, end;
	unsigned long done = 0;
	bool failed = false;

	memset(shared, 0, sizeof(*shared));
	for (int i = 0; i < tasks; i++) {
		pid_t pid = fork();

		if (!pid)
			work(op, v, i);
		if (pid < 0)
			return NAN;
	}
	sleep(1);
	clock_gettime(CLOCK_MONOTONIC, &start);
	shared->go = true;
	sleep(SECONDS);
	shared->stop = true;
	clock_gettime(CLOCK_MONOTONIC, &end);
	while (wait(NULL) > 0)
		;
	for (int i = 0; i < tasks; i++) {
		done += shared->tasks[i].done;
		failed |= shared->tasks[i].failed;
	}
	return failed ? NAN : done / (end.tv_sec - start.tv_sec + (end.tv_nsec - start.tv_nsec) / 1e9);
}

void contend(const struct view *v)
{
	int tasks = sysconf(_SC_NPROCESSORS_ONLN);

	if (tasks > MAX_TASKS)
		tasks = MAX_TASKS;
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (shared == MAP_FAILED)
		return;
	for (size_t i = 0; i < sizeof(operations) / sizeof(*operations); i++) {
		double one = rate(&operations[i], v, 1), all = rate(&operations[i], v, tasks);

		printf("contention %s %s %.0f %.0f\n", operations[i].name, kind_names[v->kind], one, all);
		fflush(stdout);
	}
	munmap(shared, sizeof(*shared));
}
