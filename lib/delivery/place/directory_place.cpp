// A directory tree as a place: the bucket's layout and the bucket's promises, by rename and flock.
#include "cooper/base/error.hpp"
#include "cooper/base/file_digest.hpp"
#include "cooper/base/files.hpp"
#include "cooper/base/text.hpp"
#include "cooper/delivery/place.hpp"

#include "delivery/place/facts.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>

#include <algorithm>
#include <atomic>
#include <cerrno>

namespace cooper::delivery {
namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t kPartSize = 8ULL << 20;
constexpr std::size_t kMaxText = 64 * 1024 * 1024;
constexpr std::string_view kLockName = ".cooper.lock";
constexpr std::string_view kStagedDirectory = ".staged";
constexpr std::chrono::milliseconds kLockPoll{5};
constexpr std::size_t kMaxElement = 255;  // bytes of a name, on nearly every file system
constexpr int kDirectoryTries = 16;       // against another writer that tidies up the same directory

/// An exclusive lock between processes and threads, held while it lives.
class DirectoryLock {
public:
    /// nullopt when another holds it.
    static std::optional<DirectoryLock> try_take(const fs::path& root) {
        const fs::path path = root / kLockName;
        FileDescriptor file(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0666));
        if (!file.valid()) {
            throw SystemError("cannot open the lock " + path.string(), errno);
        }
        if (::flock(file.get(), LOCK_EX | LOCK_NB) == 0) {
            return DirectoryLock(std::move(file));
        }
        if (errno != EWOULDBLOCK && errno != EINTR) {
            throw SystemError("cannot lock " + path.string(), errno);
        }
        return std::nullopt;
    }

    static DirectoryLock take(const fs::path& root, const Run& run) {
        while (true) {
            run.check();
            if (auto lock = try_take(root)) {
                return std::move(*lock);
            }
            run.clock->sleep_for(kLockPoll, run.stop);
        }
    }

private:
    explicit DirectoryLock(FileDescriptor file) : file_(std::move(file)) {}
    FileDescriptor file_;  // closing it unlocks
};

/// Directories that were made for a file, outermost first; those that are empty can be taken away again.
class MadeDirectories {
public:
    void make(const fs::path& directory) {
        for (fs::path at = directory; !at.empty() && !fs::exists(at) && at != at.parent_path(); at = at.parent_path()) {
            made_.insert(made_.begin(), at);
        }
        std::error_code error;
        fs::create_directories(directory, error);
        if (error) {
            throw SystemError("cannot create directory " + directory.string(), error.value());
        }
    }
    void remove_empty() noexcept {
        std::error_code ignored;
        for (auto at = made_.rbegin(); at != made_.rend(); ++at) {
            fs::remove(*at, ignored);  // refuses what is not empty
        }
    }

private:
    std::vector<fs::path> made_;
};

/// Runs `body` with `directory` there; again when another writer removed it, empty, in between.
template <class F>
auto in_directory(MadeDirectories& made, const fs::path& directory, F&& body) {
    for (int tries = 1;; ++tries) {
        made.make(directory);
        try {
            return body();
        } catch (const SystemError& error) {
            if (error.code() != ErrorCode::NotFound || tries == kDirectoryTries) {
                throw;
            }
        }
    }
}

std::string etag_of(std::string_view text) {
    return sha256(text).text();
}

fs::path facts_path(const fs::path& tarball) {
    return tarball.parent_path() / ("." + tarball.filename().string() + ".json");
}

/// Gives a file that has no name yet a second one, instead of whatever has it.
void link_as(const AtomicFile& file, const fs::path& path) {
    const std::string from = file.temporary_path().empty() ? "/proc/self/fd/" + std::to_string(file.descriptor())
                                                           : file.temporary_path().string();
    for (int tries = 1; ::linkat(AT_FDCWD, from.c_str(), AT_FDCWD, path.c_str(), AT_SYMLINK_FOLLOW) != 0; ++tries) {
        if (errno != EEXIST || tries == kDirectoryTries) {
            throw SystemError("cannot create " + path.string(), errno);
        }
        std::error_code ignored;
        fs::remove(path, ignored);
    }
}

/// Takes away `directory` and those above it as long as they are empty, but not `root`.
void remove_empty_directories(fs::path directory, const fs::path& root) noexcept {
    std::error_code ignored;
    while (directory != root && fs::remove(directory, ignored)) {
        directory = directory.parent_path();
    }
}

fs::path labels_path(const fs::path& tarball) {
    return tarball.parent_path() / ("." + tarball.filename().string() + ".labels.json");
}

class DirectoryUpload final : public TarballUpload {
public:
    DirectoryUpload(fs::path root, fs::path path, std::string key, std::uint64_t size)
        : root_(std::move(root)), path_(std::move(path)), key_(std::move(key)) {
        file_ = in_directory(made_, path_.parent_path(), [&] { return std::make_unique<AtomicFile>(path_); });
        try {
            file_->reserve(size);
        } catch (...) {
            tidy();
            throw;
        }
    }
    DirectoryUpload(const DirectoryUpload&) = delete;
    DirectoryUpload& operator=(const DirectoryUpload&) = delete;
    ~DirectoryUpload() override { tidy(); }

