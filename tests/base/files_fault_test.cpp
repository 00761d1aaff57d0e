// The disk says no: whatever the moment, nothing is visible and nothing is left.
#include "cooper/base/error.hpp"
#include "cooper/base/files.hpp"

#include "support/small_disk.hpp"

#include <catch2/catch.hpp>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <functional>

using namespace cooper;
using cooper::testing::FileSizeLimit;
using cooper::testing::SmallDisk;
namespace fs = std::filesystem;

namespace {

int error_number_of(const std::function<void()>& action) {
    try {
        action();
    } catch (const SystemError& error) {
        return error.error_number();
    }
    return 0;
}

/// Runs `scenario` in a child that has `directory` as its root and so no /proc; its result is the exit status.
int run_without_proc(const fs::path& directory, int (*scenario)()) {
    const pid_t child = fork();
    if (child == 0) {
        int result = 99;
        try {
            result = chroot(directory.c_str()) == 0 && chdir("/") == 0 ? scenario() : 98;
        } catch (...) {
        }
        _exit(result);
    }
    int status = 0;
    waitpid(child, &status, 0);
    return WEXITSTATUS(status);
}

int use_named_temporaries() {
    const auto files = [] { return std::distance(fs::directory_iterator("/"), fs::directory_iterator()); };
    {
        AtomicFile abandoned("/abandoned");
        abandoned.write(as_bytes("x"));
        if (abandoned.temporary_path().empty() || files() != 1) {
            return 1;
        }
    }
    if (files() != 0) {
        return 2;
    }
    write_file("/out", "one");
    write_file("/out", "two");
    if (read_file("/out", 10) != "two" || files() != 1) {
        return 3;
    }
    try {
        AtomicFile loser("/out");
        loser.commit(AtomicFile::IfExists::Fail);
        return 4;
    } catch (const Error& error) {
        if (error.code() != ErrorCode::Conflict) {
            return 5;
        }
    }
    AtomicFile winner("/fresh");
    winner.commit(AtomicFile::IfExists::Fail);
    return read_file("/out", 10) == "two" && files() == 2 ? 0 : 6;
}

}  // namespace

TEST_CASE("atomic file: a write that fails half way leaves nothing", "[unit][base][fault]") {
    const TempDirectory directory;
    const std::string text(10'000, 'x');
    for (const rlim_t limit : {0U, 1U, 4096U, 9'999U}) {
        const FileSizeLimit files(limit);
        REQUIRE(error_number_of([&] { write_file(directory.path() / "out", text); }) == EFBIG);
        REQUIRE(fs::is_empty(directory.path()));
    }
    const FileSizeLimit enough(10'000);
    write_file(directory.path() / "out", text);
    REQUIRE(fs::file_size(directory.path() / "out") == 10'000);
}

TEST_CASE("atomic file: a full disk is found when reserving and when writing, and names the file",
          "[unit][base][fault]") {
    const SmallDisk disk;
    if (!disk.mounted()) {
        WARN("SKIPPED: only root can mount a small file system");
        return;
    }
    write_file(disk.path() / "kept", "old");
    {
        AtomicFile file(disk.path() / "kept");
        REQUIRE_THROWS_WITH(file.reserve(1'000'000), Catch::Contains("1.0 MB") && Catch::Contains("kept") &&
                                                         Catch::Contains("No space left on device"));
    }
    {
        AtomicFile file(disk.path() / "kept");
        const std::string chunk(40'000, 'x');
        file.write(as_bytes(chunk));
        REQUIRE(error_number_of([&] { file.write(as_bytes(chunk)); }) == ENOSPC);
    }
    REQUIRE(read_file(disk.path() / "kept", 100) == "old");
    REQUIRE(std::distance(fs::directory_iterator(disk.path()), fs::directory_iterator()) == 1);
    write_file(disk.path() / "kept", std::string(40'000, 'y'));
    REQUIRE(fs::file_size(disk.path() / "kept") == 40'000);
}

TEST_CASE("atomic file: where files cannot be nameless, unpredictable names do the same", "[unit][base][fault]") {
    const TempDirectory directory;
    if (geteuid() != 0) {
        WARN("SKIPPED: only root can change the root directory");
        return;
    }
    REQUIRE(run_without_proc(directory.path(), use_named_temporaries) == 0);
}

TEST_CASE("atomic file: a killed process leaves no file behind", "[unit][base][fault]") {
    const TempDirectory directory;
    const pid_t child = fork();
    if (child == 0) {
        AtomicFile file(directory.path() / "out");
        if (!file.temporary_path().empty()) {
            _exit(7);
        }
        file.write(as_bytes("half"));
        raise(SIGKILL);
    }
    int status = 0;
    waitpid(child, &status, 0);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 7) {
        WARN("SKIPPED: this file system has no nameless files");
        return;
    }
    REQUIRE(WIFSIGNALED(status));
    REQUIRE(fs::is_empty(directory.path()));
}
