// Tags that name content, at three levels: versioned (base image and system), lock (and dependencies), source (and
// source files). Profiles v0 and v1 are those of the systems whose caches exist (`tags.md` 1 to 6), byte for byte;
// `cooper` is the sound one for new users and is specified at cooper_tags().
#pragma once

#include "cooper/base/digest.hpp"
#include "cooper/base/run.hpp"
#include "cooper/build/tag_record.hpp"
#include "cooper/oci/platform.hpp"

#include <array>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace cooper::build {

struct HashTags {
    std::string source;
    std::string lock;
    std::string versioned;
    /// v0: the repository that its own rules choose (repository_and_tag); else empty.
    std::string repository;
    TagRecord record;  ///< what went in
};

// --- the compatible profiles' pieces -------------------------------------------------------------------------------

/// A hex number as at most 16 base-36 digits, least significant first; "" for zero (`tags.md` 2). Throws
/// Error{InvalidInput} for anything but hex digits.
std::string truncate_hash(std::string_view hex);
/// '/' -> "_s_", ':' -> "_t_" (v0) or "_tag_" (v1), lower case, the last 96 characters (`tags.md` 5).
std::string base_slug_v0(std::string_view base_image);
std::string base_slug_v1(std::string_view base_image);
/// SDK build.py: '/' -> "_s_", ':' -> "_tag_", case kept; cut to `max_length` with a digest when longer (`tags.md` 5).
/// Throws Error{InvalidInput} when max_length leaves no room for it.
std::string base_slug_sdk(std::string_view base_image, std::size_t max_length = 64);
/// What base_slug_sdk() does with a name that is too long: `_truncate_ident(repository, tag, budget)`.
std::string truncate_ident(std::string_view repository, std::string_view tag, std::size_t budget);

struct RepositoryAndTag {
    std::string repository;
    std::string tag;
};
/// v0's name for a runtime image (`tags.md` 6). `runtime_repository` is $OH_RUNTIME_RUNTIME_IMAGE_REPO; nullopt: the
/// default. Throws Error{InvalidInput} for a base that does not split at one ':' (a registry with a port).
RepositoryAndTag repository_and_tag(std::string_view base_image, std::string_view version,
                                    const std::optional<std::string>& runtime_repository);

struct LockInputs {
    std::string base_image;
    bool enable_browser = true;
    std::filesystem::path root;            ///< v0: the package directory (holds __init__.py); v1: the SDK's root
    std::vector<std::string> extra_files;  ///< v1 only; in this order; an absolute path stands for itself
};
/// `tags.md` 3. Throws SystemError that names the file (ENOENT, EISDIR, EACCES); Error{InvalidInput} for a fifo or
/// device in its place, and for extra files in v0.
std::string lock_hash_v0(const LockInputs& inputs, const Run& run);
std::string lock_hash_v1(const LockInputs& inputs, const Run& run);  ///< a missing file is a notice

// --- whole sets ----------------------------------------------------------------------------------------------------

struct CompatibleInputs {
    LockInputs lock;
    std::string version;
    std::filesystem::path source;                   ///< v0: the package directory itself when empty
    std::string suffix;                             ///< v1; v0 has none and refuses it
    std::optional<std::string> runtime_repository;  ///< v0: $OH_RUNTIME_RUNTIME_IMAGE_REPO
    /// Base images with a port or a digest have tags too, where the originals fail or make tags that no registry takes:
    /// v0's `repository` stays empty, and '@' is "_at_" in the versioned tag. All other tags are as without it.
    bool any_base = false;
    std::filesystem::path cache_directory;  ///< as in TreeOptions
    unsigned threads = 0;
};
/// "oh_v{version}_{lock}_{source}" and so on. Throws SourceHashError and what lock_hash_v0() throws;
/// Error{InvalidInput} for a tag that no registry would accept.
HashTags v0_tags(const CompatibleInputs& inputs, const Run& run);
/// "v{version}_{lock}_{source}{suffix}" and so on; a source without a hash is "unknown" as in the original, with a
/// warning.
HashTags v1_tags(const CompatibleInputs& inputs, const Run& run);
/// The version that v0 would find: the first line of pyproject.toml starting with "version =", in `project` then in
/// `package`; nullopt when neither has one.
std::optional<std::string> find_project_version(const std::filesystem::path& project,
                                                const std::filesystem::path& package);

/// What profile cooper leaves out of a source tree, in .dockerignore's language: what tools write into a tree on their
/// own and no image is meant to hold. Version control's own files first (a build that reads them names the commit as a
/// build argument), then compiled Python (made from sources that count), then caches of tools that check sources.
/// Nothing that a build would copy on purpose (.venv, node_modules, dist): what an image may hold must count.
inline constexpr std::array<std::string_view, 10> kDefaultIgnore = {
    "**/.git",  "**/.hg",       "**/.svn",        "**/__pycache__",   "**/*.pyc",
    "**/*.pyo", "**/.DS_Store", "**/.mypy_cache", "**/.pytest_cache", "**/.ruff_cache",
};

struct TagInputs {
    std::string version;                ///< [A-Za-z0-9][A-Za-z0-9.-]*
    std::string base;                   ///< reference as given ("ubuntu:22.04"), or "scratch"
    std::optional<Digest> base_digest;  ///< what it names now; may be absent when `base` has one or is scratch
    oci::Platform platform = oci::Platform::host();
    std::string target;                                           ///< build target; may be empty
    std::vector<std::pair<std::string, std::string>> build_args;  ///< names are unique; order does not matter
    std::vector<std::string> recipes;  ///< Dockerfile, template, scripts that set the system up; below root, any order
    std::vector<std::string> lock_files;          ///< below root; order matters, all must exist
    std::vector<std::string> extra_dependencies;  ///< as given to the package manager; order matters
    std::filesystem::path root;
    std::vector<std::string> sources;  ///< files and directories below root; empty: all of it
    std::vector<std::string> ignore;   ///< on top of kDefaultIgnore, in .dockerignore's language
    bool default_ignore = true;
    bool dockerignore = true;
    /// Files and directories below root that count besides, whatever `ignore` and the .dockerignore say: what a build
    /// context has for certain.
    std::vector<std::string> extra_files;
    std::string suffix;  ///< at the end of each tag, not hashed
    std::filesystem::path cache_directory;
    unsigned threads = 0;
};

