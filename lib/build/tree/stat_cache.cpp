#include "build/tree/stat_cache.hpp"

#include "cooper/base/digest.hpp"
#include "cooper/base/error.hpp"
#include "cooper/base/text.hpp"

#include "build/memory_file.hpp"
#include "build/tree/file_times.hpp"

#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <optional>
#include <string_view>

namespace cooper::build {

namespace {

constexpr std::array<char, 8> kMagic = {'c', 'o', 'o', 'p', 's', 't', 'a', 't'};
constexpr std::uint32_t kVersion = 1;
constexpr std::string_view kSuffix = ".stat";
constexpr std::size_t kIdentitySize = 64;
constexpr std::size_t kMaxMemory = 512 * 1024 * 1024;  // two million files with long paths
constexpr std::size_t kMaxMemories = 100;              // about 2 MB each for trees of 20,000 files
constexpr std::uint8_t kMaxAge = 16;  // so often a file may be left out of what is asked before it is forgotten

std::string digest_of_parts(std::initializer_list<std::string_view> parts) {
    Hasher hasher;
    for (const auto part : parts) {
        hasher.update(std::to_string(part.size()) + ":");
        hasher.update(part);
    }
    return std::string(hasher.finish().hex());
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
        remote_ = has_remote_times(root.get());
        identity_ = digest_of_parts({machine_identity(), std::filesystem::canonical(name).native(),
                                     to_string(options.algorithm),
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
    auto memory = read_memory(path(), kMaxMemory);
    Header header{};
    if (!memory || memory->size() < sizeof header) {
        return;
    }
    std::memcpy(&header, memory->data(), sizeof header);
    if (header == make_header()) {
        memory_ = std::move(*memory);
    }
}

std::filesystem::path StatCache::path() const {
    return directory_ / (identity_.substr(0, 32) + std::string(kSuffix));
}

bool StatCache::is_certain(const FileStatus& status, std::int64_t began) const {
    // What is mounted below the root was not asked what it is.
    return is_settled(status.st_mtim, status.st_ctim, began, remote_ || status.st_dev != root_.st_dev);
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

void StatCache::remember(const std::vector<FileToHash>& files, const std::vector<std::size_t>& order,
                         const std::vector<std::string>& hex, const std::vector<std::int64_t>& began) const noexcept {
    const bool any_new = std::any_of(order.begin(), order.end(), [&](std::size_t i) {
        return began[i] != 0 && is_certain(files[i].status, began[i]);
    });
    if (!any_new || identity_.empty()) {
        return;
    }
    try {
        auto memory = compose(files, order, hex, began);
        if (memory.size() + kMemorySum > kMaxMemory) {
            return;
        }
        write_memory(path(), std::move(memory));
        limit_memories(directory_, kSuffix, kMaxMemories);
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
        if (record && !again && (began[i] == 0 || is_certain(file.status, began[i]))) {
            add(*record, from_hex(hex[i]).value(), file.path);
        }
        last = &file.path;
    }
    keep_others_before(nullptr);
    return memory;
}

}  // namespace cooper::build
