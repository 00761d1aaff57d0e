// Dockerfiles: from text to instructions, and the expansion of their variables.
//
// Specification: Dockerfile reference (docs.docker.com/reference/dockerfile), with BuildKit's frontend as the referee
// (`dockerfile.md` sections 1, 2 and 4). Nothing here touches a file system or a network.
//
//     const Dockerfile dockerfile = Dockerfile::parse(text, "Dockerfile");
//     for (const DockerfileStage& stage : dockerfile.stages) …
#pragma once

#include "cooper/base/error.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace cooper::build {

/// BuildKit's own limit of a line; the other limits are ours.
inline constexpr std::size_t kMaxDockerfileLine = 65535;
inline constexpr std::size_t kMaxDockerfile = 4U << 20;
inline constexpr std::size_t kMaxDockerfileStages = 1000;
inline constexpr std::size_t kMaxDockerfileInstructions = 50'000;

/// Where something stands in a Dockerfile; both count from 1, columns in bytes.
struct DockerfilePosition {
    std::size_t line = 1;
    std::size_t column = 1;
};

/// The Dockerfile is wrong. what() is "Dockerfile:12:6: unknown instruction: FORM" and, on lines of their own, the line
/// of the text and a caret below the word; advice() has the suggestion. InvalidInput.
class DockerfileError : public Error {
public:
    DockerfileError(const std::string& message, DockerfilePosition position)
        : Error(ErrorCode::InvalidInput, message), position_(position) {}
    [[nodiscard]] DockerfilePosition position() const noexcept { return position_; }

private:
    DockerfilePosition position_;
};

/// What BuildKit's checks would say; `rule` is its name there ("StageNameCasing", "FromAsCasing",
/// "NoEmptyContinuation", "ConsistentInstructionCasing", "DuplicateStageName", "ReservedStageName",
/// "JSONArgsRecommended", "MaintainerDeprecated", "UndefinedArgInFrom", "WorkdirRelativePath", "UndefinedVar",
/// "MultipleInstructionsDisallowed", "LegacyKeyValueFormat", "RedundantTargetPlatform", "SecretsUsedInArgOrEnv",
/// "InvalidDefaultArgInFrom", "FromPlatformFlagConstDisallowed", "CopyIgnoredFile", "InvalidDefinitionDescription",
/// "ExposeProtoCasing", "ExposeInvalidFormat").
struct DockerfileWarning {
    std::string rule;
    std::string message;
    DockerfilePosition position;
};

struct Heredoc {
    std::string name;
    std::string content;  ///< tabs already cut for <<-
    std::string written;  ///< of RUN, with the tabs: for a shell that reads <<- itself
    bool expand = true;   ///< the name was not quoted
    bool chomp = false;   ///< <<-
    unsigned descriptor = 0;
};

struct KeyValue {
    std::string key;
    std::string value;
    bool operator==(const KeyValue&) const = default;
};

// --- instructions -------------------------------------------------------------------------------------------------
// As they were written; expanded() fills in variables where the reference says so.

struct ArgInstruction {
    struct Declaration {
        std::string name;
        std::optional<std::string> value;
    };
    std::vector<Declaration> declarations;
};
struct EnvInstruction {
    std::vector<KeyValue> variables;
    bool legacy = false;  ///< written as NAME VALUE
};
struct LabelInstruction {
    std::vector<KeyValue> labels;
    bool legacy = false;
};
struct MaintainerInstruction {
    std::string name;
};

/// COPY and ADD.
struct CopyInstruction {
    bool add = false;
    std::vector<std::string> sources;
    std::vector<Heredoc> inline_sources;  ///< heredocs, files of their own
    std::string destination;              ///< a trailing '/' means a directory
    std::string from;                     ///< stage, number, image or named context; not expanded
    std::string chown;
    std::string chmod;
    std::string checksum;  ///< ADD
    bool link = false;
    bool parents = false;
    bool keep_git_dir = false;   ///< ADD
    std::optional<bool> unpack;  ///< ADD
    std::vector<std::string> exclude;
};

/// A command: words, or one text that a shell reads.
struct CommandWords {
    bool shell = false;              ///< words is one text for SHELL
    std::vector<std::string> words;  ///< empty: CMD [], which takes the command away
};

struct RunMount {
    enum class Type : std::uint8_t { Bind, Cache, Tmpfs, Secret, Ssh };
    enum class Sharing : std::uint8_t { Shared, Private, Locked };
    Type type = Type::Bind;
    std::string from;
    std::string source;
    std::string target;
    bool read_only = false;  ///< as the type has it when nothing was said (bind: true)
    std::string id;          ///< cache: empty means the cleaned target; secret, ssh: as written
    Sharing sharing = Sharing::Shared;
    std::optional<bool> required;
    std::optional<std::uint64_t> size;  ///< tmpfs, bytes
    std::optional<std::uint32_t> mode;
    std::optional<std::uint64_t> uid;
    std::optional<std::uint64_t> gid;
    std::optional<std::string> env;  ///< secret: the variable that gets it
};

