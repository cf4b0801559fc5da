#include "io_helpers.h"

#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/cli/cli.h"
#include "core/io/bytes.h"

// How a process ends that has an output open and gets the signal so often.
static int end_of(const char *path, bool saves, int number, int times)
{
    const pid_t child = fork();
    cr_assert_geq(child, 0);
    if (child == 0) {
        zm_atomic_file file = {0};
        signal(number,
               SIG_DFL); // a shell starts what it starts in the background without
        zm_cli_clean_on_signals();
        if (saves)
            zm_cli_catch_signals();
        if (zm_atomic_begin(path, &file) != ZM_OK)
            _exit(1);
        for (int i = 0; i < times; i++)
            raise(number);
        _exit(zm_cli_stop_requested() ? 2 : 3);
    }
    int status = 0;
    cr_assert_eq(waitpid(child, &status, 0), child);
    return status;
}

Test(signals, end_a_verb_that_saves_nothing_and_leave_nothing)
{
    static const int numbers[] = {SIGHUP, SIGINT, SIGTERM};
    char dir[TEST_PATH], path[TEST_PATH];
    test_dir_create(dir);
    for (size_t i = 0; i < ZM_COUNT_OF(numbers); i++) {
        const int status = end_of(test_join(dir, "out", path), false, numbers[i], 1);
        cr_expect(WIFSIGNALED(status) && WTERMSIG(status) == numbers[i]);
        cr_expect_eq(test_dir_count(dir), 0);
    }
    test_dir_remove(dir);
}

Test(signals, ask_a_verb_that_saves_to_stop_and_end_it_the_second_time)
{
    char dir[TEST_PATH], path[TEST_PATH];
    test_dir_create(dir);
    int status = end_of(test_join(dir, "out", path), true, SIGINT, 1);
    cr_expect(WIFEXITED(status) && WEXITSTATUS(status) == 2);
    cr_expect_eq(test_dir_count(dir), 1, "its file is still its own");
    test_dir_remove(dir);
    test_dir_create(dir);
    status = end_of(test_join(dir, "out", path), true, SIGTERM, 2);
    cr_expect(WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM);
    cr_expect_eq(test_dir_count(dir), 0);
    test_dir_remove(dir);
}

Test(signals, a_limit_of_file_size_is_an_error_of_the_write)
{
    char dir[TEST_PATH], path[TEST_PATH];
    test_dir_create(dir);
    test_join(dir, "out", path);
    const pid_t child = fork();
    cr_assert_geq(child, 0);
    if (child == 0) {
        static const char data[1 << 16];
        zm_atomic_file file = {0};
        setrlimit(RLIMIT_FSIZE, &(struct rlimit){1 << 12, 1 << 12});
        zm_cli_clean_on_signals();
        if (zm_atomic_begin(path, &file) != ZM_OK)
            _exit(1);
        const zm_status written = zm_atomic_write(&file, data, sizeof data);
        _exit(written == ZM_ERR_IO || zm_atomic_commit(&file) == ZM_ERR_IO ? 0 : 2);
    }
    int status = 0;
    cr_assert_eq(waitpid(child, &status, 0), child);
    cr_expect(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    test_dir_remove(dir);
}
