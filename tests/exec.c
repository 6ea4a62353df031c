// SPDX-License-Identifier: GPL-2.0
/* Programs and libraries are run from the union. */
#include "aufs2.h"
#include <elf.h>
#include <sys/wait.h>

AUFS2_FIXTURE

TEST_F(u, lower_program_and_its_libraries)
{
	/* the interpreter and the libraries in the union, too: a chroot */
	ASSERT_EQ(0, shell("for f in $(ldd /bin/cat | grep -o '/[^ ]*') /bin/cat; do mkdir -p ro/$(dirname $f); cp -L $f ro/$f; done; mkdir -p ro/proc; echo -n hello > ro/file"));
	ASSERT_EQ(0, up("rw", "ro"));
	ASSERT_EQ(0, shell("chroot u /bin/cat /file > out"));
	EXPECT_STREQ("hello", read_file("out"));
	ASSERT_EQ(0, shell("mount -t proc proc u/proc; chroot u /bin/cat /proc/self/maps > out; umount u/proc"));
	EXPECT_EQ(0, shell("grep -q ' /bin/cat$' out"));
	EXPECT_EQ(0, shell("grep -q 'libc' out"));
	EXPECT_STREQ("ENOENT", kind("rw/bin"));
}

TEST_F(u, after_copy_up_and_replacement)
{
	ASSERT_EQ(0, shell("cp /bin/true ro/prog; cp /bin/false ro/other"));
	ASSERT_EQ(0, up("rw", "ro"));
	EXPECT_EQ(0, shell("u/prog"));
	ASSERT_EQ(0, E(chmod("u/prog", 0700)));
	EXPECT_EQ(0, shell("u/prog"));
	ASSERT_EQ(0, E(rename("u/other", "u/prog")));
	EXPECT_EQ(1, shell("u/prog"));
	ASSERT_EQ(0, shell("cat /bin/true > u/prog"));
	EXPECT_EQ(0, shell("u/prog"));
}

TEST_F(u, suid)
{
	ASSERT_EQ(0, shell("cp $(command -v id) ro/id; chmod 4755 ro/id; chown 4321 ro/id; chmod 4755 ro/id"));
	ASSERT_EQ(0, up("rw", "ro"));
	EXPECT_EQ(0, shell("[ $(u/id -u) = 4321 ]"));
	ASSERT_EQ(0, shell("mount -o remount,bind,nosuid u"));
	EXPECT_EQ(0, shell("[ $(u/id -u) = 0 ]"));
}

TEST_F(u, permission)
{
	ASSERT_EQ(0, shell("cp /bin/true ro/prog; chmod 644 ro/prog"));
	ASSERT_EQ(0, up("rw", "ro"));
	EXPECT_EQ(126, shell("u/prog"));
	ASSERT_EQ(0, E(chmod("u/prog", 0755)));
	EXPECT_EQ(0, shell("u/prog"));
}

TEST_F(u, map_through_proc_mem)
{
	/* as a debugger or a core dump reads it, by get_user_pages */
	char b[4096] = "";
	char *p;
	int fd, mem;

	ASSERT_EQ(0, write_file("ro/f", "mapped"));
	ASSERT_EQ(0, up("rw", "ro"));
	ASSERT_LE(0, fd = open("u/f", O_RDONLY));
	p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
	ASSERT_NE(MAP_FAILED, p);
	ASSERT_LE(0, mem = open("/proc/self/mem", O_RDWR));
	EXPECT_EQ(6, E(pread(mem, b, 6, (off_t)(uintptr_t)p)));
	EXPECT_STREQ("mapped", b);
	/* and a write stays in the process */
	EXPECT_EQ(1, E(pwrite(mem, "M", 1, (off_t)(uintptr_t)p)));
	EXPECT_EQ('M', p[0]);
	EXPECT_STREQ("mapped", read_file("u/f"));
	munmap(p, 4096);
}

/* --- by a descriptor ------------------------------------------------------------------- */

