#include "cooper/base/files.hpp"
#include "cooper/base/process.hpp"
#include "cooper/base/secret.hpp"
#include "cooper/base/text.hpp"

#include "delivery/authorize/sources.hpp"

#include <algorithm>
#include <map>

namespace cooper::delivery {

namespace {

constexpr std::chrono::seconds kQuick{60};
constexpr std::chrono::seconds kFetch{300};  // of one commit, without files
constexpr std::size_t kMaxAdvertised = 4 * 1024 * 1024;
constexpr std::size_t kMaxSaid = 2000;
constexpr std::string_view kHeads = "refs/heads/";

/// The caller's environment, for the credentials in it, without what would point git at another repository.
std::map<std::string, std::string, std::less<>> remote_git_environment(const Environment& environment) {
    std::map<std::string, std::string, std::less<>> variables;
    for (const auto& [name, value] : environment.all()) {
        const bool is_for_logins = name.starts_with("GIT_SSH") || name == "GIT_ASKPASS" || name.starts_with("GIT_SSL");
        if (!name.starts_with("GIT_") || is_for_logins) {
            variables.emplace(name, value);
        }
    }
    variables.emplace("GIT_SSH_COMMAND", "ssh -o BatchMode=yes");
    variables["GIT_TERMINAL_PROMPT"] = "0";
    variables["GIT_ALLOW_PROTOCOL"] = "https:ssh:file";  // nobody vouches for what comes by http or git
    variables["LC_ALL"] = "C";
    return variables;
}

/// git in one directory; nothing there is run: no hooks, no monitors, no maintenance.
class RemoteGit {
public:
    RemoteGit(std::filesystem::path directory, const Environment& environment, const Run& run)
        : directory_(std::move(directory)), variables_(remote_git_environment(environment)), run_(run) {}

