#include "build/tags/lock_hash.hpp"

#include "cooper/base/files.hpp"

#include "base/message_digest.hpp"
#include "build/paths.hpp"
#include "build/tags/tag_kinds.hpp"
#include "oci/printable.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

namespace cooper::build {

namespace fs = std::filesystem;

namespace {

std::string shown(const fs::path& file) {
    return "'" + oci::printable(file.native(), kMaxPath) + "'";
}

/// As the originals ask: links are followed, so a broken one does not exist, nor does a name with a NUL in it.
bool is_there(const fs::path& file) {
    if (file.native().find('\0') != std::string::npos) {
        return false;
    }
    struct stat status {};
    if (stat(file.c_str(), &status) == 0) {
        return true;
    }
    if (errno == ENOENT || errno == ENOTDIR || errno == ELOOP) {
        return false;
    }
    throw SystemError("cannot look at the lock file " + shown(file), errno);
}

/// The running hash: everything is concatenated without separators.
class LockHasher {
public:
    LockHasher(const LockInputs& inputs, const Run& run) : run_(run) {
        all_.update(inputs.base_image);
        if (!inputs.enable_browser) {
            all_.update("False");
        }
        record(kind::kBase, "", inputs.base_image);
        record(kind::kBrowser, "", inputs.enable_browser ? "true" : "false");
    }

    void add_file(const fs::path& file, std::string_view name) {
        // O_NONBLOCK: a fifo must not make us wait for its writer.
        const FileDescriptor opened(open(file.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK));
        struct stat status {};
        if (!opened.valid() || fstat(opened.get(), &status) != 0) {
            throw SystemError("cannot read the lock file " + shown(file), errno);
        }
        if (S_ISDIR(status.st_mode)) {
            throw SystemError("cannot read the lock file " + shown(file), EISDIR);
        }
        if (!S_ISREG(status.st_mode)) {
            throw Error(ErrorCode::InvalidInput, "the lock file " + shown(file) + " is not a regular file");
        }
        auto& input = record(kind::kLockFile, name, "");
        input.size = add_content(opened.get(), file);
        input.value = "md5:" + one_file_.finish();
    }

    LockHash finish() { return {truncate_hash(all_.finish()), std::move(inputs_)}; }

private:
    RecordedInput& record(std::string_view kind, std::string_view name, std::string_view value) {
        inputs_.push_back({TagLevel::Lock, std::string(kind), std::string(name), std::string(value), 0, 0});
        return inputs_.back();
    }

    std::uint64_t add_content(int descriptor, const fs::path& file) {
        std::vector<std::byte> buffer(kStreamStep);
        std::uint64_t size = 0;
        for (;;) {
            run_.check();
            const auto count = read(descriptor, buffer.data(), buffer.size());
            if (count < 0 && errno == EINTR) {
                continue;
            }
            if (count < 0) {
                throw SystemError("cannot read the lock file " + shown(file), errno);
            }
            if (count == 0) {
                return size;
            }
            const Bytes chunk = Bytes(buffer).first(static_cast<std::size_t>(count));
            all_.update(chunk);
            one_file_.update(chunk);
            size += chunk.size();
        }
    }

    const Run& run_;
    MessageDigest all_{HashAlgorithm::Md5};
    MessageDigest one_file_{HashAlgorithm::Md5};
    std::vector<RecordedInput> inputs_;
};

/// The directory above, by name alone, as the originals go there.
fs::path parent_of(const fs::path& directory) {
    const auto clean = fs::absolute(directory).lexically_normal();
    return clean.has_filename() ? clean.parent_path() : clean.parent_path().parent_path();
}

/// Each file is looked up on its own: in the package's directory, then above it.
fs::path find_v0_file(const fs::path& package, const char* name) {
    auto inside = package / name;
    auto above = parent_of(package) / name;
    if (is_there(inside)) {
        return inside;
    }
    if (is_there(above)) {
        return above;
    }
    throw SystemError("cannot find the lock file " + shown(inside) + " nor " + shown(above), ENOENT);
}

}  // namespace

LockHash hash_locks_v0(const LockInputs& inputs, const Run& run) {
    if (!inputs.extra_files.empty()) {
        throw Error(ErrorCode::InvalidInput, "profile v0 has no extra lock files")
            .advise("its tags come from pyproject.toml and poetry.lock alone; use profile v1 or cooper");
    }
    LockHasher hasher(inputs, run);
    for (const char* const name : {"pyproject.toml", "poetry.lock"}) {
        hasher.add_file(find_v0_file(inputs.root, name), name);
    }
    return hasher.finish();
}

LockHash hash_locks_v1(const LockInputs& inputs, const Run& run) {
    LockHasher hasher(inputs, run);
    std::vector<std::string> names{"pyproject.toml", "uv.lock"};
    names.insert(names.end(), inputs.extra_files.begin(), inputs.extra_files.end());
    for (const auto& name : names) {
        const auto file = inputs.root / name;  // an absolute name replaces the root
        if (is_there(file)) {
            hasher.add_file(file, name);
        } else {
            run.progress->notice(NoticeLevel::Warning, "the lock file " + shown(file) +
                                                           " is missing and does not count in the tags, as in profile "
                                                           "v1's original");
        }
    }
    return hasher.finish();
}

std::string lock_hash_v0(const LockInputs& inputs, const Run& run) {
    return hash_locks_v0(inputs, run).digits;
}

std::string lock_hash_v1(const LockInputs& inputs, const Run& run) {
    return hash_locks_v1(inputs, run).digits;
}

}  // namespace cooper::build