struct RunInstruction {
    CommandWords command;
    std::vector<Heredoc> heredocs;
    std::vector<std::string> mount_texts;  ///< values of --mount, before expansion
    std::vector<RunMount> mounts;          ///< filled in by expanded()
    std::string network;                   ///< "", "default", "none", "host"
    std::string security;                  ///< "", "sandbox", "insecure"
};
struct CmdInstruction {
    CommandWords command;
};
struct EntrypointInstruction {
    CommandWords command;
};
struct ShellInstruction {
    std::vector<std::string> shell;
};
struct WorkdirInstruction {
    std::string path;
};
struct UserInstruction {
    std::string user;
};
struct ExposeInstruction {
    std::vector<std::string> ports;  ///< expanded(): "80/tcp" each, ranges taken apart
};
struct VolumeInstruction {
    std::vector<std::string> paths;
};
struct StopSignalInstruction {
    std::string signal;
};
struct HealthcheckInstruction {
    std::vector<std::string> test;  ///< ["NONE"], ["CMD", …] or ["CMD-SHELL", text]
    std::optional<std::chrono::nanoseconds> interval;
    std::optional<std::chrono::nanoseconds> timeout;
    std::optional<std::chrono::nanoseconds> start_period;
    std::optional<std::chrono::nanoseconds> start_interval;
    std::optional<std::uint64_t> retries;
};
struct OnbuildInstruction {
    std::string trigger;  ///< the text, heredocs and all
};

using InstructionKind =
    std::variant<ArgInstruction, EnvInstruction, LabelInstruction, MaintainerInstruction, CopyInstruction,
                 RunInstruction, CmdInstruction, EntrypointInstruction, ShellInstruction, WorkdirInstruction,
                 UserInstruction, ExposeInstruction, VolumeInstruction, StopSignalInstruction, HealthcheckInstruction,
                 OnbuildInstruction>;

struct Instruction {
    InstructionKind kind;
    std::string keyword;   ///< upper case: "COPY"
    std::string original;  ///< as it stands in the file, continued lines joined: what errors and progress show
    DockerfilePosition position;
    std::string check;  ///< of a comment "# check=skip=…" above it
};

struct DockerfileStage {
    std::string base;      ///< image or stage, before expansion
    std::string platform;  ///< of --platform, before expansion
    std::string name;      ///< lower case; empty: none
    std::string original;  ///< the FROM line
    DockerfilePosition position;
    std::string check;  ///< as Instruction::check
    std::vector<Instruction> instructions;
};

struct Dockerfile {
    std::string file;  ///< as errors name it
    char escape = '\\';
    std::string syntax;               ///< the directive, which is not obeyed
    std::string check;                ///< the directive: "skip=A,B;error=true"
    std::vector<Instruction> global;  ///< ARGs before the first FROM
    std::vector<DockerfileStage> stages;
    std::vector<DockerfileWarning> warnings;  ///< of the rules that `check` does not skip
    bool warnings_are_errors = false;
    std::string text;

    /// `file` stands in errors. Throws DockerfileError.
    static Dockerfile parse(std::string_view text, std::string_view file);
    /// A DockerfileError about `instruction`, with line and caret.
    [[nodiscard]] DockerfileError error(const Instruction& instruction, const std::string& message) const;
};

/// One instruction of ONBUILD, as an image's config has it. Throws DockerfileError, also for FROM, ONBUILD, MAINTAINER.
Instruction parse_onbuild(std::string_view trigger);

// --- expansion ------------------------------------------------------------------------------------------------------

/// The value of a variable; nullopt: unset.
using VariableLookup = std::function<std::optional<std::string>(std::string_view name)>;

/// One word: variables filled in, quotes and escapes removed (section 2). Throws Error{InvalidInput}.
std::string expand_word(std::string_view word, char escape, const VariableLookup& variables);
/// The same, then split at blanks that no quote protects (EXPOSE).
std::vector<std::string> expand_words(std::string_view text, char escape, const VariableLookup& variables);
/// The text of a heredoc of COPY: quotes are text, the escape is a backslash.
std::string expand_heredoc(std::string_view text, const VariableLookup& variables);
/// For history and progress: unset variables stay as they are written.
std::string expand_for_display(std::string_view text, char escape, const VariableLookup& variables);

/// `instruction` with variables filled in as its kind has it (ONBUILD, CMD, ENTRYPOINT, SHELL, HEALTHCHECK and RUN's
/// command stay), RUN's mounts read, EXPOSE's ports taken apart, STOPSIGNAL checked. ARG goes from left to right and
/// sees what it declares; all others see the values from before. Throws Error{InvalidInput} without position (who
/// calls knows the file).
Instruction expanded(const Instruction& instruction, char escape, const VariableLookup& variables);

/// The values of `--mount=` after expansion. Throws Error{InvalidInput}.
RunMount parse_run_mount(std::string_view text);

}  // namespace cooper::build
