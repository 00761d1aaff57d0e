// Where a build reads: contexts (a directory, a tar, standard input, a git reference), and what ADD fetches.
//
// `docker build` reference, "Build context"; `dockerfile.md` sections 4 (ADD) and 5; `trust-and-delivery.md` 5.2 (row
// "Dockerfile/context").
#pragma once

#include "cooper/base/digest.hpp"
#include "cooper/base/environment.hpp"
#include "cooper/base/files.hpp"
#include "cooper/base/http.hpp"
#include "cooper/base/ranged.hpp"
#include "cooper/base/run.hpp"
#include "cooper/base/stream.hpp"
#include "cooper/build/copy_files.hpp"
#include "cooper/build/ignore.hpp"

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace cooper::build {

/// A reference to something in a git repository: "https://host/x.git#ref:dir", "git@host:x", "ssh://…", "git://…", with
/// "?ref=…&subdir=…" (`dockerfile.md`, gitref-cases).
struct GitReference {
    std::string remote;
    std::string ref;  ///< branch, tag or commit; empty: HEAD
    std::string subdirectory;
    std::optional<std::string> checksum;  ///< a commit, from the query
    std::optional<bool> keep_git_dir;     ///< from the query
    std::optional<bool> submodules;       ///< from the query

    /// nullopt: this text is no git reference. Throws Error{InvalidInput} for one that is wrong.
    static std::optional<GitReference> parse(std::string_view text);
    /// "github.com/o/r", which is a path too: for ADD it is one, for a context only where there is no such directory.
    [[nodiscard]] bool may_be_path() const;
};

/// What needs the world outside. Borrowed.
struct SourceAccess {
    std::function<HttpClient&()> http;
    std::function<Source&()> input;                ///< standard input, for "-"
    std::function<std::filesystem::path()> spool;  ///< a directory that outlives the build
    const Environment* environment = nullptr;      ///< for git (HOME, SSH_AUTH_SOCK, proxies); never null
    std::uint64_t max_bytes = 32ULL << 30;         ///< of one download or unpacked context
};

/// A context on a disk, and the Dockerfile that goes with it.
struct ContextTree {
    std::filesystem::path root;
    Dockerignore ignore;     ///< <Dockerfile>.dockerignore, else .dockerignore; Dockerfile and ignore file included
    std::string dockerfile;  ///< text
    std::string dockerfile_name;        ///< as errors show it
    std::string description;            ///< "directory .", "git https://…#main (0123abc)", "tar from standard input"
    std::optional<std::string> commit;  ///< of a git context
    std::shared_ptr<const void> holds;  ///< what was unpacked, while this lives
};

struct ContextChoice {
    std::string context = ".";  ///< directory, tar file, "-", http(s) URL of a tar or Dockerfile, git reference
    /// As `docker build -f`: from the working directory for local contexts, inside the context for others; "-" is
    /// standard input. Empty: "Dockerfile" in the context (a text on standard input is one itself, without a context).
    std::string dockerfile;
};

/// Throws Error: NotFound (with what lies there instead), InvalidInput (not a tar, a git reference that is wrong, "-"
/// for both), what the network says.
ContextTree open_context(const ContextChoice& choice, const SourceAccess& access, const Run& run);
/// A context from a tar in memory or on disk (BuildRequest::context), unpacked.
ContextTree open_context(const Ranged& tar, const std::string& dockerfile, const SourceAccess& access, const Run& run);
/// A named context (--build-context NAME=…) that is a directory, tar or git reference: no Dockerfile is looked for.
ContextTree open_named_context(const std::string& place, const SourceAccess& access, const Run& run);

/// What was fetched, for locks.
struct FetchedFile {
    FetchedSource source;
    Digest digest;  ///< of the file; of a checkout: of its commit's id as text
    std::uint64_t size = 0;
    std::string commit;  ///< of a checkout
};

/// ADD's URL: http and https, redirects to private addresses refused unless the URL itself has one, bounded; mode 0600,
/// time from Last-Modified. `expected`: --checksum, or a lock's. Throws IntegrityError, HttpError.
FetchedFile fetch_file(const std::string& url, const std::optional<Digest>& expected, const SourceAccess& access,
                       const Run& run);
/// ADD's git reference, checked out (git(1) is run: `--` before every argument from outside, no hooks, no prompts, no
/// system or user configuration). `expected_commit`: --checksum or a lock's.
FetchedFile fetch_git(const GitReference& reference, bool keep_git_dir, const std::string& expected_commit,
                      const SourceAccess& access, const Run& run);
/// True for http:// and https:// that is no git reference.
bool is_url(std::string_view source);

}  // namespace cooper::build
