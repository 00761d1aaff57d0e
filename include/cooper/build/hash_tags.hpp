// Tags that name content, at three levels: versioned (base image and system), lock (and dependencies), source (and
// source files). Profiles v0 and v1 are those of the systems whose caches exist (`tags.md` 1 to 6), byte for byte;
// `cooper` is the sound one for new users and is specified at cooper_tags().
#pragma once

#include "cooper/base/digest.hpp"
#include "cooper/base/run.hpp"
#include "cooper/build/tag_record.hpp"
#include "cooper/oci/platform.hpp"

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
/// `tags.md` 3. Throws SystemError that names the file.
std::string lock_hash_v0(const LockInputs& inputs, const Run& run);
std::string lock_hash_v1(const LockInputs& inputs, const Run& run);  ///< a missing file is a notice

// --- whole sets ----------------------------------------------------------------------------------------------------

struct CompatibleInputs {
    LockInputs lock;
    std::string version;
    std::filesystem::path source;                   ///< v0: the package directory itself when empty
    std::string suffix;                             ///< v1
    std::optional<std::string> runtime_repository;  ///< v0: $OH_RUNTIME_RUNTIME_IMAGE_REPO
    std::filesystem::path cache_directory;          ///< as in TreeOptions
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

struct TagInputs {
    std::string version;
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
    std::string suffix;  ///< at the end of each tag, not hashed
    std::filesystem::path cache_directory;
    unsigned threads = 0;
};

/// SPECIFICATION TO BE WRITTEN HERE BY THE IMPLEMENTATION: framing, order, levels, digits.
HashTags cooper_tags(const TagInputs& inputs, const Run& run);

/// Throws Error{InvalidInput} with the reason when `tag` does not match [A-Za-z0-9_][A-Za-z0-9._-]{0,127} (OCI
/// distribution specification 1.1, "Pulling manifests"); `what` names it ("source tag").
void check_tag(std::string_view tag, std::string_view what);

}  // namespace cooper::build
