#include "build/tree/tree_walk.hpp"

#include "cooper/base/error.hpp"
#include "cooper/base/tar.hpp"

#include "base/beneath.hpp"
#include "base/workers.hpp"
#include "build/paths.hpp"
#include "oci/printable.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <condition_variable>
#include <map>
#include <mutex>
#include <optional>
#include <utility>

namespace cooper::build {

namespace {

constexpr std::uint64_t kMaxEntries = TarLimits().max_entries;

constexpr std::size_t kListing = 64 * 1024;  // names of a directory that one system call brings

unsigned char type_of(mode_t mode) {
    return static_cast<unsigned char>(IFTODT(mode));
}

/// The directories that still have to be listed. Ends when none is left and nobody lists one that could bring more.
class Backlog {
public:
    void add(std::vector<WalkedDirectory*>& found) {
        if (found.empty()) {
            return;
        }
        const std::scoped_lock lock(mutex_);
        waiting_.insert(waiting_.end(), found.begin(), found.end());
        found.clear();
        changed_.notify_all();
    }
    /// The next one, which done() must follow; nullptr at the end.
    WalkedDirectory* take(const Run& run) {
        std::unique_lock lock(mutex_);
        changed_.wait(lock, run.stop, [this] { return !waiting_.empty() || busy_ == 0; });
        run.check();
        if (waiting_.empty()) {
            return nullptr;
        }
        auto* next = waiting_.back();
        waiting_.pop_back();
        ++busy_;
        return next;
    }
    void done() {
        const std::scoped_lock lock(mutex_);
        if (--busy_ == 0 && waiting_.empty()) {
            changed_.notify_all();
        }
    }

private:
    std::mutex mutex_;
    std::condition_variable_any changed_;
    std::vector<WalkedDirectory*> waiting_;  // the newest is taken first: its inodes are warm, and fewer wait
    std::size_t busy_ = 0;
};

class Walk {
public:
    Walk(const FileDescriptor& root, const std::filesystem::path& name, const WalkRules& rules)
        : root_(root), name_(name), rules_(rules) {}

    WalkedTree walk(const Run& run) {
        auto top = std::make_unique<WalkedDirectory>();
        top->of_file.matched.resize(rules_.of_file.patterns().size());
        top->of_options.matched.resize(rules_.of_options.patterns().size());
        std::vector<WalkedDirectory*> begin;
        for (const auto& source : rules_.sources) {
            if (auto* directory = go_to(*top, source)) {
                begin.push_back(directory);
            }
        }
        backlog_.add(begin);
        if (rules_.threads < 2) {
            take_turns(run);
            return {std::move(top), entries_};
        }
        Workers workers(run);
        for (unsigned i = 0; i < rules_.threads; ++i) {
            workers.start([this, of_workers = workers.run()] { take_turns(of_workers); });
        }
        workers.join();
        return {std::move(top), entries_};
    }

private:
    [[nodiscard]] std::string shown(const std::string& path) const {
        return "'" + oci::printable((name_ / path).native(), kMaxPath) + "'";
    }

    void take_turns(const Run& run) {
        std::vector<char> listing(kListing);
        while (auto* directory = backlog_.take(run)) {
            auto found = list(*directory, listing, run);
            backlog_.add(found);
            backlog_.done();
        }
    }

