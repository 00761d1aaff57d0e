#include "cooper/delivery/keys.hpp"

#include "cooper/base/error.hpp"
#include "cooper/base/text.hpp"

#include <algorithm>

namespace cooper::delivery {
namespace {

// S3 takes keys of 1024 bytes. Commit folder, NAME (255) and TAG (128) need some 400 of them.
constexpr std::size_t kMaxBranchKey = 512;
constexpr std::size_t kMaxName = 255;
constexpr std::size_t kMaxTag = 128;
constexpr std::size_t kShortSha = 7;
constexpr std::size_t kMaxFolder = 40;
constexpr std::size_t kMaxCommit = 64;  // SHA-256 repositories
constexpr std::size_t kShown = 100;

bool is_hex_digit(char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
}

bool is_alphanumeric(char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/// For messages: what a terminal could misread is escaped, and the text is cut.
std::string shown(std::string_view text) {
    return "\"" + percent_encode(text.substr(0, kShown), "/@+ ") + "\"";
}

[[noreturn]] void refuse_branch(std::string_view branch, const std::string& why) {
    throw Error(ErrorCode::InvalidInput, "branch " + shown(branch) + " cannot be delivered: " + why);
}

bool looks_like_folder(std::string_view element) {
    return element.size() >= kShortSha && element.size() <= kMaxFolder &&
           std::all_of(element.begin(), element.end(), is_hex_digit);
}

/// The rules of git-check-ref-format(1).
void check_git_takes(std::string_view branch) {
    if (branch.empty()) {
        throw Error(ErrorCode::InvalidInput, "the branch name is empty");
    }
    for (const char c : branch) {
        const auto byte = static_cast<unsigned char>(c);
        if (byte < 0x20 || byte == 0x7f) {
            refuse_branch(branch, "it has a control character");
        }
        if (std::string_view(" ~^:?*[\\").find(c) != std::string_view::npos) {
            refuse_branch(branch, "git does not take the character '" + std::string(1, c) + "'");
        }
    }
    for (const std::string_view bad : {"..", "@{", "//"}) {
        if (branch.find(bad) != std::string_view::npos) {
            refuse_branch(branch, "git does not take \"" + std::string(bad) + "\"");
        }
    }
    if (branch.front() == '/' || branch.front() == '-' || branch.back() == '/' || branch.back() == '.') {
        refuse_branch(branch, "git takes no name that begins with \"/\" or \"-\" or ends with \"/\" or \".\"");
    }
    if (branch == "@" || branch == "HEAD") {
        refuse_branch(branch, "git keeps this name for itself");
    }
}

/// What would be mistaken for something that lies in a branch's folder.
void check_elements(std::string_view branch) {
    bool first = true;
    for (const std::string_view element : split(branch, '/')) {
        if (element.front() == '.' || element.ends_with(".lock")) {
            refuse_branch(branch, "git takes no part that begins with \".\" or ends with \".lock\"");
        }
        if (!first && looks_like_folder(element)) {
            refuse_branch(branch, "its part \"" + std::string(element) +
                                      "\" looks like a commit's folder, so builds of branch \"" +
                                      std::string(branch.substr(0, branch.find("/" + std::string(element)))) +
                                      "\" could lie in the same place");
        }
        if (!first && element == "CHANGELOG.md") {
            refuse_branch(branch, "its part \"CHANGELOG.md\" is the name of another branch's changelog");
        }
        first = false;
    }
}

}  // namespace

std::string branch_key(std::string_view branch) {
    check_git_takes(branch);
    check_elements(branch);
    std::string key = percent_encode(branch, "/");
    if (key.size() > kMaxBranchKey) {
        refuse_branch(branch, "as a key it has " + std::to_string(key.size()) + " bytes, the limit is " +
                                  std::to_string(kMaxBranchKey));
    }
    return key;
}

std::string branch_of_key(std::string_view key) {
    std::string branch = percent_decode(key);
    if (branch_key(branch) != key) {
        throw Error(ErrorCode::InvalidInput, "key " + shown(key) + " is not the key of a branch");
    }
    return branch;
}

std::string check_commit(std::string_view commit) {
    std::string lower = to_lower(commit);
    if (lower.size() < kShortSha || lower.size() > kMaxCommit ||
        !std::all_of(lower.begin(), lower.end(), is_hex_digit)) {
        throw Error(ErrorCode::InvalidInput, "commit " + shown(commit) + " is not 7 to 64 hexadecimal digits");
    }
    return lower;
}

std::string short_sha(std::string_view commit) {
    return check_commit(commit).substr(0, kShortSha);
}

std::string tarball_name(std::string_view name, std::string_view tag) {
    const auto name_character = [](char c) { return is_alphanumeric(c) || c == '.' || c == '_' || c == '-'; };
    if (name.empty() || name.size() > kMaxName || !is_alphanumeric(name.front()) ||
        !std::all_of(name.begin(), name.end(), name_character)) {
        throw Error(ErrorCode::InvalidInput,
                    "image name " + shown(name) +
                        " cannot be a file name: letters, digits, \".\", \"_\" and \"-\" only, "
                        "beginning with a letter or digit");
    }
    if (tag.empty() || tag.size() > kMaxTag || tag.front() == '.' || tag.front() == '-' ||
        !std::all_of(tag.begin(), tag.end(), name_character)) {
        throw Error(ErrorCode::InvalidInput, "tag " + shown(tag) + " of image " + shown(name) + " is not a tag");
    }
    return std::string(name) + ":" + std::string(tag) + ".tar";
}

std::string safe_file_name(std::string_view tarball) {
    std::string name(tarball.substr(tarball.rfind('/') + 1));
    std::replace_if(
        name.begin(), name.end(), [](char c) { return !is_alphanumeric(c) && c != '.' && c != '_' && c != '-'; }, '_');
    return name;
}

std::string lock_key(std::string_view tarball_key) {
    return std::string(tarball_key.substr(0, tarball_key.rfind('/') + 1)) + safe_file_name(tarball_key) + ".lock.json";
}

}  // namespace cooper::delivery
