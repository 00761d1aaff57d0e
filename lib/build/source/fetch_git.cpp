#include "cooper/base/error.hpp"
#include "cooper/base/process.hpp"
#include "cooper/base/text.hpp"
#include "cooper/build/build_source.hpp"

#include "build/paths.hpp"
#include "build/source/git_text.hpp"
#include "build/source/spool_directory.hpp"
#include "oci/printable.hpp"

#include <sys/stat.h>

#include <algorithm>
#include <chrono>
#include <map>
#include <vector>

namespace cooper::build {

namespace fs = std::filesystem;

namespace {

constexpr std::chrono::hours kTimeLimit{2};
constexpr std::size_t kMaxSaid = 8U << 20;
constexpr std::size_t kMaxShown = 500;

/// One repository that is fetched into a directory.
class Checkout {
public:
    Checkout(const GitReference& reference, fs::path directory, const SourceAccess& access, const Run& run)
        : reference_(reference),
          remote_(reference.may_be_path() ? "https://" + reference.remote : reference.remote),
          directory_(std::move(directory)),
          access_(access),
          run_(run) {
        check_git_remote(remote_);
        check_git_ref(reference.ref);
    }

    /// The id of the commit that is checked out.
    std::string make() {
        must("prepare a repository", {"init", "--quiet", "--template=", "--", directory_.native()});
        const std::string commit = fetch();
        must("check out " + commit, {"checkout", "--quiet", "--detach", "--force", commit, "--"});
        if (reference_.submodules.value_or(false)) {
            must("fetch the submodules",
                 {"submodule", "--quiet", "update", "--init", "--recursive", "--force", "--checkout", "--depth=1"});
        }
        return commit;
    }

private:
    struct Answer {
        bool good = false;
        std::string text;
        std::string problem;
    };

    [[nodiscard]] std::map<std::string, std::string, std::less<>> environment() const {
        std::map<std::string, std::string, std::less<>> variables;
        for (const auto& [name, value] : access_.environment->all()) {
            if (!name.starts_with("GIT_") && name != "SSH_ASKPASS") {
                variables.emplace(name, value);
            }
        }
        const bool local = remote_.starts_with("file://");
        variables["GIT_ALLOW_PROTOCOL"] = local ? "file" : "http:https:ssh:git";
        variables["GIT_TERMINAL_PROMPT"] = "0";
        variables["GIT_ASKPASS"] = "";
        variables["GIT_SSH_COMMAND"] = "ssh -o BatchMode=yes";
        variables["GIT_CONFIG_NOSYSTEM"] = "1";
        variables["GIT_CONFIG_GLOBAL"] = "/dev/null";
        variables["GIT_ATTR_NOSYSTEM"] = "1";
        variables["GIT_CEILING_DIRECTORIES"] = directory_.parent_path();
        variables["LC_ALL"] = "C";
        return variables;
    }

    Answer ask(const std::vector<std::string>& arguments) const {
        ProcessRequest request;
        request.arguments = {"git", "--no-pager"};
        for (const char* setting : {"core.hooksPath=/dev/null", "core.fsmonitor=false", "core.logAllRefUpdates=false",
                                    "protocol.ext.allow=never", "submodule.recurse=false", "advice.detachedHead=false",
                                    "init.defaultBranch=main", "gc.auto=0", "safe.directory=*"}) {
            request.arguments.insert(request.arguments.end(), {"-c", setting});
        }
        request.arguments.insert(request.arguments.end(), arguments.begin(), arguments.end());
        request.environment = environment();
        request.working_directory = directory_;
        request.timeout = kTimeLimit;
        request.output_limit = kMaxSaid;
        const ProcessResult result = run_process(request, run_);
        return {result.exit_status == 0, result.output, result.error_output};
    }

    [[noreturn]] void fail(const std::string& what, const Answer& answer) const {
        std::string said = answer.problem;
        for (std::size_t at = 0; (at = said.find(remote_, at)) != std::string::npos;) {
            const std::string safe = redacted_remote(remote_);
            said.replace(at, remote_.size(), safe);
            at += safe.size();
        }
        Error error(ErrorCode::Unavailable, "git cannot " + what + " of " + redacted_remote(remote_) + ": " +
                                                oci::printable(trim(said), kMaxShown));
        error.advise(
            "git is run without prompts, credential helpers and the user's configuration; ssh keys come from "
            "an agent");
        throw Error(error);
    }

    std::string must(const std::string& what, const std::vector<std::string>& arguments) const {
        Answer answer = ask(arguments);
        if (!answer.good) {
            fail(what, answer);
        }
        return std::move(answer.text);
    }

