// What unpacked layers take, and how they go.
#include "cooper/base/error.hpp"
#include "cooper/build/snapshots.hpp"

#include "build/snapshot/disk_form.hpp"
#include "build/snapshot/snapshot_directory.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <functional>

namespace cooper::build {

namespace {

namespace fs = std::filesystem;

std::uint64_t size_of(const fs::path& file) {
    struct stat status {};
    return stat(file.c_str(), &status) == 0 ? static_cast<std::uint64_t>(status.st_size) : 0;
}

std::uint64_t bytes_of(const fs::path& layer) {
    const std::uint64_t side_files = size_of(layer / "index") + size_of(layer / "members");
    try {
        return side_files + LayerIndex::read(layer / "index").bytes;
    } catch (const Error&) {  // damaged: nobody can use it
        return side_files;
    }
}

/// Directories of forms whose files this process may see. Those of other users are passed over.
void for_each_form(const fs::path& directory, const std::function<void(const fs::path& form)>& body) {
    std::error_code failed;
    for (const auto& item : fs::directory_iterator(directory, failed)) {
        std::error_code ignored;
        if (fs::is_directory(item.path() / "layers", ignored) && access(item.path().c_str(), R_OK | W_OK | X_OK) == 0) {
            body(item.path());
        }
    }
}

/// Calls `remove` for a directory that nobody uses and nobody used for `max_age`, and holds it meanwhile.
void if_unused(const fs::path& directory, std::chrono::seconds max_age, const Run& run,
               const std::function<void()>& remove) {
    const FileDescriptor lock = lock_directory(directory, true);
    struct stat status {};
    if (!lock.valid() || fstat(lock.get(), &status) != 0) {
        return;
    }
    const auto last_use = std::chrono::system_clock::from_time_t(status.st_mtim.tv_sec);
    if (run.clock->now() - last_use >= max_age) {
        remove();
    }
}

/// In one step, then at leisure: nobody finds half a layer.
void discard(const fs::path& form, const fs::path& directory) {
    const fs::path gone = form / "work" / (directory.filename().string() + ".gone-" + std::to_string(getpid()));
    if (rename(directory.c_str(), gone.c_str()) != 0) {
        throw SystemError("cannot remove " + directory.string(), errno);
    }
    remove_quietly(gone);
}

Snapshots::Usage collect_form(const fs::path& form, std::chrono::seconds max_age, bool dry_run, const Run& run) {
    Snapshots::Usage gone;
    if (!dry_run) {
        remove_abandoned(form);
    }
    std::error_code failed;
    for (const auto& item : fs::directory_iterator(form / "layers", failed)) {
        run.check();
        if_unused(item.path(), max_age, run, [&] {
            const std::uint64_t bytes = bytes_of(item.path());
            if (!dry_run) {
                discard(form, item.path());
            }
            ++gone.layers;
            gone.bytes += bytes;
        });
    }
    for (const auto& item : fs::directory_iterator(form / "fixes", failed)) {
        if_unused(item.path(), max_age, run, [&] {
            if (!dry_run) {
                discard(form, item.path());
            }
        });
    }
    return gone;
}

}  // namespace

Snapshots::Usage Snapshots::usage(const fs::path& directory, const Run& run) {
    Usage usage;
    for_each_form(directory, [&](const fs::path& form) {
        std::error_code failed;
        for (const auto& item : fs::directory_iterator(form / "layers", failed)) {
            run.check();
            ++usage.layers;
            usage.bytes += bytes_of(item.path());
        }
    });
    return usage;
}

Snapshots::Usage Snapshots::collect(const fs::path& directory, std::chrono::seconds max_age, bool dry_run,
                                    const Run& run) {
    Usage gone;
    for_each_form(directory, [&](const fs::path& form) {
        if (!can_remove(form.filename().string())) {
            return;
        }
        const Usage part = collect_form(form, max_age, dry_run, run);
        gone.layers += part.layers;
        gone.bytes += part.bytes;
    });
    return gone;
}

}  // namespace cooper::build
