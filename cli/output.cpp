#include "output.hpp"

#include "cooper/base/environment.hpp"
#include "cooper/base/text.hpp"

#include <nlohmann/json.hpp>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>

namespace cooper::cli {

namespace {

constexpr std::string_view kHexDigits = "0123456789abcdef";
constexpr std::string_view kUpperHexDigits = "0123456789ABCDEF";  // as the runner's own toolkit writes them

void append_escaped(std::string& out, std::string_view bytes) {
    for (const char character : bytes) {
        const auto byte = static_cast<unsigned char>(character);
        out += "\\x";
        out += kHexDigits[byte >> 4U];
        out += kHexDigits[byte & 15U];
    }
}

// The length of a sequence at the beginning of `text` that would steer a terminal or turn the reading direction; 0:
// none.
std::size_t steering_length(std::string_view text) {
    const auto byte = [&](std::size_t i) {
        return i < text.size() ? static_cast<unsigned char>(text[i]) : static_cast<unsigned char>(0);
    };
    if (byte(0) < 0x20 || byte(0) == 0x7f) {
        return 1;
    }
    if (byte(0) == 0xc2 && byte(1) >= 0x80 && byte(1) <= 0x9f) {  // C1 controls, CSI among them
        return 2;
    }
    if (byte(0) == 0xe2 && byte(1) == 0x80 &&
        (byte(2) == 0x8e || byte(2) == 0x8f || (byte(2) >= 0xa8 && byte(2) <= 0xae))) {
        return 3;  // U+200E, U+200F, U+2028 to U+202E
    }
    if (byte(0) == 0xe2 && byte(1) == 0x81 && byte(2) >= 0xa6 && byte(2) <= 0xa9) {
        return 3;  // U+2066 to U+2069
    }
    return 0;
}

bool write_all(int descriptor, std::string_view text) noexcept {
    while (!text.empty()) {
        const ssize_t count = ::write(descriptor, text.data(), text.size());
        if (count < 0) {
            if (errno == EINTR) {
                continue;
            }
            return false;
        }
        text.remove_prefix(static_cast<std::size_t>(count));
    }
    return true;
}

/// A pipe or terminal in a job: the runner may be at its other end.
bool runner_may_read_stdout() {
    struct stat status {};
    return in_github_actions() && !(::fstat(STDOUT_FILENO, &status) == 0 && S_ISREG(status.st_mode));
}

void replace_all(std::string& text, std::string_view what, std::string_view with) {
    for (std::size_t at = text.find(what); at != std::string::npos; at = text.find(what, at + with.size())) {
        text.replace(at, what.size(), with);
    }
}

std::string escaped_for_command(std::string_view text, bool is_property) {
    std::string escaped;
    for (const char character : text) {
        if (character == '%' || character == '\r' || character == '\n' ||
            (is_property && (character == ':' || character == ','))) {
            escaped += '%';
            escaped += kUpperHexDigits[static_cast<unsigned char>(character) >> 4U];
            escaped += kUpperHexDigits[static_cast<unsigned char>(character) & 15U];
        } else {
            escaped += character;
        }
    }
    return escaped;
}

}  // namespace

void OutputFlags::declare(CommandLine& line) {
    line.heading("Output");
    line.toggle("--json", "one JSON document on standard output, for failures too ({\"error\": …})", json);
    line.toggle("-v, --verbose", "show each request on standard error", verbose);
    line.toggle("-q, --quiet", "nothing but warnings and errors on standard error", quiet);
    line.toggle("--no-progress", "no bars; default: bars on a terminal, plain lines elsewhere", no_progress);
    log_dir = Environment::process().get("COOPER_LOG_DIR").value_or("");
    line.value("--log-dir", "DIR", "keep what is said, by builds and gates too, in DIR; default: $COOPER_LOG_DIR",
               log_dir);
}

std::string printable(std::string_view text) {
    std::string out;
    out.reserve(text.size());
    while (!text.empty()) {
        if (text[0] == '\n') {
            out += "\n  ";
            text.remove_prefix(1);
            continue;
        }
        const std::size_t steering = text[0] == '\t' ? 0 : steering_length(text);
        if (steering > 0) {
            append_escaped(out, text.substr(0, steering));
        } else {
            out += text[0];
        }
        text.remove_prefix(std::max<std::size_t>(steering, 1));
    }
    return out;
}

std::string shortened(std::string_view text, std::size_t limit) {
    return printable(text.substr(0, limit)) + (text.size() > limit ? "…" : "");
}

void print(std::string_view text) {
    print_exact(runner_may_read_stdout() ? without_commands(text) : std::string(text));
}

void print_exact(std::string_view text) {
    if (!write_all(STDOUT_FILENO, text)) {
        throw SystemError("writing the result to standard output", errno);
    }
}

void print_json(const Json& document) {
    std::string text = document.dump(2, ' ', true, Json::error_handler_t::replace) + "\n";
    if (in_github_actions()) {
        replace_all(text, "##[",
                    "##\\u005b");  // the same string to every reader of JSON; no line of it begins with "::"
    }
    print_exact(text);
}

std::string without_commands(std::string_view text) {
    std::string out;
    out.reserve(text.size());
    bool line_begins = true;
    for (std::size_t at = 0; at < text.size(); ++at) {
        const auto byte = static_cast<unsigned char>(text[at]);
        const std::string_view rest = text.substr(at);
        if (line_begins && rest.starts_with("::")) {
            out += "\\x3a";
        } else if (rest.starts_with("[") && out.ends_with("##")) {
            out += "\\x5b";
        } else {
            out += text[at];
        }
        // The runner trims all that Unicode calls a space, so every byte beyond ASCII may be one.
        line_begins = byte == '\n' || byte == '\r' || (line_begins && (byte <= ' ' || byte >= 0x80));
    }
    return out;
}

void complain(std::string_view text) noexcept {
    write_all(STDERR_FILENO, text);
}

std::string aligned(const std::vector<std::pair<std::string, std::string>>& rows, std::string_view indent) {
    std::size_t width = 0;
    for (const auto& [name, value] : rows) {
        width = std::max(width, value.empty() ? 0 : name.size());
    }
    std::string out;
    for (const auto& [name, value] : rows) {
        if (!value.empty()) {
            out += std::string(indent) + name + std::string(width - name.size() + 2, ' ') + printable(value) + "\n";
        }
    }
    return out;
}

std::string joined(const std::vector<std::string>& texts, std::string_view separator) {
    std::string all;
    for (const std::string& text : texts) {
        all += (all.empty() ? "" : std::string(separator)) + text;
    }
    return all;
}

std::string size_text(std::uint64_t bytes) {
    return bytes < 1000 ? std::to_string(bytes) + " bytes"
                        : format_bytes(bytes) + " (" + std::to_string(bytes) + " bytes)";
}

bool in_github_actions() noexcept {
    const char* value = std::getenv("GITHUB_ACTIONS");  // NOLINT(concurrency-mt-unsafe): nothing here sets variables
    return value != nullptr && std::string_view(value) == "true";
}

std::string error_annotation(std::string_view title, std::string_view message) {
    return "::error title=" + escaped_for_command(title, true) + "::" + escaped_for_command(message, false) + "\n";
}

WorkflowCommandsStopped::WorkflowCommandsStopped() {
    if (!in_github_actions()) {
        return;
    }
    // Random: text from outside that knew the word could end the stop itself.
    std::array<std::byte, 16> random{};
    if (::getrandom(random.data(), random.size(), 0) != static_cast<ssize_t>(random.size())) {
        return;
    }
    token_ = "cooper-" + to_hex(random);
    complain("::stop-commands::" + token_ + "\n");
}

WorkflowCommandsStopped::~WorkflowCommandsStopped() {
    if (!token_.empty()) {
        complain("::" + token_ + "::\n");
    }
}

}  // namespace cooper::cli