    std::string fetch() const {
        const std::string wanted = reference_.ref.empty() ? "HEAD" : reference_.ref;
        if (is_commit(wanted) && try_fetch(wanted)) {
            return commit_of("FETCH_HEAD", wanted);
        }
        if (!is_commit(wanted)) {
            if (const auto full = full_name(wanted); !full.empty()) {
                if (try_fetch(full)) {
                    return commit_of("FETCH_HEAD", wanted);
                }
            }
        }
        // Servers that give neither single commits nor shallow copies; abbreviated commits.
        must("fetch the branches",
             {"fetch", "--quiet", "--force", "--no-recurse-submodules", "--", remote_, "+HEAD:refs/cooper/HEAD",
              "+refs/heads/*:refs/cooper/heads/*", "+refs/tags/*:refs/tags/*"});
        for (const auto& candidate :
             {wanted == "HEAD" ? std::string("refs/cooper/HEAD") : std::string(), "refs/cooper/heads/" + wanted,
              "refs/tags/" + wanted, wanted.starts_with("refs/heads/") ? "refs/cooper/" + wanted.substr(5) : wanted}) {
            const Answer answer =
                candidate.empty()
                    ? Answer()
                    : ask({"rev-parse", "--verify", "--quiet", "--end-of-options", candidate + "^{commit}"});
            if (answer.good) {
                return std::string(trim(answer.text));
            }
        }
        throw_absent(wanted);
    }

    [[nodiscard]] bool try_fetch(const std::string& ref) const {
        return ask({"fetch", "--quiet", "--depth=1", "--no-tags", "--no-recurse-submodules", "--", remote_, ref}).good;
    }

    [[nodiscard]] std::string commit_of(const std::string& name, const std::string& wanted) const {
        const Answer answer = ask({"rev-parse", "--verify", "--quiet", "--end-of-options", name + "^{commit}"});
        if (!answer.good) {
            throw_absent(wanted);
        }
        return std::string(trim(answer.text));
    }

    /// As the remote calls it: branches before tags. Empty: it has none.
    [[nodiscard]] std::string full_name(const std::string& wanted) const {
        const std::string list = must("list the refs", {"ls-remote", "--quiet", "--", remote_, wanted});
        std::vector<std::string_view> names;
        for (const auto line : split(list, '\n')) {
            if (const auto tab = line.find('\t'); tab != std::string_view::npos) {
                names.push_back(line.substr(tab + 1));
            }
        }
        for (const auto& candidate : {wanted, "refs/heads/" + wanted, "refs/tags/" + wanted, "refs/" + wanted}) {
            if (std::find(names.begin(), names.end(), candidate) != names.end()) {
                return candidate;
            }
        }
        return {};
    }

    [[noreturn]] void throw_absent(const std::string& wanted) const {
        throw Error(ErrorCode::NotFound,
                    "the repository " + redacted_remote(remote_) + " has no '" + oci::printable(wanted) + "'");
    }

    const GitReference& reference_;
    std::string remote_;
    fs::path directory_;
    const SourceAccess& access_;
    const Run& run_;
};

/// The modes that git knows, whatever umask it ran with.
void normalize_modes(const fs::path& directory) {
    chmod(directory.c_str(), 0755);
    for (const auto& entry : fs::recursive_directory_iterator(directory)) {
        struct stat status {};
        if (lstat(entry.path().c_str(), &status) == 0 && !S_ISLNK(status.st_mode)) {
            const bool runs = S_ISDIR(status.st_mode) || (status.st_mode & S_IXUSR) != 0;
            chmod(entry.path().c_str(), runs ? 0755 : 0644);
        }
    }
}

/// Below `root`, through directories alone.
fs::path find_subdirectory(const fs::path& root, const std::string& subdirectory) {
    fs::path here = root;
    for (const auto part : split(subdirectory, '/')) {
        if (part.empty() || part == ".") {
            continue;
        }
        here /= part;
        struct stat status {};
        if (part == ".." || part == ".git" || lstat(here.c_str(), &status) != 0 || !S_ISDIR(status.st_mode)) {
            throw Error(ErrorCode::InvalidInput,
                        "the directory '" + oci::printable(subdirectory) +
                            "' is not in the repository, or is reached through a symbolic link");
        }
    }
    return here;
}

}  // namespace

FetchedFile fetch_git(const GitReference& reference, bool keep_git_dir, const std::string& expected_commit,
                      const SourceAccess& access, const Run& run) {
    const fs::path directory = make_spool_directory(access.spool(), "git");
    const std::string commit = Checkout(reference, directory, access, run).make();
    for (const auto& expected : {expected_commit, reference.checksum.value_or("")}) {
        if (!commit.starts_with(expected)) {
            throw IntegrityError("the commit that '" + oci::printable(reference.ref.empty() ? "HEAD" : reference.ref) +
                                     "' of " + redacted_remote(reference.remote) + " means",
                                 expected, commit);
        }
    }
    if (!reference.keep_git_dir.value_or(keep_git_dir)) {
        fs::remove_all(directory / ".git");
    }
    normalize_modes(directory);
    FetchedFile fetched{{}, sha256(commit), 0, commit};
    fetched.source.source = reference.remote;
    fetched.source.path = find_subdirectory(directory, reference.subdirectory);
    return fetched;
}

}  // namespace cooper::build
