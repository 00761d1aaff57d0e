// Small trees with links, cycles and odd names: the source hash is what a slow one answers that follows tags.md 4.1 to
// 4.6 step by step over real paths. Input: options, then three bytes for each thing that is made.
#include "cooper/base/files.hpp"
#include "cooper/base/text.hpp"
#include "cooper/build/ignore.hpp"
#include "cooper/build/source_hash.hpp"

#include "base/message_digest.hpp"
#include "fuzz/fuzz.hpp"

#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <fstream>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace {

namespace fs = std::filesystem;
using cooper::build::SourceHashError;
using cooper::build::SourceHashOptions;
using Kind = SourceHashError::Kind;

constexpr std::size_t kMaxThings = 24;
constexpr std::size_t kMaxContent = 64;

/// What either side has to say about a tree.
struct Answer {
    std::string digest;
    std::map<std::string, std::string> descriptors;
    std::vector<std::string> files;
    std::optional<Kind> kind;
    int error_number = 0;
    friend bool operator==(const Answer&, const Answer&) = default;
};

struct Refused {
    Kind kind;
};
struct SystemRefused {
    int error_number;
};

class SlowHash {
public:
    SlowHash(std::string root, const SourceHashOptions& options)
        : root_(std::move(root)),
          options_(options),
          patterns_(options.match, options.ignore),
          algorithm_(*cooper::find_hash_algorithm(options.algorithm)) {}

    Answer answer() {
        try {
            check_root();
            if (const auto top = root_directory()) {
                answer_.digest = hash_of(*top);
            }
            std::sort(answer_.files.begin(), answer_.files.end());
            return answer_;
        } catch (const Refused& refused) {
            return {{}, {}, {}, refused.kind, 0};
        } catch (const SystemRefused& refused) {
            return {{}, {}, {}, std::nullopt, refused.error_number};
        }
    }

private:
    struct Directory {
        std::string path;
        bool link = false;
        std::optional<std::string> way_up;
        std::vector<std::pair<std::string, bool>> files;  // name, is it a link
        std::vector<Directory> directories;
        [[nodiscard]] bool empty() const { return !way_up && files.empty() && directories.empty(); }
    };

    [[nodiscard]] std::string absolute(const std::string& path) const {
        return path.empty() ? root_ : root_ + "/" + path;
    }

    void check_root() const {
        struct stat status {};
        if (stat(root_.c_str(), &status) != 0) {
            throw Refused{Kind::NoSuchDirectory};
        }
        if (!S_ISDIR(status.st_mode)) {
            throw Refused{Kind::NotADirectory};
        }
    }

    std::optional<Directory> root_directory() {
        Directory top;
        if (fs::is_symlink(root_) && !options_.resolve_root) {
            if (!options_.allow_cyclic_links) {
                throw Refused{Kind::SymlinkRecursion};
            }
            top.way_up = ".";
            return top;
        }
        parents_[fs::canonical(root_)] = "";
        visit(top);
        if (top.empty() && !options_.empty_dirs) {
            throw Refused{Kind::NothingToHash};
        }
        if (std::count(options_.entry_properties.begin(), options_.entry_properties.end(), "name") != 0) {
            check_names(top);
        }
        return top;
    }

    [[nodiscard]] mode_t type_behind(const std::string& path) const {
        struct stat status {};
        if (stat(absolute(path).c_str(), &status) != 0) {
            if (errno == ENOENT) {
                return 0;
            }
            throw SystemRefused{errno};
        }
        return status.st_mode & S_IFMT;
    }

    void visit(Directory& directory) {
        std::vector<std::string> names;
        for (const auto& item : fs::directory_iterator(absolute(directory.path))) {
            names.push_back(item.path().filename());
        }
        std::sort(names.begin(), names.end());
        std::vector<std::string> below;
        for (const auto& name : names) {
            const std::string path = directory.path.empty() ? name : directory.path + "/" + name;
            const bool link = fs::is_symlink(absolute(path));
            const mode_t type = type_behind(path);
            if (type == S_IFDIR && (!link || options_.linked_dirs)) {
                below.push_back(name);
            }
            if (type == S_IFREG && (!link || options_.linked_files) && patterns_.includes(path)) {
                directory.files.emplace_back(name, link);
            }
        }
        for (const auto& name : below) {
            Directory child;
            child.path = directory.path.empty() ? name : directory.path + "/" + name;
            enter(child);
            if (!child.empty() || options_.empty_dirs) {
                directory.directories.push_back(std::move(child));
            }
        }
    }

