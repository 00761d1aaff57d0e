#include "build/tree/stat_cache.hpp"

#include "cooper/base/digest.hpp"
#include "cooper/base/error.hpp"
#include "cooper/base/text.hpp"

#include <fcntl.h>
#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <optional>
#include <string_view>
#include <system_error>

namespace cooper::build {

namespace {

constexpr std::array<char, 8> kMagic = {'c', 'o', 'o', 'p', 's', 't', 'a', 't'};
constexpr std::uint32_t kVersion = 1;
constexpr std::string_view kSuffix = ".stat";
constexpr std::size_t kIdentitySize = 64;
constexpr std::size_t kSumSize = 32;
constexpr std::size_t kMaxMemory = 512 * 1024 * 1024;  // two million files with long paths
constexpr std::size_t kMaxMemories = 100;              // about 2 MB each for trees of 20,000 files
constexpr std::size_t kMaxMachineFile = 4096;
constexpr std::uint8_t kMaxAge = 16;  // so often a file may be left out of what is asked before it is forgotten

constexpr std::int64_t kSecond = 1'000'000'000;
constexpr std::int64_t kTickMargin = kSecond / 50;     // times lag behind the clock by a tick: 10 ms at 100 Hz
constexpr std::int64_t kCoarseMargin = 2 * kSecond;    // FAT counts in steps of two seconds
constexpr std::int64_t kRemoteMargin = 300 * kSecond;  // how far clocks may differ where Kerberos is content

/// Nanoseconds since 1970; nullopt for times that 64 bits cannot hold.
std::optional<std::int64_t> nanoseconds_of(const timespec& time) {
    constexpr std::int64_t limit = INT64_MAX / kSecond - 1;
    if (time.tv_sec > limit || time.tv_sec < -limit) {
        return std::nullopt;
    }
    return time.tv_sec * kSecond + time.tv_nsec;
}

bool is_remote(int root) {
    constexpr std::uint32_t kSmb2 = 0xFE534D42;
    constexpr std::uint32_t kCifs = 0xFF534D42;
    constexpr std::uint32_t kFuse = 0x65735546;
    constexpr std::uint32_t kLustre = 0x0BD00BD0;
    struct statfs system {};
    if (fstatfs(root, &system) != 0) {
        return true;
    }
    switch (static_cast<std::uint32_t>(system.f_type)) {
        case NFS_SUPER_MAGIC:
        case SMB_SUPER_MAGIC:
        case CEPH_SUPER_MAGIC:
        case AFS_SUPER_MAGIC:
        case CODA_SUPER_MAGIC:
        case V9FS_MAGIC:
        case kSmb2:
        case kCifs:
        case kFuse:
        case kLustre:
            return true;
        default:
            return false;
    }
}

/// What no other machine has. Containers often share an image's machine-id or have none: then the kernel's boot.
std::string machine() {
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

std::string digest_of_parts(std::initializer_list<std::string_view> parts) {
    Hasher hasher;
    for (const auto part : parts) {
        hasher.update(std::to_string(part.size()) + ":");
        hasher.update(part);
    }
    return std::string(hasher.finish().hex());
}

/// `path` and what is missing above it, for nobody else to look into.
void make_directories(const std::filesystem::path& path) {
    std::filesystem::path made;
    for (const auto& component : path) {
        made /= component;
        mkdir(made.c_str(), 0700);  // that it failed shows when the file is written
    }
}

/// The oldest memories go when there are too many, such as those of checkouts in ever new directories.
void limit_memories(const std::filesystem::path& directory) {
    std::vector<std::pair<std::filesystem::file_time_type, std::filesystem::path>> memories;
    for (const auto& item : std::filesystem::directory_iterator(directory)) {
        if (item.path().native().ends_with(kSuffix)) {
            memories.emplace_back(item.last_write_time(), item.path());
        }
    }
    if (memories.size() <= kMaxMemories) {
        return;
    }
    std::sort(memories.begin(), memories.end());
    memories.resize(memories.size() - kMaxMemories);
    for (const auto& [time, path] : memories) {
        std::filesystem::remove(path);
    }
}

template <class T>
void append_raw(std::string& text, const T& value) {
    static_assert(std::has_unique_object_representations_v<T>, "padding would be written");
    text.append(reinterpret_cast<const char*>(&value), sizeof value);
}

}  // namespace

struct StatCache::Header {
    std::array<char, 8> magic;
    std::uint32_t version;
    std::uint32_t digest_size;
    std::uint64_t root_device;
    std::uint64_t root_inode;
    std::array<char, kIdentitySize> identity;