#ifndef AT_EXECVE_CHECK
#define AT_EXECVE_CHECK 0x10000		/* since 6.14 */
#endif

/* How a program ends that is run by a descriptor, or the error. */
static const char *run_by(int fd, const char *path, int flags)
{
	static char *const argv[] = { "program", NULL }, *const envp[] = { "PATH=/bin:/usr/bin", NULL };
	int fds[2], err = 0, status;
	pid_t pid;

	if (pipe2(fds, O_CLOEXEC))
		return errno_name(errno);
	pid = fork();
	if (!pid) {
		syscall(SYS_execveat, fd, path, argv, envp, flags);
		err = errno;
		if (!(flags & AT_EXECVE_CHECK) || err)
			(void)!write(fds[1], &err, sizeof(err));
		_exit(0);
	}
	close(fds[1]);
	(void)!read(fds[0], &err, sizeof(err));
	close(fds[0]);
	waitpid(pid, &status, 0);
	return err ? errno_name(err) : path_of("status %x", status);
}

/* Whether it could be run: nothing is. */
static const char *checked_by(int fd, const char *path, int flags)
{
	static char *const argv[] = { "program", NULL }, *const envp[] = { NULL };
	int err = IN_CHILD(0, E(syscall(SYS_execveat, fd, path, argv, envp, flags | AT_EXECVE_CHECK)));

	return err ? errno_name(-err) : "well";
}

static const char *fexecuted(int fd)
{
	static char *const argv[] = { "program", NULL }, *const envp[] = { "PATH=/bin:/usr/bin", NULL };
	int err = IN_CHILD(0, (fexecve(fd, argv, envp), -100 - errno));

	return path_of("%d", err);
}

static void compare_runs(struct __test_metadata *_metadata, const int *fds, const char *name, const char *when)
{
	static const int flags[] = { 0, AT_EMPTY_PATH, AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW, AT_SYMLINK_FOLLOW };
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(flags); i++) {
		EXPECT_STREQ(run_by(fds[0], "", flags[i]), run_by(fds[1], "", flags[i])) {
			TH_LOG("%s, %s, flags %#x", name, when, flags[i]);
		}
		EXPECT_STREQ(checked_by(fds[0], "", flags[i]), checked_by(fds[1], "", flags[i])) {
			TH_LOG("whether %s, %s, flags %#x", name, when, flags[i]);
		}
	}
	EXPECT_STREQ(fexecuted(fds[0]), fexecuted(fds[1])) TH_LOG("%s, %s", name, when);
}

/* What is open for being run, natively and in the union. */
static void open_both(int *fds, const char *name, int flags)
{
	fds[0] = open(path_of("n/%s", name), flags);
	fds[1] = open(path_of("u/%s", name), flags);
}