    void enter(Directory& directory) {
        const std::string real = fs::canonical(absolute(directory.path));
        directory.link = fs::is_symlink(absolute(directory.path));
        const auto parent = parents_.find(real);
        if (parent != parents_.end() && directory.link) {
            if (!options_.allow_cyclic_links) {
                throw Refused{Kind::SymlinkRecursion};
            }
            const fs::path way = (fs::path("/") / directory.path).lexically_normal();
            directory.way_up = (fs::path("/") / parent->second).lexically_normal().lexically_relative(way);
            if (directory.way_up->ends_with('/')) {
                directory.way_up->pop_back();
            }
            return;
        }
        if (parent != parents_.end() && options_.allow_cyclic_links) {
            throw Refused{Kind::DirectoryEnteredTwice};
        }
        const bool again = parent != parents_.end();
        parents_.emplace(real, directory.path);
        visit(directory);
        if (!again) {
            parents_.erase(real);
        }
    }

    static void check_names(const Directory& directory) {
        const auto check = [](const std::string& name) {
            if (!cooper::is_valid_utf8(name)) {
                throw Refused{Kind::NameNotUtf8};
            }
        };
        for (const auto& [name, link] : directory.files) {
            check(name);
        }
        for (const auto& child : directory.directories) {
            check(fs::path(child.path).filename());
            check_names(child);
        }
    }

    [[nodiscard]] std::string entry(std::string first, const std::string& name, bool link) const {
        std::vector<std::string> parts;
        if (!first.empty()) {
            parts.push_back(std::move(first));
        }
        for (const auto& property : options_.entry_properties) {
            if (property == "name") {
                parts.push_back("name:" + name);
            } else if (property == "is_link") {
                parts.push_back(link ? "is_link:true" : "is_link:false");
            }
        }
        std::sort(parts.begin(), parts.end());
        return joined(parts, std::string(1, '\0'));
    }

    static std::string joined(const std::vector<std::string>& parts, const std::string& separator) {
        std::string text;
        for (std::size_t i = 0; i < parts.size(); ++i) {
            text += (i == 0 ? "" : separator) + parts[i];
        }
        return text;
    }

    std::string hash_of(const Directory& directory) {
        std::vector<std::string> entries;
        const auto& wanted = options_.entry_properties;
        const bool data = std::find(wanted.begin(), wanted.end(), "data") != wanted.end();
        for (const auto& [name, link] : directory.files) {
            const std::string path = directory.path.empty() ? name : directory.path + "/" + name;
            const std::string content = cooper::read_file(absolute(path), kMaxContent);
            entries.push_back(entry(data ? "data:" + cooper::hex_digest(algorithm_, content) : "", name, link));
            answer_.files.push_back(path);
        }
        for (const auto& child : directory.directories) {
            entries.push_back(entry("dirhash:" + hash_of(child), fs::path(child.path).filename(), child.link));
        }
        std::sort(entries.begin(), entries.end());
        const std::string text = directory.way_up.value_or(joined(entries, std::string(2, '\0')));
        answer_.descriptors[directory.path] = text;
        return cooper::hex_digest(algorithm_, text);
    }

    std::string root_;
    const SourceHashOptions& options_;
    cooper::build::WildmatchList patterns_;
    cooper::HashAlgorithm algorithm_;
    std::map<std::string, std::string> parents_;  // real path, path below the root
    Answer answer_;
};

Answer fast_answer(const std::string& root, const SourceHashOptions& options) {
    Answer answer;
    try {
        const auto on_descriptor = [&](auto path, auto text) { answer.descriptors.emplace(path, text); };
        const auto hash = cooper::build::hash_source(root, options, cooper::Run{}, on_descriptor);
        answer.digest = hash.digest;
        for (const auto& entry : hash.entries) {
            answer.files.push_back(entry.path);
        }
        return answer;
    } catch (const SourceHashError& error) {
        return {{}, {}, {}, error.kind(), 0};
    } catch (const cooper::SystemError& error) {
        return {{}, {}, {}, std::nullopt, error.error_number()};
    }
}

