// The build context: one tar with a Dockerfile at its root and what it copies, the same bytes for the same tree
// (docker's Engine API, "Build an image": a tar, plain or gzip-compressed).
//
//     const BuildContext context = BuildContext::make({.root = ".", .dockerfile = text, .sources = {"src"}}, run);
//     context.size();                        // known before a file was read; and context is a Ranged: a request's body
//     write_context(context, "context.tar.gz", run);
#pragma once

#include "cooper/base/digest.hpp"
#include "cooper/base/ranged.hpp"
#include "cooper/base/run.hpp"
#include "cooper/build/project.hpp"

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace cooper::build {

struct ContextOptions {
    std::filesystem::path root;
    std::string dockerfile;            ///< its text; "Dockerfile" at the context's root, before all else
    std::vector<std::string> sources;  ///< files and directories below root; empty: all of it
    /// Besides. Ignore rules do not count for a file that is named here; of a directory, only kDefaultIgnore does.
    std::vector<ExtraFile> files;
    std::string prefix;               ///< sources and files lie below it: "code"; empty: at the context's root
    std::vector<std::string> ignore;  ///< on top of kDefaultIgnore, in .dockerignore's language
    bool default_ignore = true;
    bool dockerignore = true;                ///< honour ROOT/.dockerignore
    std::vector<std::string> allow_secrets;  ///< paths and patterns (.dockerignore's language) that may go in
};

/// A plain tar, known before a file's content is read. Members: "Dockerfile", then files and directories sorted by the
/// bytes of their paths, parents before what they hold; owner 0:0, modes and directories as read_tree() has
/// them, so that what a source tag covers is what the context holds. A time is made of the content: some engines find
/// what a step changed by size and time, and would miss a change between equal ones. Hard links are files of their own.
/// A file "Dockerfile" of the sources that would stand at the context's root is left out (with a notice when it
/// differs), and so are the ignore files there (.dockerignore, .containerignore, Dockerfile.dockerignore): their
/// patterns count already, and not all builders look for them in a tar. A Ranged: open(0, size()) streams the files,
/// and throws Error{Integrity} for one that is not what it was. Safe from several threads. Memory: the list of names.
class BuildContext final : public Ranged {
public:
    /// Throws Error{InvalidInput}: a path out of the root; symlinks that are absolute or lead out of the root, or out
    /// of a directory that has another place in the context; files that look like credentials and are not allowed (of
    /// both ten are named and the rest counted); two things at one place of the context; a device. Error{NotFound}: a
    /// source or file that is not there; what read_tree() throws. A fifo or socket is left out with a notice.
    static BuildContext make(const ContextOptions& options, const Run& run);

    using Ranged::open;
    [[nodiscard]] std::uint64_t size() const override;
    [[nodiscard]] std::unique_ptr<Source> open(std::uint64_t offset, std::uint64_t length) const override;

    [[nodiscard]] std::uint64_t files() const noexcept;  ///< besides the Dockerfile
    /// The members' names, in their order.
    [[nodiscard]] std::vector<std::string> names() const;

private:
    struct State;
    explicit BuildContext(std::shared_ptr<const State> state) : state_(std::move(state)) {}

    std::shared_ptr<const State> state_;
};

struct WrittenContext {
    std::filesystem::path file;
    std::uint64_t size = 0;  ///< compressed
    Digest digest;           ///< of the file, SHA-256
};

/// Writes it gzip-compressed, all cores, in bounded memory; the file appears when it is whole. Task: the file's name.
WrittenContext write_context(const Ranged& context, const std::filesystem::path& file, const Run& run);

/// True for a name that usually holds a credential: ".env", "id_ed25519", "credentials.json", "server.key", ".npmrc",
/// ".aws/credentials"; `path` is below a root. The list is in the source with its reasons. BuildContext also looks into
/// files whose names are as often harmless: a .pem without a private key, a .npmrc without a token are no secrets.
bool looks_like_secret(std::string_view path);

// --- output directories ---------------------------------------------------------------------------------------------

/// A directory into which contexts are written and that may be cleaned. What was written is listed in a file
/// ".cooper-context" there, with its size and digest; only what is listed and unchanged is ever removed.
class ContextDirectory {
public:
    explicit ContextDirectory(std::filesystem::path directory);  ///< made when something is written
    /// Removes contexts of earlier runs; returns their names. What was changed since, or has another type, stays with a
    /// warning; foreign files stay. Throws SystemError.
    std::vector<std::string> clean(const Run& run);
    /// write_context() to `name` (one component, no path), listed. Throws Error{InvalidInput} for a name with '/', and
    /// for one that exists and cooper did not write.
    WrittenContext write(const BuildContext& context, const std::string& name, const Run& run);

private:
    std::filesystem::path directory_;
};

// --- from settings --------------------------------------------------------------------------------------------------

/// What the Dockerfile of an image begins with, and how much it does (`tags.md` section 7): everything, dependencies
/// and sources, or sources alone.
struct BuildBase {
    enum class Level : std::uint8_t { Scratch, Versioned, Lock };
    std::string image;  ///< for FROM
    Level level = Level::Scratch;
};

/// True when neither the settings nor the root have a template or Dockerfile and the root is a checkout of OpenHands'
/// agent server, whose Dockerfile and list of sources are built in (openhands/sdk, tools, workspace and agent_server;
/// pyproject.toml, uv.lock, README.mdx, README.md, LICENSE).
bool is_agent_server(const ImageSettings& settings);

/// What the agent server's own script has, where the settings say nothing: base image, sources, files, lock file,
/// targets. What it leaves out comes before what the settings ignore. Settings of anything else stay as they are.
ImageSettings with_agent_server(ImageSettings settings);

/// The Dockerfile of the image: the template rendered with base_image, build_from_scratch, build_from_versioned,
/// build_from_lock, target, extra_deps (the extra dependencies with blanks between them), enable_browser (the setting
/// `browser`), and the settings' variables on top; or the Dockerfile as it is (Level::Scratch alone: else
/// Error{InvalidInput}); or the agent server's. With none named: Dockerfile.j2, then Dockerfile in the root.
/// Throws TemplateError, Error{NotFound} with what to give.
std::string dockerfile_text(const ImageSettings& settings, const BuildBase& base, const std::string& target,
                            const Run& run);
/// The image has a template, so it can be built on a lock or versioned image.
bool has_levels(const ImageSettings& settings);
/// Files that decide the recipe, below root: the template and what it includes for any level and target, or the
/// Dockerfile. Empty for what is built in.
std::vector<std::string> recipe_files(const ImageSettings& settings);

/// The context of these settings, with_agent_server() where that fits.
ContextOptions context_options(const ImageSettings& settings, std::string dockerfile);

/// The Dockerfile that builds the same without any argument: stages behind `target` are cut, and the ARGs that `args`
/// name have those values as defaults (BASE_IMAGE among them, for a Dockerfile that begins FROM ${BASE_IMAGE}). An
/// argument that no ARG declares is an Error{InvalidInput} that lists the declared ones; so is a target without a
/// stage. Empty target: the last stage.
std::string standalone_dockerfile(std::string_view text, std::string_view target,
                                  const std::vector<std::pair<std::string, std::string>>& args);

/// The names that its ARGs declare, sorted.
std::vector<std::string> arguments_of_dockerfile(std::string_view text);

/// The images that FROM and COPY --from name, stages left out, arguments filled in; those that cannot be known are left
/// out.
std::vector<std::string> images_of_dockerfile(std::string_view text,
                                              const std::vector<std::pair<std::string, std::string>>& args);

}  // namespace cooper::build
