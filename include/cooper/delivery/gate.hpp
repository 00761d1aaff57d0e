// Gates: programs of the user's that say whether an image may be published. A scanner looks at the very tarball; a test
// runs the image. By argument vector, never by a shell; with a time limit; without credentials in the environment.
#pragma once

#include "cooper/base/digest.hpp"
#include "cooper/base/environment.hpp"
#include "cooper/base/error.hpp"
#include "cooper/base/run.hpp"
#include "cooper/delivery/release_record.hpp"

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace cooper::delivery {

enum class GateKind : std::uint8_t { Scan, Test };

/// A command with places to fill in.
struct GateCommand {
    GateKind kind = GateKind::Scan;
    /// Of its kind, from 1: tells the logs of one image's gates apart.
    unsigned number = 1;
    /// Words; {tar} {out} {name} {tag} {image} {sha256} {id} are filled in after the words were told apart, so that no
    /// value becomes two words. {out}: a file of the log directory that the tool writes its report to.
    std::vector<std::string> words;
    std::chrono::seconds timeout{30 * 60};
    /// Exit statuses of a scanner that mean "findings". Of a test every status means "no" but 125, 126 and 127, which
    /// shells, docker run and podman run keep for what could not be started.
    std::vector<int> findings{1};
    /// Variables that it gets besides those of gate_environment().
    std::vector<std::string> pass_environment{};

    /// Splits as a shell does (quotes, backslashes; no expansion, no operators). "{{…}}" and braces that hold no single
    /// lower-case word stay as they are. Throws Error{InvalidInput} for an unknown {placeholder}, a placeholder or an
    /// assignment in the place of the program, an open quote, and what only a shell would understand: | ; & > < ( ) and
    /// line ends outside of quotes, ` and $NAME $( ${ outside of single quotes.
    static GateCommand parse(GateKind kind, std::string_view text);
    /// A tarball must lie on a disk for it.
    [[nodiscard]] bool needs_tarball() const;
};

/// What a gate's program finds in its environment: PATH, TMPDIR, LANG, LANGUAGE, LC_*, TZ, USER, LOGNAME, CI, NO_COLOR,
/// XDG_CACHE_HOME, SSL_CERT_FILE, SSL_CERT_DIR, proxies and what `command` passes, nothing else, so no credential that
/// is not named. A scanner's HOME is `home`, an empty directory, unless HOME is passed: the login files of registries
/// and clouds lie in the real one; its caches stay where they are (XDG_CACHE_HOME is set to the real HOME's .cache),
/// for scanners keep their data bases there. A test has the real HOME, and what says where the engine is: DOCKER_HOST,
/// DOCKER_CONTEXT, DOCKER_TLS_VERIFY, DOCKER_CERT_PATH, DOCKER_API_VERSION, CONTAINER_HOST, XDG_RUNTIME_DIR. This
/// keeps credentials from being used or sent by mistake; it is no sandbox: the program may read every file that we may.
std::map<std::string, std::string, std::less<>> gate_environment(const GateCommand& command,
                                                                 const Environment& environment,
                                                                 const std::filesystem::path& home);

/// What a gate looks at.
struct GateSubject {
    std::string name;
    std::string tag;
    std::string image;              ///< as a test may run it: "docker.io/acme/app:1"
    std::string image_id;           ///< config digest
    std::string manifest;           ///< its digest
    std::filesystem::path tarball;  ///< empty: none
    std::optional<Digest> sha256;   ///< that the tarball must have, before and after
};

struct GateReport {
    PassedGate passed;
    std::string program;         ///< as it was found in PATH
    std::optional<Digest> tool;  ///< SHA-256 of the program's file, where it is one
    int exit_status = 0;
    std::chrono::milliseconds took{0};
    std::filesystem::path log;     ///< what it wrote to stdout and stderr
    std::filesystem::path report;  ///< {out}; empty: it was not asked for, or not written
};

/// The gate said no: a scanner found something, or a test failed. Exit code 6.
class GateSaidNo : public Error {
public:
    GateSaidNo(const std::string& message, std::filesystem::path log);
    ~GateSaidNo() override;
    [[nodiscard]] const std::filesystem::path& log() const noexcept { return log_; }

private:
    std::filesystem::path log_;
};
/// The gate could not say anything: the tool is missing, crashed, ran out of time, or the tarball changed under it.
/// Exit code 12.
class GateBroke : public Error {
public:
    GateBroke(const std::string& message, std::filesystem::path log);
    ~GateBroke() override;
    [[nodiscard]] const std::filesystem::path& log() const noexcept { return log_; }

private:
    std::filesystem::path log_;
};

/// Runs it and returns when it said yes. What it writes goes to LOGS/KIND-NAME_TAG.log as it comes (bounded: 64 MiB,
/// the rest is counted), {out} lies beside it (KIND-NAME_TAG.report); the second of a kind is KIND2-…. The tarball is
/// hashed before (unless the caller just made it and says so with `fresh`) and after: another digest is GateBroke.
/// Ctrl-C and the time limit end its whole process group (SIGTERM, ten seconds later SIGKILL), and what it left running
/// ends with it. Throws GateSaidNo, GateBroke, with the last lines of what it said, Error{InvalidInput} when the
/// command wants a tarball and there is none.
GateReport run_gate(const GateCommand& command, const GateSubject& subject, const std::filesystem::path& logs,
                    bool fresh, const Environment& environment, const Run& run);

/// What came of one gate for one image, for those who read.
struct GateRow {
    std::string image;
    std::string gate;     ///< "digest", "scan: trivy"
    std::string verdict;  ///< "passed", "failed", …
    std::string detail;   ///< may be empty, may have several lines
    std::optional<std::chrono::milliseconds> took{};
};
/// A table as Markdown for a CI job's page, and the details of what did not pass below it. Everything is escaped.
std::string gate_summary(const std::vector<GateRow>& rows);

}  // namespace cooper::delivery