TEST_F(u, by_descriptor)
{
	/* as they are first, and changed */
	static const char *const names[] = { "low", "script", "data", "link", "empty", "up", "dir" };
	static const int kinds[] = { O_RDONLY, O_PATH, O_RDONLY | O_CLOEXEC, O_PATH | O_CLOEXEC, O_PATH | O_NOFOLLOW };
	int old[ARRAY_SIZE(names)][ARRAY_SIZE(kinds)][2], fds[2], writers[2];
	unsigned int i, j;

	ASSERT_EQ(0, shell("mkdir n; cp /bin/true ro/low; cp /bin/false rw/up; touch ro/empty; chmod 755 ro/empty;"
			   "printf '#!/bin/sh\nexit 3\n' >ro/script; chmod 755 ro/script; cp /bin/true ro/data;"
			   "chmod 644 ro/data; ln -s low ro/link; mkdir ro/dir; cp -a ro/. n; cp -a rw/. n"));
	ASSERT_EQ(0, up("rw", "ro"));
	for (i = 0; i < ARRAY_SIZE(names); i++)
		for (j = 0; j < ARRAY_SIZE(kinds); j++) {
			open_both(old[i][j], names[i], kinds[j]);
			compare_runs(_metadata, old[i][j], names[i], path_of("flags %#o", kinds[j]));
		}
	EXPECT_STREQ("status 0", run_by(old[0][1][1], "", AT_EMPTY_PATH));
	EXPECT_STREQ("status 300", run_by(old[1][1][1], "", AT_EMPTY_PATH));
	EXPECT_STREQ("ENOENT", kind("rw/low"));
	/* who writes to it keeps it from being run, also by descriptors from before the copy-up */
	open_both(writers, "low", O_RDWR | O_CLOEXEC);
	for (j = 0; j < ARRAY_SIZE(kinds); j++)
		compare_runs(_metadata, old[0][j], "low", path_of("written to, flags %#o", kinds[j]));
	EXPECT_STREQ("ETXTBSY", run_by(old[0][1][1], "", AT_EMPTY_PATH));
	close(writers[0]);
	close(writers[1]);
	/* other contents, and other rights */
	ASSERT_EQ(0, shell("for d in n u; do cat /bin/false >$d/low; chmod 755 $d/data; chmod 644 $d/up;"
			   "printf '#!/bin/sh\nexit 4\n' >$d/script; done"));
	for (i = 0; i < ARRAY_SIZE(names); i++)
		for (j = 0; j < ARRAY_SIZE(kinds); j++) {
			compare_runs(_metadata, old[i][j], names[i], path_of("changed, flags %#o", kinds[j]));
			open_both(fds, names[i], kinds[j]);
			compare_runs(_metadata, fds, names[i], path_of("opened anew, flags %#o", kinds[j]));
			close(fds[0]);
			close(fds[1]);
		}
	EXPECT_STREQ("status 100", run_by(old[0][0][1], "", AT_EMPTY_PATH));
	EXPECT_STREQ("status 400", run_by(old[1][1][1], "", AT_EMPTY_PATH));
	/* and what has no name any more */
	ASSERT_EQ(0, shell("rm n/low n/up u/low u/up"));
	for (j = 0; j < ARRAY_SIZE(kinds); j++) {
		compare_runs(_metadata, old[0][j], "low", path_of("removed, flags %#o", kinds[j]));
		compare_runs(_metadata, old[5][j], "up", path_of("removed, flags %#o", kinds[j]));
	}
	for (i = 0; i < ARRAY_SIZE(names); i++)
		for (j = 0; j < ARRAY_SIZE(kinds); j++) {
			close(old[i][j][0]);
			close(old[i][j][1]);
		}
}

TEST_F(u, by_name_below_a_descriptor)
{
	static const char *const names[] = { "low", "link", "none", "dir/low", "dir", "data" };
	int dirs[2];
	unsigned int i, j;

	ASSERT_EQ(0, shell("mkdir n ro/dir; cp /bin/true ro/low; cp /bin/false ro/dir/low; ln -s low ro/link;"
			   "cp /bin/true ro/data; chmod 644 ro/data; cp -a ro/. n"));
	ASSERT_EQ(0, up("rw", "ro"));
	open_both(dirs, "", O_PATH | O_CLOEXEC);
	for (j = 0; j < 2; j++) {
		for (i = 0; i < ARRAY_SIZE(names); i++) {
			EXPECT_STREQ(run_by(dirs[0], names[i], 0), run_by(dirs[1], names[i], 0)) TH_LOG("%s", names[i]);
			EXPECT_STREQ(run_by(dirs[0], names[i], AT_SYMLINK_NOFOLLOW),
				     run_by(dirs[1], names[i], AT_SYMLINK_NOFOLLOW)) TH_LOG("%s itself", names[i]);
			EXPECT_STREQ(checked_by(dirs[0], names[i], 0), checked_by(dirs[1], names[i], 0)) {
				TH_LOG("whether %s", names[i]);
			}
		}
		/* copied up */
		ASSERT_EQ(0, shell("for d in n u; do cat /bin/false >$d/low; touch $d/dir/low $d/data; done"));
	}
}

TEST_HARNESS_MAIN
