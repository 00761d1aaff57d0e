#include "cooper/base/error.hpp"
#include "cooper/base/ranged.hpp"
#include "cooper/base/text.hpp"
#include "cooper/build/copy_files.hpp"

#include "build/copy/source_root.hpp"
#include "oci/printable.hpp"

#include <limits>

namespace cooper::build {

namespace {

constexpr std::size_t kMaxAccounts = 16U << 20;  // of /etc/passwd or /etc/group; real ones have some kilobytes

struct Account {
    std::uint32_t id = 0;
    std::uint32_t group = 0;  ///< of users
};

std::optional<std::uint32_t> id_of(std::string_view text) {
    const auto number = parse_uint(text);
    return number && *number < std::numeric_limits<std::uint32_t>::max()
               ? std::optional(static_cast<std::uint32_t>(*number))
               : std::nullopt;
}

std::string read_accounts(const std::filesystem::path& directory, const char* path) {
    const SourceRoot root(directory, nullptr);
    const auto found = root.find(path);
    FileDescriptor file = found && S_ISREG(found->status.st_mode) ? root.open(found->path) : FileDescriptor();
    return file.valid() ? read_all(*FileRanged(std::move(file), path).open(), kMaxAccounts, path) : std::string();
}

/// The first line of the file with this name.
std::optional<Account> find_account(const std::filesystem::path& root, const char* path, std::string_view name,
                                    bool user) {
    const std::string text = read_accounts(root, path);
    for (const auto line : split(text, '\n')) {
        const auto fields = split(line, ':');
        if (fields.front() != name || fields.size() < (user ? 4U : 3U)) {
            continue;
        }
        const auto id = id_of(fields[2]);
        const auto group = user ? id_of(fields[3]) : id;
        if (id && group) {
            return Account{*id, *group};
        }
    }
    return name == "root" ? std::optional(Account()) : std::nullopt;
}

bool is_number(std::string_view text) {
    return !text.empty() && text.find_first_not_of("0123456789") == std::string_view::npos;
}

/// Digits are a number, whatever names there are.
Account resolve(const std::filesystem::path& root, std::string_view word, bool user, std::string_view chown) {
    if (is_number(word)) {
        if (const auto id = id_of(word)) {
            return {*id, *id};
        }
    } else if (const auto account = find_account(root, user ? "etc/passwd" : "etc/group", word, user)) {
        return *account;
    }
    throw Error(ErrorCode::InvalidInput, "--chown=" + oci::printable(chown) + ": there is no " +
                                             (user ? "user" : "group") + " '" + oci::printable(word) + "' in the image")
        .advise(std::string("the image's ") + (user ? "/etc/passwd" : "/etc/group") +
                " is what counts: make it in a RUN step before, or give a number");
}

}  // namespace

std::pair<std::uint32_t, std::uint32_t> find_owner(const std::filesystem::path& root, std::string_view chown) {
    const auto colon = chown.find(':');
    const Account user = resolve(root, chown.substr(0, colon), true, chown);
    return {user.id,
            colon == std::string_view::npos ? user.group : resolve(root, chown.substr(colon + 1), false, chown).id};
}

}  // namespace cooper::build
