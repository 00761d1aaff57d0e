#include "build/copy/copy_entries.hpp"

#include "cooper/base/error.hpp"
#include "cooper/base/tar.hpp"

#include "build/apply/metadata.hpp"
#include "build/paths.hpp"

#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <map>
#include <string_view>

namespace cooper::build {

namespace {

constexpr std::size_t kMaxXattrNames = 64 * 1024;  // XATTR_LIST_MAX; XATTR_SIZE_MAX is the same
constexpr std::size_t kMaxEntries = TarLimits().max_entries;

bool is_absent(int error_number) {
    return error_number == ENODATA || error_number == ENOTSUP;
}

}  // namespace

std::string CopyItem::source_path(const CopyEntry& entry) const {
    return entry.path.empty() ? root : root.empty() ? entry.path : join_path(root, entry.path);
}

CopyEntry EntryReader::read_file(const FoundSource& source) {
    CopyEntry entry;
    describe(entry, source.path, source.status);
    return entry;
}

void EntryReader::describe(CopyEntry& entry, const std::string& path, const struct stat& status) {
    entry.type = status.st_mode & S_IFMT;
    entry.attributes.mode = status.st_mode & 07777U;
    entry.attributes.mtime = std::clamp<std::int64_t>(status.st_mtim.tv_sec, 0, std::max<std::int64_t>(epoch_, 0));
    if (S_ISREG(status.st_mode)) {
        entry.status = status;
    } else if (S_ISLNK(status.st_mode)) {
        entry.link = root_.read_link(path);
    } else if (S_ISCHR(status.st_mode) || S_ISBLK(status.st_mode)) {
        entry.device = status.st_rdev;
    }
    if (tree_ != nullptr) {
        std::tie(entry.attributes.uid, entry.attributes.gid) = tree_->owner("/" + path);
        if (S_ISREG(status.st_mode) || S_ISDIR(status.st_mode)) {
            entry.attributes.xattrs = xattrs_of(path);
        }
    }
}

/// Sorted. Those that no image has (labels of the system, marks of overlay mounts) are left out.
std::vector<std::pair<std::string, std::string>> EntryReader::xattrs_of(const std::string& path) const {
    std::vector<std::pair<std::string, std::string>> xattrs;
    const FileDescriptor file = root_.open(path);
    std::array<char, kMaxXattrNames> names;
    const ssize_t size = file.valid() ? flistxattr(file.get(), names.data(), names.size()) : 0;
    if (size < 0 && !is_absent(errno)) {
        throw SystemError("cannot list the extended attributes of " + root_.shown(path), errno);
    }
    std::string_view rest(names.data(), static_cast<std::size_t>(std::max<ssize_t>(size, 0)));
    while (!rest.empty()) {
        const std::string name(rest.substr(0, rest.find('\0')));
        rest.remove_prefix(std::min(name.size() + 1, rest.size()));
        if (!reason_to_leave_out(name, true).empty()) {
            continue;
        }
        std::string value(kMaxXattrNames, '\0');
        const ssize_t length = fgetxattr(file.get(), name.c_str(), value.data(), value.size());
        if (length >= 0) {
            value.resize(static_cast<std::size_t>(length));
            value.shrink_to_fit();
            xattrs.emplace_back(name, std::move(value));
        } else if (!is_absent(errno)) {
            throw SystemError("cannot read the extended attribute " + name + " of " + root_.shown(path), errno);
        }
    }
    std::sort(xattrs.begin(), xattrs.end());
    return xattrs;
}

/// One directory with all below it.
class EntryReader::Walk {
public:
    Walk(EntryReader& reader, const FoundSource& top, const CopyFilter& filter)
        : reader_(reader), top_(top.path), filter_(filter) {}

    /// `relative`: the directory below the top. True when something was found.
    bool walk(const std::string& relative, const Dockerignore::Answer& hidden, const Dockerignore::Answer* excluded,
              bool included) {
        const std::size_t before = entries_.size();
        const std::string directory = relative.empty() ? top_ : top_.empty() ? relative : join_path(top_, relative);
        for (const ListedName& listed : reader_.root_.list(directory, hidden)) {
            reader_.run_.check();
            add(relative, directory, listed, excluded, included);
        }
        return entries_.size() > before;
    }
    std::vector<CopyEntry> take() { return std::move(entries_); }

private:
    void add(const std::string& directory, const std::string& source, const ListedName& listed,
             const Dockerignore::Answer* parent, bool included) {
        if (S_ISSOCK(listed.status.st_mode)) {
            return;
        }
        const std::string relative = join_path(directory, listed.name);
        Dockerignore::Answer answer;
        if (filter_.exclude != nullptr) {
            answer = filter_.exclude->ask(relative, parent);
        }
        included = included || filter_.include == nullptr || filter_.include->matches(relative);
        const bool wanted = included && !answer.excluded && !listed.hidden;
        if (!S_ISDIR(listed.status.st_mode)) {
            if (wanted) {
                push(relative, join_path(source, listed.name), listed.status);
            }
            return;
        }
        if ((answer.excluded && filter_.exclude->excludes_all_below(relative, answer)) ||
            (!included && !filter_.include->may_match_below(relative))) {
            return;
        }
        push(relative, join_path(source, listed.name), listed.status);
        const bool holds = walk(relative, listed.answer, filter_.exclude != nullptr ? &answer : nullptr, included);
        if (!wanted && !holds) {
            entries_.pop_back();
        }
    }

    void push(const std::string& relative, const std::string& path, const struct stat& status) {
        if (entries_.size() >= kMaxEntries) {
            throw Error(ErrorCode::InvalidInput,
                        reader_.root_.shown(top_) + " holds more than " + std::to_string(kMaxEntries) + " files");
        }
        CopyEntry entry;
        entry.path = relative;
        reader_.describe(entry, path, status);
        if (S_ISREG(status.st_mode) && status.st_nlink > 1) {
            const auto [at, fresh] = linked_.try_emplace({status.st_dev, status.st_ino}, entries_.size());
            if (!fresh) {
                entry.same_file = at->second;
            }
        }
        entries_.push_back(std::move(entry));
    }

    EntryReader& reader_;
    const std::string& top_;
    const CopyFilter& filter_;
    std::vector<CopyEntry> entries_;
    std::map<std::pair<dev_t, ino_t>, std::size_t> linked_;
};

std::vector<CopyEntry> EntryReader::read_directory(const FoundSource& source, const CopyFilter& filter) {
    Walk walk(*this, source, filter);
    walk.walk("", source.answer, nullptr, filter.include == nullptr);
    return walk.take();
}

}  // namespace cooper::build
