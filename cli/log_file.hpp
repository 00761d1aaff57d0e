// What a command says to people, kept as a file that CI can upload: --log-dir.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace cooper::cli {

/// Bytes of one log; what is said beyond it is left out, and the log says so.
inline constexpr std::size_t kMaxLogSize = 64U << 20;

/// Begins this process's log, DIRECTORY/cooper-TIME-VERB-xxxxxx.log: names sort by time, and those of several commands,
/// machines and attempts never meet, so that the artifacts of a whole matrix fit into one directory. The directory is
/// made when it is missing (mode 0700); the file has mode 0600, for what a build prints may be nobody else's business.
/// Throws SystemError that names the directory. Once per process.
void open_log(const std::string& directory, std::string_view verb);

/// The log's path; empty: there is none.
std::string_view log_path() noexcept;

/// Adds a line with the time, without what is a secret by its form (redact()). `text` is printable() already. Does
/// nothing without a log. From any thread, as one write; a failure is said once on standard error and costs nothing but
/// the log.
void log_line(std::string_view text) noexcept;

/// The last lines, for which there is always room: how the command ended.
void end_log(std::string_view text) noexcept;

}  // namespace cooper::cli