    void part(std::uint32_t /*number*/, std::uint64_t offset, Bytes bytes) override {
        file_->write_at(offset, bytes);
        written_ += bytes.size();
    }
    [[nodiscard]] Traffic traffic() const override { return {written_, 0, 0}; }

    /// A hidden name beside its place: FOLDER/.staged/IDENTITY.tar. Who stages the same plan again replaces it.
    [[nodiscard]] StagedTarball stage(const TarballFacts& facts, const Run& /*run*/) override {
        const fs::path hidden = path_.parent_path() / kStagedDirectory / (facts.identity + ".tar");
        in_directory(made_, hidden.parent_path(), [&] { link_as(*file_, hidden); });
        kept_ = true;
        return {key_, facts, hidden.lexically_relative(root_).generic_string()};
    }

    /// Facts first, then the tarball, both under the lock: facts without a tarball are replaced by the next writer, a
    /// tarball without facts is never seen, and the facts beside a tarball are its own.
    void complete(const TarballFacts& facts, const Run& run) override {
        const DirectoryLock lock = DirectoryLock::take(root_, run);
        if (fs::exists(path_)) {
            throw Error(ErrorCode::Conflict, path_.string() + " is there already");
        }
        in_directory(made_, path_.parent_path(), [&] { write_file(facts_path(path_), facts_to_json(facts)); });
        file_->commit(AtomicFile::IfExists::Fail);
        kept_ = true;
    }

private:
    void tidy() noexcept {
        file_.reset();
        if (kept_) {
            return;
        }
        try {
            // The lock keeps a writer that is about to complete from losing its directory; busy means that it is in
            // use.
            if (const auto lock = DirectoryLock::try_take(root_)) {
                made_.remove_empty();
            }
        } catch (const Error&) {  // empty directories may stay
        }
    }

    fs::path root_;
    fs::path path_;
    std::string key_;
    MadeDirectories made_;
    std::unique_ptr<AtomicFile> file_;
    std::atomic<std::uint64_t> written_{0};
    bool kept_ = false;  // completed or staged
};

class DirectoryPlace final : public Place {
public:
    explicit DirectoryPlace(const fs::path& root) : root_(fs::absolute(root).lexically_normal()) {}

    [[nodiscard]] std::string name() const override { return "dir:" + root_.string(); }

    [[nodiscard]] std::optional<TarballFacts> find_tarball(const std::string& key, const Run& run) override {
        const fs::path path = path_of(key);
        struct stat status {};
        if (::stat(path.c_str(), &status) != 0) {
            if (errno == ENOENT || errno == ENOTDIR) {
                return std::nullopt;
            }
            throw SystemError("cannot examine " + path.string(), errno);
        }
        const auto size = static_cast<std::uint64_t>(status.st_size);
        const auto text = find_file(facts_path(path), kMaxFacts);
        auto facts = text ? facts_from_json(*text) : std::nullopt;
        if (!facts || facts->size != size) {
            facts = TarballFacts{};
            facts->size = size;
            facts->sha256 = sha256_of_file(path, run).hex();
        }
        return facts;
    }

    [[nodiscard]] std::unique_ptr<TarballUpload> begin_tarball(const std::string& key, const TarballFacts& known,
                                                               const Reuse* /*reuse*/, const Run& /*run*/) override {
        const fs::path path = path_of(key);
        MadeDirectories().make(root_);
        return std::make_unique<DirectoryUpload>(root_, path, key, known.size);
    }

    [[nodiscard]] std::uint64_t part_size(std::uint64_t /*size*/) const override { return kPartSize; }

    void complete_staged(const StagedTarball& staged, const Run& run) override {
        const fs::path path = path_of(staged.key);
        const fs::path hidden = path_of(staged.handle);
        const DirectoryLock lock = take_lock(run);
        if (fs::exists(path)) {
            if (!is_tarball(staged.key, staged.facts)) {
                throw Error(ErrorCode::Conflict, path.string() + " is there already");
            }
        } else if (fs::exists(hidden)) {
            write_file(facts_path(path), facts_to_json(staged.facts));
            fs::rename(hidden, path);
        } else {
            throw Error(ErrorCode::NotFound,
                        "the staged " + hidden.string() + " is gone, and " + path.string() + " is not there")
                .advise("release again: what is missing is written again");
        }
        drop_hidden(hidden);
    }

    void discard_staged(const StagedTarball& staged, const Run& run) override {
        const fs::path hidden = path_of(staged.handle);
        const DirectoryLock lock = take_lock(run);
        drop_hidden(hidden);
    }

    bool remove_tarball(const std::string& key, const TarballFacts& facts, const Run& run) override {
        const DirectoryLock lock = take_lock(run);
        if (!is_tarball(key, facts)) {
            return false;
        }
        const fs::path path = path_of(key);
        fs::remove(path);
        fs::remove(facts_path(path));
        remove_empty_directories(path.parent_path(), root_);
        return true;
    }