    [[nodiscard]] ProcessResult ask(const std::vector<std::string>& arguments, std::chrono::seconds timeout = kQuick,
                                    std::size_t limit = kMaxAdvertised) const {
        ProcessRequest request;
        request.arguments = {"git", "--no-pager",
                             "-c",  "core.hooksPath=/dev/null",
                             "-c",  "core.fsmonitor=false",
                             "-c",  "safe.directory=*",
                             "-c",  "gc.auto=0",
                             "-c",  "fetch.fsckObjects=true"};
        request.arguments.insert(request.arguments.end(), arguments.begin(), arguments.end());
        request.environment = variables_;
        request.working_directory = directory_.string();
        request.timeout = timeout;
        request.output_limit = limit;
        return run_process(request, run_);
    }

private:
    std::filesystem::path directory_;
    std::map<std::string, std::string, std::less<>> variables_;
    const Run& run_;
};

/// What git said, without logins in URLs.
std::string said(const ProcessResult& result) {
    return redact(trim(result.error_output).substr(0, kMaxSaid));
}

bool is_url(std::string_view remote) {
    return remote.starts_with('/') || remote.find(':') != std::string_view::npos;
}

/// The address behind `remote`, the one thing that the work tree's configuration is asked for.
std::string address_of(const std::string& remote, const std::filesystem::path& directory,
                       const Environment& environment, const Run& run) {
    if (is_url(remote)) {
        return remote;
    }
    const bool is_name = !remote.empty() && std::all_of(remote.begin(), remote.end(), [](unsigned char c) {
        return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-' || c == '_' ||
               c == '.' || c == '/';
    });
    const RemoteGit git(directory, environment, run);
    const ProcessResult found =
        is_name ? git.ask({"config", "--get", "remote." + remote + ".url"}) : ProcessResult{1, "", ""};
    std::string address(trim(found.output));
    if (found.exit_status != 0 || address.empty()) {
        Error error(ErrorCode::InvalidInput,
                    "git knows no remote \"" + remote + "\" in " + directory.string() + ": nowhere to read the list");
        error.advise("--remote NAME or --remote URL");
        throw Error(error);
    }
    if (!is_url(address)) {  // a path, as git takes it: from the top of the work tree
        const ProcessResult top = git.ask({"rev-parse", "--show-toplevel"});
        address = std::filesystem::path(std::string(trim(top.output))) / address;
    }
    return address;
}

/// A value in git's configuration file.
std::string quoted_setting(const std::string& value) {
    std::string quoted = "\"";
    for (const char character : value) {
        if (static_cast<unsigned char>(character) < 0x20) {
            throw Error(ErrorCode::InvalidInput, "the remote's address has a control character");
        }
        quoted += character == '"' || character == '\\' ? std::string("\\") + character : std::string(1, character);
    }
    return quoted + "\"";
}

/// A bare repository of our own that knows the remote. Its address stands in a file that nobody else can read, not in
/// arguments, which everybody can: CI systems write tokens into it.
RemoteGit make_repository(const std::filesystem::path& directory, const std::string& address,
                          const Environment& environment, const Run& run) {
    RemoteGit git(directory, environment, run);
    const ProcessResult made = git.ask({"init", "--quiet", "--bare", "--template=", "."});
    if (made.exit_status != 0) {
        throw Error(ErrorCode::CommandFailed, "git cannot make a repository: " + said(made));
    }
    const std::filesystem::path file = directory / "config";
    std::string text = read_file(file, 64 * 1024);
    text += "[remote \"list\"]\n\turl = " + quoted_setting(address) +
            "\n\tpromisor = true\n\tpartialclonefilter = blob:none\n";
    write_file(file, text, 0600);
    return git;
}

[[noreturn]] void refuse_list(const std::string& why) {
    Error error(ErrorCode::AccessDenied, why);
    error.advise("write the list into the default branch of the remote");
    throw Error(error);
}

/// "refs/heads/main", from "ref: refs/heads/main\tHEAD".
std::string default_ref(const RemoteGit& git, const std::string& shown) {
    const ProcessResult answer = git.ask({"ls-remote", "--symref", "list", "HEAD"});
    if (answer.exit_status != 0) {
        throw Error(ErrorCode::Unavailable, shown + " does not answer: " + said(answer));
    }
    constexpr std::string_view kBegin = "ref: ";
    constexpr std::string_view kEnd = "\tHEAD";
    for (const std::string_view line : split(answer.output, '\n')) {
        if (line.starts_with(kBegin) && line.ends_with(kEnd)) {
            std::string ref(line.substr(kBegin.size(), line.size() - kBegin.size() - kEnd.size()));
            if (ref.starts_with(kHeads) && ref.find(':') == std::string::npos) {
                return ref;
            }
        }
    }
    refuse_list(shown + " has no default branch");
}

}  // namespace

PublisherList read_remote_list(const std::string& allow_file, const std::filesystem::path& directory,
                               const std::string& remote, const Environment& environment, const Run& run) {
    const std::string address = address_of(remote, directory, environment, run);
    const std::string shown = redact(address);
    const TempDirectory place("cooper-publishers");
    const RemoteGit git = make_repository(place.path(), address, environment, run);
    const std::string ref = default_ref(git, shown);
    const ProcessResult fetched = git.ask({"fetch", "--quiet", "--no-tags", "--no-recurse-submodules", "--depth=1",
                                           "--filter=blob:none", "list", "+" + ref + ":refs/heads/list"},
                                          kFetch);
    if (fetched.exit_status != 0) {
        throw Error(ErrorCode::Unavailable, shown + " does not give " + ref + ": " + said(fetched));
    }
    PublisherList list;
    list.branch = ref.substr(kHeads.size());
    const ProcessResult commit = git.ask({"rev-parse", "--verify", "--quiet", "refs/heads/list"});
    const std::string origin = std::string(trim(commit.output));
    list.origin = shown + " " + list.branch + "@" + abbreviated(origin) + ":" + allow_file;
    const ProcessResult size = git.ask({"cat-file", "-s", origin + ":" + allow_file}, kFetch);
    const auto bytes = parse_uint(trim(size.output));
    if (commit.exit_status != 0 || size.exit_status != 0 || !bytes) {
        refuse_list("there is no list of publishers " + list.origin + ": " + said(size));
    }
    if (*bytes > kMaxPublisherList) {
        refuse_list("the list of publishers " + list.origin + " has more than " + std::to_string(kMaxPublisherList) +
                    " bytes");
    }
    const ProcessResult content = git.ask({"cat-file", "blob", origin + ":" + allow_file});
    if (content.exit_status != 0) {
        refuse_list("the list of publishers " + list.origin + " is no file: " + said(content));
    }
    list.text = content.output;
    return list;
}

}  // namespace cooper::delivery
