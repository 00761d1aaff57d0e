#include "build/git.hpp"

#include "cooper/base/process.hpp"
#include "cooper/base/text.hpp"

#include <algorithm>
#include <map>

namespace cooper::build {
namespace {

constexpr std::size_t kMaxAnswer = 64 * 1024;
constexpr std::size_t kMaxTagList = 16 * 1024 * 1024;   // a million tags
constexpr std::size_t kMaxPathList = 16 * 1024 * 1024;  // some 300,000 paths
constexpr std::size_t kMaxCommit = 4 * 1024 * 1024;     // with its message and signature

/// The caller's environment without its GIT_* (a hook's GIT_DIR would answer for another repository) and with
/// everything off that reaches out: prompts, the system's and the user's configuration, transports, fetching of missing
/// objects.
std::map<std::string, std::string, std::less<>> git_environment(const Environment& environment) {
    std::map<std::string, std::string, std::less<>> variables;
    for (const auto& [name, value] : environment.all()) {
        if (!name.starts_with("GIT_")) {
            variables.emplace(name, value);
        }
    }
    variables["GIT_TERMINAL_PROMPT"] = "0";
    variables["GIT_CONFIG_NOSYSTEM"] = "1";
    variables["GIT_CONFIG_GLOBAL"] = "/dev/null";
    variables["GIT_ALLOW_PROTOCOL"] = "none";
    variables["GIT_NO_LAZY_FETCH"] = "1";
    variables["GIT_OPTIONAL_LOCKS"] = "0";
    variables["LC_ALL"] = "C";
    return variables;
}

std::vector<std::string> lines_of(std::string_view text, char end = '\n') {
    std::vector<std::string> lines;
    for (const auto line : split(text, end)) {
        if (!line.empty()) {
            lines.emplace_back(line);
        }
    }
    return lines;
}

}  // namespace

std::optional<std::string> Git::ask(const std::vector<std::string>& arguments, const Run& run) const {
    const auto text = ask_all(arguments, kMaxAnswer, run);
    const std::string_view answer = text ? trim(*text) : std::string_view();
    return answer.empty() ? std::nullopt : std::optional(std::string(answer));
}

std::optional<std::string> Git::ask_all(const std::vector<std::string>& arguments, std::size_t limit,
                                        const Run& run) const {
    // safe.directory: a job's container often runs as another user than the one that checked out. Its protection is
    // against programs that the repository's configuration names; none of these questions runs one, with hooks and
    // fsmonitor off.
    ProcessRequest request;
    request.arguments = {"git", "--no-pager",
                         "-c",  "safe.directory=*",
                         "-c",  "core.hooksPath=/dev/null",
                         "-c",  "core.fsmonitor=false",
                         "-c",  "i18n.logOutputEncoding=UTF-8"};
    request.arguments.insert(request.arguments.end(), arguments.begin(), arguments.end());
    request.environment = git_environment(environment_);
    request.working_directory = directory_.string();
    request.output_limit = limit;
    try {
        ProcessResult result = run_process(request, run);
        return result.exit_status == 0 ? std::optional(std::move(result.output)) : std::nullopt;
    } catch (const Error&) {
        return std::nullopt;  // no git, or one that does not answer: what it would tell has to come from a flag
    }
}

bool Git::installed(const Run& run) const {
    return Git("/", environment_).ask({"version"}, run).has_value();  // the directory may not exist
}

bool Git::in_repository(const Run& run) const {
    return ask({"rev-parse", "--git-dir"}, run).has_value();
}

std::optional<std::string> Git::head_ref(const Run& run) const {
    return ask({"symbolic-ref", "--quiet", "HEAD"}, run);
}

std::optional<std::string> Git::branch(const Run& run) const {
    return ask({"symbolic-ref", "--quiet", "--short", "HEAD"}, run);
}

std::optional<std::string> Git::commit(const std::string& revision, const Run& run) const {
    return ask({"rev-parse", "--verify", "--quiet", "--end-of-options", revision + "^{commit}"}, run);
}

std::optional<std::string> Git::tree(const std::string& commit, const Run& run) const {
    return ask({"rev-parse", "--verify", "--quiet", "--end-of-options", commit + "^{tree}"}, run);
}

std::optional<std::string> Git::short_name(const std::string& revision, const Run& run) const {
    return ask({"rev-parse", "--verify", "--quiet", "--short", "--end-of-options", revision}, run);
}

std::vector<std::string> Git::tags_on_head(const Run& run) const {
    return lines_of(
        ask_all({"for-each-ref", "--points-at=HEAD", "--format=%(refname:strip=2)", "refs/tags"}, kMaxTagList, run)
            .value_or(""));
}

std::optional<std::vector<std::string>> Git::version_like_tags(const Run& run) const {
    const auto names = ask_all({"for-each-ref", "--format=%(refname:strip=2)", "refs/tags/[0-9]*", "refs/tags/v[0-9]*"},
                               kMaxTagList, run);
    return names ? std::optional(lines_of(*names)) : std::nullopt;
}

bool Git::is_shallow(const Run& run) const {
    return ask({"rev-parse", "--is-shallow-repository"}, run) == "true";
}

std::optional<std::string> Git::default_branch(const Run& run) const {
    constexpr std::string_view kOrigin = "refs/remotes/origin/";
    const auto head = ask({"symbolic-ref", "--quiet", "refs/remotes/origin/HEAD"}, run);
    return head && head->starts_with(kOrigin) ? std::optional(head->substr(kOrigin.size())) : std::nullopt;
}

std::optional<std::string> Git::subject(const std::string& commit, const Run& run) const {
    auto text =
        ask({"rev-list", "--max-count=1", "--no-commit-header", "--format=%s", "--end-of-options", commit, "--"}, run);
    if (text) {
        text->resize(std::min(text->size(), text->find('\n')));
    }
    return text;
}

std::optional<std::vector<std::string>> Git::parents(const std::string& commit, const Run& run) const {
    // rev-list would call a shallow clone's last commit a root.
    const auto text = ask_all({"cat-file", "commit", commit}, kMaxCommit, run);
    if (!text) {
        return std::nullopt;
    }
    constexpr std::string_view kParent = "parent ";
    std::vector<std::string> parents;
    for (const auto line : split(std::string_view(*text).substr(0, text->find("\n\n")), '\n')) {
        if (line.starts_with(kParent)) {
            parents.emplace_back(line.substr(kParent.size()));
        }
    }
    return parents;
}

std::optional<std::vector<std::string>> Git::changed_files(const std::string& from, const std::string& to,
                                                           const Run& run) const {
    const auto names =
        ask_all({"diff-tree", "-r", "-z", "--name-only", "--no-renames", "--relative", "--end-of-options", from, to},
                kMaxPathList, run);
    return names ? std::optional(lines_of(*names, '\0')) : std::nullopt;
}

std::optional<std::string> Git::repository(const Run& run) const {
    const auto remote = ask({"config", "--local", "--get", "remote.origin.url"}, run);
    return remote ? web_address(*remote) : std::nullopt;
}

std::optional<std::string> web_address(std::string_view remote) {
    std::string_view rest = trim(remote);
    std::string host;
    if (const std::size_t scheme = rest.find("://"); scheme != std::string_view::npos) {
        const std::string_view name = rest.substr(0, scheme);
        if (name != "https" && name != "http" && name != "ssh" && name != "git") {
            return std::nullopt;
        }
        rest.remove_prefix(scheme + 3);
        const std::size_t slash = rest.find('/');
        host = rest.substr(0, slash);
        rest = slash == std::string_view::npos ? std::string_view() : rest.substr(slash + 1);
        if (name == "ssh" || name == "git") {
            host = host.substr(0, host.find_last_of(':'));  // that port is not the web's
        }
    } else {
        // scp's form: a colon before the first slash.
        const std::size_t colon = rest.find(':');
        if (colon == std::string_view::npos || rest.find('/') < colon) {
            return std::nullopt;
        }
        host = rest.substr(0, colon);
        rest.remove_prefix(colon + 1);
    }
    host = host.substr(host.rfind('@') + 1);
    rest = rest.substr(0, rest.find_first_of("?#"));
    while (rest.starts_with('/')) {
        rest.remove_prefix(1);
    }
    while (rest.ends_with('/')) {
        rest.remove_suffix(1);
    }
    if (rest.ends_with(".git")) {
        rest.remove_suffix(4);
    }
    if (host.empty() || rest.empty()) {
        return std::nullopt;
    }
    return "https://" + host + "/" + std::string(rest);
}

}  // namespace cooper::build