    bool label(const std::string& key, const std::map<std::string, std::string>& labels, const Run& run) override {
        const DirectoryLock lock = take_lock(run);
        const fs::path path = path_of(key);
        if (!fs::exists(path)) {
            throw Error(ErrorCode::NotFound, path.string() + " does not exist");
        }
        const auto text = find_file(labels_path(path), kMaxFacts);
        std::map<std::string, std::string> merged = labels;
        merged.merge(text ? labels_from_json(*text) : std::map<std::string, std::string>());
        if (const std::string after = labels_to_json(merged); after != text) {
            write_file(labels_path(path), after);
        }
        return true;
    }

    void record_facts(const std::string& key, const TarballFacts& facts, const Run& run) override {
        const DirectoryLock lock = DirectoryLock::take(root_, run);
        write_file(facts_path(path_of(key)), facts_to_json(facts));
    }

    [[nodiscard]] std::optional<Text> find_text(const std::string& key, const Run& /*run*/) override {
        auto text = find_file(path_of(key), kMaxText);
        if (!text) {
            return std::nullopt;
        }
        std::string etag = etag_of(*text);
        return Text{std::move(*text), std::move(etag)};
    }

    bool replace_text(const std::string& key, const std::string& text, const std::optional<std::string>& etag,
                      const Run& run) override {
        const DirectoryLock lock = take_lock(run);
        const auto current = find_text(key, run);
        if (current.has_value() != etag.has_value() || (current && current->etag != *etag)) {
            return false;
        }
        write_text(key, text);
        return true;
    }

    void put_text(const std::string& key, const std::string& text, const Run& run) override {
        const DirectoryLock lock = take_lock(run);
        write_text(key, text);
    }

    void remove_text(const std::string& key, const Run& run) override {
        const DirectoryLock lock = take_lock(run);
        std::error_code error;
        fs::remove(path_of(key), error);
        if (error) {
            throw SystemError("cannot remove " + path_of(key).string(), error.value());
        }
    }

    [[nodiscard]] bool has_conditional_writes(const Run& /*run*/) override { return true; }

    [[nodiscard]] std::vector<std::string> list(const std::string& prefix, const Run& run) override {
        const fs::path begin = root_ / prefix.substr(0, prefix.rfind('/') + 1);
        std::vector<std::string> keys;
        std::error_code error;
        for (fs::recursive_directory_iterator at(begin, error), end; at != end && !error; at.increment(error)) {
            run.check();
            if (at->is_regular_file()) {
                std::string key = at->path().lexically_relative(root_).generic_string();
                if (key.starts_with(prefix)) {
                    keys.push_back(std::move(key));
                }
            }
        }
        if (error && error != std::errc::no_such_file_or_directory) {
            throw SystemError("cannot list " + begin.string(), error.value());
        }
        std::sort(keys.begin(), keys.end());
        return keys;
    }

    [[nodiscard]] Link link(const std::string& key, std::chrono::seconds /*lifetime*/, const Run& /*run*/) override {
        return {"file://" + percent_encode(path_of(key).string(), "/"), std::nullopt, ""};
    }

private:
    [[nodiscard]] fs::path path_of(const std::string& key) const {
        for (const std::string_view element : split(key, '/')) {
            if (element.empty() || element == "." || element == ".." || element.find('\0') != std::string_view::npos) {
                throw Error(ErrorCode::InvalidInput,
                            "key \"" + percent_encode(key, "/:@+") + "\" is no path in " + name());
            }
            if (element.size() > kMaxElement) {
                Error error(ErrorCode::InvalidInput, "a directory cannot hold the key \"" +
                                                         percent_encode(key, "/:@+%") + "\": a name has at most " +
                                                         std::to_string(kMaxElement) + " bytes there");
                error.advise("a bucket, or a shorter name of the branch");
                throw Error(error);
            }
        }
        return root_ / key;
    }

    /// The tarball of these facts, as the file beside it says.
    [[nodiscard]] bool is_tarball(const std::string& key, const TarballFacts& facts) const {
        const auto text = find_file(facts_path(path_of(key)), kMaxFacts);
        const auto there = text ? facts_from_json(*text) : std::nullopt;
        std::error_code error;
        const auto size = fs::file_size(path_of(key), error);
        return there && !error && there->identity == facts.identity && size == facts.size;
    }

    void drop_hidden(const fs::path& hidden) const noexcept {
        std::error_code ignored;
        fs::remove(hidden, ignored);
        remove_empty_directories(hidden.parent_path(), root_);
    }

    [[nodiscard]] DirectoryLock take_lock(const Run& run) const {
        MadeDirectories().make(root_);
        return DirectoryLock::take(root_, run);
    }

    void write_text(const std::string& key, const std::string& text) const {
        const fs::path path = path_of(key);
        MadeDirectories made;
        in_directory(made, path.parent_path(), [&] { write_file(path, text); });
    }

    fs::path root_;
};

}  // namespace

std::unique_ptr<Place> make_directory_place(std::filesystem::path root) {
    return std::make_unique<DirectoryPlace>(root);
}

}  // namespace cooper::delivery