class TreeMaker {
public:
    TreeMaker(const std::uint8_t* data, std::size_t size) : data_(data), rest_(size) {
        fs::create_directories(top_ / "root");
        fs::create_directories(top_ / "out");
        std::ofstream(top_ / "out/f") << "outside";
    }

    SourceHashOptions options() {
        static const std::vector<std::vector<std::string>> kLists = {
            {}, {}, {".*/"}, {"a/"}, {"*.pyc", "?\xc3\xa9"}, {"b", "!a"}, {"**/b"}, {"a/**"}};
        static const std::vector<std::vector<std::string>> kProperties = {
            {"name", "data"}, {"data", "name"}, {"name"}, {"data"}, {"is_link", "data", "name"}};
        SourceHashOptions options;
        const unsigned flags = next();
        options.linked_dirs = (flags & 3U) != 0;
        options.linked_files = (flags & 12U) != 0;
        options.empty_dirs = (flags & 16U) != 0;
        options.allow_cyclic_links = (flags & 32U) != 0;
        options.resolve_root = (flags & 64U) != 0;
        options.algorithm = (flags & 128U) != 0 ? "sha256" : "md5";
        options.threads = 1;
        options.ignore = pick(kLists);
        options.entry_properties = pick(kProperties);
        return options;
    }

    std::string root() {
        static const std::vector<std::string> kRoots = {"root",   "root",    "root",   "root/",
                                                        "root/a", "root/a/", "nowhere"};
        return (top_ / pick(kRoots)).native();
    }

    void make() {
        for (std::size_t i = 0; i < kMaxThings && rest_ > 0; ++i) {
            const unsigned kind = next();
            const std::string name = pick(directories_) + "/" + pick(kNames);
            const fs::path at = top_ / name;
            if (fs::is_symlink(at) || fs::exists(at)) {
                continue;
            }
            if (kind % 4 == 0) {
                std::ofstream(at) << kind / 64;
            } else if (kind % 4 == 1) {
                fs::create_directory(at);
                directories_.push_back(name);
            } else if (kind == 2) {
                cooper::fuzz::check(mkfifo(at.c_str(), 0600) == 0, "a fifo is made");
            } else {
                fs::create_symlink(target(kind / 4, at), at);
            }
        }
    }

private:
    unsigned next() {
        if (rest_ == 0) {
            return 0;
        }
        --rest_;
        return *data_++;
    }
    template <class List>
    typename List::const_reference pick(const List& list) {
        return list[next() % list.size()];
    }
    fs::path target(unsigned kind, const fs::path& link) {
        static const std::vector<std::string> kTargets = {".", "..", "../..", "nowhere", "../../out", "../out"};
        switch (kind % 4) {
            case 0:
                return pick(kTargets);
            case 1:
                return pick(kNames);
            case 2:
                return fs::path(pick(kNames)) / pick(kNames);
            default:
                return (top_ / pick(directories_)).lexically_relative(link.parent_path());
        }
    }

    static const std::vector<std::string> kNames;
    cooper::TempDirectory temporary_{"fuzz-tree"};
    fs::path top_ = temporary_.path() / "top";  // a link may lead one level above
    const std::uint8_t* data_;
    std::size_t rest_;
    std::vector<std::string> directories_{"root", "root", "out"};
};

const std::vector<std::string> TreeMaker::kNames = {"a", "b", "c", ".h", "x.pyc", "\xff", "n\n", "\xc3\xa9", " ", "[a"};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    TreeMaker maker(data, size);
    const SourceHashOptions options = maker.options();
    const std::string root = maker.root();
    maker.make();
    const Answer expected = SlowHash(root, options).answer();
    const Answer answer = fast_answer(root, options);
    cooper::fuzz::check(answer.kind == expected.kind, "the same kind of refusal");
    cooper::fuzz::check(answer.error_number == expected.error_number, "the same system error");
    cooper::fuzz::check(answer == expected, "the same hash of the same files");
    if (!answer.kind && answer.error_number == 0) {
        auto listed = cooper::build::list_source(root, options, cooper::Run{});
        std::erase_if(listed, [](const auto& path) { return path == "." || path.ends_with("/."); });
        cooper::fuzz::check(listed == answer.files, "what is listed is what is hashed");
    }
    return 0;
}