    bool operator==(const Header&) const = default;
};

/// The digest and the path follow.
struct StatCache::Record {
    std::uint64_t device;
    std::uint64_t inode;
    std::uint64_t size;
    std::int64_t mtime;
    std::int64_t ctime;
    std::uint32_t mode;
    std::uint16_t path_size;
    std::uint16_t age;  ///< how many memories ago the file was asked for

    static std::optional<Record> of(const FileToHash& file) {
        const auto mtime = nanoseconds_of(file.status.st_mtim);
        const auto ctime = nanoseconds_of(file.status.st_ctim);
        if (!mtime || !ctime || file.path.size() > UINT16_MAX) {
            return std::nullopt;
        }
        return Record{file.status.st_dev,
                      file.status.st_ino,
                      static_cast<std::uint64_t>(file.status.st_size),
                      *mtime,
                      *ctime,
                      file.status.st_mode,
                      static_cast<std::uint16_t>(file.path.size()),
                      0};
    }
    [[nodiscard]] bool is_same_file(const Record& other) const {
        return device == other.device && inode == other.inode && size == other.size && mtime == other.mtime &&
               ctime == other.ctime && mode == other.mode;
    }
};

struct StatCache::Entry {
    Record record{};
    std::string_view digest;
    std::string_view path;
};

/// The entries of a memory, one after another; ends early where they make no sense.
class StatCache::Reader {
public:
    explicit Reader(const StatCache& cache) : digest_size_(cache.digest_size_) {
        if (!cache.memory_.empty()) {
            rest_ = cache.memory_;
            rest_.remove_prefix(sizeof(Header));
            rest_.remove_suffix(kSumSize);
        }
        next();
    }
    /// nullptr at the end.
    [[nodiscard]] const Entry* get() const { return valid_ ? &entry_ : nullptr; }
    void next() {
        valid_ = false;
        if (rest_.size() < sizeof(Record) + digest_size_) {
            return;
        }
        std::memcpy(&entry_.record, rest_.data(), sizeof(Record));
        entry_.digest = rest_.substr(sizeof(Record), digest_size_);
        rest_.remove_prefix(sizeof(Record) + digest_size_);
        valid_ = rest_.size() >= entry_.record.path_size;
        if (valid_) {
            entry_.path = rest_.substr(0, entry_.record.path_size);
            rest_.remove_prefix(entry_.record.path_size);
        }
    }

private:
    std::size_t digest_size_;
    std::string_view rest_;
    Entry entry_;
    bool valid_ = false;
};

StatCache::StatCache(const FileDescriptor& root, const std::filesystem::path& name, const FileHashOptions& options)
    : directory_(options.cache_directory), digest_size_(hex_digest(options.algorithm, "").size() / 2) {
    try {
        if (fstat(root.get(), &root_) != 0) {
            return;
        }
        remote_ = is_remote(root.get());
        identity_ = digest_of_parts({machine(), std::filesystem::canonical(name).native(), to_string(options.algorithm),
                                     options.follow_links ? "links are followed" : "links are refused"});
        load();
    } catch (const std::exception&) {
        memory_.clear();  // every file is read instead
    }
}

StatCache::Header StatCache::make_header() const {
    Header header{kMagic, kVersion, static_cast<std::uint32_t>(digest_size_), root_.st_dev, root_.st_ino, {}};
    std::copy_n(identity_.begin(), kIdentitySize, header.identity.begin());
    return header;
}

void StatCache::load() {
    const auto path = directory_ / (identity_.substr(0, 32) + std::string(kSuffix));
    const FileDescriptor file(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY));
    struct stat status {};
    // Whoever else may write the file could make us believe anything.
    if (!file.valid() || fstat(file.get(), &status) != 0 || !S_ISREG(status.st_mode) || status.st_uid != geteuid() ||
        (status.st_mode & (S_IWGRP | S_IWOTH)) != 0) {
        return;
    }
    const auto size = static_cast<std::uint64_t>(status.st_size);
    if (size < sizeof(Header) + kSumSize || size > kMaxMemory) {
        return;
    }
    std::string memory(size, '\0');
    if (pread(file.get(), memory.data(), memory.size(), 0) != status.st_size) {
        return;
    }
    Header header{};
    std::memcpy(&header, memory.data(), sizeof header);
    const auto bytes = as_bytes(memory);
    const auto sum = Digest::from_raw(DigestAlgorithm::Sha256, bytes.last(kSumSize));
    if (header == make_header() && sum == sha256(bytes.first(bytes.size() - kSumSize))) {
        memory_ = std::move(memory);
    }
}

void StatCache::recall(const std::vector<FileToHash>& files, const std::vector<std::size_t>& order, std::int64_t now,
                       std::vector<std::string>& hex) const {
    Reader reader(*this);
    for (const std::size_t i : order) {
        const auto& file = files[i];
        int compared = -1;
        while (reader.get() != nullptr && (compared = reader.get()->path.compare(file.path)) < 0) {
            reader.next();
        }
        if (reader.get() == nullptr) {
            return;
        }
        const auto& known = *reader.get();
        const auto record = compared == 0 ? Record::of(file) : std::nullopt;
        // A clock that was set back since could give a changed file the time it had before.
        if (record && record->is_same_file(known.record) && record->mtime < now && record->ctime < now) {
            hex[i] = to_hex(as_bytes(known.digest));
        }
    }
}

/// Whatever is written to the file from `began` on gives it another time.
bool StatCache::is_settled(const FileStatus& status, std::int64_t began) const {
    const auto mtime = nanoseconds_of(status.st_mtim);
    const auto ctime = nanoseconds_of(status.st_ctim);
    const bool coarse = status.st_mtim.tv_nsec == 0 && status.st_ctim.tv_nsec == 0;
    // What is mounted below the root was not asked what it is.
    const bool remote = remote_ || status.st_dev != root_.st_dev;
    const auto margin = remote ? kRemoteMargin : coarse ? kCoarseMargin : kTickMargin;
    return mtime && ctime && *mtime < began - margin && *ctime < began - margin;
}

void StatCache::remember(const std::vector<FileToHash>& files, const std::vector<std::size_t>& order,
                         const std::vector<std::string>& hex, const std::vector<std::int64_t>& began) const noexcept {
    const bool any_new = std::any_of(order.begin(), order.end(), [&](std::size_t i) {
        return began[i] != 0 && is_settled(files[i].status, began[i]);
    });
    if (!any_new || identity_.empty()) {
        return;
    }
    try {
        write(compose(files, order, hex, began));
    } catch (const std::exception&) {
        // A full disk or a directory that is not ours: the digests are right all the same.
    }
}

std::string StatCache::compose(const std::vector<FileToHash>& files, const std::vector<std::size_t>& order,
                               const std::vector<std::string>& hex, const std::vector<std::int64_t>& began) const {
    std::string memory;
    memory.reserve(memory_.size() + files.size() * (sizeof(Record) + digest_size_ + 64));
    append_raw(memory, make_header());
    const auto add = [&](const Record& record, std::string_view digest, std::string_view path) {
        append_raw(memory, record);
        memory += digest;
        memory += path;
    };
    Reader reader(*this);
    const auto keep_others_before = [&](const std::string* path) {
        for (; reader.get() != nullptr && (path == nullptr || reader.get()->path < *path); reader.next()) {
            auto record = reader.get()->record;
            if (record.age < kMaxAge) {
                ++record.age;
                add(record, reader.get()->digest, reader.get()->path);
            }
        }
    };
    const std::string* last = nullptr;
    for (const std::size_t i : order) {
        const auto& file = files[i];
        keep_others_before(&file.path);
        if (reader.get() != nullptr && reader.get()->path == file.path) {
            reader.next();
        }
        const auto record = Record::of(file);
        const bool again = last != nullptr && *last == file.path;
        if (record && !again && (began[i] == 0 || is_settled(file.status, began[i]))) {
            add(*record, from_hex(hex[i]).value(), file.path);
        }
        last = &file.path;
    }
    keep_others_before(nullptr);
    const auto sum = sha256(memory);
    memory += from_hex(sum.hex()).value();
    return memory;
}

void StatCache::write(const std::string& memory) const {
    if (memory.size() > kMaxMemory) {
        return;
    }
    make_directories(directory_);
    AtomicFile file(directory_ / (identity_.substr(0, 32) + std::string(kSuffix)));
    if (fchmod(file.descriptor(), 0600) != 0) {
        return;
    }
    file.write(as_bytes(memory));
    file.commit();
    limit_memories(directory_);
}

}  // namespace cooper::build
