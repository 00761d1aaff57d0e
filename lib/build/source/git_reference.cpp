#include "cooper/base/error.hpp"
#include "cooper/base/text.hpp"
#include "cooper/build/build_source.hpp"

#include "build/source/git_text.hpp"
#include "oci/printable.hpp"

#include <algorithm>
#include <map>

namespace cooper::build {

namespace {

constexpr std::size_t kMaxReference = 8192;
constexpr std::string_view kGithub = "github.com/";

[[noreturn]] void refuse(const std::string& problem) {
    throw Error(ErrorCode::InvalidInput, "the git reference " + problem)
        .advise("git references look like https://host/repository.git#branch:directory");
}

/// The address, and what stands behind it.
struct Parts {
    std::string_view address;
    std::string_view query;
    std::string_view fragment;

    explicit Parts(std::string_view text) : address(text) {
        cut('#', fragment);
        cut('?', query);
    }

private:
    void cut(char mark, std::string_view& behind) {
        if (const auto at = address.find(mark); at != std::string_view::npos) {
            behind = address.substr(at + 1);
            address = address.substr(0, at);
        }
    }
};

bool all_of(std::string_view text, std::string_view extra) {
    return !text.empty() && std::all_of(text.begin(), text.end(), [&](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
               extra.find(c) != std::string_view::npos;
    });
}

/// "git@host:path", as scp takes it.
bool is_scp_address(std::string_view address) {
    const auto at = address.find('@');
    const auto colon = address.find(':');
    return at != std::string_view::npos && colon != std::string_view::npos && at < colon &&
           all_of(address.substr(0, at), "-_") && all_of(address.substr(at + 1, colon - at - 1), "-.");
}

bool is_git_address(std::string_view address) {
    if (address.starts_with(kGithub)) {
        return true;
    }
    const auto scheme_end = address.find("://");
    if (scheme_end == std::string_view::npos || !all_of(address.substr(0, scheme_end), "")) {
        return is_scp_address(address);
    }
    const std::string scheme = to_lower(address.substr(0, scheme_end));
    return scheme == "ssh" || scheme == "git" || ((scheme == "http" || scheme == "https") && address.ends_with(".git"));
}

/// What the query sets, each once.
class Query {
public:
    explicit Query(std::string_view text) {
        for (const auto pair : split(text, '&')) {
            if (pair.empty()) {
                continue;
            }
            const auto equals = pair.find('=');
            std::string key = percent_decode(pair.substr(0, equals), true);
            std::string value = equals == std::string_view::npos ? "" : percent_decode(pair.substr(equals + 1), true);
            if (!values_.emplace(key, std::move(value)).second) {
                refuse("has '" + oci::printable(key) + "' twice in its query");
            }
        }
    }
    std::optional<std::string> take(std::string_view key) {
        const auto at = values_.find(key);
        if (at == values_.end()) {
            return std::nullopt;
        }
        std::string value = std::move(at->second);
        values_.erase(at);
        return value;
    }
    /// Without a value it is set.
    std::optional<bool> take_flag(std::string_view key) {
        const auto value = take(key);
        if (!value) {
            return std::nullopt;
        }
        if (*value == "" || *value == "1" || *value == "t" || equals_ignoring_case(*value, "true")) {
            return true;
        }
        if (*value == "0" || *value == "f" || equals_ignoring_case(*value, "false")) {
            return false;
        }
        refuse("has '" + oci::printable(*value) + "' for '" + std::string(key) + "': true or false is meant");
    }
    void finish() const {
        if (!values_.empty()) {
            refuse("has an unknown '" + oci::printable(values_.begin()->first) + "' in its query");
        }
    }

private:
    std::map<std::string, std::string, std::less<>> values_;
};

/// One value from two places.
void set_once(std::string& value, std::string other, const char* what) {
    if (!value.empty() && value != other) {
        refuse(std::string("names two ") + what + ": '" + oci::printable(value) + "' and '" + oci::printable(other) +
               "'");
    }
    value = std::move(other);
}

void read_query(GitReference& reference, std::string_view text) {
    Query query(text);
    const auto tag = query.take("tag");
    const auto branch = query.take("branch");
    if (tag && branch) {
        refuse("names a tag and a branch");
    }
    for (auto ref : {query.take("ref"), tag ? std::optional("refs/tags/" + *tag) : std::nullopt,
                     branch ? std::optional("refs/heads/" + *branch) : std::nullopt}) {
        if (ref && !ref->empty()) {
            set_once(reference.ref, std::move(*ref), "refs");
        }
    }
    if (auto directory = query.take("subdir"); directory && !directory->empty()) {
        set_once(reference.subdirectory, std::move(*directory), "directories");
    }
    for (auto commit : {query.take("checksum"), query.take("commit")}) {
        if (commit) {
            std::string known = reference.checksum.value_or("");
            set_once(known, std::move(*commit), "commits");
            reference.checksum = std::move(known);
        }
    }
    reference.keep_git_dir = query.take_flag("keep-git-dir");
    reference.submodules = query.take_flag("submodules");
    query.take_flag("fetch-by-commit");  // a commit that is named is fetched by its name
    if (const auto time = query.take("mtime"); time && *time != "checkout" && *time != "commit") {
        refuse("has '" + oci::printable(*time) + "' for 'mtime': checkout or commit is meant");
    }
    query.finish();
}

}  // namespace

std::string redacted_remote(std::string_view remote) {
    const auto scheme_end = remote.find("://");
    const auto begin = scheme_end == std::string_view::npos ? 0 : scheme_end + 3;
    const auto end = std::min(remote.find('/', begin), remote.size());
    const auto at = remote.substr(begin, end - begin).rfind('@');
    if (scheme_end == std::string_view::npos || at == std::string_view::npos) {
        return oci::printable(remote);
    }
    return oci::printable(std::string(remote.substr(0, begin)) + "***@" + std::string(remote.substr(begin + at + 1)));
}

void check_git_ref(std::string_view ref) {
    const bool strange = ref.starts_with('-') || ref.starts_with('/') || ref.ends_with('/') || ref.ends_with('.') ||
                         ref.ends_with(".lock") || ref.find("..") != std::string_view::npos ||
                         ref.find("@{") != std::string_view::npos || ref.find("//") != std::string_view::npos ||
                         std::any_of(ref.begin(), ref.end(), [](char c) {
                             return static_cast<unsigned char>(c) <= ' ' || c == 0x7f ||
                                    std::string_view("~^:?*[\\").find(c) != std::string_view::npos;
                         });
    if (strange) {
        refuse("has a ref '" + oci::printable(ref) + "' that git does not allow");
    }
}

void check_git_remote(std::string_view remote) {
    const auto scheme_end = remote.find("://");
    std::string_view host = scheme_end == std::string_view::npos ? remote : remote.substr(scheme_end + 3);
    host = host.substr(0, host.find('/'));
    const auto at = host.rfind('@');
    const bool option = remote.starts_with('-') || host.starts_with('-') ||
                        (at != std::string_view::npos && host.substr(at + 1).starts_with('-'));
    const bool control = std::any_of(remote.begin(), remote.end(),
                                     [](char c) { return static_cast<unsigned char>(c) <= ' ' || c == 0x7f; });
    if (option || control) {
        refuse("'" + redacted_remote(remote) + "' begins like an option, or has characters that no address has");
    }
}

std::optional<GitReference> GitReference::parse(std::string_view text) {
    const Parts parts(text);
    if (text.size() > kMaxReference || text.starts_with("./") || text.starts_with("../") ||
        !is_git_address(parts.address)) {
        return std::nullopt;
    }
    GitReference reference;
    reference.remote = parts.address;
    const auto colon = parts.fragment.find(':');
    reference.ref = percent_decode(parts.fragment.substr(0, colon));
    if (colon != std::string_view::npos) {
        reference.subdirectory = percent_decode(parts.fragment.substr(colon + 1));
    }
    read_query(reference, parts.query);
    check_git_remote(reference.remote);
    check_git_ref(reference.ref);
    if (reference.checksum) {
        check_git_ref(*reference.checksum);
    }
    return reference;
}

bool GitReference::may_be_path() const {
    return remote.starts_with(kGithub);
}

bool is_commit(std::string_view text) {
    return (text.size() == 40 || text.size() == 64) &&
           text.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

}  // namespace cooper::build
