// What the command says: results on standard output, everything else on standard error.
#pragma once

#include "command_line.hpp"

#include <nlohmann/json_fwd.hpp>

#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace cooper::cli {

using Json = nlohmann::ordered_json;

/// Flags that every verb has.
struct OutputFlags {
    bool json = false;
    bool verbose = false;
    bool quiet = false;
    bool no_progress = false;
    std::string log_dir;  ///< everything said on standard error, and what gates and builds said, is kept there too

    void declare(CommandLine& line);
};

/// `text` with control characters, C1 controls and bidirectional overrides made visible (\x1b): what servers,
/// registries and commit messages say must not steer the terminal. Line breaks are kept and indented by two spaces.
std::string printable(std::string_view text);

/// As much of a value as fits on a line; JSON has all of it.
inline constexpr std::size_t kLongestValue = 200;
/// The text made printable, cut after `limit` bytes.
std::string shortened(std::string_view text, std::size_t limit = kLongestValue);

/// To standard output, all of it; throws SystemError when it cannot be written (a full disk, a closed pipe). In GitHub
/// Actions, unless it goes to a file, what the runner would obey there is made visible instead (without_commands):
/// WorkflowCommandsStopped cannot do that, for the runner reads standard error first and so may hear its end before
/// this.
void print(std::string_view text);
/// The same byte for byte, everywhere: documents that people hash or hand on to other programs.
void print_exact(std::string_view text);
/// One document, indented, ASCII only, with a newline.
void print_json(const Json& document);

/// `text` without what the runner of GitHub Actions takes for a command: "::" where a line begins and "##[" anywhere,
/// written as \x3a: and ##\x5b.
std::string without_commands(std::string_view text);
/// To standard error, as one write; a failure is ignored, there is nowhere left to say it.
void complain(std::string_view text) noexcept;

/// "  key       value" lines, aligned; pairs with an empty value are left out. Values are made printable.
std::string aligned(const std::vector<std::pair<std::string, std::string>>& rows, std::string_view indent = "");

/// "a, b, c".
std::string joined(const std::vector<std::string>& texts, std::string_view separator = ", ");

/// "755.3 MB (755312128 bytes)".
std::string size_text(std::uint64_t bytes);

/// Keeps the runner of GitHub Actions from obeying `::commands::` in what we say on standard error about things from
/// outside, as long as it lives. Does nothing elsewhere.
class WorkflowCommandsStopped {
public:
    WorkflowCommandsStopped();
    WorkflowCommandsStopped(const WorkflowCommandsStopped&) = delete;
    WorkflowCommandsStopped& operator=(const WorkflowCommandsStopped&) = delete;
    ~WorkflowCommandsStopped();

private:
    std::string token_;
};

/// True in a GitHub Actions job.
bool in_github_actions() noexcept;
/// "::error title=TITLE::…" with what could end or forge a command escaped.
std::string error_annotation(std::string_view title, std::string_view message);

}  // namespace cooper::cli