    /// Makes the way from the top to a source. The directory that is to be listed, nullptr when it is a file or
    /// ignored.
    WalkedDirectory* go_to(WalkedDirectory& top, const std::string& source) {
        WalkedDirectory* here = &top;
        for (std::size_t end = 0; end < source.size(); ++end) {
            end = std::min(source.find('/', end), source.size());
            const auto path = source.substr(0, end);
            if (const auto known = ways_.find(path); known != ways_.end()) {
                here = known->second;
                continue;
            }
            struct stat status {};
            if (fstatat(root_.get(), path.c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0) {
                throw_absent_source(path, source, errno);
            }
            if (S_ISLNK(status.st_mode)) {
                throw Error(ErrorCode::InvalidInput, "the source " + shown(source) + " is reached through the link " +
                                                         shown(path) + ", which is not followed")
                    .advise("name the directory that it points to, below " + shown(""));
            }
            if (!S_ISDIR(status.st_mode) && end < source.size()) {
                throw_absent_source(path, source, ENOTDIR);
            }
            here = add(*here, path, type_of(status.st_mode), root_.get(), path.c_str());
            if (here == nullptr) {
                return nullptr;
            }
            ways_.emplace(path, here);
        }
        return here;
    }

    [[noreturn]] void throw_absent_source(const std::string& path, const std::string& source, int problem) const {
        if (problem != ENOENT && problem != ENOTDIR) {
            throw SystemError("cannot look at " + shown(path), problem);
        }
        throw Error(ErrorCode::NotFound, "there is no source " + shown(source))
            .advise("sources are named by their paths below " + shown(""));
    }

    /// `what` happened to `path` since its directory was listed, or since it was opened.
    [[noreturn]] void throw_changed(ErrorCode code, const std::string& path, const char* what) const {
        throw Error(code, shown(path) + what).advise("run it again when nothing writes to the tree");
    }

    /// With getdents64() itself: readdir() takes four more system calls and an allocation a directory.
    std::vector<WalkedDirectory*> list(WalkedDirectory& directory, std::vector<char>& listing, const Run& run) {
        const auto opened = open(directory.path);
        std::vector<WalkedDirectory*> below;
        for (;;) {
            run.check();
            const auto size = getdents64(opened.get(), listing.data(), listing.size());
            if (size == 0) {
                return below;
            }
            if (size < 0) {
                throw_unlisted(directory.path, errno);
            }
            for (auto next = listing.begin(); next != listing.begin() + size;) {
                const auto* entry = reinterpret_cast<const dirent64*>(&*next);
                next += entry->d_reclen;
                const std::string_view name = entry->d_name;
                if (name == "." || name == "..") {
                    continue;
                }
                auto* found =
                    add(directory, join_path(directory.path, name), entry->d_type, opened.get(), entry->d_name);
                if (found != nullptr) {
                    below.push_back(found);
                }
            }
        }
    }

    [[noreturn]] void throw_unlisted(const std::string& path, int problem) const {
        if (problem == ENOENT) {  // what the kernel says when the open directory was removed
            throw_changed(ErrorCode::NotFound, path, ": the directory was removed while it was read");
        }
        throw SystemError("cannot list " + shown(path), problem);
    }

    [[nodiscard]] FileDescriptor open(const std::string& path) const {
        auto opened = open_descriptor(path.empty() ? "." : path);
        if (!opened.valid()) {
            throw_unlisted(path, ENOENT);
        }
        return opened;
    }

    [[nodiscard]] FileDescriptor open_descriptor(const std::string& path) const {
        try {
            auto by_kernel = detail::open_beneath_by_kernel(root_.get(), path);
            return by_kernel ? std::move(*by_kernel) : detail::open_beneath_by_walk(root_.get(), path);
        } catch (const SystemError& error) {
            throw SystemError("cannot list " + shown(path), error.error_number());
        } catch (const Error&) {
            throw_changed(ErrorCode::Integrity, path, ": the directory was replaced by a symbolic link");
        }
    }

    /// Adds what stands at `at` below the descriptor, unless it is ignored. The directory that is to be listed next, if
    /// it is one.
    WalkedDirectory* add(WalkedDirectory& parent, std::string path, unsigned char type, int descriptor,
                         const char* at) {
        check_path(path);
        WalkedItem item;
        if (type == DT_UNKNOWN) {
            item.status = look_at(descriptor, at, path);
            type = type_of(item.status.st_mode);
        }
        auto of_file = rules_.of_file.ask(path, &parent.of_file);
        auto of_options = rules_.of_options.ask(path, &parent.of_options);
        item.excluded = of_file.excluded || of_options.excluded;
        if (item.excluded && (type != DT_DIR || rules_.of_file.excludes_all_below(path, of_file) ||
                              rules_.of_options.excludes_all_below(path, of_options))) {
            return nullptr;
        }
        if (entries_.fetch_add(1, std::memory_order_relaxed) >= kMaxEntries) {
            throw Error(ErrorCode::InvalidInput,
                        shown("") + " holds more than the limit of " + std::to_string(kMaxEntries) + " entries");
        }
        describe(item, type, descriptor, at, path);
        if (item.kind == EntryKind::Directory) {
            item.directory =
                std::make_unique<WalkedDirectory>(WalkedDirectory{path, std::move(of_file), std::move(of_options), {}});
        }
        item.path = std::move(path);
        parent.items.push_back(std::move(item));
        return parent.items.back().directory.get();
    }

    void describe(WalkedItem& item, unsigned char type, int descriptor, const char* at, const std::string& path) const {
        switch (type) {
            case DT_DIR:
                item.kind = EntryKind::Directory;
                return;
            case DT_LNK:
                item.kind = EntryKind::Symlink;
                item.link = read_link(descriptor, at, path);
                return;
            case DT_CHR:
            case DT_BLK:
                throw Error(ErrorCode::InvalidInput, shown(path) + " is a device, which is no content")
                    .advise("leave it out with an ignore pattern");
            case DT_REG:
                item.status = look_at(descriptor, at, path);
                if (!S_ISREG(item.status.st_mode)) {
                    throw_changed(ErrorCode::Integrity, path, " was replaced while its directory was read");
                }
                return;
            default:
                item.unfit = true;
        }
    }

    [[nodiscard]] FileStatus look_at(int descriptor, const char* at, const std::string& path) const {
        struct stat status {};
        if (fstatat(descriptor, at, &status, AT_SYMLINK_NOFOLLOW) == 0) {
            return status;
        }
        if (errno != ENOENT) {
            throw SystemError("cannot look at " + shown(path), errno);
        }
        throw_changed(ErrorCode::Integrity, path, " was removed while its directory was read");
    }

    [[nodiscard]] std::string read_link(int descriptor, const char* at, const std::string& path) const {
        std::string target(kMaxPath + 1, '\0');
        const auto length = readlinkat(descriptor, at, target.data(), target.size());
        if (length < 0) {
            throw SystemError("cannot read the link " + shown(path), errno);
        }
        target.resize(static_cast<std::size_t>(length));
        target.shrink_to_fit();
        return target;
    }

    const FileDescriptor& root_;
    const std::filesystem::path& name_;
    const WalkRules& rules_;
    std::map<std::string, WalkedDirectory*> ways_;  // to the sources
    Backlog backlog_;
    std::atomic<std::uint64_t> entries_ = 0;
};

}  // namespace

WalkedTree walk_tree(const FileDescriptor& root, const std::filesystem::path& name, const WalkRules& rules,
                     const Run& run) {
    return Walk(root, name, rules).walk(run);
}

}  // namespace cooper::build
