// A gate's program: what it sees, how it is run, and what its end means.
#include "cooper/delivery/gate.hpp"

#include "cooper/base/file_digest.hpp"
#include "cooper/base/files.hpp"
#include "cooper/base/process.hpp"
#include "cooper/base/ranged.hpp"
#include "cooper/base/text.hpp"

#include "delivery/gate/gate_log.hpp"
#include "delivery/gate/placeholders.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>

namespace cooper::delivery {

namespace {

namespace fs = std::filesystem;

constexpr std::size_t kShownLines = 15;
constexpr std::size_t kMaxFileStem = 160;
constexpr std::chrono::seconds kGrace{10};  // as docker stop gives a container
// sh: not executable, not found. docker run and podman run: could not start a container.
constexpr std::array<int, 3> kNotStarted = {125, 126, 127};

constexpr std::array<std::string_view, 20> kGateVariables = {
    "PATH",      "TMPDIR",   "LANG",           "LANGUAGE",      "TZ",           "USER",       "LOGNAME",
    "CI",        "NO_COLOR", "XDG_CACHE_HOME", "SSL_CERT_FILE", "SSL_CERT_DIR", "http_proxy", "https_proxy",
    "all_proxy", "no_proxy", "HTTP_PROXY",     "HTTPS_PROXY",   "ALL_PROXY",    "NO_PROXY"};
constexpr std::array<std::string_view, 8> kEngineVariables = {
    "HOME",           "DOCKER_HOST",    "DOCKER_CONTEXT", "DOCKER_TLS_VERIFY", "DOCKER_CERT_PATH", "DOCKER_API_VERSION",
    "CONTAINER_HOST", "XDG_RUNTIME_DIR"};

std::string_view word_of(GateKind kind) {
    return kind == GateKind::Scan ? "scan" : "test";
}

template <std::size_t N>
bool is_one_of(const std::array<std::string_view, N>& names, std::string_view name) {
    return std::find(names.begin(), names.end(), name) != names.end();
}

/// "scan-app_1": of kind, number and image, for files.
std::string file_stem(const GateCommand& command, const GateSubject& subject) {
    std::string stem(word_of(command.kind));
    stem += command.number > 1 ? std::to_string(command.number) : "";
    stem += "-" + subject.name + "_" + subject.tag;
    for (char& c : stem) {
        const bool kept =
            (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '-';
        c = kept ? c : '_';
    }
    return stem.substr(0, kMaxFileStem);
}

class Gate {
public:
    Gate(const GateCommand& command, const GateSubject& subject, const fs::path& logs, const Environment& environment,
         const Run& run)
        : command_(command),
          subject_(subject),
          run_(run),
          wants_tarball_(command.needs_tarball()),
          stem_(fs::absolute(logs) / file_stem(command, subject)),
          log_(made(logs, fs::path(stem_) += ".log")),
          home_("cooper-gate"),
          environment_(gate_environment(command, environment, home_.path())),
          what_(std::string(word_of(command.kind)) + " of " + subject.name + ":" + subject.tag) {
        if (wants_tarball_ && subject.tarball.empty()) {
            throw Error(ErrorCode::InvalidInput, "the " + what_ + " wants a tarball, and there is none");
        }
    }

    GateReport run(bool fresh) {
        find_tool();
        if (wants_tarball_ && !(fresh && subject_.sha256)) {
            check_tarball("is not the one that was to be scanned");
        }
        const WatchResult result = run_program();
        report_.exit_status = result.exit_status;
        judge(result);
        if (wants_tarball_) {
            check_tarball("changed while the gate ran");
        }
        std::error_code none;
        if (fs::symlink_status(out_path(), none).type() == fs::file_type::regular) {
            report_.report = out_path();
        }
        report_.log = log_.path();
        report_.passed = {std::string(word_of(command_.kind)), fs::path(command_.words.front()).filename().string(),
                          wants_tarball_ ? std::string(tarball_->hex()) : subject_.manifest};
        return std::move(report_);
    }

private:
    static fs::path made(const fs::path& directory, fs::path file) {
        std::error_code failed;
        fs::create_directories(fs::absolute(directory).parent_path(), failed);
        if (::mkdir(directory.c_str(), 0700) != 0 && errno != EEXIST) {
            throw SystemError("cannot make the directory for logs " + directory.string(), errno);
        }
        return file;
    }

    [[nodiscard]] fs::path out_path() const { return fs::path(stem_) += ".report"; }

    void find_tool() {
        try {
            report_.program = find_program(command_.words.front(), Environment(environment_));
            if (::access(report_.program.c_str(), X_OK) != 0) {
                throw SystemError("cannot run " + report_.program, errno);
            }
        } catch (const Error& error) {
            broken(error.what());
        }
        try {
            report_.tool = sha256_of_file(report_.program, run_);
        } catch (const Error&) {  // may be run, may not be read: its digest is for the record only
            report_.tool.reset();
        }
    }

    void check_tarball(const std::string& otherwise) {
        std::optional<Digest> now;
        try {
            now = sha256_of_file(subject_.tarball, run_);
        } catch (const Error& error) {
            broken("the tarball " + otherwise + ": " + error.what());
        }
        const std::optional<Digest>& expected = tarball_ ? tarball_ : subject_.sha256;
        if (expected && *expected != *now) {
            broken("the tarball " + otherwise + ": expected " + expected->text() + ", got " + now->text());
        }
        tarball_ = now;
    }

    [[nodiscard]] std::string value_of(std::string_view placeholder) const {
        if (placeholder == "tar") {
            return fs::absolute(subject_.tarball).string();
        }
        if (placeholder == "out") {
            return out_path().string();
        }
        if (placeholder == "sha256") {
            const auto& digest = tarball_ ? tarball_ : subject_.sha256;
            return digest ? std::string(digest->hex()) : std::string();
        }
        return placeholder == "name"    ? subject_.name
               : placeholder == "tag"   ? subject_.tag
               : placeholder == "image" ? subject_.image
                                        : subject_.image_id;
    }

    WatchResult run_program() {
        std::error_code none;
        fs::remove(out_path(), none);  // of an earlier run
        WatchRequest request;
        for (const std::string& word : command_.words) {
            request.arguments.push_back(fill_in(word, [&](std::string_view name) { return value_of(name); }));
        }
        request.environment = environment_;
        request.timeout = command_.timeout;
        request.grace = kGrace;
        request.output = [&](Bytes bytes) { log_.write(bytes); };
        const auto begin = std::chrono::steady_clock::now();
        try {
            const WatchResult result = watch_process(request, run_);
            report_.took =
                std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now() - begin);
            log_.finish(result.timed_out     ? "ended, its time was over"
                        : result.signal != 0 ? "killed by signal " + std::to_string(result.signal)
                                             : "exit status " + std::to_string(result.exit_status));
            return result;
        } catch (const Error& error) {
            if (log_.has_failed()) {
                throw;
            }
            broken(error.what());
        }
    }

    void judge(const WatchResult& result) {
        const int status = result.exit_status;
        if (result.timed_out) {
            broken("did not end within " + format_duration(command_.timeout) + " (--time-limit)");
        }
        if (result.signal != 0) {
            broken("was killed by signal " + std::to_string(result.signal));
        }
        if (status == 0) {
            return;
        }
        const std::string ended = "ended with exit status " + std::to_string(status);
        if (std::find(kNotStarted.begin(), kNotStarted.end(), status) != kNotStarted.end()) {
            broken(ended + ", which says that something could not be started");
        }
        if (command_.kind == GateKind::Scan &&
            std::find(command_.findings.begin(), command_.findings.end(), status) == command_.findings.end()) {
            broken(ended + ", which does not mean findings (--findings-exit)");
        }
        GateSaidNo no(message(command_.kind == GateKind::Scan ? "found something: " + ended : "failed: " + ended),
                      log_.path());
        no.advise("all of it is in " + log_.path().string());
        throw no;
    }

    [[noreturn]] void broken(const std::string& why) const {
        GateBroke error(message("could not be decided: " + command_.words.front() + ": " + why), log_.path());
        error.advise("no verdict is no yes; what it wrote is in " + log_.path().string());
        throw error;
    }

    [[nodiscard]] std::string message(const std::string& verdict) const {
        std::string text = "the " + what_ + " " + verdict;
        for (const std::string& line : log_.last_lines(kShownLines)) {
            text += "\n" + line;
        }
        return text;
    }

    const GateCommand& command_;
    const GateSubject& subject_;
    const Run& run_;
    bool wants_tarball_;
    fs::path stem_;  // of all files of this gate
    GateLog log_;
    TempDirectory home_;
    std::map<std::string, std::string, std::less<>> environment_;
    std::string what_;
    std::optional<Digest> tarball_;  // as it was last seen
    GateReport report_;
};

}  // namespace

GateSaidNo::GateSaidNo(const std::string& message, fs::path log)
    : Error(ErrorCode::CommandFailed, message), log_(std::move(log)) {}
GateSaidNo::~GateSaidNo() = default;
GateBroke::GateBroke(const std::string& message, fs::path log)
    : Error(ErrorCode::CommandFailed, message), log_(std::move(log)) {}
GateBroke::~GateBroke() = default;

std::map<std::string, std::string, std::less<>> gate_environment(const GateCommand& command,
                                                                 const Environment& environment, const fs::path& home) {
    const auto& passed = command.pass_environment;
    std::map<std::string, std::string, std::less<>> variables;
    for (const auto& [name, value] : environment.all()) {
        if (is_one_of(kGateVariables, name) || name.starts_with("LC_") ||
            (command.kind == GateKind::Test && is_one_of(kEngineVariables, name)) ||
            std::find(passed.begin(), passed.end(), name) != passed.end()) {
            variables[name] = value;
        }
    }
    if (command.kind == GateKind::Scan && std::find(passed.begin(), passed.end(), "HOME") == passed.end()) {
        const auto real = environment.get("HOME");
        if (variables.find("XDG_CACHE_HOME") == variables.end() && real && real->starts_with('/')) {
            variables["XDG_CACHE_HOME"] = *real + "/.cache";
        }
        variables["HOME"] = home.string();
    }
    return variables;
}

GateReport run_gate(const GateCommand& command, const GateSubject& subject, const fs::path& logs, bool fresh,
                    const Environment& environment, const Run& run) {
    run.check();
    return Gate(command, subject, logs, environment, run).run(fresh);
}

}  // namespace cooper::delivery
