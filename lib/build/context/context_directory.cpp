#include "cooper/base/digest.hpp"
#include "cooper/base/error.hpp"
#include "cooper/base/files.hpp"
#include "cooper/base/text.hpp"
#include "cooper/build/context.hpp"

#include "build/paths.hpp"
#include "oci/printable.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <optional>

namespace cooper::build {

namespace {

constexpr const char* kListName = ".cooper-context";
constexpr std::string_view kListHead = "cooper.context-list/v1";
constexpr std::size_t kMaxList = 1024 * 1024;
constexpr std::size_t kMaxListed = 4096;
constexpr std::size_t kFields = 5;

/// A context that was written. Size and digest alone would let whoever commits a list to a repository name files that
/// he put there as well: inode and ctime are this very file's, on this machine.
struct Listed {
    Digest digest;
    std::uint64_t size = 0;
    std::uint64_t inode = 0;
    std::uint64_t changed = 0;  // ctime, nanoseconds since 1970
    std::string name;
};

std::uint64_t change_time(const struct stat& status) {
    return static_cast<std::uint64_t>(status.st_ctim.tv_sec) * 1'000'000'000U +
           static_cast<std::uint64_t>(status.st_ctim.tv_nsec);
}

bool is_listable(std::string_view name) {
    return !name.empty() && name != "." && name != ".." && name != kListName &&
           name.find('/') == std::string_view::npos && std::none_of(name.begin(), name.end(), [](char character) {
               return static_cast<unsigned char>(character) < 0x20;
           });
}

std::optional<Listed> parse_line(std::string_view line) {
    std::array<std::string_view, kFields> fields;
    for (std::size_t i = 0; i + 1 < kFields; ++i) {
        const auto blank = line.find(' ');
        if (blank == std::string_view::npos) {
            return std::nullopt;
        }
        fields[i] = line.substr(0, blank);
        line.remove_prefix(blank + 1);
    }
    const auto digest = Digest::try_parse(fields[0]);
    const auto size = parse_uint(fields[1]);
    const auto inode = parse_uint(fields[2]);
    const auto changed = parse_uint(fields[3]);
    if (!digest || digest->algorithm() != DigestAlgorithm::Sha256 || !size || !inode || !changed ||
        !is_listable(line)) {
        return std::nullopt;
    }
    return Listed{*digest, *size, *inode, *changed, std::string(line)};
}

std::string format_list(const std::vector<Listed>& list) {
    std::string text(kListHead);
    text += '\n';
    for (const auto& one : list) {
        text += one.digest.text() + " " + std::to_string(one.size) + " " + std::to_string(one.inode) + " " +
                std::to_string(one.changed) + " " + one.name + "\n";
    }
    return text;
}

/// The open directory. What is done in it is done to what it holds, wherever its path leads by then.
class OpenDirectory {
public:
    /// nullopt: there is none.
    static std::optional<OpenDirectory> open(const std::filesystem::path& path) {
        FileDescriptor opened(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
        if (!opened.valid() && errno == ENOENT) {
            return std::nullopt;
        }
        if (!opened.valid()) {
            throw SystemError("cannot use the output directory " + shown(path.native()), errno);
        }
        return OpenDirectory(std::move(opened), path);
    }

    static std::string shown(const std::string& path) { return "'" + oci::printable(path, kMaxPath) + "'"; }
    [[nodiscard]] std::string shown_in(const std::string& name) const { return shown((path_ / name).native()); }

    /// Held until this object goes: two commands must not write one list.
    void lock() const {
        int locked = 0;
        do {
            locked = flock(directory_.get(), LOCK_EX);
        } while (locked != 0 && errno == EINTR);
        if (locked != 0 && errno != ENOLCK && errno != EOPNOTSUPP && errno != EINVAL) {
            throw SystemError("cannot lock the output directory " + shown(path_.native()), errno);
        }
    }

    /// nullopt: what is there is no list. Lines that cannot be understood are nobody's.
    [[nodiscard]] std::optional<std::vector<Listed>> read_list() const {
        std::vector<Listed> list;
        const FileDescriptor file(open_entry(kListName));
        if (!file.valid()) {
            return errno == ENOENT ? std::optional(std::move(list)) : std::nullopt;
        }
        struct stat status {};
        if (fstat(file.get(), &status) != 0 || !S_ISREG(status.st_mode) ||
            static_cast<std::uint64_t>(status.st_size) > kMaxList) {
            return std::nullopt;
        }
        const auto text = read_whole(file, static_cast<std::size_t>(status.st_size));
        const auto lines = split(text, '\n');
        if (lines.front() != kListHead) {
            return std::nullopt;
        }
        for (const auto line : lines) {
            if (auto one = parse_line(line); one && list.size() < kMaxListed) {
                list.push_back(*std::move(one));
            }
        }
        return list;
    }

    enum class State : std::uint8_t { Absent, Ours, Foreign };

    [[nodiscard]] State state_of(const Listed& listed, const Run& run) const {
        const FileDescriptor file(open_entry(listed.name.c_str()));
        if (!file.valid()) {
            return errno == ENOENT ? State::Absent : State::Foreign;
        }
        struct stat status {};
        if (fstat(file.get(), &status) != 0 || !is_unchanged(status, listed)) {
            return State::Foreign;
        }
        return hash(file, run) == listed.digest ? State::Ours : State::Foreign;
    }

    [[nodiscard]] bool exists(const std::string& name) const {
        struct stat status {};
        return fstatat(directory_.get(), name.c_str(), &status, AT_SYMLINK_NOFOLLOW) == 0;
    }

    /// Removes a file that state_of() called ours, unless another stands there by now.
    [[nodiscard]] bool remove(const Listed& listed) const {
        struct stat status {};
        if (fstatat(directory_.get(), listed.name.c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0 ||
            !is_unchanged(status, listed)) {
            return false;
        }
        if (unlinkat(directory_.get(), listed.name.c_str(), 0) != 0) {
            throw SystemError("cannot remove " + shown_in(listed.name), errno);
        }
        return true;
    }

    void remove_list() const {
        if (unlinkat(directory_.get(), kListName, 0) != 0 && errno != ENOENT) {
            throw SystemError("cannot remove " + shown_in(kListName), errno);
        }
    }

    /// What stands at the name of a context that was just written.
    [[nodiscard]] Listed list_entry(const WrittenContext& written, const std::string& name) const {
        struct stat status {};
        if (fstatat(directory_.get(), name.c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0) {
            throw SystemError("cannot look at " + shown_in(name), errno);
        }
        return {written.digest, written.size, status.st_ino, change_time(status), name};
    }

private:
    OpenDirectory(FileDescriptor directory, std::filesystem::path path)
        : directory_(std::move(directory)), path_(std::move(path)) {}

    /// O_NONBLOCK: a fifo must not make us wait for its writer.
    [[nodiscard]] int open_entry(const char* name) const {
        return openat(directory_.get(), name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
    }

    static bool is_unchanged(const struct stat& status, const Listed& listed) {
        return S_ISREG(status.st_mode) && static_cast<std::uint64_t>(status.st_size) == listed.size &&
               status.st_ino == listed.inode && change_time(status) == listed.changed;
    }

    [[nodiscard]] std::string read_whole(const FileDescriptor& file, std::size_t size) const {
        std::string text(size, '\0');
        const auto count = pread(file.get(), text.data(), text.size(), 0);
        if (count < 0) {
            throw SystemError("cannot read " + shown_in(kListName), errno);
        }
        text.resize(static_cast<std::size_t>(count));
        return text;
    }

    [[nodiscard]] Digest hash(const FileDescriptor& file, const Run& run) const {
        const FileRanged whole(FileDescriptor(fcntl(file.get(), F_DUPFD_CLOEXEC, 0)), path_);
        const auto content = whole.open();
        std::vector<std::byte> buffer(kStreamStep);
        Hasher hasher;
        while (const auto count = content->read(buffer)) {
            run.check();
            hasher.update(Bytes(buffer).first(count));
        }
        return hasher.finish();
    }

    FileDescriptor directory_;
    std::filesystem::path path_;
};

Error foreign_list(const OpenDirectory& directory) {
    Error error(ErrorCode::InvalidInput, directory.shown_in(kListName) + " is no list of contexts that cooper wrote");
    error.advise("remove it, or give another --output-dir");
    return error;
}

/// Throws unless a file of this name may be written.
void check_free(const OpenDirectory& directory, const std::string& name, const Run& run) {
    const auto list = directory.read_list();
    if (!list) {
        throw foreign_list(directory);
    }
    if (!directory.exists(name)) {
        return;
    }
    for (const auto& listed : *list) {
        if (listed.name == name && directory.state_of(listed, run) == OpenDirectory::State::Ours) {
            return;
        }
    }
    Error error(ErrorCode::InvalidInput, directory.shown_in(name) + " exists, and cooper did not write it");
    error.advise("give another --output-name or --output-dir, or remove it");
    throw error;
}

}  // namespace

ContextDirectory::ContextDirectory(std::filesystem::path directory) : directory_(std::move(directory)) {}

std::vector<std::string> ContextDirectory::clean(const Run& run) {
    std::vector<std::string> removed;
    const auto directory = OpenDirectory::open(directory_);
    if (!directory) {
        return removed;
    }
    directory->lock();
    const auto list = directory->read_list();
    if (!list) {
        run.progress->notice(NoticeLevel::Warning,
                             "nothing is cleaned: " + std::string(foreign_list(*directory).what()));
        return removed;
    }
    for (const auto& listed : *list) {
        const auto state = directory->state_of(listed, run);
        if (state == OpenDirectory::State::Ours && directory->remove(listed)) {
            removed.push_back(listed.name);
        } else if (state != OpenDirectory::State::Absent) {
            run.progress->notice(NoticeLevel::Warning,
                                 "kept " + directory->shown_in(listed.name) + ": it is not as cooper wrote it");
        }
    }
    if (!list->empty()) {
        directory->remove_list();
    }
    return removed;
}

WrittenContext ContextDirectory::write(const BuildContext& context, const std::string& name, const Run& run) {
    if (!is_listable(name)) {
        throw Error(ErrorCode::InvalidInput, "'" + oci::printable(name) + "' cannot be the name of a build context")
            .advise("give a file's name without a directory, such as context.tar.gz");
    }
    std::error_code problem;
    std::filesystem::create_directories(directory_, problem);
    if (problem && !std::filesystem::is_directory(directory_)) {
        throw SystemError("cannot make the output directory " + OpenDirectory::shown(directory_.native()),
                          problem.value());
    }
    const auto directory = OpenDirectory::open(directory_);
    if (!directory) {
        throw SystemError("cannot use the output directory " + OpenDirectory::shown(directory_.native()), ENOENT);
    }
    check_free(*directory, name, run);
    auto written = write_context(context, directory_ / name, run);
    directory->lock();
    auto list = directory->read_list();
    if (!list) {
        throw foreign_list(*directory);
    }
    std::erase_if(*list, [&](const Listed& listed) { return listed.name == name; });
    list->push_back(directory->list_entry(written, name));
    write_file(directory_ / kListName, format_list(*list));
    return written;
}

}  // namespace cooper::build