/// The tags of profile cooper, format "cooper.tags/v1". This comment is the specification.
///
/// Framing. A string S(x) is its length in bytes as 8 bytes, most significant first, followed by its bytes. A number
/// N(x) is 8 bytes, most significant first. An input is five fields,
///     I = S(kind) S(name) S(value) N(mode) N(size),
/// where a field that the kind does not use is empty or 0. Text is bytes as given, UTF-8 where it is characters.
///
/// Levels. Each is a SHA-256 (FIPS 180-4) over its own inputs, chained to the level before:
///     versioned = SHA-256( S("cooper.tags/v1") S("versioned") S("")        I I I … )
///     lock      = SHA-256( S("cooper.tags/v1") S("lock")      S(versioned) I I I … )
///     source    = SHA-256( S("cooper.tags/v1") S("source")    S(lock)      I I I … )
/// where the level before is written as "sha256:" and 64 lower-case hex digits.
///
/// Inputs of the versioned level, in this order:
///     "version"         value: the version.
///     "base"            value: the digest of the base image, "sha256:…" or "sha512:…". Its name is not hashed.
///     or "scratch"      for the base "scratch"; no other field.
///     "platform"        value: os/architecture[/variant], normalised ("linux/amd64", "linux/arm64", "linux/arm/v7").
///     "target"          value: the build target, empty when there is none.
///     "build argument"  one each, sorted by the bytes of their names. name; value: "sha256:" and the hex SHA-256 of
///                       the argument's value.
///     "recipe"          one each, sorted by the bytes of their paths, each path once. name: the path below the root;
///                       value: "sha256:…" of the content; mode; size.
/// Inputs of the lock level, in this order:
///     "extra dependency"  one each, in the order given. value: "sha256:" and the hex SHA-256 of its text.
///     "lock file"         one each, in the order given. name: the path below the root; value: "sha256:…" of the
///                         content; size.
/// Inputs of the source level are the entries of read_tree(), sorted by the bytes of their paths; parents of what was
/// asked for and empty directories are among them, the root itself is not:
///     "file"       name: the path below the root; value: "sha256:…" of the content; mode; size.
///     "directory"  name: the path; mode.
///     "symlink"    name: the path; value: the text of the link; mode.
/// Paths have no "." or empty components and no '/' at either end. Modes are 0755 for files that their owner may
/// execute, else 0644, with 04000 and 02000 (setuid, setgid) as they are; 0755 for directories, 0777 for symlinks.
///
/// Digits. D(hash) is the number in the hash's first 103 bits (its first 12 bytes and the 7 upper bits of the next,
/// most significant first) in base 36, digits 0-9a-z, most significant first, with leading zeros to 20 digits
/// (2^103 < 36^20).
///
/// Tags, with VERSION the version and SUFFIX the suffix, which is not hashed:
///     versioned  VERSION _ SLUG - D(versioned) SUFFIX
///     lock       VERSION _ D(lock) SUFFIX
///     source     VERSION _ D(lock) _ D(source) SUFFIX
/// SLUG is for reading only: "scratch", or the familiar name of the base without a digest, with its tag ("latest" when
/// it has neither tag nor digest), such as "ubuntu:22.04" or "ghcr.io/acme/base:v1"; every character but letters,
/// digits, '.' and '-' becomes '-'; of more than 40 characters the last 40 are kept; then '-' and '.' at its beginning
/// are dropped. VERSION matches [A-Za-z0-9][A-Za-z0-9.-]*, SUFFIX is empty or '-' and then letters, digits, '.' and
/// '-'. So the number of '_' tells source tags from the others, and what follows a lock tag's '_' has no '-' before its
/// suffix, whereas a versioned tag has one in any case.
///
/// Sources are those of TreeOptions with `ignore` = kDefaultIgnore (unless default_ignore is false) and then
/// TagInputs::ignore; of extra_files those with kDefaultIgnore alone, each path once. A Dockerfile or lock file that
/// lies inside the source tree counts in both levels.
///
/// The record holds the inputs as hashed, but build arguments and extra dependencies by their text instead of its
/// digest, unless they look secret: their kinds are then "secret build argument" and "secret extra dependency" in the
/// record (never in the hash), and the value is the digest. Not hashed and recorded at the versioned level are
/// "base name" (value: SLUG) and "suffix" (when there is one). A digest hides a long random token; it does not hide a
/// guessable password from somebody who tries them all.
///
/// Throws Error{InvalidInput} for a version, suffix, base, argument or path that is against these rules, for a base
/// without a digest, a recipe or lock file that is no regular file below the root or lies behind a symlink, and for a
/// tag that no registry would accept; Error{NotFound} for a file that is not there; what read_tree() throws.
HashTags cooper_tags(const TagInputs& inputs, const Run& run);

/// Throws Error{InvalidInput} with the reason when `tag` does not match [A-Za-z0-9_][A-Za-z0-9._-]{0,127} (OCI
/// distribution specification 1.1, "Pulling manifests"); `what` names it ("source tag").
void check_tag(std::string_view tag, std::string_view what);

}  // namespace cooper::build
