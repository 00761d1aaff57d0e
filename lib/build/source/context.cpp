#include "cooper/base/error.hpp"
#include "cooper/base/text.hpp"
#include "cooper/build/build_source.hpp"
#include "cooper/build/dockerfile.hpp"

#include "build/apply/removal.hpp"
#include "build/copy/archive.hpp"
#include "build/copy/archive_writer.hpp"
#include "build/copy/source_root.hpp"
#include "build/copy/tree_writer.hpp"
#include "build/paths.hpp"
#include "build/source/git_text.hpp"
#include "build/source/spool_directory.hpp"
#include "oci/printable.hpp"

#include <fcntl.h>
#include <sys/stat.h>

#include <limits>

namespace cooper::build {

namespace fs = std::filesystem;

namespace {

constexpr std::size_t kMaxIgnoreFile = 4U << 20;
constexpr std::string_view kInput = "-";
constexpr std::string_view kDefaultDockerfile = "Dockerfile";

std::string shown(const std::string& text) {
    return "'" + oci::printable(text) + "'";
}

/// A directory of the spool, removed when nobody needs it any more.
class Unpacked {
public:
    explicit Unpacked(fs::path path) : path_(std::move(path)) {}
    Unpacked(const Unpacked&) = delete;
    Unpacked& operator=(const Unpacked&) = delete;
    ~Unpacked() {
        try {
            const FileDescriptor parent(open(path_.parent_path().c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
            remove_tree(parent.get(), path_.filename(), path_.filename());
        } catch (const std::exception&) {
            return;  // the spool's owner removes it
        }
    }
    [[nodiscard]] const fs::path& path() const noexcept { return path_; }

private:
    fs::path path_;
};

std::shared_ptr<const Unpacked> unpack_context(const Ranged& archive, const SourceAccess& access, const Run& run) {
    const auto unpacked = std::make_shared<const Unpacked>(make_spool_directory(access.spool(), "context"));
    FileAttributes missing;
    missing.mode = 0755;
    TreeWriter writer(unpacked->path(), nullptr, std::numeric_limits<std::int64_t>::max(), std::move(missing));
    UnpackRules rules;
    rules.devices = false;
    rules.xattrs = false;
    rules.max_bytes = access.max_bytes;
    unpack_archive(archive, writer, writer.make_directories(""), rules, run);
    writer.finish();
    return unpacked;
}

/// The file below the root, symlinks followed inside; nullopt when there is no such regular file.
std::optional<std::string> find_text(const SourceRoot& root, const std::string& path, std::size_t limit) {
    const auto found = root.find(clean_path(path));
    if (!found || !S_ISREG(found->status.st_mode)) {
        return std::nullopt;
    }
    FileDescriptor file = root.open(found->path);
    return file.valid() ? std::optional(read_all(*FileRanged(std::move(file), path).open(), limit, shown(path)))
                        : std::nullopt;
}

class Opener {
public:
    Opener(const SourceAccess& access, const Run& run) : access_(access), run_(run) {}

    ContextTree open(const ContextChoice& choice) {
        const bool dockerfile_from_input = choice.dockerfile == kInput;
        if (choice.context == kInput) {
            if (dockerfile_from_input) {
                throw Error(ErrorCode::InvalidInput, "context and Dockerfile cannot both come from standard input");
            }
            return open_archive_or_text(spool_input(), choice.dockerfile, "standard input");
        }
        struct stat status {};
        if (stat(choice.context.c_str(), &status) == 0) {
            if (S_ISDIR(status.st_mode)) {
                return open_directory(choice);
            }
            return open_tar_file(choice);
        }
        return open_remote(choice);
    }

    ContextTree open_tar(const Ranged& tar, const std::string& dockerfile, const std::string& description) {
        require_archive(tar, description);
        const auto unpacked = unpack_context(tar, access_, run_);
        ContextTree tree = inside(unpacked->path(), dockerfile, description);
        tree.holds = unpacked;
        return tree;
    }

    ContextTree open_named(const std::string& place) {
        ContextTree tree;
        tree.description = place;
        struct stat status {};
        if (stat(place.c_str(), &status) == 0) {
            tree.root = place;
            tree.description = "directory " + oci::printable(place);
            if (!S_ISDIR(status.st_mode)) {
                const FileRanged file(place);
                require_archive(file, "file " + shown(place));
                const auto unpacked = unpack_context(file, access_, run_);
                tree.root = unpacked->path();
                tree.holds = unpacked;
                tree.description = "tar " + oci::printable(place);
            }
        } else if (const auto reference = GitReference::parse(place)) {
            open_git(*reference, tree);
        } else if (is_url(place)) {
            const FileRanged file(fetch_file(place, std::nullopt, access_, run_).source.path);
            const std::string described = described_url(place);
            require_archive(file, described);
            const auto unpacked = unpack_context(file, access_, run_);
            tree.root = unpacked->path();
            tree.holds = unpacked;
            tree.description = described;
        } else {
            throw_absent(place);
        }
        add_ignore_file(tree, "");
        return tree;
    }

private:
    // --- directories ----------------------------------------------------------------------------------------------

    ContextTree open_directory(const ContextChoice& choice) {
        ContextTree tree;
        tree.root = choice.context;
        tree.description = "directory " + oci::printable(choice.context);
        if (choice.dockerfile.empty()) {
            read_dockerfile_inside(tree, "");
            if (choice.context != ".") {
                tree.dockerfile_name = (fs::path(choice.context) / tree.dockerfile_name).lexically_normal();
            }
        } else if (choice.dockerfile == kInput) {
            read_dockerfile_from_input(tree);
        } else {
            read_dockerfile_file(tree, choice.dockerfile);
        }
        return tree;
    }

    /// A file that the caller names: it may lie anywhere, and be a pipe of a shell's <(…).
    void read_dockerfile_file(ContextTree& tree, const std::string& path) {
        struct stat status {};
        if (stat(path.c_str(), &status) != 0) {
            Error error(ErrorCode::NotFound, "there is no Dockerfile " + shown(path));
            if (fs::path(path).is_relative() && fs::exists(tree.root / path)) {
                error.advise("-f counts from the working directory: " + (tree.root / path).lexically_normal().string());
            }
            throw Error(error);
        }
        const bool of_shell = path.starts_with("/dev/") || path.starts_with("/proc/");
        if (!S_ISREG(status.st_mode) && !of_shell) {
            throw Error(ErrorCode::InvalidInput, "the Dockerfile " + shown(path) + " is no regular file");
        }
        tree.dockerfile = read_file(path, kMaxDockerfile);
        tree.dockerfile_name = path;
        if (S_ISREG(status.st_mode)) {
            const fs::path ignore_file = path + ".dockerignore";
            if (stat(ignore_file.c_str(), &status) == 0 && S_ISREG(status.st_mode)) {
                tree.ignore = Dockerignore::parse(read_file(ignore_file, kMaxIgnoreFile), shown(ignore_file.string()));
                return;
            }
        }
        add_ignore_file(tree, "");
    }

    // --- from a tree ----------------------------------------------------------------------------------------------

    ContextTree inside(const fs::path& root, const std::string& dockerfile, const std::string& description) {
        ContextTree tree;
        tree.root = root;
        tree.description = description;
        if (dockerfile == kInput) {
            read_dockerfile_from_input(tree);
        } else {
            read_dockerfile_inside(tree, dockerfile);
        }
        return tree;
    }

    /// Empty `name`: the default one.
    void read_dockerfile_inside(ContextTree& tree, std::string name) {
        const SourceRoot root(tree.root, nullptr);
        const bool by_default = name.empty();
        if (by_default) {
            name = kDefaultDockerfile;
        }
        auto text = find_text(root, name, kMaxDockerfile);
        if (!text && by_default) {
            name = to_lower(name);
            text = find_text(root, name, kMaxDockerfile);
        }
        if (!text) {
            throw_no_dockerfile(root, by_default ? std::string(kDefaultDockerfile) : name);
        }
        tree.dockerfile = std::move(*text);
        tree.dockerfile_name = name;
        add_ignore_file(tree, clean_path(name) + ".dockerignore");
    }

    [[noreturn]] void throw_no_dockerfile(const SourceRoot& root, const std::string& name) const {
        Error error(ErrorCode::NotFound, "there is no " + shown(name) + " in " + root.shown(""));
        std::string there;
        for (const auto& listed : root.list("", {})) {
            if (to_lower(listed.name).find("dockerfile") != std::string::npos && S_ISREG(listed.status.st_mode) &&
                !listed.name.ends_with(".dockerignore")) {
                there += (there.empty() ? "" : ", ") + oci::printable(listed.name);
            }
        }
        error.advise(there.empty() ? "name it with -f" : "name it with -f; there is " + there);
        throw Error(error);
    }

    void read_dockerfile_from_input(ContextTree& tree) {
        tree.dockerfile = read_all(access_.input(), kMaxDockerfile, "the Dockerfile from standard input");
        tree.dockerfile_name = "standard input";
        add_ignore_file(tree, "");
    }

    /// `own`: of the Dockerfile, which counts instead of the context's.
    static void add_ignore_file(ContextTree& tree, const std::string& own) {
        const SourceRoot root(tree.root, nullptr);
        for (const std::string& name : {own, std::string(".dockerignore")}) {
            const auto text = name.empty() ? std::nullopt : find_text(root, name, kMaxIgnoreFile);
            if (text) {
                tree.ignore = Dockerignore::parse(*text, root.shown(name));
                return;
            }
        }
    }

    // --- what has to be brought here ------------------------------------------------------------------------------

    ContextTree open_tar_file(const ContextChoice& choice) {
        struct stat status {};
        if (stat(choice.context.c_str(), &status) != 0 || !S_ISREG(status.st_mode)) {
            throw Error(ErrorCode::InvalidInput,
                        "the context " + shown(choice.context) + " is neither a directory nor a tar");
        }
        return open_tar(FileRanged(choice.context), choice.dockerfile, "tar " + oci::printable(choice.context));
    }

    static void require_archive(const Ranged& file, const std::string& what) {
        if (!is_archive(file)) {
            throw Error(ErrorCode::InvalidInput, "the context (" + what + ") is not a tar")
                .advise("a context is a directory, or a tar, plain or compressed with gzip, bzip2, xz or zstd");
        }
    }

    fs::path spool_input() {
        const fs::path file = make_spool_directory(access_.spool(), "input") / "input";
        AtomicFile spooled(file);
        Source& input = access_.input();
        std::uint64_t size = 0;
        const auto buffer = std::make_unique_for_overwrite<std::byte[]>(kStreamStep);
        while (const auto count = input.read({buffer.get(), kStreamStep})) {
            if ((size += count) > access_.max_bytes) {
                throw Error(ErrorCode::InvalidInput, "the context from standard input is larger than the limit of " +
                                                         format_bytes(access_.max_bytes));
            }
            spooled.write({buffer.get(), count});
            run_.check();
        }
        spooled.finish();
        return file;
    }

    /// What came from standard input or a URL: a tar, or else a Dockerfile that has no context.
    ContextTree open_archive_or_text(const fs::path& file, const std::string& dockerfile, const std::string& from) {
        const FileRanged content(file);
        if (is_archive(content)) {
            return open_tar(content, dockerfile, "tar from " + from);
        }
        if (!dockerfile.empty()) {
            require_archive(content, from);
        }
        ContextTree tree;
        const auto empty = std::make_shared<const Unpacked>(make_spool_directory(access_.spool(), "empty"));
        tree.root = empty->path();
        tree.holds = empty;
        tree.dockerfile = read_file(file, kMaxDockerfile);
        tree.dockerfile_name = from;
        tree.description = "Dockerfile from " + from + ", no context";
        return tree;
    }

    ContextTree open_remote(const ContextChoice& choice) {
        if (const auto reference = GitReference::parse(choice.context)) {
            ContextTree fetched;
            open_git(*reference, fetched);
            ContextTree tree = inside(fetched.root, choice.dockerfile, fetched.description);
            tree.commit = fetched.commit;
            tree.holds = fetched.holds;
            return tree;
        }
        if (is_url(choice.context)) {
            const auto fetched = fetch_file(choice.context, std::nullopt, access_, run_);
            const std::string from = described_url(choice.context);
            if (choice.dockerfile == kInput) {
                return open_tar(FileRanged(fetched.source.path), choice.dockerfile, from);
            }
            return open_archive_or_text(fetched.source.path, choice.dockerfile, from);
        }
        throw_absent(choice.context);
    }

    void open_git(const GitReference& reference, ContextTree& tree) {
        const FetchedFile fetched = fetch_git(reference, false, "", access_, run_);
        tree.root = fetched.source.path;
        tree.commit = fetched.commit;
        tree.description = "git " + redacted_remote(reference.remote) +
                           (reference.ref.empty() ? "" : "#" + oci::printable(reference.ref)) + " (" +
                           fetched.commit.substr(0, 7) + ")";
    }

    static std::string described_url(const std::string& url) {
        return redacted_remote(url.substr(0, url.find_first_of("?#")));
    }

    [[noreturn]] static void throw_absent(const std::string& context) {
        throw Error(ErrorCode::NotFound, "there is no context '" + redacted_remote(context) + "'")
            .advise(
                "a context is a directory, a tar, '-', an http(s) URL or a git reference "
                "(https://host/repository.git#branch:directory)");
    }

    const SourceAccess& access_;
    const Run& run_;
};

}  // namespace

ContextTree open_context(const ContextChoice& choice, const SourceAccess& access, const Run& run) {
    return Opener(access, run).open(choice);
}

ContextTree open_context(const Ranged& tar, const std::string& dockerfile, const SourceAccess& access, const Run& run) {
    return Opener(access, run).open_tar(tar, dockerfile, "tar");
}

ContextTree open_named_context(const std::string& place, const SourceAccess& access, const Run& run) {
    return Opener(access, run).open_named(place);
}

}  // namespace cooper::build
