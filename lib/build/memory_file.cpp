#include "build/memory_file.hpp"

#include "cooper/base/digest.hpp"
#include "cooper/base/error.hpp"
#include "cooper/base/files.hpp"
#include "cooper/base/text.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <vector>

namespace cooper::build {

namespace {

constexpr std::size_t kMaxMachineFile = 4096;

/// `path` and what is missing above it, for nobody else to look into.
void make_directories(const std::filesystem::path& path) {
    std::filesystem::path made;
    for (const auto& component : path) {
        made /= component;
        mkdir(made.c_str(), 0700);  // that it failed shows when the file is written
    }
}

}  // namespace

std::optional<std::string> read_memory(const std::filesystem::path& path, std::size_t limit) {
    const FileDescriptor file(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY));
    struct stat status {};
    if (!file.valid() || fstat(file.get(), &status) != 0 || !S_ISREG(status.st_mode) || status.st_uid != geteuid() ||
        (status.st_mode & (S_IWGRP | S_IWOTH)) != 0) {
        return std::nullopt;
    }
    const auto size = static_cast<std::uint64_t>(status.st_size);
    if (size < kMemorySum || size > limit) {
        return std::nullopt;
    }
    std::string memory(size, '\0');
    if (pread(file.get(), memory.data(), memory.size(), 0) != status.st_size) {
        return std::nullopt;
    }
    const auto bytes = as_bytes(memory);
    const auto sum = Digest::from_raw(DigestAlgorithm::Sha256, bytes.last(kMemorySum));
    if (sum != sha256(bytes.first(bytes.size() - kMemorySum))) {
        return std::nullopt;
    }
    memory.resize(memory.size() - kMemorySum);
    return memory;
}

void write_memory(const std::filesystem::path& path, std::string content) {
    make_directories(path.parent_path());
    AtomicFile file(path);
    if (fchmod(file.descriptor(), 0600) != 0) {
        throw SystemError("cannot set the mode of '" + path.string() + "'", errno);
    }
    const auto sum = sha256(content);
    content += from_hex(sum.hex()).value();
    file.write(as_bytes(content));
    file.commit();
}

void limit_memories(const std::filesystem::path& directory, std::string_view suffix, std::size_t most) {
    std::vector<std::pair<std::filesystem::file_time_type, std::filesystem::path>> memories;
    std::error_code vanished;  // another process limits them too
    for (const auto& item : std::filesystem::directory_iterator(directory)) {
        if (item.path().native().ends_with(suffix)) {
            memories.emplace_back(item.last_write_time(vanished), item.path());
        }
    }
    if (memories.size() <= most) {
        return;
    }
    std::sort(memories.begin(), memories.end());
    memories.resize(memories.size() - most);
    for (const auto& [time, path] : memories) {
        std::filesystem::remove(path);
    }
}

std::string machine_identity() {
    std::string text;
    for (const auto* path : {"/etc/machine-id", "/var/lib/dbus/machine-id", "/proc/sys/kernel/random/boot_id"}) {
        const auto found = find_file(path, kMaxMachineFile);
        text = found ? std::string(trim(*found)) : "";
        if (!text.empty()) {
            break;
        }
    }
    std::array<char, 256> host{};
    gethostname(host.data(), host.size() - 1);
    return text + "\n" + host.data();
}

}  // namespace cooper::build
