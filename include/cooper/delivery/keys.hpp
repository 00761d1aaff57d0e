// Where things lie in a bucket: BRANCH/SHORT_SHA/NAME:TAG.tar, and how branch names become keys reversibly.
#pragma once

#include <string>
#include <string_view>

namespace cooper::delivery {

/// The branch as the first part of a key: slashes stay; every byte but `A-Z a-z 0-9 . _ / -` becomes %XX (so "%" too:
/// two branches never share a key). Throws Error{InvalidInput} for a name that git would not take (empty, "..", control
/// bytes, leading or trailing "/", "//", ".lock" at the end, …), an element below the first that looks like a
/// short SHA or is called CHANGELOG.md, or a key of more than 512 bytes.
std::string branch_key(std::string_view branch);
/// The branch behind a key prefix. Throws Error{InvalidInput} for a key that branch_key() does not make.
std::string branch_of_key(std::string_view key);

/// The commit in lower case: 7 to 64 hex digits, else Error{InvalidInput}.
std::string check_commit(std::string_view commit);
/// The first seven digits.
std::string short_sha(std::string_view commit);

/// "NAME:TAG.tar" from an image's NAME and TAG.
std::string tarball_name(std::string_view name, std::string_view tag);
/// The name to save under: "openhands_latest.tar". Colons break GNU tar, skopeo, scp and Windows.
std::string safe_file_name(std::string_view tarball);
/// Where a tarball's lock lies: beside it, colon-free ("main/abc1234/openhands_latest.tar.lock.json").
std::string lock_key(std::string_view tarball_key);

}  // namespace cooper::delivery
